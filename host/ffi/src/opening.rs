//! Opening a database where the location of a pool says, and making one from a backup.

use std::fs::File;
use std::sync::Arc;

use mantis_db::disk::DirectoryDisk;
use mantis_db::{Database, EngineOptions, OpenOptions, RestoreError, SystemClock, SystemRandom, restore};

use crate::abi::status;
use crate::abi::types::flags::MANTIS_POOL_READ_ONLY;
use crate::abi::types::mantis_pool_config;
use crate::failure::Failure;
use crate::far::{FarPool, unsupported};

/// The location of a database in memory.
const IN_MEMORY: &str = ":memory:";
/// Bytes of a location: longer than any path of the systems.
const LOCATION_BYTES_MAX: usize = 4_096;

/// Opens a database in memory or in a directory.
///
/// # Errors
/// Misuse; why it cannot be opened.
pub(crate) fn open(location: &str, options: &OpenOptions, is_read_only: bool) -> Result<Database, Failure> {
    check(location, "location")?;
    #[cfg(feature = "testing")]
    if location == IN_MEMORY
        && let Some(database) = crate::staged::take_next()
    {
        return Ok(database);
    }
    if location != IN_MEMORY {
        return Ok(options.open(location)?);
    }
    if is_read_only {
        return Err(Failure::misuse("a database in memory is empty, and opened for reading it would stay so"));
    }
    Ok(options.in_memory()?)
}

/// Whether a location is a server's. A folder of that name would be a surprise.
pub(crate) fn is_url(location: &str) -> bool {
    let is_scheme = |scheme: &str| location.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    is_scheme("http://") || is_scheme("https://")
}

/// The server at a URL. Nothing is sent yet.
///
/// # Errors
/// Misuse; a URL that cannot be used.
pub(crate) fn server(location: &str, config: &mantis_pool_config) -> Result<Arc<dyn FarPool>, Failure> {
    check(location, "location")?;
    if config.flags & MANTIS_POOL_READ_ONLY != 0 {
        return Err(unsupported("opening for reading"));
    }
    #[cfg(feature = "remote")]
    return crate::remote::open(location, config);
    #[cfg(not(feature = "remote"))]
    Err(Failure::new(
        status::MANTIS_E_OPEN,
        "remote-not-built",
        "this library was built without connections to servers",
    )
    .with_hint("Build it with the feature `remote`."))
}

/// Makes a database in a directory that holds none, from the backup in a file.
///
/// # Errors
/// The backup cannot be read or trusted, or the directory holds something; nothing was written then.
pub(crate) fn restore_into(backup: &str, directory: &str) -> Result<(), Failure> {
    check(backup, "backup")?;
    check(directory, "directory")?;
    let file = File::open(backup).map_err(|error| Failure::io(format!("cannot read {backup}: {error}")))?;
    let disk =
        DirectoryDisk::new(directory).map_err(|error| Failure::io(format!("cannot use {directory}: {error}")))?;
    let options = EngineOptions::new(Arc::new(SystemClock), Arc::new(SystemRandom));
    restore(&file, &disk, &options).map(drop).map_err(|error| {
        let code = match error {
            RestoreError::Backup(_) => "backup-invalid",
            RestoreError::InUse | RestoreError::InUseHere => "in-use",
            RestoreError::NotEmpty { .. } => "not-empty",
            _ => return Failure::io(error.to_string()),
        };
        Failure::new(status::MANTIS_E_OPEN, code, error.to_string())
    })
}

/// Checks a path.
fn check(path: &str, name: &str) -> Result<(), Failure> {
    if path.is_empty() || path.len() > LOCATION_BYTES_MAX || path.contains('\0') {
        return Err(Failure::misuse(format!("`{name}` has 1 to {LOCATION_BYTES_MAX} bytes without a NUL among them")));
    }
    Ok(())
}
