/* MantisDB: an ordered, transactional key-value and table store behind a pool of connections, in this process or on a server.
 *
 * The rules of every function:
 *
 * - Handles are small values, not pointers. Zero is no handle. A handle that was given back or destroyed is found out and
 *   refused (MANTIS_E_STALE); it is never dereferenced.
 * - Inputs are a pointer and a length, borrowed for the call. A NULL pointer with length 0 is "not given" where that is allowed.
 *   No structure that a caller fills contains a pointer. Text is UTF-8 and needs no NUL at its end.
 * - Outputs go into the caller's structures and buffers, or into a page that the connection owns: its bytes stay valid until the
 *   next call with that connection. There is nothing else to free.
 * - A structure begins with its `size`, which the caller sets to sizeof before the call, so that it can grow. A smaller size than
 *   this header's, from a program built earlier, is served; a size of 0 is misuse. Outputs that are not wanted may be NULL.
 * - The result is an answer if it is 0 or more, and an error if it is negative. An error is described in the caller's
 *   `mantis_error`, which may be NULL and is written only then. Nothing is kept by thread.
 * - A pool, a queue and a token may be used from any thread at any time. A connection is used by one thread at a time, and may be
 *   handed from one to another; two at once are refused (MANTIS_E_BUSY).
 * - After fork() the child may only call exec, or mantis_abi_version, mantis_version and mantis_status_name: everything else is refused
 *   (MANTIS_E_FORKED), if the parent had used the library before. So is a child that was made by a system call alone, on Linux since 4.14.
 * - No function raises a signal, changes a signal handler, or lets a panic out (MANTIS_E_PANIC).
 *
 * Integers in packed forms are little-endian and not aligned: read them with memcpy.
 */
#ifndef MANTISDB_H
#define MANTISDB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number of this interface. Functions and members are only added while it is the same. */
#define MANTIS_ABI_VERSION 1

/* ---------------------------------------------------------------- results */

typedef int32_t mantis_status;

/* Answers. */
#define MANTIS_OK 0        /* It was done. */
#define MANTIS_NOT_FOUND 1 /* There is no such key, row, or nothing to delete. */
#define MANTIS_PENDING 2   /* Not yet: the time was up, nothing is wrong. */
#define MANTIS_TOO_SMALL 3 /* The buffer is too small; the length that it needs is in the output. */
#define MANTIS_REFUSED 4   /* A condition did not hold, or what was asked is not possible now; nothing was changed. */

/* Errors of the database, by family; `mantis_error.code` has the exact one. */
#define MANTIS_E_NOT_FOUND (-1)     /* A bucket or table does not exist, or the grants do not show it. */
#define MANTIS_E_ACCESS_DENIED (-2) /* The grants do not allow it. */
#define MANTIS_E_INVALID (-3)       /* The argument can never be right. */
#define MANTIS_E_LIMIT (-4)         /* A limit on size, count or time. */
#define MANTIS_E_CONSTRAINT (-5)    /* What is stored refuses it. */
#define MANTIS_E_CONFLICT (-6)      /* Another commit came first: run the transaction again. */
#define MANTIS_E_READ_ONLY (-7)     /* The database takes no writes now. */
#define MANTIS_E_COMPACTED (-8)     /* The history that was asked for is gone. */
#define MANTIS_E_OTHER (-9)         /* Anything else that the database says. */
#define MANTIS_E_TABLE (-10)        /* A statement on tables failed; the code is PostgreSQL's SQLSTATE or PostgREST's. */
#define MANTIS_E_OPEN (-11)         /* The database could not be opened. */
#define MANTIS_E_IO (-12)           /* A file, or the network. */

/* Errors of the pool. */
#define MANTIS_E_TIMEOUT (-20)    /* No connection became free in time. */
#define MANTIS_E_CANCELED (-21)   /* The token was cancelled. */
#define MANTIS_E_CLOSED (-22)     /* The pool is closed. */
#define MANTIS_E_QUEUE_FULL (-23) /* Too many callers wait. */

/* Errors of the caller's program. */
#define MANTIS_E_MISUSE (-30) /* An argument that this header forbids. */
#define MANTIS_E_STALE (-31)  /* The handle is not, or not any more, one of this kind. */
#define MANTIS_E_BUSY (-32)   /* Another thread is using the connection. */
#define MANTIS_E_FORKED (-33) /* The process is a fork of the one that opened the database. */
#define MANTIS_E_PANIC (-34)  /* A defect of the library. The connection is discarded when it is released. */
/* Whether the write happened is not known: the disk failed (storage-failed), or a server's answer to it did not come (outcome-unknown). */
#define MANTIS_E_OUTCOME_UNKNOWN (-35)
/* The codes of errors are those of docs/reference/errors.md, and of the library itself:
 *
 *   statement-invalid      MANTIS_E_INVALID    the JSON of a statement, batch, definition or change is of another form
 *   statement-too-large    MANTIS_E_LIMIT      it exceeds 64 MiB
 *   handles-too-many       MANTIS_E_LIMIT      more than a million handles of one kind are out
 *   queue-full             MANTIS_E_QUEUE_FULL too much is under way on a queue, or too many wait for a connection
 *   in-use, not-empty, open-failed, options-invalid, backup-invalid, threads   MANTIS_E_OPEN   the database cannot be opened, or restored
 *   io                     MANTIS_E_IO         a file
 *   acquire-timeout, canceled, pool-closed, queue-closed, acquire-failed       the pool, under the statuses above
 *   misuse, stale-handle, connection-busy, forked, panic                       the caller's program, under the statuses above */

