// A plugin in C without a C library, and without generated bindings: the canonical ABI by hand. `cargo xtask guests` builds it.
#include <stddef.h>
#include <stdint.h>

#define IMPORT(interface, function) __attribute__((import_module(interface), import_name(function)))
#define EXPORT(function) __attribute__((export_name(function)))

typedef struct {
    const char *bytes;
    size_t length;
} text;

typedef struct {
    uint8_t kind;
    text code, message;
} error;

typedef struct {
    uint8_t failed;
    union {
        uint32_t bucket;
        error error;
    };
} opened;

// What `increment` gives and what `visit` returns begin alike.
typedef struct {
    uint8_t failed;
    union {
        struct {
            int64_t number;
            uint64_t version;
            uint8_t durable;
        };
        error error;
    };
} counted;

IMPORT("mantis:db/kv@0.1.0", "[static]bucket.open") void bucket_open(const char *name, size_t length, opened *into);
IMPORT("mantis:db/kv@0.1.0", "[method]bucket.increment")
void bucket_increment(uint32_t bucket, const char *key, size_t length, int64_t by, counted *into);
IMPORT("mantis:db/kv@0.1.0", "[resource-drop]bucket") void bucket_drop(uint32_t bucket);
IMPORT("mantis:db/system@0.1.0", "log") void system_log(uint32_t level, const char *message, size_t length);

enum { INFO = 1, PAGE_BYTES = 65536 };

// Memory is taken from the end of the program's own, and given back all at once when a result has been read.
extern char __heap_base;
static uintptr_t heap_end;

static void *allocate(size_t align, size_t bytes) {
    uintptr_t from = heap_end ? heap_end : (uintptr_t)&__heap_base;
    from = (from + align - 1) & ~(uintptr_t)(align - 1);
    uintptr_t has = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
    if (bytes > UINTPTR_MAX - from - PAGE_BYTES) __builtin_trap();
    if (from + bytes > has && __builtin_wasm_memory_grow(0, (from + bytes - has + PAGE_BYTES - 1) / PAGE_BYTES) == (size_t)-1)
        __builtin_trap();
    heap_end = from + bytes;
    return (void *)from;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_bytes, size_t align, size_t bytes) {
    void *new = allocate(align, bytes);
    return old ? memcpy(new, old, old_bytes < bytes ? old_bytes : bytes) : new;
}

EXPORT("shout") text *shout(const char *bytes, size_t length) {
    static text result;
    char *copy = allocate(1, length + 1);
    memcpy(copy, bytes, length);
    copy[length] = '!';
    result = (text){copy, length + 1};
    return &result;
}

EXPORT("visit") counted *visit(const char *page, size_t length) {
    static const char name[] = "visits", done[] = "counted";
    static counted result;
    opened opened;
    bucket_open(name, sizeof name - 1, &opened);
    if (opened.failed) {
        result = (counted){.failed = 1, .error = opened.error};
        return &result;
    }
    bucket_increment(opened.bucket, page, length, 1, &result);
    bucket_drop(opened.bucket);
    system_log(INFO, done, sizeof done - 1);
    return &result;
}

EXPORT("cabi_post_shout") void after_shout(text *result) {
    (void)result;
    heap_end = 0;
}

EXPORT("cabi_post_visit") void after_visit(counted *result) {
    (void)result;
    heap_end = 0;
}
