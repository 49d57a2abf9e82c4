/* A transaction that runs again while other commits come first: moves an amount from one account to another. */
#include <inttypes.h>
#include <mantisdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mantis_error error = {.size = sizeof error};

static void die(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", what, error.code, error.message);
    exit(1);
}

static int64_t balance(mantis_conn conn, const char *account) {
    char digits[24] = {0};
    mantis_status said =
        mantis_conn_get(conn, "accounts", 8, account, strlen(account), digits, sizeof digits - 1, NULL, &error);
    if (said < 0) die("get");
    return said == MANTIS_OK ? strtoll(digits, NULL, 10) : 0;
}

/* 1 if it was moved, 0 if there is too little. */
static int transfer(mantis_conn conn, const char *from, const char *to, int64_t amount) {
    for (uint32_t again = 0;; again = MANTIS_BEGIN_AGAIN) {
        if (mantis_conn_begin(conn, again, &error) < 0) die("begin");
        if (balance(conn, from) < amount) {
            mantis_conn_rollback(conn, NULL);
            return 0;
        }
        if (mantis_conn_increment(conn, "accounts", 8, from, strlen(from), -amount, 0, NULL, &error) < 0 ||
            mantis_conn_increment(conn, "accounts", 8, to, strlen(to), amount, 0, NULL, &error) < 0) {
            die("increment");
        }
        switch (mantis_conn_commit(conn, 0, NULL, &error)) {
        case MANTIS_OK:
            return 1;
        case MANTIS_E_CONFLICT:
            continue; /* Another commit changed what was read. */
        default:
            die("commit");
        }
    }
}

int main(void) {
    const mantis_token none = {0};
    mantis_pool pool;
    mantis_conn conn;
    if (mantis_pool_new(":memory:", 8, NULL, &pool, &error) < 0) die("open");
    if (mantis_pool_acquire(pool, -1, none, &conn, &error) < 0) die("acquire");
    if (mantis_conn_put(conn, "accounts", 8, "ida", 3, "100", 3, NULL, NULL, &error) < 0) die("put");
    printf("moved: %d\n", transfer(conn, "ida", "jon", 30));
    printf("moved: %d\n", transfer(conn, "ida", "jon", 300));
    printf("ida has %" PRId64 ", jon has %" PRId64 "\n", balance(conn, "ida"), balance(conn, "jon"));
    if (mantis_conn_release(conn, &error) < 0) die("release");
    if (mantis_pool_destroy(pool, &error) != MANTIS_OK) die("destroy");
    return 0;
}
