//! What a guest prints until it is logged.

use std::collections::VecDeque;

use crate::limits::LOG_LINE_BYTES_MAX;

/// One of the streams that lead to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "it is part of the type of functions")]
pub enum OutputStream {
    Standard,
    Error,
}

/// Bytes of a line that are kept: one character more than the log takes, so that the log sees that it is cut.
const KEPT_BYTES_MAX: usize = LOG_LINE_BYTES_MAX + 4;

/// What is printed, but not logged yet.
#[derive(Default)]
pub(super) struct Printed {
    standard: Vec<u8>,
    error: Vec<u8>,
    /// Complete lines of standard error.
    held: VecDeque<Box<str>>,
    held_bytes: usize,
}

impl Printed {
    /// Adds to the unfinished line of a stream, and gives the line if it is `complete`.
    pub(super) fn add(&mut self, stream: OutputStream, part: &[u8], complete: bool) -> Option<String> {
        let line = match stream {
            OutputStream::Standard => &mut self.standard,
            OutputStream::Error => &mut self.error,
        };
        line.extend_from_slice(&part[..part.len().min(KEPT_BYTES_MAX.saturating_sub(line.len()))]);
        if !complete {
            return None;
        }
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        line.clear();
        // Blank lines say nothing in a log.
        (!text.is_empty()).then_some(text)
    }

    /// Holds a line back, and gives those that have no place any more.
    pub(super) fn hold(&mut self, line: String) -> Vec<Box<str>> {
        self.held_bytes += line.len() + 1;
        self.held.push_back(line.into());
        let mut released = Vec::new();
        while self.held_bytes > LOG_LINE_BYTES_MAX && self.held.len() > 1 {
            let Some(oldest) = self.held.pop_front() else { break };
            self.held_bytes -= oldest.len() + 1;
            released.push(oldest);
        }
        released
    }

    pub(super) fn release(&mut self) -> VecDeque<Box<str>> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }
}
