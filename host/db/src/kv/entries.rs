//! [`Entries`]: a scan as one sequence of entries, over all its pages.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use futures_core::Stream;

use super::handle::Kv;
use super::scan::ScanOptions;
use super::value::Entry;
use crate::Result;

/// The entries of a scan, read page by page as they are taken: a [`Stream`], and [`try_next`](Self::try_next) where no stream is wanted.
///
/// All pages show one version, that of the transaction or of the first page. Outside a transaction, who takes longer from one page to the
/// next than [`Limits::cursor_age_ms_max`](crate::Limits::cursor_age_ms_max) goes on in the newest version. It ends after an error.
#[derive(Debug)]
#[must_use = "nothing is read before an entry is asked for"]
pub struct Entries<'s> {
    bucket: Kv<'s>,
    options: ScanOptions,
    page: vec::IntoIter<(Vec<u8>, Entry)>,
    has_more: bool,
}

impl<'s> Kv<'s> {
    /// The entries of a scan, over all its pages, from the cursor of `options` on; their `limit` is that of a page.
    ///
    /// ```
    /// # use mantis_db::{Database, ScanOptions};
    /// # mantis_db::blocking::wait(async {
    /// # let database = Database::in_memory().unwrap();
    /// let mut session = database.session();
    /// for fruit in [b"apple", b"grape", b"peach"] {
    ///     session.kv("stock")?.set(fruit, b"1").await?;
    /// }
    /// let mut entries = session.kv("stock")?.entries(ScanOptions { limit: 2, ..ScanOptions::default() });
    /// let mut names = Vec::new();
    /// while let Some((key, _)) = entries.try_next().await? {
    ///     names.push(key);
    /// }
    /// assert_eq!(names, [b"apple", b"grape", b"peach"]);
    /// # Ok::<(), mantis_db::Error>(()) }).unwrap();
    /// ```
    pub fn entries(self, options: ScanOptions) -> Entries<'s> {
        Entries { bucket: self, options, page: Vec::new().into_iter(), has_more: true }
    }
}

impl Entries<'_> {
    /// The next entry; none at the end.
    ///
    /// # Errors
    /// Those of [`Kv::scan`].
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn try_next(&mut self) -> Result<Option<(Vec<u8>, Entry)>> {
        self.next_now()
    }

    pub(crate) fn next_now(&mut self) -> Result<Option<(Vec<u8>, Entry)>> {
        loop {
            if let Some(entry) = self.page.next() {
                return Ok(Some(entry));
            }
            if !std::mem::take(&mut self.has_more) {
                return Ok(None);
            }
            let page = self.bucket.scan_now(&self.options)?;
            self.has_more = page.cursor.is_some();
            self.options.cursor = page.cursor;
            self.page = page.entries.into_iter();
        }
    }
}

impl Stream for Entries<'_> {
    type Item = Result<(Vec<u8>, Entry)>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.next_now().transpose())
    }
}
