//! Opens handles and keeps them.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:hoard-handles/hoard-handles");

use mantis_guest::{Bucket, Result};

struct HoardHandles;
export!(HoardHandles);

impl Guest for HoardHandles {
    fn open(count: u32) -> Result<u32> {
        let hoard = (0..count).map(|_| Bucket::open("faults")).collect::<Result<Vec<_>>>()?;
        Ok(u32::try_from(hoard.len()).unwrap_or(u32::MAX))
    }

    fn leak(count: u32) -> Result<u32> {
        for _ in 0..count {
            std::mem::forget(Bucket::open("faults")?);
        }
        Ok(count)
    }

    fn open_and_close(count: u32) -> Result<u32> {
        for _ in 0..count {
            Bucket::open("faults")?;
        }
        Ok(count)
    }
}
