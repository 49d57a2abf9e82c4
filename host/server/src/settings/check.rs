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
    value: Cow<'static, str>,
    allowed: Cow<'static, str>,
}

const ORIGIN_FORM: &str =
    "as in https://app.example or http://localhost:5173 (scheme, host and port, without a path), or *";
const HOST_FORM: &str = "a host's name or address alone, as in db.example (without scheme, port and path)";

/// Whether a browser could send this as `Origin`, or it stands for all of them.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return matches!(text, "*" | "null") };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    // An address of IPv6 has colons of its own.
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    is_scheme
        && is_host(host)
        && port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Whether a text is a host as a URL has it, without its port.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    is_name || text.parse::<std::net::Ipv6Addr>().is_ok()
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
            return Err(SettingInvalid {
                key: key.into(),
                value: value.to_string().into(),
                allowed: "at least 1".into(),
            });
        }
        let header_bytes_max = connections.header_bytes_max;
        if !(8_192..=1 << 20).contains(&header_bytes_max) {
            let value = header_bytes_max.to_string().into();
            let key = "connections.header_bytes_max".into();
            return Err(SettingInvalid { key, value, allowed: "8192 to 1048576".into() });
        }
        let in_flight = limits.in_flight_bytes_max;
        let largest_body = limits.body_bytes_max.max(self.plugins.component_bytes_max);
        if in_flight != 0 && in_flight < largest_body {
            let allowed = format!("0, or at least {largest_body}, which is the largest body").into();
            let key = "limits.in_flight_bytes_max".into();
            return Err(SettingInvalid { key, value: in_flight.to_string().into(), allowed });
        }
        let origins = self.http.cors_origins.iter().filter(|origin| !is_origin(origin));
        let hosts = self.server.allowed_hosts.iter().filter(|host| !is_host(host));
        let wrong = origins.map(|origin| ("http.cors_origins", origin, ORIGIN_FORM));
        if let Some((key, text, form)) = wrong.chain(hosts.map(|host| ("server.allowed_hosts", host, HOST_FORM))).next()
        {
            return Err(SettingInvalid { key: key.into(), value: format!("{text:?}").into(), allowed: form.into() });
        }
        self.database_limits().check().map_err(|LimitInvalid { limit, value, min, max }| SettingInvalid {
            key: format!("limits.{limit}").into(),
            value: value.to_string().into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_hosts_have_the_form_that_browsers_send() {
        for origin in
            ["https://a.example", "http://localhost:8080", "http://[::1]:80", "*", "null", "chrome-extension://abc"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        for text in [
            "localhost:8080",
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            " https://a",
            "https://a b",
            "",
            "https://",
            "https://a:x",
            "https://a:99999",
            "https://user@a",
        ] {
            assert!(!is_origin(text), "{text}");
        }
        for host in ["db.example", "localhost", "10.0.0.1", "::1", "[::1]", "bücher.example"] {
            assert!(is_host(host), "{host}");
        }
        for text in ["ex.com:8080", "http://x", "", "a/b", "a b"] {
            assert!(!is_host(text), "{text}");
        }
    }
}
