//! From paths to the files that define what they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail};

use super::parse::File;

/// A file that uses what another defines. Files are named from the crate's `src`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) to: String,
    /// The imported item.
    pub(super) name: String,
}

/// The files of a crate and what they import from each other.
pub(super) struct Crate {
    modules: BTreeMap<Vec<String>, Module>,
    pub(super) imports: BTreeSet<Import>,
}

/// A module, in a file of its own or within one.
struct Module {
    file: String,
    /// Names that it imports, and what they refer to.
    names: BTreeMap<String, Vec<String>>,
    /// Modules all of whose names it imports.
    globs: Vec<Vec<String>>,
}

impl Crate {
    /// Reads the crate in the folder `src`, from `lib.rs` and `main.rs` on.
    pub(super) fn read(src: &Path) -> Result<Self> {
        let mut found = Self { modules: BTreeMap::new(), imports: BTreeSet::new() };
        let mut files = Vec::new();
        for root in ["lib.rs", "main.rs"] {
            if src.join(root).exists() {
                found.read_module(src, root, Vec::new(), &mut files)?;
                break;
            }
        }
        for (path, file) in &files {
            found.add_names(path, file);
        }
        let mut imports = BTreeSet::new();
        for (path, file) in &files {
            let uses = file.uses.iter().filter(|one| !one.is_export).map(|one| (&one.within, &one.target));
            let mentions = file.mentions.iter().map(|one| (&one.within, &one.segments));
            for (within, segments) in uses.chain(mentions) {
                imports.extend(found.import(&[&path[..], within].concat(), segments));
            }
        }
        found.imports = imports;
        Ok(found)
    }

    /// All folders with files in them, the outermost first; `""` is the crate's.
    pub(super) fn folders(&self) -> BTreeSet<String> {
        let files = self.modules.values().map(|module| module.file.as_str());
        files
            .flat_map(|file| file.match_indices('/').map(|(at, _)| file[..at].to_owned()).chain([String::new()]))
            .collect()
    }

    fn read_module(
        &mut self,
        src: &Path,
        name: &str,
        path: Vec<String>,
        files: &mut Vec<(Vec<String>, File)>,
    ) -> Result<()> {
        let file = File::read(&src.join(name))?;
        let module = || Module { file: name.to_owned(), names: BTreeMap::new(), globs: Vec::new() };
        self.modules.insert(path.clone(), module());
        for inline in &file.inline {
            self.modules.insert([&path[..], inline].concat(), module());
        }
        for child in &file.modules {
            let below: Vec<_> = path.iter().map(String::as_str).chain([child.as_str()]).collect();
            let below = below.join("/");
            let places = [format!("{below}.rs"), format!("{below}/mod.rs")];
            let Some(place) = places.iter().find(|place| src.join(place).exists()) else {
                bail!("{name} declares the module {child}, which has no file");
            };
            self.read_module(src, place, [&path[..], std::slice::from_ref(child)].concat(), files)?;
        }
        files.push((path, file));
        Ok(())
    }

    fn add_names(&mut self, path: &[String], file: &File) {
        for one in &file.uses {
            let at = [path, &one.within].concat();
            let Some(target) = self.absolute(&at, &one.target) else { continue };
            let Some(module) = self.modules.get_mut(&at) else { continue };
            if one.name == "*" {
                module.globs.push(target[..target.len() - 1].to_vec());
            } else {
                module.names.insert(one.name.clone(), target);
            }
        }
    }

    /// `segments`, written in the module `at`, as a path from the crate's root; `None` if they name something of another crate.
    fn absolute(&self, at: &[String], segments: &[String]) -> Option<Vec<String>> {
        let mut from = at.to_vec();
        let mut rest = segments;
        match rest.first()?.as_str() {
            "crate" => {
                from.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    from.pop()?;
                    rest = &rest[1..];
                }
            }
            first => {
                let is_child = self.modules.contains_key(&[at, &[first.to_owned()]].concat());
                let is_name = self.modules.get(at).is_some_and(|module| module.names.contains_key(first));
                if !is_child && !is_name {
                    return None;
                }
            }
        }
        Some([&from[..], rest].concat())
    }

    fn import(&self, at: &[String], segments: &[String]) -> Option<Import> {
        let target = self.absolute(at, segments)?;
        let from = self.modules.get(at)?.file.clone();
        let (to, name) = self.file_of(&target, 0)?;
        (from != to).then_some(Import { from, to, name })
    }

    /// The file and the name of the item at a path from the crate's root.
    fn file_of(&self, target: &[String], depth: usize) -> Option<(String, String)> {
        // A re-export that leads back to itself does not compile.
        if depth > 16 {
            return None;
        }
        let mut here: Vec<String> = Vec::new();
        for (index, segment) in target.iter().enumerate() {
            let module = self.modules.get(&here)?;
            let child = [&here[..], std::slice::from_ref(segment)].concat();
            let rest = &target[index + 1..];
            if self.modules.contains_key(&child) {
                here = child;
                continue;
            }
            if let Some(stands_for) = module.names.get(segment) {
                return self.file_of(&[&stands_for[..], rest].concat(), depth + 1);
            }
            let through = module.globs.iter().filter(|glob| **glob != here).find_map(|glob| {
                let target = [&glob[..], &target[index..]].concat();
                self.defines(glob, segment).then(|| self.file_of(&target, depth + 1)).flatten()
            });
            return through.or_else(|| Some((module.file.clone(), segment.clone())));
        }
        let name = here.last().map_or("crate", String::as_str);
        self.modules.get(&here).map(|module| (module.file.clone(), name.to_owned()))
    }

    /// Whether a module declares a module or imports a name like this.
    fn defines(&self, module: &[String], name: &str) -> bool {
        self.modules.contains_key(&[module, &[name.to_owned()]].concat())
            || self.modules.get(module).is_some_and(|module| module.names.contains_key(name))
    }
}
