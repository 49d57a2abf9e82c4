//! Names: which are valid, which PostgreSQL gives where none was given, and which is nearest to one that does not exist.

use crate::limits::TABLE_NAME_BYTES_MAX;
use crate::tables::{TableError, TableResult, code};

/// Refuses a name that is empty, too long, has a U+0000, or is `.` or `..`, which would be no name in a path. `what` says of what it is.
///
/// # Errors
/// 42602.
pub(crate) fn check_name(what: &str, name: &str) -> TableResult<()> {
    let reason = if name.is_empty() {
        "is empty"
    } else if name.len() > TABLE_NAME_BYTES_MAX {
        "is longer than 63 bytes"
    } else if name.contains('\0') {
        "contains U+0000"
    } else if matches!(name, "." | "..") {
        "is a step in a path, which clients resolve"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(TABLE_NAME_BYTES_MAX).collect();
    Err(TableError::new(code::NAME_INVALID, format!("the name of {what} {reason}: \"{}\"", shown.escape_debug())))
}

/// The name of a constraint or index that has none, as PostgreSQL's `ChooseConstraintName` makes it: `table_columns_suffix`, shortened to 63
/// bytes at the longer of the first two parts, with the first number after it that makes a name for which `is_taken` is false.
pub(crate) fn choose_name(
    table: &str,
    columns: &[&str],
    suffix: &str,
    mut is_taken: impl FnMut(&str) -> bool,
) -> String {
    let columns = columns.join("_");
    let mut number = String::new();
    for next in 1_u32.. {
        let name = object_name(table, &columns, &format!("{suffix}{number}"));
        if !is_taken(&name) {
            return name;
        }
        number = next.to_string();
    }
    unreachable!("a table has fewer names than there are numbers")
}

/// `table_columns_suffix` in at most 63 bytes; `columns` may be empty.
fn object_name(table: &str, columns: &str, suffix: &str) -> String {
    let separators = 1 + usize::from(!columns.is_empty());
    let room = TABLE_NAME_BYTES_MAX.saturating_sub(suffix.len() + separators);
    let (mut table_bytes, mut column_bytes) = (table.len(), columns.len());
    while table_bytes + column_bytes > room {
        if table_bytes > column_bytes {
            table_bytes -= 1;
        } else {
            column_bytes -= 1;
        }
    }
    let (table, columns) = (cut(table, table_bytes), cut(columns, column_bytes));
    if columns.is_empty() { format!("{table}_{suffix}") } else { format!("{table}_{columns}_{suffix}") }
}

/// The first `bytes` bytes, or fewer: no character is cut.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The name among `names` that `wanted` was probably meant to be: at most a third of its characters differ.
#[must_use]
pub fn nearest(wanted: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let wanted_characters: Vec<char> = wanted.chars().flat_map(char::to_lowercase).take(TABLE_NAME_BYTES_MAX).collect();
    let mut distance_max = wanted_characters.len() / 3 + 1;
    let mut nearest = None;
    for name in names {
        let characters: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
        if let Some(distance) = distance(&wanted_characters, &characters, distance_max) {
            nearest = Some(name);
            let Some(less) = distance.checked_sub(1) else { break };
            distance_max = less;
        }
    }
    nearest
}

/// Insertions, deletions and replacements that make one of the other (Levenshtein 1966), if they are at most `distance_max`.
pub(crate) fn distance(from: &[char], to: &[char], distance_max: usize) -> Option<usize> {
    if from.len().abs_diff(to.len()) > distance_max {
        return None;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, a) in from.iter().enumerate() {
        let mut before = row[0];
        row[0] = line + 1;
        let mut least = row[0];
        for (place, b) in to.iter().enumerate() {
            let replaced = before + usize::from(a != b);
            before = row[place + 1];
            row[place + 1] = replaced.min(before + 1).min(row[place] + 1);
            least = least.min(row[place + 1]);
        }
        if least > distance_max {
            return None;
        }
    }
    row.last().copied().filter(|&distance| distance <= distance_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn chosen(table: &str, columns: &[&str], suffix: &str, taken: &[&str], expected: &str) {
        assert_eq!(choose_name(table, columns, suffix, |name| taken.contains(&name)), expected);
    }

    #[test]
    fn names_are_those_of_postgresql() {
        chosen("t", &[], "pkey", &[], "t_pkey");
        chosen("t", &["a", "b"], "key", &[], "t_a_b_key");
        chosen("t", &["a"], "idx", &["t_a_idx", "t_a_idx1"], "t_a_idx2");
        // As PostgreSQL 15 names `create table <40 a> (<40 b> int unique)`.
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        chosen(&a, &[&b], "key", &[], &format!("{}_{}_key", &a[..29], &b[..29]));
        chosen(&"ä".repeat(31), &[], "pkey", &[], &format!("{}_pkey", "ä".repeat(29)));
    }

    #[test]
    fn no_character_of_a_long_name_is_cut() {
        for bytes in 0..80 {
            let name = choose_name(&"€".repeat(bytes), &[&"ß".repeat(80 - bytes)], "fkey", |_| false);
            assert!(name.len() <= TABLE_NAME_BYTES_MAX && name.len() > 55, "{name}");
        }
    }

    #[track_caller]
    fn meant(wanted: &str, names: &[&str], expected: Option<&str>) {
        assert_eq!(nearest(wanted, names.iter().map(|&name| name.to_owned())).as_deref(), expected, "{wanted}");
    }

    #[test]
    fn the_nearest_name_is_found() {
        meant("ordrs", &["clients", "orders", "order_lines"], Some("orders"));
        meant("x_studoi", &["x_studios", "x_studio_names"], Some("x_studios"));
        meant("Orders", &["orders"], Some("orders"));
        meant("foozle", &["orders", "clients"], None);
        meant("a", &[], None);
        meant("", &["orders"], None);
    }

    #[test]
    fn names_are_bounded() {
        for (name, is_valid) in [
            ("", false),
            ("a", true),
            (&"a".repeat(63), true),
            (&"a".repeat(64), false),
            ("a\0", false),
            (".", false),
            ("..", false),
            ("...", true),
        ] {
            assert_eq!(check_name("a table", name).is_ok(), is_valid, "{name:?}");
        }
    }
}
