//! [`Session`].

use std::ops::{Deref, DerefMut};

use super::kv::Kv;
use super::wait;
use crate::{
    BucketInfo, Change, ChangeFilter, Changes, Committed, Database, Deleted, Error, Isolation, Result, Since, follow,
};

/// What a program holds while it works: as [`crate::Session`], without futures. It has all that the other has: what is missing here is
/// done with [`wait`].
#[derive(Debug)]
pub struct Session<'s>(Held<'s>);

#[derive(Debug)]
enum Held<'s> {
    Owned(Box<crate::Session>),
    Borrowed(&'s mut crate::Session),
}

impl Database {
    /// A session that may do everything, for programs without a runtime.
    #[must_use]
    pub fn blocking(&self) -> Session<'static> {
        self.session().into()
    }
}

impl From<crate::Session> for Session<'_> {
    fn from(session: crate::Session) -> Self {
        Self(Held::Owned(Box::new(session)))
    }
}

impl<'s> From<&'s mut crate::Session> for Session<'s> {
    fn from(session: &'s mut crate::Session) -> Self {
        Self(Held::Borrowed(session))
    }
}

impl Deref for Session<'_> {
    type Target = crate::Session;

    fn deref(&self) -> &crate::Session {
        match &self.0 {
            Held::Owned(session) => session,
            Held::Borrowed(session) => session,
        }
    }
}

impl DerefMut for Session<'_> {
    fn deref_mut(&mut self) -> &mut crate::Session {
        match &mut self.0 {
            Held::Owned(session) => session,
            Held::Borrowed(session) => session,
        }
    }
}

impl Session<'_> {
    /// The key-value operations of one bucket. They belong to the session's transaction, if one is open.
    ///
    /// # Errors
    /// As [`crate::Session::kv`].
    pub fn kv<'k>(&'k mut self, bucket: &'k str) -> Result<Kv<'k>> {
        Ok(Kv((**self).kv(bucket)?))
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// As [`crate::Session::begin`].
    pub fn begin(&mut self, isolation: Isolation) -> Result<()> {
        wait((**self).begin(isolation))
    }

    /// Commits the open transaction, which ends it, whatever the outcome.
    ///
    /// # Errors
    /// As [`crate::Session::commit`].
    pub fn commit(&mut self) -> Result<Committed> {
        wait((**self).commit())
    }

    /// Runs `work` in a serialisable transaction and commits it, again and again while other commits change what it has read. Effects of
    /// `work` outside the session may happen several times. Where it fails or panics, nothing is written.
    ///
    /// ```
    /// # use mantis_db::{Database, Error};
    /// let database = Database::in_memory()?;
    /// let mut session = database.blocking();
    /// session.kv("accounts")?.set(b"ida", b"10")?;
    /// let (left, _) = session.transact(|session| {
    ///     let mut accounts = session.kv("accounts")?;
    ///     accounts.increment(b"jon", 3)?;
    ///     Ok::<_, Error>(accounts.increment(b"ida", -3)?.number)
    /// })?;
    /// assert_eq!(left, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of `work`, of its own type; those of [`crate::Session::transact`].
    pub fn transact<T, E: From<Error>>(
        &mut self,
        mut work: impl FnMut(&mut Session<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, Committed), E> {
        let attempt = async |session: &mut crate::Session| work(&mut Session::from(session));
        wait((**self).try_transact(Isolation::Serializable, attempt))
    }

    /// The buckets that the session may read, by name, with their sizes.
    ///
    /// # Errors
    /// As [`crate::Session::buckets`].
    pub fn buckets(&mut self) -> Result<Vec<BucketInfo>> {
        wait((**self).buckets())
    }

    /// Drops a bucket with its keys.
    ///
    /// # Errors
    /// As [`crate::Session::drop_bucket`].
    pub fn drop_bucket(&mut self, name: &str) -> Result<Deleted> {
        wait((**self).drop_bucket(name))
    }

    /// At most `limit` committed changes after `since`; waits for none.
    ///
    /// # Errors
    /// As [`crate::Session::changes`].
    pub fn changes(&mut self, filter: &ChangeFilter, since: &Since, limit: usize) -> Result<Changes> {
        wait((**self).changes(filter, since, limit))
    }

    /// Committed changes after `since`, as they come: an iterator that waits for them, and ends when the database is closed.
    ///
    /// # Errors
    /// As [`crate::Session::follow`].
    pub fn follow(&self, filter: ChangeFilter, since: &Since) -> Result<Follow> {
        (**self).follow(filter, since).map(Follow)
    }
}

#[cfg(feature = "tables")]
mod tables {
    use super::super::rows::Rows;
    use super::{Session, wait};
    use crate::batch::{Applied, BatchError, BatchOptions, Operation};
    use crate::tables::define::{Created, TableDropped};
    use crate::tables::schema::TableDocument;
    use crate::tables::{Environment, TableResult};

    impl Session<'_> {
        /// The rows of a table. They belong to the session's transaction, if one is open. Times are in UTC.
        pub fn rows<'k>(&'k mut self, table: &'k str) -> Rows<'k> {
            let environment = self.database().environment_utc();
            Rows((**self).rows(table, environment))
        }

        /// Makes a table, or confirms that it is there and has this definition.
        ///
        /// # Errors
        /// As [`crate::Session::create_table`].
        pub fn create_table(&mut self, name: &str, document: &TableDocument) -> TableResult<Created> {
            wait((**self).create_table(name, document))
        }

        /// The definition of a table.
        ///
        /// # Errors
        /// As [`crate::Session::describe_table`].
        pub fn describe_table(&mut self, name: &str) -> TableResult<TableDocument> {
            wait((**self).describe_table(name))
        }

        /// Drops a table with its rows and indexes.
        ///
        /// # Errors
        /// As [`crate::Session::drop_table`].
        pub fn drop_table(&mut self, name: &str) -> TableResult<TableDropped> {
            wait((**self).drop_table(name))
        }

        /// Does operations on keys and rows of any buckets and tables, all or none.
        ///
        /// # Errors
        /// As [`crate::Session::batch`].
        pub fn batch(
            &mut self,
            operations: &[Operation<'_>],
            environment: &Environment,
            options: &BatchOptions<'_>,
        ) -> Result<Applied, BatchError> {
            wait((**self).batch(operations, environment, options))
        }
    }
}

/// Committed changes in order, as they come: as [`crate::Follow`].
#[derive(Debug)]
pub struct Follow(follow::Follow);

impl Follow {
    /// Where to follow from, after the last change that was taken.
    #[must_use]
    pub fn cursor(&self) -> &str {
        self.0.cursor()
    }
}

impl Iterator for Follow {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        wait(self.0.try_next()).transpose()
    }
}
