//! The header, which is written by hand, against the code, as cbindgen sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "a test")]
#![allow(unsafe_code, reason = "a text of C is followed")]

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

use mantisdb_c::status;

/// Declarations by their names: functions, structures, numbers.
type Declared = BTreeMap<String, String>;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> String {
    std::fs::read_to_string(folder().join("include/mantisdb.h")).unwrap()
}

/// Text without comments and preprocessor lines, with single spaces, and stars at their names.
fn plain(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    let lines =
        code.lines().filter(|line| !line.trim_start().starts_with(['#', '/']) && !line.contains("extern \"C\""));
    let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
    words
        .join(" ")
        .replace("( ", "(")
        .replace(" )", ")")
        .replace("(void)", "()")
        .replace("* ", "*")
        .replace("struct mantis_", "mantis_")
}

/// Structures and functions.
fn declarations(text: &str) -> Declared {
    let mut declared = Declared::new();
    let text = plain(text);
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        rest = &rest[start..];
        if let Some(body) = rest.strip_prefix("typedef mantis_")
            && let Some((name, body)) = body.split_once(" {")
            && let Some((fields, after)) = body.split_once('}')
        {
            declared.insert(format!("mantis_{name}"), fields.trim().to_owned());
            rest = after.split_once(';').map_or("", |(_, after)| after);
            continue;
        }
        let Some((statement, after)) = rest.split_once(';') else { break };
        if let Some((head, _)) = statement.split_once('(') {
            let name = head.rsplit([' ', '*']).next().unwrap();
            declared.insert(name.to_owned(), statement.to_owned());
        }
        rest = after;
    }
    declared
}

/// `#define` lines with a number.
fn numbers(text: &str) -> BTreeMap<String, i64> {
    let number = |line: &str| {
        let mut words = line.strip_prefix("#define ")?.split_whitespace();
        let (name, value) = (words.next()?, words.next()?);
        let value = value.trim_matches(['(', ')', 'u']);
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(number).collect()
}

/// What cbindgen makes of the code.
fn generated() -> String {
    let mut sources: Vec<PathBuf> = vec![folder().join("src/abi/types.rs"), folder().join("src/abi/status.rs")];
    sources.extend(std::fs::read_dir(folder().join("src/calls")).unwrap().map(|file| file.unwrap().path()));
    let mut config = cbindgen::Config { language: cbindgen::Language::C, usize_is_size_t: true, ..Default::default() };
    config.style = cbindgen::Style::Both;
    config.export.rename.insert("Status".into(), "mantis_status".into());
    config.export.include = declarations(&header()).into_keys().collect();
    let builder = sources.into_iter().fold(cbindgen::Builder::new(), cbindgen::Builder::with_src);
    let mut text = Vec::new();
    builder.with_config(config).generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_header_declares_what_the_code_has() {
    let (written, generated) = (declarations(&header()), generated());
    let code = declarations(&generated);
    assert!(written.len() > 60, "{written:?}");
    for (name, declaration) in &written {
        // cbindgen marks no return value as a text that stays.
        assert_eq!(code.get(name), Some(declaration), "{name}");
    }
    let functions = code.keys().filter(|name| name.starts_with("mantis_"));
    for name in functions {
        assert!(written.contains_key(name), "{name} is not in the header");
    }
}

#[test]
fn the_numbers_of_the_header_are_those_of_the_code() {
    let (written, code) = (numbers(&header()), numbers(&generated()));
    for (name, value) in &written {
        let result = status::ALL.iter().find(|(result, _)| result == name).map(|(_, value)| i64::from(*value));
        assert_eq!(result.or(code.get(name).copied()), Some(*value), "{name}");
    }
    for name in
        code.keys().chain(status::ALL.iter().map(|(name, _)| *name).map(str::to_owned).collect::<Vec<_>>().iter())
    {
        assert!(written.contains_key(name), "{name} is not in the header");
    }
}

#[test]
fn the_exported_symbols_are_the_functions_of_the_header() {
    let functions: Vec<_> =
        declarations(&header()).into_iter().filter(|(_, text)| text.contains('(')).map(|(name, _)| name).collect();
    let listed = std::fs::read_to_string(folder().join("tests/symbols.txt")).unwrap();
    assert_eq!(functions, listed.lines().collect::<Vec<_>>());
}

/// What only returns a constant, and may be called in a fork.
const CONSTANT: [&str; 3] = ["mantis_abi_version", "mantis_status_name", "mantis_version"];

#[test]
fn every_function_that_does_something_runs_within_call() {
    let mut functions = Vec::new();
    for file in std::fs::read_dir(folder().join("src/calls")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for function in text.split("extern \"C\" fn ").skip(1) {
            let (name, _) = function.split_once('(').unwrap();
            let (body, _) = function.split_once("\n}\n").unwrap();
            assert_ne!(body.contains("unsafe { call("), CONSTANT.contains(&name), "{name}");
            functions.push(name.to_owned());
        }
    }
    functions.sort();
    let listed = std::fs::read_to_string(folder().join("tests/symbols.txt")).unwrap();
    assert_eq!(functions, listed.lines().collect::<Vec<_>>());
}

#[test]
fn the_version_is_the_release() {
    // SAFETY: the text is static and ends with a NUL, as the header says.
    let version = unsafe { CStr::from_ptr(mantisdb_c::mantis_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}
