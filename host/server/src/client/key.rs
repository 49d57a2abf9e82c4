//! One key: read, written and deleted by its path, or in a batch where its path would mean something else on the way.
//!
//! `.` and `..` are steps in a path, however they are written (WHATWG's URL standard takes `%2E` for a dot): clients and proxies resolve them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED};
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{Answer, Client};
use super::error::{ClientError, Problem};
use super::text::JsonBytes;
use super::url::Path;

/// A key's value and what is known of it.
#[derive(Debug)]
pub struct KeyEntry {
    /// The value.
    pub value: Bytes,
    /// The commit that wrote it.
    pub version: u64,
    /// Its media type.
    pub media_type: String,
    /// When it stops being served (RFC 3339), if it does.
    pub expires_at: Option<String>,
    /// When it was written (RFC 3339).
    pub modified_at: Option<String>,
}

/// How a value is written.
#[derive(Debug, Default)]
pub struct KeyOptions<'o> {
    /// Its media type.
    pub media_type: &'o str,
    /// Milliseconds after which it is no longer served.
    pub ttl_ms: Option<u64>,
    /// Only if the key does not exist.
    pub if_absent: bool,
    /// Only over this version.
    pub if_version: Option<u64>,
}

/// What a write did.
#[derive(Debug)]
pub struct KeyWritten {
    /// Its commit.
    pub version: Option<u64>,
    /// Whether the key did not exist before.
    pub is_new: bool,
}

/// The results of a batch.
#[derive(Deserialize)]
struct Results {
    version: Option<String>,
    results: Vec<ResultOf>,
}

#[derive(Deserialize)]
struct ResultOf {
    value: Option<JsonBytes>,
    version: Option<String>,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    modified_at: Option<String>,
    #[serde(default)]
    deleted: u64,
}

impl Client {
    /// Reads a key.
    ///
    /// # Errors
    /// Those of [`request`](Client::request): `key-not-found` where there is no value.
    pub async fn read_key(&self, bucket: &str, key: &[u8]) -> Result<KeyEntry, ClientError> {
        let Some(path) = Path::key(bucket, key) else {
            let results = self.batch(bucket, json!([{"op": "get", "key": text(key)}])).await?;
            return results.results.into_iter().next().and_then(ResultOf::entry).ok_or_else(missing);
        };
        // `raw`: the value's bytes, also where they are JSON.
        let answer = self.get(&path.with("raw", Some(b"true"))).await?;
        answer.whole()?;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(KeyEntry {
            // Any program may answer 200; a value always has a version.
            version: answer
                .version()
                .ok_or_else(|| ClientError::Unexpected { reason: "it has no version".to_owned() })?,
            media_type: header(CONTENT_TYPE.as_str()).unwrap_or_default(),
            expires_at: header("mantisdb-expires"),
            modified_at: header(LAST_MODIFIED.as_str()).as_deref().and_then(rfc3339),
            value: answer.body,
        })
    }

    /// Writes a key.
    ///
    /// # Errors
    /// Those of [`request`](Client::request): `precondition-failed` where a condition does not hold.
    pub async fn write_key(
        &self,
        bucket: &str,
        key: &[u8],
        value: Bytes,
        options: &KeyOptions<'_>,
    ) -> Result<KeyWritten, ClientError> {
        let KeyOptions { media_type, ttl_ms, if_absent, if_version } = *options;
        let Some(path) = Path::key(bucket, key) else {
            let mut set = json!({
                "op": "set", "key": text(key), "value": {"base64": BASE64_STANDARD.encode(&value)},
                "media_type": media_type, "ttl_ms": ttl_ms, "if_version": if_version.map(|version| version.to_string()),
            });
            if if_absent {
                set["absent"] = true.into();
            }
            let results = self.batch(bucket, json!([{"op": "get", "key": text(key)}, set])).await?;
            let is_new = results.results.first().is_some_and(|before| before.value.is_none());
            return Ok(KeyWritten { version: number(results.version.as_deref()), is_new });
        };
        let ttl_ms = ttl_ms.map(|ms| ms.to_string());
        // `raw`: a JSON value is stored as it is, not read as the form that holds one.
        let path = path.with("raw", Some(b"true")).with("ttl_ms", ttl_ms.as_deref().map(str::as_bytes));
        let version = if_version.map(tag);
        let mut headers = vec![(CONTENT_TYPE, media_type)];
        headers.extend(if_absent.then_some((IF_NONE_MATCH, "*")));
        headers.extend(version.as_deref().map(|version| (IF_MATCH, version)));
        let answer = self.request(Method::PUT, &path, &headers, value).await?;
        Ok(KeyWritten { version: answer.version(), is_new: answer.status == 201 })
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// Those of [`request`](Client::request): `key-not-found` where there is none, `precondition-failed` where it is of another version.
    pub async fn delete_key(&self, bucket: &str, key: &[u8], if_version: Option<u64>) -> Result<(), ClientError> {
        let Some(path) = Path::key(bucket, key) else {
            let delete =
                json!({"op": "delete", "key": text(key), "if_version": if_version.map(|version| version.to_string())});
            let results = self.batch(bucket, json!([delete])).await?;
            let existed = results.results.first().is_some_and(|result| result.deleted > 0);
            return if existed { Ok(()) } else { Err(missing()) };
        };
        let version = if_version.map(tag);
        let headers: Vec<_> = version.as_deref().map(|version| (IF_MATCH, version)).into_iter().collect();
        self.request(Method::DELETE, &path, &headers, Bytes::new()).await.map(drop)
    }

    /// Runs operations in one commit. A refusal becomes that of the operation that has a condition, as its own request would have it.
    async fn batch(&self, bucket: &str, operations: Value) -> Result<Results, ClientError> {
        let path = Path::keys(bucket).with("details", Some(b"true")).with("encoding", Some(b"base64"));
        let body = json!({"atomic": true, "operations": operations}).to_string();
        let headers = [(CONTENT_TYPE, "application/json")];
        match self.request(Method::POST, &path, &headers, body.into()).await {
            Ok(answer) => Answer::json(&answer),
            Err(ClientError::Refused { problem, .. }) if problem.code == "check-failed" => {
                let refused = problem.members.get("operations").and_then(|all| all.get(0));
                let version = number(refused.and_then(|refusal| refusal["version"].as_str()));
                Err(refusal(412, "precondition-failed", "The key does not meet the condition.", version))
            }
            Err(error) => Err(error),
        }
    }
}

impl ResultOf {
    fn entry(self) -> Option<KeyEntry> {
        let Self { value, version, media_type, expires_at, modified_at, .. } = self;
        let version = number(version.as_deref())?;
        Some(KeyEntry { value: value?.0.into(), version, media_type, expires_at, modified_at })
    }
}

fn missing() -> ClientError {
    refusal(404, "key-not-found", "The key does not exist or has expired.", None)
}

fn refusal(status: u16, code: &str, title: &str, version: Option<u64>) -> ClientError {
    let problem = Problem { code: code.to_owned(), title: title.to_owned(), version, ..Problem::default() };
    ClientError::Refused { status, problem: Box::new(problem) }
}

/// A key that has no path: dots.
fn text(key: &[u8]) -> Value {
    String::from_utf8_lossy(key).into()
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.parse().ok()
}

fn tag(version: u64) -> String {
    format!("\"v{version}\"")
}

/// A header's date as all other times are written.
fn rfc3339(date: &str) -> Option<String> {
    jiff::fmt::rfc2822::parse(date).ok().map(|time| time.timestamp().to_string())
}
