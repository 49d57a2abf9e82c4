//! An attachment's file.

use std::io;

use bytes::Bytes;

use crate::disk::{Disk, read_full, write_all};
use crate::format::names;
use crate::mutants::mutant;
use crate::types::AttachmentId;

/// Reads an attachment's file.
///
/// # Errors
/// The disk's; [`InvalidData`](io::ErrorKind::InvalidData) where the bytes are not those of its name.
pub(crate) fn read_file(disk: &dyn Disk, id: AttachmentId) -> io::Result<Bytes> {
    let file = disk.open(&names::attachment(&id))?;
    let size = usize::try_from(file.size()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; size];
    let got = read_full(&*file, &mut bytes, 0)?;
    if got < size || AttachmentId::of(&bytes) != id {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes are not those that its name says"));
    }
    Ok(bytes.into())
}

/// Makes an attachment durable under its name, unless it is there already.
///
/// # Errors
/// The disk's. Nothing has the attachment's name that is not whole; remains are removed as far as possible, and else by the next opening.
pub(crate) fn write_file(disk: &dyn Disk, id: AttachmentId, bytes: &[u8]) -> io::Result<()> {
    let name = names::attachment(&id);
    if read_file(disk, id).is_err() {
        let unfinished = format!("{name}{}", names::UNFINISHED);
        let written = write_unfinished(disk, &unfinished, bytes).and_then(|()| disk.rename(&unfinished, &name));
        if written.is_err() {
            let _ = disk.remove(&unfinished);
        }
        written?;
    }
    // The name of one that was found may not be durable yet either.
    disk.sync_directory()
}

fn write_unfinished(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(name)?;
    write_all(&*file, bytes, 0)?;
    mutant!("attachment-unsynced" => Ok(()), or file.sync())
}
