//! The two servers below every peer: a raw tokio loop (`raw`) and hyper (`hyper`), both answering 64 constant bytes.
//!
//! usage: floor raw|hyper PORT

use std::convert::Infallible;
use std::env;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BODY: [u8; 64] = [b'x'; 64];

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let kind = arguments.next().context("usage: floor raw|hyper PORT")?;
    let port: u16 = arguments.next().context("usage: floor raw|hyper PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            match &*kind {
                "raw" => drop(tokio::spawn(raw(stream))),
                "hyper" => drop(tokio::spawn(hyper(stream))),
                _ => bail!("usage: floor raw|hyper PORT"),
            }
        }
    })
}

/// Answers once per read that ends a request's head: right for a client that waits for each answer and sends no body.
async fn raw(mut stream: TcpStream) -> Result<()> {
    let answer =
        [b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 64\r\n\r\n".as_slice(), &BODY]
            .concat();
    let mut buffer = [0; 4_096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if buffer[..read].ends_with(b"\r\n\r\n") {
            stream.write_all(&answer).await?;
        }
    }
}

async fn hyper(stream: TcpStream) -> Result<()> {
    let service = service_fn(|request: Request<Incoming>| async move {
        // A PUT is collected, like a server that stores it would.
        if request.method() != Method::GET {
            let _ = request.into_body().collect().await;
        }
        let mut response = Response::new(Full::new(Bytes::from_static(&BODY)));
        response
            .headers_mut()
            .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/octet-stream"));
        Ok::<_, Infallible>(response)
    });
    http1::Builder::new().writev(false).serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}
