//! The modules and imports of a Rust file.

use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A path in a module, as segments.
pub(super) struct Mention {
    /// The inline modules that contain it.
    pub(super) within: Vec<String>,
    pub(super) segments: Vec<String>,
}

/// A `use` declaration of one name.
pub(super) struct Use {
    pub(super) within: Vec<String>,
    /// The item; `*` at the end for everything.
    pub(super) target: Vec<String>,
    /// Its local name.
    pub(super) name: String,
    /// Whether others may import it from here.
    pub(super) is_export: bool,
}

/// The contents of a file.
#[derive(Default)]
pub(super) struct File {
    /// Modules in files of their own.
    pub(super) modules: Vec<String>,
    /// Modules in the file itself, from its root.
    pub(super) inline: Vec<Vec<String>>,
    pub(super) uses: Vec<Use>,
    /// Paths in code and in macros' arguments.
    pub(super) mentions: Vec<Mention>,
    within: Vec<String>,
}

impl File {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let parsed = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        let mut file = Self::default();
        file.visit_file(&parsed);
        Ok(file)
    }

    fn add_use(&mut self, tree: &UseTree, before: &mut Vec<String>, is_export: bool) {
        let mut add = |target: Vec<String>, name: String| {
            let within = self.within.clone();
            self.uses.push(Use { within, target, name, is_export });
        };
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_use(&path.tree, before, is_export);
                before.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                add(before.clone(), before.last().cloned().unwrap_or_default());
            }
            UseTree::Name(name) => add([&before[..], &[name.ident.to_string()]].concat(), name.ident.to_string()),
            UseTree::Rename(rename) => {
                add([&before[..], &[rename.ident.to_string()]].concat(), rename.rename.to_string());
            }
            UseTree::Glob(_) => add([&before[..], &["*".to_owned()]].concat(), "*".to_owned()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(tree, before, is_export)),
        }
    }

    /// Paths among the arguments of a macro, which are not parsed.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut paths = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        paths.push(std::mem::take(&mut segments));
                    }
                    segments.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    paths.push(std::mem::take(&mut segments));
                    self.add_tokens(group.stream());
                    colons = 0;
                }
                _ => {
                    paths.push(std::mem::take(&mut segments));
                    colons = 0;
                }
            }
        }
        paths.push(segments);
        let within = &self.within;
        let paths = paths.into_iter().filter(|segments| segments.len() > 1);
        self.mentions.extend(paths.map(|segments| Mention { within: within.clone(), segments }));
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'s> Visit<'s> for File {
    fn visit_item(&mut self, item: &'s Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'s ItemMod) {
        if item.content.is_none() {
            self.modules.push(item.ident.to_string());
            return;
        }
        self.within.push(item.ident.to_string());
        self.inline.push(self.within.clone());
        visit::visit_item_mod(self, item);
        self.within.pop();
    }

    fn visit_item_use(&mut self, item: &'s ItemUse) {
        let is_export = !matches!(item.vis, Visibility::Inherited);
        self.add_use(&item.tree, &mut Vec::new(), is_export);
    }

    // `pub(in crate::x)` is no import.
    fn visit_visibility(&mut self, _: &'s Visibility) {}

    fn visit_path(&mut self, path: &'s syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.leading_colon.is_none() && segments.len() > 1 {
            self.mentions.push(Mention { within: self.within.clone(), segments });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'s Macro) {
        self.add_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}
