/* Packed rows: a value of every type, read through mantisdb_rows.h; and bytes that are no rows. */
#include <float.h>

#include "check.h"
#include "mantisdb_rows.h"

#define DOCUMENT                                                                                                              \
    "{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},{\"name\":\"b\",\"type\":\"boolean\"},"                              \
    "{\"name\":\"r\",\"type\":\"real\"},{\"name\":\"d\",\"type\":\"double precision\"},"                                      \
    "{\"name\":\"n\",\"type\":\"numeric\"},{\"name\":\"t\",\"type\":\"text\"},{\"name\":\"y\",\"type\":\"bytea\"},"           \
    "{\"name\":\"j\",\"type\":\"jsonb\"},{\"name\":\"a\",\"type\":\"integer[]\"},{\"name\":\"s\",\"type\":\"timestamptz\"},"  \
    "{\"name\":\"e\",\"type\":\"date\"},{\"name\":\"m\",\"type\":\"time\"},{\"name\":\"u\",\"type\":\"uuid\"}],"              \
    "\"primary_key\":[\"id\"]}"
#define VALUES                                                                                                                \
    "{\"id\":-9223372036854775808,\"b\":true,\"r\":1.5,\"d\":1.7976931348623157e308,"                                         \
    "\"n\":123456789012345678901234567890.10,\"t\":\"\\u00e4\\\"\",\"y\":\"\\\\x00ff\",\"j\":{\"k\":[1, null]},"              \
    "\"a\":\"[0:1][3:4]={{1,NULL},{3,-4}}\",\"s\":\"1969-12-31T23:59:59.999999Z\",\"e\":\"-infinity\",\"m\":\"24:00:00\","    \
    "\"u\":\"00112233-4455-6677-8899-aabbccddeeff\"}"

static mantis_value value;

static const mantis_value *next(mantis_rows *rows, uint32_t kind) {
    CHECK(mantis_rows_value(rows, &value) == 1);
    if (value.kind != kind) fprintf(stderr, "the kind is %u\n", value.kind);
    CHECK(value.kind == kind);
    return &value;
}

static int has(const mantis_value *value, const char *bytes, size_t length) {
    return value->data_len == length && memcmp(value->data, bytes, length) == 0;
}

