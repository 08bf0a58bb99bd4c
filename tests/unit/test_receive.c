/* SPDX-License-Identifier: MIT
 * receive and the store: outcomes, answers, and rows, for batches of one and many. */
#include "base/hex.h"
#include "receiver/receive.h"
#include "unit.h"
#include "verifier.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum { NOW_MS = 1770000000 /* any time will do */ };

static char folder[64], database[100];
static struct receiver receiver;
static struct exchange exchanges[RECEIVE_BATCH_MAX];
static char signatures[RECEIVE_BATCH_MAX][2 * VERIFY_DIGEST + 1];

static int start(void **state)
{
    struct err e;
    struct config_env env = {.secret = "a-secret-of-the-tests", .database = database};
    (void)state;
    unit_folder(folder);
    snprintf(database, sizeof database, "%s/inbox.db", folder);
    return receiver_open(&receiver, &env, false, NOW_MS, &e);
}

static int stop(void **state)
{
    (void)state;
    receiver_close(&receiver);
    unit_remove(folder);
    return 0;
}

/* Exchange i as a signed POST of a body. */
static struct exchange *posted(size_t i, struct span body)
{
    struct verifier *v;
    struct err e;
    uint8_t digest[VERIFY_DIGEST];
    const struct verifier_secret secret = {"", "", TEXT("a-secret-of-the-tests")};
    assert_int_equal(verifier_open(&v, &secret, 1, &e), 0);
    verify_sign(v, 0, body, digest);
    verify_close(v);
    hex_encode(digest, sizeof digest, signatures[i]);
    exchanges[i] = (struct exchange){
        .request = {
            .method = TEXT("POST"), .signature = span_of(signatures[i]), .remote = TEXT("::1"), .body = body}};
    return &exchanges[i];
}

