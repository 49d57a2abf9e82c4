//! Servers as child processes on a core of their own.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The core that servers run on; the load runs on the other.
pub const SERVER_CORE: &str = "0";

/// Servers of one contestant, stopped when this is dropped.
#[derive(Debug)]
pub struct Servers(Vec<Child>);

impl Servers {
    /// Nothing started yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Starts a server on the servers' core, and waits until it accepts connections on `port`.
    ///
    /// # Errors
    /// When it does not start or does not listen within ten seconds.
    pub fn start<S: AsRef<OsStr>>(&mut self, program: &str, arguments: &[S], port: u16) -> Result<()> {
        let child = Command::new("taskset")
            .args(["-c", SERVER_CORE, program])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        self.0.push(child);
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            pause(Duration::from_millis(100));
        }
        bail!("{program} does not listen on port {port}")
    }

    /// The CPU time that the servers and their children have used, in nanoseconds.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn cpu_ns(&self) -> Result<u64> {
        let mut total = 0;
        for pid in self.0.iter().flat_map(|child| with_children(child.id())) {
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten() {
                // A thread may end between the listing and the look.
                let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
                total += text.split_whitespace().next().and_then(|running| running.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(total)
    }
}

impl Default for Servers {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            for pid in with_children(child.id()).into_iter().skip(1) {
                let _ = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A process and everything that it started (nginx's workers).
fn with_children(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let parent = all[next];
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        next += 1;
    }
    all
}

/// Waits. Benches run natively and may.
#[allow(clippy::disallowed_methods, reason = "a native program that waits for another")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
