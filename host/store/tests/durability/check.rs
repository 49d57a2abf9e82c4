//! A check changes nothing, reads everything, and reports what opening the store would; a repair keeps an exact prefix, as long as there is
//! one.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use mantis_store::disk::{DirectoryDisk, Disk, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault};
use mantis_store::{
    Durability, FileKind, OpenError, RepairError, Repaired, Report, RestoreError, check, repair, repairable,
};

use super::wreck::{NEVER, Shape, Whole, is_checkpoint, is_segment};
use super::{Model, commit_writes, golden, open, options};
use crate::support::put;

/// Checks a store, which must not change.
#[track_caller]
pub(super) fn checked(disk: &MemoryDisk) -> Report {
    let before = disk.files();
    let report = check(disk, &options(&Arc::default(), 5)).unwrap();
    assert!(disk.files() == before, "a check changed something");
    report
}

/// The check's report must agree with opening the store.
#[track_caller]
pub(super) fn assert_agrees<T>(report: &Report, opened: &Result<(T, mantis_store::Recovered), OpenError>) {
    match (&report.opening, opened) {
        (Ok(foreseen), Ok((_, recovered))) => assert_eq!(foreseen, &{ recovered.clone() }),
        (Err(foreseen), Err(error)) => {
            assert_eq!(foreseen.to_string(), error.to_string());
            assert!(!report.is_right());
        }
        (foreseen, opened) => panic!("foreseen {foreseen:?}, and opening said {:?}", opened.as_ref().err()),
    }
}

/// Repairs a store, which must not change. The result is the state after some commit.
#[track_caller]
pub(super) fn repaired(disk: &MemoryDisk, model: &Model, case: &str) -> Result<Repaired, RepairError> {
    let (before, into) = (disk.files(), MemoryDisk::new());
    let outcome = repair(disk, &into, &options(&Arc::default(), 6));
    assert!(disk.files() == before, "{case}: the repair changed the store itself");
    match &outcome {
        Ok(result) => {
            let report = checked(&into);
            assert!(report.is_right(), "{case}: {report:?}");
            let (store, _) = open(&into, Durability::Always).unwrap();
            model.check(&store).unwrap_or_else(|error| panic!("{case}: {error}; {result:?}"));
            assert_eq!((store.version(), store.stats().keys), (result.kept.version, result.kept.entries), "{case}");
            assert!(
                result.newest_seen >= result.kept.version && result.base <= result.kept.version,
                "{case}: {result:?}"
            );
            let next = commit_writes(&store, &[(b"next".to_vec(), Some((b"1".to_vec(), None)))]);
            assert!(next > result.newest_seen && next > model.newest().0, "{case}: {next}; {result:?}");
        }
        Err(_) => assert!(into.files().is_empty(), "{case}"),
    }
    // `repairable` foretells it.
    match (&outcome, repairable(disk, &options(&Arc::default(), 6))) {
        (Ok(result), Ok(reached)) => assert_eq!(result.kept.version, reached, "{case}"),
        (Err(refused), Err(error)) => assert_eq!(refused.to_string(), error.to_string(), "{case}"),
        (_, other) => panic!("{case}: {outcome:?}, and {other:?} was foretold"),
    }
    outcome
}

/// The findings, a line each; damage with a `!`.
fn listed(report: &Report) -> String {
    let lines = report.files.iter().flat_map(|file| {
        let line = |finding: &mantis_store::Finding| {
            let mark = if finding.is_damage { "!" } else { "" };
            format!("{mark}{} {}: {}\n", file.name, finding.offset, finding.what)
        };
        file.findings.iter().map(line)
    });
    lines.collect()
}

#[test]
fn an_intact_store_passes_and_every_file_is_described() {
    let whole = Whole::write(Shape { log_bytes: 6_000, segment_bytes_max: 1_500, checkpoint_every: 20, seed: 21 });
    let report = checked(&MemoryDisk::with_files(whole.files.clone()));
    assert!(report.is_right() && listed(&report).is_empty(), "{}", listed(&report));
    let names: Vec<_> = report.files.iter().map(|file| &*file.name).collect();
    assert_eq!(names, whole.files.keys().collect::<Vec<_>>());
    let mut commits = 0;
    for file in &report.files {
        assert_eq!(file.bytes, whole.files[&file.name].len() as u64);
        match file.kind {
            FileKind::Identity => assert_eq!((&*file.name, file.versions), ("store.mantis", None)),
            FileKind::Checkpoint => {
                let (version, _) = file.versions.unwrap();
                assert_eq!(file.entries, whole.model.states[&version].len() as u64, "{}", file.name);
            }
            FileKind::Segment => commits += file.entries,
            FileKind::Attachment | FileKind::Unfinished | FileKind::Other => panic!("{}", file.name),
        }
    }
    let newest = whole.model.newest().0;
    assert_eq!(commits, whole.model.states.len() as u64 - 1, "all of the log is kept for the feed");
    assert_eq!(report.files.iter().filter_map(|file| file.versions).map(|(_, last)| last).max(), Some(newest));
    assert_eq!(report.opening.unwrap().version, newest);
}

