//! A large answer as a stream: pieces of its text, all of one commit, each made when the client has taken the one before.
//!
//! Between two pieces nothing is held but the commit, the place in the query, and what had to be sorted or grouped before the first row. A
//! client that takes nothing for the time that a commit is kept gets no more: all of that is given back, and the connection breaks off when
//! it takes some again. One that is gone interrupts the piece that is being made.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use mantis_db::tables::{Interrupt, RowStream, Selected, TableError, TableResult};
use parking_lot::Mutex;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::answer::AnswerRows;
use crate::api::presence::Presence;
use crate::limits::{BODY_PIECE_BYTES_MAX, TABLE_PIECE_BYTES};
use crate::protocol::body::{Body, BodyError};
use crate::protocol::problem::Result;
use crate::state::State;
use crate::state::streams::{HeldByStream, StreamTicket};

/// What makes the pieces.
pub(super) struct Maker {
    pub(super) stream: RowStream,
    pub(super) rows: AnswerRows,
}

impl Maker {
    /// Collects the first piece, unless it is collected already; what the whole is, and whether the piece is all of it.
    pub(super) fn first(&mut self, is_collected: bool, interrupt: Interrupt<'_>) -> TableResult<(Selected, bool)> {
        if !is_collected && let Some(selected) = self.stream.next(&mut self.rows, interrupt)? {
            return Ok((selected, true));
        }
        Ok((self.stream.measure(interrupt)?, false))
    }

    /// The next piece, and whether it is the last.
    fn next(&mut self, interrupt: Interrupt<'_>) -> TableResult<(Bytes, bool)> {
        let is_last = self.stream.next(&mut self.rows, interrupt)?.is_some();
        Ok((if is_last { self.rows.take_rest() } else { self.rows.take_piece() }, is_last))
    }
}

/// What makes the next piece while the client takes the one before.
enum Slot {
    Waiting {
        maker: Box<Maker>,
        taken_at: Instant,
        _held: HeldByStream,
    },
    /// At work, done, or given up.
    Empty,
}

/// An answer that is being sent.
struct Sender {
    slot: Arc<Mutex<Slot>>,
    ready: Bytes,
    is_over: bool,
    presence: Presence,
    watch: AbortHandle,
    _ticket: StreamTicket,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// The body of an answer whose first piece is collected.
///
/// # Errors
/// `streams-too-many`, also where the streams that are open hold too much.
pub(super) fn body(state: &Arc<State>, mut maker: Maker) -> Result<Body> {
    let ticket = StreamTicket::take(state)?;
    let held = HeldByStream::take(state, maker.stream.held_bytes())?;
    let ready = maker.rows.take_piece();
    maker.rows.set_piece_bytes(TABLE_PIECE_BYTES);
    let slot = Slot::Waiting { maker: Box::new(maker), taken_at: Instant::now(), _held: held };
    let slot = Arc::new(Mutex::new(slot));
    let stall = Duration::from_millis(state.database.limits().transaction_age_ms_max);
    let watch = tokio::spawn(give_up_when_stalled(Arc::clone(&slot), stall)).abort_handle();
    let sender = Sender { slot, ready, is_over: false, presence: Presence::new(), watch, _ticket: ticket };
    Ok(Body::stream(stream::unfold(sender, |mut sender| async move {
        let piece = sender.piece().await?;
        sender.is_over |= piece.is_err();
        Some((piece, sender))
    })))
}

impl Sender {
    /// The next bytes for the connection; none at the end.
    async fn piece(&mut self) -> Option<std::result::Result<Bytes, BodyError>> {
        while self.ready.is_empty() {
            if self.is_over {
                return None;
            }
            if let Err(error) = self.make().await {
                return Some(Err(BodyError(error)));
            }
        }
        if let Slot::Waiting { maker, taken_at, .. } = &mut *self.slot.lock() {
            maker.stream.renew();
            *taken_at = Instant::now();
        }
        Some(Ok(self.ready.split_to(self.ready.len().min(BODY_PIECE_BYTES_MAX))))
    }

    async fn make(&mut self) -> std::result::Result<(), String> {
        let Slot::Waiting { mut maker, _held: held, .. } = std::mem::replace(&mut *self.slot.lock(), Slot::Empty)
        else {
            return Err("the client took nothing for too long".to_owned());
        };
        let absence = self.presence.absence();
        let made = spawn_blocking(move || {
            let made = maker.next(Interrupt::when(&|| absence.is_known()));
            (made, maker)
        });
        let (made, maker) = made.await.map_err(|error| error.to_string())?;
        let (piece, is_last) = made.map_err(|error: TableError| error.message.clone())?;
        (self.ready, self.is_over) = (piece, is_last);
        if !is_last {
            *self.slot.lock() = Slot::Waiting { maker, taken_at: Instant::now(), _held: held };
        }
        Ok(())
    }
}

/// Empties the slot once nothing was taken for so long.
async fn give_up_when_stalled(slot: Arc<Mutex<Slot>>, stall: Duration) {
    loop {
        let due = match &*slot.lock() {
            Slot::Waiting { taken_at, .. } => *taken_at + stall,
            Slot::Empty => Instant::now() + stall,
        };
        if due > Instant::now() {
            sleep_until(due).await;
            continue;
        }
        // What is in it is freed without the lock.
        let given_up = std::mem::replace(&mut *slot.lock(), Slot::Empty);
        drop(given_up);
        return;
    }
}
