//! Why an install or a call failed.

use std::fmt;

use thiserror::Error as ThisError;

/// Why the host could not start, or a plugin was not installed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The name is not one.
    #[error("the plugin name {0:?} is invalid: use 1 to 63 of a-z, 0-9 and '-', beginning with a letter")]
    NameInvalid(String),
    /// The component is too large.
    #[error("the component has {bytes} bytes; the limit is {max}")]
    ComponentTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes are no component.
    #[error("not a component: {0}")]
    ComponentInvalid(String),
    /// The component nests too deep.
    #[error("components, modules and types nest more than {max} deep in the component, which is the limit")]
    ComponentNested {
        /// The limit.
        max: usize,
    },
    /// The component imports what there is not.
    #[error("the component imports `{import}`, which this host does not offer; it offers {offered}")]
    ImportUnknown {
        /// What is missing.
        import: String,
        /// What there is.
        offered: String,
    },
    /// The component's idea of an interface is not ours.
    #[error("the component does not fit the host's interfaces: {0}")]
    ImportMismatch(String),
    /// Nothing to call.
    #[error("the component exports no function that can be called{0}")]
    NothingToCall(String),
    /// The component asks for more than an instance may have.
    #[error("the component needs more than its limits allow: {0}")]
    RequirementsTooLarge(String),
    /// A limit of the plugin is above the host's, or below what anything needs.
    #[error("{limit} is {value}; it must be {min} to {max}")]
    LimitInvalid {
        /// Its name.
        limit: &'static str,
        /// What was asked for.
        value: u64,
        /// What anything needs.
        min: u64,
        /// The host's limit.
        max: u64,
    },
    /// There are as many plugins as there may be.
    #[error("{max} plugins are installed, which is the limit; remove one first")]
    PluginsTooMany {
        /// The limit.
        max: usize,
    },
    /// The compiler is busy with others.
    #[error("{max} components are being compiled, which is the limit; try again later")]
    CompilerBusy {
        /// The limit.
        max: usize,
    },
    /// The compiler took too long.
    #[error("compiling took longer than {timeout_ms} ms; use a smaller component, or raise compile_timeout_ms")]
    CompileTimeout {
        /// The limit.
        timeout_ms: u64,
    },
    /// A file beside the component is wrong.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The WebAssembly engine could not start.
    #[error("the WebAssembly engine could not start: {0}")]
    Engine(String),
}

/// A limit that a call reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Linear memory or tables of an instance.
    Memory,
    /// The stack.
    Stack,
    /// Bytes through host functions.
    Transfer,
    /// Bytes of the arguments or the result.
    Value,
    /// Random bytes at once.
    Random,
}

impl Limit {
    /// A stable kebab-case name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Transfer => "transfer",
            Self::Value => "value",
            Self::Random => "random",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call has no result. Whatever it wrote is undone.
#[derive(Debug, Clone, ThisError)]
#[non_exhaustive]
pub enum CallError {
    /// No such plugin.
    #[error("there is no plugin {0:?}")]
    PluginNotFound(String),
    /// No such function.
    #[error("the plugin has no function {0:?} that can be called")]
    FunctionNotFound(String),
    /// The arguments do not fit the function.
    #[error("{place}: {reason}")]
    ArgumentsInvalid {
        /// Where, as in `score` or `standings[3].player`; `arguments` for the whole.
        place: String,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// The function returned an error of its own.
    #[error("the plugin returned an error: {0}")]
    Plugin(serde_json::Value),
    /// The call took too long, waiting included.
    #[error("the call reached its deadline of {deadline_ms} ms")]
    Deadline {
        /// The limit.
        deadline_ms: u64,
    },
    /// The plugin trapped.
    #[error("the plugin trapped: {reason}")]
    Trap {
        /// Why, in a sentence.
        reason: String,
    },
    /// The plugin reached a limit.
    #[error("the plugin reached its {limit} limit: {reason}")]
    Limit {
        /// Which.
        limit: Limit,
        /// What happened.
        reason: String,
    },
    /// Other commits came first, each time.
    #[error("the call lost against other commits {attempts} times")]
    Conflict {
        /// How often it was run.
        attempts: u32,
    },
    /// The database refused the call's commit.
    #[error(transparent)]
    Db(mantis_db::Error),
    /// Too many calls are under way.
    #[error("too many calls are under way: {0}; try again later")]
    Busy(&'static str),
}
