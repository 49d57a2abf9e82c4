// The headers are C++ too: they compile as C++11, and their functions link.
#include <mantisdb.h>
#include <mantisdb_rows.h>

#include <cstring>

int main() {
    mantis_pool pool;
    mantis_error error = {};
    error.size = sizeof error;
    if (mantis_pool_new(":memory:", 8, nullptr, &pool, &error) != MANTIS_OK) return 1;
    mantis_conn conn;
    if (mantis_pool_acquire(pool, -1, mantis_token{0}, &conn, &error) != MANTIS_OK) return 1;
    if (mantis_conn_put(conn, nullptr, 0, "k", 1, "v", 1, nullptr, nullptr, &error) != MANTIS_OK) return 1;
    char value = 0;
    if (mantis_conn_get(conn, nullptr, 0, "k", 1, &value, 1, nullptr, &error) != MANTIS_OK || value != 'v') return 1;
    if (mantis_conn_release(conn, &error) != MANTIS_OK) return 1;
    return mantis_pool_destroy(pool, &error) == MANTIS_OK ? 0 : 1;
}