/* An error. `code` never changes its meaning; the texts are for people. All end with a NUL, and are cut if too long. */
typedef struct mantis_error {
    uint32_t size;
    mantis_status status;
    uint64_t deleted; /* Keys that a deletion of many had removed for good before it failed. */
    uint64_t index;   /* The operation of a batch that failed; UINT64_MAX if it is not about one. */
    char code[40];    /* "key-too-long", "23505", "PGRST205" */
    char message[512];
    char details[512];
    char hint[272];
} mantis_error;

/* The interface that this library implements. Its own number, to compare with MANTIS_ABI_VERSION. */
uint32_t mantis_abi_version(void);
/* The release of the library, such as "0.1.0". Static. */
const char *mantis_version(void);
/* The name of a result, such as "MANTIS_E_STALE"; "unknown" for any other number. Static. */
const char *mantis_status_name(mantis_status status);

/* ---------------------------------------------------------------- handles */

/* A database and its pool of connections. */
typedef struct mantis_pool {
    uint64_t id;
} mantis_pool;
/* A connection that was acquired and not yet released. */
typedef struct mantis_conn {
    uint64_t id;
} mantis_conn;
/* A completion queue: what was started ends as an event here. */
typedef struct mantis_queue {
    uint64_t id;
} mantis_queue;
/* What can be cancelled. */
typedef struct mantis_token {
    uint64_t id;
} mantis_token;

/* ---------------------------------------------------------------- pools */

#define MANTIS_DURABILITY_ALWAYS 0   /* A commit is answered once it is on the disk. */
#define MANTIS_DURABILITY_INTERVAL 1 /* It is synced every `durability_interval_ms`. */
#define MANTIS_DURABILITY_NEVER 2    /* It is left to the system. */

/* The database is opened for reading: nothing in its directory is changed. */
#define MANTIS_POOL_READ_ONLY 1u

/* Settings of a pool. mantis_pool_config_init sets all members to their defaults. Of a server's database durability, checkpoints and size are
 * the server's own settings: these members are passed over. */
typedef struct mantis_pool_config {
    uint32_t size;
    uint32_t flags;                 /* MANTIS_POOL_..; 0 */
    uint32_t min_connections;       /* kept idle; 10 */
    uint32_t max_connections;       /* 1,000; at least 1 and at most 65,536 */
    uint32_t max_waiters;           /* callers that may wait at once; 10,000 */
    uint32_t durability;            /* MANTIS_DURABILITY_..; ALWAYS. Of a database on a disk. */
    uint64_t connection_timeout_ms; /* how long an acquisition waits if it does not say; 10,000 */
    uint64_t max_idle_ms;           /* an idle connection beyond `min_connections` is closed; 300,000; 0: never */
    uint64_t max_lifetime_ms;       /* 3,600,000; 0: any */
    uint64_t durability_interval_ms; /* 100 */
    uint64_t checkpoint_bytes;       /* of log, after which a checkpoint is due; 256 MiB */
    uint64_t store_bytes_max;        /* the limit of the database's size in memory; 0: the default of the database */
    uint64_t request_timeout_ms;     /* how long an answer of a server may take; 60,000; at least 1 */
    uint64_t answer_bytes_max;       /* of an answer of a server; 256 MiB; at least 1 */
} mantis_pool_config;

/* Sets `config` to the defaults. `size` is sizeof(mantis_pool_config) of the caller's header. */
mantis_status mantis_pool_config_init(mantis_pool_config *config, size_t size);

