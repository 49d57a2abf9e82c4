/* Reads packed rows (MANTIS_ROWS_PACKED of mantisdb.h): functions of this header alone, which call nothing and allocate nothing.
 *
 *   mantis_rows rows;
 *   mantis_value value;
 *   if (!mantis_rows_begin(&rows, page.data, page.data_len)) return bad_page();
 *   while (mantis_rows_next(&rows) > 0)
 *       while (mantis_rows_value(&rows, &value) > 0)
 *           show(&value);
 *   if (rows.is_broken) return bad_page();
 *
 * Every length is checked against the page. What a value points to is in the page, and valid as long as that is.
 */
#ifndef MANTISDB_ROWS_H
#define MANTISDB_ROWS_H

#include <string.h>

#include "mantisdb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A place in packed rows. */
typedef struct mantis_rows {
    const uint8_t *next;     /* what is not yet read of the row, or the next row */
    const uint8_t *row_end;  /* where the row ends */
    const uint8_t *end;      /* where the page ends */
    const uint8_t *names;    /* the first column */
    uint32_t columns;        /* how many columns each row has */
    uint32_t columns_left;   /* of the row, not yet read */
    uint64_t version;        /* the commit that wrote the row */
    int is_broken;           /* this is no packed form, or part of one */
} mantis_rows;

/* A column. */
typedef struct mantis_column {
    uint32_t type; /* MANTIS_TYPE_.. */
    uint32_t name_len;
    const char *name; /* not NUL-terminated */
} mantis_column;

/* A value: the members that its kind has, 0 in the others. */
typedef struct mantis_value {
    uint32_t kind;       /* MANTIS_VALUE_.. */
    uint32_t data_len;   /* of numerics, texts, bytes, JSON, uuids, and the inside of arrays */
    const uint8_t *data; /* likewise; not NUL-terminated */
    int64_t integer;     /* of booleans (0, 1), integers, timestamps, dates, times */
    double number;       /* of reals and doubles, exactly */
} mantis_value;

/* The elements of an array, one after the other. */
typedef struct mantis_array {
    const uint8_t *next;
    const uint8_t *end;
    uint32_t dimensions; /* 0 if it is empty, at most 6 */
    uint32_t lengths[6];
    int32_t lower_bounds[6];
    int is_broken;
} mantis_array;

static inline uint32_t mantis_read_u32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t mantis_read_u64(const uint8_t *bytes) {
    return (uint64_t)mantis_read_u32(bytes) | (uint64_t)mantis_read_u32(bytes + 4) << 32;
}

