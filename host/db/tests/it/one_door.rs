//! The room `engine` is the only one that names the embedded engine.

use std::path::Path;

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn only_one_room_names_the_embedded_engine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 20, "the sources are here");
    for (path, text) in found {
        let file = Path::new(&path).strip_prefix(&root).unwrap();
        let is_door = file.starts_with("engine") || file == Path::new("lib.rs");
        assert!(is_door || !text.contains("mantis_store"), "{} goes past the room `engine`", file.display());
    }
}
