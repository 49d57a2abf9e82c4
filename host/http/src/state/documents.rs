//! Documents that are made of all tables and plugins, kept until these change.

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::protocol::problem::Result;

/// A document, and what it was made of.
#[derive(Debug, Default)]
pub(crate) struct KeptDocument(Mutex<Option<(u64, Bytes)>>);

/// The documents of a server.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) openapi: KeptDocument,
    pub(crate) root: KeptDocument,
}

impl KeptDocument {
    /// The document of what has this fingerprint, made where it is another than the last. One request makes it, others wait for it.
    pub(crate) async fn get(&self, fingerprint: u64, make: impl Future<Output = Result<Bytes>>) -> Result<Bytes> {
        let mut kept = self.0.lock().await;
        if let Some((_, document)) = kept.as_ref().filter(|(of, _)| *of == fingerprint) {
            return Ok(document.clone());
        }
        let document = make.await?;
        *kept = Some((fingerprint, document.clone()));
        Ok(document)
    }
}