#[test]
fn files_of_format_1_pass_the_check() {
    let report = checked(&MemoryDisk::with_files(golden::files(1)));
    assert!(report.is_right() && listed(&report).is_empty(), "{}", listed(&report));
    let described: Vec<_> = report.files.iter().map(|file| (file.kind, file.versions, file.entries)).collect();
    let checkpoint = (FileKind::Checkpoint, Some((7, 7)), 5);
    assert_eq!(described[0], checkpoint);
    assert!(described[1..described.len() - 1].iter().all(|(kind, ..)| *kind == FileKind::Segment), "{described:?}");
    assert_eq!(described.iter().filter_map(|(_, versions, _)| *versions).map(|(_, last)| last).max(), Some(10));
}

#[test]
fn remains_of_a_crash_are_no_damage() {
    let whole = Whole::write(Shape { log_bytes: 3_000, segment_bytes_max: 1_500, checkpoint_every: 20, seed: 22 });
    let last = whole.last_segment().to_owned();
    let torn = whole.with(&last, |bytes| bytes.truncate(bytes.len() - 3));
    let mut files = torn.files();
    let next = format!("log-{:020}.mantis", whole.model.newest().0 - 1);
    files.insert(next.clone(), b"MANTISDB".to_vec());
    files.insert("store.mantis.unfinished".into(), vec![1]);
    files.insert("notes.txt".into(), vec![1]);
    let report = checked(&MemoryDisk::with_files(files));
    let listed = listed(&report);
    assert!(report.is_right() && !listed.contains('!'), "{listed}");
    for (name, what) in
        [(&*last, "an unfinished write"), (&next, "never written to"), ("store.mantis.u", "being written")]
    {
        assert!(listed.lines().any(|line| line.starts_with(name) && line.contains(what)), "{name}: {listed}");
    }
    let other = report.files.iter().find(|file| file.name == "notes.txt").unwrap();
    assert_eq!((other.kind, other.findings.len()), (FileKind::Other, 0));
}

#[test]
fn checking_an_empty_directory_leaves_it_empty() {
    let directory = tempfile::tempdir().unwrap();
    let disk = DirectoryDisk::read_only(directory.path()).unwrap();
    let report = check(&disk, &options(&Arc::default(), 1)).unwrap();
    assert!(report.files.is_empty() && report.opening.unwrap().is_new);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(DirectoryDisk::read_only(directory.path().join("none")).is_err());
}

#[test]
fn a_store_in_use_is_not_checked_and_a_read_only_disk_is_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let disk = DirectoryDisk::new(directory.path()).unwrap();
    let (store, _) = open(&disk, Durability::Always).unwrap();
    put(&store, "a1", "1");
    store.flush();
    let reading = DirectoryDisk::read_only(directory.path()).unwrap();
    let options = options(&Arc::default(), 1);
    assert!(matches!(check(&reading, &options), Err(OpenError::InUseHere)));
    let repaired = repair(&reading, &MemoryDisk::new(), &options);
    assert!(matches!(repaired, Err(RepairError::Read(OpenError::InUseHere))), "{repaired:?}");
    drop(store);
    assert!(check(&reading, &options).unwrap().is_right());
    let denied = Some(ErrorKind::ReadOnlyFilesystem);
    assert_eq!(reading.create("x").map(drop).map_err(|error| error.kind()).err(), denied);
    assert_eq!(reading.remove("store.mantis").map_err(|error| error.kind()).err(), denied);
    assert_eq!(reading.rename("store.mantis", "x").map_err(|error| error.kind()).err(), denied);
    assert!(reading.open("store.mantis").unwrap().set_size(0).is_err());
}

