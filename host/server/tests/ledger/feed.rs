//! The change feed, read on from before the kill, and the state that it yields when it is applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::book::Held;
use super::client::Connection;
use super::ms_of;

/// A position in the feed, and everything that it has shown so far.
#[derive(Default)]
pub(super) struct Feed {
    cursor: Option<String>,
    /// The newest commit that was shown, and its keys.
    version: u64,
    shown: BTreeSet<String>,
    /// The state according to the feed, including expired keys until it shows their removal.
    pub(super) held: BTreeMap<String, Held>,
    /// How often each key was removed because it had expired.
    pub(super) expiries: BTreeMap<String, u64>,
    /// Keys written once, by clients, with a near deadline.
    pub(super) once: BTreeSet<String>,
    /// Changes shown since this was last emptied.
    pub(super) changed: BTreeSet<(u64, String)>,
}

impl Feed {
    /// Reads on to the end.
    ///
    /// # Errors
    /// A violation of the feed's promises.
    pub(super) fn read(&mut self, connection: &mut Connection) -> Result<(), String> {
        loop {
            let since = self.cursor.as_deref().unwrap_or("earliest");
            let path = format!("/changes?bucket=default&values=true&since={since}");
            let answer = connection.send("GET", &path, "Accept: application/json\r\n", "").unwrap();
            if answer.status != 200 {
                return Err(format!("the feed does not go on: {}", String::from_utf8_lossy(&answer.body)));
            }
            let page = answer.json();
            let changes = page["changes"].as_array().unwrap();
            for change in changes {
                self.take(change).map_err(|wrong| format!("{wrong}: {change}"))?;
            }
            self.cursor = page["cursor"].as_str().map(str::to_owned);
            if changes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Applies a change. Nothing repeats, nothing is out of order, and each change follows the previous one of its key, so that none is
    /// missing.
    fn take(&mut self, change: &Value) -> Result<(), String> {
        let version = number(&change["version"]).unwrap();
        let key = change["key"].as_str().unwrap().to_owned();
        let time_ms = ms_of(&change["time"]).unwrap();
        if version < self.version {
            return Err(format!("it follows version {}", self.version));
        }
        if version > self.version {
            (self.version, self.shown) = (version, BTreeSet::new());
        }
        if !self.shown.insert(key.clone()) {
            return Err("it is shown again".into());
        }
        let before = self.held.get(&key);
        let previous = number(&change["previous_version"]);
        let follows = match before {
            // An expired key is as good as absent.
            Some(before) if previous.is_none() => before.may_be_gone_at(time_ms),
            Some(before) => previous == before.version && before.may_be_there_at(time_ms),
            None => previous.is_none(),
        };
        if !follows {
            return Err(format!("before it the feed had come to {before:?}"));
        }
        if change["kind"] == "put" {
            let expires_ms = ms_of(&change["expires_at"]).map(|at_ms| at_ms..=at_ms);
            if key.contains("-once-") {
                self.once.insert(key.clone());
            }
            let value = change["value"].as_str().unwrap().to_owned();
            self.held.insert(key.clone(), Held { value, expires_ms, version: Some(version) });
        } else {
            if self.held.remove(&key).is_none() {
                return Err("it deletes what is not there".into());
            }
            *self.expiries.entry(key.clone()).or_default() += u64::from(previous.is_none());
        }
        self.changed.insert((version, key));
        Ok(())
    }

    /// How many of its keys have a deadline.
    pub(super) fn deadlines(&self) -> u64 {
        self.held.values().filter(|held| held.expires_ms.is_some()).count() as u64
    }
}

/// A number written as text.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.parse().unwrap())
}
