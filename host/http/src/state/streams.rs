//! The bound on open streams, which hold a connection as long as the client likes.

use std::sync::Arc;

use crate::protocol::errors::Code;
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
