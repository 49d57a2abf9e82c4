//! The limits in force for one plugin: its own where given, else the host's.

use crate::{Error, HostConfig, PluginLimits};

/// Memory is counted in these.
pub(crate) const PAGE_BYTES: u64 = 64 << 10;

/// What a plugin may choose one of its limits from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitRange {
    /// The limit's name.
    pub limit: &'static str,
    /// Less serves no plugin.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) call_deadline_ms: u64,
    pub(crate) memory_bytes_max: usize,
    pub(crate) handles_max: usize,
    pub(crate) transfer_bytes_max: u64,
    pub(crate) log_lines_max: u32,
    /// Not a plugin's to choose.
    pub(crate) value_bytes_max: usize,
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
        })
    }

    /// All of them, for people to see.
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
