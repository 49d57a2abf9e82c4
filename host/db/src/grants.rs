//! What a session may touch, and its text form: `scores:write,users:read`.

use std::fmt;
use std::str::FromStr;

use crate::bucket_name::is_bucket_name;
use crate::{Code, Result};

/// The name that grants every bucket.
const ALL_BUCKETS: &str = "*";

/// What is allowed on a bucket.
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

/// The buckets that a session may touch. Everything else is denied.
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
/// # Ok::<(), mantis_db::GrantInvalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    everything: bool,
    buckets: Vec<(String, Access)>,
}

impl Grants {
    /// Everything is allowed.
    #[must_use]
    pub fn all() -> Self {
        Self { everything: true, buckets: Vec::new() }
    }

    /// Nothing is allowed.
    #[must_use]
    pub fn none() -> Self {
        Self { everything: false, buckets: Vec::new() }
    }

    /// The grants that a list of buckets makes, as in a manifest: `*` with [`Access::Write`] and alone is [`Grants::all`].
    ///
    /// # Errors
    /// [`GrantInvalid`]: a name that no bucket can have, or `*` in any other place.
    pub fn from_pairs<N: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, Access)>,
    ) -> std::result::Result<Self, GrantInvalid> {
        let mut grants = Self::none();
        let mut pairs = pairs.into_iter().peekable();
        while let Some((name, access)) = pairs.next() {
            match name.as_ref() {
                ALL_BUCKETS if access == Access::Write && grants.buckets.is_empty() && pairs.peek().is_none() => {
                    return Ok(Self::all());
                }
                ALL_BUCKETS => return Err(GrantInvalid::AllBuckets),
                bucket if is_bucket_name(bucket) => grants = grants.bucket(bucket, access),
                bucket => return Err(GrantInvalid::Malformed(format!("{bucket}:{}", access.as_str()))),
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

    /// The buckets named, and what is allowed on each. Empty for [`Grants::all`].
    #[must_use]
    pub fn buckets(&self) -> &[(String, Access)] {
        &self.buckets
    }

    /// The grants as a list, from which [`from_pairs`](Self::from_pairs) makes the same again.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, Access)> {
        let all = self.everything.then_some((ALL_BUCKETS, Access::Write));
        all.into_iter().chain(self.buckets.iter().map(|(bucket, access)| (bucket.as_str(), *access)))
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

/// Reads `scores:write,users:read`, or `*:write`. An empty text is an error: [`Grants::none`] has no text form to read.
impl FromStr for Grants {
    type Err = GrantInvalid;

    fn from_str(text: &str) -> std::result::Result<Self, GrantInvalid> {
        let pair = |grant: &'_ str| {
            let malformed = || GrantInvalid::Malformed(grant.to_owned());
            let (bucket, access) = grant.split_once(':').ok_or_else(malformed)?;
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
}

impl fmt::Display for GrantInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(grant) => write!(f, "`{grant}` is not a grant such as `scores:write` or `users:read`"),
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
        assert_eq!(Grants::from_pairs(Grants::none().pairs()), Ok(Grants::none()));
    }

    #[test]
    fn invalid_grants_are_refused() {
        for text in ["", "a", "a:", ":read", "a:READ", "A:read", "a:read:write", "a:read,", "a:read, b:read"] {
            assert!(matches!(text.parse::<Grants>(), Err(GrantInvalid::Malformed(_))), "{text}");
        }
        for text in ["*:read", "*:write,a:read", "a:read,*:write", "*:write,*:write"] {
            assert_eq!(text.parse::<Grants>(), Err(GrantInvalid::AllBuckets), "{text}");
        }
    }
}
