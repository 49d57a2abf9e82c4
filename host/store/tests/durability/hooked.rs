//! A disk with a hook before each of its operations.

use std::any::Any;
use std::io;
use std::sync::Arc;

use mantis_store::disk::{Disk, DiskFile, MemoryDisk};
use mantis_store::testing::Operation;

type Hook = dyn Fn(Operation) + Send + Sync;

#[derive(Clone)]
pub(super) struct Hooked {
    disk: Arc<dyn Disk>,
    hook: Arc<Hook>,
}

struct HookedFile(Box<dyn DiskFile>, Arc<Hook>);

impl Hooked {
    pub(super) fn new(disk: &MemoryDisk, hook: impl Fn(Operation) + Send + Sync + 'static) -> Self {
        Self::over(disk.clone(), hook)
    }

    pub(super) fn over(disk: impl Disk, hook: impl Fn(Operation) + Send + Sync + 'static) -> Self {
        Self { disk: Arc::new(disk), hook: Arc::new(hook) }
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(HookedFile(file, Arc::clone(&self.hook)))
    }
}

impl Disk for Hooked {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        (self.hook)(Operation::Lock);
        self.disk.lock()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        (self.hook)(Operation::List);
        self.disk.list()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        (self.hook)(Operation::Create);
        Ok(self.file(self.disk.create(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        (self.hook)(Operation::Open);
        Ok(self.file(self.disk.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        (self.hook)(Operation::Rename);
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        (self.hook)(Operation::Remove);
        self.disk.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        (self.hook)(Operation::SyncDirectory);
        self.disk.sync_directory()
    }
}

impl DiskFile for HookedFile {
    fn size(&self) -> io::Result<u64> {
        (self.1)(Operation::Size);
        self.0.size()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.1)(Operation::Read);
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        (self.1)(Operation::Write);
        self.0.write_at(bytes, offset)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        (self.1)(Operation::SetSize);
        self.0.set_size(size)
    }
    fn sync(&self) -> io::Result<()> {
        (self.1)(Operation::Sync);
        self.0.sync()
    }
}
