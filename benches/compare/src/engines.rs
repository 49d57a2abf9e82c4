//! The engines under comparison, with one interface.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use fjall::{KeyspaceCreateOptions, PersistMode};
use futures_executor::block_on;
use mantis_store::disk::DirectoryDisk;
use mantis_store::{Direction, DiskThreads, Expect, KeyRange, SeededRandom, Store, SystemClock, Update};
use parking_lot::RwLock;
use redb::{ReadableDatabase, TableDefinition};
use surrealmx::{AolMode, DatabaseOptions, FsyncMode, PersistenceOptions, SnapshotMode};

use crate::Durability;

/// Everybody may keep all rows in memory.
const CACHE_BYTES: usize = 4 << 30;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

pub(crate) type Row = ([u8; 24], Vec<u8>);

/// What all of them do. A write that has returned is as durable as was asked for.
pub(crate) trait Engine: Sync {
    /// Shows the value of a key, if there is one.
    fn read(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()>;
    fn write(&self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Writes many rows at once.
    fn write_all(&self, rows: &[Row]) -> Result<()>;
    /// Shows the values of `count` keys from this one on, in order.
    fn scan(&self, from: &[u8], count: usize, see: &mut dyn FnMut(&[u8])) -> Result<()>;
}

pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) engine: Box<dyn Engine>,
    /// Rows in it.
    pub(crate) rows: u64,
}

/// Those that can keep the promise, empty, MantisDB first.
pub(crate) fn contestants(durability: Durability, dir: &Path, only: &[String]) -> Result<Vec<Contestant>> {
    let mut all: Vec<Contestant> = Vec::new();
    let mut add = |name: &'static str, make: &dyn Fn() -> Result<Box<dyn Engine>>| {
        let is_wanted = only.is_empty() || name == "MantisDB" || only.iter().any(|part| name.contains(part.as_str()));
        if is_wanted {
            all.push(Contestant { name, engine: make()?, rows: 0 });
        }
        anyhow::Ok(())
    };
    add("MantisDB", &|| Ok(Box::new(Mantis::open(durability, dir)?)))?;
    if durability == Durability::Memory {
        add("RwLock<BTreeMap>", &|| Ok(Box::new(RwLock::new(BTreeMap::new()))))?;
    }
    // Between nothing and a sync redb has nothing to offer: what is not synced is gone with the process.
    if durability != Durability::System {
        add("redb", &|| Ok(Box::new(Redb::open(durability, dir)?)))?;
    }
    // fjall always has a journal.
    if durability != Durability::Memory {
        add("fjall", &|| Ok(Box::new(Fjall::open(durability, dir)?)))?;
    }
    add("surrealmx", &|| Ok(Box::new(Surreal::open(durability, dir)?)))?;
    Ok(all)
}

struct Mantis {
    store: Store,
    _threads: DiskThreads,
}

impl Mantis {
    fn open(durability: Durability, dir: &Path) -> Result<Self> {
        let mut options = mantis_store::Options::new(Arc::new(SystemClock), Arc::new(SeededRandom::new(1)));
        options.feed_bytes_max = 1 << 20;
        let promise = match durability {
            Durability::Memory => None,
            Durability::System => Some(mantis_store::Durability::Never),
            Durability::Disk => Some(mantis_store::Durability::Always),
        };
        let store = match promise {
            None => Store::new(options),
            Some(promise) => Store::open(options, Arc::new(DirectoryDisk::new(dir.join("mantisdb"))?), promise)?.0,
        };
        let threads = DiskThreads::start(&store, Box::new(|_| ()))?;
        Ok(Self { store, _threads: threads })
    }
}

impl Engine for Mantis {
    fn read(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Some(entry) = self.store.get(key) {
            see(&entry.value);
        }
        Ok(())
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let update = Update::Put { value: Bytes::copy_from_slice(value), expires_at_ms: None };
        let written = self.store.write(key, update, Expect::Anything, None)?;
        let version = written.map_err(|_| anyhow!("a write without a condition was refused"))?.version;
        Ok(block_on(self.store.settled(version))?)
    }

    fn write_all(&self, rows: &[Row]) -> Result<()> {
        let written = self.store.exclusively(|transaction| {
            for (key, value) in rows {
                transaction.put(key, Bytes::copy_from_slice(value), None);
            }
            Ok::<_, mantis_store::Error>(())
        });
        Ok(block_on(self.store.settled(written?.1))?)
    }