/* Opens the database in a directory, or makes one, or an empty one in memory (":memory:"), or speaks to a server
 * ("http://127.0.0.1:8080", "http://proxy/path"), and makes a pool of connections to it. `config` may be NULL.
 *
 * A server is reached for with a connection's first call: one that is not there is no error here. Its functions are the same, with the codes
 * of its answers (docs/reference/errors.md), and with these:
 *
 *   unreachable          MANTIS_E_IO   no network connection, or it broke off; nothing was written
 *   answer-late          MANTIS_E_IO   no answer within `request_timeout_ms`; nothing was written
 *   outcome-unknown      MANTIS_E_OUTCOME_UNKNOWN   a write or commit was sent, and its answer did not come or cannot be read: it may have
 *                                      happened, now or a little later
 *   answer-too-large     MANTIS_E_LIMIT   the answer exceeds `answer_bytes_max`
 *   answer-malformed     MANTIS_E_IO   the answer cannot be read: it has another form, media type or encoding than was asked for, or a list
 *                                      with more items; a backup is not whole
 *   not-mantisdb         MANTIS_E_IO   what answers is something else
 *   server-incompatible  MANTIS_E_IO   the server is of a release that does not have the request
 *   unsupported-remote   MANTIS_E_OTHER   only databases in this process have it: savepoints, mantis_conn_set_grants,
 *                                      MANTIS_POOL_READ_ONLY, MANTIS_ROWS_PACKED of a write, and a few forms of statements that the message names
 *   tls-unsupported, url-invalid   MANTIS_E_OPEN   the location cannot be used: servers have neither TLS nor accounts
 *   remote-not-built     MANTIS_E_OPEN   this library was built without connections to servers
 *
 * In a transaction a write whose answer is lost, or cannot be read, has one of these codes and may be part of the transaction: it is not to be
 * repeated there. All later calls in the transaction are `transaction-not-open`, and so is its commit, which rolls back: nothing was written.
 *
 * A call that only reads is sent again, once, where a kept network connection turns out to be closed; a write only if nothing of it was
 * sent. A server answers a commit when it is final: MANTIS_DEFER is allowed, and saves no time. It rolls an open transaction back when it
 * was not used for 30 seconds. */
mantis_status mantis_pool_new(const char *location, size_t location_len, const mantis_pool_config *config, mantis_pool *pool,
                              mantis_error *error);

/* Refuses new acquisitions, wakes waiters (MANTIS_E_CLOSED), and waits at most `timeout_ms` for connections to come back (negative:
 * as long as that takes). MANTIS_PENDING if some are still out. Writes stay possible for those who hold a connection. */
mantis_status mantis_pool_close(mantis_pool pool, int64_t timeout_ms, mantis_error *error);

/* Ends a pool: what is pending is written, the database is closed, its threads end. MANTIS_REFUSED, and nothing happens, while a
 * connection is out: release them first, or wait with mantis_pool_close. */
mantis_status mantis_pool_destroy(mantis_pool pool, mantis_error *error);

/* Numbers of a pool and its database at one moment. Always: total = active + idle + creating; acquisitions = immediate + waited;
 * waits = waits_granted + waits_timed_out + waits_refused + waits_abandoned + waiters. */
typedef struct mantis_stats {
    uint32_t size;
    uint32_t max_connections;
    uint64_t total;
    uint64_t active;
    uint64_t idle;
    uint64_t creating;
    uint64_t waiters;
    uint64_t created;
    uint64_t closed;
    uint64_t immediate;
    uint64_t waited;
    uint64_t waits;
    uint64_t waits_granted;
    uint64_t waits_timed_out;
    uint64_t waits_refused;
    uint64_t waits_abandoned; /* cancelled */
    uint64_t wait_us_total;
    uint64_t wait_us_max;
    /* Of the database; a server is asked. */
    uint64_t version;   /* the newest commit */
    uint64_t keys;      /* of all buckets; neither rows nor the database's own records */
    uint64_t bytes;     /* in memory, about */
    uint64_t snapshots; /* held by transactions and scans */
} mantis_stats;

/* Where a server does not answer, the pool's own are written all the same, and the result is that error. */
mantis_status mantis_pool_stats(mantis_pool pool, mantis_stats *stats, mantis_error *error);

/* Writes a backup of the database as it is now into a new file, beside readers and writers. `mantisdb restore` reads it, and
 * mantis_restore. MANTIS_E_IO if the file exists. `bytes`, if not NULL, gets its length. */
mantis_status mantis_pool_backup(mantis_pool pool, const char *path, size_t path_len, uint64_t *bytes, mantis_error *error);
/* Makes a database in an empty directory from a backup. */
mantis_status mantis_restore(const char *backup, size_t backup_len, const char *directory, size_t directory_len,
                             mantis_error *error);

/* ---------------------------------------------------------------- acquiring */

/* Takes a connection, first come, first served. Waits at most `timeout_ms`: 0 not at all, negative as long as the pool's
 * `connection_timeout_ms`. `token` ends the wait early when it is cancelled; {0} is none. */
mantis_status mantis_pool_acquire(mantis_pool pool, int64_t timeout_ms, mantis_token token, mantis_conn *conn,
                                  mantis_error *error);

/* Gives a connection back. Its open transaction is rolled back, its grants are those of the pool again, its pages are gone. On a server the
 * transaction ends with an answer that is waited for; if none comes, when it was not used for 30 seconds. */
mantis_status mantis_conn_release(mantis_conn conn, mantis_error *error);

/* A token for blocking calls. Cancelling it, from any thread, ends the wait that it was given to, and every later one. */
mantis_status mantis_token_new(mantis_token *token, mantis_error *error);
mantis_status mantis_token_cancel(mantis_token token, mantis_error *error);
/* Forgets a token. A wait that has it goes on. */
mantis_status mantis_token_free(mantis_token token, mantis_error *error);

/* ---------------------------------------------------------------- completion queues */

