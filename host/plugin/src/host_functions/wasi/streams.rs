//! `wasi:io/streams`: input is at its end, and output goes to the log.

use wasmtime::component::{ComponentType, Lower, Resource};

use super::Interface;
use crate::host_functions::context::Context;
use crate::host_functions::error::Stop;
use crate::host_functions::printed::OutputStream;
use crate::host_functions::wasi_handles::{InputStream, Nothing, Pollable};
use crate::limits::WRITE_BYTES_MAX;

const WRITE_TOO_LONG: Stop = Stop::Misuse("it wrote more at once to a stream than the stream had room for");

/// How an operation of a stream fails.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "part of the type")]
    LastOperationFailed(Resource<Nothing>),
    #[component(name = "closed")]
    Closed,
}

/// What a function returns: a result that may fail.
type Answer<T> = wasmtime::Result<(Result<T, StreamError>,)>;

#[allow(clippy::unnecessary_wraps, reason = "the type of all functions of streams")]
fn closed<T>() -> Answer<T> {
    Ok((Err(StreamError::Closed),))
}

pub(super) fn define(instance: &mut Interface<'_>, name: &str) -> Option<wasmtime::Result<()>> {
    type In = Resource<InputStream>;
    type Out = Resource<OutputStream>;
    Some(match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            instance.func_wrap(name, |_, _: (In, u64)| closed::<Vec<u8>>())
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            instance.func_wrap(name, |_, _: (In, u64)| closed::<u64>())
        }
        "[method]input-stream.subscribe" => {
            instance.func_wrap(name, |mut store, _: (In,)| Ok((store.data_mut().open_wasi(Pollable::Ready)?,)))
        }
        "[method]output-stream.subscribe" => {
            instance.func_wrap(name, |mut store, _: (Out,)| Ok((store.data_mut().open_wasi(Pollable::Ready)?,)))
        }
        "[method]output-stream.check-write" => {
            instance.func_wrap(name, |_, _: (Out,)| -> Answer<u64> { Ok((Ok(WRITE_BYTES_MAX as u64),)) })
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => instance
            .func_wrap(name, |mut store, (stream, bytes): (Out, Vec<u8>)| store.data_mut().print(&stream, &bytes)),
        "[method]output-stream.write-zeroes" | "[method]output-stream.blocking-write-zeroes-and-flush" => instance
            .func_wrap(name, |mut store, (stream, bytes): (Out, u64)| {
                let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= WRITE_BYTES_MAX);
                store.data_mut().print(&stream, &vec![0; bytes.ok_or(WRITE_TOO_LONG)?])
            }),
        // A line ends with its line end, or with the call.
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            instance.func_wrap(name, |_, _: (Out,)| -> Answer<()> { Ok((Ok(()),)) })
        }
        "[method]output-stream.splice" | "[method]output-stream.blocking-splice" => {
            instance.func_wrap(name, |_, _: (Out, In, u64)| closed::<u64>())
        }
        _ => return None,
    })
}

impl Context {
    fn print(&mut self, stream: &Resource<OutputStream>, bytes: &[u8]) -> Answer<()> {
        self.check_time()?;
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(WRITE_TOO_LONG.into());
        }
        self.transfer(bytes.len())?;
        let stream = self.wasi().get(stream)?;
        self.print_to(stream, bytes);
        Ok((Ok(()),))
    }
}