/// The commits of a store, and the place of each.
fn places(whole: &Whole) -> Vec<(u64, String, Range<usize>)> {
    let mut places = Vec::new();
    let mut versions = whole.model.states.keys().copied().skip(1);
    for pair in whole.history.windows(2) {
        let grown = pair[1].iter().filter(|(name, _)| is_segment(name)).find_map(|(name, bytes)| {
            let start = pair[0].get(name).map_or(64, Vec::len);
            (bytes.len() > start).then(|| (name.clone(), start..bytes.len()))
        });
        if let Some((name, range)) = grown {
            places.push((versions.next().unwrap(), name, range));
        }
    }
    assert_eq!(versions.next(), None);
    places
}

/// The furthest commit that a repair can reach without the commits and the files in which a byte was changed.
fn furthest(whole: &Whole, places: &[(u64, String, Range<usize>)], name: &str, offset: usize) -> Option<u64> {
    let is_hit = |file: &str, range: &Range<usize>| file == name && (offset < 64 || range.contains(&offset));
    let first_segment = whole.names(is_segment)[0];
    let mut bases: Vec<u64> = whole.names(is_checkpoint).into_iter().filter(|file| *file != name).map(number).collect();
    if number(first_segment) == 0 && !(first_segment == name && offset < 64) {
        bases.push(0);
    }
    let reach = |base: u64| {
        let later = places.iter().filter(|(version, ..)| *version > base);
        later.take_while(|(_, file, range)| !is_hit(file, range)).last().map_or(base, |(version, ..)| *version)
    };
    bases.into_iter().map(reach).max()
}

fn number(name: &str) -> u64 {
    name.split(['-', '.']).nth(1).unwrap().parse().unwrap()
}

#[test]
fn any_changed_byte_is_found_and_a_repair_keeps_the_longest_intact_prefix() {
    for checkpoint_every in [NEVER, 20] {
        let whole = Whole::write(Shape { log_bytes: 5_000, segment_bytes_max: 1_000, checkpoint_every, seed: 23 });
        let (places, newest) = (places(&whole), whole.model.newest().0);
        let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, bytes) in &whole.files {
            for offset in 0..bytes.len() {
                let case = format!("{name} damaged at {offset}");
                let disk = whole.with(name, |bytes| bytes[offset] ^= 1 << (offset % 8));
                let report = checked(&disk);
                let file = report.files.iter().find(|file| file.name == *name).unwrap();
                assert!(file.findings.iter().any(|finding| finding.offset <= offset as u64), "{case}: {report:?}");
                let is_torn = report.is_right();
                let may_be_torn = name == whole.last_segment() && offset >= whole.last_group() || bytes.len() == 64;
                assert!(!is_torn || may_be_torn, "{case}: {}", listed(&report));
                assert_agrees(&report, &open(&MemoryDisk::with_files(disk.files()), Durability::Always));
                let outcome = repaired(&disk, &whole.model, &case);
                // An identity of another format means that nothing is known of the other files.
                if name == "store.mantis" && (12..16).contains(&offset) {
                    assert!(matches!(outcome, Err(RepairError::Read(OpenError::Newer { .. }))), "{case}: {outcome:?}");
                    continue;
                }
                let expected = furthest(&whole, &places, name, offset);
                match (&outcome, expected) {
                    (Ok(result), Some(expected)) => {
                        assert_eq!(result.kept.version, expected, "{case}: {result:?}");
                        let left_out = if is_segment(name) && expected < newest && offset >= 64 {
                            places.iter().filter(|(version, ..)| *version > expected).count() - 1
                        } else {
                            result.commits_left_out as usize
                        };
                        assert_eq!(result.commits_left_out as usize, left_out, "{case}: {result:?}");
                        assert!(left_out == 0 || result.newest_seen == newest, "{case}: {result:?}");
                    }
                    (Err(RepairError::NothingWhole), None) => {}
                    _ => panic!("{case}: {outcome:?}, and {expected:?} can be reached"),
                }
                let outcome = if outcome.is_err() {
                    "refused"
                } else if expected == Some(newest) {
                    "all"
                } else {
                    "a part"
                };
                *outcomes.entry(outcome).or_default() += 1;
            }
        }
        println!("a checkpoint every {checkpoint_every}: {outcomes:?}");
    }
}

