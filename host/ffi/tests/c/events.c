/* Waiting without a thread for each: acquisitions, versions, and their cancellation, as events of a queue. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <unistd.h>

#include "check.h"

#define WAITERS 1000
/* A waiter has no thread; the library's own (timers, a disk, a server's answers) may begin meanwhile. */
#define NEW_THREADS_MAX 4

/* The threads of this process; 0 where the system does not say. */
static long threads(void) {
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long count = 0;
    while (status != NULL && count == 0 && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "Threads: %ld", &count) != 1) count = 0;
    }
    if (status != NULL) fclose(status);
    return count;
}

static void take(mantis_queue queue, mantis_event *event, int64_t timeout_ms) {
    size_t count = 0;
    OK(mantis_next_events(queue, event, sizeof *event, 1, timeout_ms, &count, ERR));
    CHECK(count == 1);
}

static void *wait_for_wake(void *queue) {
    mantis_event event;
    mantis_error error = {.size = sizeof error};
    size_t count = 1;
    CHECK(mantis_next_events(*(mantis_queue *)queue, &event, sizeof event, 1, -1, &count, &error) == MANTIS_PENDING);
    CHECK(count == 0);
    return NULL;
}

/* Two wakes end the waits of two threads, whether they come before the waits or after. */
static void wakes_end_waits(mantis_queue queue) {
    pthread_t threads[2];
    for (int index = 0; index < 2; index++) {
        CHECK(pthread_create(&threads[index], NULL, wait_for_wake, &queue) == 0);
    }
    for (int index = 0; index < 2; index++) OK(mantis_queue_wake(queue, ERR));
    for (int index = 0; index < 2; index++) CHECK(pthread_join(threads[index], NULL) == 0);
}

int main(void) {
    /* A wait that nothing ends is a failure, and no test that stands still. */
    alarm(300);
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
    mantis_stats stats = {.size = sizeof stats};
    long before = threads();
    for (uint64_t waiter = 0; waiter < WAITERS; waiter++) {
        OK(mantis_pool_acquire_start(pool, -1, queue, waiter, NULL, ERR));
    }
    /* They are started by another thread: until all of them wait. */
    do {
        OK(mantis_pool_stats(pool, &stats, ERR));
    } while (stats.waiters < WAITERS);
    CHECK(stats.waiters == WAITERS && threads() <= before + NEW_THREADS_MAX);
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
    wakes_end_waits(queue);

    /* A queue that goes gives back what nobody took, and ends what waits. */
    OK(mantis_conn_release(first, ERR));
    OK(mantis_pool_acquire_start(pool, -1, queue, 4, NULL, ERR));
    OK(mantis_pool_acquire_start(pool, -1, queue, 5, NULL, ERR));
    OK(mantis_queue_destroy(queue, ERR));
    FAILS(mantis_queue_destroy(queue, ERR), MANTIS_E_STALE, "stale-handle");
    FAILS(mantis_queue_wake(queue, ERR), MANTIS_E_STALE, "stale-handle");
    first = acquire(pool);
    OK(mantis_conn_release(first, ERR));
    OK(mantis_conn_release(second, ERR));
    OK(mantis_pool_close(pool, -1, ERR));
    OK(mantis_pool_destroy(pool, ERR));
    puts("events: ok");
    return 0;
}
