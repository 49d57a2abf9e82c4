//! A client that sets servers up.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Result, ensure};

/// A blocking client for setting up.
#[derive(Debug)]
pub struct Client(TcpStream);

impl Client {
    /// Connects to a server on this machine.
    ///
    /// # Errors
    /// Nothing listens there.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a request, and reads its answer.
    ///
    /// # Errors
    /// The status is not 2xx.
    pub fn send(&mut self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Result<()> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.0.write_all(&[head.as_bytes(), body].concat())?;
        let mut answer = Vec::new();
        let mut chunk = vec![0; 65_536];
        loop {
            let read = self.0.read(&mut chunk)?;
            ensure!(read > 0, "the server closed the connection");
            answer.extend_from_slice(&chunk[..read]);
            let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(Ok(0), |length| length.trim().parse::<usize>())?;
            if answer.len() < end + 4 + length {
                continue;
            }
            let status = head.get(9..10).unwrap_or_default();
            ensure!(status == "2", "{method} {path}: {}", String::from_utf8_lossy(&answer));
            return Ok(());
        }
    }
}
