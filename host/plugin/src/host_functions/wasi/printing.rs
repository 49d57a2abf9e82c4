//! What a guest prints, line by line on its way to the log.
//!
//! Lines of standard output are logged when they are complete. Those of standard error are held back until something else is logged or
//! the run ends, as much as one line of the log holds: when the run fails, they are its message, a stack trace for example, and one
//! record.

use crate::host_functions::bindings::system::Level;
use crate::host_functions::context::Context;
use crate::host_functions::log::RunLog;
use crate::host_functions::printed::OutputStream;

impl Context {
    /// Prints to a stream.
    pub(super) fn print_to(&mut self, stream: OutputStream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (part, complete) = part.strip_suffix(b"\n").map_or((part, false), |part| (part, true));
            if let Some(line) = self.wasi().printed.add(stream, part, complete) {
                self.print_line(stream, line);
            }
        }
    }

    fn print_line(&mut self, stream: OutputStream, line: String) {
        match stream {
            OutputStream::Standard => {
                self.release_held();
                self.write_log(Level::Info, &line);
            }
            OutputStream::Error => {
                for line in self.wasi().printed.hold(line) {
                    self.write_log(Level::Error, &line);
                }
            }
        }
    }

    /// Logs the lines that are held back, because something else is logged after them.
    pub(in crate::host_functions) fn release_held(&mut self) {
        let Some(wasi) = &mut self.wasi else { return };
        for line in wasi.printed.release() {
            self.write_log(Level::Error, &line);
        }
    }

    /// Logs what is printed but not logged yet, because the run has ended. After a failure, lines of standard error are one record,
    /// which is logged however many lines were logged before.
    pub(crate) fn end_output(&mut self, failed: bool) {
        let Some(wasi) = &mut self.wasi else { return };
        let (standard, error) =
            [OutputStream::Standard, OutputStream::Error].map(|s| wasi.printed.add(s, &[], true)).into();
        if let Some(line) = error {
            self.print_line(OutputStream::Error, line);
        }
        let Some(wasi) = &mut self.wasi else { return };
        let held = wasi.printed.release();
        if let Some(line) = standard {
            self.write_log(Level::Info, &line);
        }
        if failed && !held.is_empty() {
            let record = Vec::from(held).join("\n");
            RunLog::write_beyond(self.origin(), Level::Error, &record);
        } else {
            for line in held {
                self.write_log(Level::Error, &line);
            }
        }
    }
}
