//! Streams hold a connection for as long as the client likes, so their number is bounded.

use crate::app::App;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// Leave to send one stream. Given back when dropped.
pub(crate) struct StreamTicket(App);

impl StreamTicket {
    pub(crate) fn take(app: &App) -> Result<Self> {
        let max = app.0.config.streams_max;
        if app.0.metrics.enter_stream(max) {
            return Ok(Self(app.clone()));
        }
        Err(Problem::new(Code::StreamsTooMany).detail(format!("{max} streams are open; that is the limit")))
    }
}

impl Drop for StreamTicket {
    fn drop(&mut self) {
        self.0.0.metrics.leave_stream();
    }
}
