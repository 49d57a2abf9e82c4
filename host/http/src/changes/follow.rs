//! Reading the change feed at the client's pace.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use mantis_db::{Change, ChangeFilter, Since};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::body::BodyError;
use crate::changes::View;
use crate::changes::form::Form;
use crate::problem::Result;
use crate::streams::StreamTicket;
use crate::{App, Body};

/// Changes read at once.
const PAGE_CHANGES: usize = 100;
/// Bytes after which a piece of a stream is sent.
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes after which a page ends.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// A page that is waited for shows this often that it is.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// A stream without changes says that it lives this often.
const PAUSE: Duration = Duration::from_secs(15);

/// A place in the change feed that moves on.
pub(super) struct Follower {
    app: App,
    filter: ChangeFilter,
    since: Since,
    /// Behind everything that was taken out of `unsent`.
    cursor: String,
    unsent: VecDeque<Change>,
    /// Behind everything that was read.
    read_to: String,
    at_end: bool,
    commits: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    _ticket: StreamTicket,
}

/// Why a wait ended.
enum Woken {
    Commit,
    Pause,
    Over,
}

impl Follower {
    pub(super) fn new(app: &App, filter: ChangeFilter, since: Since) -> Result<Self> {
        Ok(Self {
            app: app.clone(),
            filter,
            since,
            cursor: String::new(),
            unsent: VecDeque::new(),
            read_to: String::new(),
            at_end: false,
            commits: app.0.database.watch(),
            shutdown: app.0.shutdown.subscribe(),
            _ticket: StreamTicket::take(app)?,
        })
    }

    /// Reads a page behind what has been read.
    pub(super) async fn read(&mut self) -> Result<()> {
        // Marked as seen before reading, so that a commit in between wakes the next wait.
        self.commits.borrow_and_update();
        let mut session = self.app.session().await?;
        let page = session.changes(&self.filter, &self.since, PAGE_CHANGES).await?;
        drop(session);
        self.unsent.extend(page.changes);
        self.at_end = page.at_end;
        if self.unsent.is_empty() {
            self.cursor.clone_from(&page.cursor);
        } else if self.cursor.is_empty() {
            // Nothing is shown yet: a client that goes away now begins where it wanted to.
            if let Since::Cursor(cursor) = &self.since {
                self.cursor.clone_from(cursor);
            }
        }
        self.read_to.clone_from(&page.cursor);
        self.since = Since::Cursor(page.cursor);
        Ok(())
    }

    /// What has been read, or else what is committed within `wait`. While it waits, white space is sent: it means nothing where
    /// JSON begins, and keeps those on the way from taking the connection for dead.
    pub(super) fn into_page(mut self, wait: Duration, form: Form, view: View) -> Body {
        let deadline = Instant::now() + wait;
        // Most pages need no waiting, and are then one piece of a known length.
        if self.unsent.is_empty() && !wait.is_zero() && self.at_end {
            return Body::live(stream::unfold(Some(self), move |follower| async move {
                let mut follower = follower?;
                let step = SIGN_OF_LIFE.min(deadline.saturating_duration_since(Instant::now()));
                match follower.wait_for_changes(step).await {
                    Ok(false) if Instant::now() < deadline && !follower.is_over() => {
                        return Some((Ok(Bytes::from_static(b"\n")), Some(follower)));
                    }
                    Ok(_) => {}
                    Err(problem) => return Some((Err(BodyError(problem.message().to_owned())), None)),
                }
                Some((Ok(follower.page(form, view)), None))
            }));
        }
        Body::full(self.page(form, view))
    }

    /// What has been read, up to about a megabyte.
    fn page(&mut self, form: Form, view: View) -> Bytes {
        let mut bytes = 0;
        let mut taken = Vec::new();
        while bytes < PAGE_BYTES_MAX
            && let Some(change) = self.unsent.pop_front()
        {
            bytes += change.key.len() + change.value.as_ref().map_or(0, |(_, value)| value.len());
            self.cursor.clone_from(&change.cursor);
            taken.push(change);
        }
        if self.unsent.is_empty() {
            self.cursor.clone_from(&self.read_to);
        }
        let mut page = Vec::new();
        form.write_page(&mut page, &taken, &self.cursor, view);
        page.into()
    }

    /// Reads on until there is a change, for at most this long; whether there is one.
    async fn wait_for_changes(&mut self, wait: Duration) -> Result<bool> {
        let deadline = Instant::now() + wait;
        while self.unsent.is_empty() {
            if self.at_end {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() || !matches!(self.wake(left).await, Woken::Commit) {
                    return Ok(false);
                }
            } else {
                tokio::task::yield_now().await;
            }
            self.read().await?;
        }
        Ok(true)
    }

    fn is_over(&self) -> bool {
        *self.shutdown.borrow() || self.commits.has_changed().is_err()
    }

    /// The changes from here on, until the client goes or the server stops.
    pub(super) fn into_body(self, form: Form, view: View) -> Body {
        let mut start = Vec::new();
        form.write_start(&mut start, &self.cursor);
        Body::live(stream::unfold((Some(self), start), move |(follower, start)| async move {
            let mut follower = follower?;
            if !start.is_empty() {
                return Some((Ok(Bytes::from(start)), (Some(follower), Vec::new())));
            }
            let mut piece = Vec::new();
            let goes_on = follower.write_piece(&mut piece, form, view).await;
            if piece.is_empty() {
                return None;
            }
            Some((Ok(Bytes::from(piece)), (goes_on.then_some(follower), Vec::new())))
        }))
    }

    /// Writes what comes next, waiting for it if need be. False when nothing comes after it.
    async fn write_piece(&mut self, piece: &mut Vec<u8>, form: Form, view: View) -> bool {
        while self.unsent.is_empty() {
            if self.at_end {
                match self.wake(PAUSE).await {
                    Woken::Commit => {}
                    Woken::Over => return false,
                    Woken::Pause => {
                        form.write_pause(piece, &self.cursor);
                        return true;
                    }
                }
            } else {
                tokio::task::yield_now().await;
            }
            if let Err(problem) = self.read().await {
                form.write_error(piece, &problem);
                return false;
            }
        }
        while piece.len() < PIECE_BYTES
            && let Some(change) = self.unsent.pop_front()
        {
            form.write_change(piece, &change, view);
            self.cursor = change.cursor;
        }
        true
    }

    async fn wake(&mut self, at_most: Duration) -> Woken {
        if *self.shutdown.borrow() {
            return Woken::Over;
        }
        tokio::select! {
            changed = self.commits.changed() => if changed.is_ok() { Woken::Commit } else { Woken::Over },
            _ = self.shutdown.changed() => Woken::Over,
            () = tokio::time::sleep(at_most) => Woken::Pause,
        }
    }
}
