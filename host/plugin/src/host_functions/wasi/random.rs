//! `wasi:random`: the database's randomness, with the limits of `mantis:db/system`.

use super::Interface;
use crate::host_functions::bindings::system::Host;
use crate::host_functions::context::Context;

pub(super) fn define(instance: &mut Interface<'_>, name: &str) -> Option<wasmtime::Result<()>> {
    Some(match name {
        "get-random-bytes" | "get-insecure-random-bytes" => instance.func_wrap(name, |mut store, (bytes,): (u64,)| {
            store.data_mut().random(u32::try_from(bytes).unwrap_or(u32::MAX)).map(|random| (random,))
        }),
        "get-random-u64" | "get-insecure-random-u64" => {
            instance.func_wrap(name, |store, ()| Ok((random_u64(store.data()),)))
        }
        "insecure-seed" => {
            instance.func_wrap(name, |store, ()| Ok(((random_u64(store.data()), random_u64(store.data())),)))
        }
        _ => return None,
    })
}

fn random_u64(context: &Context) -> u64 {
    let mut random = [0; 8];
    context.database.random(&mut random);
    u64::from_le_bytes(random)
}
