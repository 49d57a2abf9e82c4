/* A database in memory, on a disk, or of a server (MANTIS_TEST_URL): what a first program does. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "check.h"

/* How often a condition is looked at, every 10 ms, until it is given up. */
#define LOOKS_MAX 3000

static void sleep_ms(long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void keys_and_values(void) {
    mantis_pool pool = memory_pool(2);
    mantis_conn conn = acquire(pool);
    mantis_entry entry = {.size = sizeof entry};
    mantis_written written = {.size = sizeof written};
    char buffer[16];
    uint64_t before = start_afresh(pool, conn);
    CHECK(before == 0 || server_url() != NULL);

    IS(mantis_conn_get(conn, DEFAULT, T("greeting"), buffer, sizeof buffer, &entry, ERR), MANTIS_NOT_FOUND);
    OK(mantis_conn_put(conn, DEFAULT, T("greeting"), T("hello"), NULL, &written, ERR));
    CHECK(written.version == before + 1 && written.flags == 0 && written.size == sizeof written);
    OK(mantis_conn_get(conn, DEFAULT, T("greeting"), buffer, sizeof buffer, &entry, ERR));
    CHECK(entry.value == NULL && entry.value_len == 5 && memcmp(buffer, "hello", 5) == 0 && entry.version == before + 1);
    CHECK(entry.media_type_len == 24 && memcmp(entry.media_type, "application/octet-stream", 24) == 0);

    /* Without a buffer, and with one that is too small, the value is shown where it is. */
    OK(mantis_conn_get(conn, DEFAULT, T("greeting"), NULL, 0, &entry, ERR));
    CHECK(entry.value_len == 5 && memcmp(entry.value, "hello", 5) == 0);
    IS(mantis_conn_get(conn, DEFAULT, T("greeting"), buffer, 4, &entry, ERR), MANTIS_TOO_SMALL);
    CHECK(entry.value_len == 5 && memcmp(entry.value, "hello", 5) == 0);
    OK(mantis_conn_get(conn, DEFAULT, T("greeting"), buffer, 5, NULL, NULL));

    /* Conditions are answers. */
    mantis_put_options options = {.size = sizeof options, .condition = MANTIS_IF_ABSENT};
    IS(mantis_conn_put(conn, DEFAULT, T("greeting"), T("hi"), &options, &written, ERR), MANTIS_REFUSED);
    CHECK(written.flags == MANTIS_CURRENT_EXISTS && written.current_version == before + 1);
    IS(mantis_conn_cas(conn, DEFAULT, T("greeting"), before + 7, T("hi"), &written, ERR), MANTIS_REFUSED);
    OK(mantis_conn_cas(conn, DEFAULT, T("greeting"), before + 1, T("hi"), &written, ERR));
    CHECK(written.version == before + 2 && written.flags == MANTIS_REPLACED);
    IS(mantis_conn_cas(conn, DEFAULT, T("greeting"), 0, T("ho"), &written, ERR), MANTIS_REFUSED);
    CHECK(written.flags == MANTIS_CURRENT_EXISTS && written.current_version == before + 2);
    IS(mantis_conn_cas(conn, DEFAULT, T("missing"), before + 2, T("ho"), &written, ERR), MANTIS_REFUSED);
    CHECK((written.flags & MANTIS_CURRENT_EXISTS) == 0);
    OK(mantis_conn_cas(conn, DEFAULT, T("missing"), 0, T("ho"), &written, ERR));
    CHECK(written.version == before + 3 && (written.flags & MANTIS_REPLACED) == 0);
    OK(mantis_conn_get(conn, DEFAULT, T("greeting"), buffer, sizeof buffer, &entry, ERR));
    CHECK(entry.value_len == 2 && memcmp(buffer, "hi", 2) == 0 && entry.version == before + 2);
    OK(mantis_conn_delete(conn, DEFAULT, T("missing"), MANTIS_IF_VERSION, before + 3, 0, NULL, ERR));
    OK(mantis_conn_increment(conn, T("scores"), T("ida"), 41, 0, &written, ERR));
    OK(mantis_conn_increment(conn, T("scores"), T("ida"), 1, 0, &written, ERR));
    CHECK(written.number == 42);

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.flags = MANTIS_PUT_TTL | MANTIS_PUT_MEDIA_TYPE;
    options.ttl_ms = 60000;
    options.media_type_len = 9;
    memcpy(options.media_type, "text/html", 9);
    OK(mantis_conn_put(conn, DEFAULT, T("page"), T("<p>"), &options, &written, ERR));
    OK(mantis_conn_get(conn, DEFAULT, T("page"), NULL, 0, &entry, ERR));
    CHECK(entry.flags == (MANTIS_ENTRY_EXISTS | MANTIS_ENTRY_EXPIRES) && entry.expires_ms > entry.modified_ms);
    CHECK(entry.media_type_len == 9 && memcmp(entry.media_type, "text/html", 9) == 0);
    /* A media type of its own, beside a value that is copied, that is shown, and that does not fit. */
    char value[4];
    options.media_type_len = 10;
    memcpy(options.media_type, "text/x-own", 10);
    OK(mantis_conn_put(conn, DEFAULT, T("own"), T("abcd"), &options, &written, ERR));
    for (size_t capacity = 3; capacity <= 5; capacity++) {
        int fits = capacity != 3;
        void *into = capacity == 5 ? NULL : value;
        memset(value, 0, sizeof value);
        IS(mantis_conn_get(conn, DEFAULT, T("own"), into, into ? capacity : 0, &entry, ERR), fits ? MANTIS_OK : MANTIS_TOO_SMALL);
        CHECK(entry.value_len == 4 && entry.version == written.version && (entry.flags & MANTIS_ENTRY_EXPIRES));
        CHECK(memcmp(entry.value ? (const char *)entry.value : value, "abcd", 4) == 0 && (entry.value == NULL) == (capacity == 4));
        CHECK(entry.media_type_len == 10 && memcmp(entry.media_type, "text/x-own", 10) == 0);
    }
    OK(mantis_conn_delete(conn, DEFAULT, T("own"), MANTIS_IF_ANYTHING, 0, 0, &written, ERR));
    options.media_type_len = 9;
    memcpy(options.media_type, "text/html", 9);
    options.ttl_ms = 0;
    FAILS(mantis_conn_put(conn, DEFAULT, T("page"), T("<p>"), &options, NULL, ERR), MANTIS_E_INVALID, "ttl-invalid");

    OK(mantis_conn_delete(conn, DEFAULT, T("page"), MANTIS_IF_ANYTHING, 0, 0, &written, ERR));
    IS(mantis_conn_delete(conn, DEFAULT, T("page"), MANTIS_IF_ANYTHING, 0, 0, &written, ERR), MANTIS_NOT_FOUND);
    FAILS(mantis_conn_get(conn, DEFAULT, NONE, NULL, 0, NULL, ERR), MANTIS_E_INVALID, "key-empty");
    FAILS(mantis_conn_get(conn, T("Bad Bucket"), T("k"), NULL, 0, NULL, ERR), MANTIS_E_INVALID, "bucket-name-invalid");

    mantis_stats stats = {.size = sizeof stats};
    OK(mantis_pool_stats(pool, &stats, ERR));
    CHECK(stats.active == 1 && stats.total == stats.active + stats.idle + stats.creating && stats.keys == 2);
    IS(mantis_pool_destroy(pool, ERR), MANTIS_REFUSED);
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
    FAILS(mantis_pool_stats(pool, &stats, ERR), MANTIS_E_STALE, "stale-handle");
}

/* Options of a program that was compiled with an earlier header, which ended before `media_type`: nothing behind them is read. */
static void shorter_options(void) {
    mantis_pool pool = memory_pool(1);
    mantis_conn conn = acquire(pool);
    mantis_entry entry = {.size = sizeof entry};
    size_t known = offsetof(mantis_put_options, media_type);
    mantis_put_options options = {.size = (uint32_t)known, .flags = MANTIS_PUT_TTL, .ttl_ms = 60000};
    /* In memory of its own, so that a step too far leaves it. */
    void *shorter = malloc(known);
    start_afresh(pool, conn);
    memcpy(shorter, &options, known);
    OK(mantis_conn_put(conn, DEFAULT, T("k"), T("v"), shorter, NULL, ERR));
    OK(mantis_conn_get(conn, DEFAULT, T("k"), NULL, 0, &entry, ERR));
    CHECK(entry.flags == (MANTIS_ENTRY_EXISTS | MANTIS_ENTRY_EXPIRES) && entry.expires_ms > entry.modified_ms);
    CHECK(entry.media_type_len == 24 && memcmp(entry.media_type, "application/octet-stream", 24) == 0);
    free(shorter);
    /* What lies behind the size is not the structure's: these options ask for nothing. */
    options.size = offsetof(mantis_put_options, flags);
    options.condition = MANTIS_IF_ABSENT;
    OK(mantis_conn_put(conn, DEFAULT, T("k"), T("w"), &options, NULL, ERR));
    OK(mantis_conn_get(conn, DEFAULT, T("k"), NULL, 0, &entry, ERR));
    CHECK(entry.flags == MANTIS_ENTRY_EXISTS);
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
}

/* What a connection says of one record of an operation, in memory of its own. */
static mantis_status apply_copy(mantis_conn conn, const uint8_t *record, size_t length, size_t count) {
    uint8_t *copy = malloc(length ? length : 1);
    memcpy(copy, record, length);
    mantis_status said = mantis_conn_apply(conn, DEFAULT, copy, length, count, 0, NULL, NULL, ERR);
    free(copy);
    return said;
}

/* Records that are none are misuse, which names the operation, and nothing of the batch is done. */
static void malformed_operations(void) {
    mantis_pool pool = memory_pool(1);
    mantis_conn conn = acquire(pool);
    uint8_t records[2 * MANTIS_OP_RECORD_HEAD + 16] = {0};
    uint64_t before = start_afresh(pool, conn);

    /* Set a to bc, of the media type d/e; then check that f is absent. */
    records[0] = MANTIS_OP_SET;
    records[3] = 2;
    records[4] = 1;
    records[8] = 2;
    records[12] = 3;
    memcpy(records + MANTIS_OP_RECORD_HEAD, "ad/ebc", 6);
    size_t first = MANTIS_OP_RECORD_HEAD + 6, length = first + MANTIS_OP_RECORD_HEAD + 1;
    records[first] = MANTIS_OP_CHECK;
    records[first + 1] = MANTIS_IF_ABSENT;
    records[first + 4] = 1;
    records[first + MANTIS_OP_RECORD_HEAD] = 'f';
    for (size_t cut = 0; cut < length; cut++) {
        FAILS(apply_copy(conn, records, cut, 2), MANTIS_E_MISUSE, "misuse");
        CHECK(check_error.index == (cut < first ? 0 : 1));
    }
    FAILS(apply_copy(conn, records, length, 1), MANTIS_E_MISUSE, "misuse");
    FAILS(apply_copy(conn, records, length, 3), MANTIS_E_MISUSE, "misuse");
    FAILS(apply_copy(conn, records, length, SIZE_MAX), MANTIS_E_MISUSE, "misuse");

    /* Of the second record: numbers that are none, and lengths that reach beyond the end. */
    static const struct {
        size_t offset;
        uint8_t byte;
    } wrong[] = {{0, 0}, {0, MANTIS_OP_CHECK + 1}, {0, 255}, {1, MANTIS_IF_VERSION + 1}, {4, 2}, {7, 255}, {11, 255}, {15, 255}};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        uint8_t *byte = records + first + wrong[index].offset, right = *byte;
        *byte = wrong[index].byte;
        FAILS(apply_copy(conn, records, length, 2), MANTIS_E_MISUSE, "misuse");
        CHECK(check_error.index == 1);
        *byte = right;
    }
    records[first] = MANTIS_OP_DELETE_SPAN;
    records[first + 2] = MANTIS_SPAN_BETWEEN + 1;
    FAILS(apply_copy(conn, records, length, 2), MANTIS_E_MISUSE, "misuse");
    records[first] = MANTIS_OP_CHECK;
    records[first + 2] = 0;

    /* A media type that is no UTF-8 is no record; one that the database refuses is its error. */
    records[MANTIS_OP_RECORD_HEAD + 1] = 0xff;
    FAILS(apply_copy(conn, records, length, 2), MANTIS_E_MISUSE, "misuse");
    records[MANTIS_OP_RECORD_HEAD + 1] = '\n';
    FAILS(apply_copy(conn, records, length, 2), MANTIS_E_INVALID, "media-type-invalid");
    CHECK(check_error.index == 0);
    records[MANTIS_OP_RECORD_HEAD + 1] = 'd';

    mantis_stats stats = {.size = sizeof stats};
    OK(mantis_pool_stats(pool, &stats, ERR));
    CHECK(stats.version == before);
    OK(apply_copy(conn, records, length, 2));
    mantis_entry entry = {.size = sizeof entry};
    OK(mantis_conn_get(conn, DEFAULT, T("a"), NULL, 0, &entry, ERR));
    CHECK(entry.value_len == 2 && entry.media_type_len == 3 && memcmp(entry.media_type, "d/e", 3) == 0);
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
}

