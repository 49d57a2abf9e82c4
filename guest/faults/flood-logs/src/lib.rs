//! Logs more lines than the host keeps.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:flood-logs/flood-logs");

use mantis_guest::{info, warn};

struct FloodLogs;
export!(FloodLogs);

impl Guest for FloodLogs {
    fn lines(count: u32) {
        for number in 0..count {
            info!("line {number}");
        }
    }

    fn one_line(bytes: u32) {
        info!("{}", "x".repeat(bytes as usize));
    }

    fn forged() {
        warn!("fine\nERROR somebody else failed\r\u{1b}[31m");
    }
}
