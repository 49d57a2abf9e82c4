//! `wasi:cli`: no arguments, no environment, no terminal, and standard streams.

use wasmtime::component::Resource;

use super::Interface;
use crate::host_functions::error::Stop;
use crate::host_functions::printed::OutputStream;
use crate::host_functions::wasi_handles::{InputStream, Nothing};

pub(super) fn define(instance: &mut Interface<'_>, name: &str) -> Option<wasmtime::Result<()>> {
    Some(match name {
        "get-environment" => instance.func_wrap(name, |_, ()| Ok((Vec::<(String, String)>::new(),))),
        "get-arguments" => instance.func_wrap(name, |_, ()| Ok((Vec::<String>::new(),))),
        "initial-cwd" => instance.func_wrap(name, |_, ()| Ok((None::<String>,))),
        "exit" => instance.func_wrap(name, |_, (status,): (Result<(), ()>,)| exit(u8::from(status.is_err()))),
        "exit-with-code" => instance.func_wrap(name, |_, (code,): (u8,)| exit(code)),
        "get-stdin" => instance.func_wrap(name, |mut store, ()| Ok((store.data_mut().open_wasi(InputStream)?,))),
        "get-stdout" => {
            instance.func_wrap(name, |mut store, ()| Ok((store.data_mut().open_wasi(OutputStream::Standard)?,)))
        }
        "get-stderr" => {
            instance.func_wrap(name, |mut store, ()| Ok((store.data_mut().open_wasi(OutputStream::Error)?,)))
        }
        "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr" => {
            instance.func_wrap(name, |_, ()| Ok((None::<Resource<Nothing>>,)))
        }
        _ => return None,
    })
}

/// The guest has not returned, whatever the code says.
fn exit(code: u8) -> wasmtime::Result<()> {
    Err(Stop::Exit(code).into())
}
