//! Passes values to the host that are too large.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:hand-over-too-much/hand-over-too-much");

use mantis_guest::bindings::mantis::db::{kv, system, types::ScanOptions};
use mantis_guest::{Bucket, Result, Span};

struct HandOverTooMuch;
export!(HandOverTooMuch);

impl Guest for HandOverTooMuch {
    fn text(bytes: u32) -> String {
        "x".repeat(bytes as usize)
    }

    fn switches(count: u32) -> Vec<bool> {
        vec![true; count as usize]
    }

    fn key(bytes: u32) -> Result<()> {
        bucket()?.set(vec![b'x'; bytes as usize], "").map(drop)
    }

    fn value(bytes: u32) -> Result<()> {
        bucket()?.set("value", vec![b'x'; bytes as usize]).map(drop)
    }

    fn keys(count: u32) -> Result<()> {
        bucket()?.get_many(&vec![b"key".to_vec(); count as usize]).map(drop)
    }

    fn batch(count: u32) -> Result<()> {
        let bucket = bucket()?;
        (0..count).fold(bucket.batch(), |batch, _| batch.increment("number", 1)).apply().map(drop)
    }

    fn page(limit: u32) -> Result<()> {
        let options = ScanOptions { span: Span::All, reverse: false, limit, cursor: None };
        kv::Bucket::open("faults")?.scan(&options).map(drop)
    }

    fn random(bytes: u32) {
        system::random(bytes);
    }

    fn reads(count: u32) -> Result<()> {
        let bucket = bucket()?;
        bucket.set("large", vec![b'x'; 1 << 20])?;
        for _ in 0..count {
            bucket.get("large")?;
        }
        Ok(())
    }
}

fn bucket() -> Result<Bucket> {
    Bucket::open("faults")
}
