//! Long work of a handler, on a thread of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use mantis_db::Budget;
use tokio::sync::Notify;
use tokio::task::{JoinError, spawn_blocking};

use crate::api::presence::{Absence, Presence};
use crate::protocol::errors::Code;
use crate::protocol::memory::Text;
use crate::protocol::problem::Result;

type Work<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Runs `work` on a thread for long work. Once it has begun, it continues when the request is dropped.
///
/// Those threads are few, and work takes one only while there is something to do: not while it waits for the disk.
pub(crate) async fn blocking<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let presence = Presence::new();
    outcome(tokio::spawn(on_threads(Box::pin(async { work().await }), presence.absence())).await)
}

/// As [`blocking`], for work that is to end with its client: it asks for the client's absence in between.
pub(crate) async fn blocking_for_client<T, F>(work: impl FnOnce(Absence) -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let presence = Presence::new();
    let absence = presence.absence();
    blocking(move || work(absence)).await
}

/// A text of unknown length: written here if it is short, and else from the beginning on a thread for long work. Its memory is taken before
/// it is written.
///
/// # Errors
/// `memory-full`, and those of `write`.
pub(crate) async fn text<T: Send + Sync + 'static>(
    in_flight: &Budget,
    parts: T,
    write: impl Fn(&T, &mut Text) -> Result<()> + Send + 'static,
) -> Result<Bytes> {
    let mut short = Text::short(in_flight);
    let written = write(&parts, &mut short);
    if !short.is_cut() {
        return written.map(|()| short.into_bytes());
    }
    drop(short);
    long_text(in_flight, parts, write).await
}

/// As [`text`], for one that is known to be long.
///
/// # Errors
/// `memory-full`, and those of `write`.
pub(crate) async fn long_text<T: Send + Sync + 'static>(
    in_flight: &Budget,
    parts: T,
    write: impl Fn(&T, &mut Text) -> Result<()> + Send + 'static,
) -> Result<Bytes> {
    let mut long = Text::new(in_flight);
    blocking(move || async move {
        write(&parts, &mut long)?;
        Ok(long.into_bytes())
    })
    .await
}

async fn on_threads<T: Send + 'static>(mut work: Work<T>, absence: Absence) -> Result<T> {
    let mut has_begun = false;
    let woken = Arc::new(Woken(Notify::new()));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        let (waker, asks_first) = (waker.clone(), !std::mem::replace(&mut has_begun, true));
        let absence = absence.clone();
        let polled = spawn_blocking(move || {
            // It may have waited for a thread. Nobody reads this answer.
            if asks_first && absence.is_known() {
                return Err(Code::RequestTimeout.into());
            }
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => done.map(Ok),
                Poll::Pending => Ok(Err(work)),
            }
        });
        match outcome(polled.await)? {
            Ok(done) => return Ok(done),
            Err(unfinished) => work = unfinished,
        }
        woken.0.notified().await;
    }
}

/// The outcome of work on another thread.
fn outcome<T>(joined: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    match joined {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is ending and takes no work.
        Err(_) => Err(Code::ShuttingDown.into()),
    }
}

/// Remembers that work can continue.
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_work_takes_no_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (waits, wakes) = ((Arc::clone(&first), Arc::clone(&second)), (first, second));
            let waiting = blocking(move || async move {
                waits.0.notified().await;
                waits.1.notified().await;
                Ok(())
            });
            let waking = blocking(move || async move {
                wakes.0.notify_one();
                tokio::task::yield_now().await;
                wakes.1.notify_one();
                Ok(())
            });
            let (waited, woken) = tokio::join!(waiting, waking);
            assert!(waited.is_ok() && woken.is_ok());
        });
    }
}
