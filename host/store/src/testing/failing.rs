//! A disk whose operations fail as planned.

use std::any::Any;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile};

/// A kind of operation on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as the methods are")]
pub enum Operation {
    Lock,
    List,
    Create,
    Open,
    Rename,
    Remove,
    SyncDirectory,
    Size,
    Read,
    Write,
    SetSize,
    Sync,
}

/// A planned fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The number of the first operation that fails, from 0, among those counted.
    pub at: u64,
    /// The kind of operation that counts; all of them if `None`.
    pub only: Option<Operation>,
    /// How many fail in a row; `u64::MAX` for all further ones.
    pub times: u64,
    /// The error. With [`io::ErrorKind::WriteZero`] a write stores half of its bytes, and the next one fails with
    /// [`io::ErrorKind::StorageFull`].
    pub error: io::ErrorKind,
}

#[derive(Debug, Default)]
struct Plan {
    fault: Option<Fault>,
    counted: u64,
    injected: u64,
}

/// A disk whose operations fail as planned, and otherwise work on another disk. Cloning gives another handle to the same one.
#[derive(Debug, Clone)]
pub struct FailingDisk<D> {
    inner: D,
    plan: Arc<Mutex<Plan>>,
}

impl<D: Disk> FailingDisk<D> {
    /// Uses `inner`, without faults so far.
    pub fn new(inner: D) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// Plans a fault in place of the previous one, and counts operations from 0 again.
    pub fn plan(&self, fault: Option<Fault>) {
        *self.plan.lock() = Plan { fault, counted: 0, injected: 0 };
    }

    /// Operations counted since the plan was made: all of them, or those of the fault's kind.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.plan.lock().counted
    }

    /// Operations that have failed since the plan was made.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.plan.lock().injected
    }

    fn check(&self, operation: Operation) -> io::Result<()> {
        check(&self.plan, operation)
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FailingFile { file, plan: Arc::clone(&self.plan) })
    }
}

/// The planned error for the next operation, which is of this kind.
fn check(plan: &Mutex<Plan>, operation: Operation) -> io::Result<()> {
    let mut plan = plan.lock();
    let only = plan.fault.and_then(|fault| fault.only);
    if only.is_some_and(|only| only != operation) {
        return Ok(());
    }
    let number = plan.counted;
    plan.counted += 1;
    match plan.fault {
        Some(fault) if number >= fault.at && number - fault.at < fault.times => {
            plan.injected += 1;
            Err(fault.error.into())
        }
        _ => Ok(()),
    }
}

impl<D: Disk> Disk for FailingDisk<D> {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.check(Operation::Lock)?;
        self.inner.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.check(Operation::List)?;
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check(Operation::Create)?;
        Ok(self.wrap(self.inner.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check(Operation::Open)?;
        Ok(self.wrap(self.inner.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check(Operation::Rename)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check(Operation::Remove)?;
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.check(Operation::SyncDirectory)?;
        self.inner.sync_directory()
    }
}

struct FailingFile {
    file: Box<dyn DiskFile>,
    plan: Arc<Mutex<Plan>>,
}

impl DiskFile for FailingFile {
    fn size(&self) -> io::Result<u64> {
        check(&self.plan, Operation::Size)?;
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        check(&self.plan, Operation::Read)?;
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match check(&self.plan, Operation::Write) {
            Ok(()) => self.file.write_at(bytes, offset),
            // A short write is the first answer of a disk that fills up.
            Err(error) if error.kind() == io::ErrorKind::WriteZero => {
                if let Some(fault) = &mut self.plan.lock().fault {
                    fault.error = io::ErrorKind::StorageFull;
                    fault.times = fault.times.saturating_add(1);
                }
                self.file.write_at(&bytes[..bytes.len() / 2], offset)
            }
            Err(error) => Err(error),
        }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        check(&self.plan, Operation::SetSize)?;
        self.file.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        check(&self.plan, Operation::Sync)?;
        self.file.sync()
    }

    fn check_place(&self) -> io::Result<()> {
        self.file.check_place()
    }
}
