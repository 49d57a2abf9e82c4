//! The bounds on open streams, which hold a connection as long as the client likes: their number, and what they hold besides.

use std::sync::Arc;

use mantis_db::Reservation;

use crate::limits::STREAMS_HELD_BYTES_MAX;
use crate::protocol::errors::Code;
use crate::protocol::memory;
use crate::protocol::problem::{Problem, Result};
use crate::state::State;

/// Leave to send one stream. Given back when dropped.
pub(crate) struct StreamTicket(Arc<State>);

impl StreamTicket {
    pub(crate) fn take(state: &Arc<State>) -> Result<Self> {
        let max = state.config.streams_max;
        if state.metrics.enter_stream(max) {
            return Ok(Self(Arc::clone(state)));
        }
        Err(Problem::new(Code::StreamsTooMany).detail(format!("{max} streams are open, which is the limit")))
    }
}

impl Drop for StreamTicket {
    fn drop(&mut self) {
        self.0.metrics.leave_stream();
    }
}

/// Bytes that one of them holds besides its place. Given back when dropped.
pub(crate) struct HeldByStream {
    state: Arc<State>,
    bytes: usize,
    _reservation: Reservation,
}

impl HeldByStream {
    pub(crate) fn take(state: &Arc<State>, bytes: usize) -> Result<Self> {
        let reservation = memory::take(state.database.in_flight(), bytes)?;
        if state.metrics.hold_in_stream(bytes, STREAMS_HELD_BYTES_MAX) {
            return Ok(Self { state: Arc::clone(state), bytes, _reservation: reservation });
        }
        let detail = format!("open streams hold more than {STREAMS_HELD_BYTES_MAX} bytes of sorted and grouped rows");
        Err(Problem::new(Code::StreamsTooMany).detail(detail))
    }
}

impl Drop for HeldByStream {
    fn drop(&mut self) {
        self.state.metrics.release_in_stream(self.bytes);
    }
}
