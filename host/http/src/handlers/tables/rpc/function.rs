//! Functions of plugins by the names that clients give them.

use mantis_db::tables::schema::nearest;
use mantis_db::tables::{TableError, code};
use mantis_plugin::{Field, FunctionInfo, PluginHost, PluginInfo, ValueType};

use crate::handlers::plugins::failure;
use crate::protocol::problem::Result;

/// A function that clients can call.
#[derive(Debug)]
pub(super) struct Function {
    plugin: PluginInfo,
    /// Its place among the plugin's functions.
    place: usize,
}

impl Function {
    /// The function that `name` names: its plugin before the first dot. Words may be joined with `_`, as clients' languages do.
    pub(super) fn find(plugins: &PluginHost, name: &str) -> Option<Self> {
        let name = kebab(name);
        let (plugin, function) = name.split_once('.')?;
        let plugin = plugins.info(plugin)?;
        let place = plugin.functions.iter().position(|known| known.name == function)?;
        Some(Self { plugin, place })
    }

    /// As [`find`](Self::find), once its plugin has started.
    ///
    /// # Errors
    /// `plugin-unavailable`: it has not, or cannot.
    pub(super) async fn find_started(plugins: &PluginHost, name: &str) -> Result<Option<Self>> {
        let kebab = kebab(name);
        let Some((plugin, _)) = kebab.split_once('.') else { return Ok(None) };
        plugins.started(plugin).await.map_err(failure::of_call)?;
        Ok(Self::find(plugins, name))
    }

    pub(super) fn plugin(&self) -> &PluginInfo {
        &self.plugin
    }

    pub(super) fn info(&self) -> &FunctionInfo {
        &self.plugin.functions[self.place]
    }

    /// `PLUGIN.FUNCTION`.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.plugin.name, self.info().name)
    }

    /// Whether nothing that it does can write.
    pub(super) fn is_read_only(&self) -> bool {
        self.plugin.grants.is_read_only()
    }

    /// The columns of its rows, if its result is a list of records.
    pub(super) fn row_fields(&self) -> Option<&[Field]> {
        match &self.info().result {
            Some(ValueType::List(element)) => match &**element {
                ValueType::Record(fields) => Some(fields),
                _ => None,
            },
            _ => None,
        }
    }

    /// The parameter that a client's name means.
    pub(super) fn parameter(&self, name: &str) -> Option<&Field> {
        let name = kebab(name);
        self.info().params.iter().find(|parameter| parameter.name == name)
    }

    /// `public.PLUGIN.FUNCTION(a, b)`.
    fn signature(&self) -> String {
        let parameters: Vec<_> = self.info().params.iter().map(|parameter| parameter.name.as_str()).collect();
        format!("public.{}({})", self.name(), parameters.join(", "))
    }
}

/// A name in the form of WIT's names, none of which has a `_`.
fn kebab(name: &str) -> String {
    name.replace('_', "-")
}

/// Names of arguments that an error repeats, and the characters of each.
const ARGUMENTS_SHOWN: usize = 20;
const CHARACTERS_SHOWN: usize = 100;

fn beginning(name: &str) -> &str {
    name.char_indices().nth(CHARACTERS_SHOWN).map_or(name, |(end, _)| &name[..end])
}

/// There is no such function, or it takes other arguments than these.
pub(super) fn not_found(plugins: &PluginHost, name: &str, found: Option<&Function>, arguments: &[&str]) -> TableError {
    let mut shown: Vec<_> = arguments.iter().take(ARGUMENTS_SHOWN).map(|name| beginning(name)).collect();
    shown.sort_unstable();
    let listed = shown.join(", ");
    let name = beginning(name);
    let (called, searched) = match arguments.len() {
        0 => (" without parameters".to_owned(), " without parameters".to_owned()),
        1 => (format!("({listed})"), format!(" with parameter {listed}")),
        _ => (format!("({listed})"), format!(" with parameters {listed}")),
    };
    let error = TableError::new(
        code::NO_FUNCTION,
        format!("Could not find the function public.{name}{called} in the schema cache"),
    )
    .with_details(format!(
        "Searched for the function public.{name}{searched}, but no matches were found in the schema cache."
    ));
    let meant = match found {
        Some(function) => Some(function.signature()),
        None => meant(plugins, name).map(|name| format!("public.{name}")),
    };
    match meant {
        Some(meant) => error.with_hint(format!("Perhaps you meant to call the function {meant}")),
        None => error,
    }
}

/// The function that was perhaps meant: of the plugin that the name begins with, or else of all.
fn meant(plugins: &PluginHost, name: &str) -> Option<String> {
    let name = kebab(name);
    let of_plugin = name.split_once('.').and_then(|(plugin, function)| Some((plugins.info(plugin)?, function)));
    if let Some((plugin, function)) = of_plugin {
        let other = nearest(function, plugin.functions.iter().map(|function| function.name.clone()))?;
        return Some(format!("{}.{other}", plugin.name));
    }
    let plugins = plugins.list();
    let has = |plugin: &&PluginInfo| plugin.functions.iter().any(|function| function.name == name);
    let mut having = plugins.iter().filter(has);
    if let (Some(plugin), None) = (having.next(), having.next()) {
        return Some(format!("{}.{name}", plugin.name));
    }
    let all = plugins.into_iter().flat_map(|plugin| {
        let names = plugin.functions.iter().map(|function| format!("{}.{}", plugin.name, function.name));
        names.collect::<Vec<_>>()
    });
    nearest(&name, all)
}
