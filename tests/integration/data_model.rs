//! docs/concepts/data-model.md states the actual limits.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mantis_db::{Code, Limits, limits, tables};

/// A row of a table of limits.
struct Row {
    name: String,
    value: u64,
    past_it: String,
}

fn rows() -> Vec<Row> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/concepts/data-model.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        Row { name: cells[0].to_owned(), value: number(cells[1]), past_it: cells[3].to_owned() }
    };
    rows.map(row).collect()
}

fn number(text: &str) -> u64 {
    let plain = |digits: &str| digits.replace(',', "").parse::<u64>().unwrap_or_else(|error| panic!("{text}: {error}"));
    match text.split_once(' ') {
        _ if text == "none" => u64::MAX,
        Some((digits, "MiB")) => plain(digits) << 20,
        Some((_, unit)) => panic!("{unit} is no unit of the tables"),
        None => plain(text),
    }
}

/// The limits in force by default, by name, as their debugging form lists them.
fn in_force() -> BTreeMap<String, u64> {
    let shown = format!("{:?}", Limits::default());
    let fields = shown.strip_prefix("Limits { ").and_then(|rest| rest.strip_suffix(" }")).unwrap();
    let field = |field: &str| {
        let (name, value) = field.split_once(": ").unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    let fixed = [
        ("BUCKET_NAME_BYTES_MAX", limits::BUCKET_NAME_BYTES_MAX as u64),
        ("TABLE_NAME_BYTES_MAX", limits::TABLE_NAME_BYTES_MAX as u64),
        ("MEDIA_TYPE_BYTES_MAX", limits::MEDIA_TYPE_BYTES_MAX as u64),
        ("TTL_MS_MAX", limits::TTL_MS_MAX),
    ];
    fields.split(", ").map(field).chain(fixed.map(|(name, value)| (name.to_owned(), value))).collect()
}

#[test]
fn the_document_states_the_actual_limits() {
    let shown: BTreeMap<_, _> = rows().into_iter().map(|row| (row.name, row.value)).collect();
    assert_eq!(shown, in_force());
}

#[test]
fn the_document_names_existing_codes() {
    for Row { name, past_it, .. } in rows() {
        let code = past_it.split(['`', ';', ' ']).next().unwrap();
        let is_code = Code::ALL.iter().any(|known| known.as_str() == code)
            || tables::code::ALL.iter().any(|(known, _)| *known == code);
        let goes_on = past_it.starts_with("the scan goes on") || past_it.starts_with("the page ends");
        assert!(is_code || goes_on, "{name}: {past_it}");
    }
}

/// Pages and guests are built without the crate, and have constants of their own.
#[test]
fn pages_and_guests_state_the_actual_limits() {
    let figure = |path: &str, name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.contains(&format!("const {name}"))).unwrap().to_owned();
        let digits = line.split_once(" = ").unwrap().1.trim_end_matches(';').replace('_', "");
        digits.parse::<usize>().unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    let limits = Limits::default();
    assert_eq!(figure("embed/typescript/src/arguments.ts", "KEYS_MAX"), limits.get_many_keys_max);
    assert_eq!(figure("embed/typescript/src/http/kv.ts", "PAGE_KEYS"), limits.page_entries_max);
    assert_eq!(figure("guest/sdk/src/scan.rs", "PAGE_ENTRIES"), limits.page_entries_max);
}
