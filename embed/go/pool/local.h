/* Memory of the calls of package pool. */
#ifndef POOL_LOCAL_H
#define POOL_LOCAL_H

#include <stdlib.h>

#include <mantisdb.h>

/* What a session's calls write into: in C memory, so that a call allocates nothing of Go's. */
typedef struct scratch {
	mantis_entry entry;
	mantis_written written;
	mantis_page page;
	mantis_put_options options;
	mantis_error error;
} scratch;

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
