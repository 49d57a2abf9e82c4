//! What a session may touch.

use crate::{Code, Result};

/// What is allowed on a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// The buckets that a session may touch. Whatever is not named is denied.
///
/// ```
/// use mantis_db::{Access, Grants};
/// let grants = Grants::none().bucket("scores", Access::Write).bucket("users", Access::Read);
/// assert!(grants.check("scores", Access::Write).is_ok());
/// assert_eq!(grants.check("users", Access::Write).unwrap_err().code().as_str(), "access-denied");
/// assert_eq!(grants.check("secrets", Access::Read).unwrap_err().code().as_str(), "bucket-not-found");
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
