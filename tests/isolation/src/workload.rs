//! Clients that do random things through a [`Connection`] and note them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::history::{Element, How, Isolation, Key, NEVER, Operation, Outcome, Time, Transaction};
use crate::linear::{Call, Expect as Held, What};
use crate::numbers::Numbers;

/// Why something did not happen, as far as the client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A key was not as expected: nothing was written.
    Refused,
    /// Another transaction came first: nothing was written.
    Conflict,
    /// Nothing was done, for another reason.
    Failed,
    /// The connection was lost, or the client did not wait for the answer: it may happen at any time, or never.
    Unknown,
}

/// What most calls return.
pub type Result<T> = std::result::Result<T, Failure>;

/// A value and the commit that wrote it; inside a transaction without a commit yet, `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The text.
    pub value: String,
    /// The commit.
    pub version: Option<u64>,
}

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// None.
    Anything,
    /// The key is missing.
    Absent,
    /// The key is there.
    Present,
    /// The key was last written by this commit.
    Version(u64),
}

/// A write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// The condition.
    pub expect: Expect,
}

/// A client's way to the store. Between `begin` and `commit` or `rollback` everything belongs to the transaction. Writes return the number
/// of their commit if the client learns it.
pub trait Connection {
    /// Begins a transaction.
    ///
    /// # Errors
    /// [`Failure`], as for all other methods.
    fn begin(&mut self, isolation: Isolation) -> Result<()>;
    /// Commits the transaction, and ends it.
    fn commit(&mut self) -> Result<Option<u64>>;
    /// Ends the transaction without a commit, in any way.
    fn rollback(&mut self);
    /// Reads a key.
    fn get(&mut self, key: &str) -> Result<Option<Found>>;
    /// Reads several keys at one moment.
    fn get_many(&mut self, keys: &[String]) -> Result<Vec<Option<Found>>>;
    /// Reads the first keys with a prefix, and returns whether those are all.
    fn scan(&mut self, prefix: &str, limit: usize) -> Result<(Vec<(String, Found)>, bool)>;
    /// Writes a key.
    fn put(&mut self, put: &Put) -> Result<Option<u64>>;
    /// Writes several keys at one moment, or none.
    fn batch(&mut self, puts: &[Put]) -> Result<Option<u64>>;
    /// Deletes a key, and returns whether it existed.
    fn delete(&mut self, key: &str) -> Result<bool>;
    /// Adds to a number, and returns the sum.
    fn add(&mut self, key: &str, by: i64) -> Result<(i64, Option<u64>)>;
    /// Waits briefly, or not, so that others come between two calls.
    fn pause(&mut self, numbers: &mut Numbers);
}

/// The parameters of a history.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The prefix of all its keys; no other history has the same.
    pub prefix: String,
    /// Keys that hold lists.
    pub lists: usize,
    /// Keys with values that are set, swapped and deleted; after them in number half as many with numbers to add to.
    pub registers: usize,
    /// Actions of each client.
    pub steps: usize,
}

/// What the clients of a history share.
#[derive(Debug, Default)]
pub struct Shared {
    time: Time,
    numbers: AtomicU32,
}

impl Shared {
    /// A unique number: of an element, or of a value.
    fn unique(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The clients' actions and observations.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// On keys that hold lists.
    pub transactions: Vec<Transaction>,
    /// On each of the other keys.
    pub calls: BTreeMap<Key, Vec<Call>>,
    /// Reads, writes and scans.
    pub operations: usize,
    /// Conflicts and refused conditions.
    pub conflicts: usize,
    /// Operations and transactions with an unknown outcome.
    pub open: usize,
}

impl Notes {
    /// Adds those of another client.
    pub fn join(&mut self, other: Self) {
        self.transactions.extend(other.transactions);
        for (key, calls) in other.calls {
            self.calls.entry(key).or_default().extend(calls);
        }
        self.operations += other.operations;
        self.conflicts += other.conflicts;
        self.open += other.open;
    }
}

/// A client.
#[derive(Debug)]
pub struct Client<'a, C> {
    connection: C,
    plan: &'a Plan,
    shared: &'a Shared,
    numbers: Numbers,
    notes: Notes,
}

