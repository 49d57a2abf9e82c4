//! Strings between quotes.

/// Hands a text to `push` in pieces, as the inside of a JSON string.
pub(in crate::tables::types) fn escape(text: &str, mut push: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let (mut start, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        // Nearly all bytes end here.
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            _ => "",
        };
        push(&text[start..at - 1]);
        if escaped.is_empty() {
            push(&format!("\\u{byte:04x}"));
        } else {
            push(escaped);
        }
        start = at;
    }
    push(&text[start..]);
}