static void pages(void) {
    mantis_pool pool = memory_pool(1);
    mantis_conn conn = acquire(pool);
    mantis_page page = {.size = sizeof page};
    char key[16];
    uint64_t before = start_afresh(pool, conn);
    for (int number = 0; number < 25; number++) {
        snprintf(key, sizeof key, "k%02d", number);
        OK(mantis_conn_put(conn, DEFAULT, key, 3, key, 3, NULL, NULL, ERR));
    }
    /* A scan, page by page, in the form that the header describes. */
    uint8_t cursor[256];
    size_t cursor_len = 0;
    int seen = 0;
    for (;;) {
        OK(mantis_conn_scan(conn, DEFAULT, MANTIS_SPAN_PREFIX, T("k"), NONE, 0, 10, cursor_len ? cursor : NULL, cursor_len,
                            &page, ERR));
        const uint8_t *record = page.data;
        for (uint64_t index = 0; index < page.count; index++) {
            snprintf(key, sizeof key, "k%02d", seen++);
            CHECK(u32_at(record) == MANTIS_ENTRY_EXISTS && u32_at(record + 4) == 3 && u32_at(record + 8) == 3);
            CHECK(u64_at(record + 16) == before + (uint64_t)seen);
            CHECK(memcmp(record + MANTIS_ENTRY_RECORD_HEAD, key, 3) == 0);
            record += MANTIS_ENTRY_RECORD_HEAD + u32_at(record + 4) + u32_at(record + 8) + u32_at(record + 12);
        }
        CHECK(record == page.data + page.data_len);
        if (page.cursor == NULL) break;
        CHECK(page.cursor_len <= sizeof cursor);
        memcpy(cursor, page.cursor, page.cursor_len);
        cursor_len = page.cursor_len;
    }
    CHECK(seen == 25);
    uint64_t count = 0;
    OK(mantis_conn_count(conn, DEFAULT, MANTIS_SPAN_BETWEEN, T("k05"), T("k10"), &count, ERR));
    CHECK(count == 5);

    /* Several keys at once. */
    const uint8_t keys[] = {3, 0, 0, 0, 'k', '0', '7', 1, 0, 0, 0, 'x'};
    OK(mantis_conn_get_many(conn, DEFAULT, keys, sizeof keys, 2, &page, ERR));
    CHECK(page.count == 2 && u32_at(page.data) == MANTIS_ENTRY_EXISTS && u32_at(page.data + 8) == 3);
    const uint8_t *second = page.data + MANTIS_ENTRY_RECORD_HEAD + u32_at(page.data + 8) + u32_at(page.data + 12);
    CHECK(u32_at(second) == 0 && second + MANTIS_ENTRY_RECORD_HEAD == page.data + page.data_len);
    FAILS(mantis_conn_get_many(conn, DEFAULT, keys, sizeof keys, 3, &page, ERR), MANTIS_E_MISUSE, "misuse");
    FAILS(mantis_conn_get_many(conn, DEFAULT, keys, sizeof keys - 1, 2, &page, ERR), MANTIS_E_MISUSE, "misuse");

    /* A batch: add 5 to n, check that x is absent. */
    uint8_t batch[2 * MANTIS_OP_RECORD_HEAD + 2] = {0};
    batch[0] = MANTIS_OP_INCREMENT;
    batch[4] = 1;
    batch[24] = 5;
    batch[MANTIS_OP_RECORD_HEAD] = 'n';
    uint8_t *check = batch + MANTIS_OP_RECORD_HEAD + 1;
    check[0] = MANTIS_OP_CHECK;
    check[1] = MANTIS_IF_ABSENT;
    check[4] = 1;
    check[MANTIS_OP_RECORD_HEAD] = 'x';
    mantis_written written = {.size = sizeof written};
    OK(mantis_conn_apply(conn, DEFAULT, batch, sizeof batch, 2, 0, &page, &written, ERR));
    CHECK(page.count == 2 && u32_at(page.data) == MANTIS_RESULT_NUMBER && u64_at(page.data + 8) == 5);
    CHECK(u32_at(page.data + 16) == MANTIS_RESULT_DONE && page.data_len == 24);
    check[1] = MANTIS_IF_PRESENT;
    IS(mantis_conn_apply(conn, DEFAULT, batch, sizeof batch, 2, 0, &page, &written, ERR), MANTIS_REFUSED);
    CHECK(page.count == 1 && u32_at(page.data) == MANTIS_RESULT_REFUSED && u64_at(page.data + 8) == 1);
    CHECK(u64_at(page.data + 16) == 0);

    OK(mantis_conn_delete_span(conn, DEFAULT, MANTIS_SPAN_PREFIX, T("k"), NONE, &written, ERR));
    CHECK(written.count == 25);
    OK(mantis_conn_buckets(conn, &page, ERR));
    CHECK(page.data_len == 29 && memcmp(page.data, "[{\"name\":\"default\",\"keys\":1}]", 29) == 0);
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
}