#define MANTIS_EVENT_ACQUIRED 1 /* of mantis_pool_acquire_start: `conn` if `status` is MANTIS_OK */
#define MANTIS_EVENT_SETTLED 2  /* of mantis_pool_settle_start: `flags` MANTIS_DURABLE; `version`, the newest commit that is visible then */
#define MANTIS_EVENT_VERSION 3  /* of mantis_pool_version_start: `version`, the newest commit */

/* What became of something that was started. Each start that returned MANTIS_OK has exactly one event. */
typedef struct mantis_event {
    uint32_t kind;
    mantis_status status;
    uint64_t user_data; /* the caller's */
    mantis_conn conn;
    uint64_t version;
    uint32_t flags;
    uint32_t reserved;
    char code[40]; /* of the error */
} mantis_event;

mantis_status mantis_queue_new(mantis_queue *queue, mantis_error *error);
/* Cancels what is under way and releases connections that nobody took out. */
mantis_status mantis_queue_destroy(mantis_queue queue, mantis_error *error);
/* Takes at most `capacity` events (1 to 65,536) out, waiting at most `timeout_ms` for the first (negative: without end).
 * `event_size` is sizeof(mantis_event). MANTIS_PENDING with a count of 0 if there is none in time; MANTIS_E_CLOSED once the queue
 * is destroyed. Several threads may wait. */
mantis_status mantis_next_events(mantis_queue queue, mantis_event *events, size_t event_size, size_t capacity,
                                 int64_t timeout_ms, size_t *count, mantis_error *error);
/* Wakes one waiting mantis_next_events, which returns MANTIS_PENDING. */
mantis_status mantis_queue_wake(mantis_queue queue, mantis_error *error);

/* Starts an acquisition, as mantis_pool_acquire, without a thread that waits. `ticket`, if not NULL, gets what
 * mantis_token_cancel takes until the event is there; it is not freed, and stale after that. An acquisition that is cancelled too
 * late delivers its connection. */
mantis_status mantis_pool_acquire_start(mantis_pool pool, int64_t timeout_ms, mantis_queue queue, uint64_t user_data,
                                        mantis_token *ticket, mantis_error *error);
/* Starts waiting until a deferred commit is final. */
mantis_status mantis_pool_settle_start(mantis_pool pool, uint64_t version, mantis_queue queue, uint64_t user_data,
                                       mantis_token *ticket, mantis_error *error);
/* Starts waiting for a commit newer than `after`. */
mantis_status mantis_pool_version_start(mantis_pool pool, uint64_t after, mantis_queue queue, uint64_t user_data,
                                        mantis_token *ticket, mantis_error *error);

/* ---------------------------------------------------------------- keys and values
 *
 * `bucket` names a set of keys; NULL is "default". A bucket is made by its first write. Inside a transaction every operation belongs
 * to it; outside each is atomic by itself. */

/* An entry. */
typedef struct mantis_entry {
    uint32_t size;
    uint32_t flags;          /* MANTIS_ENTRY_EXISTS, MANTIS_ENTRY_EXPIRES */
    uint64_t version;        /* the commit; 0 for a write of the open transaction */
    uint64_t modified_ms;    /* since the epoch */
    uint64_t expires_ms;     /* since the epoch, if it expires */
    uint64_t value_len;
    const uint8_t *value;    /* the connection's, until its next call; NULL if the value was copied into the caller's buffer */
    const char *media_type;  /* likewise; not NUL-terminated */
    uint64_t media_type_len;
} mantis_entry;

#define MANTIS_ENTRY_EXISTS 1u
#define MANTIS_ENTRY_EXPIRES 2u

/* Reads a key: MANTIS_OK, MANTIS_NOT_FOUND (missing or expired), or MANTIS_TOO_SMALL. With a buffer the value is copied into it.
 * Without (`buffer` NULL), or if it is too small, `entry->value` shows the value in the connection's memory. */
mantis_status mantis_conn_get(mantis_conn conn, const char *bucket, size_t bucket_len, const void *key, size_t key_len,
                              void *buffer, size_t capacity, mantis_entry *entry, mantis_error *error);

/* A page of the connection: valid until its next call. */
typedef struct mantis_page {
    uint32_t size;
    uint32_t flags; /* MANTIS_PAGE_.. */
    uint64_t count; /* of records */
    const uint8_t *data;
    uint64_t data_len;
    const uint8_t *cursor; /* of the next page; NULL at the end */
    uint64_t cursor_len;
    uint64_t total;   /* rows that there are, where they were counted; else UINT64_MAX */
    uint64_t version; /* of the last row shown, where there is one */
} mantis_page;

#define MANTIS_PAGE_AT_END 1u /* of changes: there are none after these yet */

/* An entry record, in pages of mantis_conn_get_many, mantis_conn_scan and results of mantis_conn_apply:
 *
 *   offset  bytes  what
 *        0      4  flags: MANTIS_ENTRY_EXISTS, MANTIS_ENTRY_EXPIRES
 *        4      4  length of the key; 0 in answers to reads by key
 *        8      4  length of the value
 *       12      4  length of the media type
 *       16      8  version
 *       24      8  modified_ms
 *       32      8  expires_ms, 0 if it does not expire
 *       40         the key, the media type, the value, one after the other
 *
 * The next record follows without a gap. */
