//! `mantisdb restore`: a backup to a data directory.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use indicatif::ProgressBar;
use mantis_db::disk::{DirectoryDisk, DiskFile};
use mantis_db::{EngineOptions, RestoreError, restore};

use super::backup;
use crate::cli::RestoreArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::progress;
use crate::{SystemClock, SystemRandom};

pub(super) fn run(args: &RestoreArgs) -> Outcome {
    let (path, data) = (&args.file, &args.data.data);
    let read = |error: io::Error| Failure::file("read", path, &error);
    let file = File::open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return Err(Failure::new(Exit::Local, format!("{} is not a regular file", path.display()))
            .hint("a backup is read twice, so it cannot come through a pipe"));
    }
    let is_new = !data.exists();
    let disk = DirectoryDisk::new(data).map_err(|error| Failure::file("use", data, &error))?;
    // Read once to be checked, and once to be copied.
    let watched = Watched { file, bar: progress::bar(Some(2 * metadata.len())) };
    let restored = restore(&watched, &disk, &options());
    watched.bar.finish_and_clear();
    let whole = restored.map_err(|error| {
        if is_new {
            // Fails where something was written, as it should.
            let _ = fs::remove_dir(data);
        }
        failure(args, &error)
    })?;
    backup::show(&whole, args.data.json)
}

/// The engine's options for work on files.
pub(super) fn options() -> EngineOptions {
    EngineOptions::new(Arc::new(SystemClock), Arc::new(SystemRandom))
}

fn failure(args: &RestoreArgs, error: &RestoreError) -> Failure {
    let (file, data) = (args.file.display(), args.data.data.display());
    match error {
        RestoreError::Backup(error) => Failure::new(Exit::Local, format!("{file} cannot be restored: {error}"))
            .hint("nothing was written; check that this is a whole backup made by `mantisdb backup`"),
        RestoreError::NotEmpty { .. } | RestoreError::InUse => {
            Failure::new(Exit::Local, format!("cannot restore into {data}: {error}"))
                .hint("choose a directory that does not exist or is empty with --data")
        }
        _ => Failure::new(Exit::Local, format!("cannot restore into {data}: {error}"))
            .hint("what was written is not a database; remove it before trying again"),
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
