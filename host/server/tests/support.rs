//! A server process, raw connections to it, and commands against it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The longest time that anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program, without the settings of the environment that the tests run in.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mantisdb"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MANTISDB_")) {
        command.env_remove(name);
    }
    command
}

/// A running server, which is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    /// Its first message.
    pub(crate) greeting: String,
    log: mpsc::Receiver<String>,
}

impl Server {
    /// Starts a server on a free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        let keeps_data = arguments.iter().any(|argument| ["--memory", "--data", "--durability"].contains(argument));
        if !keeps_data {
            command.arg("--memory");
        }
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = collect(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("limits:") && !greeting.contains('}') {
            let count = stdout.read_line(&mut greeting).unwrap();
            assert!(count > 0, "the server did not start: {}", log.recv_timeout(PATIENCE).unwrap_or_default());
        }
        let url_start = greeting.find("http://").expect("the greeting names the address");
        let url: String = greeting[url_start..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { child, address, url, greeting, log }
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes on a new connection and reads until it is closed.
    pub(crate) fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        read_all(&mut stream)
    }

    /// Fails unless the server answers.
    #[track_caller]
    pub(crate) fn check_alive(&self) {
        let answer = self.exchange(b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Runs a command against it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// Runs a command against it that reads standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = program();
        command.args(arguments).env("MANTISDB_URL", &self.url);
        run_with(command, input)
    }

    /// Runs a command that must succeed, and returns its output.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for the process to end by itself; its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            pause(10);
        }
        panic!("the server is still there");
    }

    /// Its whole log.
    pub(crate) fn log(&self) -> String {
        self.log.recv_timeout(PATIENCE).unwrap_or_default()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
pub(crate) fn run_with(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

/// Reads until the other side closes.
pub(crate) fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end, too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one answer with a length in its head, and leaves the connection open.
pub(crate) fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    bytes.extend(body);
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn pause(milliseconds: u64) {
    #[allow(clippy::disallowed_methods, reason = "a test of a native program")]
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// The exit code, and the standard error.
pub(crate) fn failure(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Reads a stream to its end on a thread of its own, so that the process never waits for a reader.
fn collect(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        sender.send(String::from_utf8_lossy(&text).into_owned())
    });
    receiver
}
