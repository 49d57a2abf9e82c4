//! A reader of the change feed, at the client's pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use mantis_db::tables::feed::{FeedError, FeedEvent, FeedScope};
use mantis_db::{Reservation, Since};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::blocking::{blocking, text};
use crate::handlers::changes::View;
use crate::handlers::changes::form::Form;
use crate::limits;
use crate::protocol::body::{Body, BodyError};
use crate::protocol::errors::AnyCode;
use crate::protocol::memory;
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
    /// What they hold.
    unsent_bytes: Reservation,
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
            unsent_bytes: state.database.in_flight().reservation(),
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
        let page = if matches!(*self.scope, FeedScope::Table(_) | FeedScope::All) {
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
        self.count_unsent()?;
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

    /// Takes what the unsent changes hold of the budget, or gives back what they no longer hold.
    fn count_unsent(&mut self) -> Result<()> {
        let bytes = self.unsent.iter().map(FeedEvent::size_bytes).sum();
        let counted = if bytes > memory::UNCOUNTED_BYTES_MAX { bytes } else { 0 };
        self.unsent_bytes.shrink_to(counted);
        if self.unsent_bytes.grow_to(counted) { Ok(()) } else { Err(memory::full()) }
    }

    /// The next changes of about so many bytes, at least one where there is one. They are counted until [`count_unsent`](Self::count_unsent).
    fn take(&mut self, bytes_max: usize) -> Vec<FeedEvent> {
        let (mut bytes, mut taken) = (0, Vec::new());
        while bytes < bytes_max
            && let Some(change) = self.unsent.pop_front()
        {
            bytes += change.size_bytes();
            change.cursor().clone_into(&mut self.cursor);
            taken.push(change);
        }
        taken
    }

    /// What has been read, or else what is found or committed within `wait`: a filter may pass over more than is read at once. While it
    /// waits, white space is sent: it means nothing where JSON begins, and keeps those on the way from taking the connection for dead.
    ///
    /// # Errors
    /// `memory-full`.
    pub(super) async fn into_page(mut self, wait: Duration, form: Form, view: View) -> Result<Body> {
        let deadline = Instant::now() + wait;
        // Most pages need no waiting, and are then one piece of a known length.
        if !self.unsent.is_empty() || wait.is_zero() {
            return Ok(Body::full(self.page(form, view).await?));
        }
        Ok(Body::live(stream::unfold(Some(self), move |follower| async move {
            let mut follower = follower?;
            let outcome = match follower.wait_for_changes(deadline.min(Instant::now() + SIGN_OF_LIFE)).await {
                Ok(false) if Instant::now() < deadline && !follower.is_over() => {
                    return Some((Ok(Bytes::from_static(b"\n")), Some(follower)));
                }
                // The position is the newest, even if the client was slow.
                Ok(false) => follower.read_on().await,
                outcome => outcome.map(drop),
            };
            let page = match outcome {
                Ok(()) => follower.page(form, view).await,
                Err(problem) => Err(problem),
            };
            Some((page.map_err(|problem| BodyError(problem.message().to_owned())), None))
        })))
    }

    /// What has been read, up to about a megabyte.
    async fn page(&mut self, form: Form, view: View) -> Result<Bytes> {
        let changes = self.take(limits::CHANGES_PAGE_BYTES_MAX);
        if self.unsent.is_empty() {
            self.cursor.clone_from(&self.read_to);
        }
        let more = !self.at_end || !self.unsent.is_empty();
        let cursor = self.cursor.clone();
        let written = text(self.state.database.in_flight(), (changes, cursor), move |(changes, cursor), text| {
            form.write_page(text, changes, cursor, more, view).map_err(|_| memory::full())
        });
        let page = written.await?;
        self.count_unsent()?;
        Ok(page)
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

    /// The changes from here on, until the client goes or the server stops. The first piece is made at once, if there is one: what it
    /// lacks can still be said with a status.
    ///
    /// # Errors
    /// `memory-full`.
    pub(super) async fn into_body(mut self, form: Form, view: View) -> Result<Body> {
        let mut start = Vec::<u8>::new();
        // Writing into memory does not fail.
        let _ = form.write_start(&mut start, &self.cursor, view);
        let mut ready = VecDeque::from([Bytes::from(start)]);
        if !self.unsent.is_empty() {
            ready.push_back(self.written(form, view).await?);
        }
        Ok(Body::live(stream::unfold((Some(self), ready), move |(mut follower, mut ready)| async move {
            while let Some(piece) = ready.pop_front() {
                if !piece.is_empty() {
                    return Some((Ok(piece), (follower, ready)));
                }
            }
            let piece = follower.as_mut()?.piece(form, view).await?;
            if piece.is_err() {
                follower = None;
            }
            let piece = match piece {
                Err(problem) if problem.code() != AnyCode::Db(mantis_db::Code::MemoryFull) => {
                    let mut last = Vec::<u8>::new();
                    let _ = form.write_error(&mut last, &problem);
                    Ok(last.into())
                }
                // The client may go on from its cursor, so that its connection breaks off as for other reasons that pass.
                piece => piece.map_err(|problem| BodyError(problem.message().to_owned())),
            };
            Some((piece, (follower, ready)))
        })))
    }

    /// What comes next, waiting for it if need be; none when the server ends. Nothing comes after an error.
    async fn piece(&mut self, form: Form, view: View) -> Option<Result<Bytes>> {
        while self.unsent.is_empty() {
            let outcome = match self.wake(self.pause_at).await {
                Woken::Over => return None,
                // Before a pause too, so that its position is the newest, even if the client was slow.
                Woken::Commit | Woken::Pause => self.read_on().await,
            };
            if let Err(problem) = outcome {
                return Some(Err(problem));
            }
            if self.unsent.is_empty() && Instant::now() >= self.pause_at {
                let mut pause = Vec::<u8>::new();
                let _ = form.write_pause(&mut pause, &self.read_to, view);
                self.pause_at = Instant::now() + PAUSE;
                return Some(Ok(pause.into()));
            }
        }
        Some(self.written(form, view).await)
    }

    /// The next changes that have been read, off the threads that other requests wait for where they are long.
    async fn written(&mut self, form: Form, view: View) -> Result<Bytes> {
        let changes = self.take(PIECE_BYTES);
        let written = text(self.state.database.in_flight(), changes, move |changes, text| {
            form.write_changes(text, changes, view).map_err(|_| memory::full())
        });
        let piece = written.await?;
        self.count_unsent()?;
        self.pause_at = Instant::now() + PAUSE;
        Ok(piece)
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
