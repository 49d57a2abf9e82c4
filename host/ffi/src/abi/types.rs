//! The structures of the header, as C lays them out. Their documentation is there.
#![allow(non_camel_case_types, reason = "these are the names in C")]
#![allow(missing_docs, reason = "the header documents each member, and a test compares it with this")]

use std::ffi::c_char;

use super::plain::Plain;
use super::status::Status;

/// A handle: a number, 0 for none.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct mantis_pool {
    pub id: u64,
}

/// A handle: a number, 0 for none.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct mantis_conn {
    pub id: u64,
}

/// A handle: a number, 0 for none.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct mantis_queue {
    pub id: u64,
}

/// A handle: a number, 0 for none.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct mantis_token {
    pub id: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mantis_error {
    pub size: u32,
    pub status: Status,
    pub deleted: u64,
    pub index: u64,
    pub code: [c_char; 40],
    pub message: [c_char; 512],
    pub details: [c_char; 512],
    pub hint: [c_char; 272],
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mantis_pool_config {
    pub size: u32,
    pub flags: u32,
    pub min_connections: u32,
    pub max_connections: u32,
    pub max_waiters: u32,
    pub durability: u32,
    pub connection_timeout_ms: u64,
    pub max_idle_ms: u64,
    pub max_lifetime_ms: u64,
    pub durability_interval_ms: u64,
    pub checkpoint_bytes: u64,
    pub store_bytes_max: u64,
    pub request_timeout_ms: u64,
    pub answer_bytes_max: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct mantis_stats {
    pub size: u32,
    pub max_connections: u32,
    pub total: u64,
    pub active: u64,
    pub idle: u64,
    pub creating: u64,
    pub waiters: u64,
    pub created: u64,
    pub closed: u64,
    pub immediate: u64,
    pub waited: u64,
    pub waits: u64,
    pub waits_granted: u64,
    pub waits_timed_out: u64,
    pub waits_refused: u64,
    pub waits_abandoned: u64,
    pub wait_us_total: u64,
    pub wait_us_max: u64,
    pub version: u64,
    pub keys: u64,
    pub bytes: u64,
    pub snapshots: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mantis_event {
    pub kind: u32,
    pub status: Status,
    pub user_data: u64,
    pub conn: mantis_conn,
    pub version: u64,
    pub flags: u32,
    pub reserved: u32,
    pub code: [c_char; 40],
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mantis_entry {
    pub size: u32,
    pub flags: u32,
    pub version: u64,
    pub modified_ms: u64,
    pub expires_ms: u64,
    pub value_len: u64,
    pub value: *const u8,
    pub media_type: *const c_char,
    pub media_type_len: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mantis_page {
    pub size: u32,
    pub flags: u32,
    pub count: u64,
    pub data: *const u8,
    pub data_len: u64,
    pub cursor: *const u8,
    pub cursor_len: u64,
    pub total: u64,
    pub version: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mantis_put_options {
    pub size: u32,
    pub flags: u32,
    pub condition: u32,
    pub media_type_len: u32,
    pub if_version: u64,
    pub ttl_ms: u64,
    pub media_type: [c_char; 256],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct mantis_written {
    pub size: u32,
    pub flags: u32,
    pub version: u64,
    pub current_version: u64,
    pub count: u64,
    pub inserted: u64,
    pub number: i64,
}

impl Default for mantis_put_options {
    fn default() -> Self {
        Self { size: 0, flags: 0, condition: 0, media_type_len: 0, if_version: 0, ttl_ms: 0, media_type: [0; 256] }
    }
}

// SAFETY: each is laid out as C does, begins with its size as a u32, and has members of which every bit pattern is a value, without
// padding between them.
unsafe impl Plain for mantis_error {}
// SAFETY: as above.
unsafe impl Plain for mantis_pool_config {}
// SAFETY: as above.
unsafe impl Plain for mantis_stats {}
// SAFETY: as above; pointers are only written.
unsafe impl Plain for mantis_entry {}
// SAFETY: as above; pointers are only written.
unsafe impl Plain for mantis_page {}
// SAFETY: as above.
unsafe impl Plain for mantis_put_options {}
// SAFETY: as above.
unsafe impl Plain for mantis_written {}

/// Flags and choices of the header.
pub mod flags {
    pub const MANTIS_ABI_VERSION: u32 = 1;
    pub const MANTIS_DURABILITY_ALWAYS: u32 = 0;
    pub const MANTIS_DURABILITY_INTERVAL: u32 = 1;
    pub const MANTIS_DURABILITY_NEVER: u32 = 2;
    pub const MANTIS_POOL_READ_ONLY: u32 = 1;
    pub const MANTIS_EVENT_ACQUIRED: u32 = 1;
    pub const MANTIS_EVENT_SETTLED: u32 = 2;
    pub const MANTIS_EVENT_VERSION: u32 = 3;
    pub const MANTIS_ENTRY_EXISTS: u32 = 1;
    pub const MANTIS_ENTRY_EXPIRES: u32 = 2;
    pub const MANTIS_CHANGE_HAD_PREVIOUS: u32 = 4;
    pub const MANTIS_PAGE_AT_END: u32 = 1;
    pub const MANTIS_ENTRY_RECORD_HEAD: usize = 40;
    pub const MANTIS_OP_RECORD_HEAD: usize = 32;
    pub const MANTIS_CHANGE_RECORD_HEAD: usize = 56;
    pub const MANTIS_IF_ANYTHING: u32 = 0;
    pub const MANTIS_IF_ABSENT: u32 = 1;
    pub const MANTIS_IF_PRESENT: u32 = 2;
    pub const MANTIS_IF_VERSION: u32 = 3;
    pub const MANTIS_DEFER: u32 = 1;
    pub const MANTIS_PUT_TTL: u32 = 2;
    pub const MANTIS_PUT_MEDIA_TYPE: u32 = 4;
    pub const MANTIS_REPLACED: u32 = 1;
    pub const MANTIS_DURABLE: u32 = 2;
    pub const MANTIS_UNSETTLED: u32 = 4;
    pub const MANTIS_CURRENT_EXISTS: u32 = 8;
    pub const MANTIS_CREATED: u32 = 16;
    pub const MANTIS_SPAN_ALL: u32 = 0;
    pub const MANTIS_SPAN_PREFIX: u32 = 1;
    pub const MANTIS_SPAN_BETWEEN: u32 = 2;
    pub const MANTIS_SCAN_REVERSE: u32 = 1;
    pub const MANTIS_SCAN_KEYS: u32 = 2;
    pub const MANTIS_OP_GET: u8 = 1;
    pub const MANTIS_OP_SET: u8 = 2;
    pub const MANTIS_OP_DELETE: u8 = 3;
    pub const MANTIS_OP_DELETE_SPAN: u8 = 4;
    pub const MANTIS_OP_INCREMENT: u8 = 5;
    pub const MANTIS_OP_CHECK: u8 = 6;
    pub const MANTIS_RESULT_ENTRY: u32 = 1;
    pub const MANTIS_RESULT_DONE: u32 = 2;
    pub const MANTIS_RESULT_DELETED: u32 = 3;
    pub const MANTIS_RESULT_NUMBER: u32 = 4;
    pub const MANTIS_RESULT_REFUSED: u32 = 5;
    pub const MANTIS_BEGIN_SNAPSHOT: u32 = 1;
    pub const MANTIS_BEGIN_AGAIN: u32 = 2;
    pub const MANTIS_SINCE_NOW: u32 = 0;
    pub const MANTIS_SINCE_EARLIEST: u32 = 1;
    pub const MANTIS_SINCE_CURSOR: u32 = 2;
    pub const MANTIS_ROWS_JSON: u32 = 0;
    pub const MANTIS_ROWS_PACKED: u32 = 1;
    pub const MANTIS_ROWS_END: u32 = 4_294_967_295;
    pub const MANTIS_ROW_HEAD: usize = 12;
    pub const MANTIS_TYPE_BOOLEAN: u32 = 1;
    pub const MANTIS_TYPE_SMALLINT: u32 = 2;
    pub const MANTIS_TYPE_INTEGER: u32 = 3;
    pub const MANTIS_TYPE_BIGINT: u32 = 4;
    pub const MANTIS_TYPE_REAL: u32 = 5;
    pub const MANTIS_TYPE_DOUBLE: u32 = 6;
    pub const MANTIS_TYPE_NUMERIC: u32 = 7;
    pub const MANTIS_TYPE_TEXT: u32 = 8;
    pub const MANTIS_TYPE_VARCHAR: u32 = 9;
    pub const MANTIS_TYPE_CHAR: u32 = 10;
    pub const MANTIS_TYPE_BYTEA: u32 = 11;
    pub const MANTIS_TYPE_DATE: u32 = 12;
    pub const MANTIS_TYPE_TIME: u32 = 13;
    pub const MANTIS_TYPE_TIMESTAMP: u32 = 14;
    pub const MANTIS_TYPE_TIMESTAMPTZ: u32 = 15;
    pub const MANTIS_TYPE_UUID: u32 = 16;
    pub const MANTIS_TYPE_JSONB: u32 = 17;
    pub const MANTIS_TYPE_ARRAY: u32 = 256;
    pub const MANTIS_VALUE_NULL: u8 = 0;
    pub const MANTIS_VALUE_FALSE: u8 = 1;
    pub const MANTIS_VALUE_TRUE: u8 = 2;
    pub const MANTIS_VALUE_INTEGER: u8 = 3;
    pub const MANTIS_VALUE_REAL: u8 = 4;
    pub const MANTIS_VALUE_DOUBLE: u8 = 5;
    pub const MANTIS_VALUE_NUMERIC: u8 = 6;
    pub const MANTIS_VALUE_TEXT: u8 = 7;
    pub const MANTIS_VALUE_BYTES: u8 = 8;
    pub const MANTIS_VALUE_JSON: u8 = 9;
    pub const MANTIS_VALUE_ARRAY: u8 = 10;
    pub const MANTIS_VALUE_TIMESTAMP: u8 = 11;
    pub const MANTIS_VALUE_DATE: u8 = 12;
    pub const MANTIS_VALUE_TIME: u8 = 13;
    pub const MANTIS_VALUE_UUID: u8 = 14;
}

#[cfg(test)]
mod tests {
    use mantis_db::tables::query::{PACKED_END, type_number};
    use mantis_db::tables::types::Type;

    use super::flags as f;

    #[test]
    fn types_have_the_numbers_of_the_header() {
        for (name, number) in [
            ("boolean", f::MANTIS_TYPE_BOOLEAN),
            ("smallint", f::MANTIS_TYPE_SMALLINT),
            ("integer", f::MANTIS_TYPE_INTEGER),
            ("bigint", f::MANTIS_TYPE_BIGINT),
            ("real", f::MANTIS_TYPE_REAL),
            ("double precision", f::MANTIS_TYPE_DOUBLE),
            ("numeric(9,2)", f::MANTIS_TYPE_NUMERIC),
            ("text", f::MANTIS_TYPE_TEXT),
            ("varchar(9)", f::MANTIS_TYPE_VARCHAR),
            ("char(9)", f::MANTIS_TYPE_CHAR),
            ("bytea", f::MANTIS_TYPE_BYTEA),
            ("date", f::MANTIS_TYPE_DATE),
            ("time", f::MANTIS_TYPE_TIME),
            ("timestamp", f::MANTIS_TYPE_TIMESTAMP),
            ("timestamptz", f::MANTIS_TYPE_TIMESTAMPTZ),
            ("uuid", f::MANTIS_TYPE_UUID),
            ("jsonb", f::MANTIS_TYPE_JSONB),
            ("uuid[]", f::MANTIS_TYPE_ARRAY + f::MANTIS_TYPE_UUID),
        ] {
            assert_eq!(type_number(Some(Type::parse(name).unwrap())), number, "{name}");
        }
        assert_eq!(type_number(None), f::MANTIS_TYPE_JSONB, "embedded rows");
        assert_eq!(f::MANTIS_ROWS_END, PACKED_END);
    }
}