static void transactions(void) {
    mantis_pool pool = memory_pool(2);
    mantis_conn one = acquire(pool), other = acquire(pool);
    mantis_written written = {.size = sizeof written};
    uint64_t savepoint;

    start_afresh(pool, one);
    OK(mantis_conn_put(one, DEFAULT, T("a"), T("1"), NULL, NULL, ERR));
    FAILS(mantis_conn_commit(one, 0, NULL, ERR), MANTIS_E_INVALID, "transaction-not-open");
    OK(mantis_conn_begin(one, 0, ERR));
    OK(mantis_conn_get(one, DEFAULT, T("a"), NULL, 0, NULL, ERR));
    OK(mantis_conn_put(one, DEFAULT, T("b"), T("2"), NULL, &written, ERR));
    CHECK(written.version == 0);
    if (server_url() != NULL) {
        FAILS(mantis_conn_savepoint(one, &savepoint, ERR), MANTIS_E_OTHER, "unsupported-remote");
    } else {
        OK(mantis_conn_savepoint(one, &savepoint, ERR));
        OK(mantis_conn_put(one, DEFAULT, T("b"), T("3"), NULL, NULL, ERR));
        OK(mantis_conn_put(one, DEFAULT, T("c"), T("3"), NULL, NULL, ERR));
        OK(mantis_conn_rollback_to(one, savepoint, ERR));
        IS(mantis_conn_get(one, DEFAULT, T("c"), NULL, 0, NULL, ERR), MANTIS_NOT_FOUND);
        OK(mantis_conn_put(one, DEFAULT, T("d"), T("4"), NULL, NULL, ERR));
        OK(mantis_conn_rollback_to(one, savepoint, ERR));
        OK(mantis_conn_release_savepoint(one, savepoint, ERR));
        FAILS(mantis_conn_rollback_to(one, savepoint, ERR), MANTIS_E_INVALID, "transaction-not-open");
    }
    IS(mantis_conn_get(other, DEFAULT, T("b"), NULL, 0, NULL, ERR), MANTIS_NOT_FOUND);
    OK(mantis_conn_commit(one, 0, &written, ERR));
    char value;
    OK(mantis_conn_get(other, DEFAULT, T("b"), &value, 1, NULL, ERR));
    CHECK(value == '2');
    IS(mantis_conn_get(other, DEFAULT, T("d"), NULL, 0, NULL, ERR), MANTIS_NOT_FOUND);

    /* A conflict is named, and the transaction runs again. */
    OK(mantis_conn_begin(one, 0, ERR));
    OK(mantis_conn_get(one, DEFAULT, T("a"), NULL, 0, NULL, ERR));
    OK(mantis_conn_put(one, DEFAULT, T("e"), T("5"), NULL, NULL, ERR));
    OK(mantis_conn_put(other, DEFAULT, T("a"), T("9"), NULL, NULL, ERR));
    FAILS(mantis_conn_commit(one, 0, NULL, ERR), MANTIS_E_CONFLICT, "conflict");
    OK(mantis_conn_begin(one, MANTIS_BEGIN_AGAIN, ERR));
    OK(mantis_conn_put(one, DEFAULT, T("e"), T("5"), NULL, NULL, ERR));
    OK(mantis_conn_commit(one, 0, NULL, ERR));

    /* A release rolls back, and gives back all grants. */
    if (server_url() != NULL) {
        FAILS(mantis_conn_set_grants(one, T("scores:read"), ERR), MANTIS_E_OTHER, "unsupported-remote");
    } else {
        OK(mantis_conn_set_grants(one, T("scores:read"), ERR));
        FAILS(mantis_conn_get(one, DEFAULT, T("a"), NULL, 0, NULL, ERR), MANTIS_E_NOT_FOUND, "bucket-not-found");
    }
    OK(mantis_conn_release(one, ERR));
    one = acquire(pool);
    OK(mantis_conn_begin(one, MANTIS_BEGIN_SNAPSHOT, ERR));
    OK(mantis_conn_put(one, DEFAULT, T("f"), T("6"), NULL, NULL, ERR));
    OK(mantis_conn_release(one, ERR));
    IS(mantis_conn_get(other, DEFAULT, T("f"), NULL, 0, NULL, ERR), MANTIS_NOT_FOUND);
    OK(mantis_conn_release(other, ERR));
    OK(mantis_pool_destroy(pool, ERR));
}

