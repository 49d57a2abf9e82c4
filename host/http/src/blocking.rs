//! Long work on a thread where it keeps nobody waiting.

use std::future::Future;

use crate::errors::Code;
use crate::problem::Result;

/// Runs `work` on a thread for long work.
pub(crate) async fn blocking<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(work())).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is ending and takes no work.
        Err(_) => Err(Code::ShuttingDown.into()),
    }
}