static void receive(size_t n)
{
    struct exchange *batch[RECEIVE_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        batch[i] = &exchanges[i];
    receive_batch(&receiver, batch, n, NOW_MS);
}

static const struct reply *receive_one(struct span body)
{
    posted(0, body);
    receive(1);
    return &exchanges[0].reply;
}

/* The single number that a query gives. */
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

static void a_new_event_is_stored_and_a_second_delivery_is_a_duplicate(void **state) /* promise 3 */
{
    (void)state;
    const struct span body =
        TEXT("{\"id\":\"e1\",\"type\":\"t\",\"payload\":{\"id\":\"r\", \"n\":18446744073709551617}}");
    assert_string_equal(receive_one(body)->body, "{\"received\":true}");
    assert_string_equal(receive_one(body)->body, "{\"received\":true,\"duplicate\":true}");
    assert_int_equal(exchanges[0].reply.status, 200);
    assert_int_equal(query("SELECT count(*) FROM event_log WHERE event_id='e1'"), 1);
    assert_int_equal(query("SELECT count(*) FROM pending WHERE payload='{\"id\":\"r\", \"n\":18446744073709551617}' "
                           "AND length(signature)=64 AND endpoint='default' AND secret='secret-1'"),
                     1);
}

static void a_known_id_with_another_payload_is_quarantined(void **state)
{
    (void)state;
    receive_one(TEXT("{\"id\":\"e2\",\"type\":\"t\",\"payload\":{\"n\":1}}"));
    assert_string_equal(receive_one(TEXT("{\"id\":\"e2\",\"type\":\"t\",\"payload\":{\"n\":2}}"))->body,
                        "{\"received\":true,\"quarantined\":true}");
    assert_int_equal(exchanges[0].reply.status, 202);
    receive_one(TEXT("{\"id\":\"e2\",\"type\":\"t\",\"payload\":{\"n\":2}}"));
    assert_int_equal(query("SELECT times FROM quarantine WHERE event_id='e2'"), 2);
    assert_int_equal(receive_one(TEXT("{\"id\":\"e2\",\"type\":\"t\",\"payload\":{\"n\":1},\"more\":1}"))->status,
                     200);
    assert_int_equal(receive_one(TEXT("{\"id\":\"e2\",\"type\":\"u\",\"payload\":{\"n\":2}}"))->status, 200);
    assert_int_equal(query("SELECT count(*) FROM event_log WHERE event_id='e2'"), 2);
}

static void what_is_signed_but_no_event_is_kept_with_its_reason(void **state) /* promise 4 */
{
    (void)state;
    assert_int_equal(receive_one(TEXT("{\"id\":\"q1\",\"type\":\"t\",\"x\":01}"))->status, 202);
    assert_int_equal(receive_one(TEXT(""))->status, 202);
    assert_int_equal(receive_one(TEXT("\0\xff"))->status, 202);
    assert_int_equal(query("SELECT count(*) FROM quarantine WHERE hex(body) IN ('','00FF') AND reason<>''"), 2);
    assert_int_equal(query("SELECT count(*) FROM quarantine WHERE event_id='q1'"), 1);
}

static void a_forged_body_leaves_nothing(void **state) /* promise 1 */
{
    (void)state;
    int64_t before = query("SELECT (SELECT count(*) FROM event_log)+(SELECT count(*) FROM quarantine)");
    posted(0, TEXT("{\"id\":\"forged\",\"type\":\"t\"}"));
    exchanges[0].request.body = TEXT("{\"id\":\"forgex\",\"type\":\"t\"}");
    receive(1);
    assert_int_equal(exchanges[0].reply.status, 400);
    assert_null(strstr(exchanges[0].line.text, "forge"));
    assert_null(strstr(exchanges[0].line.text, signatures[0]));
    assert_int_equal(query("SELECT (SELECT count(*) FROM event_log)+(SELECT count(*) FROM quarantine)"), before);
}

static void the_length_only_words_the_error(void **state)
{
    (void)state;
    posted(0, TEXT("{\"id\":\"l1\",\"type\":\"t\"}"))->request.content_length = TEXT("5");
    receive(1);
    assert_int_equal(exchanges[0].reply.status, 200);
    posted(0, TEXT("{\"id\":\"l2\",\"type\":\"t\"}"))->request.content_length = TEXT("5");
    exchanges[0].request.body.len--;
    receive(1);
    assert_string_equal(exchanges[0].reply.body, "{\"received\":false,\"error\":\"body incomplete\"}");
}

static void other_requests_get_their_answers(void **state)
{
    (void)state;
    posted(0, TEXT("{}"))->request.method = TEXT("PUT");
    posted(1, TEXT(""))->request.method = TEXT("GET");
    exchanges[1].request.signature = (struct span){0};
    posted(2, TEXT("{}"))->request.end = REQUEST_TOO_LARGE;
    posted(3, TEXT("{}"))->request.signature_twice = true;
    posted(4, TEXT("{}"))->request.signature = (struct span){0};
    posted(5, TEXT("{\"id\":\"p\",\"type\":\"complycube-inbox.probe\"}"));
    receive(6);
    const int status[] = {405, 200, 413, 400, 400, 200};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(exchanges[i].reply.status, status[i]);
    assert_string_equal(exchanges[1].reply.body, "ready");
    assert_string_equal(exchanges[5].reply.body, "{\"received\":true,\"probe\":true}");
    assert_int_equal(query("SELECT count(*) FROM event_log WHERE type='complycube-inbox.probe'"), 0);
}

static void a_post_that_a_redirect_made_a_get_is_refused(void **state) /* promise 2 */
{
    (void)state;
    posted(0, TEXT(""))->request.method = TEXT("GET");
    posted(1, TEXT(""))->request.method = TEXT("HEAD");
    posted(2, TEXT(""))->request.method = TEXT("GET");
    exchanges[2].request.signature = (struct span){0};
    exchanges[2].request.method_before = TEXT("POST");
    posted(3, TEXT(""))->request.method = TEXT("GET");
    exchanges[3].request.signature = (struct span){0};
    exchanges[3].request.method_before = TEXT("GET");
    receive(4);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(exchanges[i].reply.status, 405);
        assert_non_null(strstr(exchanges[i].err.msg, "redirect"));
    }
    assert_string_equal(exchanges[3].reply.body, "ready");
}

static void one_bad_member_never_fails_its_neighbours(void **state)
{
    (void)state;
    static char bodies[RECEIVE_BATCH_MAX][80];
    for (size_t i = 0; i < RECEIVE_BATCH_MAX; i++) {
        int n = snprintf(bodies[i], sizeof bodies[i], "{\"id\":\"b%zu\",\"type\":\"t\"}", i % 32);
        posted(i, (struct span){bodies[i], (size_t)n});
    }
    exchanges[3].request.signature = TEXT("0");
    receive(RECEIVE_BATCH_MAX);
    for (size_t i = 0; i < RECEIVE_BATCH_MAX; i++)
        assert_int_equal(exchanges[i].reply.status, i == 3 ? 400 : 200);
    assert_string_equal(exchanges[35].reply.body, "{\"received\":true}");
    assert_string_equal(exchanges[36].reply.body, "{\"received\":true,\"duplicate\":true}");
    assert_int_equal(query("SELECT count(*) FROM inbox JOIN event_log USING(seq) WHERE event_id LIKE 'b%'"), 32);
}

