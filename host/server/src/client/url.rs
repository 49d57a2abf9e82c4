//! The server's address, and the paths of buckets and keys.

use std::fmt::Write;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'.');

/// What stands for itself in a query as a person types it, but for `%`, is kept. A plus sign is one: forms would make it a space.
const TYPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A server's address, as in `http://127.0.0.1:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    authority: String,
    path: String,
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not a server's address: {reason}")]
pub struct UrlError {
    url: String,
    reason: &'static str,
}

impl BaseUrl {
    /// Reads `http://HOST[:PORT][/PATH]`. Without `http://` the port is 8080 unless named, and the host 127.0.0.1: `localhost`, `:9000`.
    ///
    /// # Errors
    /// Anything else; `https` too, since this client has no TLS.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let fail = |reason| UrlError { url: url.to_owned(), reason };
        let short = (!url.is_empty() && !url.contains("://")).then(|| completed(url));
        let uri: hyper::Uri =
            short.as_deref().unwrap_or(url).parse().map_err(|_| fail("it should look like http://127.0.0.1:8080"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(fail("this client has no TLS; use http, through a tunnel if need be")),
            _ => return Err(fail("it should begin with http://")),
        }
        if uri.query().is_some() {
            return Err(fail("it has a query"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| fail("it has no host"))?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if authority.contains('@') {
            return Err(fail("it has a user name"));
        }
        // A port that is none must not become the default one, where another server may listen.
        let port = &authority[host.len()..];
        let is_port = port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if !(port.is_empty() || is_port && uri.port_u16().is_some()) {
            return Err(fail("its port is not a number from 0 to 65535"));
        }
        Ok(Self { authority, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

/// A short address with its scheme, and the default host and port where it has none.
fn completed(url: &str) -> String {
    let (authority, path) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
    let host = if authority.starts_with(':') { "127.0.0.1" } else { "" };
    // A colon within brackets is one of an IPv6 address.
    let has_port = authority.rsplit(']').next().unwrap_or_default().contains(':');
    let port = if has_port || authority.is_empty() { "" } else { ":8080" };
    format!("http://{host}{authority}{port}{path}")
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// A path with a query, put together piece by piece.
#[derive(Debug, Clone)]
pub struct Path(String);

impl Path {
    /// A path of the API.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// The keys of a bucket.
    #[must_use]
    pub fn keys(bucket: &str) -> Self {
        if bucket == mantis_db::DEFAULT_BUCKET {
            return Self::new("/api/v1/kv");
        }
        // Taken for a step, an invalid name would lead to the keys of `default`: with another percent sign it is only invalid.
        let name = if matches!(bucket, "." | "..") { &*bucket.replace('.', "%2E") } else { bucket };
        Self::new("/api/v1/buckets").part(name.as_bytes()).then("/kv")
    }

    /// One key of a bucket; none for `.` and `..`, which have no path that every proxy leaves as it is.
    #[must_use]
    pub fn key(bucket: &str, key: &[u8]) -> Option<Self> {
        (key != b"." && key != b"..").then(|| Self::keys(bucket).part(key))
    }

    /// Adds `/` and a part, whatever its bytes.
    #[must_use]
    pub fn part(mut self, part: &[u8]) -> Self {
        self.0.push('/');
        if part == b"." || part == b".." {
            // A name of only dots is valid nowhere, and a proxy that takes it for a step leads to no resource.
            self.0.push_str(&"%2E".repeat(part.len()));
        } else {
            self.0.extend(percent_encode(part, ENCODED));
        }
        self
    }

    /// Adds text as it is.
    #[must_use]
    pub fn then(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self
    }

    /// Adds a parameter of the query, if there is a value for it.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&[u8]>) -> Self {
        if let Some(value) = value {
            let separator = if self.0.contains('?') { '&' } else { '?' };
            // Writing to a string cannot fail.
            let _ = write!(self.0, "{separator}{name}={}", percent_encode(value, ENCODED));
        }
        self
    }

    /// The rows of a table.
    #[must_use]
    pub fn table(name: &str) -> Self {
        Self::new("/api/v1/tables").part(name.as_bytes())
    }

    /// The schema of a table.
    #[must_use]
    pub fn schema(table: &str) -> Self {
        Self::new("/api/v1/schema/tables").part(table.as_bytes())
    }

    /// Adds parameters as a person types them, `select=id,name&id=gt.5`. `%XX` is an escape; any other `%`, and what has no place in a
    /// URL, stands for itself.
    #[must_use]
    pub fn with_query(mut self, query: &str) -> Self {
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            for (place, piece) in parameter.split('%').enumerate() {
                if place > 0 {
                    let is_escape = piece.len() >= 2 && piece.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
                    self.0.push_str(if is_escape { "%" } else { "%25" });
                }
                self.0.extend(utf8_percent_encode(piece, TYPED));
            }
        }
        self
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Result<(&str, &str), &str>) {
        let parsed = BaseUrl::parse(url);
        match (&parsed, expected) {
            (Ok(base), Ok(expected)) => assert_eq!((&*base.authority, &*base.path), expected, "{url}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{url}: {error}"),
            _ => panic!("{url}: {parsed:?}"),
        }
    }

    #[test]
    fn addresses() {
        check("http://127.0.0.1:8080", Ok(("127.0.0.1:8080", "")));
        check("http://db.example/mantis/", Ok(("db.example", "/mantis")));
        check("http://[::1]:9", Ok(("[::1]:9", "")));
        check("http://[::1]/a", Ok(("[::1]", "/a")));
        for port in ["99999", "65536", "-1", "+80", ""] {
            check(&format!("http://127.0.0.1:{port}"), Err("http://127.0.0.1:"));
            check(&format!("http://[::1]:{port}/"), Err("http://[::1]:"));
        }
        check("https://db.example", Err("TLS"));
        check("db.example:80", Ok(("db.example:80", "")));
        check("localhost", Ok(("localhost:8080", "")));
        check("db.example/mantis/", Ok(("db.example:8080", "/mantis")));
        check(":9", Ok(("127.0.0.1:9", "")));
        check("[::1]", Ok(("[::1]:8080", "")));
        check("[::1]:9/a", Ok(("[::1]:9", "/a")));
        for url in ["", "/", "/a", ":", "host:", "host:x", "a b", "ftp://x", "//host", "me@host"] {
            check(url, Err("is not a server's address"));
        }
        check("http://", Err("http://127"));
        check("http://me@db.example", Err("user name"));
        check("http://db.example?x=1", Err("query"));
    }

    #[test]
    fn any_byte_can_be_in_a_key() {
        assert_eq!(Path::key("default", b"a/b c\0\xff").unwrap().as_str(), "/api/v1/kv/a%2Fb%20c%00%FF");
        assert_eq!(Path::key("words", b"a/../b").unwrap().as_str(), "/api/v1/buckets/words/kv/a%2F..%2Fb");
        assert!(Path::key("words", b".").is_none() && Path::key("words", b"..").is_none());
        assert_eq!(Path::keys("..").as_str(), "/api/v1/buckets/%252E%252E/kv");
        let path = Path::keys("default").with("prefix", Some(b"a&b")).with("start", None).with("limit", Some(b"5"));
        assert_eq!(path.as_str(), "/api/v1/kv?prefix=a%26b&limit=5");
    }

    /// A path as a client that follows the URL standard sends it.
    fn resolved(path: &str) -> String {
        let path = path.split(['?', '#']).next().unwrap_or_default().replace(['\t', '\n', '\r'], "").replace('\\', "/");
        let mut parts = Vec::new();
        let mut given = path.split('/').skip(1).peekable();
        while let Some(part) = given.next() {
            let plain = part.to_ascii_lowercase().replace("%2e", ".");
            let is_step = matches!(&*plain, "." | "..");
            match &*plain {
                "." => {}
                ".." => drop(parts.pop()),
                _ => parts.push(part),
            }
            if is_step && given.peek().is_none() {
                parts.push("");
            }
        }
        format!("/{}", parts.join("/"))
    }

    /// All texts of up to four of these pieces.
    fn texts() -> Vec<Vec<u8>> {
        const PIECES: [&[u8]; 13] =
            [b".", b"..", b"/", b"%2e", b"%2E", b"%", b"a", b"?", b"#", b"\\", b"\t", b"\xff", "\u{e4}".as_bytes()];
        let mut texts = vec![Vec::new()];
        let mut longest = texts.clone();
        for _ in 0..4 {
            longest = longest.iter().flat_map(|text| PIECES.map(|piece| [text, piece].concat())).collect();
            texts.extend_from_slice(&longest);
        }
        texts
    }

    #[test]
    fn a_key_leads_to_itself_or_nowhere_in_any_client_and_proxy() {
        assert_eq!(resolved("/api/v1/kv/a/%2E%2E/.%2e/plugins/p?x"), "/api/v1/plugins/p");
        assert_eq!([resolved("/a/b/.."), resolved("/a/./b"), resolved("/../a")], ["/a/", "/a/b", "/a"]);
        for key in texts() {
            for bucket in ["default", "words", "..", "."] {
                let keys = Path::keys(bucket);
                let Some(path) = Path::key(bucket, &key) else {
                    assert!(key == b"." || key == b"..", "{key:?}");
                    continue;
                };
                assert_eq!(resolved(path.as_str()), path.as_str(), "{bucket} {key:?}");
                let part = path.as_str().strip_prefix(&format!("{}/", keys.as_str())).unwrap();
                assert!(!part.contains('/'), "{path:?}");
                assert_eq!(percent_encoding::percent_decode_str(part).collect::<Vec<_>>(), key);
            }
        }
    }

    #[test]
    fn a_name_leads_to_itself_or_to_what_no_route_has() {
        let plugin = |name: &[u8]| Path::new("/api/v1/plugins").part(name);
        for name in texts() {
            let text = String::from_utf8_lossy(&name);
            let (table, schema) = (Path::table(&text), Path::schema(&text));
            let paths = [
                table,
                schema,
                plugin(&name),
                plugin(&name).then("/call").part(b"f"),
                plugin(b"p").then("/call").part(&name),
            ];
            for (place, path) in paths.iter().enumerate() {
                let sent = resolved(path.as_str());
                match (&name[..], place) {
                    (b"." | b"..", _) => assert!(NOWHERE.contains(&&*sent), "{text}: {sent}"),
                    _ => assert_eq!(sent, path.as_str(), "{text}"),
                }
            }
        }
    }

    /// Where the names `.` and `..` lead if they are resolved: `tests/normalised.rs` holds the server to it.
    const NOWHERE: [&str; 9] = [
        "/api/v1/",
        "/api/v1/tables/",
        "/api/v1/schema/",
        "/api/v1/schema/tables/",
        "/api/v1/plugins/",
        "/api/v1/plugins/call/f",
        "/api/v1/call/f",
        "/api/v1/plugins/p/",
        "/api/v1/plugins/p/call/",
    ];

    #[test]
    fn a_query_is_sent_as_it_was_typed() {
        let check = |typed: &str, sent: &str| {
            assert_eq!(Path::new("/t").with_query(typed).as_str(), format!("/t{sent}"), "{typed}");
        };
        check("select=id,name&id=gt.5", "?select=id,name&id=gt.5");
        check("name=eq.C++ 100%&", "?name=eq.C%2B%2B%20100%25");
        check("name=like.%25a%zz%", "?name=like.%25a%25zz%25");
        check("n=eq.Käse#1", "?n=eq.K%C3%A4se%231");
        check("", "");
        assert_eq!(
            Path::table("a b").with("limit", Some(b"1")).with_query("x=is.null").as_str(),
            "/api/v1/tables/a%20b?limit=1&x=is.null"
        );
    }
}
