//! The ranges of settings.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use mantis_db::{LimitInvalid, Limits};

use super::table::{LimitSettings, Settings};
use crate::platform;

/// Bytes around a value in a JSON request (its key, its media type), with a margin.
const ROOM_BYTES: usize = 1 << 20;

/// The memory in flight is a quarter of the machine's, within these bounds; the lower one where that is not known.
const IN_FLIGHT_BYTES: RangeInclusive<u64> = 256 << 20..=4 << 30;

fn in_flight_bytes_default() -> usize {
    let quarter = platform::memory_bytes().unwrap_or_default() / 4;
    usize::try_from(quarter.clamp(*IN_FLIGHT_BYTES.start(), *IN_FLIGHT_BYTES.end())).unwrap_or(usize::MAX)
}

/// A setting that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}; it must be {allowed}")]
pub struct SettingInvalid {
    key: Cow<'static, str>,
    value: u64,
    allowed: Cow<'static, str>,
}

impl Settings {
    /// Whether every setting is within its range.
    ///
    /// # Errors
    /// The first that is not, by its place in the file.
    pub fn check(&self) -> Result<(), SettingInvalid> {
        let (connections, limits) = (&self.connections, &self.limits);
        let positive = [
            ("connections.max", connections.max as u64),
            ("connections.header_timeout_ms", connections.header_timeout_ms),
            ("connections.idle_timeout_ms", connections.idle_timeout_ms),
            ("connections.send_timeout_ms", connections.send_timeout_ms),
            ("connections.http2_streams_max", u64::from(connections.http2_streams_max)),
            ("limits.body_bytes_max", limits.body_bytes_max as u64),
            ("limits.body_timeout_ms", limits.body_timeout_ms),
            ("limits.request_timeout_ms", limits.request_timeout_ms),
            ("limits.requests_max", limits.requests_max as u64),
            ("plugins.call_deadline_ms", self.plugins.call_deadline_ms),
            ("plugins.compile_timeout_ms", self.plugins.compile_timeout_ms),
            ("plugins.core_instances_max", u64::from(self.plugins.core_instances_max)),
            ("plugins.memories_max", u64::from(self.plugins.memories_max)),
            ("plugins.tables_max", u64::from(self.plugins.tables_max)),
            ("plugins.table_elements_max", self.plugins.table_elements_max as u64),
            ("plugins.instance_idle_timeout_ms", self.plugins.instance_idle_timeout_ms),
        ];
        if let Some(&(key, value)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(SettingInvalid { key: key.into(), value, allowed: "at least 1".into() });
        }
        let header_bytes_max = connections.header_bytes_max;
        if !(8_192..=1 << 20).contains(&header_bytes_max) {
            let value = header_bytes_max as u64;
            let key = "connections.header_bytes_max".into();
            return Err(SettingInvalid { key, value, allowed: "8192 to 1048576".into() });
        }
        let in_flight = limits.in_flight_bytes_max;
        let largest_body = limits.body_bytes_max.max(self.plugins.component_bytes_max);
        if in_flight != 0 && in_flight < largest_body {
            let allowed = format!("0, or at least {largest_body}, which is the largest body").into();
            let key = "limits.in_flight_bytes_max".into();
            return Err(SettingInvalid { key, value: in_flight as u64, allowed });
        }
        self.database_limits().check().map_err(|LimitInvalid { limit, value, min, max }| SettingInvalid {
            key: format!("limits.{limit}").into(),
            value,
            allowed: format!("{min} to {max}").into(),
        })
    }

    /// A warning about settings that work but are probably not intended.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let LimitSettings { body_bytes_max, value_bytes_max, .. } = self.limits;
        let enough = value_bytes_max.div_ceil(3).saturating_mul(4).saturating_add(ROOM_BYTES);
        (body_bytes_max < value_bytes_max).then(|| {
            format!(
                "limits.body_bytes_max is {body_bytes_max}: no client can send a value of limits.value_bytes_max, which is \
                 {value_bytes_max}; set limits.body_bytes_max to {enough} or more, or limits.value_bytes_max to {body_bytes_max}"
            )
        })
    }

    /// The bounds of the database.
    pub(crate) fn database_limits(&self) -> Limits {
        let given = &self.limits;
        let mut limits = Limits::default();
        limits.key_bytes_max = given.key_bytes_max;
        limits.value_bytes_max = given.value_bytes_max;
        limits.feed_bytes_max = given.feed_bytes_max;
        limits.feed_age_ms_max = self.storage.feed_age_ms_max;
        limits.in_flight_bytes_max = match given.in_flight_bytes_max {
            0 => in_flight_bytes_default(),
            given => given,
        };
        if given.store_bytes_max > 0 {
            limits.store_bytes_max = given.store_bytes_max;
        }
        limits
    }
}
