//! `mantis:db/system` for guests.

use super::bindings::system::{Host, Level};
use super::context::Context;
use super::error::Stop;
use crate::Limit;
use crate::limits::RANDOM_BYTES_MAX;

impl Host for Context {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.database.now_ms())
    }

    fn random(&mut self, bytes: u32) -> wasmtime::Result<Vec<u8>> {
        self.check_time()?;
        if bytes > RANDOM_BYTES_MAX {
            let reason = format!("it asked for {bytes} random bytes at once; the limit is {RANDOM_BYTES_MAX}");
            return Err(Stop::Limit(Limit::Random, reason).into());
        }
        self.transfer(bytes as usize)?;
        let mut buffer = vec![0; bytes as usize];
        self.database.random(&mut buffer);
        Ok(buffer)
    }

    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.check_time()?;
        self.transfer(message.len())?;
        self.release_held();
        self.write_log(level, &message);
        Ok(())
    }
}
