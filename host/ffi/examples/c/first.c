/* A first program: open a database in a directory, write, read, look at a page, close.
 *
 *   cc first.c $(pkg-config --cflags --libs mantisdb) && ./a.out
 */
#include <mantisdb.h>
#include <stdio.h>
#include <string.h>

static mantis_error error = {.size = sizeof error};

static int failed(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", what, error.code, error.message);
    return 1;
}

int main(void) {
    const mantis_token none = {0};
    mantis_pool pool;
    if (mantis_pool_new("first-data", 10, NULL, &pool, &error) < 0) return failed("open");

    mantis_conn conn;
    if (mantis_pool_acquire(pool, -1, none, &conn, &error) < 0) return failed("acquire");

    if (mantis_conn_put(conn, NULL, 0, "greeting", 8, "hello", 5, NULL, NULL, &error) < 0) return failed("put");

    char value[64];
    mantis_entry entry = {.size = sizeof entry};
    switch (mantis_conn_get(conn, NULL, 0, "greeting", 8, value, sizeof value, &entry, &error)) {
    case MANTIS_OK:
        printf("greeting: %.*s, written by commit %llu\n", (int)entry.value_len, value, (unsigned long long)entry.version);
        break;
    case MANTIS_NOT_FOUND:
        puts("there is no greeting");
        break;
    default:
        return failed("get");
    }

    /* Keys in order: each record has a head of 40 bytes, then the key, the media type, the value. */
    mantis_page page = {.size = sizeof page};
    if (mantis_conn_scan(conn, NULL, 0, MANTIS_SPAN_ALL, NULL, 0, NULL, 0, 0, 100, NULL, 0, &page, &error) < 0) {
        return failed("scan");
    }
    const uint8_t *record = page.data;
    for (uint64_t index = 0; index < page.count; index++) {
        uint32_t lengths[3];
        memcpy(lengths, record + 4, sizeof lengths); /* on a big-endian machine, swap them */
        printf("%.*s has %u bytes\n", (int)lengths[0], (const char *)record + MANTIS_ENTRY_RECORD_HEAD, lengths[1]);
        record += MANTIS_ENTRY_RECORD_HEAD + lengths[0] + lengths[1] + lengths[2];
    }

    if (mantis_conn_release(conn, &error) < 0) return failed("release");
    if (mantis_pool_destroy(pool, &error) != MANTIS_OK) return failed("destroy");
    return 0;
}
