/* Tables, batches across tables and keys, and changes. */
#include "check.h"

static int page_is(const mantis_page *page, const char *text) {
    if (page->data_len == strlen(text) && memcmp(page->data, text, page->data_len) == 0) return 1;
    fprintf(stderr, "the page has: %.*s\n", (int)page->data_len, (const char *)page->data);
    return 0;
}

static int page_has(const mantis_page *page, const char *text) {
    size_t length = strlen(text);
    for (size_t start = 0; start + length <= page->data_len; start++) {
        if (memcmp(page->data + start, text, length) == 0) return 1;
    }
    fprintf(stderr, "the page has: %.*s\n", (int)page->data_len, (const char *)page->data);
    return 0;
}

int main(void) {
    mantis_pool pool = memory_pool(1);
    mantis_conn conn = acquire(pool);
    mantis_page page = {.size = sizeof page};
    mantis_written written = {.size = sizeof written};

    /* Of a server the feed is read from here on. */
    char cursor[128];
    size_t cursor_len = 0;
    uint32_t since = MANTIS_SINCE_EARLIEST;
    start_afresh(pool, conn);
    if (server_url() != NULL) {
        OK(mantis_conn_changes(conn, NONE, NONE, MANTIS_SINCE_NOW, NONE, 100, &page, ERR));
        CHECK(page.count == 0 && (page.flags & MANTIS_PAGE_AT_END) && page.cursor_len <= sizeof cursor);
        since = MANTIS_SINCE_CURSOR;
        cursor_len = page.cursor_len;
        memcpy(cursor, page.cursor, cursor_len);
    }
    OK(mantis_conn_table_create(conn, T("albums"),
                                T("{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},"
                                  "{\"name\":\"title\",\"type\":\"text\"},{\"name\":\"price\",\"type\":\"numeric\"}],"
                                  "\"primary_key\":[\"id\"]}"),
                                &page, &written, ERR));
    CHECK((written.flags & MANTIS_CREATED) && page.data_len > 0);
    OK(mantis_conn_tables(conn, &page, ERR));
    CHECK(page.count == 1);
    OK(mantis_conn_table_create(conn, T("notes"),
                                T("{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},{\"name\":\"text\",\"type\":\"text\"}],"
                                  "\"primary_key\":[\"id\"]}"),
                                NULL, &written, ERR));
    OK(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"albums\",\"rows\":[{\"id\":1,\"title\":\"A\",\"price\":1.50},"
                                "{\"id\":2,\"title\":\"B\"}]}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(written.count == 2 && written.inserted == 2);
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"albums\",\"rows\":[{\"id\":1}]}"), MANTIS_ROWS_JSON, &page,
                           &written, ERR),
          MANTIS_E_TABLE, "23505");
    OK(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"albums\",\"filter\":\"id=gte.$1\",\"arguments\":[1],"
                                "\"select\":\"id,title,price\",\"order\":\"id\",\"limit\":1,\"count\":true}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(page_is(&page, "[{\"id\":1,\"title\":\"A\",\"price\":1.50}]") && page.total == 2 && page.count == 1);
    OK(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"albums\",\"select\":\"id,title\",\"order\":\"id.desc\"}"),
                        MANTIS_ROWS_PACKED, &page, &written, ERR));
    static const uint8_t packed[] = "\2\0\0\0\4\0\0\0\2\0\0\0id\x8\0\0\0\5\0\0\0title";
    CHECK(page.data_len == sizeof packed - 1 + 2 * (12 + 9 + 6) + 4 && memcmp(page.data, packed, sizeof packed - 1) == 0);
    CHECK(u32_at(page.data + sizeof packed - 1) == 15 && u32_at(page.data + page.data_len - 4) == MANTIS_ROWS_END);
    IS(mantis_conn_rows(conn, T("{\"op\":\"get\",\"table\":\"albums\",\"key\":[7]}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
       MANTIS_NOT_FOUND);
    OK(mantis_conn_rows(conn, T("{\"op\":\"update\",\"table\":\"albums\",\"key\":[2],\"set\":{\"price\":\"9.9\"},"
                                "\"select\":\"price\"}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(page_is(&page, "[{\"price\":9.9}]") && written.count == 1);
    OK(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"albums\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.total == 2);
    /* Whole numbers as everywhere. */
    OK(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"albums\",\"order\":\"id\",\"limit\":1.0,\"offset\":1e0}"),
                        MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.count == 1);
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"albums\",\"limit\":-1}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_INVALID, "statement-invalid");
    /* A value is a value: no list, no pattern, no null. */
    static const struct {
        const char *statement;
        int64_t rows;
    } values[] = {
        {"{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"title=eq.$1\",\"arguments\":[null]}", 0},
        {"{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"title=neq.$1\",\"arguments\":[null]}", 0},
        {"{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"title=isdistinct.$1\",\"arguments\":[null]}", 2},
        {"{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"title=eq.$1\",\"arguments\":[\"(1,2)\"]}", 0},
        {"{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"id=in.$1\",\"arguments\":[\"{1,2}\"]}", 2},
        {"{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"or=(title.eq.$1,id.eq.$2)\",\"arguments\":[\"a),id.gt.(0\",1]}", 1},
    };
    for (size_t number = 0; number < sizeof values / sizeof *values; number++) {
        OK(mantis_conn_rows(conn, values[number].statement, strlen(values[number].statement), MANTIS_ROWS_JSON, &page, NULL, ERR));
        CHECK((int64_t)page.total == values[number].rows);
    }
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"id=in.$1\",\"arguments\":[\"(1,2)\"]}"),
                           MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "22P02");
    /* A number with more digits than a float holds is not the float. */
    OK(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"id=eq.$1\",\"arguments\":[1.0]}"),
                        MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.total == 1);
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"id=eq.$1\","
                                   "\"arguments\":[1.0000000000000000001]}"),
                           MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "22P02");
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"albums\",\"rows\":[{\"id\":9.0000000000000000001}]}"),
                           MANTIS_ROWS_JSON, &page, &written, ERR),
          MANTIS_E_TABLE, "22P02");
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"delete\",\"table\":\"albums\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "21000");
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"nope\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "PGRST205");
    FAILS(mantis_conn_rows(conn, T("[[[["), MANTIS_ROWS_JSON, &page, NULL, ERR), MANTIS_E_INVALID, "statement-invalid");

    /* An upsert, a write by filter with arguments, many rows at once, a row's version, an order. */
    OK(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"notes\",\"rows\":[{\"id\":1,\"text\":\"a\"},{\"id\":9,\"text\":\"z\"}],"
                                "\"on_conflict\":\"merge\",\"conflict_columns\":[\"id\"],\"select\":\"id\"}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(written.count == 2 && written.inserted == 2 && page.count == 2 && page_is(&page, "[{\"id\":1},{\"id\":9}]"));
    OK(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"notes\",\"rows\":[{\"id\":1,\"text\":\"b\"},{\"id\":2}],"
                                "\"on_conflict\":\"merge\"}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(written.count == 2 && written.inserted == 1);
    OK(mantis_conn_rows(conn, T("{\"op\":\"update\",\"table\":\"notes\",\"filter\":\"text=in.($1,$2)\",\"arguments\":[\"b\",\"x,y\\\"\"],"
                                "\"set\":{\"text\":\"x,y\\\"\"}}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(written.count == 1);
    OK(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"notes\",\"filter\":\"text=in.($1)&or=(id.eq.$2,id.gt.$3)\","
                                "\"arguments\":[\"x,y\\\"\",1,{\"number\":\"100\"}],\"select\":\"id\"}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(page.count == 1 && page_is(&page, "[{\"id\":1}]") && page.total == UINT64_MAX);
    OK(mantis_conn_rows(conn, T("{\"op\":\"update-many\",\"table\":\"notes\",\"rows\":[{\"id\":1,\"text\":\"c\"},{\"id\":2,\"text\":\"d\"}],"
                                "\"select\":\"text\"}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(written.count == 2 && page.count == 2 && page_is(&page, "[{\"text\":\"c\"},{\"text\":\"d\"}]"));
    OK(mantis_conn_rows(conn, T("{\"op\":\"get\",\"table\":\"notes\",\"key\":[2]}"), MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.count == 1 && page.version > 0 && page_is(&page, "[{\"id\":2,\"text\":\"d\"}]"));
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"delete\",\"table\":\"notes\",\"key\":[2],\"if_version\":1}"), MANTIS_ROWS_JSON, &page,
                           NULL, ERR),
          MANTIS_E_TABLE, "PT412");
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"delete\",\"table\":\"notes\",\"filter\":\"id=eq.2\",\"if_version\":1}"), MANTIS_ROWS_JSON,
                           &page, NULL, ERR),
          MANTIS_E_TABLE, "PT412");
    OK(mantis_conn_rows(conn, T("{\"op\":\"delete\",\"table\":\"notes\",\"key\":[2],\"select\":\"id\"}"), MANTIS_ROWS_JSON, &page,
                        &written, ERR));
    CHECK(written.count == 1 && page_is(&page, "[{\"id\":2}]"));
    OK(mantis_conn_rows(conn, T("{\"op\":\"delete\",\"table\":\"notes\",\"key\":[2]}"), MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(written.count == 0);
    OK(mantis_conn_rows(conn, T("{\"op\":\"explain\",\"table\":\"notes\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page_has(&page, "notes"));
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"notes\",\"filter\":\"nope=eq.1\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "42703");
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"notes\",\"filter\":\"id=wrong\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "PGRST100");

    /* Rows in a transaction; definitions are not. */
    OK(mantis_conn_begin(conn, 0, ERR));
    OK(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"notes\",\"rows\":[{\"id\":20}]}"), MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(written.version == 0 && written.count == 1);
    OK(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"notes\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.total == 3);
    FAILS(mantis_conn_table_drop(conn, T("notes"), ERR), MANTIS_E_TABLE, "25001");
    OK(mantis_conn_rollback(conn, ERR));
    OK(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"notes\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.total == 2);
    OK(mantis_conn_table_drop(conn, T("notes"), ERR));

    OK(mantis_conn_batch(conn, T("{\"operations\":[{\"op\":\"increment\",\"key\":\"n\",\"by\":2},"
                                 "{\"op\":\"insert\",\"table\":\"albums\",\"rows\":[{\"id\":3,\"title\":\"C\"}]},"
                                 "{\"op\":\"update\",\"table\":\"albums\",\"filter\":\"id=eq.$1\",\"arguments\":[3],"
                                 "\"set\":{\"price\":1},\"matches\":1,\"select\":\"price\"},"
                                 "{\"op\":\"get\",\"key\":\"none\"}]}"),
                         &page, &written, ERR));
    CHECK(written.count == 4 && page.count == 4);
    CHECK(page_is(&page, "[{\"value\":2},{\"inserted\":1,\"updated\":0},{\"updated\":1,\"rows\":[{\"price\":1}]},"
                         "{\"value\":null,\"version\":null}]"));
    IS(mantis_conn_batch(conn, T("{\"operations\":[{\"op\":\"check\",\"key\":\"n\",\"absent\":true},"
                                 "{\"op\":\"check\",\"table\":\"albums\",\"matches\":7}]}"),
                         &page, &written, ERR),
       MANTIS_REFUSED);
    CHECK(page.count == 2 && written.version == 0);
    FAILS(mantis_conn_batch(conn, T("{\"operations\":[{\"op\":\"get\",\"key\":\"n\"},{\"op\":\"get\",\"key\":\"\"}]}"),
                            &page, &written, ERR),
          MANTIS_E_INVALID, "key-empty");
    CHECK(check_error.index == 1);
    FAILS(mantis_conn_batch(conn, T("{\"operations\":[{\"op\":\"get\",\"key\":\"n\",\"if\":\"absent\"}]}"), &page, &written, ERR),
          MANTIS_E_INVALID, "body-invalid");
    CHECK(check_error.index == 0);
    FAILS(mantis_conn_batch(conn, T("{\"operations\":["), &page, &written, ERR), MANTIS_E_INVALID, "body-malformed");
    FAILS(mantis_conn_batch(conn, T("[]"), &page, &written, ERR), MANTIS_E_INVALID, "body-invalid");

    OK(mantis_conn_changes(conn, DEFAULT, T("n"), since, cursor, cursor_len, 100, &page, ERR));
    CHECK(page.count == 1 && (page.flags & MANTIS_PAGE_AT_END) && page.cursor_len > 0);
    CHECK(u32_at(page.data) == MANTIS_ENTRY_EXISTS && u32_at(page.data + 4) == 7 && u32_at(page.data + 8) == 1);
    CHECK(memcmp(page.data + MANTIS_CHANGE_RECORD_HEAD, "defaultn", 8) == 0);
    OK(mantis_conn_row_changes(conn, T("albums"), NONE, NONE, since, cursor, cursor_len, 100, &page, ERR));
    CHECK(page.count == 5 && page.cursor_len > 0);
    OK(mantis_conn_row_changes(conn, T("albums"), T("id=eq.3"), T("title"), since, cursor, cursor_len, 100, &page, ERR));
    CHECK(page_has(&page, "\"row\":{\"title\":\"C\"}"));
    /* Keys of all buckets, without rows. */
    OK(mantis_conn_changes(conn, NONE, NONE, since, cursor, cursor_len, 1, &page, ERR));
    CHECK(page.count == 1 && memcmp(page.data + MANTIS_CHANGE_RECORD_HEAD, "defaultn", 8) == 0);

    OK(mantis_conn_table_alter(conn, T("albums"), T("{\"add_columns\":[{\"name\":\"year\",\"type\":\"integer\"}]}"), &page, ERR));
    OK(mantis_conn_table_describe(conn, T("albums"), &page, ERR));
    OK(mantis_conn_table_drop(conn, T("albums"), ERR));
    FAILS(mantis_conn_table_describe(conn, T("albums"), &page, ERR), MANTIS_E_TABLE, "PGRST205");
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
    puts("tables: ok");
    return 0;
}
