//! Rows as an HTML table.

use mantis_db::Budget;
use mantis_db::tables::query::{Cell, OutputColumn, RowSink};
use mantis_db::tables::types::{Type, Value, write_text};
use mantis_db::tables::{Environment, TableError, TableResult, code};

use crate::protocol::memory::Text;
use crate::protocol::problem::Result;
use crate::wire::html::escape;

/// Characters of a value that are shown.
const VALUE_CHARACTERS_MAX: usize = 200;
/// Bytes of HTML.
const HTML_BYTES_MAX: usize = 4 << 20;

/// Collects rows as the lines of an HTML table, whose memory is taken before they are written. Long values are cut.
#[derive(Debug)]
pub(super) struct HtmlRows {
    environment: Environment,
    columns: Vec<OutputColumn>,
    html: Text,
    text: String,
}

impl HtmlRows {
    pub(super) fn new(environment: Environment, in_flight: &Budget) -> Self {
        Self { environment, columns: Vec::new(), html: Text::new(in_flight), text: String::new() }
    }

    /// The HTML table.
    pub(super) fn write_to(&self, html: &mut Text) -> Result<()> {
        html.push(b"<div class=\"wide\"><table class=\"rows\"><tr>")?;
        for column in &self.columns {
            write!(html, "<th>{}</th>", escape(&column.name))?;
        }
        html.push(b"</tr>")?;
        html.push(self.html.as_bytes())?;
        html.push(b"</table></div>")
    }

    fn write_row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.html.push(b"<tr>")?;
        for (cell, column) in cells.iter().zip(&self.columns) {
            self.text.clear();
            match cell {
                Cell::Value(Value::Null) => {
                    self.html.push(b"<td class=\"null\">null</td>")?;
                    continue;
                }
                Cell::Value(value) => {
                    write_text(value, column.r#type.unwrap_or(Type::TEXT), &self.environment, &mut self.text);
                }
                Cell::Json(json) => self.text.push_str(json),
            }
            self.html.push(b"<td>")?;
            match self.text.char_indices().nth(VALUE_CHARACTERS_MAX) {
                None => self.html.push(escape(&self.text).as_bytes())?,
                Some((end, _)) => {
                    self.html.push(escape(&self.text[..end]).as_bytes())?;
                    write!(self.html, "<i title=\"cut; {} bytes in all\">&hellip;</i>", self.text.len())?;
                }
            }
            self.html.push(b"</td>")?;
        }
        self.html.push(b"</tr>")
    }
}

impl RowSink for HtmlRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.columns = columns.to_vec();
        self.html.clear();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        // Nothing else goes wrong in it.
        self.write_row(cells).map_err(|_| mantis_db::Error::from(mantis_db::Code::MemoryFull))?;
        if self.html.as_bytes().len() > HTML_BYTES_MAX {
            let message = format!("the page has more than {HTML_BYTES_MAX} bytes");
            return Err(TableError::new(code::LIMIT_EXCEEDED, message).with_hint("Select fewer columns or rows."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mantis_db::{Database, Limits, ManualClock, SeededRandom};

    use super::*;

    #[test]
    fn values_are_text_and_long_ones_are_cut() {
        let (clock, random) = (ManualClock::new(0), SeededRandom::new(1));
        let database = Database::in_memory_with(Limits::default(), Arc::new(clock), Arc::new(random)).unwrap();
        let mut rows = HtmlRows::new(database.environment_utc(), database.in_flight());
        let text = |name: &str| OutputColumn { name: name.to_owned(), r#type: Some(Type::TEXT) };
        rows.begin(&[text("<b>"), text("c"), text("d")]).unwrap();
        let long = "é".repeat(300);
        let value = |text: &str| Cell::Value(Value::Text(text.to_owned().into()));
        rows.row(&[value("<script>"), Cell::Value(Value::Null), value(&long)]).unwrap();
        let mut html = Text::new(database.in_flight());
        rows.write_to(&mut html).unwrap();
        let html = std::str::from_utf8(html.as_bytes()).unwrap();
        assert!(html.contains("<th>&lt;b&gt;</th>") && html.contains("<td>&lt;script&gt;</td>"), "{html}");
        assert!(html.contains("<td class=\"null\">null</td>"), "{html}");
        assert_eq!(html.matches('é').count(), VALUE_CHARACTERS_MAX);
        assert!(html.contains("600 bytes in all"), "{html}");
    }
}
