//! Documents that are made of all tables and plugins, kept until these change.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::api::blocking::blocking;
use crate::protocol::problem::Result;

/// A document, and what it was made of.
#[derive(Debug, Default)]
pub(crate) struct KeptDocument(Arc<Mutex<Option<(u64, Bytes)>>>);

/// The documents of a server.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) openapi: KeptDocument,
    pub(crate) root: KeptDocument,
    /// The page of the API, which does not change.
    pub(crate) page: OnceLock<Bytes>,
}

impl KeptDocument {
    /// The document of what has this fingerprint, made where it is another than the last: by one request, while others wait for it, on a
    /// thread for long work. It is made to its end even where that request goes away, so that never two are under way.
    pub(crate) async fn get<F>(&self, fingerprint: u64, make: impl FnOnce() -> F + Send + 'static) -> Result<Bytes>
    where
        F: Future<Output = Result<Vec<u8>>> + Send + 'static,
    {
        let mut kept = Arc::clone(&self.0).lock_owned().await;
        if let Some((_, document)) = kept.as_ref().filter(|(of, _)| *of == fingerprint) {
            return Ok(document.clone());
        }
        blocking(move || async move {
            // The last one goes before there is another.
            *kept = None;
            let document = Bytes::from(make().await?);
            *kept = Some((fingerprint, document.clone()));
            Ok(document)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn requests_that_go_away_make_no_second_document() {
        let (kept, made) = (Arc::new(KeptDocument::default()), Arc::new(AtomicUsize::new(0)));
        let (release, released) = tokio::sync::watch::channel(false);
        let get = || {
            let (kept, made, mut released) = (Arc::clone(&kept), Arc::clone(&made), released.clone());
            tokio::spawn(async move {
                let make = move || async move {
                    made.fetch_add(1, Ordering::SeqCst);
                    let _ = released.wait_for(|released| *released).await;
                    Ok(b"document".to_vec())
                };
                kept.get(7, make).await.map(|document| document.to_vec()).unwrap_or_default()
            })
        };
        for _ in 0..5 {
            let request = get();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            request.abort();
        }
        let waiting = get();
        while made.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        release.send(true).unwrap();
        assert_eq!(waiting.await.unwrap(), b"document");
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }
}
