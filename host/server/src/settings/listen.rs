//! The address to listen on, as text: `127.0.0.1:8080`, `localhost:8080`, `:8080`, `[::1]:8080`.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The port where none is named.
const PORT_DEFAULT: u16 = 8080;

/// A host and a port to listen on. The host that is left out is 127.0.0.1, as by default: `:8080` opens the server to no network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self { host: Host::Address(Ipv4Addr::LOCALHOST.into()), port: PORT_DEFAULT }
    }
}

impl ListenAddress {
    /// The address of the host. `localhost` needs no name server; of another name the first address counts, one of IPv4 before others.
    ///
    /// # Errors
    /// The name has no address.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let name = match &self.host {
            Host::Address(address) => return Ok((*address, self.port).into()),
            Host::Name(name) if name.eq_ignore_ascii_case("localhost") => {
                return Ok((Ipv4Addr::LOCALHOST, self.port).into());
            }
            Host::Name(name) => name,
        };
        let found: Vec<_> = (name.as_str(), self.port).to_socket_addrs()?.collect();
        let best = found.iter().find(|address| address.is_ipv4()).or(found.first());
        best.copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Address(address.ip()), port: address.port() }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::from((*address, self.port)).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not an address to listen on, as in 127.0.0.1:8080, localhost:8080 or :8080");
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let port = |text: &str| text.parse().ok().filter(|_| is_number(text)).ok_or_else(wrong);
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        if is_number(text) {
            return Ok(Self { port: port(text)?, ..Self::default() });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(Self { host: Host::Address(address.into()), port: PORT_DEFAULT });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, digits)) => (host, port(digits)?),
            None => (text, PORT_DEFAULT),
        };
        let host = match host.parse() {
            _ if host.is_empty() && text.is_empty() => return Err(wrong()),
            _ if host.is_empty() => Self::default().host,
            Ok(address) => Host::Address(IpAddr::V4(address)),
            Err(_) if is_name(host) => Host::Name(host.to_owned()),
            Err(_) => return Err(wrong()),
        };
        Ok(Self { host, port })
    }
}

/// Whether it can be a host's name: labels of letters, digits and hyphens, of which the last is no number.
fn is_name(text: &str) -> bool {
    let labels = || text.split('.');
    text.len() <= 253
        && labels().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
        && labels().next_back().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: Option<&str>, resolved: &str) {
        let parsed = text.parse::<ListenAddress>();
        assert_eq!(parsed.as_ref().ok().map(ToString::to_string).as_deref(), shown, "{text:?}");
        if let Ok(address) = parsed
            && !resolved.is_empty()
        {
            assert_eq!(address.resolve().unwrap().to_string(), resolved, "{text:?}");
        }
    }

    #[test]
    fn a_part_that_is_left_out_is_the_defaults() {
        check("127.0.0.1:8080", Some("127.0.0.1:8080"), "127.0.0.1:8080");
        check("localhost:9", Some("localhost:9"), "127.0.0.1:9");
        check("LocalHost", Some("LocalHost:8080"), "127.0.0.1:8080");
        check(":9", Some("127.0.0.1:9"), "127.0.0.1:9");
        check(":0", Some("127.0.0.1:0"), "127.0.0.1:0");
        check("9", Some("127.0.0.1:9"), "127.0.0.1:9");
        check("0.0.0.0", Some("0.0.0.0:8080"), "0.0.0.0:8080");
        check("[::1]:9", Some("[::1]:9"), "[::1]:9");
        check("[::]", Some("[::]:8080"), "[::]:8080");
        check("::1", Some("[::1]:8080"), "[::1]:8080");
        check("db-1.example:80", Some("db-1.example:80"), "");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            ":",
            ":x",
            ":65536",
            "-1",
            "localhost:",
            "localhost:+80",
            "http://localhost:80",
            "a b:1",
            "1.2.3:80",
            "1.2.3.4.5:80",
            "[::1",
            "me@host:1",
            "host:1:2",
            "/run/socket",
            "host/:80",
        ] {
            check(text, None, "");
        }
    }
}
