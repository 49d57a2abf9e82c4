/* The C side of the bench `embed`: it does rounds that it is asked for, a line each, and answers with nanoseconds of processor time for one
 * operation, and of the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "mantisdb.h"

#define KEYS 10000
#define KEY_LEN 24
#define VALUE_LEN 64
#define TOGETHER 100

static mantis_error error = {.size = sizeof(mantis_error)};
static mantis_conn conn;
static char names[KEYS][KEY_LEN + 1];
/* Each key after its length. */
static unsigned char packed[KEYS][4 + KEY_LEN];

static void must(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "embed.c: %s: %s\n", what, error.message);
    exit(1);
}

static double cpu_ns(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

static double clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

static void get(long count) {
    mantis_entry entry = {.size = sizeof entry};
    for (long turn = 0; turn < count; turn++) {
        int answer = mantis_conn_get(conn, NULL, 0, names[turn % KEYS], KEY_LEN, NULL, 0, &entry, &error);
        must(answer == MANTIS_OK && entry.value_len == VALUE_LEN, "get");
    }
}

static void get_copy(long count) {
    char value[VALUE_LEN];
    mantis_entry entry = {.size = sizeof entry};
    for (long turn = 0; turn < count; turn++) {
        int answer = mantis_conn_get(conn, NULL, 0, names[turn % KEYS], KEY_LEN, value, sizeof value, &entry, &error);
        must(answer == MANTIS_OK && entry.value_len == VALUE_LEN, "get");
    }
}

static void get_many(long count) {
    mantis_page page = {.size = sizeof page};
    for (long turn = 0; turn < count; turn += TOGETHER) {
        int answer = mantis_conn_get_many(conn, NULL, 0, packed[turn % KEYS], sizeof packed[0] * TOGETHER, TOGETHER, &page, &error);
        must(answer == MANTIS_OK && page.count == TOGETHER, "get_many");
        const uint8_t *record = page.data;
        for (int place = 0; place < TOGETHER; place++) {
            uint32_t head[4];
            memcpy(head, record, sizeof head);
            must((head[0] & MANTIS_ENTRY_EXISTS) && head[2] == VALUE_LEN, "get_many");
            record += MANTIS_ENTRY_RECORD_HEAD + head[1] + head[2] + head[3];
        }
    }
}

int main(void) {
    mantis_pool pool;
    char value[VALUE_LEN] = {0}, name[32], line[64];
    long count;
    must(mantis_pool_new(":memory:", 8, NULL, &pool, &error) == MANTIS_OK, "pool");
    must(mantis_pool_acquire(pool, -1, (mantis_token){0}, &conn, &error) == MANTIS_OK, "acquire");
    for (int number = 0; number < KEYS; number++) {
        uint32_t length = KEY_LEN;
        snprintf(names[number], sizeof names[number], "key:%020d", number * 7919 % KEYS);
        memcpy(packed[number], &length, 4);
        memcpy(packed[number] + 4, names[number], KEY_LEN);
        must(mantis_conn_put(conn, NULL, 0, names[number], KEY_LEN, value, VALUE_LEN, NULL, NULL, &error) == MANTIS_OK, "put");
    }
    while (fgets(line, sizeof line, stdin) && sscanf(line, "%31s %ld", name, &count) == 2) {
        double cpu = cpu_ns(), began = clock_ns();
        if (strcmp(name, "get") == 0) {
            get(count);
        } else if (strcmp(name, "get-copy") == 0) {
            get_copy(count);
        } else if (strcmp(name, "get-many") == 0) {
            get_many(count);
        } else {
            must(0, name);
        }
        printf("%f %f\n", (cpu_ns() - cpu) / count, (clock_ns() - began) / count);
        fflush(stdout);
    }
    return 0;
}
