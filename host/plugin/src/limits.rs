//! The limits in force for one plugin: its own where given, else the host's.

use crate::{Error, HostConfig, PluginLimits};

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
        let bytes = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let pick = |limit: &'static str, own: Option<u64>, max: u64| match own {
            None => Ok(max),
            Some(value) if (1..=max).contains(&value) => Ok(value),
            Some(value) => Err(Error::LimitInvalid { limit, value, max }),
        };
        let pick_size = |limit, own: Option<usize>, max| {
            let picked = pick(limit, own.map(bytes), bytes(max))?;
            Ok::<_, Error>(usize::try_from(picked).unwrap_or(max))
        };
        let log_lines = pick("log_lines_max", own.log_lines_max.map(u64::from), config.log_lines_max.into())?;
        Ok(Self {
            call_deadline_ms: pick("call_deadline_ms", own.call_deadline_ms, config.call_deadline_ms)?,
            memory_bytes_max: pick_size("memory_bytes_max", own.memory_bytes_max, config.memory_bytes_max)?,
            handles_max: pick_size("handles_max", own.handles_max, config.handles_max)?,
            transfer_bytes_max: pick("transfer_bytes_max", own.transfer_bytes_max, config.transfer_bytes_max)?,
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