#define MANTIS_ENTRY_RECORD_HEAD 40

/* Reads `count` keys (at most 1,000) at one moment: `keys` has for each its length (4 bytes) and its bytes, without gaps. The page has
 * an entry record for each, in their order. */
mantis_status mantis_conn_get_many(mantis_conn conn, const char *bucket, size_t bucket_len, const void *keys, size_t keys_len,
                                   size_t count, mantis_page *page, mantis_error *error);

/* Conditions on the present state of a key. */
#define MANTIS_IF_ANYTHING 0
#define MANTIS_IF_ABSENT 1
#define MANTIS_IF_PRESENT 2
#define MANTIS_IF_VERSION 3 /* it has the version `if_version` */

/* Do not wait until the commit is durable: the answer has MANTIS_UNSETTLED and its version. See mantis_conn_wait_settled. */
#define MANTIS_DEFER 1u
/* `ttl_ms` is given. */
#define MANTIS_PUT_TTL 2u
/* `media_type` is given; it is application/octet-stream otherwise. */
#define MANTIS_PUT_MEDIA_TYPE 4u

/* How a value is written. All zero but `size` is a plain put. */
typedef struct mantis_put_options {
    uint32_t size;
    uint32_t flags; /* MANTIS_DEFER, MANTIS_PUT_.. */
    uint32_t condition; /* MANTIS_IF_.. */
    uint32_t media_type_len;
    uint64_t if_version;
    uint64_t ttl_ms;      /* 1 ms to 100 years */
    char media_type[256]; /* at most 255 bytes of visible ASCII */
} mantis_put_options;

/* The outcome of a write. */
typedef struct mantis_written {
    uint32_t size;
    uint32_t flags;           /* MANTIS_REPLACED, .. */
    uint64_t version;         /* the commit; 0 inside a transaction */
    uint64_t current_version; /* of the key, if the write was refused and MANTIS_CURRENT_EXISTS */
    uint64_t count;           /* keys deleted, rows written, results of a batch */
    uint64_t inserted;        /* of `count` rows, those that are new */
    int64_t number;           /* of an increment */
} mantis_written;

#define MANTIS_REPLACED 1u       /* The key had a value before. */
#define MANTIS_DURABLE 2u        /* It is certain to survive a power cut. */
#define MANTIS_UNSETTLED 4u      /* It was deferred, and may still be undone if the disk fails. */
#define MANTIS_CURRENT_EXISTS 8u /* Refused: the key exists. */
#define MANTIS_CREATED 16u       /* The table is new. */

/* Writes a key. MANTIS_REFUSED if the condition does not hold. `options` may be NULL. */
mantis_status mantis_conn_put(mantis_conn conn, const char *bucket, size_t bucket_len, const void *key, size_t key_len,
                              const void *value, size_t value_len, const mantis_put_options *options, mantis_written *written,
                              mantis_error *error);

/* Replaces the value if the key still has the version `expected`; 0: if there is none. MANTIS_REFUSED otherwise. */
mantis_status mantis_conn_cas(mantis_conn conn, const char *bucket, size_t bucket_len, const void *key, size_t key_len,
                              uint64_t expected, const void *value, size_t value_len, mantis_written *written,
                              mantis_error *error);

/* Deletes a key if the condition holds: MANTIS_OK, MANTIS_NOT_FOUND if there was none, MANTIS_REFUSED. `flags`: MANTIS_DEFER. */
mantis_status mantis_conn_delete(mantis_conn conn, const char *bucket, size_t bucket_len, const void *key, size_t key_len,
                                 uint32_t condition, uint64_t if_version, uint32_t flags, mantis_written *written,
                                 mantis_error *error);

/* Adds to a decimal number that is kept as text; a missing key counts as 0. The sum is `written->number`. `flags`: MANTIS_DEFER. */
mantis_status mantis_conn_increment(mantis_conn conn, const char *bucket, size_t bucket_len, const void *key, size_t key_len,
                                    int64_t by, uint32_t flags, mantis_written *written, mantis_error *error);

/* Keys in a span: */
#define MANTIS_SPAN_ALL 0     /* all */
#define MANTIS_SPAN_PREFIX 1  /* those that begin with `start` */
#define MANTIS_SPAN_BETWEEN 2 /* from `start` on, if it is not NULL, up to but without `end`, if that is not NULL */

#define MANTIS_SCAN_REVERSE 1u
#define MANTIS_SCAN_KEYS 2u /* keys alone: the records have neither value nor media type nor version */

/* A page of at most `limit` entries in key order, as entry records. `cursor` is that of the page before, NULL for the first. */
mantis_status mantis_conn_scan(mantis_conn conn, const char *bucket, size_t bucket_len, uint32_t span, const void *start,
                               size_t start_len, const void *end, size_t end_len, uint32_t flags, uint32_t limit,
                               const void *cursor, size_t cursor_len, mantis_page *page, mantis_error *error);