static void misuse(void) {
    mantis_pool pool = memory_pool(1), none = {0};
    mantis_conn conn, never = {UINT64_MAX};
    mantis_token token;
    mantis_error unsized_error = {0};

    FAILS(mantis_pool_new(T(""), NULL, &pool, ERR), MANTIS_E_MISUSE, "misuse");
    FAILS(mantis_pool_new(T(":memory:"), NULL, NULL, ERR), MANTIS_E_MISUSE, "misuse");
    IS(mantis_pool_new(T(":memory:"), NULL, &none, &unsized_error), MANTIS_E_MISUSE);
    FAILS(mantis_pool_acquire(none, 0, no_token, &conn, ERR), MANTIS_E_STALE, "stale-handle");
    conn = acquire(pool);
    FAILS(mantis_conn_get(never, DEFAULT, T("k"), NULL, 0, NULL, ERR), MANTIS_E_STALE, "stale-handle");
    FAILS(mantis_conn_get((mantis_conn){pool.id}, DEFAULT, T("k"), NULL, 0, NULL, ERR), MANTIS_E_STALE, "stale-handle");
    FAILS(mantis_conn_get(conn, DEFAULT, NULL, 3, NULL, 0, NULL, ERR), MANTIS_E_MISUSE, "misuse");
    FAILS(mantis_conn_put(conn, T("\xff"), T("k"), T("v"), NULL, NULL, ERR), MANTIS_E_MISUSE, "misuse");
    mantis_entry entry = {0};
    FAILS(mantis_conn_get(conn, DEFAULT, T("k"), NULL, 0, &entry, ERR), MANTIS_E_MISUSE, "misuse");
    FAILS(mantis_pool_acquire(pool, 0, no_token, &never, ERR), MANTIS_E_TIMEOUT, "acquire-timeout");
    FAILS(mantis_pool_acquire(pool, 20, no_token, &never, ERR), MANTIS_E_TIMEOUT, "acquire-timeout");
    OK(mantis_token_new(&token, ERR));
    OK(mantis_token_cancel(token, ERR));
    FAILS(mantis_pool_acquire(pool, -1, token, &never, ERR), MANTIS_E_CANCELED, "canceled");
    OK(mantis_token_free(token, ERR));
    FAILS(mantis_token_cancel(token, ERR), MANTIS_E_STALE, "stale-handle");
    OK(mantis_conn_release(conn, ERR));
    FAILS(mantis_conn_release(conn, ERR), MANTIS_E_STALE, "stale-handle");
    FAILS(mantis_conn_get(conn, DEFAULT, T("k"), NULL, 0, NULL, ERR), MANTIS_E_STALE, "stale-handle");
    mantis_stats stats = {.size = sizeof stats};
    OK(mantis_pool_stats(pool, &stats, ERR));
    CHECK(stats.waits == stats.waits_granted + stats.waits_timed_out + stats.waits_refused + stats.waits_abandoned);
    CHECK(stats.waits_timed_out >= 1 && stats.waits_abandoned == 1);
    OK(mantis_pool_close(pool, 0, ERR));
    FAILS(mantis_pool_acquire(pool, -1, no_token, &conn, ERR), MANTIS_E_CLOSED, "pool-closed");
    OK(mantis_pool_destroy(pool, ERR));
}

