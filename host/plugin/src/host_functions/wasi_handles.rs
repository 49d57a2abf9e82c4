//! What an instance has of WASI.
#![allow(unreachable_pub, reason = "types of handles are part of the types of functions")]

use std::time::Instant;

use wasmtime::component::{Resource, ResourceTable};

use super::error::Stop;
use super::printed::Printed;
use super::resources::table;
use crate::limits::WASI_HANDLES_MAX;

/// What an instance has of WASI. Made when the guest first asks for any of it.
pub(crate) struct Wasi {
    /// The handles, of all types.
    pub(super) handles: ResourceTable,
    pub(super) printed: Printed,
    /// The lowest reading that the monotonic clock may show, in nanoseconds.
    pub(super) monotonic_ns: u64,
}

/// Standard input, which is at its end.
pub struct InputStream;

/// Something to wait for.
#[derive(Debug, Clone, Copy)]
pub enum Pollable {
    Ready,
    /// Ready at a time, when the monotonic clock shows `reading_ns`.
    Time {
        at: Instant,
        reading_ns: u64,
    },
}

/// What can be named, but not used: the network, and everything of which there is none.
pub struct Nothing;

impl Default for Wasi {
    fn default() -> Self {
        Self { handles: table(WASI_HANDLES_MAX), printed: Printed::default(), monotonic_ns: 0 }
    }
}

impl Wasi {
    /// What a handle stands for.
    pub(super) fn get<T: Copy + Send + 'static>(&self, handle: &Resource<T>) -> Result<T, Stop> {
        self.handles.get(handle).copied().map_err(|_| Stop::UNKNOWN_HANDLE)
    }

    pub(super) fn close<T: Send + 'static>(&mut self, rep: u32) {
        let _ = self.handles.delete(Resource::<T>::new_own(rep));
    }
}