    fn scan(&self, from: &[u8], count: usize, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let range = KeyRange { start: Bound::Included(from.into()), end: Bound::Unbounded };
        let mut seen = 0;
        self.store.snapshot().visit(&range, Direction::Forward, |_, entry| {
            see(&entry.value);
            seen += 1;
            if seen < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(())
    }
}

impl Engine for RwLock<BTreeMap<Box<[u8]>, Bytes>> {
    fn read(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let value = RwLock::read(self).get(key).cloned();
        if let Some(value) = value {
            see(&value);
        }
        Ok(())
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let value = Bytes::copy_from_slice(value);
        RwLock::write(self).insert(key.into(), value);
        Ok(())
    }

    fn write_all(&self, rows: &[Row]) -> Result<()> {
        rows.iter().try_for_each(|(key, value)| Engine::write(self, key, value))
    }

    fn scan(&self, from: &[u8], count: usize, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let map = RwLock::read(self);
        for (_, value) in map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).take(count) {
            see(value);
        }
        Ok(())
    }
}

struct Redb(redb::Database);

impl Redb {
    fn open(durability: Durability, dir: &Path) -> Result<Self> {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        // In memory a sync costs nothing, and without `Durability::Immediate` pages would never be used again.
        let database = if durability == Durability::Memory {
            builder.create_with_backend(redb::backends::InMemoryBackend::new())?
        } else {
            builder.create(dir.join("redb"))?
        };
        Ok(Self(database))
    }
}

impl Engine for Redb {
    fn read(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Some(value) = self.0.begin_read()?.open_table(TABLE)?.get(key)? {
            see(value.value());
        }
        Ok(())
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(TABLE)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }

    fn write_all(&self, rows: &[Row]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in rows {
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn scan(&self, from: &[u8], count: usize, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        for entry in table.range(from..)?.take(count) {
            see(entry?.1.value());
        }
        Ok(())
    }
}

struct Fjall {
    rows: fjall::Keyspace,
    database: fjall::Database,
    syncs: bool,
}

impl Fjall {
    fn open(durability: Durability, dir: &Path) -> Result<Self> {
        let database = fjall::Database::builder(dir.join("fjall")).cache_size(CACHE_BYTES as u64).open()?;
        let rows = database.keyspace("rows", KeyspaceCreateOptions::default)?;
        Ok(Self { rows, database, syncs: durability == Durability::Disk })
    }

    fn persist(&self) -> Result<()> {
        // Otherwise the system has it already.
        if self.syncs {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Engine for Fjall {
    fn read(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Some(value) = self.rows.get(key)? {
            see(&value);
        }
        Ok(())
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.rows.insert(key, value)?;
        self.persist()
    }

    fn write_all(&self, rows: &[Row]) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in rows {
            batch.insert(&self.rows, key.as_slice(), value.as_slice());
        }
        batch.commit()?;
        self.persist()
    }

    fn scan(&self, from: &[u8], count: usize, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        for entry in self.rows.range(from..).take(count) {
            see(&entry.value()?);
        }
        Ok(())
    }
}

struct Surreal(surrealmx::Database);

impl Surreal {
    fn open(durability: Durability, dir: &Path) -> Result<Self> {
        if durability == Durability::Memory {
            return Ok(Self(surrealmx::Database::new()));
        }
        let syncs = if durability == Durability::Disk { FsyncMode::EveryAppend } else { FsyncMode::Never };
        let persistence = PersistenceOptions::new(dir.join("surrealmx"))
            .with_aol_mode(AolMode::SynchronousOnCommit)
            .with_snapshot_mode(SnapshotMode::Never)
            .with_fsync_mode(syncs);
        Ok(Self(surrealmx::Database::new_with_persistence(DatabaseOptions::default(), persistence)?))
    }
}

impl Engine for Surreal {
    fn read(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.0.with_value(key, |value| see(value))?;
        Ok(())
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.set(key, value)?)
    }

    fn write_all(&self, rows: &[Row]) -> Result<()> {
        let mut transaction = self.0.transaction(true);
        for (key, value) in rows {
            transaction.set(key.as_slice(), value.as_slice())?;
        }
        Ok(transaction.commit()?)
    }

    fn scan(&self, from: &[u8], count: usize, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let end: &[u8] = b"v";
        self.0.scan_with(from..end, None, Some(count), |_, value| {
            see(value);
            true
        })?;
        Ok(())
    }
}
