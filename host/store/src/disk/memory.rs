//! Files in memory.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// Files in memory. Cloning gives another handle to the same ones.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    files: Arc<Mutex<BTreeMap<String, Contents>>>,
    lock: Arc<()>,
}

pub(super) type Contents = Arc<Mutex<Vec<u8>>>;

impl MemoryDisk {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds copies of these files.
    #[must_use]
    pub fn with_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let files = files.into_iter().map(|(name, bytes)| (name, Arc::new(Mutex::new(bytes)))).collect();
        Self { files: Arc::new(Mutex::new(files)), lock: Arc::new(()) }
    }

    /// Copies of all files, by name.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.files.lock().iter().map(|(name, bytes)| (name.clone(), bytes.lock().clone())).collect()
    }

    fn find(&self, name: &str) -> io::Result<Contents> {
        self.files.lock().get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for MemoryDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        // Each held lock is a clone of the one in the disk's files, which all handles share.
        let _files = self.files.lock();
        if Arc::weak_count(&self.lock) > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Arc::downgrade(&self.lock)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut files = self.files.lock();
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let contents = Contents::default();
        files.insert(name.to_owned(), Arc::clone(&contents));
        Ok(Box::new(MemoryFile(contents)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MemoryFile(self.find(name)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.lock();
        let contents = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), contents);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.lock().remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}

struct MemoryFile(Contents);

impl DiskFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.lock();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let read = buffer.len().min(bytes.len() - start);
        buffer[..read].copy_from_slice(&bytes[start..start + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        overwrite(&mut self.0.lock(), bytes, offset)?;
        Ok(bytes.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.lock().resize(in_memory(size)?, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn in_memory(size: u64) -> io::Result<usize> {
    usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// Writes `bytes` at `offset`, filling any gap with zeros.
pub(crate) fn overwrite(contents: &mut Vec<u8>, bytes: &[u8], offset: u64) -> io::Result<()> {
    let start = in_memory(offset)?;
    let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[start..end].copy_from_slice(bytes);
    Ok(())
}
