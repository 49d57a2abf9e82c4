//! Files in memory that record every operation, and the possible remains after a power cut.
//!
//! The model is that of file systems without ordering between files: synced data stays; of everything else any part may be there, in any
//! order. A write may be torn at 512 bytes (a sector) or at every byte, a file may have its new length without its new contents, and a name
//! that was made, changed or removed may be in its old state until its directory is synced. See Pillai et al., "All File Systems Are Not
//! Created Equal" (OSDI 2014), for systems that do each of these.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile, MemoryDisk, in_memory, overwrite};

/// The file of an operation, whatever its name is by then.
type Inode = usize;

#[derive(Debug, Clone)]
enum Done {
    Create(String, Inode),
    /// The file that was renamed, whichever file has its old name by then.
    Rename(String, String, Inode),
    Remove(String),
    SyncDirectory,
    Write(Inode, Vec<u8>, u64),
    SetSize(Inode, u64),
    Sync(Inode),
}

#[derive(Debug, Default)]
struct Journal {
    done: Vec<Done>,
    names: BTreeMap<String, Inode>,
    inodes: usize,
}

/// Files in memory that record every operation. Cloning gives another handle to the same ones.
#[derive(Debug, Clone, Default)]
pub struct PowerCutDisk {
    memory: MemoryDisk,
    journal: Arc<Mutex<Journal>>,
}

impl PowerCutDisk {
    /// No files, and nothing done.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that starts with these files, all of them durable.
    #[must_use]
    pub fn with_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self { memory: MemoryDisk::with_files(files.clone()), journal: Arc::default() };
        let mut journal = disk.journal.lock();
        for (name, bytes) in files {
            let inode = journal.create(&name);
            journal.done.extend([Done::Write(inode, bytes, 0), Done::Sync(inode), Done::SyncDirectory]);
        }
        drop(journal);
        disk
    }

    /// The number of operations so far that changed something. The power can be cut after each: at 0 to this many.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.journal.lock().done.len()
    }

    /// The certain and uncertain changes when the power is cut after the first `operations`.
    #[must_use]
    pub fn cut_after(&self, operations: usize) -> Wreck {
        let journal = self.journal.lock();
        let mut wreck = Wreck::default();
        journal.done[..operations].iter().for_each(|done| wreck.advance(done));
        wreck
    }

    /// Calls `see` with the wreck of a cut after each operation, and the number of operations that were done: cheaper than
    /// [`cut_after`](Self::cut_after) for each.
    pub fn cuts(&self, mut see: impl FnMut(usize, &Wreck)) {
        let done = self.journal.lock().done.clone();
        let mut wreck = Wreck::default();
        see(0, &wreck);
        for (index, done) in done.iter().enumerate() {
            wreck.advance(done);
            see(index + 1, &wreck);
        }
    }

    fn wrap(&self, name: &str, file: Box<dyn DiskFile>) -> io::Result<Box<dyn DiskFile>> {
        let inode = *self.journal.lock().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(PowerCutFile { file, inode, journal: Arc::clone(&self.journal) }))
    }
}

impl Journal {
    fn create(&mut self, name: &str) -> Inode {
        let inode = self.inodes;
        self.inodes += 1;
        self.names.insert(name.to_owned(), inode);
        self.done.push(Done::Create(name.to_owned(), inode));
        inode
    }
}

impl Disk for PowerCutDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.memory.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.memory.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.memory.create(name)?;
        self.journal.lock().create(name);
        self.wrap(name, file)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.wrap(name, self.memory.open(name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.memory.rename(from, to)?;
        let mut journal = self.journal.lock();
        let inode = journal.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        journal.names.insert(to.to_owned(), inode);
        journal.done.push(Done::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.memory.remove(name)?;
        let mut journal = self.journal.lock();
        journal.names.remove(name);
        journal.done.push(Done::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.journal.lock().done.push(Done::SyncDirectory);
        Ok(())
    }
}

struct PowerCutFile {
    file: Box<dyn DiskFile>,
    inode: Inode,
    journal: Arc<Mutex<Journal>>,
}

impl DiskFile for PowerCutFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        // The journal keeps the order in which the file changed.
        let mut journal = self.journal.lock();
        let written = self.file.write_at(bytes, offset)?;
        journal.done.push(Done::Write(self.inode, bytes[..written].to_vec(), offset));
        Ok(written)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut journal = self.journal.lock();
        self.file.set_size(size)?;
        journal.done.push(Done::SetSize(self.inode, size));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.journal.lock().done.push(Done::Sync(self.inode));
        Ok(())
    }
}

/// Where writes that were not synced can be torn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tearing {
    /// At multiples of 512 bytes in the file.
    Sectors,
    /// At every byte.
    Bytes,
}

/// The result of a power cut: files that are certain, and changes of which any part may have happened.
#[derive(Debug, Clone, Default)]
pub struct Wreck {
    names: BTreeMap<String, Inode>,
    contents: BTreeMap<Inode, Vec<u8>>,
    unsynced_names: Vec<Done>,
    unsynced: BTreeMap<Inode, Vec<Done>>,
}

