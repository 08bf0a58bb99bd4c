/* SPDX-License-Identifier: MIT
 * spool: what is written is what is read, names sort by arrival, and nothing foreign or torn is taken for an event. */
#include "base/clock.h"
#include "base/hex.h"
#include "spool/spool.h"
#include "store/store_file.h"
#include "unit.h"

#include <sqlite3.h>
#include <sys/stat.h>

#define NOW_MS INT64_C(1770000000000)

static char folder[64], path[100], database[100], conf[100], secret_file[100];
static struct config_env env = {.config = conf};
static struct config *config;
static struct verifier *verifier;
static struct spool spool;
static struct store *store;

static void configure(const char *secrets)
{
    char text[500];
    unit_write(secret_file, secrets);
    chmod(secret_file, 0600);
    snprintf(
        text, sizeof text,
        "database = \"inbox.db\"\nspool = \"spool\"\nendpoint live { secret_file = \"secrets\" events = {\"t\", \"u\"} }\n");
    unit_write(conf, text);
    config_free(config);
    config = config_load(&env, NOW_MS);
    assert_string_equal(config->error.msg, "");
}

static int start(void **state)
{
    struct err e;
    (void)state;
    unit_folder(folder);
    snprintf(path, sizeof path, "%s/spool", folder);
    snprintf(database, sizeof database, "%s/inbox.db", folder);
    snprintf(conf, sizeof conf, "%s/conf", folder);
    snprintf(secret_file, sizeof secret_file, "%s/secrets", folder);
    config = NULL;
    configure("main the-main-secret-of-tests\nold an-older-secret-of-tests retired\n");
    const struct store_options o = {
        .url = database, .journal = "wal", .group = (gid_t)-1, .create = true, .wait_ms = 100};
    spool_begin(&spool, path);
    return spool_verifier(config, NULL, &verifier, &e) || store_open(&store, &o, &e);
}

static int stop(void **state)
{
    (void)state;
    store_close(store);
    verify_close(verifier);
    config_free(config);
    unit_remove(folder);
    return 0;
}

/* A body as it arrived: verified, in this slot, with the n-th secret. */
static const struct verified *arrived(size_t slot, size_t secret, const char *body)
{
    uint8_t digest[VERIFY_DIGEST];
    char text[2 * VERIFY_DIGEST + 1];
    struct err e;
    verify_sign(verifier, secret, span_of(body), digest);
    hex_encode(digest, sizeof digest, text);
    const struct verified *v = verify_body(verifier, slot, span_of(text), span_of(body), &e);
    assert_non_null(v);
    return v;
}

static void put(const char *body, int64_t now_ms)
{
    struct err e;
    const struct verified *list[] = {arrived(0, 0, body)};
    assert_int_equal(spool_put(&spool, list, 1, (gid_t)-1, now_ms, &e), 1);
}

static struct spool_drain drained(int expected)
{
    struct err e = {0};
    struct spool_drain d = {.store = store, .config = config, .budget_ms = 1000};
    assert_int_equal(store_hold(store, 100, &e), 0);
    assert_int_equal(spool_drain(&spool, &d, NOW_MS + 90000, &e), expected);
    store_unhold(store);
    return d;
}

