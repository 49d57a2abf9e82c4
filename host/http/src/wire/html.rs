//! Text in HTML.

/// The style of the pages.
pub(crate) const STYLE: &str = include_str!("html.css");

/// Text for a place in HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text with `code` in backticks.
pub(crate) fn prose(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (index, part) in escape(text).split('`').enumerate() {
        if index > 0 {
            html.push_str(if index % 2 == 1 { "<code>" } else { "</code>" });
        }
        html.push_str(part);
    }
    html
}