impl Wreck {
    fn advance(&mut self, done: &Done) {
        match done {
            Done::Create(_, inode) => {
                self.contents.insert(*inode, Vec::new());
                self.unsynced_names.push(done.clone());
            }
            Done::Rename(..) | Done::Remove(_) => self.unsynced_names.push(done.clone()),
            Done::SyncDirectory => {
                for change in std::mem::take(&mut self.unsynced_names) {
                    rename(&mut self.names, &change);
                }
            }
            Done::Write(inode, ..) | Done::SetSize(inode, _) => {
                self.unsynced.entry(*inode).or_default().push(done.clone());
            }
            Done::Sync(inode) => {
                let contents = self.contents.entry(*inode).or_default();
                for change in self.unsynced.remove(inode).unwrap_or_default() {
                    change_contents(contents, &change);
                }
            }
        }
    }

    /// Whether everything is certain.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.unsynced_names.is_empty() && self.unsynced.is_empty()
    }

    /// The disk without any uncertain change.
    #[must_use]
    pub fn least(&self) -> MemoryDisk {
        self.disk(Tearing::Sectors, |_| 0)
    }

    /// The disk with all uncertain changes, as after the end of the process alone.
    #[must_use]
    pub fn most(&self) -> MemoryDisk {
        self.disk(Tearing::Sectors, |_| 1)
    }

    /// The disk with some of the uncertain changes. `choose` is called with a number of options above 1 for each choice, and returns one of
    /// them: 0 means "did not happen".
    #[must_use]
    pub fn disk(&self, tearing: Tearing, mut choose: impl FnMut(u64) -> u64) -> MemoryDisk {
        let mut names = self.names.clone();
        for change in &self.unsynced_names {
            if choose(2) == 1 {
                rename(&mut names, change);
            }
        }
        let mut files = BTreeMap::new();
        for (name, inode) in names {
            let mut contents = self.contents.get(&inode).cloned().unwrap_or_default();
            for change in self.unsynced.get(&inode).into_iter().flatten() {
                tear(&mut contents, change, tearing, &mut choose);
            }
            files.insert(name, contents);
        }
        MemoryDisk::with_files(files)
    }
}

fn rename(names: &mut BTreeMap<String, Inode>, change: &Done) {
    match change {
        Done::Create(name, inode) => drop(names.insert(name.clone(), *inode)),
        Done::Rename(from, to, inode) => {
            if names.get(from) == Some(inode) {
                names.remove(from);
            }
            names.insert(to.clone(), *inode);
        }
        Done::Remove(name) => drop(names.remove(name)),
        _ => {}
    }
}

fn change_contents(contents: &mut Vec<u8>, change: &Done) {
    // An operation that succeeded in memory succeeds again.
    match change {
        Done::Write(_, bytes, offset) => overwrite(contents, bytes, *offset).unwrap_or_default(),
        Done::SetSize(_, size) => contents.resize(in_memory(*size).unwrap_or_default(), 0),
        _ => {}
    }
}

/// Applies some parts of a change.
fn tear(contents: &mut Vec<u8>, change: &Done, tearing: Tearing, choose: &mut impl FnMut(u64) -> u64) {
    let Done::Write(_, bytes, offset) = change else {
        if choose(2) == 1 {
            change_contents(contents, change);
        }
        return;
    };
    // All of it, or nothing, or parts of it, with or without the length of the whole.
    match choose(4) {
        0 => {}
        1 => change_contents(contents, change),
        way => {
            if way == 3 {
                let end = in_memory(*offset).unwrap_or_default() + bytes.len();
                let length = contents.len().max(end);
                contents.resize(length, 0);
            }
            for (start, piece) in pieces(bytes, *offset, tearing, choose) {
                if choose(2) == 1 {
                    overwrite(contents, piece, start).unwrap_or_default();
                }
            }
        }
    }
}

/// The pieces into which a write at `offset` is torn.
fn pieces<'b>(
    bytes: &'b [u8],
    offset: u64,
    tearing: Tearing,
    choose: &mut impl FnMut(u64) -> u64,
) -> Vec<(u64, &'b [u8])> {
    const SECTOR_BYTES: u64 = 512;
    let mut pieces = Vec::new();
    let (mut rest, mut start) = (bytes, offset);
    while !rest.is_empty() {
        let length = match tearing {
            Tearing::Sectors => SECTOR_BYTES - start % SECTOR_BYTES,
            // One cut at any byte leaves two pieces; long runs keep the number of choices small.
            Tearing::Bytes => 1 + choose(rest.len() as u64),
        };
        let (piece, after) = rest.split_at(rest.len().min(in_memory(length).unwrap_or(usize::MAX)));
        pieces.push((start, piece));
        start += piece.len() as u64;
        rest = after;
    }
    pieces
}