/* How many keys a span has. */
mantis_status mantis_conn_count(mantis_conn conn, const char *bucket, size_t bucket_len, uint32_t span, const void *start,
                                size_t start_len, const void *end, size_t end_len, uint64_t *count, mantis_error *error);
/* Deletes the keys of a span: `written->count`. Outside a transaction in commits of 1,000 keys. */
mantis_status mantis_conn_delete_span(mantis_conn conn, const char *bucket, size_t bucket_len, uint32_t span, const void *start,
                                      size_t start_len, const void *end, size_t end_len, mantis_written *written,
                                      mantis_error *error);

/* An operation record, for mantis_conn_apply:
 *
 *   offset  bytes  what
 *        0      1  MANTIS_OP_..
 *        1      1  MANTIS_IF_.. of a set, delete or check
 *        2      1  MANTIS_SPAN_.. of a deletion of a span
 *        3      1  1: there is a ttl; 2: there is a media type; 4: the span has a start; 8: it has an end (added up)
 *        4      4  length of the key, or of the span's start or prefix
 *        8      4  length of the value, or of the span's end
 *       12      4  length of the media type
 *       16      8  version of MANTIS_IF_VERSION
 *       24      8  ttl_ms of a set; the number to add (signed) of an increment
 *       32         the key, the media type, the value, one after the other
 *
 * The next record follows without a gap. Members that an operation does not have are 0. */
#define MANTIS_OP_GET 1
#define MANTIS_OP_SET 2
#define MANTIS_OP_DELETE 3
#define MANTIS_OP_DELETE_SPAN 4
#define MANTIS_OP_INCREMENT 5
#define MANTIS_OP_CHECK 6 /* writes nothing; its condition must hold */
#define MANTIS_OP_RECORD_HEAD 32

/* A result record, for each operation: kind (4 bytes), length of what follows (4 bytes), and that: */
#define MANTIS_RESULT_ENTRY 1   /* of a get: an entry record without key */
#define MANTIS_RESULT_DONE 2    /* of a set and a check: nothing */
#define MANTIS_RESULT_DELETED 3 /* of a delete and a deletion of a span: how many keys (8 bytes) */
#define MANTIS_RESULT_NUMBER 4  /* of an increment: the sum (8 bytes, signed) */
#define MANTIS_RESULT_REFUSED 5 /* index (8 bytes), 1 if the key exists (8 bytes), its version (8 bytes) */

/* Does `count` operations (at most 10,000) in one commit: all of them, and the page has their results; or MANTIS_REFUSED, and the page
 * has a MANTIS_RESULT_REFUSED for each operation whose condition did not hold. `flags`: MANTIS_DEFER. */
mantis_status mantis_conn_apply(mantis_conn conn, const char *bucket, size_t bucket_len, const void *operations,
                                size_t operations_len, size_t count, uint32_t flags, mantis_page *page, mantis_written *written,
                                mantis_error *error);

/* The buckets that the grants show, as JSON: [{"name":"default","keys":12}, ..]. */
mantis_status mantis_conn_buckets(mantis_conn conn, mantis_page *page, mantis_error *error);
/* Deletes all keys of a bucket and the bucket: `written->count` keys. */
mantis_status mantis_conn_bucket_drop(mantis_conn conn, const char *bucket, size_t bucket_len, mantis_written *written,
                                      mantis_error *error);

/* Narrows what the connection may do until it is released: "scores:write,users:read,table/orders:read"; "" nothing; "*:write" all. */
mantis_status mantis_conn_set_grants(mantis_conn conn, const char *grants, size_t grants_len, mantis_error *error);

/* ---------------------------------------------------------------- transactions */

#define MANTIS_BEGIN_SNAPSHOT 1u /* snapshot isolation; serialisable otherwise */
/* Run it again after MANTIS_E_CONFLICT of mantis_conn_commit: in the end the transaction gets a turn in which nothing disturbs it. It
 * may wait for that, two seconds at most. */
#define MANTIS_BEGIN_AGAIN 2u

mantis_status mantis_conn_begin(mantis_conn conn, uint32_t flags, mantis_error *error);
/* Ends the transaction, whatever the result. `flags`: MANTIS_DEFER. */
mantis_status mantis_conn_commit(mantis_conn conn, uint32_t flags, mantis_written *written, mantis_error *error);
/* Undoes the transaction, if there is one. */
mantis_status mantis_conn_rollback(mantis_conn conn, mantis_error *error);

/* Remembers how far the transaction is. Savepoints nest, at most 1,000. */
mantis_status mantis_conn_savepoint(mantis_conn conn, uint64_t *savepoint, mantis_error *error);
/* Undoes what was written since; the savepoint stays, those after it are gone. */
mantis_status mantis_conn_rollback_to(mantis_conn conn, uint64_t savepoint, mantis_error *error);
/* Forgets a savepoint, and those after it; what was written stays. */
mantis_status mantis_conn_release_savepoint(mantis_conn conn, uint64_t savepoint, mantis_error *error);