static void what_is_refused_is_counted_beside_the_database(void **state)
{
    struct err e;
    int64_t counted[REFUSALS_KINDS];
    (void)state;
    receiver_count(&receiver, NOW_MS);
    for (int k = 0; k < REFUSALS_KINDS; k++)
        counted[k] = refusals_since(database, k, 0, &e);
    posted(0, TEXT("{}"))->request.method = TEXT("PUT");
    posted(1, TEXT(""))->request.method = TEXT("GET");
    posted(2, TEXT("{}"))->request.end = REQUEST_TOO_LARGE;
    posted(3, TEXT("{}"))->request.signature = TEXT("0");
    posted(4, TEXT("{}"))->request.signature = (struct span){0};
    posted(5, TEXT("{\"id\":\"p\",\"type\":\"complycube-inbox.probe\"}"));
    posted(6, TEXT("{\"id\":\"c1\",\"type\":\"t\"}"));
    posted(7, TEXT("{\"id\":\"c2\",\"type\":\"t\"}"))->request.end = REQUEST_CUT;
    exchanges[7].request.body.len--;
    receive(8);
    receiver_count(&receiver, NOW_MS);
    const int more[REFUSALS_KINDS] = {
        [REFUSALS_SIGNATURE] = 2, [REFUSALS_INCOMPLETE] = 1, [REFUSALS_TOO_LARGE] = 1, [REFUSALS_METHOD] = 2};
    for (int k = 0; k < REFUSALS_KINDS; k++)
        assert_int_equal(refusals_since(database, k, 0, &e), counted[k] + more[k]);
    assert_int_equal(query("SELECT count(*) FROM counter WHERE outcome='refused' OR endpoint=0"), 0);
}

