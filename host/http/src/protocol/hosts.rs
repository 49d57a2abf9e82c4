//! Validates `Host` and `Origin` (DNS rebinding).

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{Method, Version};

use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// Which `Host` a request may name. A page on the internet can make a browser send requests to a loopback address under a name of
/// its own; this is what stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostGuard {
    /// Any: for a listener that is not loopback.
    Any,
    /// `localhost`, names under it, loopback addresses, and the names listed here (without a port).
    Loopback {
        /// Names that are allowed besides.
        also: Vec<String>,
    },
}

/// Checks `Host` (in HTTP/2 `:authority`) against the guard.
pub(crate) fn check(guard: &HostGuard, head: &Parts) -> Result<()> {
    let Some(host) = authority(head)? else { return Ok(()) };
    let HostGuard::Loopback { also } = guard else { return Ok(()) };
    let name = without_port(host);
    if is_loopback(name) || also.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(Problem::new(Code::HostNotAllowed).detail(format!("the host `{name}` is not allowed")))
}

/// Refuses what a page of another origin can send without asking first: a POST with a body of a plain type, or none.
/// Everything else that changes something makes the browser ask, and is then answered without the headers that allow it.
pub(crate) fn check_origin(head: &Parts, allowed: impl Fn(&str) -> bool) -> Result<()> {
    if head.method != Method::POST {
        return Ok(());
    }
    let Some(origin) = head.headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let own = authority(head)?.is_some_and(|host| origin.split_once("://").is_some_and(|(_, origin)| origin == host));
    if own || allowed(origin) {
        return Ok(());
    }
    Err(Problem::new(Code::OriginNotAllowed).detail(format!("the request comes from a page of `{origin}`")))
}

/// The authority that the request names. HTTP/1.1 demands exactly one; HTTP/1.0 knows none.
fn authority(head: &Parts) -> Result<Option<&str>> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Problem::new(Code::HostMissing).detail("there is more than one `Host` header"));
    }
    if let Some(authority) = head.uri.authority() {
        return Ok(Some(authority.as_str()));
    }
    match host {
        Some(host) => Ok(Some(host.to_str().unwrap_or("\u{fffd}"))),
        None if head.version == Version::HTTP_11 => Err(Code::HostMissing.into()),
        None => Ok(None),
    }
}

fn without_port(host: &str) -> &str {
    let port = host.rfind(':').filter(|&colon| host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()));
    match port {
        // The colons of an IPv6 address are in brackets.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    if name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]" {
        return true;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let under_localhost = name.len() > 10 && name.as_bytes()[name.len() - 10..].eq_ignore_ascii_case(b".localhost");
    under_localhost
        || name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[track_caller]
    fn check_host(host: &str, expected: Option<&str>) {
        let guard = HostGuard::Loopback { also: vec!["db.internal".to_owned()] };
        let (head, ()) = Request::get("/").header(HOST, host).body(()).unwrap().into_parts();
        let refusal = check(&guard, &head).err().map(|problem| problem.code().as_str());
        assert_eq!(refusal, expected, "{host}");
    }

    #[test]
    fn loopback_names_and_listed_ones_pass() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.1.2.3:1",
            "[::1]",
            "[::1]:8080",
            "a.localhost",
            "localhost.",
            "db.internal",
            "DB.internal:80",
        ] {
            check_host(host, None);
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
            "10.0.0.1",
            "[::2]:80",
            "",
            "127.0.0.1@evil.example",
        ] {
            check_host(host, Some("host-not-allowed"));
        }
    }

    #[test]
    fn http_1_1_names_exactly_one_host() {
        let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
        assert_eq!(check(&HostGuard::Any, &head).unwrap_err().code().as_str(), "host-missing");
        let (head, ()) = Request::get("/").header(HOST, "a").header(HOST, "b").body(()).unwrap().into_parts();
        assert_eq!(check(&HostGuard::Any, &head).unwrap_err().code().as_str(), "host-missing");
        let (head, ()) = Request::get("/").version(Version::HTTP_10).body(()).unwrap().into_parts();
        assert!(check(&HostGuard::Any, &head).is_ok());
        let (head, ()) = Request::get("http://evil.example/").header(HOST, "localhost").body(()).unwrap().into_parts();
        assert!(check(&HostGuard::Loopback { also: vec![] }, &head).is_err());
    }

    #[track_caller]
    fn check_from(method: &str, origin: &str, refused: bool) {
        let request = Request::builder().method(method).uri("/").header(HOST, "localhost:8080").header(ORIGIN, origin);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let outcome = check_origin(&head, |origin| origin == "https://app.example");
        assert_eq!(outcome.is_err(), refused, "{method} from {origin}");
    }

    #[test]
    fn a_page_of_another_origin_cannot_post() {
        check_from("POST", "http://localhost:8080", false);
        check_from("POST", "https://app.example", false);
        check_from("POST", "https://evil.example", true);
        check_from("POST", "http://localhost:9090", true);
        check_from("POST", "null", true);
        check_from("GET", "https://evil.example", false);
    }
}
