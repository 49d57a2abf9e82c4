/* What the tests in C share: a failed check names its place and what the library said, and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mantisdb.h"

static mantis_error check_error = {.size = sizeof(mantis_error)};

#define ERR (&check_error)

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                           \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

/* The call has this result. */
#define IS(call, expected)                                                                                            \
    do {                                                                                                              \
        mantis_status said = (call);                                                                                  \
        if (said != (expected)) {                                                                                     \
            fprintf(stderr, "%s:%d: %s\n  is %s, not %s: %s: %s\n", __FILE__, __LINE__, #call,                        \
                    mantis_status_name(said), #expected, said < 0 ? check_error.code : "-",                           \
                    said < 0 ? check_error.message : "-");                                                            \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

#define OK(call) IS(call, MANTIS_OK)

/* The call fails with this result and this code. */
#define FAILS(call, expected, expected_code)                                                                          \
    do {                                                                                                              \
        IS(call, expected);                                                                                           \
        if (strcmp(check_error.code, expected_code) != 0) {                                                           \
            fprintf(stderr, "%s:%d: %s\n  has the code %s\n", __FILE__, __LINE__, #call, check_error.code);           \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

/* A text as a pointer and its length. */
#define T(text) (text), (sizeof(text) - 1)
/* The default bucket. */
#define DEFAULT NULL, 0
#define NONE NULL, 0

static const mantis_token no_token = {0};

/* The server that the tests are for, if they are for one: its database is in memory, and nobody else uses it. */
static inline const char *server_url(void) { return getenv("MANTIS_TEST_URL"); }

static inline mantis_pool memory_pool(uint32_t connections) {
    mantis_pool_config config;
    mantis_pool pool;
    const char *location = server_url() != NULL ? server_url() : ":memory:";
    OK(mantis_pool_config_init(&config, sizeof config));
    config.max_connections = connections;
    config.min_connections = 0;
    OK(mantis_pool_new(location, strlen(location), &config, &pool, ERR));
    return pool;
}

static inline mantis_conn acquire(mantis_pool pool) {
    mantis_conn conn;
    OK(mantis_pool_acquire(pool, -1, no_token, &conn, ERR));
    return conn;
}

/* Removes what an earlier test has left on a server, and returns its newest commit: 0 of a new database. */
static inline uint64_t start_afresh(mantis_pool pool, mantis_conn conn) {
    mantis_stats stats = {.size = sizeof stats};
    if (server_url() != NULL) {
        OK(mantis_conn_delete_span(conn, DEFAULT, MANTIS_SPAN_ALL, NONE, NONE, NULL, ERR));
        mantis_conn_bucket_drop(conn, T("scores"), NULL, NULL);
        mantis_conn_table_drop(conn, T("albums"), NULL);
        mantis_conn_table_drop(conn, T("notes"), NULL);
    }
    OK(mantis_pool_stats(pool, &stats, ERR));
    return stats.version;
}

static inline uint32_t u32_at(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t u64_at(const uint8_t *bytes) { return u32_at(bytes) | (uint64_t)u32_at(bytes + 4) << 32; }

#endif