static void answers_of_5xx_are_counted_too_and_without_a_database(void **state)
{
    struct receiver r, before = receiver;
    struct err e = {0};
    char path[100];
    (void)state;
    snprintf(path, sizeof path, "%s/no.db", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    struct config_env env = {.secret = "a-secret-of-the-tests", .database = path};
    assert_int_equal(receiver_open(&r, &env, false, NOW_MS, &e), 0);
    receiver = r;
    assert_int_equal(receive_one(TEXT("{\"id\":\"n1\",\"type\":\"t\"}"))->status, 503);
    receiver_count(&receiver, NOW_MS);
    receiver_close(&receiver);
    receiver = before;
    assert_int_equal(refusals_since(path, REFUSALS_FAILED, 0, &e), 1);
    assert_int_equal(refusals_since(path, REFUSALS_SIGNATURE, 0, &e), 0);
}

static void change(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_member_that_the_store_refuses_leaves_nothing_and_its_neighbours_stay(void **state)
{
    (void)state;
    change("INSERT INTO inbox(seq,endpoint,due_ms) SELECT max(seq)+3,1,0 FROM event_log"); /* of the third */
    posted(0, TEXT("{\"id\":\"r1\",\"type\":\"t\"}"));
    posted(1, TEXT("{\"id\":\"r2\",\"type\":\"t\"}"));
    posted(2, TEXT("{\"id\":\"r3\",\"type\":\"t\"}"));
    receive(3);
    const int status[] = {200, 200, 503};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(exchanges[i].reply.status, status[i]);
    change("DELETE FROM inbox WHERE seq NOT IN (SELECT seq FROM event_log)");
    assert_int_equal(query("SELECT count(*) FROM event_log WHERE event_id IN ('r1','r2','r3')"), 2);
    assert_string_equal(receive_one(TEXT("{\"id\":\"r3\",\"type\":\"t\"}"))->body, "{\"received\":true}");
}

static void a_replay_of_an_erased_event_stays_a_duplicate(void **state)
{
    (void)state;
    uint8_t digest[VERIFY_DIGEST];
    char hex[2 * VERIFY_DIGEST + 1], sql[300];
    const struct span body = TEXT("{\"id\":\"x1\",\"type\":\"t\",\"payload\":{\"n\":1}}");
    receive_one(body);
    verify_sha256(TEXT("{\"n\":1}"), digest);
    hex_encode(digest, sizeof digest, hex);
    snprintf(sql, sizeof sql,
             "UPDATE event_log SET payload_sha256=x'%s', erased_ms=1, body=NULL, signature=NULL WHERE event_id='x1'",
             hex);
    change(sql);
    assert_string_equal(receive_one(body)->body, "{\"received\":true,\"duplicate\":true}");
    assert_int_equal(query("SELECT body IS NULL FROM event_log WHERE event_id='x1'"), 1);
    assert_int_equal(receive_one(TEXT("{\"id\":\"x1\",\"type\":\"t\",\"payload\":{\"n\":2}}"))->status, 202);
}

static void a_digest_counts_only_where_there_is_no_body(void **state)
{
    (void)state;
    const struct span body = TEXT("{\"id\":\"x2\",\"type\":\"t\",\"payload\":{\"n\":1}}");
    receive_one(body);
    change("UPDATE event_log SET payload_sha256=randomblob(32) WHERE event_id='x2'");
    assert_string_equal(receive_one(body)->body, "{\"received\":true,\"duplicate\":true}");
    change("UPDATE event_log SET payload_sha256=NULL, body=NULL WHERE event_id='x2'");
    assert_string_equal(receive_one(body)->body, "{\"received\":true,\"quarantined\":true}");
}

static void a_repeat_of_what_was_put_aside_brings_back_what_was_changed_there(void **state)
{
    (void)state;
    const struct span body = TEXT("{\"id\":\"q2\"");
    receive_one(body);
    change("UPDATE quarantine SET body=x'00' WHERE hex(body)='7B226964223A22713222'");
    assert_int_equal(receive_one(body)->status, 202);
    assert_int_equal(query("SELECT count(*) FROM quarantine WHERE hex(body)='7B226964223A22713222'"), 1);
    change("UPDATE quarantine SET id=-id WHERE hex(body)='7B226964223A22713222'");
    assert_int_equal(receive_one(body)->status, 202);
    assert_int_equal(query("SELECT count(*) FROM quarantine WHERE hex(body)='7B226964223A22713222' AND id>0"), 1);
    assert_int_equal(query("SELECT count(*) FROM quarantine WHERE hex(body)='7B226964223A22713222' AND id<0"), 0);
}

static void an_endpoint_that_was_renumbered_meanwhile_is_looked_up_again(void **state)
{
    (void)state;
    change("PRAGMA foreign_keys=0; UPDATE endpoint SET id=7");
    assert_string_equal(receive_one(TEXT("{\"id\":\"n1\",\"type\":\"t\"}"))->body, "{\"received\":true}");
    assert_int_equal(query("SELECT count(*) FROM events WHERE event_id='n1' AND endpoint='default'"), 1);
    change("UPDATE endpoint SET id=1");
}

static void a_number_that_cannot_be_is_an_error_and_no_success(void **state) /* promise 2 */
{
    static const char *const changes[][2] = {
        {"UPDATE endpoint SET id=-id", "UPDATE endpoint SET id=-id"},
        {"UPDATE endpoint SET id=0", "UPDATE endpoint SET id=1"},
        {"UPDATE secret SET id=-id", "UPDATE secret SET id=-id"},
        {"UPDATE event_log SET seq=9223372036854775807 WHERE event_id='e1'",
         "UPDATE event_log SET seq=1 WHERE event_id='e1'"},
        {"UPDATE event_log SET seq=-seq", "UPDATE event_log SET seq=-seq"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char body[60];
        int n = snprintf(body, sizeof body, "{\"id\":\"lost%zu\",\"type\":\"t\"}", i);
        change(changes[i][0]);
        assert_int_equal(receive_one((struct span){body, (size_t)n})->status, 503);
        assert_int_equal(exchanges[0].code, ERR_DATABASE);
        assert_non_null(strstr(exchanges[0].err.msg, "complycube-inbox doctor"));
        change(changes[i][1]);
        assert_string_equal(receive_one((struct span){body, (size_t)n})->body, "{\"received\":true}");
    }
}

static void a_failure_that_names_no_code_is_spooled_or_a_503(void **state) /* promise 2 */
{
    (void)state;
    const struct span body = TEXT("{\"id\":\"unnamed\",\"type\":\"t\"}");
    err_strict = false;
    for (int spools = 0; spools < 2; spools++) { /* the store failed a moment ago, and nobody said of what */
        snprintf(receiver.spool.path, sizeof receiver.spool.path, "%s%s", folder, spools ? "" : "/no/such/folder");
        receiver.trouble = (struct err){.code = ERR_NONE};
        receiver.trouble_until_ms = receiver.spare_until_ms = INT64_MAX;
        receive_one(body);
        assert_string_equal(exchanges[0].reply.body, spools ? "{\"received\":true,\"spooled\":true}"
                                                            : "{\"received\":false,\"error\":\"try again\"}");
        assert_int_equal(exchanges[0].reply.status, spools ? 200 : 503);
        assert_int_equal(exchanges[0].err.code, ERR_SYSTEM);
        assert_int_equal(query("SELECT count(*) FROM event_log WHERE event_id='unnamed'"), 0);
    }
    err_strict = true;
    *receiver.spool.path = '\0';
    receiver.trouble_until_ms = receiver.spare_until_ms = 0;
}

static void only_what_is_recorded_is_answered_with_a_success(void **state)
{
    (void)state;
    assert_int_equal(STORE_UNSET, 0);
    for (int i = 0; i < STORE_OUTCOMES; i++) {
        bool recorded = i == STORE_NEW || i == STORE_IGNORED || i == STORE_DUPLICATE || i == STORE_QUARANTINED;
        assert_int_equal(store_is_recorded((enum store_outcome)i), recorded);
        assert_int_equal(reply_outcome((enum store_outcome)i).status / 100 == 2, recorded);
        assert_non_null(store_outcome_word((enum store_outcome)i));
    }
}

static void a_failure_has_one_of_the_documented_answers(void **state)
{
    (void)state;
    static const int statuses[] = {400, 405, 413, 500, 503};
    for (int code = ERR_NONE + 1; code < ERR_CODES; code++) {
        struct reply r = reply_error((enum err_code)code);
        bool documented = false,
             aside = code == ERR_UNDECODABLE || code == ERR_CONFLICT; /* quarantine: never an error */
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
            documented |= r.status == statuses[i];
        if (!aside && (!documented || strstr(r.body, "\"error\":\"\"")))
            fail_msg("%s is answered %d %s", err_word((enum err_code)code), r.status, r.body);
        assert_true(r.status != 500 || code == ERR_CONFIG || code == ERR_SECRETS);
    }
}

static void a_replaced_database_is_noticed(void **state) /* promise 2 */
{
    (void)state;
    char aside[120];
    snprintf(aside, sizeof aside, "%s/aside.db", folder);
    assert_int_equal(receive_one(TEXT("{\"id\":\"m1\",\"type\":\"t\"}"))->status, 200);
    assert_int_equal(rename(database, aside), 0);
    assert_int_equal(receive_one(TEXT("{\"id\":\"m2\",\"type\":\"t\"}"))->status, 200);
    assert_int_equal(query("SELECT count(*) FROM event_log"), 1);
    assert_int_equal(query("SELECT event_id='m2' FROM event_log"), 1);
}

static void a_database_of_another_program_is_left_alone(void **state)
{
    (void)state;
    struct receiver r;
    struct err e = {0};
    char path[100];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/other.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct config_env env = {.secret = "a-secret-of-the-tests", .database = path};
    assert_int_equal(receiver_open(&r, &env, false, NOW_MS, &e), 0);
    assert_null(receiver_store(&r, &e));
    assert_int_equal(e.code, ERR_SCHEMA);
    receiver_close(&r);
}

static void files_have_their_modes_whatever_the_umask(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", ".refused"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[120];
        struct stat st;
        snprintf(path, sizeof path, "%s%s", database, suffixes[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_event_is_stored_and_a_second_delivery_is_a_duplicate),
        cmocka_unit_test(a_known_id_with_another_payload_is_quarantined),
        cmocka_unit_test(what_is_signed_but_no_event_is_kept_with_its_reason),
        cmocka_unit_test(a_forged_body_leaves_nothing),
        cmocka_unit_test(the_length_only_words_the_error),
        cmocka_unit_test(other_requests_get_their_answers),
        cmocka_unit_test(a_post_that_a_redirect_made_a_get_is_refused),
        cmocka_unit_test(one_bad_member_never_fails_its_neighbours),
        cmocka_unit_test(what_is_refused_is_counted_beside_the_database),
        cmocka_unit_test(answers_of_5xx_are_counted_too_and_without_a_database),
        cmocka_unit_test(a_member_that_the_store_refuses_leaves_nothing_and_its_neighbours_stay),
        cmocka_unit_test(a_replay_of_an_erased_event_stays_a_duplicate),
        cmocka_unit_test(a_digest_counts_only_where_there_is_no_body),
        cmocka_unit_test(a_repeat_of_what_was_put_aside_brings_back_what_was_changed_there),
        cmocka_unit_test(an_endpoint_that_was_renumbered_meanwhile_is_looked_up_again),
        cmocka_unit_test(a_number_that_cannot_be_is_an_error_and_no_success),
        cmocka_unit_test(a_failure_that_names_no_code_is_spooled_or_a_503),
        cmocka_unit_test(a_failure_has_one_of_the_documented_answers),
        cmocka_unit_test(only_what_is_recorded_is_answered_with_a_success),
        cmocka_unit_test(files_have_their_modes_whatever_the_umask),
        cmocka_unit_test(a_replaced_database_is_noticed),
        cmocka_unit_test(a_database_of_another_program_is_left_alone),
    };
    umask(0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
