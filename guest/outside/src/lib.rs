//! Counts visits, and fails in every way.

guest::generate!(world: "example:outside/outside");

use guest::table::Row;
use guest::{Bucket, info};

#[derive(Row)]
struct Visit {
    page: String,
    #[row(column = "count")]
    visits: i64,
}

struct Outside;
export!(Outside);

impl Guest for Outside {
    fn visit(page: String) -> Result<i64, Error> {
        let visits = Bucket::open("outside")?.increment(&page, 1)?.number;
        let visit = Visit { page, visits };
        info!("visit {} of {}: {}", visit.visits, visit.page, Visit::SELECT);
        Ok(visit.visits)
    }

    fn fail(kind: String) -> Result<(), Error> {
        let make = match kind.as_str() {
            "not-found" => Error::not_found,
            "access-denied" => Error::access_denied,
            "invalid" => Error::invalid,
            "limit" => Error::limit,
            "constraint" => Error::constraint,
            "conflict" => Error::conflict,
            "read-only" => Error::read_only,
            _ => Error::other,
        };
        Err(make("on-purpose", kind))
    }
}