/* All writes of a connection that say how many they were: each answers before the disk, and is waited for. */
static void deferred_writes(mantis_conn conn) {
    mantis_written written = {.size = sizeof written};
    mantis_page page = {.size = sizeof page};
    const char *definition = "{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"}],\"primary_key\":[\"id\"]}";
    OK(mantis_conn_table_create(conn, T("marks"), definition, strlen(definition), &page, &written, ERR));
    CHECK(written.flags == (MANTIS_CREATED | MANTIS_DURABLE));
    FAILS(mantis_conn_set_deferred(conn, 2, ERR), MANTIS_E_MISUSE, "misuse");
    OK(mantis_conn_set_deferred(conn, 1, ERR));
    int unsettled = 0;
    for (int turn = 0; turn < 100; turn++) {
        const char *statements[] = {"{\"op\":\"insert\",\"table\":\"marks\",\"rows\":[{\"id\":1}]}",
                                    "{\"op\":\"delete\",\"table\":\"marks\",\"filter\":\"id=eq.1\"}"};
        for (int place = 0; place < 2; place++) {
            OK(mantis_conn_rows(conn, statements[place], strlen(statements[place]), MANTIS_ROWS_JSON, &page, &written, ERR));
            CHECK(written.count == 1 && written.flags & (MANTIS_UNSETTLED | MANTIS_DURABLE));
            unsettled += (written.flags & MANTIS_UNSETTLED) != 0;
            OK(mantis_conn_wait_settled(conn, written.version, -1, no_token, &written, ERR));
            CHECK(written.flags == MANTIS_DURABLE);
        }
        OK(mantis_conn_batch(conn, T("{\"operations\":[{\"op\":\"set\",\"key\":\"batched\",\"value\":\"v\"}]}"), &page,
                             &written, ERR));
        unsettled += (written.flags & MANTIS_UNSETTLED) != 0;
        OK(mantis_conn_wait_settled(conn, 0, -1, no_token, &written, ERR));
        OK(mantis_conn_delete_span(conn, DEFAULT, MANTIS_SPAN_PREFIX, T("batched"), NONE, &written, ERR));
        CHECK(written.count == 1 && written.flags & (MANTIS_UNSETTLED | MANTIS_DURABLE));
        unsettled += (written.flags & MANTIS_UNSETTLED) != 0;
        OK(mantis_conn_wait_settled(conn, written.version, -1, no_token, &written, ERR));
        CHECK(written.flags == MANTIS_DURABLE);
    }
    CHECK(unsettled > 0);
    OK(mantis_conn_set_deferred(conn, 0, ERR));
    OK(mantis_conn_put(conn, DEFAULT, T("batched"), T("v"), NULL, &written, ERR));
    CHECK(written.flags == MANTIS_DURABLE);
    OK(mantis_conn_delete_span(conn, DEFAULT, MANTIS_SPAN_PREFIX, T("batched"), NONE, &written, ERR));
    CHECK(written.flags & MANTIS_DURABLE);
    OK(mantis_conn_table_drop(conn, T("marks"), ERR));
}

