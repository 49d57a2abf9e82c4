//! Rows as an aligned table. What a terminal would obey is escaped, and lines are cut to its width.

use std::borrow::Cow;
use std::fmt::Write as _;

use console::{measure_text_width, truncate_str};

use crate::client::text::printable;

/// Between columns.
const GAP: &str = "  ";
/// What stands for the rest of a text that is cut.
const CUT: &str = "…";
/// A column is not made narrower than this.
const WIDTH_MIN: usize = 6;
/// Characters of a cell that are laid out where no terminal limits them.
const CELL_WIDTH_MAX: usize = 10_000;

/// Rows to be aligned.
#[derive(Debug, Default)]
pub(super) struct Grid {
    columns: Vec<Column>,
    /// Cell by cell.
    cells: Vec<String>,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// Numbers are aligned on the right.
    is_right: bool,
    width: usize,
}

impl Grid {
    /// A table of these columns.
    pub(super) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let column = |name: &str| {
            let name = printable(name).into_owned();
            Column { width: measure_text_width(&name), name, is_right: false }
        };
        Self { columns: columns.into_iter().map(column).collect(), cells: Vec::new() }
    }

    /// Aligns a column on the right.
    pub(super) fn align_right(&mut self, column: usize) {
        if let Some(column) = self.columns.get_mut(column) {
            column.is_right = true;
        }
    }

    /// Adds a row, with as many cells as there are columns.
    pub(super) fn row<'a>(&mut self, cells: impl IntoIterator<Item = Cow<'a, str>>) {
        for (cell, column) in cells.into_iter().zip(&mut self.columns) {
            let cell = printable(&cell);
            let cell = truncate_str(&cell, CELL_WIDTH_MAX, CUT);
            column.width = column.width.max(measure_text_width(&cell));
            self.cells.push(cell.into_owned());
        }
    }

    /// The lines, each at most `width` wide if there is one.
    pub(super) fn lines(&self, width: Option<usize>) -> impl Iterator<Item = String> {
        let widths = self.widths(width);
        let line = move |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (place, ((cell, &cell_width), column)) in cells.zip(&widths).zip(&self.columns).enumerate() {
                let cell = truncate_str(cell, cell_width, CUT);
                let padding = cell_width.saturating_sub(measure_text_width(&cell));
                let gap = if place > 0 { GAP } else { "" };
                // Writing to a string cannot fail.
                let _ = if column.is_right {
                    write!(line, "{gap}{:padding$}{cell}", "")
                } else {
                    write!(line, "{gap}{cell}{:padding$}", "")
                };
            }
            line.truncate(line.trim_end().len());
            width.map_or(line.clone(), |width| truncate_str(&line, width, CUT).into_owned())
        };
        let header = line(&mut self.columns.iter().map(|column| &*column.name));
        let rule: Vec<_> = self.columns.iter().map(|column| "-".repeat(column.width)).collect();
        let rule = line(&mut rule.iter().map(String::as_str)).replace(CUT, "-");
        let rows = self.cells.chunks(self.columns.len().max(1));
        [header, rule].into_iter().chain(rows.map(move |cells| line(&mut cells.iter().map(String::as_str))))
    }

    /// The columns' widths: the widest are cut until all fit.
    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let natural: Vec<_> = self.columns.iter().map(|column| column.width).collect();
        let Some(width) = width else { return natural };
        let room = width.saturating_sub(GAP.len() * natural.len().saturating_sub(1));
        let total = |most: usize| natural.iter().map(|&column| column.min(most)).sum::<usize>();
        let widest = natural.iter().copied().max().unwrap_or_default();
        // The largest bound on a column with which all fit.
        let (mut fits, mut exceeds) = (WIDTH_MIN, widest + 1);
        while fits + 1 < exceeds {
            let middle = usize::midpoint(fits, exceeds);
            if total(middle) <= room { fits = middle } else { exceeds = middle }
        }
        natural.into_iter().map(|column| column.min(fits)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(columns: &[&str], rows: &[&[&str]], right: &[usize], width: Option<usize>, expected: &[&str]) {
        let mut grid = Grid::new(columns.iter().copied());
        for row in rows {
            grid.row(row.iter().map(|&cell| cell.into()));
        }
        for &column in right {
            grid.align_right(column);
        }
        assert_eq!(grid.lines(width).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let rows: &[&[&str]] = &[&["1", "a"], &["20", "日本"], &["", "e\u{301}x"]];
        check(&["id", "name"], rows, &[0], None, &["id  name", "--  ----", " 1  a", "20  日本", "    e\u{301}x"]);
        check(&[], &[], &[], None, &["", ""]);
    }

    #[test]
    fn a_terminal_obeys_no_cell_and_no_name() {
        check(&["a\x1b[2J"], &[&["x\ny\u{9b}"]], &[], None, &[r"a\u{1b}[2J", "----------", r"x\ny\u{9b}"]);
    }

    #[test]
    fn the_widest_columns_are_cut_to_the_terminal() {
        let rows: &[&[&str]] = &[&["1", "abcdefghijklmnop", "abcdefghijklmnop"]];
        let expected = ["n  a         b", "-  --------  --------", "1  abcdefg…  abcdefg…"];
        check(&["n", "a", "b"], rows, &[], Some(21), &expected);
        check(&["n", "a", "b"], rows, &[], Some(8), &["n  a   …", "-  -----", "1  abcd…"]);
    }
}