static int64_t query(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

/* The only file there, by its path. */
static const char *the_file(char *out)
{
    struct spool_names names;
    assert_int_equal(spool_list(path, true, &names, NULL), 0);
    assert_int_equal(names.n, 1);
    snprintf(out, 200, "%s/%s", path, names.list[0]);
    spool_names_release(&names);
    return out;
}

static void a_name_is_one_of_ours_or_foreign(void **state)
{
    static const struct {
        const char *name;
        enum spool_kind kind;
    } cases[] = {{"1770000000000.000000000.0a1b2c3d.event", SPOOL_EVENT},
                 {"1770000000000.000000000.0a1b2c3d.event.aside", SPOOL_ASIDE},
                 {".1770000000000.000000000.0a1b2c3d.event", SPOOL_UNFINISHED},
                 {".1770000000000.000000000.0a1b2c3d.event.aside", SPOOL_FOREIGN},
                 {"1770000000000.000000000.0a1b2c3d.event~", SPOOL_FOREIGN},
                 {"1770000000000.000000000.0A1B2C3D.event", SPOOL_FOREIGN},
                 {"177000000000.000000000.0a1b2c3d.event", SPOOL_FOREIGN},
                 {"1770000000000.00000000.0a1b2c3d.event", SPOOL_FOREIGN},
                 {"1770000000000.000000000.0a1b2c3.event", SPOOL_FOREIGN},
                 {"1770000000000", SPOOL_FOREIGN},
                 {"..", SPOOL_FOREIGN},
                 {"", SPOOL_FOREIGN}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;
        assert_int_equal(spool_kind(cases[i].name, &ms), cases[i].kind);
        if (cases[i].kind != SPOOL_FOREIGN)
            assert_int_equal(ms, NOW_MS);
    }
}

static void what_is_written_is_read_byte_for_byte(void **state)
{
    char file[200];
    struct err e;
    struct stat st;
    struct spool_entry v = {.received_ms = 0};
    const struct verified *list[] = {arrived(0, 0, "{\"id\":\"a\"}\n\ncomplycube-spool 1\n")};
    (void)state;
    mode_t before = umask(0);
    assert_int_equal(spool_put(&spool, list, 1, (gid_t)-1, NOW_MS, &e), 1);
    umask(before);
    assert_true(spool_waits(&spool, NOW_MS));
    assert_int_equal(stat(the_file(file), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(spool_read(path, strrchr(file, '/') + 1, &v, &e), 0);
    assert_int_equal(v.received_ms, NOW_MS);
    assert_string_equal(v.endpoint, "live");
    assert_string_equal(v.secret, "main");
    assert_true(span_equal(v.body, verified_body(list[0])));
    spool_entry_release(&v);
    assert_int_equal(spool_read(path, "1770000000000.000000000.00000000.event", &v, &e), 1);
    spool_entry_release(&v);
}

static void a_text_that_differs_by_one_byte_of_its_head_is_none(void **state)
{
    static const char good[] = "complycube-spool 1\nreceived_ms 1770000000000\nendpoint live\nsecret main\nsignature "
                               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\nlength 2\n\n{}";
    char text[sizeof good];
    struct spool_entry v = {.received_ms = 0};
    struct err e;
    (void)state;
    assert_int_equal(spool_parse(TEXT(good), &v, &e), 0);
    for (size_t cut = 0; cut < sizeof good - 1; cut++) {
        assert_int_equal(spool_parse((struct span){good, cut}, &v, &e), -1);
        assert_int_equal(e.code, ERR_UNDECODABLE);
    }
    for (size_t i = 0; i < sizeof good - 3; i++) {
        memcpy(text, good, sizeof good);
        text[i] = '\n';
        if (good[i] != '\n')
            assert_int_equal(spool_parse((struct span){text, sizeof good - 1}, &v, &e), -1);
    }
    static const char *const others[] = {"length 3",     "length 02",          "length -2",   "received_ms -5",
                                         "endpoint a b", "complycube-spool 2", "signature 00"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *key = others[i], *at = strstr(good, (char[]){key[0], key[1], key[2], key[3], '\0'});
        char changed[400];
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - good), good, key, strchr(at, '\n'));
        assert_int_equal(spool_parse(span_of(changed), &v, &e), -1);
    }
}

static void what_waits_is_recorded_as_if_it_had_just_come(void **state)
{
    (void)state;
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", NOW_MS);
    put("{\"id\":\"2\",\"type\":\"u\",\"payload\":{}}", NOW_MS);
    put("{\"id\":\"3\",\"type\":\"other\",\"payload\":{}}", NOW_MS + 3600000);
    put("no event", NOW_MS + 3600001);
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", NOW_MS + 3600002);
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{\"n\":1}}", NOW_MS + 3600003);
    struct spool_drain d = drained(0);
    assert_int_equal(d.recorded, 6);
    assert_int_equal(d.aside + d.refused, 0);
    assert_false(spool.waits);
    assert_int_equal(query("SELECT count(*) FROM event_log WHERE source='spool' AND seq=CAST(event_id AS INTEGER)"),
                     3);
    assert_int_equal(query("SELECT count(*) FROM event_log JOIN inbox USING(seq) WHERE state=3 AND event_id='3'"), 1);
    assert_int_equal(query("SELECT received_ms FROM event_log WHERE event_id='3'"), NOW_MS + 3600000);
    assert_int_equal(query("SELECT due_ms FROM inbox JOIN event_log USING(seq) WHERE event_id='1'"), NOW_MS);
    assert_int_equal(query("SELECT count(*) FROM quarantine"), 2);
    assert_int_equal(query("SELECT n FROM counter WHERE outcome='stored' AND hour_ms=1769997600000"), 2);
    assert_int_equal(query("SELECT count(*) FROM counter WHERE hour_ms=1770001200000 AND n=1 AND outcome IN "
                           "('ignored','duplicate')"),
                     2);
    assert_int_equal(query("SELECT n FROM counter WHERE hour_ms=1770001200000 AND outcome='quarantined'"), 2);
    assert_int_equal(query("SELECT sum(n) FROM counter"), 6);
    assert_int_equal(query("SELECT last_ms FROM counter WHERE outcome='quarantined'"), NOW_MS + 3600003);
}

/* As when a crash came between the commit and the removal. */
static void a_file_that_stayed_is_recorded_once_and_counted_once(void **state) /* promise 3 */
{
    char file[200], copy[300], command[600];
    static const char *const bodies[] = {"{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", "no event"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        put(bodies[i], NOW_MS);
        snprintf(copy, sizeof copy, "%s.kept", the_file(file));
        snprintf(command, sizeof command, "cp -p '%s' '%s'", file, copy);
        assert_int_equal(system(command), 0);
        assert_int_equal(drained(0).recorded, 1);
        assert_int_equal(rename(copy, file), 0);
        assert_int_equal(drained(0).recorded, 1);
    }
    assert_int_equal(query("SELECT count(*) FROM event_log"), 1);
    assert_int_equal(query("SELECT count(*) FROM inbox"), 1);
    assert_int_equal(query("SELECT times FROM quarantine"), 1);
    assert_int_equal(query("SELECT sum(n) FROM counter"), 2);
    put(bodies[0], NOW_MS + 1); /* but one that really came again is counted */
    assert_int_equal(drained(0).recorded, 1);
    assert_int_equal(query("SELECT n FROM counter WHERE outcome='duplicate'"), 1);
    assert_int_equal(query("SELECT count(*) FROM event_log"), 1);
}

static void a_secret_that_is_retired_by_now_still_verifies_one_that_is_gone_does_not(void **state) /* promise 1 */
{
    struct err e;
    char file[200];
    const struct verified *list[] = {arrived(0, 1, "{\"id\":\"r\",\"type\":\"t\",\"payload\":{}}")};
    (void)state;
    assert_int_equal(spool_put(&spool, list, 1, (gid_t)-1, NOW_MS, &e), 1);
    assert_int_equal(drained(0).recorded, 1);
    assert_int_equal(query("SELECT count(*) FROM event_log JOIN secret s ON s.id=secret WHERE s.name='old'"), 1);
    put("{\"id\":\"m\",\"type\":\"t\",\"payload\":{}}", NOW_MS);
    configure("next another-secret-of-tests\n");
    struct spool_drain d = drained(0);
    assert_int_equal(d.aside, 1);
    assert_int_equal(query("SELECT count(*) FROM event_log"), 1);
    assert_non_null(strstr(the_file(file), ".event.aside"));
    assert_false(spool_waits(&spool, NOW_MS + 90000)); /* it holds nobody up */
    configure("next another-secret-of-tests\nmain the-main-secret-of-tests retired\n");
    assert_int_equal(spool_retry(path, &e), 1);
    assert_int_equal(drained(0).recorded, 1);
    assert_int_equal(query("SELECT count(*) FROM event_log"), 2);
}

static void what_is_torn_or_foreign_is_neither_recorded_nor_removed(void **state)
{
    char file[200], name[200];
    (void)state;
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", NOW_MS);
    assert_int_equal(truncate(the_file(file), 250), 0);
    snprintf(name, sizeof name, "%s/1770000000001.000000000.00000000.event", path);
    unit_write(name, "");
    snprintf(name, sizeof name, "%s/1770000000002.000000000.00000000.event", path);
    assert_int_equal(symlink("/etc/passwd", name), 0);
    snprintf(name, sizeof name, "%s/1770000000003.000000000.00000000.event", path);
    assert_int_equal(mkdir(name, 0700), 0);
    snprintf(name, sizeof name, "%s/notes", path);
    unit_write(name, "mine");
    put("{\"id\":\"2\",\"type\":\"t\",\"payload\":{}}", NOW_MS + 5);
    struct spool_drain d = drained(0);
    assert_int_equal(d.recorded, 1);
    assert_int_equal(d.aside, 4);
    struct spool_names names;
    assert_int_equal(spool_list(path, true, &names, NULL), 0);
    assert_int_equal(names.count[SPOOL_ASIDE], 4);
    assert_int_equal(names.count[SPOOL_FOREIGN], 1);
    assert_int_equal(names.count[SPOOL_EVENT], 0);
    spool_names_release(&names);
}

static void a_body_that_was_changed_is_set_aside(void **state) /* promise 1 */
{
    char file[200];
    (void)state;
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", NOW_MS);
    FILE *f = fopen(the_file(file), "r+");
    assert_non_null(f);
    fseek(f, -3, SEEK_END);
    fputc('x', f);
    fclose(f);
    assert_int_equal(drained(0).aside, 1);
    assert_int_equal(query("SELECT (SELECT count(*) FROM event_log)+(SELECT count(*) FROM quarantine)"), 0);
}

static void the_order_is_that_of_arrival_in_more_batches_than_one(void **state)
{
    char body[80];
    (void)state;
    for (int i = 1; i <= 200; i++) { /* three to each ms */
        snprintf(body, sizeof body, "{\"id\":\"%d\",\"type\":\"t\",\"payload\":{}}", i);
        put(body, NOW_MS + i / 3);
    }
    struct err e = {0};
    struct spool_drain d = {.store = store, .config = config, .budget_ms = 0};
    assert_int_equal(store_hold(store, 100, &e), 0);
    assert_int_equal(spool_drain(&spool, &d, NOW_MS, &e), 1); /* there is more */
    store_unhold(store);
    assert_int_equal(d.recorded, STORE_BATCH_MAX);
    assert_true(spool.waits);
    assert_int_equal(drained(0).recorded, 200 - STORE_BATCH_MAX);
    assert_int_equal(query("SELECT count(*) FROM event_log WHERE seq=CAST(event_id AS INTEGER)"), 200);
}

static void what_a_crash_left_unfinished_goes_when_nobody_can_be_writing_it(void **state)
{
    char name[200];
    (void)state;
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", NOW_MS);
    snprintf(name, sizeof name, "%s/.1770000000000.000000007.00000000.event", path);
    unit_write(name, "complycube-sp");
    struct stat st;
    struct err e = {0};
    struct spool_drain d = {.store = store, .config = config, .budget_ms = 1000};
    assert_int_equal(stat(name, &st), 0);
    for (int later = 0; later < 2; later++) {
        assert_int_equal(store_hold(store, 100, &e), 0);
        assert_int_equal(spool_drain(&spool, &d, ((int64_t)st.st_mtime + 61 * later) * 1000, &e), 0);
        store_unhold(store);
        assert_int_equal(access(name, F_OK), later ? -1 : 0);
    }
}

static void an_empty_folder_is_seen_as_one_until_it_changes(void **state)
{
    struct stat st;
    (void)state;
    assert_false(spool_waits(&spool, NOW_MS)); /* it is not there */
    assert_int_equal(spool_make(path, (gid_t)-1, NULL, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    int64_t later_ms = ((int64_t)st.st_mtime + 60) * 1000;
    assert_false(spool_waits(&spool, later_ms));
    assert_int_equal(spool.empty.ino, st.st_ino);
    struct spool other;
    spool_begin(&other, path); /* another process */
    const struct verified *list[] = {arrived(0, 0, "{}")};
    assert_int_equal(spool_put(&other, list, 1, (gid_t)-1, NOW_MS, NULL), 1);
    assert_true(spool_waits(&spool, later_ms));
}

/* A name that sorts before those of events, and can be neither read as one nor set aside: the other name is the file's, too. */
static void plant_what_stays(unsigned n)
{
    char name[200], aside[220];
    snprintf(name, sizeof name, "%s/0000000000001.%09u.00000000.event", path, n);
    snprintf(aside, sizeof aside, "%s.aside", name);
    unit_write(name, "");
    assert_int_equal(link(name, aside), 0);
}

static void an_event_behind_thousands_that_stay_is_recorded(void **state)
{
    struct err e = {0};
    struct spool_drain d = {.store = store, .config = config, .budget_ms = 60000};
    (void)state;
    assert_int_equal(spool_make(path, (gid_t)-1, NULL, NULL), 0);
    for (unsigned n = 0; n < 8300; n++) /* more than are listed at a time */
        plant_what_stays(n);
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", NOW_MS);
    assert_int_equal(store_hold(store, 100, &e), 0);
    assert_int_equal(spool_drain(&spool, &d, NOW_MS, &e), 0);
    store_unhold(store);
    assert_int_equal(d.recorded, 1);
    assert_true(spool.waits);
    assert_int_equal(query("SELECT count(*) FROM event_log"), 1);
}

/* Files with holes, which take no room on the disk. */
/* Bytes that this process has read so far, whatever from; 0: this system does not say. */
static long long bytes_read(void)
{
    long long n = 0;
    FILE *io = fopen("/proc/self/io", "r");
    if (io && fscanf(io, "rchar: %lld", &n) != 1)
        n = 0;
    if (io)
        fclose(io);
    return n;
}

static void large_files_that_are_none_of_ours_are_not_read(void **state)
{
    char name[200];
    (void)state;
    assert_int_equal(spool_make(path, (gid_t)-1, NULL, NULL), 0);
    for (int n = 0; n < 100; n++) {
        snprintf(name, sizeof name, "%s/0000000000001.%09d.00000000.event", path, n);
        unit_write(name, n % 2 ? "complycube-spool 1\nlength 7\n\n" : "");
        assert_int_equal(truncate(name, SPOOL_BODY_MAX), 0);
    }
    long long before = bytes_read();
    assert_int_equal(drained(0).aside, 100);
    assert_in_range(bytes_read() - before, 0, SPOOL_BODY_MAX); /* of one, at most */
}

/* Such a file has a body to verify; a pass ends in its time whatever it finds. */
static void a_pass_over_files_that_are_set_aside_ends_in_its_time(void **state)
{
    char name[200], head[300];
    (void)state;
    assert_int_equal(spool_make(path, (gid_t)-1, NULL, NULL), 0);
    for (int n = 0; n < 100; n++) {
        snprintf(name, sizeof name, "%s/0000000000001.%09d.00000000.event", path, n);
        int len = snprintf(head, sizeof head,
                           "complycube-spool 1\nreceived_ms 1\nendpoint live\nsecret main\nsignature %064d\nlength "
                           "%d\n\n",
                           0, SPOOL_BODY_MAX);
        unit_write(name, head);
        assert_int_equal(truncate(name, len + SPOOL_BODY_MAX), 0);
    }
    struct spool_drain d = drained(1);
    assert_in_range(d.aside, 1, 99);
}

static void what_is_left_over_rests_until_the_folder_changes(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(spool_make(path, (gid_t)-1, NULL, NULL), 0);
    plant_what_stays(0);
    assert_int_equal(stat(path, &st), 0);
    int64_t later_ms = ((int64_t)st.st_mtime + 60) * 1000;
    assert_true(spool_waits(&spool, later_ms));
    assert_int_equal(drained(0).recorded, 0);
    assert_false(spool_waits(&spool, later_ms));
    assert_true(spool.waits); /* it is tried again after its rest */
    put("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", NOW_MS);
    assert_true(spool_waits(&spool, later_ms));
    assert_int_equal(drained(0).recorded, 1);
}

int main(void)
{
#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_one_of_ours_or_foreign),
        SPOOL_TEST(what_is_written_is_read_byte_for_byte),
        cmocka_unit_test(a_text_that_differs_by_one_byte_of_its_head_is_none),
        SPOOL_TEST(what_waits_is_recorded_as_if_it_had_just_come),
        SPOOL_TEST(a_file_that_stayed_is_recorded_once_and_counted_once),
        SPOOL_TEST(a_secret_that_is_retired_by_now_still_verifies_one_that_is_gone_does_not),
        SPOOL_TEST(what_is_torn_or_foreign_is_neither_recorded_nor_removed),
        SPOOL_TEST(a_body_that_was_changed_is_set_aside),
        SPOOL_TEST(the_order_is_that_of_arrival_in_more_batches_than_one),
        SPOOL_TEST(what_a_crash_left_unfinished_goes_when_nobody_can_be_writing_it),
        SPOOL_TEST(an_empty_folder_is_seen_as_one_until_it_changes),
        SPOOL_TEST(an_event_behind_thousands_that_stay_is_recorded),
        SPOOL_TEST(large_files_that_are_none_of_ours_are_not_read),
        SPOOL_TEST(a_pass_over_files_that_are_set_aside_ends_in_its_time),
        SPOOL_TEST(what_is_left_over_rests_until_the_folder_changes),
    };
    return UNIT_RUN(tests);
}
