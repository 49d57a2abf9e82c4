//! Compares the server's data with the clients' books, and its different answers with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::Value;

use super::book::{Book, Effect, Held, Recorded};
use super::client::Connection;
use super::feed::{Feed, number};
use super::{CLIENTS, Stage, ms_of, now_ms};
use crate::support::{PATIENCE, pause};

/// A listing, and the times of its start and end: a key whose deadline is in between may be in it.
struct Listing {
    entries: Vec<(String, Held)>,
    begun_ms: u64,
    ended_ms: u64,
}

impl Stage<'_> {
    /// Compares the server's data with the books, and begins new books with it.
    pub(super) fn check(&mut self, address: SocketAddr) {
        let mut connection = Connection::new(address).unwrap();
        let listing = self.list(&mut connection, "");
        let found: BTreeMap<_, _> = listing.entries.iter().cloned().collect();
        let mut done: Vec<(u64, Vec<String>)> = Vec::new();
        for (client, path) in self.books.clone().iter().enumerate() {
            let mut recorded = Recorded::read(path);
            self.counts.answered += recorded.done.len() as u64;
            done.append(&mut recorded.done);
            if let Some(open) = recorded.open.take() {
                self.counts.open += 1;
                self.settle(&mut recorded, open, &found, listing.ended_ms);
            }
            let own: BTreeMap<_, _> = found.iter().filter(|(key, _)| key.starts_with(&format!("c{client}-"))).collect();
            for key in recorded.held.keys().chain(own.keys().copied()) {
                self.compare(key, recorded.held.get(key), found.get(key), &listing);
            }
            Book::begin(path, &own.into_iter().map(|(key, held)| (key.clone(), held.clone())).collect());
        }
        if let Some(key) = found.keys().find(|key| (0..CLIENTS).all(|client| !key.starts_with(&format!("c{client}-"))))
        {
            self.fail(&format!("{key} was never sent"));
        }
        self.check_versions(&mut connection, &done);
        self.check_feed(&mut connection, &done);
        self.agree("the listing", "", false, &listing);
        self.check_indexes(&mut connection);
    }

    /// The keys of the bucket with everything that is shown of them.
    fn list(&self, connection: &mut Connection, query: &str) -> Listing {
        let begun_ms = now_ms();
        let (mut entries, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = connection.get(&format!("/kv?values=true&limit=50{query}{cursor}"));
            for entry in page["entries"].as_array().unwrap_or_else(|| self.fail(&page.to_string())) {
                let text = |name: &str| entry[name].as_str().unwrap().to_owned();
                let expires_ms = ms_of(&entry["expires_at"]).map(|at_ms| at_ms..=at_ms);
                let version = number(&entry["version"]);
                entries.push((text("key"), Held { value: text("value"), expires_ms, version }));
            }
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Listing { entries, begun_ms, ended_ms: now_ms() },
            }
        }
    }

    /// A request without an answer was applied as a whole, or not at all.
    fn settle(
        &self,
        recorded: &mut Recorded,
        mut open: Vec<Effect>,
        found: &BTreeMap<String, Held>,
        listed_at_ms: u64,
    ) {
        for held in open.iter_mut().filter_map(|(_, held)| held.as_mut()) {
            // It was sent while the server lived, so it was applied then, if at all.
            held.expires_ms = held.expires_ms.as_ref().map(|within| *within.start()..=within.start() + self.lived_ms);
        }
        let is_there = |(key, held): &Effect| match (held, found.get(key)) {
            (Some(held), Some(found)) => found.value == held.value,
            (Some(held), None) => held.may_be_gone_at(listed_at_ms),
            (None, found) => found.is_none(),
        };
        let there = open.iter().filter(|effect| is_there(effect)).count();
        let versions: BTreeSet<_> =
            open.iter().filter(|effect| is_there(effect)).filter_map(|(key, _)| found.get(key)?.version).collect();
        if there == open.len() {
            if versions.len() > 1 {
                self.fail(&format!("a commit is there in parts: {open:?} has the versions {versions:?}"));
            }
            recorded.apply(&open, None);
        } else if there > 0 && !open.iter().any(|(_, held)| held.is_none()) {
            self.fail(&format!("a commit is there in parts: {there} of {open:?}"));
        }
    }

    fn compare(&self, key: &str, recorded: Option<&Held>, found: Option<&Held>, listing: &Listing) {
        match (recorded, found) {
            (None, None) => {}
            (None, Some(found)) => self.fail(&format!("{key} was deleted or never sent, and is {found:?}")),
            (Some(held), None) => {
                if !held.may_be_gone_at(listing.ended_ms) {
                    self.fail(&format!("{key} is gone; it was {held:?}"));
                }
            }
            (Some(held), Some(found)) => {
                let expires = match (&held.expires_ms, &found.expires_ms) {
                    (Some(recorded), Some(found)) => recorded.contains(found.start()),
                    (recorded, found) => recorded == found,
                };
                let version = held.version.is_none_or(|version| found.version == Some(version));
                if held.value != found.value || !version || !expires {
                    self.fail(&format!("{key} is {found:?}; it was {held:?}"));
                }
                if !found.may_be_there_at(listing.begun_ms) {
                    self.fail(&format!("{key} is served beyond its deadline"));
                }
            }
        }
    }

    fn check_versions(&mut self, connection: &mut Connection, done: &[(u64, Vec<String>)]) {
        let stats = connection.get("/stats");
        let version = stats["store"]["version"].as_u64().unwrap();
        let answered = done.iter().map(|(version, _)| *version).max().unwrap_or(0);
        if version < self.seen.max(answered) {
            self.fail(&format!("the store is at {version}; {} and {answered} were seen", self.seen));
        }
        if let Some((again, _)) = done.iter().find(|(version, _)| (1..=self.seen).contains(version)) {
            self.fail(&format!("version {again} was given again; {} was seen before", self.seen));
        }
        self.seen = version;
    }

    /// Everything that was answered since the cursor is in the feed, in order and once.
    fn check_feed(&mut self, connection: &mut Connection, done: &[(u64, Vec<String>)]) {
        self.feed.changed.clear();
        self.read_feed(connection);
        for (version, keys) in done.iter().filter(|(version, _)| *version > 0) {
            if let Some(key) = keys.iter().find(|key| !self.feed.changed.contains(&(*version, (*key).clone()))) {
                self.fail(&format!("the feed leaves out {key} at version {version}"));
            }
        }
    }

    fn read_feed(&mut self, connection: &mut Connection) {
        if let Err(wrong) = self.feed.read(connection) {
            self.fail(&wrong);
        }
    }

    /// A listing shows the state of the feed, in order; keys that have expired in the meantime may be missing in either.
    fn agree(&self, what: &str, prefix: &str, is_reverse: bool, listing: &Listing) {
        let rank = |pair: &[(String, Held)]| if is_reverse { pair[0].0 > pair[1].0 } else { pair[0].0 < pair[1].0 };
        if !listing.entries.windows(2).all(rank) {
            self.fail(&format!("{what} is not in order"));
        }
        let listed: BTreeMap<_, _> = listing.entries.iter().map(|(key, held)| (key, held)).collect();
        for (key, held) in &listed {
            let is_right = key.starts_with(prefix)
                && held.may_be_there_at(listing.begun_ms)
                && self.feed.held.get(*key).map_or_else(|| held.may_be_gone_at(now_ms()), |recorded| recorded == *held);
            if !is_right {
                self.fail(&format!("{what} has {key} as {held:?}; the feed has {:?}", self.feed.held.get(*key)));
            }
        }
        for (key, held) in self.feed.held.iter().filter(|(key, _)| key.starts_with(prefix)) {
            if !listed.contains_key(key) && !held.may_be_gone_at(listing.ended_ms) {
                self.fail(&format!("{what} lacks {key}, which is {held:?}"));
            }
        }
    }

    /// Reads by key, in either order and by prefix, and counts, agree with the feed.
    fn check_indexes(&mut self, connection: &mut Connection) {
        let listing = self.list(connection, "&reverse=true");
        self.agree("the listing in reverse", "", true, &listing);
        for client in 0..CLIENTS {
            let prefix = format!("c{client}-");
            let listing = self.list(connection, &format!("&prefix={prefix}"));
            self.agree("the listing by prefix", &prefix, false, &listing);
        }
        let gone = self.feed.changed.iter().map(|(_, key)| key).filter(|key| !self.feed.held.contains_key(*key));
        for key in self.feed.held.keys().chain(gone) {
            self.check_read(connection, key);
        }
        self.check_counts(connection);
    }

    fn check_read(&self, connection: &mut Connection, key: &str) {
        let asked_at_ms = now_ms();
        let answer = connection.send("GET", &format!("/kv/{key}"), "", "").unwrap();
        let is_right = match self.feed.held.get(key) {
            None => answer.status == 404,
            Some(held) if answer.status == 404 => held.may_be_gone_at(now_ms()),
            Some(held) => {
                let expires_at_ms = answer.header("mantisdb-expires").and_then(|text| ms_of(&text.into()));
                held.may_be_there_at(asked_at_ms)
                    && answer.body == held.value.as_bytes()
                    && Some(answer.version()) == held.version
                    && expires_at_ms == held.expires_ms.as_ref().map(|within| *within.start())
            }
        };
        if !is_right {
            self.fail(&format!("{key} is {:?}, and is read as {}", self.feed.held.get(key), answer.head));
        }
    }

    /// The counts of keys and deadlines match. The removal of expired keys is counted when it begins, and shown when it is durable: then
    /// the statistics agree a moment later.
    fn check_counts(&mut self, connection: &mut Connection) {
        let mut wrong = String::new();
        for _ in 0..PATIENCE.as_millis() / 20 {
            match self.count(connection) {
                Ok(()) => return,
                Err(said) => wrong = said,
            }
            pause(20);
        }
        self.fail(&wrong);
    }

    /// Compares counts with the feed. Between two comparisons only expired keys are removed.
    fn count(&mut self, connection: &mut Connection) -> Result<(), String> {
        let stats_of = |feed: &Feed| (feed.held.len() as u64, feed.deadlines());
        self.read_feed(connection);
        let before = stats_of(&self.feed);
        let buckets = connection.get("/buckets");
        let stats = connection.get("/stats");
        self.read_feed(connection);
        let after = stats_of(&self.feed);
        let counted = |name: &str| {
            let all = buckets["buckets"].as_array().unwrap();
            let bucket = all.iter().find(|bucket| bucket["name"] == name).unwrap_or(&Value::Null);
            bucket["keys"].as_u64().unwrap_or(0)
        };
        let (keys, deadlines) = (counted("default"), stats["store"]["deadlines"].as_u64().unwrap());
        if !(after.0..=before.0).contains(&keys) || !(after.1..=before.1).contains(&deadlines) {
            return Err(format!("{keys} keys and {deadlines} deadlines are counted, not {before:?} to {after:?}"));
        }
        let (all, besides) = (stats["store"]["keys"].as_u64().unwrap(), counted("ballast"));
        if !(after.0 + besides..=before.0 + besides).contains(&all) {
            return Err(format!("{all} keys are counted in all, not {before:?} to {after:?} and {besides} besides"));
        }
        Ok(())
    }

    /// After every short deadline: the keys left are those of the books, and the feed has shown the removal of the others.
    pub(super) fn check_expiry(&mut self, address: SocketAddr) {
        self.check(address);
        let mut connection = Connection::new(address).unwrap();
        let short_ms = now_ms() + PATIENCE.as_millis() as u64;
        for _ in 0..2 * PATIENCE.as_millis() / 50 {
            if !self.feed.held.values().any(|held| held.may_be_gone_at(short_ms)) {
                break;
            }
            pause(50);
            self.read_feed(&mut connection);
        }
        self.check(address);
        let listing = self.list(&mut connection, "");
        let left: BTreeSet<_> = listing.entries.into_iter().map(|(key, _)| key).collect();
        let books = self.books.iter().flat_map(|path| Recorded::read(path).held.into_keys());
        assert_eq!(left, books.collect(), "what is left is not what the books say");
        assert_eq!(
            left,
            self.feed.held.keys().cloned().collect(),
            "the feed does not show that expired keys are removed"
        );
        for key in &self.feed.once {
            let times = self.feed.expiries.get(key).copied().unwrap_or(0);
            if times != 1 || left.contains(key) {
                self.fail(&format!("the feed shows {times} times, not once, that {key} expired"));
            }
        }
        self.counts.expired += self.feed.once.len() as u64;
    }
}
