//! `wasi:io/poll`: waits on the guest's thread, which is not longer than the run may take.

use std::time::Instant;

use wasmtime::component::Resource;

use super::Interface;
use crate::engine::clock;
use crate::host_functions::context::Context;
use crate::host_functions::error::Stop;
use crate::host_functions::wasi_handles::Pollable;
use crate::limits::POLLED_MAX;

type Handle = Resource<Pollable>;

pub(super) fn define(instance: &mut Interface<'_>, name: &str) -> Option<wasmtime::Result<()>> {
    Some(match name {
        "[method]pollable.ready" => instance.func_wrap(name, |mut store, (pollable,): (Handle,)| {
            let context = store.data_mut();
            context.check_time()?;
            Ok((!context.ready(&[pollable], clock::now())?.is_empty(),))
        }),
        "[method]pollable.block" => {
            instance.func_wrap(name, |mut store, (pollable,): (Handle,)| store.data_mut().poll(&[pollable]).map(|_| ()))
        }
        "poll" => instance.func_wrap(name, |mut store, (pollables,): (Vec<Handle>,)| {
            store.data_mut().poll(&pollables).map(|ready| (ready,))
        }),
        _ => return None,
    })
}

impl Context {
    /// Waits until at least one is ready, and gives the places of all that are.
    fn poll(&mut self, pollables: &[Handle]) -> wasmtime::Result<Vec<u32>> {
        self.check_time()?;
        if pollables.is_empty() || pollables.len() > POLLED_MAX {
            return Err(Stop::Misuse("it waited for nothing, or for too much at once").into());
        }
        let now = clock::now();
        let mut first: Option<Instant> = None;
        for pollable in pollables {
            let at = match self.wasi().get(pollable)? {
                Pollable::Ready => now,
                Pollable::Time { at, .. } => at,
            };
            first = Some(first.map_or(at, |first| first.min(at)));
        }
        if let Some(first) = first.filter(|first| *first > now) {
            self.sleep_until(first)?;
        }
        self.ready(pollables, clock::now())
    }

    /// The places of those that are ready. The monotonic clock shows that their time has come.
    fn ready(&mut self, pollables: &[Handle], now: Instant) -> wasmtime::Result<Vec<u32>> {
        let wasi = self.wasi();
        let mut ready = Vec::new();
        for (place, pollable) in (0..).zip(pollables) {
            match wasi.get(pollable)? {
                Pollable::Time { at, .. } if at > now => continue,
                Pollable::Time { reading_ns, .. } => wasi.monotonic_ns = wasi.monotonic_ns.max(reading_ns),
                Pollable::Ready => {}
            }
            ready.push(place);
        }
        Ok(ready)
    }
}
