//! `mantisdb restore`: a backup to a data directory.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressBar;
use mantis_db::disk::{DirectoryDisk, DiskFile};
use mantis_db::{
    Checkpoint, EngineOptions, RestoreError, Seen, SystemClock, SystemRandom, Unreadable, abandon_restore,
    begin_restore, restore_showing, verify,
};

use super::backup;
use crate::cli::RestoreArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::files::{Archive, Fresh};
use crate::{interrupt, progress};

pub(super) fn run(args: &RestoreArgs) -> Outcome {
    let (path, data) = (&args.file, &args.data.data);
    let archive = Archive::open(path)?;
    let is_new = !data.exists();
    let disk =
        DirectoryDisk::with_modes(data, args.data.mode.modes()).map_err(|error| Failure::file("use", data, &error))?;
    let fresh = is_new.then(|| Fresh::new(data));
    let polite = interrupt::Polite::new();
    let restored = restore_from(archive, data, &disk, is_new);
    drop((polite, fresh));
    let (whole, seen) = restored.map_err(|error| {
        if is_new {
            // Fails where something was written, as it should.
            let _ = remove_empty(data);
        }
        failure(args, &error)
    })?;
    backup::show(&whole, seen.contents(), args.data.json)?;
    Failure::plugins(data.display(), &seen.lost())
}

/// The files that mark a new directory, which go with it at a signal.
fn marks(data: &Path) -> io::Result<Vec<Fresh>> {
    fs::read_dir(data)?.map(|entry| Ok(Fresh::new(&entry?.path()))).collect()
}

/// Removes a directory in which there is nothing but the lock that this command held.
fn remove_empty(data: &Path) -> io::Result<()> {
    let names = fs::read_dir(data)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    if let [name] = &names[..]
        && name == "lock"
    {
        fs::remove_file(data.join(name))?;
    }
    fs::remove_dir(data)
}

/// The engine's options for work on files.
pub(super) fn options() -> EngineOptions {
    EngineOptions::new(Arc::new(SystemClock), Arc::new(SystemRandom))
}

/// Reads the backup once to check it, and once to copy it. What can be read only once goes through a file without a name, in the data
/// directory, where there has to be room for the database anyway.
fn restore_from(
    archive: Archive,
    data: &Path,
    disk: &DirectoryDisk,
    is_new: bool,
) -> Result<(Checkpoint, Seen), RestoreError> {
    let (file, bytes) = match archive {
        Archive::File(file, bytes) => (file, bytes),
        Archive::Stream(stream) => {
            // Killed meanwhile, this leaves a directory that is not taken for that of an empty database.
            begin_restore(disk, &options())?;
            let marks = if is_new { marks(data)? } else { Vec::new() };
            let bar = progress::bar(None);
            let spooled = spool(bar.wrap_read(stream), data);
            bar.finish_and_clear();
            drop(marks);
            if spooled.is_err() {
                // Left there, the mark is removed by the next restore.
                let _ = abandon_restore(disk);
            }
            spooled?
        }
    };
    let watched = Watched { file, bar: progress::bar(Some(2 * bytes)) };
    let mut seen = Seen::default();
    let restored = restore_showing(&watched, disk, &options(), &mut |part| seen.see(part));
    watched.bar.finish_and_clear();
    Ok((restored?, seen))
}

/// Copies a stream into a file, and checks it meanwhile: what is no backup is not copied for long.
fn spool(stream: impl Read, data: &Path) -> Result<(File, u64), RestoreError> {
    let mut arriving = Arriving { stream, file: tempfile::tempfile_in(data)?, failed: None };
    let checked = verify(&mut arriving);
    if let Some(error) = arriving.failed {
        return Err(error.into());
    }
    let whole = checked?;
    Ok((arriving.file, whole.bytes))
}

fn failure(args: &RestoreArgs, error: &RestoreError) -> Failure {
    let (file, data) = (Failure::name_of(&args.file), args.data.data.display());
    if interrupt::is_interrupted() {
        return Failure::new(Exit::Local, format!("interrupted: nothing was restored into {data}"));
    }
    match error {
        RestoreError::Backup(Unreadable::Io(error)) => {
            Failure::new(Exit::Local, format!("{file} cannot be read: {error}")).hint("nothing was written")
        }
        RestoreError::Backup(error) => Failure::new(Exit::Local, format!("{file} cannot be restored: {error}"))
            .hint("nothing was written; check that this is a whole backup made by `mantisdb backup`"),
        RestoreError::NotEmpty { .. } | RestoreError::InUse => {
            Failure::new(Exit::Local, format!("cannot restore into {data}: {error}"))
                .hint("choose a directory that does not exist or is empty with --data")
        }
        _ => Failure::new(Exit::Local, format!("cannot restore into {data}: {error}"))
            .hint("what was written is not a database; the restore can be run again"),
    }
}

/// A stream that is written to a file as it is read.
struct Arriving<R> {
    stream: R,
    file: File,
    /// Why the file could not be written.
    failed: Option<io::Error>,
}

impl<R: Read> Read for Arriving<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        interrupt::check()?;
        let count = self.stream.read(buffer)?;
        if let Err(error) = self.file.write_all(&buffer[..count]) {
            self.failed = Some(error);
            return Err(io::Error::other("the copy failed"));
        }
        Ok(count)
    }
}

/// A file that shows how much of it was read.
struct Watched {
    file: File,
    bar: ProgressBar,
}

impl DiskFile for Watched {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        interrupt::check()?;
        let read = self.file.read_at(buffer, offset)?;
        self.bar.inc(read as u64);
        Ok(read)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_size(&self, _size: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
