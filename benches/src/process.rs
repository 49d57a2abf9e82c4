//! Servers as child processes on a core of their own.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// The core that servers run on.
pub const SERVER_CORE: &str = "0";
/// The core that the load runs on.
pub const LOAD_CORE: &str = "1";

/// Servers of one contestant, stopped when this is dropped, or when the bench ends in any other way.
#[derive(Debug)]
pub struct Servers {
    /// The cores that they run on, as `taskset` wants them.
    cores: String,
    children: Vec<Child>,
    /// Removed after the servers have been stopped.
    folders: Vec<TempDir>,
}

impl Servers {
    /// Nothing started yet; what is runs on [`SERVER_CORE`].
    #[must_use]
    pub fn new() -> Self {
        Self::on(SERVER_CORE)
    }

    /// Waits until the servers do nothing more, three seconds at most.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn rest(&self) -> Result<()> {
        let mut before_ns = self.cpu_ns()?;
        for _ in 0..150 {
            pause(Duration::from_millis(20));
            let now_ns = self.cpu_ns()?;
            if now_ns.saturating_sub(before_ns) < 500_000 {
                break;
            }
            before_ns = now_ns;
        }
        Ok(())
    }

    /// Nothing started yet; what is runs on these cores (`0-3`).
    #[must_use]
    pub fn on(cores: &str) -> Self {
        Self { cores: cores.to_owned(), children: Vec::new(), folders: Vec::new() }
    }

    /// Starts a server on the servers' cores, and waits until it accepts connections on `port`.
    ///
    /// # Errors
    /// When something listens there already, or it does not start or listen within ten seconds.
    pub fn start<S: AsRef<OsStr>>(&mut self, program: &str, arguments: &[S], port: u16) -> Result<()> {
        ensure!(TcpStream::connect(("127.0.0.1", port)).is_err(), "something else listens on port {port}");
        // A bench that is killed takes its servers along.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "taskset", "-c", &self.cores, program])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        self.children.push(child);
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            pause(Duration::from_millis(100));
        }
        bail!("{program} does not listen on port {port}")
    }

    /// Starts webdis in front of the Redis on `redis_port`, with its configuration in `folder`.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_webdis(&mut self, folder: &Path, port: u16, redis_port: u16) -> Result<()> {
        let config = serde_json::json!({
            "redis_host": "127.0.0.1", "redis_port": redis_port, "http_host": "127.0.0.1", "http_port": port,
            "threads": 2, "pool_size": 4, "daemonize": false, "verbosity": 0, "logfile": "/dev/null",
        });
        let path = folder.join("webdis.json");
        fs::write(&path, config.to_string())?;
        self.start("webdis", &[&path], port)
    }

    /// Keeps a folder until the servers have been stopped.
    pub fn keep(&mut self, folder: TempDir) {
        self.folders.push(folder);
    }

    /// The CPU time that the servers and their children have used, in nanoseconds.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn cpu_ns(&self) -> Result<u64> {
        let mut total = 0;
        for pid in self.children.iter().flat_map(|child| with_children(child.id())) {
            let running = running_threads_ns(pid)?;
            let Whole { own_ns, ended_children_ns } = Whole::of(pid);
            // What threads that have ended used is in the whole alone, which counts in hundredths of a second.
            total += running.max(own_ns) + ended_children_ns;
        }
        Ok(total)
    }

    /// The bytes of the servers and their children that are in memory.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.children.iter().flat_map(|child| with_children(child.id())).map(resident_bytes).sum()
    }
}

/// The CPU time that the threads of this process have used, those that have ended left out, in nanoseconds.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn own_cpu_ns() -> Result<u64> {
    running_threads_ns(std::process::id())
}

fn running_threads_ns(pid: u32) -> Result<u64> {
    let mut running = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten() {
        // A thread may end between the listing and the look.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        running += text.split_whitespace().next().and_then(|running| running.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(running)
}

/// The bytes of a process that are in memory.
///
/// # Errors
/// There is no such process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("a process without memory")? << 10)
}

impl Default for Servers {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            for pid in with_children(child.id()).into_iter().skip(1) {
                let _ = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The CPU time of a process as a whole, in nanoseconds.
struct Whole {
    /// Its own, of all threads that it ever had.
    own_ns: u64,
    /// That of children that have ended (Redis rewriting its log).
    ended_children_ns: u64,
}

impl Whole {
    fn of(pid: u32) -> Self {
        const TICK_NS: u64 = 10_000_000;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold spaces, `utime`, `stime`, `cutime` and `cstime` are the 12th to 15th.
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = behind_name.split_whitespace().skip(11).take(4).map(|ticks| ticks.parse().unwrap_or(0));
        let ticks: Vec<u64> = ticks.collect();
        let ns = |range: std::ops::Range<usize>| ticks.get(range).unwrap_or_default().iter().sum::<u64>() * TICK_NS;
        Self { own_ns: ns(0..2), ended_children_ns: ns(2..4) }
    }
}

/// Whether a peer is installed; says how to install it when it is not.
#[must_use]
pub fn available(program: &str, package: &str) -> bool {
    let on_path = |folder: &str| Path::new(folder).join(program).is_file();
    let found = std::env::var("PATH").unwrap_or_default().split(':').any(on_path) || on_path("/usr/sbin");
    if !found {
        eprintln!("{program} is missing and left out; on Debian: apt-get install {package}");
    }
    found
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

/// Lets the calling thread, and those that it starts from now on, run on this core alone.
///
/// # Errors
/// `taskset` is missing, or there is no such core.
pub fn pin_this_thread(core: &str) -> Result<()> {
    with_this_thread("taskset", &["-p", "-c", core])
}

/// Runs a program of util-linux with these arguments and the calling thread's number.
fn with_this_thread(program: &str, arguments: &[&str]) -> Result<()> {
    let place = fs::read_link("/proc/thread-self")?;
    let thread = place.file_name().context("the thread has no number")?;
    let output = Command::new(program).args(arguments).arg(thread).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A thread that runs whenever its core has nothing else to do.
///
/// A machine whose cores are another's too may stop all of them for milliseconds when all are busy: two times are compared fairly when
/// they are as busy in both.
#[derive(Debug)]
pub struct Busy {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Busy {
    /// Keeps `core` busy until this is dropped.
    ///
    /// # Errors
    /// `taskset` or `chrt` is missing, or there is no such core.
    pub fn keep(core: &'static str) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let (told, ready) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            // Whoever else wants to run there does so at once.
            let placed = pin_this_thread(core).and_then(|()| with_this_thread("chrt", &["--idle", "--pid", "0"]));
            let is_placed = placed.is_ok();
            let _ = told.send(placed);
            while is_placed && !over.load(Ordering::Relaxed) {}
        });
        let busy = Self { is_over, thread: Some(thread) };
        ready.recv().context("the thread that keeps a core busy ended")??;
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // It ends now, whatever it met.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// All cores that this program may use, as `taskset` wants them.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn all_cores() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(cores.context("no list of cores")?.trim().to_owned())
}

/// Waits. Benches run natively and may.
#[allow(clippy::disallowed_methods, reason = "a native program that waits for another")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
