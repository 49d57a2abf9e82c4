//! The server's address, paths and queries.

use std::fmt::Write;

use hyper::Uri;
use mantis_db::DEFAULT_BUCKET;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::abi::status;
use crate::failure::Failure;

/// All but letters, digits, hyphen, low line and tilde; dots too, which are steps in a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');
const PORT: u16 = 80;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As in the URL.
    pub(super) authority: String,
    /// Without a slash at its end.
    pub(super) path: String,
}

impl Base {
    /// Reads `http://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// Anything else; `https` too.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let fail = |reason: &str| {
            Failure::new(status::MANTIS_E_OPEN, "url-invalid", format!("{url} is no server's address: {reason}"))
                .with_hint("It looks like http://127.0.0.1:8080.")
        };
        let uri: Uri = url.parse().map_err(|_| fail("it is no URL"))?;
        if uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) {
            return Err(Failure::new(
                status::MANTIS_E_OPEN,
                "tls-unsupported",
                "a MantisDB server has no TLS, and so has this client",
            )
            .with_hint("Use http://, through a tunnel or a proxy on this machine if need be."));
        }
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| fail("it has no host"))?;
        if authority.contains('@') {
            return Err(fail("it has a user name, and a server has no accounts"));
        }
        if uri.query().is_some() {
            return Err(fail("it has a query"));
        }
        // A port that is none must not become the default one, where another server may listen.
        let port = match &authority[host.len()..] {
            "" => PORT,
            _ => uri.port_u16().ok_or_else(|| fail("its port is no number from 0 to 65535"))?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port, authority, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// A path with its query.
#[derive(Debug, Clone)]
pub(super) struct Path(pub(super) String);

impl Path {
    /// A path of the API, after its version.
    pub(super) fn new(path: &str) -> Self {
        Self(format!("/api/v1{path}"))
    }

    /// One beside the API.
    pub(super) fn service(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// The keys of a bucket.
    pub(super) fn keys(bucket: &str) -> Self {
        if bucket == DEFAULT_BUCKET { Self::new("/kv") } else { Self::new("/buckets").part(bucket).then("/kv") }
    }

    /// One key; none for `.` and `..`, which have no path that every proxy leaves as it is.
    pub(super) fn key(bucket: &str, key: &[u8]) -> Option<Self> {
        if matches!(key, b"." | b"..") {
            return None;
        }
        let mut path = Self::keys(bucket).then("/");
        path.0.extend(percent_encode(key, ENCODED));
        Some(path)
    }

    /// Adds `/` and a name. One of dots alone names nothing, and gets a percent sign of its own, so that nobody takes it for a step.
    pub(super) fn part(self, name: &str) -> Self {
        if matches!(name, "." | "..") {
            let dots = "%252E".repeat(name.len());
            return self.then("/").then(&dots);
        }
        let mut path = self.then("/");
        path.0.extend(percent_encode(name.as_bytes(), ENCODED));
        path
    }

    pub(super) fn then(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self
    }

    /// Adds a parameter.
    pub(super) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        // Writing to a string does not fail.
        let _ =
            write!(self.0, "{}={}", percent_encode(name.as_bytes(), ENCODED), percent_encode(value.as_ref(), ENCODED));
        self
    }

    /// Adds a parameter, if there is a value for it.
    pub(super) fn with_some(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |url: &str| Base::parse(url).map(|base| (base.host, base.port, base.path)).map_err(|f| f.code);
        assert_eq!(parse("http://127.0.0.1:8080"), Ok(("127.0.0.1".into(), 8080, String::new())));
        assert_eq!(parse("HTTP://db.example/mantis/"), Ok(("db.example".into(), 80, "/mantis".into())));
        assert_eq!(parse("http://[::1]:9"), Ok(("::1".into(), 9, String::new())));
        assert_eq!(parse("https://db.example"), Err("tls-unsupported".into()));
        for url in ["http://", "http://a:99999", "http://a:", "http://me@a", "http://a?x", "http://a b", "http:///x"] {
            assert_eq!(parse(url), Err("url-invalid".into()), "{url}");
        }
    }

    #[test]
    fn no_name_is_a_step_of_a_path() {
        assert_eq!(Path::key("default", b"a/../b\xff").unwrap().0, "/api/v1/kv/a%2F%2E%2E%2Fb%FF");
        assert!(Path::key("default", b"..").is_none());
        assert_eq!(Path::keys("..").0, "/api/v1/buckets/%252E%252E/kv");
        assert_eq!(Path::new("/t").with("a b", "c&d").with_some("e", None::<&str>).0, "/api/v1/t?a%20b=c%26d");
    }
}
