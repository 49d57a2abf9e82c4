//! An attachment that is read in pieces, so that a reader holds one of them, however long it takes.

use std::io;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, DiskFile, read_full};
use crate::format::names;
use crate::types::AttachmentId;

/// Bytes that are hashed at a time.
const HASHED_BYTES: usize = 64 << 10;

/// The bytes of an attachment, from its start.
pub(crate) struct Pieces {
    source: Source,
    at: u64,
    size: u64,
}

enum Source {
    Memory(Bytes),
    File(Box<dyn DiskFile>),
}

impl Pieces {
    pub(crate) fn of_bytes(bytes: Bytes) -> Self {
        Self { at: 0, size: bytes.len() as u64, source: Source::Memory(bytes) }
    }

    /// Opens an attachment's file, after a look at all of it.
    ///
    /// # Errors
    /// The disk's; [`InvalidData`](io::ErrorKind::InvalidData) where the bytes are not those of its name.
    pub(crate) fn of_file(disk: &dyn Disk, id: AttachmentId) -> io::Result<Self> {
        let file = disk.open(&names::attachment(&id))?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        let mut part = vec![0; HASHED_BYTES];
        loop {
            let got = read_full(&*file, &mut part, size)?;
            hash.update(&part[..got]);
            size += got as u64;
            if got < part.len() {
                break;
            }
        }
        if AttachmentId::from_hash(hash.finalize().into()) != id {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes are not those that its name says"));
        }
        Ok(Self { source: Source::File(file), at: 0, size })
    }

    /// The next bytes, at most so many.
    ///
    /// # Errors
    /// The disk's; [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where the file has become shorter.
    pub(crate) fn next(&mut self, bytes_max: usize) -> io::Result<Bytes> {
        let length = usize::try_from(self.size - self.at).unwrap_or(usize::MAX).min(bytes_max);
        let piece = match &mut self.source {
            Source::Memory(bytes) => bytes.split_to(length),
            Source::File(file) => {
                let mut piece = vec![0; length];
                if read_full(&**file, &mut piece, self.at)? < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                piece.into()
            }
        };
        self.at += length as u64;
        Ok(piece)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.size
    }
}
