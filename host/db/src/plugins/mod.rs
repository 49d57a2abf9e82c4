//! Plugins that are kept: which there are, the versions of each, and their components.
//!
//! | file | holds |
//! |---|---|
//! | this one | list, keep, roll back, forget; the components themselves |
//! | `lost` | which components a database or a backup lacks |
//! | `record` | a plugin and its versions, and their bytes in the catalogue |
//!
//! A component is an attachment of the store, a file of its own, and the catalogue has a count of the versions that name it. Neither is an
//! event of the change feed or part of a bucket. What a plugin may do is a document that this room keeps as it is: the plugin host reads it.

mod lost;
mod record;

use std::io;

use bytes::Bytes;

pub use lost::{ComponentsSeen, LostComponent};
pub use record::{PLUGIN_VERSIONS_MAX, PluginRecord, PluginVersion};

use crate::engine::{Attached, AttachmentId, KeyRange, Transaction, Unsettled};
use crate::keyspace::{PLUGINS, name_in_plugin_key, plugin_key};
use crate::{Code, Database, Direction, Error, Expect};

/// Bytes of the document that says what a plugin may do.
pub const PLUGIN_MANIFEST_BYTES_MAX: usize = 64 << 10;

/// What a version of a plugin is made of.
#[derive(Debug)]
pub struct NewPluginVersion {
    /// The component, written by [`Database::write_component`].
    pub component: WrittenComponent,
    /// The document that says what it may do: at most [`PLUGIN_MANIFEST_BYTES_MAX`].
    pub manifest: String,
}

/// A component that is kept until this is dropped, and after that as long as a version names it.
#[derive(Debug)]
pub struct WrittenComponent {
    attached: Attached,
    bytes: u64,
}

/// Why a plugin was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// There is no such plugin.
    #[error("there is no plugin of this name")]
    NotFound,
    /// It is not as expected; its revision, if it exists.
    #[error("the plugin is not as expected")]
    Refused(Option<u64>),
    /// It has no version of this number, or none before the current one.
    #[error("the plugin has no such version")]
    VersionNotFound,
    /// There are as many plugins as the owner allows.
    #[error("there are {max} plugins, which is the limit")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The database refused it.
    #[error(transparent)]
    Db(#[from] Error),
}

impl Database {
    /// All plugins that are kept, by name. One whose record cannot be read is left out, and named in the second list.
    ///
    /// # Errors
    /// `transaction-too-old`, where the machine stood still meanwhile.
    pub fn plugins(&self) -> Result<(Vec<PluginRecord>, Vec<String>), Error> {
        let (mut plugins, mut unreadable) = (Vec::new(), Vec::new());
        let snapshot = self.0.engine.snapshot();
        snapshot.visit_shared(&KeyRange::prefix(&PLUGINS), Direction::Forward, |key, stored| {
            if let Some(name) = name_in_plugin_key(key) {
                match PluginRecord::decode(name, stored.version, &stored.value) {
                    Some(plugin) => plugins.push(plugin),
                    None => unreadable.push(name.to_owned()),
                }
            }
            std::ops::ControlFlow::Continue(())
        })?;
        Ok((plugins, unreadable))
    }