impl<'a, C: Connection> Client<'a, C> {
    /// A client whose actions depend on `seed`.
    pub fn new(connection: C, plan: &'a Plan, shared: &'a Shared, seed: u64) -> Self {
        Self { connection, plan, shared, numbers: Numbers::new(seed), notes: Notes::default() }
    }

    /// Executes the plan, and returns the outcome.
    pub fn run(mut self) -> Notes {
        for _ in 0..self.plan.steps {
            match self.numbers.below(100) {
                0..35 => self.register(),
                35..45 => self.number(),
                45..75 => self.transaction(),
                75..80 => drop(self.read(1)),
                80..84 => drop(self.read(3)),
                84..90 => self.scan(),
                90..95 => self.swap(1),
                _ => self.swap(3),
            }
            self.pause();
        }
        self.notes
    }

    /// Reads everything after all others are done: every write must be seen.
    pub fn look_at_all(mut self) -> Notes {
        self.read(self.plan.lists);
        for key in 0..self.plan.registers + self.plan.registers / 2 {
            self.call(key, |_| What::Get(None), |connection, name| Ok(found(connection.get(name)?)));
        }
        self.notes
    }

    /// A transaction over lists.
    fn transaction(&mut self) {
        let isolation = if self.numbers.chance(30) { Isolation::Snapshot } else { Isolation::Serialisable };
        let called = self.shared.time.tick();
        if self.connection.begin(isolation).is_err() {
            return;
        }
        let mut operations = Vec::new();
        let done = (0..=self.numbers.below(4)).try_for_each(|_| {
            let key = self.numbers.below(self.plan.lists);
            let done = match self.numbers.below(10) {
                0..3 => self.read_in(&mut operations, key).map(drop),
                3..9 => self.append_in(&mut operations, key),
                _ => self.scan_in(&mut operations),
            };
            self.pause();
            done
        });
        self.count(done.as_ref().err());
        let committing = self.shared.time.tick();
        let committed = if done.is_ok() && !self.numbers.chance(6) {
            self.connection.commit()
        } else {
            self.connection.rollback();
            Err(Failure::Failed)
        };
        self.note(Transaction { committing, isolation, ..Transaction::done(operations, called, 0) }, committed);
    }

    fn read_in(&mut self, operations: &mut Vec<Operation>, key: Key) -> Result<Vec<Element>> {
        self.notes.operations += 1;
        let list = list(self.connection.get(&self.list_name(key))?.as_ref());
        operations.push(Operation::read(key, &list));
        Ok(list)
    }

    fn append_in(&mut self, operations: &mut Vec<Operation>, key: Key) -> Result<()> {
        let mut list = self.read_in(operations, key)?;
        self.pause();
        let element = self.shared.unique();
        list.push(element);
        operations.push(Operation::append(key, element));
        self.notes.operations += 1;
        let put = Put { key: self.list_name(key), value: text(&list), expect: Expect::Anything };
        self.connection.put(&put).map(drop)
    }

    fn scan_in(&mut self, operations: &mut Vec<Operation>) -> Result<()> {
        self.notes.operations += 1;
        // Every key has as many digits.
        let span = format!("{}l", self.plan.prefix);
        let limit = if self.numbers.chance(50) { 1000 } else { 1 + self.numbers.below(4) };
        let (entries, is_all) = self.connection.scan(&span, limit)?;
        let end = match entries.last() {
            Some((last, _)) if !is_all => last.clone(),
            _ => self.list_name(self.plan.lists),
        };
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        let read = |name: &String, key| Operation::scan(key, &list(entries.get(name)));
        let names = (0..self.plan.lists).map(|key| (key, self.list_name(key))).take_while(|(_, name)| *name <= end);
        operations.extend(names.map(|(key, name)| read(&name, key)));
        Ok(())
    }

