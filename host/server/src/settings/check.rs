//! What settings must be for the server to work.

use super::table::Settings;

/// A setting that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}; it must be {allowed}")]
pub struct SettingInvalid {
    key: &'static str,
    value: u64,
    allowed: &'static str,
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
            ("limits.value_bytes_max", limits.value_bytes_max as u64),
            ("plugins.call_deadline_ms", self.plugins.call_deadline_ms),
        ];
        if let Some(&(key, value)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(SettingInvalid { key, value, allowed: "at least 1" });
        }
        let header_bytes_max = connections.header_bytes_max;
        if !(8_192..=1 << 20).contains(&header_bytes_max) {
            let value = header_bytes_max as u64;
            return Err(SettingInvalid { key: "connections.header_bytes_max", value, allowed: "8192 to 1048576" });
        }
        let key_bytes_max = limits.key_bytes_max;
        if !(1..=4_096).contains(&key_bytes_max) {
            let value = key_bytes_max as u64;
            return Err(SettingInvalid { key: "limits.key_bytes_max", value, allowed: "1 to 4096" });
        }
        Ok(())
    }
}
