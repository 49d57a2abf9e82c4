//! The column that was perhaps meant.

use crate::limits::TABLE_NAME_BYTES_MAX;
use crate::tables::schema::names::distance;

/// A name as messages show it, as long as a name may be.
pub(super) fn shown(name: &str) -> &str {
    &name[..name.floor_char_boundary(TABLE_NAME_BYTES_MAX)]
}

/// The candidates nearest to a name that does not exist: one, or two that are as near. None where there are more, or where all are farther
/// than PostgreSQL looks: three edits, or half of the name.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut best: Vec<&str> = Vec::new();
    if name.len() > TABLE_NAME_BYTES_MAX {
        return best;
    }
    let name: Vec<char> = name.chars().collect();
    let mut distance_max = (name.len() / 2).min(3);
    for candidate in candidates {
        let characters: Vec<char> = candidate.chars().collect();
        let Some(distance) = distance(&name, &characters, distance_max) else { continue };
        if distance < distance_max {
            best.clear();
        }
        distance_max = distance;
        best.push(candidate);
    }
    if best.len() > 2 { Vec::new() } else { best }
}