    /// Reads some lists at one moment.
    fn read(&mut self, count: usize) -> Vec<(Key, Vec<Element>, Option<u64>)> {
        let keys = self.some_lists(count);
        let called = self.shared.time.tick();
        self.notes.operations += keys.len();
        let names: Vec<_> = keys.iter().map(|&key| self.list_name(key)).collect();
        let found = match &names[..] {
            [name] => self.connection.get(name).map(|found| vec![found]),
            _ => self.connection.get_many(&names),
        };
        let Ok(found) = found else { return Vec::new() };
        let of = |(&key, found): (&Key, &Option<Found>)| {
            (key, list(found.as_ref()), found.as_ref().and_then(|found| found.version))
        };
        let lists: Vec<_> = keys.iter().zip(&found).map(of).collect();
        let operations = lists.iter().map(|(key, list, _)| Operation::read(*key, list)).collect();
        self.note(Transaction::done(operations, called, 0), Ok(None));
        lists
    }

    fn scan(&mut self) {
        let called = self.shared.time.tick();
        let mut operations = Vec::new();
        if self.scan_in(&mut operations).is_ok() {
            self.note(Transaction::done(operations, called, 0), Ok(None));
        }
    }

    /// Appends to some lists at one moment if they are as they were read before.
    fn swap(&mut self, count: usize) {
        let lists = self.read(count);
        if lists.is_empty() {
            return;
        }
        self.pause();
        let (mut operations, mut puts) = (Vec::new(), Vec::new());
        for (key, mut list, version) in lists {
            operations.push(Operation::expect(key, &list));
            let element = self.shared.unique();
            list.push(element);
            operations.push(Operation::append(key, element));
            let expect = version.map_or(Expect::Absent, Expect::Version);
            puts.push(Put { key: self.list_name(key), value: text(&list), expect });
        }
        self.notes.operations += puts.len();
        let called = self.shared.time.tick();
        let written = if count == 1 { self.connection.put(&puts[0]) } else { self.connection.batch(&puts) };
        self.note(Transaction::done(operations, called, 0), written);
    }

    /// Notes a transaction and its outcome.
    fn note(&mut self, mut transaction: Transaction, committed: Result<Option<u64>>) {
        transaction.returned = self.shared.time.tick();
        self.count(committed.as_ref().err());
        match committed {
            Ok(version) => transaction.version = version.filter(|_| transaction.appends().next().is_some()),
            Err(Failure::Unknown) => transaction = transaction.open(),
            Err(_) => transaction.outcome = Outcome::Failed,
        }
        let has_answer = |operation: &Operation| !matches!(operation, Operation::Read { how: How::Expected, .. });
        if transaction.outcome == Outcome::Failed {
            transaction.operations.retain(has_answer);
        }
        self.notes.transactions.push(transaction);
    }

    /// An action on a register.
    fn register(&mut self) {
        let key = self.numbers.below(self.plan.registers);
        let value = i64::from(self.shared.unique());
        match self.numbers.below(10) {
            0..4 => {
                self.call(key, |_| What::Get(None), |connection, name| Ok(found(connection.get(name)?)));
            }
            4..6 => self.write(key, value, Expect::Anything, |_| What::Set(value)),
            6 => {
                self.call(key, What::Delete, |connection, name| {
                    Ok((What::Delete(Some(connection.delete(name)?)), None))
                });
            }
            7 => {
                let (expect, held) =
                    *self.numbers.pick(&[(Expect::Absent, Held::Absent), (Expect::Present, Held::Present)]);
                self.write(key, value, expect, |done| What::Swap { expect: held, value, done });
            }
            _ => {
                let got = self.call(key, |_| What::Get(None), |connection, name| Ok(found(connection.get(name)?)));
                let Some((What::Get(Some(before)), Some(version))) = got else { return };
                self.pause();
                let expect = Held::Value(before);
                self.write(key, value, Expect::Version(version), |done| What::Swap { expect, value, done });
            }
        }
    }