#[test]
fn missing_files_are_named_and_the_rest_is_repaired() {
    let shape = Shape { log_bytes: 5_000, segment_bytes_max: 1_000, checkpoint_every: 20, seed: 24 };
    let whole = Whole::write(shape);
    for name in whole.files.keys() {
        let mut files = whole.files.clone();
        files.remove(name);
        let disk = MemoryDisk::with_files(files);
        let report = checked(&disk);
        let is_reported = report.files.iter().any(|file| file.name == *name && !file.is_right());
        assert_eq!(report.opening.is_err(), is_reported || !report.is_right(), "{name}: {}", listed(&report));
        let outcome = repaired(&disk, &whole.model, name);
        let kept = outcome.unwrap_or_else(|error| panic!("without {name}: {error}")).kept.version;
        // The contents of segments after the newest checkpoint are nowhere else.
        let least = if is_segment(name) { whole.newest_checkpoint().map_or(0, number) } else { whole.model.newest().0 };
        assert!(kept >= least, "without {name}: {kept}");
    }
    // Without the log there is the newest checkpoint; without that, there is nothing to begin with.
    let without = |is_gone: fn(&str) -> bool| {
        let files = whole.files.iter().filter(|(name, _)| !is_gone(name));
        MemoryDisk::with_files(files.map(|(name, bytes)| (name.clone(), bytes.clone())).collect())
    };
    let result = repaired(&without(is_segment), &whole.model, "without a log").unwrap();
    assert_eq!(Some(result.kept.version), whole.newest_checkpoint().map(number));
    let alone = repaired(&without(|name| name != "store.mantis"), &whole.model, "the identity alone");
    assert!(matches!(alone, Err(RepairError::NothingWhole)), "{alone:?}");
    let nothing = repaired(&MemoryDisk::new(), &whole.model, "nothing");
    assert!(matches!(nothing, Err(RepairError::NothingWhole)), "{nothing:?}");
}

#[test]
fn files_of_two_stores_are_not_mixed() {
    let shape = Shape { log_bytes: 3_000, segment_bytes_max: 1_000, checkpoint_every: 20, seed: 25 };
    let (whole, other) = (Whole::write(shape), Whole::write(Shape { seed: 26, ..shape }));
    let first = whole.names(is_segment)[0].to_owned();
    let mut files = whole.files.clone();
    files.insert(first.clone(), other.files[&first].clone());
    let disk = MemoryDisk::with_files(files.clone());
    assert!(listed(&checked(&disk)).contains(&format!("!{first} 0: it belongs to another store")));
    repaired(&disk, &whole.model, "a segment of another store").unwrap();
    files.get_mut("store.mantis").unwrap()[40] ^= 1;
    let outcome = repaired(&MemoryDisk::with_files(files), &whole.model, "and no identity");
    assert!(matches!(outcome, Err(RepairError::Mixed)), "{outcome:?}");
}

#[test]
fn a_failing_disk_never_passes_the_check() {
    let whole = Whole::write(Shape { log_bytes: 2_000, segment_bytes_max: 1_000, checkpoint_every: 20, seed: 28 });
    let disk = FailingDisk::new(MemoryDisk::with_files(whole.files.clone()));
    for at in 0.. {
        disk.plan(Some(Fault { at, only: None, times: u64::MAX, error: ErrorKind::Other }));
        match check(&disk, &options(&Arc::default(), 1)) {
            Ok(report) if disk.injected() == 0 => return assert!(report.is_right() && at > 20),
            Ok(report) => assert!(!report.is_right(), "{at}: {report:?}"),
            Err(OpenError::Io { .. }) => {}
            Err(other) => panic!("{at}: {other}"),
        }
    }
}

#[test]
fn a_repair_onto_a_store_is_refused_and_a_failing_disk_is_reported() {
    let whole = Whole::write(Shape { log_bytes: 2_000, segment_bytes_max: 1_000, checkpoint_every: 20, seed: 27 });
    let disk = MemoryDisk::with_files(whole.files.clone());
    let options = options(&Arc::default(), 1);
    let into = MemoryDisk::with_files(whole.files.clone());
    let refused = repair(&disk, &into, &options);
    assert!(matches!(refused, Err(RepairError::Write(RestoreError::NotEmpty { .. }))), "{refused:?}");
    assert!(into.files() == whole.files);
    for reads in 0..60 {
        let failing = FailingDisk::new(disk.clone());
        failing.plan(Some(Fault { at: reads, only: None, times: u64::MAX, error: ErrorKind::Other }));
        let into = MemoryDisk::new();
        match repair(&failing, &into, &options) {
            Ok(result) => assert!(failing.injected() == 0 && result.kept.version == whole.model.newest().0),
            Err(RepairError::Read(OpenError::Io { .. })) => assert!(into.files().is_empty()),
            Err(other) => panic!("{reads}: {other}"),
        }
    }
}