/* 1: all later writes of keys and rows with this connection, its batches, and the last commit of a mantis_conn_delete_span answer as
 * with MANTIS_DEFER, until 0 is given or the connection is released. What defines buckets and tables waits all the same. */
mantis_status mantis_conn_set_deferred(mantis_conn conn, uint32_t is_deferred, mantis_error *error);
/* Waits until a deferred commit is final: MANTIS_OK and `written->flags`, an error if it did not happen, MANTIS_PENDING if the time is
 * up, MANTIS_E_CANCELED. `version` 0: all commits that this connection deferred since it was acquired. */
mantis_status mantis_conn_wait_settled(mantis_conn conn, uint64_t version, int64_t timeout_ms, mantis_token token,
                                       mantis_written *written, mantis_error *error);

/* ---------------------------------------------------------------- changes */

#define MANTIS_SINCE_NOW 0
#define MANTIS_SINCE_EARLIEST 1
#define MANTIS_SINCE_CURSOR 2

/* A change record, in pages of mantis_conn_changes:
 *
 *   offset  bytes  what
 *        0      4  flags: MANTIS_ENTRY_EXISTS if the key got a value, 0 if it was deleted or expired; MANTIS_ENTRY_EXPIRES;
 *                  MANTIS_CHANGE_HAD_PREVIOUS
 *        4      4  length of the bucket's name
 *        8      4  length of the key
 *       12      4  length of the value
 *       16      4  length of the media type
 *       20      4  length of the cursor after this change
 *       24      8  version
 *       32      8  version of the value before, if it had one
 *       40      8  time of the commit, ms since the epoch
 *       48      8  expires_ms
 *       56         bucket, key, media type, value, cursor, one after the other
 */
#define MANTIS_CHANGE_HAD_PREVIOUS 4u
#define MANTIS_CHANGE_RECORD_HEAD 56

/* At most `limit` (1 to 1,000) committed changes of keys after `since`: of one bucket, or of all if `bucket` is NULL; of keys that begin
 * with `prefix`. `page->cursor` is always there, to go on from. Never waits: see mantis_pool_version_start and mantis_pool_wait_version. */
mantis_status mantis_conn_changes(mantis_conn conn, const char *bucket, size_t bucket_len, const void *prefix, size_t prefix_len,
                                  uint32_t since, const void *cursor, size_t cursor_len, uint32_t limit, mantis_page *page,
                                  mantis_error *error);

/* Waits for a commit newer than `after`: `version` is the newest. MANTIS_PENDING if the time is up. All who wait for one of a server share
 * one request to it; one that fails is told to all of them. */
mantis_status mantis_pool_wait_version(mantis_pool pool, uint64_t after, int64_t timeout_ms, mantis_token token,
                                       uint64_t *version, mantis_error *error);

/* ---------------------------------------------------------------- tables
 *
 * Definitions are JSON documents as over HTTP, and so are batches; docs/guides/embed-c.md describes the form of statements. */

/* Makes a table, or confirms that it is there as defined (`written->flags` MANTIS_CREATED if it is new; of a server the other members of
 * `written` are 0). The page has its definition. */
mantis_status mantis_conn_table_create(mantis_conn conn, const char *table, size_t table_len, const char *definition,
                                       size_t definition_len, mantis_page *page, mantis_written *written, mantis_error *error);
/* Changes a table. The page has its definition after that. */
mantis_status mantis_conn_table_alter(mantis_conn conn, const char *table, size_t table_len, const char *change,
                                      size_t change_len, mantis_page *page, mantis_error *error);
mantis_status mantis_conn_table_drop(mantis_conn conn, const char *table, size_t table_len, mantis_error *error);
/* The definition of a table, as JSON. */
mantis_status mantis_conn_table_describe(mantis_conn conn, const char *table, size_t table_len, mantis_page *page,
                                         mantis_error *error);
/* The definitions of all tables that the grants show, as a JSON array. */
mantis_status mantis_conn_tables(mantis_conn conn, mantis_page *page, mantis_error *error);

#define MANTIS_ROWS_JSON 0   /* a JSON array of objects */
#define MANTIS_ROWS_PACKED 1 /* see below; mantisdb_rows.h reads them */

/* Packed rows. First the columns: how many (4 bytes), and of each its type (4 bytes, MANTIS_TYPE_..), the length of its name (4 bytes)
 * and the name. Then of each row the length of its values (4 bytes), the commit that wrote it (8 bytes; 0 for a group, and for what the
 * statement itself or the open transaction has written), and a value for each column. MANTIS_ROWS_END (4 bytes) in the place of a row's length is the end.
 *
 * A value is a byte (MANTIS_VALUE_..) and what that says. All values of a column have the form of its type, or are null. */
#define MANTIS_ROWS_END 4294967295u
#define MANTIS_ROW_HEAD 12

