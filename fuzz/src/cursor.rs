//! Cursors are the clients' to send, and nothing in them is trusted: a made-up one begins a page somewhere else in what its sender may
//! read anyway, or is refused. It never shows another bucket, a state that never was, or a change twice.

use std::sync::{Arc, OnceLock};

use mantis_db::{
    Change, ChangeFilter, Code, Database, Direction, Limits, ManualClock, Op, ScanOptions, SeededRandom, SetOptions,
    Since, Span,
};

use crate::ready;

/// What a scan's cursor holds before the last key.
const HEAD_BYTES: usize = 16;
const BUCKET: &str = "fruit";

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// A database that does not change any more, and its contents.
struct Known {
    database: Database,
    /// The bucket as it was when a scan began whose snapshot is kept, and as it is.
    states: [Entries; 2],
    changes: Vec<Change>,
}

/// Checks one input: a byte of choices, and a cursor.
///
/// # Panics
/// The cursor shows too much: a finding.
pub fn check(input: &[u8]) {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(Known::new);
    let Some((&choices, cursor)) = input.split_first() else { return };
    let limit = 1 + usize::from(choices >> 2 & 7);
    if choices & 1 == 0 {
        let direction = if choices & 2 == 0 { Direction::Forward } else { Direction::Reverse };
        let span = if choices & 32 == 0 { Span::All } else { Span::Prefix(b"k".to_vec()) };
        known.check_scan(&ScanOptions { span, direction, limit, cursor: Some(cursor.to_vec()) });
    } else if let Ok(cursor) = std::str::from_utf8(cursor) {
        known.check_feed(cursor, limit);
    }
}

impl Known {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(1_000));
        let database = Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(3))).unwrap();
        let mut session = database.session();
        let mut set = |bucket: &str, key: &[u8], value: &[u8]| {
            ready(session.kv(bucket).unwrap().set(key, value)).unwrap();
        };
        for number in 0..24_u8 {
            set(BUCKET, &[b'k', number], &[number, 1]);
            // Buckets before and after.
            set("apples", &[b'k', number], b"not to be seen");
            set("pears", &[b'k', number], b"not to be seen");
        }
        let first = ScanOptions { limit: 1, ..ScanOptions::default() };
        assert!(ready(session.kv(BUCKET).unwrap().scan(&first)).unwrap().cursor.is_some());
        let old = (0..24).map(|number| (vec![b'k', number], vec![number, 1])).collect();
        let set = |number: u8| Op::Set(vec![b'k', number, 0], vec![number, 2], SetOptions::default());
        let operations: Vec<_> = (0..24).map(set).collect();
        ready(session.kv(BUCKET).unwrap().apply(&operations)).unwrap();
        for number in 0..24 {
            assert!(ready(session.kv(BUCKET).unwrap().delete(&[b'k', number])).unwrap().replaced);
        }
        let new = (0..24).map(|number| (vec![b'k', number, 0], vec![number, 2])).collect();
        let all = ready(session.changes(&ChangeFilter::default(), &Since::Earliest, 1_000)).unwrap();
        assert!(all.at_end && all.changes.len() > 100);
        Self { database, states: [old, new], changes: all.changes }
    }

    /// A forged cursor shows the keys after its key in one of the states, and the following pages show the rest.
    fn check_scan(&self, options: &ScanOptions) {
        let mut options = options.clone();
        let mut session = self.database.session();
        let mut shown = Vec::new();
        let last_key = options.cursor.as_deref().and_then(|cursor| cursor.get(HEAD_BYTES..)).map(<[u8]>::to_vec);
        loop {
            let page = match ready(session.kv(BUCKET).unwrap().scan(&options)) {
                Ok(page) => page,
                Err(error) => {
                    assert!(error.code() == Code::CursorInvalid && shown.is_empty(), "{error}");
                    return;
                }
            };
            assert!(page.entries.len() <= options.limit);
            shown.extend(page.entries.into_iter().map(|(key, entry)| (key, entry.value.to_vec())));
            let Some(next) = page.cursor else { break };
            options.cursor = Some(next);
        }
        let last_key = last_key.expect("a cursor that was taken is not too short");
        let expected = self.states.each_ref().map(|state| {
            let mut rest: Entries = match options.direction {
                Direction::Forward => state.iter().filter(|(key, _)| *key > last_key).cloned().collect(),
                Direction::Reverse => state.iter().rev().filter(|(key, _)| *key < last_key).cloned().collect(),
            };
            rest.retain(|(key, _)| key.starts_with(b"k"));
            rest
        });
        assert!(expected.contains(&shown), "{shown:?} were shown behind {last_key:?}");
    }

    /// A forged position in the feed shows the changes after it, each once and in order.
    fn check_feed(&self, cursor: &str, limit: usize) {
        let mut session = self.database.session();
        let mut since = cursor.to_owned();
        let mut shown = Vec::new();
        loop {
            let page = match ready(session.changes(&ChangeFilter::default(), &Since::Cursor(since), limit)) {
                Ok(page) => page,
                Err(error) => {
                    let is_refused = matches!(error.code(), Code::CursorInvalid | Code::Compacted);
                    assert!(is_refused && shown.is_empty(), "{error}");
                    return;
                }
            };
            assert!(page.changes.len() <= limit);
            shown.extend(page.changes);
            since = page.cursor;
            if page.at_end {
                break;
            }
        }
        let version: u64 = cursor.split('-').nth(1).and_then(|version| version.parse().ok()).expect("it was read");
        let skipped = self.changes.len().checked_sub(shown.len()).expect("no change comes twice");
        assert_eq!(self.changes[skipped..], shown);
        assert!(self.changes[..skipped].iter().all(|change| change.version <= version), "skipped behind {cursor}");
        assert!(shown.iter().all(|change| change.version >= version), "shown again behind {cursor}");
    }
}