static mantis_pool_config defaults(void) {
    mantis_pool_config config;
    OK(mantis_pool_config_init(&config, sizeof config));
    return config;
}

static mantis_pool configured(const char *location, const mantis_pool_config *config) {
    mantis_pool pool;
    OK(mantis_pool_new(location, strlen(location), config, &pool, ERR));
    return pool;
}

static mantis_stats stats_of(mantis_pool pool) {
    mantis_stats stats = {.size = sizeof stats};
    OK(mantis_pool_stats(pool, &stats, ERR));
    return stats;
}

static void default_settings(void) {
    mantis_pool_config config;
    memset(&config, 0xa5, sizeof config);
    OK(mantis_pool_config_init(&config, sizeof config));
    CHECK(config.size == sizeof config && config.flags == 0);
    CHECK(config.min_connections == 10 && config.max_connections == 1000 && config.max_waiters == 10000);
    CHECK(config.durability == MANTIS_DURABILITY_ALWAYS && config.durability_interval_ms == 100);
    CHECK(config.connection_timeout_ms == 10000 && config.max_idle_ms == 300000 && config.max_lifetime_ms == 3600000);
    CHECK(config.checkpoint_bytes == 256 << 20 && config.store_bytes_max == 0);
    CHECK(config.request_timeout_ms == 60000 && config.answer_bytes_max == 256 << 20);

    /* A program of an earlier header has fewer members: those behind are left alone, and are the defaults to a pool. */
    size_t known = offsetof(mantis_pool_config, max_waiters);
    memset(&config, 0xa5, sizeof config);
    OK(mantis_pool_config_init(&config, known));
    CHECK(config.size == known && config.max_connections == 1000 && config.max_waiters == 0xa5a5a5a5);
    config.min_connections = 0;
    OK(mantis_pool_destroy(configured(":memory:", &config), ERR));

    IS(mantis_pool_config_init(NULL, sizeof config), MANTIS_E_MISUSE);
    IS(mantis_pool_config_init(&config, 0), MANTIS_E_MISUSE);
    IS(mantis_pool_config_init(&config, SIZE_MAX), MANTIS_E_MISUSE);
}

