//! Results: answers are 0 or more, errors negative. The header says what each means.

use std::ffi::CStr;

use mantis_db::Kind;

/// A result, `mantis_status` in C.
pub type Status = i32;

macro_rules! statuses {
    ($($name:ident = $value:literal;)*) => {
        $(#[doc = concat!("`", stringify!($name), "` of the header.")] pub const $name: Status = $value;)*

        /// Every result with its name in C.
        pub const ALL: &[(&str, Status)] = &[$((stringify!($name), $value),)*];

        /// The name of a result.
        #[must_use]
        pub const fn name(status: Status) -> &'static CStr {
            match status {
                // The literal ends with the NUL that a C text has.
                $($value => match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => c"unknown",
                },)*
                _ => c"unknown",
            }
        }
    };
}

statuses! {
    MANTIS_OK = 0;
    MANTIS_NOT_FOUND = 1;
    MANTIS_PENDING = 2;
    MANTIS_TOO_SMALL = 3;
    MANTIS_REFUSED = 4;
    MANTIS_E_NOT_FOUND = -1;
    MANTIS_E_ACCESS_DENIED = -2;
    MANTIS_E_INVALID = -3;
    MANTIS_E_LIMIT = -4;
    MANTIS_E_CONSTRAINT = -5;
    MANTIS_E_CONFLICT = -6;
    MANTIS_E_READ_ONLY = -7;
    MANTIS_E_COMPACTED = -8;
    MANTIS_E_OTHER = -9;
    MANTIS_E_TABLE = -10;
    MANTIS_E_OPEN = -11;
    MANTIS_E_IO = -12;
    MANTIS_E_TIMEOUT = -20;
    MANTIS_E_CANCELED = -21;
    MANTIS_E_CLOSED = -22;
    MANTIS_E_QUEUE_FULL = -23;
    MANTIS_E_MISUSE = -30;
    MANTIS_E_STALE = -31;
    MANTIS_E_BUSY = -32;
    MANTIS_E_FORKED = -33;
    MANTIS_E_PANIC = -34;
    MANTIS_E_OUTCOME_UNKNOWN = -35;
}

/// The result of an error of this family.
pub(crate) fn of_kind(kind: Kind) -> Status {
    match kind {
        Kind::NotFound => MANTIS_E_NOT_FOUND,
        Kind::AccessDenied => MANTIS_E_ACCESS_DENIED,
        Kind::Invalid => MANTIS_E_INVALID,
        Kind::Limit => MANTIS_E_LIMIT,
        Kind::Constraint => MANTIS_E_CONSTRAINT,
        Kind::Conflict => MANTIS_E_CONFLICT,
        Kind::ReadOnly => MANTIS_E_READ_ONLY,
        Kind::Compacted => MANTIS_E_COMPACTED,
        _ => MANTIS_E_OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_the_name_of_the_header() {
        assert_eq!(name(MANTIS_E_STALE), c"MANTIS_E_STALE");
        assert_eq!(name(MANTIS_OK), c"MANTIS_OK");
        assert_eq!(name(-1_000), c"unknown");
    }
}