    /// A plugin that is kept.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<PluginRecord> {
        let stored = self.0.engine.get(&plugin_key(name))?;
        PluginRecord::decode(name, stored.version, &stored.value)
    }

    /// Keeps a new version of a plugin, which is then the current one. `expect` is about its revision; `plugins_max` about all plugins. Older
    /// versions beyond [`PLUGIN_VERSIONS_MAX`] go.
    ///
    /// # Errors
    /// [`PluginError`].
    pub async fn keep_plugin(
        &self,
        name: &str,
        new: NewPluginVersion,
        expect: Expect,
        plugins_max: usize,
    ) -> Result<PluginRecord, PluginError> {
        let NewPluginVersion { component, manifest } = new;
        if manifest.len() > PLUGIN_MANIFEST_BYTES_MAX {
            let what = format!("a plugin's manifest has more than {PLUGIN_MANIFEST_BYTES_MAX} bytes");
            return Err(Error::new(Code::ValueTooLarge, what).into());
        }
        self.check_room(manifest.len())?;
        let (id, component_bytes) = (component.attached.id(), component.bytes);
        let installed_ms = self.now_ms();
        let mut dropped = Vec::new();
        let outcome = self.0.engine.alone(|transaction| {
            let before = read(transaction, name)?;
            check(expect, before.as_ref())?;
            if before.is_none() && count(transaction)? >= plugins_max {
                return Err(PluginError::TooMany { max: plugins_max });
            }
            let mut plugin = before.unwrap_or_else(|| PluginRecord::new(name));
            let version = PluginVersion { number: 0, hash: *id.hash(), component_bytes, installed_ms, manifest };
            dropped = plugin.add(version);
            name_attachment(transaction, id)?;
            release_attachments(transaction, &dropped)?;
            transaction.put(&plugin_key(name), plugin.encode(), None);
            Ok(plugin)
        });
        let changed = self.changed(outcome, &dropped).await;
        // Until the commit is final nobody may remove the file.
        drop(component);
        changed
    }

    /// Whether a plugin is as expected now, for a caller with much to do before it changes that.
    ///
    /// # Errors
    /// [`PluginError::Refused`].
    pub fn expect_plugin(&self, name: &str, expect: Expect) -> Result<(), PluginError> {
        check(expect, self.plugin(name).as_ref())
    }

    /// Writes a component where it stays. Waits for the disk, and hashes the component.
    ///
    /// # Errors
    /// `store-full`, `disk-full`, `storage-failed`, `read-only`.
    pub fn write_component(&self, component: &Bytes) -> Result<WrittenComponent, Error> {
        // Components in memory count against the limit of bytes, as keys and values do.
        let in_memory = usize::try_from(self.store().attachment_bytes_in_memory()).unwrap_or(usize::MAX);
        self.check_room(component.len().saturating_add(in_memory))?;
        let attached = self.store().attach(component).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::from(Code::DiskFull),
            _ => Error::new(Code::StorageFailed, format!("the component could not be written: {error}")),
        })?;
        Ok(WrittenComponent { attached, bytes: component.len() as u64 })
    }

    /// Makes an older version of a plugin the current one: that of the number `to`, or the newest one before the current one.
    ///
    /// # Errors
    /// [`PluginError`].
    pub async fn roll_back_plugin(
        &self,
        name: &str,
        to: Option<u64>,
        expect: Expect,
    ) -> Result<PluginRecord, PluginError> {
        self.check_room(1)?;
        let outcome = self.0.engine.alone(|transaction| {
            let mut plugin = read(transaction, name)?.ok_or(PluginError::NotFound)?;
            check(expect, Some(&plugin))?;
            plugin.roll_back(to).ok_or(PluginError::VersionNotFound)?;
            transaction.put(&plugin_key(name), plugin.encode(), None);
            Ok(plugin)
        });
        self.changed(outcome, &[]).await
    }

    /// Forgets a plugin with all its versions.
    ///
    /// # Errors
    /// [`PluginError`].
    pub async fn forget_plugin(&self, name: &str, expect: Expect) -> Result<(), PluginError> {
        self.check_open()?;
        let mut dropped = Vec::new();
        let outcome = self.0.engine.alone(|transaction| {
            let key = plugin_key(name);
            let stored = transaction.get(&key).map_err(Error::from)?.ok_or(PluginError::NotFound)?;
            // One that cannot be read can be forgotten all the same; its component stays.
            let plugin = PluginRecord::decode(name, stored.version, &stored.value);
            let mut plugin = plugin.unwrap_or_else(|| PluginRecord::without_versions(name, stored.version));
            check(expect, Some(&plugin))?;
            dropped = std::mem::take(&mut plugin.versions);
            release_attachments(transaction, &dropped)?;
            transaction.delete(&key);
            Ok(plugin)
        });
        self.changed(outcome, &dropped).await.map(drop)
    }

    /// The component of a version. Waits for the disk, and hashes it.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound); [`InvalidData`](io::ErrorKind::InvalidData) where its file is damaged; the disk's.
    pub fn plugin_component(&self, version: &PluginVersion) -> io::Result<Bytes> {
        self.store().attachment(AttachmentId::from_hash(version.hash))
    }

    /// Waits until a change is final. The files of dropped versions go after that.
    async fn changed(
        &self,
        outcome: Unsettled<PluginRecord, PluginError>,
        dropped: &[PluginVersion],
    ) -> Result<PluginRecord, PluginError> {
        let (mut plugin, revision, _) = self.0.engine.settle(outcome).await?;
        plugin.revision = revision;
        for version in dropped {
            self.store().note_attachment_dropped(AttachmentId::from_hash(version.hash));
        }
        Ok(plugin)
    }
}

/// Whether a plugin is as expected.
fn check(expect: Expect, plugin: Option<&PluginRecord>) -> Result<(), PluginError> {
    let revision = plugin.map(|plugin| plugin.revision);
    let is_met = match expect {
        Expect::Anything => true,
        Expect::Absent => revision.is_none(),
        Expect::Present => revision.is_some(),
        Expect::Version(expected) => revision == Some(expected),
    };
    if is_met { Ok(()) } else { Err(PluginError::Refused(revision)) }
}

fn read(transaction: &mut Transaction, name: &str) -> Result<Option<PluginRecord>, PluginError> {
    let Some(stored) = transaction.get(&plugin_key(name)).map_err(Error::from)? else { return Ok(None) };
    let damaged =
        || Error::new(Code::ReadOnly, "the plugin's record is damaged; remove the plugin and install it again");
    Ok(Some(PluginRecord::decode(name, stored.version, &stored.value).ok_or_else(damaged)?))
}

fn count(transaction: &mut Transaction) -> Result<usize, PluginError> {
    let mut count = 0;
    let visited = transaction.visit(&KeyRange::prefix(&PLUGINS), Direction::Forward, |_, _, _| {
        count += 1;
        std::ops::ControlFlow::Continue(())
    });
    visited.map_err(Error::from)?;
    Ok(count)
}

/// Counts one more version that names an attachment.
fn name_attachment(transaction: &mut Transaction, id: AttachmentId) -> Result<(), PluginError> {
    let uses = uses_of(transaction, id)?.saturating_add(1);
    transaction.put(&id.key(), uses.to_be_bytes().to_vec(), None);
    Ok(())
}

/// Counts one less for each of these versions; the key goes with the last.
fn release_attachments(transaction: &mut Transaction, versions: &[PluginVersion]) -> Result<(), PluginError> {
    for version in versions {
        let id = AttachmentId::from_hash(version.hash);
        match uses_of(transaction, id)? {
            0 | 1 => transaction.delete(&id.key()),
            uses => transaction.put(&id.key(), (uses - 1).to_be_bytes().to_vec(), None),
        }
    }
    Ok(())
}

fn uses_of(transaction: &mut Transaction, id: AttachmentId) -> Result<u32, PluginError> {
    let stored = transaction.get(&id.key()).map_err(Error::from)?;
    Ok(stored.and_then(|stored| stored.value[..].try_into().ok()).map_or(0, u32::from_be_bytes))
}
