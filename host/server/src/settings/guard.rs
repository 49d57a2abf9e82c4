//! The addresses that may be listened on, and the hosts that requests may name.

use std::net::SocketAddr;

use mantis_http::HostGuard;

/// The server would be open to everyone on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} can be reached from other machines, and there is no authentication: anyone who can reach it can read and write everything"
)]
pub struct ListenRefused {
    /// The address.
    pub address: SocketAddr,
}

impl ListenRefused {
    /// What to do about it.
    pub const HINT: &str =
        "listen on 127.0.0.1 behind a proxy that authenticates, or pass --insecure-no-auth on a trusted network";
}

/// The hosts that requests to a listener at `address` may name.
///
/// A loopback listener answers only requests that name a loopback host or one of `allowed`: a page on the internet can make a browser
/// send requests to loopback addresses under a name of its own. Any other listener answers to all.
///
/// # Errors
/// An address that other machines can reach, without `insecure`.
pub fn host_guard(address: SocketAddr, allowed: &[String], insecure: bool) -> Result<HostGuard, ListenRefused> {
    if address.ip().to_canonical().is_loopback() {
        return Ok(HostGuard::Loopback { also: allowed.to_vec() });
    }
    if !insecure {
        return Err(ListenRefused { address });
    }
    if allowed.is_empty() { Ok(HostGuard::Any) } else { Ok(HostGuard::Loopback { also: allowed.to_vec() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, insecure: bool, expected: Option<&HostGuard>) {
        let address: SocketAddr = address.parse().unwrap();
        assert_eq!(host_guard(address, &[], insecure).ok().as_ref(), expected, "{address}, insecure: {insecure}");
    }

    #[test]
    fn a_public_listener_needs_consent() {
        let loopback = HostGuard::Loopback { also: Vec::new() };
        check("127.0.0.1:8080", false, Some(&loopback));
        check("127.8.9.10:0", false, Some(&loopback));
        check("[::1]:8080", true, Some(&loopback));
        check("[::ffff:127.0.0.1]:8080", false, Some(&loopback));
        check("0.0.0.0:8080", false, None);
        check("[::]:8080", false, None);
        check("192.168.1.5:8080", false, None);
        check("0.0.0.0:8080", true, Some(&HostGuard::Any));
    }

    #[test]
    fn named_hosts_narrow_an_open_listener() {
        let guard = host_guard("0.0.0.0:80".parse().unwrap(), &["db.example".to_owned()], true).unwrap();
        assert_eq!(guard, HostGuard::Loopback { also: vec!["db.example".to_owned()] });
    }
}
