//! [`Follow`]: the change feed as one sequence that waits for what comes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use tokio::sync::watch;

use crate::changes::{Change, ChangeFilter, Since, begin, cursor_text};
use crate::{Result, Session};

/// Changes of a page.
const PAGE_CHANGES: usize = 100;

/// Ends with the next commit: the receiver, and whether there may be more commits.
type News = Pin<Box<dyn Future<Output = (watch::Receiver<u64>, bool)> + Send>>;

/// Committed changes in order, as they come: a [`Stream`], and [`try_next`](Self::try_next) where no stream is wanted.
///
/// It waits for commits for as long as the database is open, and ends when that is [closed](crate::Database::close), after the last change,
/// and after an error. It is a handle to the database. Who takes changes more slowly than they come may find them gone: `compacted`.
pub struct Follow {
    session: Session,
    filter: ChangeFilter,
    since: Since,
    page: vec::IntoIter<Change>,
    cursor: String,
    watch: Option<watch::Receiver<u64>>,
    news: Option<News>,
    has_ended: bool,
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("filter", &self.filter).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Session {
    /// Committed changes after `since`, as they come, that the session's grants show now. They belong to no transaction, and the session may
    /// be used or dropped meanwhile.
    ///
    /// ```
    /// # use mantis_db::{ChangeFilter, Database, Since};
    /// # mantis_db::blocking::wait(async {
    /// # let database = Database::in_memory().unwrap();
    /// let mut session = database.session();
    /// let mut changes = session.follow(ChangeFilter::default(), &Since::Now)?;
    /// session.kv("default")?.set(b"greeting", b"hello").await?;
    /// let change = changes.try_next().await?.unwrap();
    /// assert_eq!(change.key, b"greeting");
    /// database.close()?;
    /// assert_eq!(changes.try_next().await?, None);
    /// # Ok::<(), mantis_db::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of [`changes`](Self::changes).
    pub fn follow(&self, filter: ChangeFilter, since: &Since) -> Result<Follow> {
        let (database, grants) = (self.database().clone(), self.grants().clone());
        let watch = database.watch();
        let mut session = database.session_with(grants);
        let start = cursor_text(database.0.epoch, begin(&database, since)?);
        let changes = session.changes_now(&filter, since, PAGE_CHANGES.min(database.limits().page_entries_max))?;
        Ok(Follow {
            session,
            filter,
            cursor: if changes.changes.is_empty() { changes.cursor.clone() } else { start },
            since: Since::Cursor(changes.cursor),
            page: changes.changes.into_iter(),
            watch: Some(watch),
            news: None,
            has_ended: false,
        })
    }
}

impl Follow {
    /// The next change, once there is one; none when the database was closed. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `compacted`, and those of [`Session::changes`].
    pub async fn try_next(&mut self) -> Result<Option<Change>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await.transpose()
    }

    /// Where to follow from, after the last change that was taken.
    #[must_use]
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// Reads the next page. Whether it waits for news: there is nothing yet.
    fn read(&mut self) -> Result<bool> {
        let database = self.session.database().clone();
        // Before the page: after it there may be commits that it lacks.
        let has_ended = database.has_ended();
        if let Some(watch) = &mut self.watch {
            watch.borrow_and_update();
        }
        let limit = PAGE_CHANGES.min(database.limits().page_entries_max);
        let changes = self.session.changes_now(&self.filter, &self.since, limit)?;
        let is_idle = changes.changes.is_empty() && changes.at_end;
        self.has_ended = is_idle && has_ended;
        if changes.changes.is_empty() {
            self.cursor.clone_from(&changes.cursor);
        }
        self.since = Since::Cursor(changes.cursor);
        self.page = changes.changes.into_iter();
        Ok(is_idle)
    }
}

impl Stream for Follow {
    type Item = Result<Change>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(change) = this.page.next() {
                this.cursor.clone_from(&change.cursor);
                return Poll::Ready(Some(Ok(change)));
            }
            if this.has_ended {
                return Poll::Ready(None);
            }
            if let Some(news) = &mut this.news {
                let (watch, goes_on) = ready!(news.as_mut().poll(context));
                (this.news, this.watch) = (None, Some(watch));
                this.has_ended = !goes_on;
            }
            match this.read() {
                Ok(false) => {}
                Ok(true) if this.has_ended => {}
                Ok(true) => {
                    this.news = this.watch.take().map(|mut watch| {
                        let news = async move {
                            let goes_on = watch.changed().await.is_ok();
                            (watch, goes_on)
                        };
                        Box::pin(news) as News
                    });
                }
                Err(error) => {
                    this.has_ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
