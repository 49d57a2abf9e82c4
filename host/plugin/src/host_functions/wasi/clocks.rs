//! `wasi:clocks`: the database's clock, in milliseconds. The monotonic clock is the same, but never goes back, and shows that a time has
//! come for which the guest has waited.

use std::time::Duration;

use wasmtime::component::{ComponentType, Lower, Resource};

use super::Interface;
use crate::engine::clock;
use crate::host_functions::context::Context;
use crate::host_functions::error::Stop;
use crate::host_functions::wasi_handles::Pollable;

const MS_NS: u64 = 1_000_000;
/// The longest wait, far beyond any call: 34 years.
const WAIT_MAX: Duration = Duration::from_secs(1 << 30);

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl Datetime {
    fn of_ms(ms: u64) -> Self {
        let part = Duration::from_millis(ms);
        Self { seconds: part.as_secs(), nanoseconds: part.subsec_nanos() }
    }
}

pub(super) fn define(instance: &mut Interface<'_>, interface: &str, name: &str) -> Option<wasmtime::Result<()>> {
    Some(match (interface, name) {
        ("clocks/wall-clock", "now") => {
            instance.func_wrap(name, |store, ()| Ok((Datetime::of_ms(store.data().database.now_ms()),)))
        }
        ("clocks/wall-clock", "resolution") => instance.func_wrap(name, |_, ()| Ok((Datetime::of_ms(1),))),
        ("clocks/monotonic-clock", "now") => {
            instance.func_wrap(name, |mut store, ()| Ok((store.data_mut().monotonic_ns(),)))
        }
        ("clocks/monotonic-clock", "resolution") => instance.func_wrap(name, |_, ()| Ok((MS_NS,))),
        ("clocks/monotonic-clock", "subscribe-duration") => {
            instance.func_wrap(name, |mut store, (ns,): (u64,)| Ok((store.data_mut().subscribe(ns)?,)))
        }
        ("clocks/monotonic-clock", "subscribe-instant") => instance.func_wrap(name, |mut store, (at_ns,): (u64,)| {
            let context = store.data_mut();
            let left_ns = at_ns.saturating_sub(context.monotonic_ns());
            Ok((context.subscribe(left_ns)?,))
        }),
        _ => return None,
    })
}

impl Context {
    fn monotonic_ns(&mut self) -> u64 {
        let now_ns = self.database.now_ms().saturating_mul(MS_NS);
        let wasi = self.wasi();
        wasi.monotonic_ns = wasi.monotonic_ns.max(now_ns);
        wasi.monotonic_ns
    }

    /// Something that is ready after a time.
    fn subscribe(&mut self, ns: u64) -> Result<Resource<Pollable>, Stop> {
        let reading_ns = self.monotonic_ns().saturating_add(ns);
        let at = clock::now() + Duration::from_nanos(ns).min(WAIT_MAX);
        self.open_wasi(Pollable::Time { at, reading_ns })
    }
}
