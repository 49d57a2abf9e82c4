//! Handles of WASI in an instance.

use wasmtime::component::Resource;

use crate::Limit;
use crate::host_functions::context::Context;
use crate::host_functions::error::Stop;
use crate::host_functions::wasi_handles::Wasi;
use crate::limits::WASI_HANDLES_MAX;

impl Context {
    pub(super) fn wasi(&mut self) -> &mut Wasi {
        self.wasi.get_or_insert_with(Box::default)
    }

    /// Makes a handle. No function that makes one can fail, so that a guest with too many is stopped.
    pub(super) fn open_wasi<T: Send + 'static>(&mut self, opened: T) -> Result<Resource<T>, Stop> {
        self.check_time()?;
        self.wasi().handles.push(opened).map_err(|_| {
            self.handles_refused = true;
            Stop::Limit(Limit::Handles, format!("more than {WASI_HANDLES_MAX} handles of WASI are open"))
        })
    }
}
