//! Text from components, cut to what a message needs.

/// Bytes of a component's text in a message: names in a component may be long.
const TEXT_BYTES_MAX: usize = 1_000;

/// The text, cut at the limit.
pub(crate) fn shortened(text: &str) -> String {
    let cut = text.floor_char_boundary(TEXT_BYTES_MAX);
    if cut < text.len() { format!("{}…", &text[..cut]) } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"ä".repeat(TEXT_BYTES_MAX));
        assert!(long.len() <= TEXT_BYTES_MAX + '…'.len_utf8() && long.ends_with("ä…"), "{long}");
    }
}
