//! What the standard library offers a program for `wasm32-wasip2`, and what lies below it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mantis_guest::{Bucket, info};
use wasip2::cli::stdout::get_stdout;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::poll;

mantis_guest::generate!(world: "example:wasi/wasi");

struct Wasi;
export!(Wasi);

/// Panics with what is in standard error as its only message.
fn fail_silently(fails: bool) {
    if fails {
        std::process::abort();
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What went wrong, or that it did not.
fn outcome<T>(what: &str, result: io::Result<T>) -> String {
    match result {
        Ok(_) => format!("{what}: it worked"),
        Err(error) => format!("{what}: {}", error.kind()),
    }
}

impl Guest for Wasi {
    fn print(parts: Vec<(bool, String)>, fails: bool) {
        for (output, text) in parts {
            if output {
                print!("{text}");
                io::stdout().flush().unwrap();
            } else {
                eprint!("{text}");
            }
        }
        fail_silently(fails);
    }

    fn flood(output: bool, lines: u32, fails: bool) {
        for line in 0..lines {
            if output {
                println!("line {line}");
            } else {
                eprintln!("line {line}");
            }
        }
        fail_silently(fails);
    }

    fn long_line(bytes: u32) {
        println!("{}", "x".repeat(bytes as usize));
    }

    fn panics() {
        // The hook of the SDK leads the message to the host's log by itself.
        let _ = std::panic::take_hook();
        panic!("on purpose");
    }

    fn in_order() {
        eprintln!("first");
        println!("second");
        eprintln!("third");
        info!("fourth");
        println!("fifth");
    }

    fn leave(code: i32) {
        eprintln!("it is over");
        std::process::exit(code);
    }

    fn clocks(sleep_ms: u32) -> (u64, u64) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let before = Instant::now();
        std::thread::sleep(Duration::from_millis(sleep_ms.into()));
        (as_ms(wall), as_ms(before.elapsed()))
    }

    fn rest(ms: u64) -> Result<i64, Error> {
        let calls = Bucket::open("wasi")?.increment("calls", 1)?.number;
        std::thread::sleep(Duration::from_millis(ms));
        Ok(calls)
    }

    fn watch_clock() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::MAX {}
    }

    fn look_around() -> Vec<String> {
        let mut text = String::new();
        vec![
            format!("{} arguments", std::env::args().count()),
            format!("{} variables", std::env::vars().count()),
            format!("{} bytes of input", io::stdin().read_to_string(&mut text).unwrap_or(usize::MAX)),
            outcome("read a file", std::fs::read("/etc/passwd")),
            outcome("write a file", std::fs::write("file", "text")),
            outcome("list a directory", std::fs::read_dir("/")),
            outcome("connect", TcpStream::connect("127.0.0.1:80")),
            outcome("bind", UdpSocket::bind("127.0.0.1:0")),
            outcome("resolve", TcpStream::connect("localhost:80")),
        ]
    }

    fn hash_map(entries: u32) -> u64 {
        let map: HashMap<u32, u64> = (0..entries).map(|entry| (entry, u64::from(entry))).collect();
        map.values().sum()
    }

    fn random_bytes(bytes: u64) -> Vec<u8> {
        wasip2::random::random::get_random_bytes(bytes)
    }

    fn hoard(handles: u32) {
        for _ in 0..handles {
            std::mem::forget(subscribe_duration(0));
        }
    }

    fn open_and_close(handles: u32) {
        for _ in 0..handles {
            poll(&[&subscribe_duration(0)]);
        }
    }

    fn wait_for_nothing() {
        poll(&[]);
    }

    fn write_too_much(zeroes: bool, bytes: u64) {
        let output = get_stdout();
        let written = if zeroes {
            output.write_zeroes(bytes)
        } else {
            output.write(&vec![b'x'; usize::try_from(bytes).unwrap()])
        };
        written.unwrap();
    }
}
