/* Waiting without a thread for each: acquisitions, versions, and their cancellation, as events of a queue. */
#include "check.h"

#define WAITERS 1000

static void take(mantis_queue queue, mantis_event *event, int64_t timeout_ms) {
    size_t count = 0;
    OK(mantis_next_events(queue, event, sizeof *event, 1, timeout_ms, &count, ERR));
    CHECK(count == 1);
}

int main(void) {
    mantis_pool pool = memory_pool(2);
    mantis_queue queue;
    mantis_event event;
    mantis_token ticket;
    size_t count;
    OK(mantis_queue_new(&queue, ERR));
    IS(mantis_next_events(queue, &event, sizeof event, 1, 0, &count, ERR), MANTIS_PENDING);
    CHECK(count == 0);
    FAILS(mantis_next_events(queue, &event, sizeof event - 1, 1, 0, &count, ERR), MANTIS_E_MISUSE, "misuse");

    /* A thousand waiters on two connections: each has its event, in order. */
    mantis_conn first = acquire(pool), second = acquire(pool);
    for (uint64_t waiter = 0; waiter < WAITERS; waiter++) {
        OK(mantis_pool_acquire_start(pool, -1, queue, waiter, NULL, ERR));
    }
    OK(mantis_conn_release(first, ERR));
    OK(mantis_conn_release(second, ERR));
    for (uint64_t waiter = 0; waiter < WAITERS; waiter++) {
        take(queue, &event, -1);
        CHECK(event.kind == MANTIS_EVENT_ACQUIRED && event.status == MANTIS_OK && event.user_data == waiter);
        OK(mantis_conn_put(event.conn, DEFAULT, T("k"), &waiter, sizeof waiter, NULL, NULL, ERR));
        OK(mantis_conn_release(event.conn, ERR));
    }

    /* One that is cancelled, and one whose time is up. */
    first = acquire(pool);
    second = acquire(pool);
    OK(mantis_pool_acquire_start(pool, -1, queue, 1, &ticket, ERR));
    OK(mantis_token_cancel(ticket, ERR));
    take(queue, &event, -1);
    CHECK(event.status == MANTIS_E_CANCELED && event.user_data == 1 && event.conn.id == 0);
    FAILS(mantis_token_cancel(ticket, ERR), MANTIS_E_STALE, "stale-handle");
    OK(mantis_pool_acquire_start(pool, 10, queue, 2, NULL, ERR));
    take(queue, &event, -1);
    CHECK(event.status == MANTIS_E_TIMEOUT && strcmp(event.code, "acquire-timeout") == 0);

    /* A commit wakes those who wait for one. */
    uint64_t version;
    mantis_stats stats = {.size = sizeof stats};
    OK(mantis_pool_stats(pool, &stats, ERR));
    CHECK(stats.version == WAITERS || server_url() != NULL);
    OK(mantis_pool_version_start(pool, stats.version, queue, 3, NULL, ERR));
    IS(mantis_next_events(queue, &event, sizeof event, 1, 0, &count, ERR), MANTIS_PENDING);
    OK(mantis_conn_put(first, DEFAULT, T("k"), T("v"), NULL, NULL, ERR));
    take(queue, &event, -1);
    CHECK(event.kind == MANTIS_EVENT_VERSION && event.version == stats.version + 1);
    OK(mantis_pool_wait_version(pool, stats.version, -1, no_token, &version, ERR));
    CHECK(version == stats.version + 1);
    IS(mantis_pool_wait_version(pool, version, 5, no_token, &version, ERR), MANTIS_PENDING);

    mantis_token token;
    OK(mantis_token_new(&token, ERR));
    OK(mantis_token_cancel(token, ERR));
    FAILS(mantis_pool_wait_version(pool, version, -1, token, &version, ERR), MANTIS_E_CANCELED, "canceled");
    OK(mantis_token_free(token, ERR));

    OK(mantis_queue_wake(queue, ERR));
    IS(mantis_next_events(queue, &event, sizeof event, 1, -1, &count, ERR), MANTIS_PENDING);

    /* A queue that goes gives back what nobody took, and ends what waits. */
    OK(mantis_conn_release(first, ERR));
    OK(mantis_pool_acquire_start(pool, -1, queue, 4, NULL, ERR));
    OK(mantis_pool_acquire_start(pool, -1, queue, 5, NULL, ERR));
    OK(mantis_queue_destroy(queue, ERR));
    FAILS(mantis_queue_destroy(queue, ERR), MANTIS_E_STALE, "stale-handle");
    first = acquire(pool);
    OK(mantis_conn_release(first, ERR));
    OK(mantis_conn_release(second, ERR));
    OK(mantis_pool_close(pool, -1, ERR));
    OK(mantis_pool_destroy(pool, ERR));
    puts("events: ok");
    return 0;
}
