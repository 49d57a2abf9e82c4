//! A reader of the change feed, at the client's pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use mantis_db::Since;
use mantis_db::tables::feed::{FeedError, FeedEvent, FeedScope};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::blocking::blocking;
use crate::handlers::changes::View;
use crate::handlers::changes::form::Form;
use crate::limits;
use crate::protocol::body::{Body, BodyError};
use crate::protocol::problem::{Problem, Result};
use crate::state::State;
use crate::state::streams::StreamTicket;

/// Bytes after which a piece of a stream is sent.
const PIECE_BYTES: usize = 64 * 1024;
/// A page that is waited for shows this often that it is.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// A stream that has been silent for this long sends a sign of life and its position.
const PAUSE: Duration = Duration::from_secs(15);

/// A place in the change feed that moves on.
pub(super) struct Follower {
    state: Arc<State>,
    scope: Arc<FeedScope>,
    since: Since,
    /// Behind everything that was taken out of `unsent`.
    cursor: String,
    unsent: VecDeque<FeedEvent>,
    /// Behind everything that was read.
    read_to: String,
    at_end: bool,
    /// When something has to be sent, whatever there is to show: what the filter passes over is no sign of life.
    pause_at: Instant,
    commits: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    _ticket: StreamTicket,
}

fn problem(error: FeedError) -> Problem {
    match error {
        FeedError::Feed(error) => error.into(),
        FeedError::Table(error) => error.into(),
        error => Problem::new(mantis_db::Code::ReadOnly).detail(error.to_string()),
    }
}

/// Why a wait ended.
enum Woken {
    /// There may be more to read.
    Commit,
    /// It was to end by then.
    Pause,
    /// The server ends.
    Over,
}

impl Follower {
    pub(super) fn new(state: &Arc<State>, scope: FeedScope, since: Since) -> Result<Self> {
        Ok(Self {
            state: Arc::clone(state),
            scope: Arc::new(scope),
            since,
            cursor: String::new(),
            unsent: VecDeque::new(),
            read_to: String::new(),
            at_end: false,
            pause_at: Instant::now() + PAUSE,
            commits: state.database.watch(),
            shutdown: state.shutdown.subscribe(),
            _ticket: StreamTicket::take(state)?,
        })
    }

    /// Reads the next page.
    pub(super) async fn read(&mut self) -> Result<()> {
        // Marked as seen before reading, so that a commit in between wakes the next wait.
        self.commits.borrow_and_update();
        let mut session = self.state.session().await?;
        let page = if matches!(*self.scope, FeedScope::Table(_)) {
            // A condition on one large row takes long, and what is shown of it does: not where other requests wait.
            let (scope, since) = (Arc::clone(&self.scope), self.since.clone());
            let read = move || async move {
                session.feed(&scope, &since, limits::CHANGES_PER_READ_MAX).await.map_err(problem)
            };
            blocking(read).await?
        } else {
            let page = session.feed(&self.scope, &self.since, limits::CHANGES_PER_READ_MAX).await.map_err(problem)?;
            drop(session);
            page
        };
        self.unsent.extend(page.events);
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

    /// What has been read, or else what is found or committed within `wait`: a filter may pass over more than is read at once. While it
    /// waits, white space is sent: it means nothing where JSON begins, and keeps those on the way from taking the connection for dead.
    pub(super) fn into_page(mut self, wait: Duration, form: Form, view: View) -> Body {
        let deadline = Instant::now() + wait;
        // Most pages need no waiting, and are then one piece of a known length.
        if self.unsent.is_empty() && !wait.is_zero() {
            return Body::live(stream::unfold(Some(self), move |follower| async move {
                let mut follower = follower?;
                let outcome = match follower.wait_for_changes(deadline.min(Instant::now() + SIGN_OF_LIFE)).await {
                    Ok(false) if Instant::now() < deadline && !follower.is_over() => {
                        return Some((Ok(Bytes::from_static(b"\n")), Some(follower)));
                    }
                    // The position is the newest, even if the client was slow.
                    Ok(false) => follower.read_on().await,
                    outcome => outcome.map(drop),
                };
                let page = outcome.map(|()| follower.page(form, view));
                Some((page.map_err(|problem| BodyError(problem.message().to_owned())), None))
            }));
        }
        Body::full(self.page(form, view))
    }

    /// What has been read, up to about a megabyte.
    fn page(&mut self, form: Form, view: View) -> Bytes {
        let mut bytes = 0;
        let mut taken = Vec::new();
        while bytes < limits::CHANGES_PAGE_BYTES_MAX
            && let Some(change) = self.unsent.pop_front()
        {
            bytes += change.size_bytes();
            change.cursor().clone_into(&mut self.cursor);
            taken.push(change);
        }
        if self.unsent.is_empty() {
            self.cursor.clone_from(&self.read_to);
        }
        let mut page = Vec::new();
        let more = !self.at_end || !self.unsent.is_empty();
        form.write_page(&mut page, &taken, &self.cursor, more, view);
        page.into()
    }

    /// Reads on until there is a change, or until then; whether there is one.
    async fn wait_for_changes(&mut self, until: Instant) -> Result<bool> {
        while self.unsent.is_empty() {
            match self.wake(until).await {
                Woken::Commit => self.read_on().await?,
                Woken::Pause | Woken::Over => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads on after a page without a change. Each page is a bounded piece of work, and other tasks run in between: beside
    /// heavy writing that a filter passes over there is always something to read.
    async fn read_on(&mut self) -> Result<()> {
        tokio::task::yield_now().await;
        self.read().await
    }

    fn is_over(&self) -> bool {
        *self.shutdown.borrow() || self.commits.has_changed().is_err()
    }

    /// The changes from here on, until the client goes or the server stops.
    pub(super) fn into_body(self, form: Form, view: View) -> Body {
        let mut start = Vec::new();
        form.write_start(&mut start, &self.cursor, view);
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
            let outcome = match self.wake(self.pause_at).await {
                Woken::Over => return false,
                // Before a pause too, so that its position is the newest, even if the client was slow.
                Woken::Commit | Woken::Pause => self.read_on().await,
            };
            if let Err(problem) = outcome {
                form.write_error(piece, &problem);
                return false;
            }
            if self.unsent.is_empty() && Instant::now() >= self.pause_at {
                form.write_pause(piece, &self.read_to, view);
                self.pause_at = Instant::now() + PAUSE;
                return true;
            }
        }
        while piece.len() < PIECE_BYTES
            && let Some(change) = self.unsent.pop_front()
        {
            form.write_change(piece, &change, view);
            change.cursor().clone_into(&mut self.cursor);
        }
        self.pause_at = Instant::now() + PAUSE;
        true
    }

    /// Waits until there may be more to read, but not beyond `until`.
    async fn wake(&mut self, until: Instant) -> Woken {
        if *self.shutdown.borrow() {
            return Woken::Over;
        }
        // Asked first: with commits coming all the time there is always more to read.
        if Instant::now() >= until {
            return Woken::Pause;
        }
        if !self.at_end {
            return Woken::Commit;
        }
        tokio::select! {
            changed = self.commits.changed() => if changed.is_ok() { Woken::Commit } else { Woken::Over },
            _ = self.shutdown.changed() => Woken::Over,
            () = tokio::time::sleep_until(until) => Woken::Pause,
        }
    }
}
