//! Defines what one component imports of WASI.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType};

use super::{Interface, cli, clocks, denied, poll, random, streams};
use crate::component::wasi_interface;
use crate::host_functions::context::Context;
use crate::host_functions::printed::OutputStream;
use crate::host_functions::wasi_handles::{InputStream, Nothing, Pollable};

/// Defines all interfaces of WASI that a component imports, under the versions that it names.
pub(crate) fn link(linker: &mut Linker<Context>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (name, item) in component.component_type().imports(&engine) {
        let (Some(interface), ComponentItem::ComponentInstance(imported)) = (wasi_interface(name), &item.ty) else {
            continue;
        };
        let mut instance = linker.instance(name)?;
        for (name, item) in imported.exports(&engine) {
            match item.ty {
                ComponentItem::Resource(_) => resource(&mut instance, name)?,
                ComponentItem::ComponentFunc(_) => function(&mut instance, interface, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Defines a function, as a trap if it needs a handle that nobody can have.
fn function(instance: &mut Interface<'_>, interface: &'static str, name: &str) -> wasmtime::Result<()> {
    let package = interface.split_once('/').map_or(interface, |(package, _)| package);
    let defined = match package {
        "cli" => cli::define(instance, name),
        "io" if name.contains("pollable") || name == "poll" => poll::define(instance, name),
        "io" => streams::define(instance, name),
        "clocks" => clocks::define(instance, interface, name),
        "random" => random::define(instance, name),
        _ => denied::define(instance, name),
    };
    defined.unwrap_or_else(|| {
        let reason = format!("it called `{name}` of wasi:{interface}, which this host does not offer");
        instance.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(reason.clone())))
    })
}

/// Defines a type of handles. An interface that uses one of another interface imports it again under the same name.
fn resource(instance: &mut Interface<'_>, name: &str) -> wasmtime::Result<()> {
    fn define<T: Send + 'static>(instance: &mut Interface<'_>, name: &str) -> wasmtime::Result<()> {
        instance.resource(name, ResourceType::host::<T>(), |mut store, rep| {
            store.data_mut().wasi().close::<T>(rep);
            Ok(())
        })
    }
    match name {
        "input-stream" => define::<InputStream>(instance, name),
        "output-stream" => define::<OutputStream>(instance, name),
        "pollable" => define::<Pollable>(instance, name),
        _ => define::<Nothing>(instance, name),
    }
}
