/* A server that is killed while it is written to: `remote MANTISDB DIRECTORY`.
 *
 * Whatever was acknowledged is there when the server is back, whatever failed says whether it may have happened, and the pool goes on. The
 * scripted failures are in tests/remote.rs. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define WRITERS 4

static mantis_pool pool;
/* How far each writer is: the last number that was acknowledged, and the first that failed with an unknown outcome. */
static _Atomic long acknowledged[WRITERS], unknown[WRITERS];
static char url[64];

/* Starts a server in the directory, on a free port or on that of `url`, and waits until it says where it listens. */
static pid_t serve(const char *mantisdb, const char *directory) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const char *address = url[0] != 0 ? url + strlen("http://") : "127.0.0.1:0";
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        execl(mantisdb, mantisdb, "serve", "--listen", address, "--data", directory, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    char line[1024], *found = NULL;
    while (found == NULL && fgets(line, sizeof line, output) != NULL) found = strstr(line, "http://127.0.0.1:");
    CHECK(found != NULL);
    size_t length = strlen("http://127.0.0.1:");
    length += strspn(found + length, "0123456789");
    CHECK(length < sizeof url);
    memcpy(url, found, length);
    url[length] = 0;
    /* The pipe stays open: the server may go on writing to it. */
    return child;
}

static void kill_server(pid_t server) {
    CHECK(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
}

static void *write_until_lost(void *argument) {
    long writer = (long)(intptr_t)argument;
    mantis_error error = {.size = sizeof error};
    mantis_conn conn;
    CHECK(mantis_pool_acquire(pool, -1, no_token, &conn, &error) == MANTIS_OK);
    char key[32];
    for (long number = 1;; number++) {
        /* Half of them as a commit of its own, half in a transaction. */
        int in_transaction = number % 2 == 0;
        mantis_status said = in_transaction ? mantis_conn_begin(conn, 0, &error) : MANTIS_OK;
        if (said == MANTIS_OK) {
            snprintf(key, sizeof key, "%ld-%08ld", writer, number);
            said = mantis_conn_put(conn, DEFAULT, key, strlen(key), &number, sizeof number, NULL, NULL, &error);
        }
        if (said == MANTIS_OK && in_transaction) said = mantis_conn_commit(conn, 0, NULL, &error);
        if (said == MANTIS_OK) {
            atomic_store(&acknowledged[writer], number);
            continue;
        }
        if (said == MANTIS_E_OUTCOME_UNKNOWN) {
            CHECK(strcmp(error.code, "outcome-unknown") == 0);
            atomic_store(&unknown[writer], number);
        } else {
            CHECK(said == MANTIS_E_IO && strcmp(error.code, "unreachable") == 0);
        }
        break;
    }
    CHECK(mantis_conn_release(conn, &error) == MANTIS_OK);
    return NULL;
}

static void killed(const char *mantisdb, const char *directory) {
    char data[4096];
    snprintf(data, sizeof data, "%s/killed", directory);
    pid_t server = serve(mantisdb, data);
    OK(mantis_pool_new(url, strlen(url), NULL, &pool, ERR));
    pthread_t threads[WRITERS];
    for (intptr_t writer = 0; writer < WRITERS; writer++) {
        CHECK(pthread_create(&threads[writer], NULL, write_until_lost, (void *)writer) == 0);
    }
    /* Killed while all of them write. */
    for (int writer = 0; writer < WRITERS; writer++) {
        while (atomic_load(&acknowledged[writer]) < 20) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill_server(server);
    for (int writer = 0; writer < WRITERS; writer++) CHECK(pthread_join(threads[writer], NULL) == 0);

    server = serve(mantisdb, data);
    mantis_conn conn = acquire(pool);
    for (int writer = 0; writer < WRITERS; writer++) {
        char key[32];
        long last = atomic_load(&acknowledged[writer]), value;
        for (long number = 1; number <= last + 1; number++) {
            snprintf(key, sizeof key, "%d-%08ld", writer, number);
            mantis_status said = mantis_conn_get(conn, DEFAULT, key, strlen(key), &value, sizeof value, NULL, ERR);
            if (number <= last) CHECK(said == MANTIS_OK && value == number);
            /* Only of an unknown outcome more is there. */
            if (number == last + 1 && said == MANTIS_OK) CHECK(atomic_load(&unknown[writer]) == number);
        }
    }

    /* Durable commits, deferred ones, and a backup that makes a database of this process. */
    mantis_written written = {.size = sizeof written};
    OK(mantis_conn_put(conn, DEFAULT, T("kept"), T("yes"), NULL, &written, ERR));
    CHECK(written.flags == MANTIS_DURABLE);
    mantis_put_options options = {.size = sizeof options, .flags = MANTIS_DEFER};
    OK(mantis_conn_put(conn, DEFAULT, T("later"), T("yes"), &options, &written, ERR));
    CHECK(written.flags == MANTIS_DURABLE);
    OK(mantis_conn_wait_settled(conn, 0, -1, no_token, &written, ERR));
    CHECK(written.flags == MANTIS_DURABLE);
    mantis_queue queue;
    mantis_event event;
    size_t count;
    OK(mantis_queue_new(&queue, ERR));
    OK(mantis_pool_settle_start(pool, written.version, queue, 7, NULL, ERR));
    OK(mantis_next_events(queue, &event, sizeof event, 1, -1, &count, ERR));
    CHECK(event.kind == MANTIS_EVENT_SETTLED && event.status == MANTIS_OK && event.flags == MANTIS_DURABLE);
    OK(mantis_queue_destroy(queue, ERR));
    char backup[4096], restored[4096];
    uint64_t bytes, keys, there;
    snprintf(backup, sizeof backup, "%s/remote-backup", directory);
    snprintf(restored, sizeof restored, "%s/remote-restored", directory);
    OK(mantis_pool_backup(pool, backup, strlen(backup), &bytes, ERR));
    CHECK(bytes > 0);
    FAILS(mantis_pool_backup(pool, backup, strlen(backup), &bytes, ERR), MANTIS_E_IO, "io");
    OK(mantis_conn_count(conn, DEFAULT, MANTIS_SPAN_ALL, NONE, NONE, &keys, ERR));
    OK(mantis_conn_release(conn, ERR));
    kill_server(server);
    char lost[4096];
    snprintf(lost, sizeof lost, "%s/remote-lost", directory);
    FAILS(mantis_pool_backup(pool, lost, strlen(lost), &bytes, ERR), MANTIS_E_IO, "unreachable");
    CHECK(access(lost, F_OK) != 0);
    OK(mantis_pool_destroy(pool, ERR));

    OK(mantis_restore(backup, strlen(backup), restored, strlen(restored), ERR));
    OK(mantis_pool_new(restored, strlen(restored), NULL, &pool, ERR));
    conn = acquire(pool);
    OK(mantis_conn_count(conn, DEFAULT, MANTIS_SPAN_ALL, NONE, NONE, &there, ERR));
    CHECK(there == keys);
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    killed(arguments[1], arguments[2]);
    puts("remote: ok");
    return 0;
}
