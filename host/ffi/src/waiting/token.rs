//! Tokens: what ends a wait early.

use std::sync::Arc;

use tokio::sync::watch;

use crate::failure::Failure;
use crate::handles::Handles;

/// A token. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Token(Arc<watch::Sender<bool>>);

/// The tokens of the process.
pub(crate) static TOKENS: Handles<Token> = Handles::new(4);

impl Token {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// The token of a handle; none for 0.
    ///
    /// # Errors
    /// The handle is stale.
    pub(crate) fn of(handle: u64) -> Result<Option<Self>, Failure> {
        if handle == 0 {
            return Ok(None);
        }
        TOKENS.get(handle).map(Some).ok_or_else(|| Failure::stale("token"))
    }

    /// Ends the waits that have it.
    pub(crate) fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Ready when it is cancelled.
    pub(crate) async fn canceled(&self) {
        // The sender lives as long as this token.
        let _ = self.0.subscribe().wait_for(|is_canceled| *is_canceled).await;
    }
}

/// Ready when a token is cancelled; never without one.
pub(crate) async fn canceled(token: Option<&Token>) {
    match token {
        Some(token) => token.canceled().await,
        None => std::future::pending().await,
    }
}
