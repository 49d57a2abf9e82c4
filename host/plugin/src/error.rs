//! The errors of installing, loading and calling plugins.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error as ThisError;

/// Why the host could not start, or a plugin was not installed.
#[derive(Debug, Clone, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The name is invalid.
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
    /// The bytes are not a component.
    #[error("not a component: {0}")]
    ComponentInvalid(String),
    /// The component nests too deeply.
    #[error("components, modules and types nest more than {max} deep in the component, which is the limit")]
    ComponentNested {
        /// The limit.
        max: usize,
    },
    /// The component imports interfaces that the host does not offer.
    #[error("the component imports {imports}, which this host does not offer; it offers {offered}; {advice}")]
    ImportUnknown {
        /// All such imports.
        imports: String,
        /// The interfaces that the host offers.
        offered: String,
        /// What to do about each kind of them.
        advice: String,
    },
    /// The component imports a different version of an interface.
    #[error("the component does not fit the host's interfaces: {0}")]
    ImportMismatch(String),
    /// The component exports no function that can be called.
    #[error("the component exports no function that can be called{0}")]
    NothingToCall(String),
    /// The component needs more than an instance may have.
    #[error("the component needs more than its limits allow: {0}")]
    RequirementsTooLarge(String),
    /// A limit of the plugin is out of its range.
    #[error("{limit} is {value}; it must be {min} to {max}")]
    LimitInvalid {
        /// Its name.
        limit: &'static str,
        /// The given value.
        value: u64,
        /// The smallest useful value.
        min: u64,
        /// The host's limit.
        max: u64,
    },
    /// The limit of installed plugins is reached.
    #[error("{max} plugins are installed, which is the limit; remove one first")]
    PluginsTooMany {
        /// The limit.
        max: usize,
    },
    /// The limit of components under compilation is reached.
    #[error("{max} components are being compiled, which is the limit; try again later")]
    CompilerBusy {
        /// The limit.
        max: usize,
    },
    /// Compiling takes longer than an install waits. It goes on, and a later install of the same component joins it.
    #[error(
        "compiling takes longer than {timeout_ms} ms, which is compile_timeout_ms; it goes on: install the component again later"
    )]
    CompileTimeout {
        /// The limit.
        timeout_ms: u64,
    },
    /// The WebAssembly engine could not start.
    #[error("the WebAssembly engine could not start: {0}")]
    Engine(String),
}

/// Why the database does not keep a plugin as it was asked to.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum KeepError {
    /// It cannot be installed.
    #[error(transparent)]
    Install(#[from] Error),
    /// There is no such plugin.
    #[error("there is no such plugin")]
    NotFound,
    /// The plugin is not as expected; its revision, if it is kept.
    #[error("the plugin was changed meanwhile, or is not as expected")]
    Refused(Option<u64>),
    /// The plugin has no version of this number, or none before the current one.
    #[error("the plugin has no such version: at most the last three are kept")]
    VersionNotFound,
    /// The plugin comes from a file of the folder of plugins.
    #[error("the plugin comes from a file in the folder of plugins; change it there, and start the server again")]
    FromFile,
    /// What is kept of the version cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The database refused it.
    #[error(transparent)]
    Db(#[from] mantis_db::Error),
}

/// Why a plugin could not be loaded from a file.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum LoadError {
    /// The folder, the component or the manifest cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// The component or the manifest is too large.
    #[error("{}: it has {bytes} bytes; the limit is {max}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The manifest is invalid.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The manifest's file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The component cannot be installed.
    #[error("{}: {error}", path.display())]
    Install {
        /// The component's file.
        path: PathBuf,
        /// The reason.
        error: Error,
    },
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
    /// Handles of WASI at once.
    Handles,
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
            Self::Handles => "handles",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call has no result. Its writes are undone, unless the plugin runs its own transactions.
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
        /// The place, such as `score` or `standings[3].player`; `arguments` for the whole.
        place: String,
        /// What was expected there.
        reason: String,
    },
    /// The function returned an error of its own.
    #[error("the plugin returned an error: {0}")]
    Plugin(serde_json::Value),
    /// The call reached its deadline, waiting included.
    #[error("the call reached its deadline of {deadline_ms} ms")]
    Deadline {
        /// The limit.
        deadline_ms: u64,
    },
    /// The plugin trapped.
    #[error("the plugin trapped: {reason}")]
    Trap {
        /// The reason.
        reason: String,
    },
    /// The plugin reached a limit.
    #[error("the plugin reached its {limit} limit: {reason}")]
    Limit {
        /// The limit.
        limit: Limit,
        /// What happened.
        reason: String,
    },
    /// The call lost a conflict at each attempt.
    #[error("the call lost against other commits {attempts} times")]
    Conflict {
        /// The number of attempts.
        attempts: u32,
    },
    /// The database refused the call's commit.
    #[error(transparent)]
    Db(mantis_db::Error),
    /// The caller did not accept the result.
    #[error("the caller did not accept the result")]
    Declined,
    /// The plugin is kept, and cannot be called now.
    #[error("the plugin cannot be called: {0}")]
    Unavailable(String),
    /// The plugin is expected, but not installed yet.
    #[error("the plugin {0:?} is being compiled; try again later")]
    Expected(String),
    /// The limit of calls under way is reached.
    #[error("too many calls are under way: {0}; try again later")]
    Busy(&'static str),
}
