//! Every limit on plugins: the fixed ones, and those that a plugin may lower for itself below the host's ([`HostConfig`]).

use crate::{Error, HostConfig};

/// Characters of a plugin's name.
pub const NAME_BYTES_MAX: usize = 63;

// What a component may be.

/// Levels of components, modules and their types within each other, the component itself included. Components that current tools
/// make have 2.
pub(crate) const NESTING_MAX: usize = 100;
/// Blocks within each other in a function. The compiler's memory grows with their square: 180 MB for these, 2.4 GB for four times as
/// many. Components that current tools make have up to 803.
pub(crate) const BLOCKS_MAX: usize = 5_000;
/// Parts that are linked, and copied while they are. Components that current tools make have some hundreds, and 5,000 with Python
/// and all of WASI.
pub(crate) const PARTS_MAX: u64 = 1_000_000;
/// Functions that a component may export.
pub(crate) const FUNCTIONS_MAX: usize = 1_000;
/// Parts of the types of all functions of a plugin. Types may refer to each other many times over, so that a small component can
/// describe a type that fills the memory when written out.
pub(crate) const TYPE_PARTS_MAX: usize = 16_384;
/// Levels of a type: conversion recurses as deep.
pub(crate) const TYPE_DEPTH_MAX: usize = 48;

// What an instance may have.

/// The unit of linear memory.
pub(crate) const PAGE_BYTES: u64 = 64 << 10;
/// Bytes of stack of a guest. Host functions run on the same stack below it, so a thread that runs guests needs more.
pub(crate) const GUEST_STACK_BYTES_MAX: usize = 512 << 10;
/// Transactions that an instance may have open at once.
pub(crate) const TRANSACTIONS_MAX: usize = 4;

// What a call may do.

/// Random bytes at once.
pub(crate) const RANDOM_BYTES_MAX: u32 = 4_096;
/// Handles of WASI that an instance may hold at once: standard streams, and times to wait for.
pub(crate) const WASI_HANDLES_MAX: usize = 256;
/// Bytes that a guest may write to a standard stream at once.
pub(crate) const WRITE_BYTES_MAX: usize = 64 << 10;
/// Handles that a guest may wait for at once.
pub(crate) const POLLED_MAX: usize = 1_024;
/// Bytes of a log line; the rest is cut off.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 4_096;

// How plugins are kept.

/// How often an update that expects nothing is tried again, because others came first.
pub(crate) const KEEP_ATTEMPTS_MAX: usize = 8;
/// How long a call waits for a plugin that is being compiled after the start, in milliseconds.
pub(crate) const STARTING_WAIT_MS_MAX: u64 = 30_000;

// What a folder of plugins may hold.

/// Files of a folder, of any name.
pub(crate) const FOLDER_FILES_MAX: usize = 10_000;
/// Bytes of a manifest.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 << 10;

/// Limits of one plugin, all of them optional: an absent one is the host's; a given one may not exceed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLimits {
    /// The longest time of a call, waiting included, in milliseconds.
    pub call_deadline_ms: Option<u64>,
    /// Bytes of all linear memories of one instance.
    pub memory_bytes_max: Option<usize>,
    /// Resource handles that an instance may hold at once.
    pub handles_max: Option<usize>,
    /// Bytes that a call may pass through host functions, in and out.
    pub transfer_bytes_max: Option<u64>,
    /// Log lines of a call that are kept.
    pub log_lines_max: Option<u32>,
}

/// The range from which a plugin may choose one of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitRange {
    /// The limit's name.
    pub limit: &'static str,
    /// The smallest useful value.
    pub min: u64,
    /// The host's limit.
    pub max: u64,
}

/// In the order of the fields of [`PluginLimits`].
pub(crate) fn ranges(config: &HostConfig) -> [LimitRange; 5] {
    let range = |limit, min: u64, max: u64| LimitRange { limit, min: min.min(max), max };
    [
        range("call_deadline_ms", 1, config.call_deadline_ms),
        range("memory_bytes_max", PAGE_BYTES, wide(config.memory_bytes_max)),
        range("handles_max", 1, wide(config.handles_max)),
        range("transfer_bytes_max", 1, config.transfer_bytes_max),
        range("log_lines_max", 1, config.log_lines_max.into()),
    ]
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

impl LimitRange {
    /// The plugin's own limit if it has one, else the host's.
    fn pick(self, own: Option<u64>) -> Result<u64, Error> {
        let Self { limit, min, max } = self;
        match own {
            None => Ok(max),
            Some(value) if (min..=max).contains(&value) => Ok(value),
            Some(value) => Err(Error::LimitInvalid { limit, value, min, max }),
        }
    }
}

/// The limits in force for one plugin: its own where given, else the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) call_deadline_ms: u64,
    pub(crate) memory_bytes_max: usize,
    pub(crate) handles_max: usize,
    pub(crate) transfer_bytes_max: u64,
    pub(crate) log_lines_max: u32,
    // A plugin cannot choose these.
    pub(crate) value_bytes_max: usize,
    pub(crate) memories_max: u32,
    pub(crate) tables_max: u32,
    pub(crate) table_elements_max: usize,
}

impl Limits {
    pub(crate) fn new(config: &HostConfig, own: &PluginLimits) -> Result<Self, Error> {
        let [call_deadline_ms, memory_bytes_max, handles_max, transfer_bytes_max, log_lines_max] = ranges(config);
        let size = |range: LimitRange, own: Option<usize>, max: usize| {
            Ok::<_, Error>(usize::try_from(range.pick(own.map(wide))?).unwrap_or(max))
        };
        let log_lines = log_lines_max.pick(own.log_lines_max.map(u64::from))?;
        Ok(Self {
            call_deadline_ms: call_deadline_ms.pick(own.call_deadline_ms)?,
            memory_bytes_max: size(memory_bytes_max, own.memory_bytes_max, config.memory_bytes_max)?,
            handles_max: size(handles_max, own.handles_max, config.handles_max)?,
            transfer_bytes_max: transfer_bytes_max.pick(own.transfer_bytes_max)?,
            log_lines_max: u32::try_from(log_lines).unwrap_or(config.log_lines_max),
            value_bytes_max: config.value_bytes_max,
            memories_max: config.memories_max,
            tables_max: config.tables_max,
            table_elements_max: config.table_elements_max,
        })
    }

    /// All limits in the public form.
    pub(crate) fn shown(&self) -> PluginLimits {
        PluginLimits {
            call_deadline_ms: Some(self.call_deadline_ms),
            memory_bytes_max: Some(self.memory_bytes_max),
            handles_max: Some(self.handles_max),
            transfer_bytes_max: Some(self.transfer_bytes_max),
            log_lines_max: Some(self.log_lines_max),
        }
    }
}
