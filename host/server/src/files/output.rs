//! A file to write: it appears under its name when it is complete.
//!
//! A link is followed, and stays. A pipe or a device is written into as it is. Nothing that is no regular file is ever replaced.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mantis_db::disk::sync_parent;

use super::partial::Partial;
use crate::failure::{Exit, Failure, Outcome};

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permissions {
    /// Its owner, as for what holds everything.
    Owner,
    /// Whoever may read the file that it replaces, or any new file of this user.
    Usual,
}

/// A file to write.
pub(crate) struct Output {
    /// As the user named it.
    name: PathBuf,
    to: To,
}

enum To {
    /// A file with this path once it is complete.
    File { partial: Partial, path: PathBuf, replaces: bool },
    /// A pipe or a device.
    Stream(File),
}

impl Output {
    /// Begins a file. With `force` it replaces a regular file of that name at the end, and a pipe or a character device is written into.
    ///
    /// # Errors
    /// The name is taken, or what has it cannot be written to.
    pub(crate) fn open(name: &Path, force: bool, permissions: Permissions) -> Outcome<Self> {
        let failed = |error: io::Error| Failure::file("write", name, &error);
        let refused = |what: &str| Failure::new(Exit::Local, format!("{} is {what}", name.display()));
        let Ok(link) = name.symlink_metadata() else { return Self::file(name, name.to_owned(), force, permissions) };
        // What a link leads to. Of one like `/dev/stdout` that need not have a path.
        let Ok(found) = name.metadata() else {
            return Err(refused("a link that leads to nothing").hint("remove it, or choose another name"));
        };
        if !force {
            let (what, remedy) = if found.is_file() { ("", "replace") } else { (" and is no file", "write into") };
            return Err(Failure::new(Exit::Local, format!("{} exists{what}", name.display()))
                .hint(format!("choose another name, or {remedy} it with --force")));
        }
        if found.is_file() {
            let path = if link.is_symlink() { fs::canonicalize(name).map_err(failed)? } else { name.to_owned() };
            return Self::file(name, path, true, permissions);
        }
        let kind = found.file_type();
        if !(kind.is_fifo() || kind.is_char_device()) {
            let what = match kind {
                kind if kind.is_dir() => "a directory",
                kind if kind.is_block_device() => "a block device",
                _ => "a socket",
            };
            return Err(refused(what).hint("choose another name"));
        }
        let stream = OpenOptions::new().write(true).open(name).map_err(failed)?;
        Ok(Self { name: name.to_owned(), to: To::Stream(stream) })
    }

    fn file(name: &Path, path: PathBuf, replaces: bool, permissions: Permissions) -> Outcome<Self> {
        let failed = |error: io::Error| Failure::file("write", name, &error);
        let mode = if permissions == Permissions::Owner { 0o600 } else { 0o666 };
        let partial = Partial::create(&path, mode).map_err(failed)?;
        if permissions == Permissions::Usual
            && let Ok(old) = path.metadata()
        {
            let mode = old.permissions().mode() & 0o777;
            partial.file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(Self { name: name.to_owned(), to: To::File { partial, path, replaces } })
    }

    /// A handle to write with.
    ///
    /// # Errors
    /// The system has no more of them.
    pub(crate) fn handle(&self) -> Outcome<File> {
        let file = match &self.to {
            To::File { partial, .. } => &partial.file,
            To::Stream(file) => file,
        };
        file.try_clone().map_err(|error| Failure::file("write", &self.name, &error))
    }

    /// Completes it: all of it is on the disk, under its name.
    ///
    /// # Errors
    /// Somebody else has taken the name meanwhile, or the disk fails.
    pub(crate) fn finish(self) -> Outcome {
        let Self { name, to: To::File { partial, path, replaces } } = self else { return Ok(()) };
        let failed = |error: io::Error| Failure::file("write", &name, &error);
        partial.file.sync_all().map_err(failed)?;
        if replaces && path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Err(Failure::new(Exit::Local, format!("{} was replaced meanwhile", name.display())));
        }
        partial.complete(&path, replaces).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new(Exit::Local, format!("{} exists", name.display()))
                .hint("choose another name, or replace it with --force"),
            _ => failed(error),
        })?;
        sync_parent(&path).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(path: &Path, force: bool) -> Outcome {
        let output = Output::open(path, force, Permissions::Usual)?;
        output.handle()?.write_all(b"new").unwrap();
        output.finish()
    }

    #[test]
    fn a_link_stays_and_leads_to_the_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        assert!(write(&link, false).unwrap_err().message.contains("exists"));
        write(&link, true).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640, "no more may read it than before");
        fs::remove_file(&file).unwrap();
        for force in [false, true] {
            assert!(write(&link, force).unwrap_err().message.contains("leads to nothing"));
        }
        assert!(link.is_symlink() && !file.exists());
    }

    #[test]
    fn what_is_no_file_is_written_into_or_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_bits_truncate(0o600),
            0,
        )
        .unwrap();
        let refused = write(&pipe, false).unwrap_err();
        assert!(refused.message.contains("is no file") && refused.hint.unwrap().contains("write into it"));
        let reading = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut text = String::new();
                File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
                text
            })
        };
        write(&pipe, true).unwrap();
        assert_eq!(reading.join().unwrap(), "new");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        write(Path::new("/dev/null"), true).unwrap();
        assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(write(directory.path(), true).unwrap_err().message.contains("a directory"));
        let socket = directory.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(write(&socket, true).unwrap_err().message.contains("a socket"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left beside");
    }
}
