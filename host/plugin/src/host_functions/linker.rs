//! Offers the interfaces to components.

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::{kv, system, tables, transactions, types};
use super::context::Context;
use super::wasi;
use crate::Error;

/// The interfaces that plugins may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Context>, Error> {
    type Own = HasSelf<Context>;
    let mut linker = Linker::new(engine);
    let linked = types::add_to_linker::<_, Own>(&mut linker, |context| context)
        .and_then(|()| kv::add_to_linker::<_, Own>(&mut linker, |context| context))
        .and_then(|()| tables::add_to_linker::<_, Own>(&mut linker, |context| context))
        .and_then(|()| transactions::add_to_linker::<_, Own>(&mut linker, |context| context))
        .and_then(|()| system::add_to_linker::<_, Own>(&mut linker, |context| context));
    linked.map_err(|error| Error::Engine(format!("cannot offer the interfaces: {error:#}")))?;
    Ok(linker)
}

/// The same linker, which offers a component what it imports of WASI besides.
pub(crate) fn linker_with_wasi(linker: &Linker<Context>, component: &Component) -> Result<Linker<Context>, Error> {
    let mut linker = linker.clone();
    wasi::link(&mut linker, component).map_err(|error| Error::Engine(format!("cannot offer WASI: {error:#}")))?;
    Ok(linker)
}
