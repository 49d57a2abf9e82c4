//! What a session may touch, and its text form: `scores:write,users:read,table/orders:write`.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use crate::bucket_name::is_bucket_name;
use crate::limits::TABLE_NAME_BYTES_MAX;
use crate::{Code, Result};

/// The name that grants every bucket, with every table.
const ALL_BUCKETS: &str = "*";

/// Before a table's name. No bucket's name has a slash.
const TABLE: &str = "table/";

/// What is allowed on a bucket or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl Access {
    /// `read` or `write`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The buckets and tables that a session may touch. Everything else is denied.
///
/// As text a table is `table/` and its name, in which `%`, `,`, `:`, `*` and control characters are percent-encoded; `table/*` is every
/// table.
///
/// ```
/// use mantis_db::{Access, Grants};
/// let grants = Grants::none().bucket("scores", Access::Write).bucket("users", Access::Read);
/// assert!(grants.check("scores", Access::Write).is_ok());
/// assert_eq!(grants.check("users", Access::Write).unwrap_err().code().as_str(), "access-denied");
/// assert_eq!(grants.check("secrets", Access::Read).unwrap_err().code().as_str(), "bucket-not-found");
///
/// assert_eq!(grants, "scores:write,users:read".parse()?);
/// assert_eq!(Grants::all().to_string(), "*:write");
///
/// let grants: Grants = "scores:write,table/orders:read".parse()?;
/// assert_eq!(grants.table_access("orders"), Some(Access::Read));
/// assert_eq!(grants.table_access("clients"), None);
/// # Ok::<(), mantis_db::GrantInvalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    everything: bool,
    buckets: Vec<(String, Access)>,
    tables: Vec<TableGrant>,
}

/// What is allowed on a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TableGrant {
    /// As in the grants' text.
    text: String,
    /// None for every table.
    name: Option<String>,
    access: Access,
}

impl Grants {
    /// Everything is allowed.
    #[must_use]
    pub fn all() -> Self {
        Self { everything: true, buckets: Vec::new(), tables: Vec::new() }
    }

    /// Nothing is allowed.
    #[must_use]
    pub fn none() -> Self {
        Self { everything: false, buckets: Vec::new(), tables: Vec::new() }
    }

    /// The grants that a list of buckets makes, as in a manifest: `*` with [`Access::Write`] and alone is [`Grants::all`].
    ///
    /// # Errors
    /// [`GrantInvalid`]: a name that no bucket can have, one that is named twice, or `*` in any other place.
    pub fn from_pairs<N: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, Access)>,
    ) -> std::result::Result<Self, GrantInvalid> {
        let mut grants = Self::none();
        let mut names = BTreeSet::new();
        let mut pairs = pairs.into_iter().peekable();
        while let Some((name, access)) = pairs.next() {
            if name.as_ref() != ALL_BUCKETS && !names.insert(name.as_ref().to_owned()) {
                return Err(GrantInvalid::Repeated(name.as_ref().to_owned()));
            }
            match name.as_ref() {
                ALL_BUCKETS
                    if access == Access::Write
                        && grants.buckets.is_empty()
                        && grants.tables.is_empty()
                        && pairs.peek().is_none() =>
                {
                    return Ok(Self::all());
                }
                ALL_BUCKETS => return Err(GrantInvalid::AllBuckets),
                bucket if is_bucket_name(bucket) => grants = grants.bucket(bucket, access),
                other => {
                    let granted = other.strip_prefix(TABLE).and_then(table_name);
                    let malformed = || GrantInvalid::Malformed(format!("{other}:{}", access.as_str()));
                    match granted.ok_or_else(malformed)? {
                        None => grants = grants.all_tables(access),
                        Some(name) => grants = grants.table(name, access),
                    }
                }
            }
        }
        Ok(grants)
    }

    /// Allows `access` on the bucket `name`.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>, access: Access) -> Self {
        self.buckets.push((name.into(), access));
        self
    }

    /// Allows `access` on the table `name`.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>, access: Access) -> Self {
        let name = name.into();
        self.tables.push(TableGrant { text: table_text(&name), name: Some(name), access });
        self
    }

    /// Allows `access` on every table.
    #[must_use]
    pub fn all_tables(mut self, access: Access) -> Self {
        self.tables.push(TableGrant { text: format!("{TABLE}{ALL_BUCKETS}"), name: None, access });
        self
    }

    /// The most that is allowed on the table `name`; none where the grants do not show it.
    #[must_use]
    pub fn table_access(&self, name: &str) -> Option<Access> {
        if self.everything {
            return Some(Access::Write);
        }
        let granted = self.tables.iter().filter(|grant| grant.name.as_deref().is_none_or(|granted| granted == name));
        granted.map(|grant| grant.access).max()
    }

    /// The buckets named, and what is allowed on each. Empty for [`Grants::all`].
    #[must_use]
    pub fn buckets(&self) -> &[(String, Access)] {
        &self.buckets
    }

    /// The grants as a list, from which [`from_pairs`](Self::from_pairs) makes the same again.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, Access)> {
        let all = self.everything.then_some((ALL_BUCKETS, Access::Write));
        let buckets = self.buckets.iter().map(|(bucket, access)| (bucket.as_str(), *access));
        let tables = self.tables.iter().map(|grant| (grant.text.as_str(), grant.access));
        all.into_iter().chain(buckets).chain(tables)
    }

    /// Whether nothing can be written with these grants.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.pairs().all(|(_, access)| access == Access::Read)
    }

    /// Whether everything is allowed.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.everything
    }

    /// Whether `access` on the bucket is allowed.
    ///
    /// # Errors
    /// `bucket-not-found` when the bucket is not granted at all, `access-denied` when it may only be read.
    pub fn check(&self, bucket: &str, access: Access) -> Result<()> {
        if self.everything {
            return Ok(());
        }
        let granted = self.buckets.iter().filter(|(name, _)| name == bucket).map(|(_, access)| *access).max();
        match granted {
            None => Err(Code::BucketNotFound.into()),
            Some(granted) if granted < access => Err(Code::AccessDenied.into()),
            Some(_) => Ok(()),
        }
    }
}

