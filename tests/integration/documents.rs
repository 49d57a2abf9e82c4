//! Links to files and headings, and paths of the repository, in the documents have existing targets.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders whose files documents name by their path.
const FOLDERS: [&str; 10] =
    ["embed/", "host/", "guest/", "web/", "tests/", "docs/", "scripts/", "fuzz/", "benches/", "xtask/"];
/// Build output.
const NOT_IN_THE_REPOSITORY: [&str; 4] = ["/target", "/dist", "web/plugins", "fuzz/corpus"];
/// Placeholders in a path that names no single file.
const PLACEHOLDERS: [&str; 3] = ["TARGET", "NAME", "format-N"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The documents that people write, with their text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut documents = Vec::new();
    let mut folders =
        vec![root(), root().join("benches"), root().join("tests"), root().join("fuzz"), root().join("docs")];
    while let Some(folder) = folders.pop() {
        let is_deep = folder.starts_with(root().join("docs"));
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && is_deep {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap();
                documents.push((path, text));
            }
        }
    }
    documents
}

/// The text outside of blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// A heading's name in links, as forges derive it.
fn anchors(text: &str) -> BTreeSet<String> {
    let name = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|&letter| letter.is_alphanumeric() || " -_".contains(letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    prose(text).lines().filter(|line| line.starts_with('#')).map(name).collect()
}

/// The target of a link, if it does not exist.
fn broken(document: &Path, text: &str, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { document.to_path_buf() } else { document.parent().unwrap().join(file) };
    if !path.exists() {
        return true;
    }
    let Some(anchor) = anchor else { return false };
    let there = if file.is_empty() { text.to_owned() } else { fs::read_to_string(path).unwrap() };
    !anchors(&there).contains(anchor)
}

#[test]
fn links_have_existing_targets() {
    let mut count = 0;
    let mut lost = Vec::new();
    for (document, text) in documents() {
        for link in prose(&text).split("](").skip(1) {
            let target = link.split([')', '\n']).next().unwrap();
            if target.contains("://") {
                continue;
            }
            count += 1;
            if broken(&document, &text, target) {
                lost.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(lost.is_empty() && count > 50, "{count} links, of which lead nowhere: {lost:#?}");
}

#[test]
fn named_files_exist() {
    let mut count = 0;
    let mut lost = Vec::new();
    for (document, text) in documents() {
        let text = prose(&text);
        for name in text.split('`').skip(1).step_by(2) {
            let is_path = FOLDERS.iter().any(|folder| name.starts_with(folder));
            let is_form =
                name.contains(['*', '{', '<', ' ']) || name.split('/').any(|part| PLACEHOLDERS.contains(&part));
            let is_built = NOT_IN_THE_REPOSITORY.iter().any(|built| name.contains(built));
            if !is_path || is_form || is_built {
                continue;
            }
            count += 1;
            if !root().join(name).exists() {
                lost.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(lost.is_empty() && count > 50, "{count} paths, of which do not exist: {lost:#?}");
}
