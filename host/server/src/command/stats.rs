//! `mantisdb stats`: the server's statistics.

use std::borrow::Cow;

use indicatif::{BinaryBytes, HumanCount};
use serde_json::Value;

use super::context::{self, Output};
use crate::cli::StatsArgs;
use crate::client::Path;
use crate::client::text::printable;
use crate::failure::Outcome;

pub(super) async fn run(args: StatsArgs) -> Outcome {
    let stats: Value = context::client(&args.server)?.get_json(&Path::new("/stats")).await?;
    let mut output = Output::new();
    if args.server.json {
        output.json(&stats)?;
    } else {
        show_all(&mut output, &stats)?;
    }
    output.flush()
}

/// What people look for comes first, and the long list of requests by route last.
fn show_all(output: &mut Output, stats: &Value) -> Outcome {
    let Value::Object(parts) = stats else { return output.line(stats) };
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_by_key(|(name, _)| {
        ["store", "pool"].iter().position(|first| first == name).unwrap_or(2 + usize::from(*name == "http"))
    });
    for (place, (name, part)) in parts.into_iter().enumerate() {
        let mut figures = Vec::new();
        collect("", "", part, &mut figures);
        if place > 0 {
            output.line("")?;
        }
        output.line(words(name))?;
        let widths = |width: fn(&(String, String)) -> usize| figures.iter().map(width).max().unwrap_or_default();
        let (names, values) = (widths(|(name, _)| name.chars().count()), widths(|(_, value)| value.chars().count()));
        for (name, value) in &figures {
            output.line(format_args!("  {name:names$}  {value:>values$}"))?;
        }
    }
    output.flush()
}

/// The figures of a part: names in words, values with units.
fn collect(before: &str, name: &str, value: &Value, figures: &mut Vec<(String, String)>) {
    let joined = |name: &str| if before.is_empty() { words(name) } else { format!("{before}, {}", words(name)) };
    match value {
        Value::Object(members) => {
            let before = if name.is_empty() { String::new() } else { joined(name) };
            members.iter().for_each(|(name, member)| collect(&before, name, member, figures));
        }
        Value::Array(items) => {
            let before = joined(name);
            let numbered = items.iter().enumerate();
            numbered.for_each(|(place, item)| collect(&before, &place.to_string(), item, figures));
        }
        value => {
            let (name, value) = with_unit(name, value);
            figures.push((joined(&name), value));
        }
    }
}

/// Writes a figure with its unit.
type Unit = fn(f64) -> String;

/// A figure with the unit in its name, which ends with it, or with it and `max`, `min`, `avg`, `total` or the like.
fn with_unit<'n>(name: &'n str, value: &Value) -> (Cow<'n, str>, String) {
    let units: [(&str, Unit); 4] =
        [("bytes", size), ("us", |us| time(us / 1e3)), ("ms", time), ("seconds", |seconds| time(seconds * 1e3))];
    let words: Vec<_> = name.split('_').collect();
    let found = words.iter().enumerate().rev().find_map(|(place, word)| {
        let (_, unit) = units.iter().find(|(unit, _)| unit == word)?;
        let is_last = words[place + 1..].iter().all(|word| QUALIFIERS.contains(word));
        (place > 0 && is_last).then_some((place, *unit))
    });
    match (value, found) {
        (Value::Number(number), Some((place, unit))) => {
            let bare = [&words[..place], &words[place + 1..]].concat().join("_");
            (bare.into(), unit(number.as_f64().unwrap_or_default()))
        }
        (Value::Number(number), None) => (name.into(), number.as_u64().map_or(number.to_string(), grouped)),
        (Value::String(text), _) => (name.into(), printable(text).into_owned()),
        (value, _) => (name.into(), value.to_string()),
    }
}

/// What a name may have after its unit.
const QUALIFIERS: [&str; 8] = ["max", "min", "avg", "mean", "total", "sum", "last", "p99"];

/// A whole number with a comma after each thousand.
fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

fn size(bytes: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are whole and positive")]
    BinaryBytes(bytes as u64).to_string()
}

fn time(ms: f64) -> String {
    match ms {
        0.0 => "0 ms".to_owned(),
        ms if ms < 1.0 => format!("{:.0} µs", ms * 1e3),
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1e3 => format!("{ms:.0} ms"),
        ms if ms < 60e3 => format!("{:.1} s", ms / 1e3),
        ms if ms < 3_600e3 => format!("{:.1} min", ms / 60e3),
        ms => format!("{:.1} h", ms / 3_600e3),
    }
}

fn words(name: &str) -> String {
    printable(&name.replace('_', " ")).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_have_the_unit_of_their_name() {
        for (name, value, expected) in [
            ("keys", json!(1_234_567), ("keys", "1,234,567")),
            ("key_bytes", json!(5_242_880), ("key", "5.00 MiB")),
            ("oldest_snapshot_age_ms", json!(1_500), ("oldest_snapshot_age", "1.5 s")),
            ("avg_wait_time_ms", json!(0.25), ("avg_wait_time", "250 µs")),
            ("sync_ms", json!(0), ("sync", "0 ms")),
            ("uptime_seconds", json!(7_200), ("uptime", "2.0 h")),
            ("state", json!("a\u{1b}b"), ("state", "a\\u{1b}b")),
            ("in_flight_bytes_max", json!(4_294_967_296_u64), ("in_flight_max", "4.00 GiB")),
            ("duration_us_max", json!(2_500), ("duration_max", "2.50 ms")),
            ("bytes", json!(7), ("bytes", "7")),
            ("ms_lost_events", json!(7), ("ms_lost_events", "7")),
            ("open", json!(true), ("open", "true")),
        ] {
            let (found, shown) = with_unit(name, &value);
            assert_eq!((&*found, &*shown), expected);
        }
    }

    #[test]
    fn members_of_members_are_named_by_both() {
        let mut figures = Vec::new();
        collect("", "", &json!({"answers": {"2xx": 7}, "log_bytes": 1024}), &mut figures);
        let figures: Vec<_> = figures.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(figures, [("answers, 2xx", "7"), ("log", "1.00 KiB")]);
    }
}
