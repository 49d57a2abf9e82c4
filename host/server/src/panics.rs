//! What a report of a panic needs besides the standard library's for its backtrace to be read with a symbols file.

use std::io::Write;

/// Has reports of panics with a backtrace end with the address that the program is loaded at.
///
/// A release is stripped, and the system loads it at another address each time: without that address the numbers in its backtraces
/// lead nowhere. `scripts/symbolise.sh` takes both and the symbols.
pub fn report_load_address() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0")
            && let Some(address) = load_address()
        {
            let version = env!("CARGO_PKG_VERSION");
            // Nobody is left to hear that standard error is closed.
            let _ = writeln!(std::io::stderr(), "note: mantisdb {version} is loaded at {address:#x}");
        }
    }));
}

/// Where the first byte of the program's file is in memory; none where the system does not say.
fn load_address() -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    address_of(program.to_str()?, &std::fs::read_to_string("/proc/self/maps").ok()?)
}

/// The address of a file's first byte by a list of mappings: `START-END PERMISSIONS OFFSET DEVICE INODE  PATH`.
fn address_of(path: &str, mappings: &str) -> Option<u64> {
    let first = mappings.lines().find(|line| {
        let mut columns = line.split_ascii_whitespace();
        line.ends_with(path) && columns.nth(2).is_some_and(|offset| offset.bytes().all(|digit| digit == b'0'))
    })?;
    u64::from_str_radix(first.split('-').next()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_first_mapping_is_found() {
        let mappings = "55a3dab3b000-55a3dab51000 r--p 00000000 fe:00 10035411   /usr/bin/mantisdb\n\
                        55a3dab51000-55a3dab90000 r-xp 00015000 fe:00 10035411   /usr/bin/mantisdb\n\
                        7f201f300000-7f201f400000 r--p 00000000 fe:00 77         /usr/lib/libc.so.6\n";
        assert_eq!(address_of("/usr/bin/mantisdb", mappings), Some(0x55a3_dab3_b000));
        assert_eq!(address_of("/usr/lib/libc.so.6", mappings), Some(0x7f20_1f30_0000));
        assert_eq!(address_of("/usr/bin/other", mappings), None);
    }

    #[test]
    fn this_programs_address_is_known() {
        assert!(!cfg!(target_os = "linux") || load_address().is_some());
    }
}
