/* Functions for tests, of the library `mantisdb_c_testing` alone, which also has all of mantisdb.h. Each returns 0, or -1 and says
 * on standard error what is wrong. */
#ifndef MANTISDB_TESTING_H
#define MANTISDB_TESTING_H

#include <mantisdb.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes an empty database with a clock that stands at 2025-06-15T15:06:40.123Z and random numbers that are the same every time.
 * The next mantis_pool_new(":memory:") opens it. `settings` is JSON: {"is_on_disk": true, "limits": {"buckets_max": 3}}. */
int32_t mantis_test_stage(const char *settings, size_t settings_len);
/* What connections may do that are acquired from now on, as for mantis_conn_set_grants; NULL: everything. */
int32_t mantis_test_grants(const char *grants, size_t grants_len);
/* Moves the clock of the last stage on, and does the housekeeping that is due. `now_ms` may be NULL. */
int32_t mantis_test_advance_clock(uint64_t ms, uint64_t *now_ms);
/* The database of the last stage takes no writes from now on. */
int32_t mantis_test_close_for_writes(void);
/* A call with the connection, or with none if that is {0}, that panics within: MANTIS_E_PANIC. */
mantis_status mantis_test_panic(mantis_conn conn, mantis_error *error);

#ifdef __cplusplus
}
#endif

#endif
