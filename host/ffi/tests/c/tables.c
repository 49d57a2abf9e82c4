/* Tables, batches across tables and keys, and changes. */
#include "check.h"

static int page_is(const mantis_page *page, const char *text) {
    if (page->data_len == strlen(text) && memcmp(page->data, text, page->data_len) == 0) return 1;
    fprintf(stderr, "the page has: %.*s\n", (int)page->data_len, (const char *)page->data);
    return 0;
}

int main(void) {
    mantis_pool pool = memory_pool(1);
    mantis_conn conn = acquire(pool);
    mantis_page page = {.size = sizeof page};
    mantis_written written = {.size = sizeof written};

    OK(mantis_conn_table_create(conn, T("albums"),
                                T("{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},"
                                  "{\"name\":\"title\",\"type\":\"text\"},{\"name\":\"price\",\"type\":\"numeric\"}],"
                                  "\"primary_key\":[\"id\"]}"),
                                &page, &written, ERR));
    CHECK((written.flags & MANTIS_CREATED) && page.data_len > 0);
    OK(mantis_conn_tables(conn, &page, ERR));
    CHECK(page.count == 1);
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
    static const uint8_t packed[] = "\2\0\0\0\2\0\0\0id\5\0\0\0title"
                                    "\3\2\0\0\0\0\0\0\0\7\1\0\0\0B\3\1\0\0\0\0\0\0\0\7\1\0\0\0A";
    CHECK(page.data_len == sizeof packed - 1 && memcmp(page.data, packed, page.data_len) == 0);
    IS(mantis_conn_rows(conn, T("{\"op\":\"get\",\"table\":\"albums\",\"key\":[7]}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
       MANTIS_NOT_FOUND);
    OK(mantis_conn_rows(conn, T("{\"op\":\"update\",\"table\":\"albums\",\"key\":[2],\"set\":{\"price\":\"9.9\"},"
                                "\"select\":\"price\"}"),
                        MANTIS_ROWS_JSON, &page, &written, ERR));
    CHECK(page_is(&page, "[{\"price\":9.9}]") && written.count == 1);
    OK(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"albums\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.total == 2);
    /* A number with more digits than a float holds is not the float. */
    OK(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"id=eq.$1\",\"arguments\":[1.0]}"),
                        MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.total == 1);
    OK(mantis_conn_rows(conn, T("{\"op\":\"count\",\"table\":\"albums\",\"filter\":\"id=eq.$1\","
                                "\"arguments\":[1.0000000000000000001]}"),
                        MANTIS_ROWS_JSON, &page, NULL, ERR));
    CHECK(page.total == 0);
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"insert\",\"table\":\"albums\",\"rows\":[{\"id\":9.0000000000000000001}]}"),
                           MANTIS_ROWS_JSON, &page, &written, ERR),
          MANTIS_E_TABLE, "22P02");
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"delete\",\"table\":\"albums\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "21000");
    FAILS(mantis_conn_rows(conn, T("{\"op\":\"select\",\"table\":\"nope\"}"), MANTIS_ROWS_JSON, &page, NULL, ERR),
          MANTIS_E_TABLE, "PGRST205");
    FAILS(mantis_conn_rows(conn, T("[[[["), MANTIS_ROWS_JSON, &page, NULL, ERR), MANTIS_E_INVALID, "statement-invalid");

    OK(mantis_conn_batch(conn, T("[{\"op\":\"increment\",\"key\":\"n\",\"by\":2},"
                                 "{\"op\":\"insert\",\"table\":\"albums\",\"rows\":[{\"id\":3,\"title\":\"C\"}]},"
                                 "{\"op\":\"get\",\"key\":\"n\"}]"),
                         &page, &written, ERR));
    CHECK(written.count == 3 && page.count == 3);
    IS(mantis_conn_batch(conn, T("[{\"op\":\"check\",\"key\":\"n\",\"if\":\"absent\"}]"), &page, &written, ERR), MANTIS_REFUSED);
    FAILS(mantis_conn_batch(conn, T("[{\"op\":\"get\",\"key\":\"n\"},{\"op\":\"get\",\"key\":\"\"}]"), &page, &written, ERR),
          MANTIS_E_INVALID, "key-empty");
    CHECK(check_error.index == 1);

    OK(mantis_conn_changes(conn, DEFAULT, T("n"), MANTIS_SINCE_EARLIEST, NONE, 100, &page, ERR));
    CHECK(page.count == 1 && (page.flags & MANTIS_PAGE_AT_END) && page.cursor_len > 0);
    CHECK(u32_at(page.data) == MANTIS_ENTRY_EXISTS && u32_at(page.data + 4) == 7 && u32_at(page.data + 8) == 1);
    CHECK(memcmp(page.data + MANTIS_CHANGE_RECORD_HEAD, "defaultn", 8) == 0);
    OK(mantis_conn_row_changes(conn, T("albums"), NONE, NONE, MANTIS_SINCE_EARLIEST, NONE, 100, &page, ERR));
    CHECK(page.count == 5 && page.cursor_len > 0);

    OK(mantis_conn_table_alter(conn, T("albums"), T("{\"add_columns\":[{\"name\":\"year\",\"type\":\"integer\"}]}"), &page, ERR));
    OK(mantis_conn_table_describe(conn, T("albums"), &page, ERR));
    OK(mantis_conn_table_drop(conn, T("albums"), ERR));
    FAILS(mantis_conn_table_describe(conn, T("albums"), &page, ERR), MANTIS_E_TABLE, "PGRST205");
    OK(mantis_conn_release(conn, ERR));
    OK(mantis_pool_destroy(pool, ERR));
    puts("tables: ok");
    return 0;
}