static inline int64_t mantis_signed(uint64_t bits) {
    int64_t number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Reads the value at `*next`, before `end`: 1, or 0 if there is none whole. */
static inline int mantis_read_value(const uint8_t **next, const uint8_t *end, mantis_value *value) {
    const uint8_t *at = *next;
    uint32_t bits;
    uint64_t wide;
    float real;
    size_t left, size = 0;
    memset(value, 0, sizeof *value);
    if (at >= end) return 0;
    value->kind = *at++;
    left = (size_t)(end - at);
    switch (value->kind) {
    case MANTIS_VALUE_NULL:
    case MANTIS_VALUE_FALSE: break;
    case MANTIS_VALUE_TRUE: value->integer = 1; break;
    case MANTIS_VALUE_REAL:
    case MANTIS_VALUE_DATE:
        if (left < (size = 4)) return 0;
        bits = mantis_read_u32(at);
        if (value->kind == MANTIS_VALUE_REAL) {
            memcpy(&real, &bits, sizeof real);
            value->number = real;
        } else {
            value->integer = bits < 0x80000000u ? (int64_t)bits : (int64_t)bits - 0x100000000;
        }
        break;
    case MANTIS_VALUE_INTEGER:
    case MANTIS_VALUE_DOUBLE:
    case MANTIS_VALUE_TIMESTAMP:
    case MANTIS_VALUE_TIME:
        if (left < (size = 8)) return 0;
        wide = mantis_read_u64(at);
        if (value->kind == MANTIS_VALUE_DOUBLE) {
            memcpy(&value->number, &wide, sizeof wide);
        } else {
            value->integer = mantis_signed(wide);
        }
        break;
    case MANTIS_VALUE_UUID:
        if (left < (size = 16)) return 0;
        value->data = at;
        value->data_len = 16;
        break;
    case MANTIS_VALUE_NUMERIC:
    case MANTIS_VALUE_TEXT:
    case MANTIS_VALUE_BYTES:
    case MANTIS_VALUE_JSON:
    case MANTIS_VALUE_ARRAY:
        if (left < 4 || left - 4 < mantis_read_u32(at)) return 0;
        value->data_len = mantis_read_u32(at);
        value->data = at + 4;
        size = (size_t)value->data_len + 4;
        break;
    default: return 0;
    }
    *next = at + size;
    return 1;
}

/* Begins with the data of a page: 1, or 0 if it has no packed rows. */
static inline int mantis_rows_begin(mantis_rows *rows, const uint8_t *data, uint64_t data_len) {
    uint32_t column;
    memset(rows, 0, sizeof *rows);
    rows->is_broken = 1;
    if (data == NULL || data_len < 4) return 0;
    rows->next = data + 4;
    rows->end = data + data_len;
    rows->names = rows->next;
    rows->columns = mantis_read_u32(data);
    for (column = 0; column < rows->columns; column++) {
        size_t left = (size_t)(rows->end - rows->next);
        if (left < 8 || left - 8 < mantis_read_u32(rows->next + 4)) {
            rows->columns = 0;
            return 0;
        }
        rows->next += 8 + (size_t)mantis_read_u32(rows->next + 4);
    }
    rows->row_end = rows->next;
    rows->is_broken = 0;
    return 1;
}

/* The column of a number, from 0 on: 1, or 0 if there is none. */
static inline int mantis_rows_column(const mantis_rows *rows, uint32_t number, mantis_column *column) {
    const uint8_t *at = rows->names;
    if (number >= rows->columns) return 0;
    for (; number > 0; number--) at += 8 + (size_t)mantis_read_u32(at + 4);
    column->type = mantis_read_u32(at);
    column->name_len = mantis_read_u32(at + 4);
    column->name = (const char *)(at + 8);
    return 1;
}

/* Goes to the next row, whatever was read of the one before: 1, or 0 if there is none. */
static inline int mantis_rows_next(mantis_rows *rows) {
    size_t left;
    uint32_t length;
    if (rows->is_broken) return 0;
    rows->next = rows->row_end;
    rows->columns_left = 0;
    rows->is_broken = 1;
    left = (size_t)(rows->end - rows->next);
    if (left < 4) return 0;
    length = mantis_read_u32(rows->next);
    if (length == MANTIS_ROWS_END) {
        rows->is_broken = left != 4;
        return 0;
    }
    if (left < MANTIS_ROW_HEAD || left - MANTIS_ROW_HEAD < length) return 0;
    rows->version = mantis_read_u64(rows->next + 4);
    rows->next += MANTIS_ROW_HEAD;
    rows->row_end = rows->next + length;
    rows->columns_left = rows->columns;
    rows->is_broken = 0;
    return 1;
}

/* Reads the value of the row's next column: 1, or 0 if the row has no more. */
static inline int mantis_rows_value(mantis_rows *rows, mantis_value *value) {
    if (rows->is_broken || rows->columns_left == 0) return 0;
    if (!mantis_read_value(&rows->next, rows->row_end, value)) {
        rows->is_broken = 1;
        return 0;
    }
    rows->columns_left--;
    return 1;
}

/* Begins with the elements of a value of kind MANTIS_VALUE_ARRAY: 1, or 0 if it is none. */
static inline int mantis_array_begin(mantis_array *array, const mantis_value *value) {
    uint32_t number;
    memset(array, 0, sizeof *array);
    array->is_broken = 1;
    if (value->kind != MANTIS_VALUE_ARRAY || value->data_len < 4) return 0;
    array->dimensions = mantis_read_u32(value->data);
    if (array->dimensions > 6 || value->data_len < 4 + 8 * array->dimensions) return 0;
    array->next = value->data + 4;
    array->end = value->data + value->data_len;
    for (number = 0; number < array->dimensions; number++, array->next += 8) {
        uint32_t bound = mantis_read_u32(array->next + 4);
        array->lengths[number] = mantis_read_u32(array->next);
        memcpy(&array->lower_bounds[number], &bound, sizeof bound);
    }
    array->is_broken = 0;
    return 1;
}

/* Reads the next element: 1, or 0 if there is none. */
static inline int mantis_array_next(mantis_array *array, mantis_value *value) {
    if (array->is_broken || array->next == array->end) return 0;
    array->is_broken = !mantis_read_value(&array->next, array->end, value);
    return !array->is_broken;
}

#ifdef __cplusplus
}
#endif

#endif
