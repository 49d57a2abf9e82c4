//! Strings between quotes.

/// Hands a text to `push` in pieces, as the inside of a JSON string.
pub(in crate::tables::types) fn escape(text: &str, mut push: impl FnMut(&str)) {
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        push(&text[start..at]);
        if escaped.is_empty() {
            push(&format!("\\u{byte:04x}"));
        } else {
            push(escaped);
        }
        start = at + 1;
    }
    push(&text[start..]);
}
