//! Random operations against a `BTreeMap` that does the same.

use std::collections::BTreeMap;

use mantis_db::{Applied, Direction, Expect, Isolation, Op, OpResult, ScanOptions, Session, SetOptions, Span};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{Stage, now};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Action {
    Set(u8, u8),
    Delete(u8),
    DeleteSpan(u8, u8),
    Batch(Vec<(u8, Option<u8>)>, bool),
    Scan(u8, u8, bool, usize),
    Begin,
    Commit,
    Rollback,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => (0..20_u8, any::<u8>()).prop_map(|(key, value)| Action::Set(key, value)),
        3 => (0..20_u8).prop_map(Action::Delete),
        1 => (0..20_u8, 0..20_u8).prop_map(|(start, end)| Action::DeleteSpan(start, end)),
        2 => (vec((0..20_u8, any::<Option<u8>>()), 0..6), any::<bool>()).prop_map(|(operations, fails)| Action::Batch(operations, fails)),
        3 => (0..20_u8, 0..20_u8, any::<bool>(), 1..5_usize).prop_map(|(a, b, c, d)| Action::Scan(a, b, c, d)),
        1 => Just(Action::Begin),
        1 => Just(Action::Commit),
        1 => Just(Action::Rollback),
    ]
}

fn key(number: u8) -> Vec<u8> {
    vec![number + 1]
}

fn between(start: u8, end: u8) -> Span {
    Span::Between { start: Some(key(start)), end: Some(key(end)) }
}

fn within(start: u8, end: u8) -> std::ops::Range<Vec<u8>> {
    key(start)..key(end.max(start))
}

/// Operations of the session, and of others.
struct Twin {
    session: Session,
    seen: Model,
    committed: Model,
}

impl Twin {
    fn act(&mut self, action: Action) {
        match action {
            Action::Set(number, value) => {
                now(self.kv().set(&key(number), &[value])).unwrap();
                self.seen.insert(key(number), vec![value]);
            }
            Action::Delete(number) => {
                let existed = now(self.kv().delete(&key(number))).unwrap().replaced;
                assert_eq!(existed, self.seen.remove(&key(number)).is_some());
            }
            Action::DeleteSpan(start, end) => {
                let deleted = now(self.kv().delete_span(&between(start, end))).unwrap().keys;
                let before = self.seen.len();
                self.seen.retain(|key, _| !within(start, end).contains(key));
                assert_eq!(deleted, (before - self.seen.len()) as u64);
            }
            Action::Batch(operations, fails) => self.batch(&operations, fails),
            Action::Scan(start, end, reverse, limit) => self.scan(start, end, reverse, limit),
            Action::Begin if !self.session.in_transaction() => {
                now(self.session.begin(Isolation::Serializable)).unwrap();
            }
            Action::Commit if self.session.in_transaction() => {
                now(self.session.commit()).unwrap();
            }
            Action::Rollback if self.session.in_transaction() => {
                self.session.rollback();
                self.seen = self.committed.clone();
            }
            Action::Begin | Action::Commit | Action::Rollback => {}
        }
        if !self.session.in_transaction() {
            self.committed = self.seen.clone();
        }
    }

    fn kv(&mut self) -> mantis_db::Kv<'_> {
        self.session.kv("b").unwrap()
    }

    fn batch(&mut self, operations: &[(u8, Option<u8>)], fails: bool) {
        let mut model = self.seen.clone();
        let mut asked = Vec::new();
        let mut expected = Vec::new();
        for (number, value) in operations {
            let key = key(*number);
            if let Some(value) = value {
                asked.push(Op::Set(key.clone(), vec![*value], SetOptions::default()));
                model.insert(key.clone(), vec![*value]);
                expected.push(None);
            }
            asked.push(Op::Get(key.clone()));
            expected.push(Some(model.get(&key).cloned()));
        }
        if fails {
            asked.push(Op::Check(b"never".to_vec(), Expect::Present));
        }
        match now(self.kv().apply(&asked)).unwrap() {
            Applied::Refused(refusals) => {
                assert!(fails && refusals.len() == 1 && refusals[0].index == asked.len() - 1);
            }
            Applied::Committed { results, .. } => {
                assert!(!fails);
                let came = results.into_iter().map(|result| match result {
                    OpResult::Entry(entry) => Some(entry.map(|entry| entry.value.to_vec())),
                    _ => None,
                });
                assert_eq!(came.collect::<Vec<_>>(), expected);
                self.seen = model;
            }
        }
    }

    fn scan(&mut self, start: u8, end: u8, reverse: bool, limit: usize) {
        let direction = if reverse { Direction::Reverse } else { Direction::Forward };
        let mut options = ScanOptions { span: between(start, end), direction, limit, cursor: None };
        let mut came = Vec::new();
        loop {
            let page = now(self.kv().scan(&options)).unwrap();
            assert!(page.entries.len() <= limit);
            came.extend(page.entries.into_iter().map(|(key, entry)| (key, entry.value.to_vec())));
            match page.cursor {
                Some(cursor) => options.cursor = Some(cursor),
                None => break,
            }
        }
        let range = self.seen.range(within(start, end)).map(|(key, value)| (key.clone(), value.clone()));
        let expected: Vec<_> = if reverse { range.rev().collect() } else { range.collect() };
        assert_eq!(came, expected);
        assert_eq!(now(self.kv().count(&between(start, end))).unwrap(), expected.len() as u64);
    }
}

proptest! {
    #[test]
    fn the_database_behaves_like_a_map(actions in vec(action(), 0..60)) {
        let stage = Stage::new();
        let mut twin = Twin { session: stage.session(), seen: Model::new(), committed: Model::new() };
        for action in actions {
            twin.act(action);
        }
        let mut fresh = Twin { session: stage.session(), seen: twin.committed.clone(), committed: twin.committed };
        fresh.scan(0, 20, false, 4);
    }
}