static void values_are_exact(mantis_rows *rows, uint64_t version) {
    mantis_array array;
    mantis_value element;
    CHECK(mantis_rows_next(rows) == 1 && rows->version == version);
    CHECK(next(rows, MANTIS_VALUE_INTEGER)->integer == INT64_MIN);
    CHECK(next(rows, MANTIS_VALUE_TRUE)->integer == 1);
    CHECK(next(rows, MANTIS_VALUE_REAL)->number == 1.5);
    CHECK(next(rows, MANTIS_VALUE_DOUBLE)->number == DBL_MAX);
    CHECK(has(next(rows, MANTIS_VALUE_NUMERIC), T("123456789012345678901234567890.10")));
    CHECK(has(next(rows, MANTIS_VALUE_TEXT), T("\xc3\xa4\"")));
    CHECK(has(next(rows, MANTIS_VALUE_BYTES), "\0\xff", 2));
    CHECK(has(next(rows, MANTIS_VALUE_JSON), T("{\"k\": [1, null]}")));
    CHECK(mantis_array_begin(&array, next(rows, MANTIS_VALUE_ARRAY)) == 1);
    CHECK(array.dimensions == 2 && array.lengths[0] == 2 && array.lengths[1] == 2);
    CHECK(array.lower_bounds[0] == 0 && array.lower_bounds[1] == 3);
    CHECK(mantis_array_next(&array, &element) == 1 && element.integer == 1);
    CHECK(mantis_array_next(&array, &element) == 1 && element.kind == MANTIS_VALUE_NULL);
    CHECK(mantis_array_next(&array, &element) == 1 && element.integer == 3);
    CHECK(mantis_array_next(&array, &element) == 1 && element.integer == -4);
    CHECK(mantis_array_next(&array, &element) == 0 && !array.is_broken);
    CHECK(next(rows, MANTIS_VALUE_TIMESTAMP)->integer == -1);
    CHECK(next(rows, MANTIS_VALUE_DATE)->integer == INT32_MIN);
    CHECK(next(rows, MANTIS_VALUE_TIME)->integer == 86400000000);
    CHECK(has(next(rows, MANTIS_VALUE_UUID), "\0\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16));
    CHECK(mantis_rows_value(rows, &value) == 0 && !rows->is_broken);
}

/* Reads all that there is, and tells whether it was whole. */
static int walk(const uint8_t *data, uint64_t length, uint32_t most) {
    mantis_rows rows;
    mantis_array array;
    mantis_column column;
    mantis_value element;
    uint64_t seen = 0;
    if (!mantis_rows_begin(&rows, data, length)) {
        /* Whoever goes on all the same reads nothing. */
        CHECK(mantis_rows_column(&rows, 0, &column) == 0 && mantis_rows_next(&rows) == 0 && mantis_rows_value(&rows, &element) == 0);
        return 0;
    }
    CHECK(rows.columns <= most);
    for (uint32_t number = 0; mantis_rows_column(&rows, number, &column); number++) {
        CHECK((const uint8_t *)column.name + column.name_len <= data + length);
    }
    while (mantis_rows_next(&rows)) {
        while (mantis_rows_value(&rows, &value)) {
            CHECK(value.data == NULL || value.data + value.data_len <= data + length);
            if (!mantis_array_begin(&array, &value)) continue;
            while (mantis_array_next(&array, &element)) seen++;
        }
    }
    CHECK(seen <= length);
    return !rows.is_broken;
}

/* Damaged pages are read to some end within them, and cut ones are found out. */
static void damage_is_found(const uint8_t *data, size_t length) {
    uint32_t state = 7;
    for (size_t cut = 0; cut < length; cut++) {
        /* In memory of its own, so that a sanitiser sees a step too far. */
        uint8_t *part = malloc(cut ? cut : 1);
        memcpy(part, data, cut);
        CHECK(walk(part, cut, UINT32_MAX) == 0);
        free(part);
    }
    uint8_t *damaged = malloc(length);
    for (int turn = 0; turn < 20000; turn++) {
        memcpy(damaged, data, length);
        for (int byte = 0; byte < 3; byte++) {
            state = state * 1664525u + 1013904223u;
            damaged[(state >> 8) % length] = (uint8_t)(state >> 24);
        }
        walk(damaged, length, UINT32_MAX);
    }
    free(damaged);
}

int main(void) {
    mantis_pool pool = memory_pool(1);
    mantis_conn conn = acquire(pool);
    mantis_page page = {.size = sizeof page};
    mantis_written written = {.size = sizeof written};
    mantis_rows rows;
    mantis_column column;

    OK(mantis_conn_table_create(conn, T("all"), T(DOCUMENT), &page, &written, ERR));
    OK(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"all\",\"rows\":[" VALUES ",{\"id\":7}]}"), MANTIS_ROWS_PACKED,
                        &page, &written, ERR));
    /* Without a select there are no rows. */
    CHECK(mantis_rows_begin(&rows, page.data, page.data_len) && rows.columns == 0 && !mantis_rows_next(&rows) && !rows.is_broken);
    OK(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"all\",\"order\":\"id\",\"count\":true}"), MANTIS_ROWS_PACKED, &page,
                        NULL, ERR));
    CHECK(page.count == 2 && page.total == 2);
    CHECK(mantis_rows_begin(&rows, page.data, page.data_len) && rows.columns == 13);
    static const uint32_t types[] = {MANTIS_TYPE_BIGINT,  MANTIS_TYPE_BOOLEAN, MANTIS_TYPE_REAL,
                                     MANTIS_TYPE_DOUBLE,  MANTIS_TYPE_NUMERIC, MANTIS_TYPE_TEXT,
                                     MANTIS_TYPE_BYTEA,   MANTIS_TYPE_JSONB,   MANTIS_TYPE_ARRAY + MANTIS_TYPE_INTEGER,
                                     MANTIS_TYPE_TIMESTAMPTZ, MANTIS_TYPE_DATE, MANTIS_TYPE_TIME,
                                     MANTIS_TYPE_UUID};
    for (uint32_t number = 0; number < 13; number++) {
        CHECK(mantis_rows_column(&rows, number, &column) == 1 && column.type == types[number]);
    }
    CHECK(column.name_len == 1 && *column.name == 'u' && mantis_rows_column(&rows, 13, &column) == 0);
    values_are_exact(&rows, written.version);
    CHECK(mantis_rows_next(&rows) == 1);
    CHECK(next(&rows, MANTIS_VALUE_INTEGER)->integer == 7);
    for (int number = 1; number < 13; number++) next(&rows, MANTIS_VALUE_NULL);
    CHECK(mantis_rows_next(&rows) == 0 && !rows.is_broken);
    damage_is_found(page.data, page.data_len);

    /* What is no plain column: aggregates have types, embedded rows are JSON. */
    OK(mantis_conn_table_create(conn, T("child"),
                                T("{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},{\"name\":\"parent\",\"type\":\"bigint\"}],"
                                  "\"primary_key\":[\"id\"],\"foreign_keys\":[{\"columns\":[\"parent\"],"
                                  "\"references\":{\"table\":\"all\",\"columns\":[\"id\"]}}]}"),
                                &page, &written, ERR));
    const char *insert = "{\"op\":\"insert\",\"table\":\"child\",\"rows\":[{\"id\":1,\"parent\":7}],\"select\":\"id,all(id)\"}";
    if (server_url() == NULL) {
        OK(mantis_conn_rows(conn, insert, strlen(insert), MANTIS_ROWS_PACKED, &page, &written, ERR));
        CHECK(mantis_rows_begin(&rows, page.data, page.data_len) && mantis_rows_column(&rows, 1, &column));
        /* The commit of a statement's own rows is in `written`. */
        CHECK(column.type == MANTIS_TYPE_JSONB && mantis_rows_next(&rows) && rows.version == 0 && written.version > 0);
    } else {
        FAILS(mantis_conn_rows(conn, insert, strlen(insert), MANTIS_ROWS_PACKED, &page, &written, ERR), MANTIS_E_OTHER,
              "unsupported-remote");
        OK(mantis_conn_rows(conn, insert, strlen(insert), MANTIS_ROWS_JSON, &page, &written, ERR));
        OK(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"child\",\"select\":\"id,all(id)\"}"), MANTIS_ROWS_PACKED, &page,
                            NULL, ERR));
        CHECK(mantis_rows_begin(&rows, page.data, page.data_len) && mantis_rows_column(&rows, 1, &column));
        CHECK(column.type == MANTIS_TYPE_JSONB && mantis_rows_next(&rows));
    }
    CHECK(next(&rows, MANTIS_VALUE_INTEGER)->integer == 1 && has(next(&rows, MANTIS_VALUE_JSON), T("{\"id\":7}")));
    OK(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"all\",\"select\":\"count(),n.sum(),id.min()\"}"),
                        MANTIS_ROWS_PACKED, &page, NULL, ERR));
    CHECK(mantis_rows_begin(&rows, page.data, page.data_len) && mantis_rows_next(&rows) && rows.version == 0);
    CHECK(next(&rows, MANTIS_VALUE_INTEGER)->integer == 2);
    CHECK(has(next(&rows, MANTIS_VALUE_NUMERIC), T("123456789012345678901234567890.10")));
    CHECK(next(&rows, MANTIS_VALUE_INTEGER)->integer == INT64_MIN);
    IS(mantis_conn_rows(conn, T("{\"op\":\"get\",\"table\":\"all\",\"key\":[8]}"), MANTIS_ROWS_PACKED, &page, NULL, ERR),
       MANTIS_NOT_FOUND);
    /* Of a row that is not there a server shows no columns. */
    CHECK(mantis_rows_begin(&rows, page.data, page.data_len) && rows.columns == (server_url() == NULL ? 13 : 0) && !mantis_rows_next(&rows));
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
    puts("rows: ok");
    return 0;
}
