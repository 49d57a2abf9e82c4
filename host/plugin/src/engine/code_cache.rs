//! The directory where the engine keeps compiled code for the next process.
//!
//! Whoever can write there can have this process run any code, so it is only used if nobody else can: the directory and all those above
//! it belong to this user or to root, and no other may write there. (The rule of OpenSSH's `StrictModes`.) The directory is what guards:
//! it is its user's alone, whatever the modes of the engine's files in it. The engine names a file after the hash of the component, of its
//! own version and of its configuration, and removes those used longest ago beyond a size.
//!
//! The directory is made with the first compilation: a host without plugins leaves nothing on the disk.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::{Cache, CacheConfig};

use crate::HostConfig;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// The engine's cache; none where none is configured, or where it cannot be trusted, of which [`Place::prepare`] warns.
pub(super) fn open(config: &HostConfig) -> Option<Cache> {
    let directory = config.cache_dir.as_ref()?;
    let opened = prepare(directory).ok().map(|directory| {
        let mut settings = CacheConfig::new();
        settings.with_directory(directory).with_files_total_size_soft_limit(config.cache_bytes_max);
        Cache::new(settings)
    });
    // Fails where there are files in it, as it should.
    let _ = fs::remove_dir(directory);
    opened?
        .inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "compiled plugins are not kept on disk"))
        .ok()
}

/// Where compiled code is kept.
pub(crate) struct Place {
    directory: Option<PathBuf>,
    has_warned: AtomicBool,
}

impl Place {
    pub(crate) fn new(config: &HostConfig) -> Self {
        Self { directory: config.cache_dir.clone(), has_warned: AtomicBool::new(false) }
    }

    /// Makes the directory if it is missing, before something is compiled. Warns, once, where it cannot be used.
    pub(crate) fn prepare(&self) {
        let Some(directory) = &self.directory else { return };
        let Err(error) = prepare(directory) else { return };
        // One that cannot be used is not left behind.
        let _ = fs::remove_dir(directory);
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let directory = directory.display();
            tracing::warn!(%directory, %error, "compiled plugins are not kept on disk");
        }
    }
}

/// Makes the directory if it is missing, and checks who may write there. Gives its full path.
fn prepare(directory: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let directory = fs::canonicalize(directory)?;
    check(&fs::metadata(&directory)?, true).map_err(|reason| untrusted(&directory, reason))?;
    for above in directory.ancestors().skip(1) {
        check(&fs::metadata(above)?, false).map_err(|reason| untrusted(above, reason))?;
    }
    Ok(directory)
}

fn untrusted(path: &Path, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {reason}", path.display()))
}

/// Whether nobody but this user and root can change what is in a directory, or, above the innermost, put another in its place.
fn check(found: &Metadata, innermost: bool) -> Result<(), &'static str> {
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own && (innermost || found.uid() != 0) {
        return Err("belongs to another user");
    }
    // In a sticky directory, as /tmp, only its owner can rename an entry.
    let is_guarded = found.mode() & STICKY != 0 && !innermost;
    if found.mode() & WRITABLE_BY_OTHERS != 0 && !is_guarded {
        return Err("can be written to by other users");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_that_others_can_write_to_is_not_trusted() {
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("code");
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(prepare(&directory).unwrap(), fs::canonicalize(&directory).unwrap());
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        for mode in [0o770, 0o707, 0o1777] {
            set(&directory, mode);
            assert_eq!(prepare(&directory).unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
        }
        set(&directory, 0o755);
        prepare(&directory).unwrap();
        for (mode, trusted) in [(0o777, false), (0o1777, true), (0o775, false), (0o755, true)] {
            set(above.path(), mode);
            assert_eq!(prepare(&directory).is_ok(), trusted, "{mode:o}");
        }
        set(above.path(), 0o700);
    }
}
