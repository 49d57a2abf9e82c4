//! The configuration of the host: bounds, each with its unit in its name.

use std::path::PathBuf;

/// Bytes that a component may have where nothing else is configured.
pub const COMPONENT_BYTES_MAX_DEFAULT: usize = 32 << 20;

/// Bounds on plugins and on what they do. [`PluginLimits`](crate::PluginLimits) may lower some of them for one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// The longest time of a call, waiting included, in milliseconds. Default 1,000.
    pub call_deadline_ms: u64,
    /// The longest run on the caller's thread of a function that has proved quick, in milliseconds. Default 2.
    pub inline_slice_ms: u64,
    /// Bytes of all linear memories of one instance. Default 64 MiB.
    pub memory_bytes_max: usize,
    /// Core instances of a component: 3 where one module was made into it; interpreters, which are linked from libraries, have more.
    /// Default 128.
    pub core_instances_max: u32,
    /// Linear memories of a component. Default 8.
    pub memories_max: u32,
    /// Tables of a component. Default 16.
    pub tables_max: u32,
    /// Elements of a table. Default 20,000.
    pub table_elements_max: usize,
    /// Bytes of a component. Default 32 MiB.
    pub component_bytes_max: usize,
    /// How long an install waits for the compiler, in milliseconds. The compile goes on after that, and a later install of the same
    /// component joins it. Default 60,000.
    pub compile_timeout_ms: u64,
    /// Components that are compiled at once, each on a thread of its own. Default 2.
    pub compiles_max: usize,
    /// Bytes of components, or of their compiled code where that is larger, that are kept for the next install of the same component.
    /// Default 64 MiB.
    pub compiled_bytes_max: usize,
    /// The directory where compiled code is kept for the next process; `None` for nowhere. It is made if it does not exist. One to
    /// which another user could write is not used: a warning says so. Default `None`.
    pub cache_dir: Option<PathBuf>,
    /// Bytes of the files in that directory, beyond which the oldest are deleted now and then. Default 1 GiB.
    pub cache_bytes_max: u64,
    /// Plugins installed at once. Default 100.
    pub plugins_max: usize,
    /// Instances alive at once, warm ones included. Default 256.
    pub instances_max: u32,
    /// Idle instances that a plugin with `reuse` keeps. Default 8.
    pub warm_instances_max: usize,
    /// The idle time, in milliseconds and at least 1, after which the next [`maintain`](crate::PluginHost::maintain) closes an
    /// instance. Default 300,000.
    pub instance_idle_timeout_ms: u64,
    /// Resource handles that an instance may hold at once. Default 64.
    pub handles_max: usize,
    /// Bytes that a call may pass through host functions, in and out. Default 256 MiB.
    pub transfer_bytes_max: u64,
    /// Bytes of the host's memory that the arguments of a call may take, and that a plugin may pass at once: as its result, or as the
    /// arguments of a host function. A string counts as its bytes, an element of a list as 40 (not in the arguments of host
    /// functions). Default 64 MiB.
    pub value_bytes_max: usize,
    /// Log lines of a call that are kept. Default 100.
    pub log_lines_max: u32,
    /// Threads for calls that do not run on the caller's. One plugin gets all but one of them. Default: one more than the
    /// machine has cores, at least 3.
    pub guest_threads: usize,
    /// Calls that wait for a guest thread; the next one gets [`CallError::Busy`](crate::CallError::Busy). One plugin gets
    /// three quarters of the places. Default 256.
    pub queue_max: usize,
    /// Repetitions of a call that lost a conflict. Default 8.
    pub conflict_retries_max: u32,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            call_deadline_ms: 1_000,
            inline_slice_ms: 2,
            memory_bytes_max: 64 << 20,
            core_instances_max: 128,
            memories_max: 8,
            tables_max: 16,
            table_elements_max: 20_000,
            component_bytes_max: COMPONENT_BYTES_MAX_DEFAULT,
            compile_timeout_ms: 60_000,
            compiles_max: 2,
            compiled_bytes_max: 64 << 20,
            cache_dir: None,
            cache_bytes_max: 1 << 30,
            plugins_max: 100,
            instances_max: 256,
            warm_instances_max: 8,
            instance_idle_timeout_ms: 300_000,
            handles_max: 64,
            transfer_bytes_max: 256 << 20,
            value_bytes_max: 64 << 20,
            log_lines_max: 100,
            guest_threads: std::thread::available_parallelism().map_or(2, usize::from).max(2) + 1,
            queue_max: 256,
            conflict_retries_max: 8,
        }
    }
}