/// A table's name as it is in the text of grants.
fn table_text(name: &str) -> String {
    let mut text = TABLE.to_owned();
    for character in name.chars() {
        if character.is_ascii_control() || matches!(character, '%' | ',' | ':' | '*') {
            let _ = write!(text, "%{:02X}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

/// The name that a grant's text has after `table/`: none in it for every table, none at all where it is not written as [`table_text`] does.
#[allow(clippy::option_option, reason = "what names no table, every table, or one")]
fn table_name(text: &str) -> Option<Option<String>> {
    if text == ALL_BUCKETS {
        return Some(None);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    let name = String::from_utf8(bytes).ok()?;
    let is_valid = (1..=TABLE_NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0');
    (is_valid && table_text(&name).strip_prefix(TABLE) == Some(text)).then_some(Some(name))
}

/// Reads `scores:write,users:read`, or `*:write`. An empty text is an error: [`Grants::none`] has no text form to read.
impl FromStr for Grants {
    type Err = GrantInvalid;

    fn from_str(text: &str) -> std::result::Result<Self, GrantInvalid> {
        let pair = |grant: &'_ str| {
            let malformed = || GrantInvalid::Malformed(grant.to_owned());
            let (bucket, access) = grant.rsplit_once(':').ok_or_else(malformed)?;
            let access = match access {
                "read" => Access::Read,
                "write" => Access::Write,
                _ => return Err(malformed()),
            };
            Ok((bucket.to_owned(), access))
        };
        Self::from_pairs(text.split(',').map(pair).collect::<std::result::Result<Vec<_>, _>>()?)
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (bucket, access)) in self.pairs().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{bucket}:{}", access.as_str())?;
        }
        Ok(())
    }
}

/// Why a text or a list makes no grants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantInvalid {
    /// This part has no bucket's name, or neither `read` nor `write`.
    Malformed(String),
    /// `*` for reading, or beside other grants.
    AllBuckets,
    /// This bucket or table is named twice.
    Repeated(String),
}

impl fmt::Display for GrantInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(grant) => {
                write!(
                    f,
                    "`{grant}` is not a grant such as `scores:write`, `users:read`, `table/orders:read` or `table/*:read`"
                )
            }
            Self::Repeated(name) => write!(f, "`{name}` is granted twice"),
            Self::AllBuckets => f.write_str("`*` can only be granted for writing, and alone"),
        }
    }
}

impl std::error::Error for GrantInvalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Grants) {
        assert_eq!(text.parse().as_ref(), Ok(expected), "{text}");
        assert_eq!(expected.to_string(), text);
        assert_eq!(Grants::from_pairs(expected.pairs()).as_ref(), Ok(expected), "{text}");
    }

    #[test]
    fn grants_are_written_as_they_are_read() {
        check("a:read", &Grants::none().bucket("a", Access::Read));
        check("a:read,b-c:write", &Grants::none().bucket("a", Access::Read).bucket("b-c", Access::Write));
        check("*:write", &Grants::all());
        check("a:read,table/a:write", &Grants::none().bucket("a", Access::Read).table("a", Access::Write));
        check("table/*:read", &Grants::none().all_tables(Access::Read));
        check("table/ÄÖ %25%3A%2C%2A%0A/:read", &Grants::none().table("ÄÖ %:,*\n/", Access::Read));
        assert_eq!(Grants::from_pairs(Grants::none().pairs()), Ok(Grants::none()));
    }

    #[test]
    fn tables_and_buckets_are_granted_apart() {
        let grants = Grants::none().bucket("a", Access::Write).table("b", Access::Read).table("b", Access::Write);
        assert_eq!((grants.table_access("a"), grants.table_access("b")), (None, Some(Access::Write)));
        assert!(grants.check("b", Access::Read).is_err());
        assert_eq!(Grants::all().table_access("any"), Some(Access::Write));
        let every = Grants::none().all_tables(Access::Read).table("b", Access::Write);
        assert_eq!((every.table_access("a"), every.table_access("b")), (Some(Access::Read), Some(Access::Write)));
        assert!(every.check("a", Access::Read).is_err());
    }

    #[test]
    fn invalid_grants_are_refused() {
        for text in
            ["table/:read", "table/%:read", "table/%zz:read", "table/%61:read", "table/%3a:read", "table/a:b:read"]
        {
            assert!(matches!(text.parse::<Grants>(), Err(GrantInvalid::Malformed(_))), "{text}");
        }
        for text in ["", "a", "a:", ":read", "a:READ", "A:read", "a:read:write", "a:read,", "a:read, b:read"] {
            assert!(matches!(text.parse::<Grants>(), Err(GrantInvalid::Malformed(_))), "{text}");
        }
        for text in ["*:read", "*:write,a:read", "a:read,*:write", "*:write,*:write"] {
            assert_eq!(text.parse::<Grants>(), Err(GrantInvalid::AllBuckets), "{text}");
        }
    }
}
