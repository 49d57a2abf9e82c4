//! Named counters: the smallest plugin that stores something.
//!
//! A procedure is one transaction, so reading a number and writing a new one loses no update: when another call commits first, the
//! host runs this one again.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "examples:counter/counter");

use mantis_guest::{Bucket, Result};

struct Counter;
export!(Counter);

impl Guest for Counter {
    fn increment(name: String, by: i64) -> Result<i64> {
        Ok(bucket()?.increment(name, by)?.number)
    }

    fn value(name: String) -> Result<i64> {
        Ok(read(&bucket()?, &name)?.unwrap_or(0))
    }

    fn reset(name: String) -> Result<i64> {
        let bucket = bucket()?;
        let before = read(&bucket, &name)?.unwrap_or(0);
        bucket.set(name, "0")?;
        Ok(before)
    }
}

fn bucket() -> Result<Bucket> {
    Bucket::open("counters")
}

fn read(bucket: &Bucket, name: &str) -> Result<Option<i64>> {
    let Some(value) = bucket.get(name)? else { return Ok(None) };
    let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Error::other("not-a-counter", format!("{name} holds something else")))
}
