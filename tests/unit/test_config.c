/* SPDX-License-Identifier: MIT
 * config and receiver: files are read whole, checked whole, and never half in force. */
#include "base/hex.h"
#include "receiver/receiver.h"
#include "unit.h"
#include "verifier.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum { LATER_MS = 10000 /* well after any file has come to rest */ };

static char folder[64], conf[100], secrets[100];

static int start(void **state)
{
    (void)state;
    unit_folder(folder);
    snprintf(conf, sizeof conf, "%s/complycube-webhook.conf", folder);
    snprintf(secrets, sizeof secrets, "%s/secrets", folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    unit_remove(folder);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct config *load(const char *text, const char *secret_text)
{
    struct config_env env = {.config = conf};
    unit_write(conf, text);
    unit_write(secrets, secret_text);
    chmod(secrets, 0600);
    struct config *c = config_load(&env, now_ms());
    assert_non_null(c);
    return c;
}

#define LIVE "endpoint live { secret_file = \"secrets\" }\n"
#define LONE "a-secret-without-a-name\n"
#define SMALL "database = \"inbox.db\"\n" LIVE

static void the_smallest_file_has_defaults_and_paths_of_its_folder(void **state)
{
    (void)state;
    char path[120];
    struct config *c = load(SMALL, LONE);
    assert_int_equal(c->error.code, ERR_NONE);
    snprintf(path, sizeof path, "%s/inbox.db", folder);
    assert_string_equal(c->database, path);
    assert_int_equal(c->max_body, 1 << 20);
    assert_string_equal(c->endpoint[0].name, "live");
    assert_string_equal(c->endpoint[0].secrets.list[0].name, "secret-1");
    assert_true(config_wants(c, "live", TEXT("anything.at.all")));
    config_free(c);
}

static void a_byte_order_mark_and_carriage_returns_are_forgiven(void **state)
{
    (void)state;
    struct config *c = load("\xef\xbb\xbf"
                            "database = \"inbox.db\"\r\nendpoint live {\r\n secret_file = \"secrets\"\r\n}\r\n",
                            "\xef\xbb\xbf# comment\r\n\r\nname value\r\n old other retired\r\n");
    assert_int_equal(c->error.code, ERR_NONE);
    assert_int_equal(c->endpoint[0].secrets.n, 2);
    assert_int_equal(c->endpoint[0].secrets.list[0].len, 5);
    assert_true(c->endpoint[0].secrets.list[1].retired);
    config_free(c);
}

static void a_list_of_events_leaves_the_others_out(void **state)
{
    (void)state;
    struct config *c =
        load("database = \"d\"\nendpoint live { secret_file = \"secrets\"\n events = {\"a.b\", \"c\"} }\n", LONE);
    assert_int_equal(c->error.code, ERR_NONE);
    assert_true(config_wants(c, "live", TEXT("a.b")));
    assert_true(config_wants(c, "live", TEXT("c")));
    assert_false(config_wants(c, "live", TEXT("a")));
    config_free(c);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *conf, *secrets, *message;
        enum err_code code;
    } wrong[] = {
        {"database = \"d\"\nbogus = 1\n" LIVE, LONE, "line 2", ERR_CONFIG},
        {"database = \"d\"\nendpoint live {\n secret_file = \"secrets\"\n", LONE, "closing brace", ERR_CONFIG},
        {"database = \"d\n" LIVE, LONE, "", ERR_CONFIG},
        {LIVE "database = \"d\n", LONE, "", ERR_CONFIG},
        {LIVE, LONE, "database is missing", ERR_CONFIG},
        {"database = \"d\"\n", LONE, "no endpoint", ERR_CONFIG},
        {SMALL LIVE, LONE, "line", ERR_CONFIG},
        {"max_body = \"7\"\n" SMALL, LONE, "max_body", ERR_CONFIG},
        {"max_body = \"1Q\"\n" SMALL, LONE, "max_body", ERR_CONFIG},
        {"journal = \"wall\"\n" SMALL, LONE, "auto|wal|delete", ERR_CONFIG},
        {"inbox = \"directory\"\n" SMALL, LONE, "inbox", ERR_CONFIG},
        {"log = \"somewhere\"\n" SMALL, LONE, "log", ERR_CONFIG},
        {"journal = \"auto|wal\"\n" SMALL, LONE, "journal", ERR_CONFIG},
        {"database = \"other\"\n" SMALL, LONE, "second time", ERR_CONFIG},
        {"database = \"d\"\nendpoint live {\n secret_file = \"old\"\n secret_file = \"secrets\"\n}\n", LONE,
         "line 4: secret_file stands here a second time", ERR_CONFIG},
        {"database = \"d\"\nendpoint live { secret_file = \"secrets\"\n events = * }\n", LONE, "{\"*\"}", ERR_CONFIG},
        {"database = \"d\"\nendpoint live { secret_file = \"secrets\"\n events = \"a.b, c.d\" }\n", LONE,
         "quotes of its own", ERR_CONFIG},
        {"database = \"d\"\nendpoint live { secret_file = \"secrets\"\n events = {\"\"} }\n", LONE, "events",
         ERR_CONFIG},
        {"database = \"d\"\nendpoint \"a b\" { secret_file = \"secrets\" }\n", LONE, "name", ERR_CONFIG},
        {"database = \"d\"\nendpoint live { }\n", LONE, "secret_file", ERR_CONFIG},
        {"database = \"d\"\nendpoint live { secret_file = \"none\" }\n", LONE, "No such file", ERR_SECRETS},
        {SMALL, "", "holds no secret", ERR_SECRETS},
        {SMALL, "# only\n", "holds no secret", ERR_SECRETS},
        {SMALL, "a v retired\n", "no secret is in force", ERR_SECRETS},
        {SMALL, "a v\nb hunter2 x\n", "line 2", ERR_SECRETS},
        {SMALL, "value retired\n", "line 1", ERR_SECRETS},
        {SMALL, "# main\nmain\n", "line 2: a name without its secret", ERR_SECRETS},
        {SMALL, "main \n", "a name without its secret", ERR_SECRETS},
        {SMALL, "main \"0123456789abcdef\"\n", "in quotes", ERR_SECRETS},
        {SMALL, "a v\na w\n", "line 2", ERR_SECRETS},
        {SMALL, "a hunter2\nb hunter2\n", "line 2", ERR_SECRETS},
        {SMALL, "hunter20123456789abcdef012345678 main\n", "line 1: the name looks like a secret", ERR_SECRETS},
        {SMALL, "main PASTE_THE_SECRET_HERE\n", "example", ERR_SECRETS},
        {SMALL, "a v\xc3\xa9\n", "printable", ERR_SECRETS},
        {SMALL "endpoint sandbox { secret_file = \"secrets\" }\n", "a hunter2\n", "share", ERR_SECRETS},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config *c = load(wrong[i].conf, wrong[i].secrets);
        if (c->error.code != wrong[i].code || !strstr(c->error.msg, wrong[i].message))
            fail_msg("case %zu: %s", i, c->error.msg);
        assert_null(strstr(c->error.msg, "hunter2")); /* promise 6 */
        config_free(c);
    }
}

static void a_fault_says_what_its_message_says(void **state)
{
    (void)state;
    static const struct {
        const char *conf;
        enum config_what what;
        int line;
        const char *key, *word, *meant;
    } faults[] = {
        {"database = \"d\"\nbogus = 1\n" LIVE, CONFIG_UNKNOWN, 2, NULL, "bogus", NULL},
        {"databse = \"d\"\n" LIVE, CONFIG_UNKNOWN, 1, NULL, "databse", "database"},
        {"database = \"d\"\nendpoint live {\n secret_flie = \"secrets\"\n}\n", CONFIG_UNKNOWN, 3, NULL, "secret_flie",
         "secret_file"},
        {"database \"d\"\n" LIVE, CONFIG_UNPARSED, 1, NULL, "", NULL},
        {"\n= 1\n" LIVE, CONFIG_UNPARSED, 2, NULL, "", NULL},
        {"database = \"other\"\n" SMALL, CONFIG_UNPARSED, 2, NULL, "", NULL},
        {"database = \"d\"\nendpoint live {\n secret_file = \"secrets\"\n", CONFIG_OTHER, 0, NULL, "", NULL},
        {"max_body = \"7\"\n" SMALL, CONFIG_VALUE, 0, "max_body", "", NULL},
        {"journal = \"wall\"\n" SMALL, CONFIG_VALUE, 0, "journal", "", NULL},
        {"retain = \"90\"\n" SMALL, CONFIG_VALUE, 0, "retain", "", NULL},
        {"log = \"somewhere\"\n" SMALL, CONFIG_VALUE, 0, "log", "", NULL},
        {"inbox = \"directory\"\n" SMALL, CONFIG_NO_DIRECTORY, 0, "inbox", "", NULL},
        {LIVE, CONFIG_OTHER, 0, NULL, "", NULL},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct config *c = load(faults[i].conf, LONE);
        const struct config_fault *f = &c->fault;
        if (f->what != faults[i].what || f->line != faults[i].line || strcmp(f->word, faults[i].word) != 0 ||
            strcmp(f->meant ? f->meant : "", faults[i].meant ? faults[i].meant : "") != 0 ||
            (faults[i].key && strcmp(config_keys[f->key].name, faults[i].key) != 0))
            fail_msg("case %zu: %d, line %d, %s, %s: %s", i, (int)f->what, f->line, f->word,
                     f->meant ? f->meant : "nothing", c->error.msg);
        config_free(c);
    }
}

static void a_readable_secret_file_is_narrowed_and_a_writable_one_refused(void **state)
{
    (void)state;
    struct config_env env = {.config = conf};
    struct stat st;
    config_free(load(SMALL, LONE));
    chmod(secrets, 0644);
    struct config *c = config_load(&env, now_ms());
    assert_int_equal(c->error.code, ERR_NONE);
    assert_true(c->endpoint[0].secrets.narrowed);
    assert_int_equal(stat(secrets, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    config_free(c);
    chmod(secrets, 0606);
    c = config_load(&env, now_ms());
    assert_int_equal(c->error.code, ERR_SECRETS);
    config_free(c);
    chmod(secrets, 0600);
    chmod(conf, 0646);
    c = config_load(&env, now_ms());
    assert_int_equal(c->error.code, ERR_CONFIG);
    config_free(c);
}

static void the_environment_alone_is_enough(void **state)
{
    (void)state;
    const struct config_env both = {.secret = "a-secret", .database = "/tmp/x.db"};
    const struct config_env blank = {.secret = " ", .database = "/tmp/x.db"}, half = {.secret = "a-secret"},
                            none = {.folder = folder};
    struct config *c = config_load(&both, now_ms());
    assert_int_equal(c->error.code, ERR_NONE);
    assert_string_equal(c->endpoint[0].name, "default");
    config_free(c);
    c = config_load(&blank, now_ms());
    assert_int_equal(c->error.code, ERR_SECRETS);
    config_free(c);
    c = config_load(&half, now_ms());
    assert_int_equal(c->error.code, ERR_CONFIG);
    config_free(c);
    unlink(conf);
    c = config_load(&none, now_ms());
    assert_int_equal(c->error.code, ERR_CONFIG);
    config_free(c);
}

static void sizes_are_read_with_their_unit(void **state)
{
    (void)state;
    assert_int_equal(config_size("1048576"), 1 << 20);
    assert_int_equal(config_size("512K"), 512 << 10);
    assert_int_equal(config_size("2m"), 2 << 20);
    const char *const wrong[] = {"", "M", "-1", "1MB", "1 M", "99999999999999999999", "0x10"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(config_size(wrong[i]), 0);
}

/* ---- a running receiver ---- */

static bool accepts(struct receiver *r, struct span secret)
{
    struct verifier *v;
    struct err e;
    uint8_t digest[VERIFY_DIGEST];
    char signature[2 * VERIFY_DIGEST + 1];
    const struct verifier_secret one = {"", "", secret};
    assert_int_equal(verifier_open(&v, &one, 1, &e), 0);
    verify_sign(v, 0, TEXT("{}"), digest);
    hex_encode(digest, sizeof digest, signature);
    verify_close(v);
    return r->verifier && verify_body(r->verifier, 0, span_of(signature), TEXT("{}"), &e);
}

static void open_receiver(struct receiver *r, const char *secret_text)
{
    static struct config_env env;
    struct err e;
    env = (struct config_env){.config = conf};
    config_free(load("log = \"/dev/null\"\n" SMALL, secret_text));
    assert_int_equal(receiver_open(r, &env, false, now_ms(), &e), 0);
}

static void a_new_secret_counts_once_its_file_is_at_rest(void **state)
{
    (void)state;
    struct receiver r;
    open_receiver(&r, "old first-secret\n");
    unit_write(secrets, "old first-secret\nnew second-secret\n");
    receiver_refresh(&r, now_ms(), true);
    assert_false(accepts(&r, TEXT("second-secret"))); /* it may still be written */
    receiver_refresh(&r, now_ms() + 600, true);
    assert_true(accepts(&r, TEXT("first-secret")));
    assert_true(accepts(&r, TEXT("second-secret")));
    receiver_close(&r);
}

static void a_retired_secret_accepts_nothing_at_once(void **state)
{
    (void)state;
    struct receiver r;
    open_receiver(&r, "old first-secret\nnew second-secret\n");
    unit_write(secrets, "old first-secret retired\nnew second-secret\n");
    receiver_refresh(&r, now_ms() + 600, true);
    assert_false(accepts(&r, TEXT("first-secret")));
    assert_true(accepts(&r, TEXT("second-secret")));
    receiver_close(&r);
}

static void half_a_file_never_drops_a_secret(void **state)
{
    (void)state;
    static const char *const halves[] = {"",
                                         "ol",
                                         "old",
                                         "old fir",
                                         "old first-secre",
                                         "old first-secret",
                                         "new second-secret",
                                         "# a comment",
                                         "old first-secret\nnew"};
    struct receiver r;
    open_receiver(&r, "old first-secret\n");
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        unit_write(secrets, halves[i]);
        for (int64_t later = 600; later <= 3 * LATER_MS; later += LATER_MS) {
            receiver_refresh(&r, now_ms() + later, true);
            if (!accepts(&r, TEXT("first-secret")))
                fail_msg("dropped by \"%s\"", halves[i]);
        }
    }
    receiver_close(&r);
}

static void a_file_without_its_last_newline_counts_after_a_minute(void **state)
{
    (void)state;
    struct receiver r;
    open_receiver(&r, "old first-secret\n");
    unit_write(secrets, "new second-secret");
    receiver_refresh(&r, now_ms() + LATER_MS, true);
    assert_false(accepts(&r, TEXT("second-secret")));
    receiver_refresh(&r, now_ms() + 6 * LATER_MS + 1000, true);
    assert_true(accepts(&r, TEXT("second-secret")));
    receiver_close(&r);
}

static void every_beginning_of_a_configuration_leaves_the_secrets_in_force(void **state)
{
    (void)state;
    struct receiver r;
    const char whole[] = "log = \"/dev/null\"\n" SMALL;
    open_receiver(&r, "old first-secret\n");
    for (size_t n = 0; n < sizeof whole - 2; n++) {
        char part[sizeof whole] = "";
        memcpy(part, whole, n);
        unit_write(conf, part);
        receiver_refresh(&r, now_ms() + 600, true);
        assert_true(accepts(&r, TEXT("first-secret")));
    }
    receiver_close(&r);
}

static void a_secret_that_was_taken_out_stops_counting_after_a_while(void **state)
{
    (void)state;
    struct receiver r;
    open_receiver(&r, "old first-secret\n");
    unit_write(secrets, "new second-secret\n");
    receiver_refresh(&r, now_ms() + 600, true);
    assert_true(accepts(&r, TEXT("first-secret")));
    assert_true(accepts(&r, TEXT("second-secret")));
    receiver_refresh(&r, now_ms() + 5 * LATER_MS, true); /* half a file may stand for so long */
    assert_true(accepts(&r, TEXT("first-secret")));
    receiver_refresh(&r, now_ms() + 7 * LATER_MS, true);
    assert_false(accepts(&r, TEXT("first-secret")));
    assert_true(accepts(&r, TEXT("second-secret")));
    receiver_close(&r);
}

static void a_link_to_another_configuration_is_followed(void **state)
{
    (void)state;
    struct receiver r;
    char other[PATH_MAX], link[PATH_MAX];
    open_receiver(&r, "old first-secret\n");
    receiver_close(&r);
    snprintf(other, sizeof other, "%s/other.conf", folder);
    snprintf(link, sizeof link, "%s/link.conf", folder);
    unit_write(other, "log = \"/dev/null\"\nmax_body = \"2K\"\n" SMALL);
    const struct config_env env = {.config = link};
    struct err e;
    assert_int_equal(symlink(conf, link), 0);
    assert_int_equal(receiver_open(&r, &env, false, now_ms(), &e), 0);
    assert_int_equal(r.config->max_body, 1 << 20);
    unlink(link);
    assert_int_equal(symlink(other, link), 0);
    receiver_refresh(&r, now_ms() + LATER_MS, true);
    assert_int_equal(r.config->max_body, 2048);
    receiver_close(&r);
    unlink(link);
    unlink(other);
}

static void a_link_to_the_database_is_followed_to_the_file_itself(void **state)
{
    (void)state;
    char link[120], real[2][120];
    struct receiver r;
    struct err e;
    snprintf(link, sizeof link, "%s/inbox.db", folder);
    const struct config_env env = {.config = conf};
    assert_int_equal(symlink("real-0.db", link), 0);
    struct config *c = load(SMALL, LONE);
    assert_string_equal(c->database, link); /* there is nothing that it leads to */
    config_free(c);
    for (int i = 0; i < 2; i++) {
        snprintf(real[i], sizeof real[i], "%s/real-%d.db", folder, i);
        unit_write(real[i], "");
    }
    assert_int_equal(receiver_open(&r, &env, false, now_ms(), &e), 0);
    receiver_refresh(&r, now_ms() + LATER_MS, true); /* a young file is read once more */
    assert_string_equal(r.config->database, real[0]);
    unlink(link); /* for an instant */
    receiver_refresh(&r, now_ms() + LATER_MS, true);
    assert_string_equal(r.config->database, real[0]);
    assert_int_equal(symlink("real-1.db", link), 0);
    receiver_refresh(&r, now_ms() + LATER_MS, true);
    assert_string_equal(r.config->database, real[1]);
    receiver_close(&r);
    unlink(link);
    unlink(real[0]);
    unlink(real[1]);
}

static void a_file_that_was_cut_does_not_spoil_the_next(void **state)
{
    (void)state;
    static const char *const cut[] = {
        "log = 'auto\n" SMALL,          /* in a string */
        "/* as it was:\n" SMALL,        /* in a comment */
        "log = \"/var/\\777\"\n" SMALL, /* and what ends the reading at once */
    };
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct config *broken = load(cut[i], LONE), *mended = load(SMALL, LONE);
        assert_int_equal(broken->error.code, ERR_CONFIG);
        assert_string_equal(mended->error.msg, "");
        config_free(broken);
        config_free(mended);
    }
}

static void a_broken_receiver_heals_when_the_file_is_mended(void **state)
{
    (void)state;
    struct receiver r;
    struct err e;
    int out = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO); /* it says what is wrong, as it should */
    open_receiver(&r, "");
    dup2(out, STDERR_FILENO);
    close(out);
    close(null);
    assert_null(r.verifier);
    assert_int_equal(receiver_state(&r, now_ms(), &e), ERR_SECRETS);
    unit_write(secrets, "old first-secret\n");
    receiver_refresh(&r, now_ms() + LATER_MS, true);
    assert_true(accepts(&r, TEXT("first-secret")));
    assert_int_equal(receiver_state(&r, now_ms(), &e), ERR_NONE);
    receiver_close(&r);
}

int main(void)
{
    const struct CMUnitTest config[] = {
        cmocka_unit_test(the_smallest_file_has_defaults_and_paths_of_its_folder),
        cmocka_unit_test(a_byte_order_mark_and_carriage_returns_are_forgiven),
        cmocka_unit_test(a_list_of_events_leaves_the_others_out),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(a_fault_says_what_its_message_says),
        cmocka_unit_test(a_readable_secret_file_is_narrowed_and_a_writable_one_refused),
        cmocka_unit_test(the_environment_alone_is_enough),
        cmocka_unit_test(sizes_are_read_with_their_unit),
        cmocka_unit_test(a_new_secret_counts_once_its_file_is_at_rest),
        cmocka_unit_test(a_retired_secret_accepts_nothing_at_once),
        cmocka_unit_test(half_a_file_never_drops_a_secret),
        cmocka_unit_test(a_file_without_its_last_newline_counts_after_a_minute),
        cmocka_unit_test(every_beginning_of_a_configuration_leaves_the_secrets_in_force),
        cmocka_unit_test(a_secret_that_was_taken_out_stops_counting_after_a_while),
        cmocka_unit_test(a_link_to_another_configuration_is_followed),
        cmocka_unit_test(a_link_to_the_database_is_followed_to_the_file_itself),
        cmocka_unit_test(a_file_that_was_cut_does_not_spoil_the_next),
        cmocka_unit_test(a_broken_receiver_heals_when_the_file_is_mended),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(config, start, stop);
}