static void refused_settings(void) {
    enum { SETTINGS = 6 };
    mantis_pool_config configs[SETTINGS];
    mantis_pool pool;
    for (int index = 0; index < SETTINGS; index++) configs[index] = defaults();
    configs[0].size = 0;
    configs[1].flags = MANTIS_POOL_READ_ONLY << 1;
    configs[2].max_connections = 0;
    configs[3].max_connections = 65537;
    configs[4].max_connections = configs[4].min_connections - 1;
    configs[5].durability = MANTIS_DURABILITY_NEVER + 1;
    for (int index = 0; index < SETTINGS; index++) {
        FAILS(mantis_pool_new(T(":memory:"), &configs[index], &pool, ERR), MANTIS_E_MISUSE, "misuse");
    }
    /* Members that a server's pool alone has. */
    configs[0] = configs[1] = defaults();
    configs[0].request_timeout_ms = 0;
    configs[1].answer_bytes_max = 0;
    for (int index = 0; index < 2; index++) {
        FAILS(mantis_pool_new(T("http://127.0.0.1:1"), &configs[index], &pool, ERR), MANTIS_E_MISUSE, "misuse");
        OK(mantis_pool_destroy(configured(":memory:", &configs[index]), ERR));
    }
}

static void sizes_and_times(void) {
    mantis_pool_config config = defaults();
    mantis_conn conn, other;
    mantis_queue queue;
    mantis_event event;
    size_t count;

    /* One connection, one waiter, and a short wait where an acquisition does not say how long. */
    config.min_connections = 0;
    config.max_connections = 1;
    config.max_waiters = 1;
    config.connection_timeout_ms = 20;
    mantis_pool pool = configured(":memory:", &config);
    CHECK(stats_of(pool).max_connections == 1);
    conn = acquire(pool);
    FAILS(mantis_pool_acquire(pool, -1, no_token, &other, ERR), MANTIS_E_TIMEOUT, "acquire-timeout");
    OK(mantis_queue_new(&queue, ERR));
    OK(mantis_pool_acquire_start(pool, 600000, queue, 1, NULL, ERR));
    for (int look = 0; look < LOOKS_MAX && stats_of(pool).waiters == 0; look++) sleep_ms(10);
    FAILS(mantis_pool_acquire(pool, 30000, no_token, &other, ERR), MANTIS_E_QUEUE_FULL, "queue-full");
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_next_events(queue, &event, sizeof event, 1, -1, &count, ERR));
    OK(mantis_conn_release(event.conn, ERR));
    OK(mantis_queue_destroy(queue, ERR));
    OK(mantis_pool_destroy(pool, ERR));

    /* So many are made and kept without being asked for. */
    config = defaults();
    config.min_connections = 3;
    pool = configured(":memory:", &config);
    for (int look = 0; look < LOOKS_MAX && stats_of(pool).idle < 3; look++) sleep_ms(10);
    CHECK(stats_of(pool).idle == 3 && stats_of(pool).created == 3);
    OK(mantis_pool_destroy(pool, ERR));

    /* An idle connection goes when its time is up, and one that is old when it comes back or is asked for. */
    config.min_connections = 0;
    config.max_idle_ms = 20;
    pool = configured(":memory:", &config);
    OK(mantis_conn_release(acquire(pool), ERR));
    for (int look = 0; look < LOOKS_MAX && stats_of(pool).total > 0; look++) sleep_ms(10);
    CHECK(stats_of(pool).total == 0 && stats_of(pool).closed == 1);
    OK(mantis_pool_destroy(pool, ERR));
    config.max_idle_ms = 0;
    config.max_lifetime_ms = 20;
    pool = configured(":memory:", &config);
    for (int look = 0; look < LOOKS_MAX && stats_of(pool).created < 2; look++) {
        conn = acquire(pool);
        sleep_ms(10);
        OK(mantis_conn_release(conn, ERR));
    }
    CHECK(stats_of(pool).created >= 2 && stats_of(pool).closed >= 1);
    OK(mantis_pool_destroy(pool, ERR));
    config.max_lifetime_ms = 0;
    OK(mantis_pool_destroy(configured(":memory:", &config), ERR));

    /* The limit of the database's size. */
    static const char block[40000];
    config = defaults();
    config.store_bytes_max = 100000;
    pool = configured(":memory:", &config);
    conn = acquire(pool);
    OK(mantis_conn_put(conn, DEFAULT, T("a"), block, sizeof block, NULL, NULL, ERR));
    OK(mantis_conn_put(conn, DEFAULT, T("b"), block, sizeof block, NULL, NULL, ERR));
    FAILS(mantis_conn_put(conn, DEFAULT, T("c"), block, sizeof block, NULL, NULL, ERR), MANTIS_E_LIMIT, "store-full");
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
}

/* Commits that are not synced one by one are not called durable, and are there after an end in peace. */
static void durabilities(const char *directory) {
    static const uint32_t kinds[] = {MANTIS_DURABILITY_INTERVAL, MANTIS_DURABILITY_NEVER};
    char path[4096];
    for (int kind = 0; kind < 2; kind++) {
        mantis_pool_config config = defaults();
        mantis_written written = {.size = sizeof written};
        char value;
        snprintf(path, sizeof path, "%s/durability-%d", directory, kind);
        config.durability = kinds[kind];
        config.durability_interval_ms = 3600000;
        mantis_pool pool = configured(path, &config);
        mantis_conn conn = acquire(pool);
        OK(mantis_conn_put(conn, DEFAULT, T("k"), T("v"), NULL, &written, ERR));
        CHECK(written.version == 1 && written.flags == 0);
        OK(mantis_conn_release(conn, ERR));
        OK(mantis_pool_destroy(pool, ERR));
        pool = configured(path, NULL);
        conn = acquire(pool);
        OK(mantis_conn_get(conn, DEFAULT, T("k"), &value, 1, NULL, ERR));
        CHECK(value == 'v');
        OK(mantis_conn_release(conn, ERR));
        OK(mantis_pool_destroy(pool, ERR));
    }
}

