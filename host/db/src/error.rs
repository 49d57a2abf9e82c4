//! The one error of every operation, and the table of what can go wrong.

use std::fmt;

/// The families of errors: what a caller does about them. The same as in `wit/types.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// It does not exist, or the grants do not show it.
    NotFound,
    /// The grants allow reading it but not this.
    AccessDenied,
    /// The argument can never be right.
    Invalid,
    /// A limit on size, count or time.
    Limit,
    /// What is stored refuses it.
    Constraint,
    /// Another commit came first: run it again.
    Conflict,
    /// The store takes no writes now.
    ReadOnly,
    /// The history that was asked for is gone.
    Compacted,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind's kebab-case name, as in `wit/types.wit`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::AccessDenied => "access-denied",
            Self::Invalid => "invalid",
            Self::Limit => "limit",
            Self::Constraint => "constraint",
            Self::Conflict => "conflict",
            Self::ReadOnly => "read-only",
            Self::Compacted => "compacted",
            Self::Other => "other",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $code:literal $kind:ident, $meaning:literal, $remedy:literal;)*) => {
        /// A stable name for one thing that can go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The kebab-case name that clients see.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The family.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it, in a sentence.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    BucketNotFound "bucket-not-found" NotFound,
        "There is no bucket of this name, or the grants do not show it.", "Write a key to it first, or ask for a grant.";
    AccessDenied "access-denied" AccessDenied,
        "The grants allow reading this bucket but not writing to it.", "Ask for a grant that includes writing.";
    KeyEmpty "key-empty" Invalid,
        "A key has at least one byte.", "Give the key a name.";
    KeyTooLong "key-too-long" Limit,
        "The key is longer than the limit.", "Use a shorter key; 4,096 bytes is the default limit.";
    ValueTooLarge "value-too-large" Limit,
        "The value is larger than the limit.", "Store it in parts; 16 MiB is the default limit.";
    BucketNameInvalid "bucket-name-invalid" Invalid,
        "A bucket's name has 1 to 63 characters of a-z, 0-9, '-', '_' and '.', and begins with a letter or digit.",
        "Rename the bucket.";
    BucketsTooMany "buckets-too-many" Limit,
        "The bucket limit is reached.", "Drop one, or use key prefixes: they cost nothing.";
    BucketReserved "bucket-reserved" Invalid,
        "The bucket `default` always exists and cannot be dropped.", "Delete its keys instead.";
    MediaTypeInvalid "media-type-invalid" Invalid,
        "A media type has 1 to 255 characters of visible ASCII and spaces.", "Leave it out, or shorten it.";
    TtlInvalid "ttl-invalid" Invalid,
        "A time to live is at least 1 ms and at most 100 years.", "Leave it out to keep the value until it is deleted.";
    LimitOutOfRange "limit-out-of-range" Invalid,
        "A page has at least 1 entry, and no more than the limit.", "Ask for less and follow the cursor; a page has 100 entries by default, and at most 1,000 unless configured.";
    CursorInvalid "cursor-invalid" Invalid,
        "The cursor was not made by this scan or feed.", "Begin again without a cursor.";
    KeysTooMany "keys-too-many" Limit,
        "The call asks for more keys than the limit.", "Ask in parts; 1,000 is the default limit.";
    AnswerTooLarge "answer-too-large" Limit,
        "The values of the answer exceed its limit of bytes.", "Ask in smaller parts.";
    OperationsTooMany "operations-too-many" Limit,
        "The batch has more operations than the limit.", "Send several batches; 10,000 is the default limit.";
    TransactionTooLarge "transaction-too-large" Limit,
        "The transaction exceeds its read or write limit.", "Do the work in several transactions.";
    TransactionOpen "transaction-open" Invalid,
        "The session has a transaction open already.", "Commit it or roll it back first.";
    TransactionNotOpen "transaction-not-open" Invalid,
        "The session has no transaction open, or it has ended.", "Begin one.";
    TransactionTooOld "transaction-too-old" Conflict,
        "The transaction was open for longer than a snapshot is kept.", "Begin again, and commit sooner.";
    Conflict "conflict" Conflict,
        "Another commit changed what this transaction had read.", "Run the transaction again.";
    NotAnInteger "not-an-integer" Constraint,
        "The value is not a decimal integer of 64 bits.", "Set the key to a number, or delete it.";
    IntegerOverflow "integer-overflow" Constraint,
        "The sum does not fit into 64 bits.", "Set the key to a smaller number.";
    Compacted "compacted" Compacted,
        "The change feed no longer has the changes after the cursor.", "Read the current state, then follow from there.";
    MemoryFull "memory-full" Limit,
        "The memory for requests in flight is used up; nothing was written.", "Retry after the time in `Retry-After`; finish or roll back what is open.";
    StoreFull "store-full" Limit,
        "The store has reached its limit of bytes.", "Delete something, or raise the limit.";
    Interrupted "interrupted" Other,
        "The caller stopped the operation before its end.", "Run it again where it is still wanted.";
    ReadOnly "read-only" ReadOnly,
        "The store takes no writes now.", "Try again later; `GET /health` says why.";
    DiskFull "disk-full" Limit,
        "The disk is full; nothing was written.", "Free space on the disk; writes work again as soon as there is some.";
    StorageFailed "storage-failed" ReadOnly,
        "The disk failed, or the data directory was moved; the server accepts no writes until it is restarted, and its log says why.",
        "Fix the disk or put the directory back and restart the server, then check whether this write was applied; its outcome is unknown until then.";
}

/// What went wrong: a stable [`Code`] for programs and a message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Code,
    message: String,
    /// A page deletes in memory, where nothing fails in between, and would download 0.3 KB more for this.
    #[cfg(not(target_family = "wasm"))]
    deleted: u64,
}

/// What every operation returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a message of its own.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            #[cfg(not(target_family = "wasm"))]
            deleted: 0,
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The family.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.code.kind()
    }

    /// What happened, for people. The wording may change.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Keys that the operation had deleted for good before it failed: one that deletes many does so in several commits.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn deleted(&self) -> u64 {
        self.deleted
    }

    /// The error of an operation that had deleted so many keys more. The message says so.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn after_deleting(mut self, keys: u64) -> Self {
        if keys > 0 {
            let reason = match self.code {
                Code::DiskFull => "the disk is full",
                _ if self.deleted == 0 => &self.message,
                // The message has a count already.
                code => code.meaning(),
            };
            self.deleted += keys;
            self.message = format!("{} keys were deleted, the others were not: {reason}", self.deleted);
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.meaning())
    }
}