    /// An action on a number.
    fn number(&mut self) {
        let key = self.plan.registers + self.numbers.below(self.plan.registers / 2);
        let by = 1 + i64::try_from(self.numbers.below(3)).unwrap_or(0);
        match self.numbers.below(10) {
            0..3 => {
                self.call(key, |_| What::Get(None), |connection, name| Ok(found(connection.get(name)?)));
            }
            3 => {
                self.call(key, What::Delete, |connection, name| {
                    Ok((What::Delete(Some(connection.delete(name)?)), None))
                });
            }
            _ => {
                self.call(
                    key,
                    |_| What::Add { by, sum: None },
                    |connection, name| {
                        let (sum, version) = connection.add(name, by)?;
                        Ok((What::Add { by, sum: Some(sum) }, version))
                    },
                );
            }
        }
    }

    fn write(&mut self, key: Key, value: i64, expect: Expect, what: impl Fn(Option<bool>) -> What) {
        self.call(key, &what, |connection, name| {
            let put = Put { key: name.to_owned(), value: value.to_string(), expect };
            match connection.put(&put) {
                Ok(version) => Ok((what(Some(true)), version)),
                Err(Failure::Refused) => Ok((what(Some(false)), None)),
                Err(failure) => Err(failure),
            }
        });
    }

    /// Does a call on one key, notes it, and returns its answer. `unanswered` is its form without one.
    fn call(
        &mut self,
        key: Key,
        unanswered: impl Fn(Option<bool>) -> What,
        work: impl FnOnce(&mut C, &str) -> Result<(What, Option<u64>)>,
    ) -> Option<(What, Option<u64>)> {
        self.notes.operations += 1;
        let name = format!("{}r{key:03}", self.plan.prefix);
        let called = self.shared.time.tick();
        let answer = work(&mut self.connection, &name);
        let returned = self.shared.time.tick();
        let is_refused = matches!(answer, Ok((What::Swap { done: Some(false), .. }, _)));
        self.count(if is_refused { Some(&Failure::Refused) } else { answer.as_ref().err() });
        let call = match answer {
            Ok((what, version)) => Call { called, returned, what, version },
            // A read without an answer shows nothing.
            Err(Failure::Unknown) if unanswered(None) != What::Get(None) => {
                Call { called, returned: NEVER, what: unanswered(None), version: None }
            }
            Err(_) => return None,
        };
        self.notes.calls.entry(key).or_default().push(call);
        answer.ok()
    }

    fn count(&mut self, failure: Option<&Failure>) {
        match failure {
            Some(Failure::Conflict | Failure::Refused) => self.notes.conflicts += 1,
            Some(Failure::Unknown) => self.notes.open += 1,
            _ => {}
        }
    }

    fn pause(&mut self) {
        self.connection.pause(&mut self.numbers);
    }

    fn some_lists(&mut self, count: usize) -> Vec<Key> {
        let first = self.numbers.below(self.plan.lists);
        (0..count.min(self.plan.lists)).map(|place| (first + place) % self.plan.lists).collect()
    }

    fn list_name(&self, key: Key) -> String {
        format!("{}l{key:03}", self.plan.prefix)
    }
}

fn text(list: &[Element]) -> String {
    list.iter().map(Element::to_string).collect::<Vec<_>>().join(" ")
}

/// A list as it was written. Anything else reads as one that nobody wrote.
fn list(found: Option<&Found>) -> Vec<Element> {
    found.map_or_else(Vec::new, |found| {
        found.value.split(' ').map(|word| word.parse().unwrap_or(Element::MAX)).collect()
    })
}

/// What a read of a register found. Anything but a number reads as one that nobody wrote.
fn found(found: Option<Found>) -> (What, Option<u64>) {
    let Some(found) = found else { return (What::Get(None), None) };
    (What::Get(Some(found.value.parse().unwrap_or(i64::MIN))), found.version)
}
