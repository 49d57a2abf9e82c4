//! Returns a conflict at each attempt.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:always-conflict/always-conflict");

use mantis_guest::Failure;

struct AlwaysConflict;
export!(AlwaysConflict);

impl Guest for AlwaysConflict {
    fn pretend() -> Result<(), Error> {
        Err(Error::Conflict(Failure { code: "conflict".into(), message: "so it says".into() }))
    }
}