/* A database that is open for reading shows everything and takes nothing. */
static void read_only(const char *path) {
    mantis_pool_config config = defaults();
    mantis_pool pool;
    char value[8];
    config.flags = MANTIS_POOL_READ_ONLY;
    pool = configured(path, &config);
    mantis_conn conn = acquire(pool);
    OK(mantis_conn_get(conn, DEFAULT, T("kept"), value, sizeof value, NULL, ERR));
    CHECK(memcmp(value, "yes", 3) == 0);
    FAILS(mantis_conn_put(conn, DEFAULT, T("kept"), T("no"), NULL, NULL, ERR), MANTIS_E_READ_ONLY, "read-only");
    FAILS(mantis_conn_delete(conn, DEFAULT, T("kept"), MANTIS_IF_ANYTHING, 0, 0, NULL, ERR), MANTIS_E_READ_ONLY, "read-only");
    OK(mantis_conn_get(conn, DEFAULT, T("kept"), value, sizeof value, NULL, ERR));
    CHECK(memcmp(value, "yes", 3) == 0);
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
    FAILS(mantis_pool_new(T(":memory:"), &config, &pool, ERR), MANTIS_E_MISUSE, "misuse");
}

static void on_disk(const char *directory) {
    mantis_pool pool, second;
    char path[4096];
    snprintf(path, sizeof path, "%s/data", directory);
    OK(mantis_pool_new(path, strlen(path), NULL, &pool, ERR));
    mantis_conn conn = acquire(pool);
    mantis_written written = {.size = sizeof written};
    OK(mantis_conn_put(conn, DEFAULT, T("kept"), T("yes"), NULL, &written, ERR));
    CHECK(written.flags == MANTIS_DURABLE);
    FAILS(mantis_pool_new(path, strlen(path), NULL, &second, ERR), MANTIS_E_OPEN, "in-use");

    /* Deferred: the answer comes before the disk, and is waited for later. */
    mantis_put_options options = {.size = sizeof options, .flags = MANTIS_DEFER};
    for (int number = 0; number < 100; number++) {
        OK(mantis_conn_put(conn, DEFAULT, &number, sizeof number, T("v"), &options, &written, ERR));
        CHECK(written.flags & (MANTIS_UNSETTLED | MANTIS_DURABLE));
    }
    mantis_queue queue;
    mantis_event event;
    size_t count;
    OK(mantis_queue_new(&queue, ERR));
    OK(mantis_pool_settle_start(pool, written.version, queue, 7, NULL, ERR));
    OK(mantis_next_events(queue, &event, sizeof event, 1, -1, &count, ERR));
    CHECK(count == 1 && event.kind == MANTIS_EVENT_SETTLED && event.status == MANTIS_OK && event.user_data == 7);
    CHECK(event.flags == MANTIS_DURABLE);
    OK(mantis_conn_wait_settled(conn, 0, -1, no_token, &written, ERR));
    CHECK(written.flags == MANTIS_DURABLE);
    OK(mantis_queue_destroy(queue, ERR));
    deferred_writes(conn);

    char backup[4096];
    uint64_t bytes;
    snprintf(backup, sizeof backup, "%s/backup", directory);
    OK(mantis_pool_backup(pool, backup, strlen(backup), &bytes, ERR));
    CHECK(bytes > 0);
    FAILS(mantis_pool_backup(pool, backup, strlen(backup), &bytes, ERR), MANTIS_E_IO, "io");
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));

    read_only(path);

    /* It is all there again, and in what the backup makes. */
    char restored[4096];
    snprintf(restored, sizeof restored, "%s/restored", directory);
    OK(mantis_restore(backup, strlen(backup), restored, strlen(restored), ERR));
    FAILS(mantis_restore(backup, strlen(backup), restored, strlen(restored), ERR), MANTIS_E_OPEN, "not-empty");
    const char *places[] = {path, restored};
    for (int place = 0; place < 2; place++) {
        OK(mantis_pool_new(places[place], strlen(places[place]), NULL, &pool, ERR));
        conn = acquire(pool);
        uint64_t keys;
        OK(mantis_conn_count(conn, DEFAULT, MANTIS_SPAN_ALL, NONE, NONE, &keys, ERR));
        CHECK(keys == 101);
        OK(mantis_conn_release(conn, ERR));
        OK(mantis_pool_destroy(pool, ERR));
    }
}

int main(int count, char **arguments) {
    CHECK(mantis_abi_version() == MANTIS_ABI_VERSION);
    CHECK(strcmp(mantis_status_name(MANTIS_E_BUSY), "MANTIS_E_BUSY") == 0);
    int parts[3];
    CHECK(sscanf(mantis_version(), "%d.%d.%d", &parts[0], &parts[1], &parts[2]) == 3);
    keys_and_values();
    shorter_options();
    malformed_operations();
    pages();
    transactions();
    misuse();
    default_settings();
    refused_settings();
    sizes_and_times();
    if (count > 1) {
        on_disk(arguments[1]);
        durabilities(arguments[1]);
    }
    puts("basic: ok");
    return 0;
}
