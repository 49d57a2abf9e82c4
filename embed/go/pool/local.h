/* Memory of the calls of package pool. */
#ifndef POOL_LOCAL_H
#define POOL_LOCAL_H

#include <stdlib.h>

#if defined(__has_include)
#if !__has_include(<mantisdb.h>)
#error "mantisdb.h is not there. For servers only: go build -tags mantisdb_remote, or CGO_ENABLED=0. For databases in the program: install header and library (just install-c /usr/local), or name their folders in CGO_CFLAGS and CGO_LDFLAGS. See docs/guides/embed-go.md"
#endif
#endif
#include <mantisdb.h>

/* What a session's calls write into: in C memory, so that a call allocates nothing of Go's. */
typedef struct scratch {
	mantis_entry entry;
	mantis_written written;
	mantis_page page;
	mantis_put_options options;
	mantis_error error;
	uint8_t value[1024];
} scratch;

/* Reads that write into a scratch. It is named by its address as a number: Go looks through what pointers point to before each call, and
 * has nothing to look for here. */
static mantis_status scratch_get(uintptr_t address, mantis_conn conn, const char *bucket, size_t bucket_len, const char *key,
				 size_t key_len) {
	scratch *to = (scratch *)address;
	return mantis_conn_get(conn, bucket, bucket_len, key, key_len, to->value, sizeof to->value, &to->entry, &to->error);
}

static mantis_status scratch_get_many(uintptr_t address, mantis_conn conn, const char *bucket, size_t bucket_len, const char *keys,
				      size_t keys_len, size_t count) {
	scratch *to = (scratch *)address;
	return mantis_conn_get_many(conn, bucket, bucket_len, keys, keys_len, count, &to->page, &to->error);
}

static scratch *scratch_new(void) {
	scratch *made = calloc(1, sizeof(scratch));
	if (made != NULL) {
		made->entry.size = sizeof made->entry;
		made->written.size = sizeof made->written;
		made->page.size = sizeof made->page;
		made->options.size = sizeof made->options;
		made->error.size = sizeof made->error;
	}
	return made;
}

#endif
