//! The figures of the process, under the names that Prometheus' clients give them. They come from `/proc`; elsewhere there are none.

use crate::handlers::service::exposition::Exposition;

/// Ticks in a second, in which the kernel tells a process's times: `USER_HZ`, the same wherever this program runs.
const TICKS: f64 = 100.0;

/// A figure, as text that Prometheus reads.
type Figure = Option<String>;

pub(super) fn write(out: &mut Exposition) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let stat = Stat::parse(&stat);
    if let Some(cpu) = stat.as_ref().and_then(Stat::cpu_seconds) {
        out.counter("process_cpu_seconds", "CPU time of the process.", cpu);
    }
    let gauges: [(&str, &str, Figure); 6] = [
        ("process_resident_memory_bytes", "Memory that the process occupies.", resident_memory_bytes()),
        (
            "process_virtual_memory_bytes",
            "Address space of the process.",
            stat.as_ref().and_then(Stat::virtual_memory_bytes),
        ),
        ("process_open_fds", "Open files and connections.", open_files()),
        ("process_max_fds", "Files and connections that may be open.", open_files_max()),
        ("process_threads", "Threads of the process.", stat.as_ref().and_then(Stat::threads)),
        (
            "process_start_time_seconds",
            "When the process began, since 1970.",
            stat.as_ref().and_then(Stat::start_time_seconds),
        ),
    ];
    for (name, help, figure) in gauges {
        if let Some(figure) = figure {
            out.gauge(name, help, figure);
        }
    }
}

/// The fields of `/proc/self/stat` after the program's name, which may contain spaces and parentheses. The first is field 3 of proc(5).
struct Stat<'t>(Vec<&'t str>);

impl<'t> Stat<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        text.rsplit_once(')').map(|(_, fields)| Self(fields.split_whitespace().collect()))
    }

    /// A field by its number in proc(5).
    fn field(&self, number: usize) -> Option<u64> {
        self.0.get(number.checked_sub(3)?)?.parse().ok()
    }

    #[allow(clippy::cast_precision_loss, reason = "ticks of a process are far below 2^53")]
    fn seconds(&self, number: usize) -> Option<f64> {
        Some(self.field(number)? as f64 / TICKS)
    }

    fn cpu_seconds(&self) -> Figure {
        Some((self.seconds(14)? + self.seconds(15)?).to_string())
    }

    fn threads(&self) -> Figure {
        self.field(20).map(|threads| threads.to_string())
    }

    fn virtual_memory_bytes(&self) -> Figure {
        self.field(23).map(|bytes| bytes.to_string())
    }

    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    fn start_time_seconds(&self) -> Figure {
        let boot = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some((boot as f64 + self.seconds(22)?).to_string())
    }
}

fn resident_memory_bytes() -> Figure {
    super::stats::resident_memory_bytes().map(|bytes| bytes.to_string())
}

/// Newer kernels tell the number as the folder's size; on others its entries are counted, without the one that reads it.
fn open_files() -> Figure {
    let folder = "/proc/self/fd";
    let told = std::fs::metadata(folder).ok()?.len();
    let files = if told > 0 { told } else { std::fs::read_dir(folder).ok()?.count().saturating_sub(1) as u64 };
    Some(files.to_string())
}

fn open_files_max() -> Figure {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|files| files.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_named_like_the_fields() {
        let text = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 12 0 900 4096 77";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.cpu_seconds().as_deref(), Some("3"));
        assert_eq!((stat.threads().as_deref(), stat.virtual_memory_bytes().as_deref()), (Some("12"), Some("4096")));
        assert!(Stat::parse("nothing").is_none());
        assert!(Stat::parse(") S 1").unwrap().cpu_seconds().is_none());
    }
}
