//! The change feed, read on from where it was left before the kill, and what it comes to when it is done again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::book::Held;
use super::client::Connection;
use super::ms_of;

/// A place in the feed, and everything that it has said so far.
#[derive(Default)]
pub(super) struct Feed {
    cursor: Option<String>,
    /// The newest commit that was shown, and its keys.
    version: u64,
    shown: BTreeSet<String>,
    /// What there is by what the feed has said: the expired too, until it says that they were removed.
    pub(super) held: BTreeMap<String, Held>,
    /// How often each key was removed because it had expired.
    pub(super) expiries: BTreeMap<String, u64>,
    /// Keys that were written, by those who write them once, with a deadline soon.
    pub(super) once: BTreeSet<String>,
    /// What was shown since this was last emptied.
    pub(super) changed: BTreeSet<(u64, String)>,
}

impl Feed {
    /// Reads on to the end.
    ///
    /// # Errors
    /// What the feed may not say.
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

    /// Does a change again. Nothing comes twice, nothing out of order, and each change follows the one before it of its key, so that
    /// none is left out.
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
            // What has expired is as good as absent.
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
