//! A connection: a session that was acquired, and the page that shows its last answer.

use mantis_db::{Database, Entry, Session};

use crate::abi::status;
use crate::abi::types::mantis_page;
use crate::failure::Failure;
use crate::far::{Far, unsupported};
use crate::handles::{Handles, NoValue};
use crate::link::Link;
use crate::pool::{PooledLink, Use};

/// The connections of the process that are out.
pub(crate) static CONNS: Handles<Conn> = Handles::new(2);

/// A page that is kept for the next answer if it has no more bytes than that.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Deferred commits of a connection, above which those that are visible are forgotten.
const UNSETTLED_MAX: usize = 1_024;

/// A connection.
pub(crate) struct Conn {
    link: PooledLink,
    pub(crate) page: Page,
    /// Of the last read whose value is shown.
    pub(crate) entry: Option<Entry>,
    /// Of the last read whose value was copied.
    pub(crate) media_type: String,
    /// The newest commits that were deferred and not waited for, and the newest of the others.
    unsettled: Vec<u64>,
    /// Whether a call is under way, or ended in a panic.
    in_call: bool,
    /// Whether all writes are deferred.
    pub(crate) is_deferred: bool,
    /// Dropped after the link.
    pub(crate) pool: Use,
}

/// What a connection shows until its next call.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) data: Vec<u8>,
    pub(crate) cursor: Option<Vec<u8>>,
    pub(crate) count: u64,
    pub(crate) flags: u32,
    pub(crate) total: Option<u64>,
    pub(crate) version: u64,
}

impl Page {
    fn clear(&mut self) {
        if self.data.capacity() > KEPT_BYTES_MAX {
            self.data = Vec::new();
        }
        self.data.clear();
        (self.cursor, self.count, self.flags, self.total, self.version) = (None, 0, 0, None, 0);
    }

    /// As in the header.
    pub(crate) fn to_c(&self) -> mantis_page {
        let cursor = self.cursor.as_deref();
        mantis_page {
            size: 0,
            flags: self.flags,
            count: self.count,
            data: self.data.as_ptr(),
            data_len: self.data.len() as u64,
            cursor: cursor.map_or(std::ptr::null(), <[u8]>::as_ptr),
            cursor_len: cursor.map_or(0, |cursor| cursor.len() as u64),
            total: self.total.unwrap_or(u64::MAX),
            version: self.version,
        }
    }
}

impl Conn {
    /// A connection's handle.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn begin(pool: Use, link: PooledLink) -> Result<u64, Failure> {
        #[cfg(feature = "testing")]
        let link = {
            let mut link = link;
            if let (Link::Near(session), Some(grants)) = (&mut *link, crate::staged::grants()) {
                session.set_grants(grants);
            }
            link
        };
        let conn = Self {
            link,
            page: Page::default(),
            entry: None,
            media_type: String::new(),
            unsettled: Vec::new(),
            in_call: false,
            is_deferred: false,
            pool,
        };
        CONNS
            .insert(conn)
            .map_err(|_| Failure::new(status::MANTIS_E_LIMIT, "handles-too-many", "too many connections are out"))
    }

    /// Does a call that only a database in this process has.
    ///
    /// # Errors
    /// As [`with_any`](Self::with_any); the connection is to a server.
    pub(crate) fn with<T>(handle: u64, work: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        Self::with_any(handle, |conn| if conn.far().is_some() { Err(unsupported("this function")) } else { work(conn) })
    }

    /// Does a call with the connection of a handle, whatever it is to: work asks for [`far`](Self::far) first.
    ///
    /// # Errors
    /// It is stale, in use by another thread, or a call with it has ended in a panic; those of the work.
    pub(crate) fn with_any<T>(handle: u64, work: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut conn = CONNS.hold(handle).map_err(no_conn)?;
        if conn.in_call {
            let message = "an earlier call with this connection failed by a defect of the library; release it";
            return Err(Failure::new(status::MANTIS_E_PANIC, "panic", message));
        }
        conn.in_call = true;
        conn.page.clear();
        conn.entry = None;
        let done = work(&mut conn);
        conn.in_call = false;
        done
    }

    /// Gives the connection of a handle back.
    ///
    /// # Errors
    /// It is stale, or in use by another thread.
    pub(crate) fn end(handle: u64) -> Result<(), Failure> {
        let Self { mut link, in_call, pool, .. } = CONNS.remove(handle).map_err(no_conn)?;
        if in_call {
            PooledLink::close(link);
        } else {
            if let Link::Far(far) = &mut *link
                && far.in_transaction()
            {
                // A server that cannot be told rolls it back when it has been idle for long enough.
                let _ = far.rollback();
            }
            drop(link);
        }
        drop(pool);
        Ok(())
    }

    /// Releases a connection that nobody took, if there is one.
    pub(crate) fn release(handle: u64) {
        if handle != 0 {
            // It is nobody else's.
            let _ = Self::end(handle);
        }
    }

    /// Remembers the deferred commit of the last call.
    pub(crate) fn note_unsettled(&mut self) {
        let version = self.session().take_unsettled();
        if version > 0 {
            self.unsettled.push(version);
        }
        if self.unsettled.len() >= UNSETTLED_MAX {
            // Whatever is final by now needs no wait; its failure is told again by whoever waits for it.
            let settled = self.database().version();
            self.unsettled.retain(|&version| version > settled);
        }
    }

    /// Remembers the last commit of a server, which answers when a commit is final.
    pub(crate) fn note_final(&mut self, version: u64) {
        if version > 0 {
            self.unsettled = vec![version];
        }
    }

    /// The deferred commits that nobody has waited for.
    pub(crate) fn take_unsettled(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.unsettled)
    }

    /// Keeps deferred commits that are still not final; not those of a wait for one version, which the caller knows.
    pub(crate) fn keep_unsettled(&mut self, mut unsettled: Vec<u64>, version: u64) {
        if version == 0 {
            unsettled.append(&mut self.unsettled);
            self.unsettled = unsettled;
        }
    }

    /// The connection to a server; none to a database in this process.
    pub(crate) fn far(&mut self) -> Option<&mut (dyn Far + 'static)> {
        match &mut *self.link {
            Link::Near(_) => None,
            Link::Far(far) => Some(&mut **far),
        }
    }

    /// The session of a database in this process, within [`with`](Self::with) or where there is no [`far`](Self::far).
    pub(crate) fn session(&mut self) -> &mut Session {
        match &mut *self.link {
            Link::Near(session) => session,
            Link::Far(_) => unreachable!("whoever serves servers asks for them first"),
        }
    }

    /// As [`session`](Self::session).
    pub(crate) fn database(&self) -> &Database {
        match &*self.link {
            Link::Near(session) => session.database(),
            Link::Far(_) => unreachable!("whoever serves servers asks for them first"),
        }
    }
}

fn no_conn(why: NoValue) -> Failure {
    match why {
        NoValue::Stale => Failure::stale("connection"),
        NoValue::Busy => {
            let message = "another thread is using this connection; acquire one for each thread";
            Failure::new(status::MANTIS_E_BUSY, "connection-busy", message)
        }
    }
}