#define MANTIS_TYPE_BOOLEAN 1
#define MANTIS_TYPE_SMALLINT 2
#define MANTIS_TYPE_INTEGER 3
#define MANTIS_TYPE_BIGINT 4
#define MANTIS_TYPE_REAL 5
#define MANTIS_TYPE_DOUBLE 6
#define MANTIS_TYPE_NUMERIC 7
#define MANTIS_TYPE_TEXT 8
#define MANTIS_TYPE_VARCHAR 9
#define MANTIS_TYPE_CHAR 10
#define MANTIS_TYPE_BYTEA 11
#define MANTIS_TYPE_DATE 12
#define MANTIS_TYPE_TIME 13
#define MANTIS_TYPE_TIMESTAMP 14   /* without a time zone */
#define MANTIS_TYPE_TIMESTAMPTZ 15 /* with one: in UTC */
#define MANTIS_TYPE_UUID 16
#define MANTIS_TYPE_JSONB 17  /* also embedded rows */
#define MANTIS_TYPE_ARRAY 256 /* added for an array of them */

#define MANTIS_VALUE_NULL 0
#define MANTIS_VALUE_FALSE 1
#define MANTIS_VALUE_TRUE 2
#define MANTIS_VALUE_INTEGER 3   /* of any size: 8 bytes, signed */
#define MANTIS_VALUE_REAL 4      /* 4 bytes, IEEE 754 */
#define MANTIS_VALUE_DOUBLE 5    /* 8 bytes, IEEE 754 */
#define MANTIS_VALUE_NUMERIC 6   /* length (4 bytes) and the number as text: 1.50, NaN */
#define MANTIS_VALUE_TEXT 7      /* length (4 bytes) and UTF-8 */
#define MANTIS_VALUE_BYTES 8     /* length (4 bytes) and bytes */
#define MANTIS_VALUE_JSON 9      /* length (4 bytes) and UTF-8 */
#define MANTIS_VALUE_ARRAY 10    /* length of what follows (4 bytes); how many dimensions (4 bytes; 0 if it is empty); of each its length
                                  * (4 bytes) and lower bound (4 bytes, signed); the elements, each a value, the last dimension first */
#define MANTIS_VALUE_TIMESTAMP 11 /* microseconds since 1970 (8 bytes, signed); INT64_MIN is -infinity, INT64_MAX infinity */
#define MANTIS_VALUE_DATE 12      /* days since 1970 (4 bytes, signed); INT32_MIN is -infinity, INT32_MAX infinity */
#define MANTIS_VALUE_TIME 13      /* microseconds since midnight (8 bytes) */
#define MANTIS_VALUE_UUID 14      /* 16 bytes */

/* Runs a statement on rows, given as a JSON object:
 *
 *   {"op": "select", "table": "albums", "filter": "year=gte.$1", "arguments": [2000], "select": "title,bands(name)",
 *    "order": "year.desc", "limit": 10, "offset": 0}
 *
 * `op` is select, get, count, explain, insert, update, update-many or delete. Texts are the dialect's, without percent-encoding; `key` is
 * the primary key as a list, in place of a filter; `rows` (insert, update-many) is a list of objects, `set` (update) an object;
 * `on_conflict` is fail, ignore or merge, with `conflict_columns`; `if_version` a number; `select` of a write returns the rows. `format` is
 * the form of the rows in the page. The count of a write and its commit are in `written`; a count of rows is the page's `total`; a plan is text. */
mantis_status mantis_conn_rows(mantis_conn conn, const char *statement, size_t statement_len, uint32_t format, mantis_page *page,
                               mantis_written *written, mantis_error *error);

/* Runs operations on keys of any buckets and rows of any tables in one commit, given as the JSON of POST /batch:
 *
 *   {"operations": [{"op": "set", "bucket": "b", "key": "k", "value": "v", "absent": true, "ttl_ms": 1000},
 *                   {"op": "insert", "table": "t", "rows": [{"id": 1}]}]}
 *
 * Bytes that are no text are {"base64": ".."}. The page has the list of results as over HTTP, in order; of MANTIS_REFUSED, the list of
 * operations whose condition did not hold, with what was found: {"index": 0, "bucket": "b", "key": "k", "version": "7"}. `error->index` is
 * the operation that failed. At most 64 MiB, and as many operations as the database allows (10,000). */
mantis_status mantis_conn_batch(mantis_conn conn, const char *operations, size_t operations_len, mantis_page *page,
                                mantis_written *written, mantis_error *error);

/* Changes of rows and definitions of one table, or of all tables and keys if `table` is NULL, as JSON, of which `filter` and `select` show
 * a part. As mantis_conn_changes otherwise. */
mantis_status mantis_conn_row_changes(mantis_conn conn, const char *table, size_t table_len, const char *filter,
                                      size_t filter_len, const char *select, size_t select_len, uint32_t since,
                                      const void *cursor, size_t cursor_len, uint32_t limit, mantis_page *page,
                                      mantis_error *error);

#ifdef __cplusplus
}
#endif

#endif
