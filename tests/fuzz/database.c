/* SPDX-License-Identifier: MIT
 * fuzz: a database in which anything may stand, since applications may write its file. Lines change it, one cell or row each:
 *
 *     TABLE ROW COLUMN VALUE      "endpoint 0 id -1"
 *     TABLE ROW delete            TABLE ROW copy
 *     schema NAME                 something of the schema is added, removed or made otherwise
 *     text NAME AT HOW WORD       a word of an object's text is replaced, goes, or gets another before it
 *     page, cut, wal, journal     bytes of the file and beside it: see damage.h
 *
 * A word that is none of a list stands for one of its entries all the same. Those behind a line of "---" are made while the
 * receiver has it open. Then a batch comes twice, with a spool and without: what is answered 2xx must be kept, byte for byte,
 * and every answer comes in time. Whatever reads a store reads this one to its end, or says what is wrong, and ends when the
 * process is told to. */
#include "base/clock.h"
#include "damage.h"
#include "verifier.h"
#include "base/hex.h"
#include "receiver/receive.h"
#include "store/store_file.h"

#include <signal.h>
#include <sqlite3.h>
#include <time.h>

enum {
    NOW_MS = 1770000000,
    ANSWER_MS = 4000 /* what a batch may take */ + 2000 /* of a machine that has much to do */,
    USE_MS = 2000 /* until what reads is told to end */,
    END_MS = 2000 /* for that */,
    ROUNDS = 40,
    FILE_MAX = 1 << 20,
    CASE_MAX = 2000 /* bytes */
};

static const struct verifier_secret secrets[] = {
    {"live", "main", {FUZZ_SECRET, sizeof FUZZ_SECRET - 1}},
    {"sandbox", "main", {"sandbox-" FUZZ_SECRET, sizeof "sandbox-" FUZZ_SECRET - 1}},
};

/* What has come before a case begins, and what comes in it. */
#define EVENT(id, type, payload) "{\"id\":\"" id "\",\"type\":\"" type "\",\"payload\":" payload "}"
#define BARE "{\"id\":\"bare\",\"type\":\"client.created\"}"
#define CHECK(id) "{\"id\":\"" id "\",\"status\":\"complete\",\"clientId\":\"c1\"}"
static const char *const before[] = {
    EVENT("waits", "check.completed", CHECK("r1")),
    EVENT("older", "check.completed", CHECK("r1")),
    EVENT("done", "check.completed", CHECK("r2")),
    EVENT("dead", "check.completed", CHECK("r3")),
    BARE,
    EVENT("gone", "check.completed", CHECK("r4")),
    EVENT("waits", "check.completed", "{\"another\":1}"),
    "no event",
};
static const struct sent {
    const char *body;
    int signer;
} sent[] = {
    {EVENT("new", "check.completed", CHECK("r5")), 0},
    {EVENT("new", "check.completed", CHECK("r5")), 0},
    {EVENT("new-2", "check.completed", CHECK("r1")), 1},
    {EVENT("ignored", "of.no.interest", "{}"), 1},
    {EVENT("waits", "check.completed", CHECK("r1")), 0},
    {BARE, 0},
    {EVENT("gone", "check.completed", CHECK("r4")), 0},
    {EVENT("done", "check.completed", "{\"another\":2}"), 0},
    {EVENT("waits", "check.completed", "{\"another\":1}"), 0},
    {"no event", 0},
    {"nor is this", 1},
};
enum { BEFORE = sizeof before / sizeof *before, SENT = sizeof sent / sizeof *sent };

static const char *const tables[] = {"endpoint",   "secret",  "event_log", "inbox",
                                     "quarantine", "counter", "setting",   "history"};
static const struct value {
    const char *word, *sql;
} values[] = {
    {"-1", "-1"},
    {"0", "0"},
    {"1", "1"},
    {"2", "2"},
    {"7", "7"},
    {"negated", NULL},
    {"null", "NULL"},
    {"empty", "''"},
    {"text", "'some text'"},
    {"number-text", "'12 events'"},
    {"blob", "x'00ff7b7d'"},
    {"no-bytes", "x''"},
    {"real", "0.5"},
    {"infinite", "9e999"},
    {"most", "9223372036854775807"},
    {"least", "-9223372036854775808"},
    {"past-32-bits", "4294967301"},
    {"past-31-bits", "2147483648"},
    {"12-digits", "999999999999"},
    {"13-digits", "1000000000000"},
    {"long", "zeroblob(70000)"},
    {"erased", "'erased'"},
    {"live", "'live'"},
    {"sandbox", "'sandbox'"},
    {"random", "randomblob(32)"},
};

static struct verifier *verifier;
static char folder[FOLDER_PATH], database[FOLDER_PATH + 20], spool[FOLDER_PATH + 20], file[FILE_MAX];
static char bystander[FOLDER_PATH + 20];
static size_t file_len;
static sqlite3 *look;  /* our own connection */
static timer_t teller; /* which says that the process is to end */

static void sql(const char *text)
{
    if (sqlite3_exec(look, text, NULL, NULL, NULL) != SQLITE_OK)
        fuzz_fail(text, 0, sqlite3_errmsg(look));
}

/* ---- a receiver, and what it is sent ---- */

static void open_receiver(struct receiver *r, bool spools)
{
    char path[FOLDER_PATH + 40];
    struct config_env env = {.config = path};
    struct err e;
    snprintf(path, sizeof path, "%s/%s.conf", folder, spools ? "spool" : "plain");
    FUZZ_CHECK(receiver_open(r, &env, false, NOW_MS, &e) == 0 && r->config->error.code == ERR_NONE);
}

static int64_t look_end_ms;
static int look_too_long(void *ctx) { return (void)ctx, clock_ms() > look_end_ms; }

/* By the receiver's own way to files: another would follow what is planted beside the database. */
static void open_look(void)
{
    FUZZ_CHECK(sqlite3_open_v2(database, &look, SQLITE_OPEN_READWRITE, "confined") == SQLITE_OK);
    sqlite3_busy_timeout(look, 5000);
    sqlite3_db_config(look, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_progress_handler(look, 10000, look_too_long, NULL);
    sqlite3_exec(look, "PRAGMA ignore_check_constraints=1; PRAGMA foreign_keys=0", NULL, NULL, NULL);
    sqlite3_exec(look, "CREATE TEMP TABLE known AS SELECT 1 AS id,'live' AS name UNION ALL SELECT 2,'sandbox'", NULL,
                 NULL, NULL);
}

static void send(struct receiver *r, struct exchange *x, const struct sent *list, size_t n)
{
    static char signatures[RECEIVE_BATCH_MAX][2 * VERIFY_DIGEST + 1];
    struct exchange *batch[RECEIVE_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        uint8_t digest[VERIFY_DIGEST];
        struct span body = span_of(list[i].body);
        verify_sign(verifier, (size_t)list[i].signer, body, digest);
        hex_encode(digest, sizeof digest, signatures[i]);
        x[i] = (struct exchange){
            .request = {.method = span_of("POST"), .signature = span_of(signatures[i]), .body = body}};
        x[i].request.end = REQUEST_WHOLE;
        batch[i] = &x[i];
    }
    int64_t begun_ms = clock_ms();
    receive_batch(r, batch, n, NOW_MS);
    FUZZ_CHECK(clock_ms() - begun_ms < ANSWER_MS);
}

/* ---- what is kept ---- */

/* Is there a row of it, by this way to it? ?1 the body, ?2 its endpoint, ?3 its id, ?4 its type, ?5 its payload, ?6 its digest. */
static bool has_row(const char *text, const char *way, const struct sent *s, const struct exchange *x)
{
    sqlite3_stmt *q = NULL;
    uint8_t digest[VERIFY_DIGEST];
    char whole[1000];
    const struct event *v = &x->event;
    const struct span parts[] = {span_of(s->body), span_of(secrets[s->signer].endpoint), v->id, v->type, v->payload};
    verify_sha256(v->payload, digest);
    snprintf(whole, sizeof whole, "%s%s", text, way);
    if (sqlite3_prepare_v2(look, whole, -1, &q, NULL) != SQLITE_OK)
        return false;
    for (int i = 0; i < 5; i++)
        if (i == 0 || i == 4)
            sqlite3_bind_blob(q, i + 1, parts[i].at, (int)parts[i].len, SQLITE_STATIC);
        else
            sqlite3_bind_text(q, i + 1, parts[i].at, (int)parts[i].len, SQLITE_STATIC);
    sqlite3_bind_blob(q, 6, digest, sizeof digest, SQLITE_STATIC);
    look_end_ms = clock_ms() + USE_MS;
    bool found = sqlite3_step(q) == SQLITE_ROW;
    sqlite3_finalize(q);
    return found;
}

/* In a damaged file one way may lead to it and another not. */
static bool is_any_way(const char *text, const struct sent *s, const struct exchange *x)
{
    return has_row(text, "", s, x) || has_row(text, " ORDER BY 1", s, x) || has_row(text, " ORDER BY 1 DESC", s, x);
}

/* Bytes that are changed in an open file are seen by nobody who has read them: names of endpoints are as they were. */
static bool unseen;

static bool is_row(const char *text, const struct sent *s, const struct exchange *x)
{
    if (is_any_way(text, s, x))
        return true;
    if (!unseen)
        return false;
    char known[1000];
    const char *at = strstr(text, "JOIN endpoint n");
    snprintf(known, sizeof known, "%.*sJOIN known n%s", at ? (int)(at - text) : 0, text,
             at ? at + strlen("JOIN endpoint n") : text);
    return is_any_way(known, s, x);
}

static bool is_spooled(const struct sent *s)
{
    struct spool_names names;
    struct spool_entry v = {.received_ms = 0};
    struct err e;
    bool found = false;
    FUZZ_CHECK(spool_list(spool, false, &names, &e) == 0);
    for (size_t i = 0; i < names.n && !found; i++)
        found = spool_read(spool, names.list[i], &v, &e) == 0 && span_equal(v.body, span_of(s->body)) &&
                strcmp(v.endpoint, secrets[s->signer].endpoint) == 0;
    spool_entry_release(&v);
    spool_names_release(&names);
    return found;
}

#define LOG \
    "SELECT e.seq FROM event_log e JOIN endpoint n ON n.id=+e.endpoint WHERE +n.name=?2 AND +e.event_id=?3 AND +e.type=?4 AND "
#define PAYLOAD "substr(e.body,e.payload_at+1,e.payload_len)"
/* An index that is damaged says so to whoever reads it; what is in the table then is not lost. */
#define NEW(how) \
    LOG "e.body IS ?1 AND e.seq>0 AND " PAYLOAD " IS ?5 AND EXISTS(SELECT 1 FROM inbox i " how \
        " WHERE +i.seq=e.seq AND i.endpoint=n.id)"

/* The answer says what became of it: is that so? */
static void check_answer(const struct sent *s, const struct exchange *x)
{
    const struct reply *reply = &x->reply;
    const bool is_new = strcmp(reply->body, "{\"received\":true}") == 0;
    if (reply->status == 503) {
        FUZZ_CHECK(x->code != ERR_NONE && *x->err.msg);
    } else if (is_new || strstr(reply->body, "ignored")) {
        FUZZ_CHECK(reply->status == 200);
        FUZZ_CHECK(is_row(NEW("NOT INDEXED"), s, x) || is_row(NEW(""), s, x));
    } else if (strstr(reply->body, "duplicate")) {
        FUZZ_CHECK(reply->status == 200);
        FUZZ_CHECK(
            is_row(LOG "(CASE WHEN e.body IS NULL THEN e.payload_sha256=?6 WHEN e.payload_at IS NULL THEN ?5 IS NULL "
                       "ELSE CAST(" PAYLOAD " AS BLOB)=?5 END)",
                   s, x));
    } else if (strstr(reply->body, "quarantined")) {
        FUZZ_CHECK(reply->status == 202);
        FUZZ_CHECK(is_row(
            "SELECT q.id FROM quarantine q JOIN endpoint n ON n.id=+q.endpoint WHERE +n.name=?2 AND q.id>0 AND "
            "(q.body IS ?1 OR (q.reason='erased' AND length(q.body)=0))",
            s, x));
    } else {
        FUZZ_CHECK(strstr(reply->body, "spooled") && reply->status / 100 == 2 && is_spooled(s));
    }
}

/* ---- what is changed ---- */

static size_t choose(struct span word, const char *const *list, size_t stride, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (span_equal(word, span_of(*(const char *const *)((const char *)list + i * stride))))
            return i;
    for (size_t i = 0; i < word.len; i++)
        sum = sum * 31 + (unsigned char)word.at[i];
    return sum % n;
}

static struct span next_word(struct span *line)
{
    while (line->len && *line->at == ' ')
        fuzz_byte(line);
    const char *end = line->len ? memchr(line->at, ' ', line->len) : NULL;
    return fuzz_take(line, end ? (size_t)(end - line->at) : line->len);
}

/* The names of a table's columns, in one text that begins each with a comma; how many. */
static size_t columns_of(const char *table, char *names, size_t size, char list[][32], size_t max)
{
    char text[80];
    sqlite3_stmt *q;
    size_t n = 0, len = 0;
    snprintf(text, sizeof text, "PRAGMA table_info(%s)", table);
    if (sqlite3_prepare_v2(look, text, -1, &q, NULL) != SQLITE_OK)
        return 0;
    for (*names = '\0'; n < max && sqlite3_step(q) == SQLITE_ROW; n++) {
        snprintf(list[n], 32, "%s", (const char *)sqlite3_column_text(q, 1));
        len += (size_t)snprintf(names + len, size - len, ",%s", list[n]);
    }
    sqlite3_finalize(q);
    return n;
}

#define REWRITE(name, from, to) \
    "PRAGMA writable_schema=1;UPDATE sqlite_master SET sql=replace(sql,'" from "','" to "') WHERE name='" name "'"
#define ENDLESS "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c)"

/* What an application's user may do to the schema. */
static const struct value schemas[] = {
    {"removes", "CREATE TRIGGER f_a AFTER INSERT ON event_log BEGIN DELETE FROM event_log WHERE seq=NEW.seq; END"},
    {"removes-inbox", "CREATE TRIGGER f_b AFTER INSERT ON inbox BEGIN DELETE FROM inbox; END"},
    {"ignores", "CREATE TRIGGER f_c BEFORE INSERT ON event_log BEGIN SELECT RAISE(IGNORE); END"},
    {"forges", "CREATE TRIGGER f_d AFTER INSERT ON event_log BEGIN UPDATE event_log SET body=x'7b7d'; END"},
    {"endless", "CREATE TRIGGER f_e AFTER INSERT ON inbox BEGIN SELECT " ENDLESS "; END"},
    {"view", "DROP VIEW events; CREATE VIEW events AS SELECT " ENDLESS " AS seq"},
    {"newer", "DROP VIEW newer; CREATE VIEW newer AS SELECT " ENDLESS " AS seq"},
    {"view-of-log", "ALTER TABLE event_log RENAME TO real_log; CREATE VIEW event_log AS SELECT * FROM real_log"},
    {"unique", "CREATE UNIQUE INDEX f_f ON event_log(resource_type)"},
    {"expression", "CREATE INDEX f_g ON event_log(instr(body,type))"},
    {"like", "CREATE INDEX f_h ON event_log(body LIKE type)"},
    {"plain", "CREATE INDEX f_i ON event_log(client_id)"},
    {"no-index", "DROP INDEX event_resource"},
    {"no-due", "DROP INDEX inbox_due"},
    {"no-history", "DROP TABLE history"},
    {"no-counter", "DROP TABLE counter"},
    {"column", "ALTER TABLE event_log ADD COLUMN f_j"},
    {"checked", "ALTER TABLE inbox ADD COLUMN f_k CHECK(f_k>0)"},
    {"generated", "ALTER TABLE event_log ADD COLUMN f_l AS (instr(body,type))"},
    {"replaces", REWRITE("event_log", "type, endpoint)", "type, endpoint) ON CONFLICT REPLACE")},
    {"replaces-bumped",
     REWRITE("event_log", "type, endpoint)", "type, endpoint) ON CONFLICT REPLACE") ";PRAGMA schema_version=4711"},
    {"drops",
     REWRITE("inbox", "error     TEXT", "error TEXT, f_m NOT NULL ON CONFLICT IGNORE") ";PRAGMA schema_version=4712"},
    {"bumped", "PRAGMA schema_version=1"},
    {"rooted", "PRAGMA writable_schema=1;UPDATE sqlite_master SET rootpage=rootpage+1 WHERE name='event_resource';"
               "PRAGMA schema_version=4713"},
    {"analyzed", "ANALYZE"},
    {"vacuumed", "VACUUM"},
};

/* What a text of the schema may get: words of SQL, and what makes of words none. */
static const char *const words[] = {
    "",
    "(",
    ")",
    ",",
    ";",
    "'",
    "\"",
    "[",
    "`",
    "--",
    "/*",
    "*/",
    "\n",
    "\f",
    "\xef\xbb\xbf",
    "\x01",
    "CHECK",
    "CHECK(0)",
    "UNIQUE",
    "NOT",
    "NULL",
    "DEFAULT",
    "AS",
    "AS (1)",
    "COLLATE",
    "NOCASE",
    "RTRIM",
    "DESC",
    "PRIMARY",
    "KEY",
    "PRIMARY KEY",
    "ON CONFLICT REPLACE",
    "ON CONFLICT IGNORE",
    "ON CONFLICT ROLLBACK",
    "WITHOUT ROWID",
    "STRICT",
    "WHERE 0",
    "WHERE",
    "REFERENCES inbox(seq) ON DELETE CASCADE",
    "CONSTRAINT x",
    "DEFERRABLE",
    "AUTOINCREMENT",
    "INTEGER",
    "TEXT",
    "BLOB",
    "REAL",
    "NUMERIC",
    "seq",
    "body",
    "event_id",
    "state",
    "endpoint",
    "signature",
    "x",
    "0",
    "1",
    "-1",
    "1e999",
    "TABLE",
    "INDEX",
    "VIEW",
    "TRIGGER",
    "VIRTUAL TABLE",
    "TEMP",
    "IF NOT EXISTS",
    "ON",
    "event_log",
    "inbox",
    "setting",
    "counter",
    "quarantine",
    "sqlite_master",
    "main.",
    "randomblob(9)",
    "DEFAULT (randomblob(9))",
    "AS (instr(body,type)) STORED",
    "AS (seq+1)",
    "AS " ENDLESS,
    "CHECK(" ENDLESS ")",
    ", x UNIQUE",
};
enum { WORDS = sizeof words / sizeof *words };

/* Where the next word or sign of a text begins, from `at` on. */
static size_t word_from(const char *text, size_t at)
{
    while (text[at] && strchr(" \n\t", text[at]))
        at++;
    return at;
}

static size_t word_end(const char *text, size_t at)
{
    size_t n = strcspn(text + at, " \n\t(),;");
    return at + (n || !text[at] ? n : 1);
}

/* The n-th object of the schema has another text; `told`: so that others notice. */
static void change_text(size_t object, size_t nth, struct span how, const char *word, bool told)
{
    sqlite3_stmt *q = NULL;
    char *text = NULL;
    int64_t row = 0;
    if (sqlite3_prepare_v2(look,
                           "SELECT rowid,sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid LIMIT 1 OFFSET "
                           "?1%(SELECT count(*) FROM sqlite_master WHERE sql IS NOT NULL)",
                           -1, &q, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(q, 1, (int64_t)object);
        if (sqlite3_step(q) == SQLITE_ROW) {
            row = sqlite3_column_int64(q, 0);
            text = sqlite3_mprintf("%s", sqlite3_column_text(q, 1));
        }
    }
    sqlite3_finalize(q);
    size_t n = 0, at = 0, end;
    for (size_t i = 0; text && text[i = word_from(text, i)]; i = word_end(text, i))
        n++;
    for (size_t i = 0; n && i < nth % n; i++)
        at = word_end(text, word_from(text, at));
    if (!n)
        return;
    at = word_from(text, at), end = word_end(text, at);
    bool goes = span_equal(how, span_of("goes")), stays = span_equal(how, span_of("before"));
    char *statement =
        sqlite3_mprintf("PRAGMA writable_schema=1;UPDATE sqlite_master SET sql='%.*q%s%q%s%q' WHERE rowid=%lld;%s",
                        (int)at, text, " ", goes ? "" : word, " ", text + (stays ? at : end), (long long)row,
                        told ? "PRAGMA schema_version=4714" : "");
    sqlite3_exec(look, statement, NULL, NULL, NULL);
    sqlite3_free(statement);
    sqlite3_free(text);
}

/* One line. What a constraint forbids is not done. */
static void change(struct span line)
{
    struct span rest = line, first = next_word(&rest);
    look_end_ms = clock_ms() + USE_MS;
    if (span_equal(first, span_of("schema"))) {
        size_t n = choose(next_word(&rest), &schemas->word, sizeof *schemas, sizeof schemas / sizeof *schemas);
        sqlite3_exec(look, schemas[n].sql, NULL, NULL, NULL);
        return;
    }
    if (span_equal(first, span_of("text"))) {
        size_t object = damage_word_number(next_word(&rest)), nth = damage_word_number(next_word(&rest));
        struct span how = next_word(&rest), word = next_word(&rest);
        change_text(object, nth, how, words[damage_word_number(word) % WORDS], word.len % 2);
        return;
    }
    char names[500], list[32][32], text[1200];
    const char *columns[34];
    const char *table = tables[choose(next_word(&line), tables, sizeof *tables, sizeof tables / sizeof *tables)];
    struct span row = next_word(&line);
    size_t number = damage_word_number(row), n = columns_of(table, names, sizeof names, list, 32);
    if (!n)
        return;
    for (size_t i = 0; i < n; i++)
        columns[i] = list[i];
    columns[n] = "delete";
    columns[n + 1] = "copy";
    const char *column = columns[choose(next_word(&line), columns, sizeof *columns, n + 2)];
    const struct value *value =
        &values[choose(next_word(&line), &values->word, sizeof *values, sizeof values / sizeof *values)];
    char which[160];
    snprintf(which, sizeof which,
             "rowid=(SELECT rowid FROM %s ORDER BY rowid LIMIT 1 OFFSET %zu %% max(1,(SELECT count(*) FROM %s)))",
             table, number, table);
    if (column == columns[n])
        snprintf(text, sizeof text, "DELETE FROM %s WHERE %s", table, which);
    else if (column == columns[n + 1] && strcmp(list[0], "hour_ms") != 0)
        snprintf(text, sizeof text, "INSERT OR IGNORE INTO %s(%s) SELECT %s FROM %s WHERE %s", table,
                 names + strlen(list[0]) + 2, names + strlen(list[0]) + 2, table, which);
    else if (column == columns[n + 1])
        snprintf(text, sizeof text,
                 "INSERT OR IGNORE INTO %s SELECT hour_ms+3600000,endpoint,secret,outcome,n,last_ms FROM %s", table,
                 table);
    else
        snprintf(text, sizeof text, "UPDATE OR IGNORE %s SET %s=%s%s WHERE %s", table, column, value->sql ? "" : "-",
                 value->sql ? value->sql : column, which);
    sqlite3_exec(look, text, NULL, NULL, NULL);
}

/* Lines of SQL, of bytes, or of both in their order. */
enum lines { SQL = 1, BYTES = 2 };

static void change_all(const struct damage *d, struct span part, unsigned which)
{
    while (part.len) {
        const char *end = memchr(part.at, '\n', part.len);
        struct span word[4], line = fuzz_take(&part, end ? (size_t)(end - part.at) : part.len), rest = line;
        for (int i = 0; i < 4; i++)
            word[i] = next_word(&rest);
        fuzz_byte(&part);
        bool bytes = damage_is_line(word[0]);
        if (bytes && which & BYTES)
            damage_line(d, word, which & SQL);
        else if (!bytes && line.len && which & SQL)
            change(line);
    }
}

/* ---- what reads it ---- */

static int64_t met;
static struct store_lease leases[ROUNDS];

static void meet(struct span text)
{
    for (size_t i = 0; i < text.len; i++) /* each byte is there to be read */
        met += text.at[i];
}

static void meet_event(void *ctx, const struct store_event *v)
{
    (void)ctx;
    const struct span texts[] = {
        v->endpoint, v->id,      v->type,    v->resource_type, v->resource_id,   v->client_id,
        v->status,   v->outcome, v->source,  v->secret,        v->signature,     v->created_at,
        v->owner,    v->error,   v->payload, v->body,          v->payload_sha256};
    FUZZ_CHECK(v->state >= -1 && v->state <= 3);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        meet(texts[i]);
}

static void meet_claimed(void *ctx, const struct store_lease *lease, const struct store_event *v)
{
    size_t *n = ctx;
    meet_event(NULL, v);
    if (*n < ROUNDS)
        leases[(*n)++] = *lease;
}

static void meet_count(void *ctx, const struct store_count *c)
{
    (void)ctx, meet(c->endpoint), meet(c->secret), meet(c->outcome);
}
static void meet_tally(void *ctx, const struct store_tally *t) { (void)ctx, meet(t->endpoint), meet(t->type); }
static void meet_row(void *ctx, const struct store_quarantined *q)
{
    (void)ctx, meet(q->endpoint), meet(q->reason), meet(q->body);
}
static void meet_past(void *ctx, const struct store_past *p)
{
    (void)ctx, meet(p->action), meet(p->detail), meet(p->event_id);
}
static void meet_changed(void *ctx, int64_t seq, enum store_changed what) { (void)ctx, met += seq + (int)what; }

/* It succeeded, or says what is wrong. */
static int64_t say(int64_t result, struct err *e)
{
    FUZZ_CHECK(result >= 0 || (e->code != ERR_NONE && *e->msg));
    *e = (struct err){0};
    return result;
}

static void read_events(struct store *s, struct err *e)
{
    struct store_facts facts;
    int64_t newest = 0, after = 0;
    for (int state = -1; state < 4; state++) {
        struct store_query f = {.state = state, .limit = 100}, one = {.state = state, .limit = 3, .endpoint = "live"};
        say(store_read(s, &f, meet_event, NULL, e), e);
        say(store_read(s, &one, meet_event, NULL, e), e);
    }
    const struct store_query all = {.state = -1, .limit = 1000},
                             timed = {.state = -1, .since_ms = 1, .before_ms = INT64_MAX};
    for (size_t i = 0; i < BEFORE; i++)
        say(store_find(s, span_of(i % 2 ? "waits" : "1"), meet_event, NULL, e), e);
    say(store_read_facts(s, NOW_MS, &facts, e), e);
    say(store_counts(s, 0, meet_count, NULL, e), e);
    say(store_totals(s, INT64_MAX, meet_count, NULL, e), e);
    say(store_ignored(s, 0, meet_count, NULL, e), e);
    say(store_tally(s, &all, true, meet_tally, NULL, e), e);
    say(store_tally(s, &timed, true, meet_tally, NULL, e), e);
    say(store_list_quarantine(s, 0, NULL, meet_row, NULL, e), e);
    say(store_history(s, 0, 0, 0, 1000, meet_past, NULL, e), e);
    say(store_ready(s, e), e);
    bool known = say(store_newest(s, &newest, e), e) == 0;
    int rounds = 0;
    for (int log_only = 0; known && log_only < 2; log_only++) {
        struct store_query q = {.state = -1, .oldest_first = true, .to = newest, .log_only = log_only};
        for (rounds = 0; say(store_read(s, &q, meet_event, NULL, e), e) > 0; rounds++)
            FUZZ_CHECK(rounds < ROUNDS);
    }
    for (after = INT64_MIN, rounds = 0; after != INT64_MAX; rounds++) {
        FUZZ_CHECK(rounds < ROUNDS);
        if (say(store_walk_quarantine(s, &after, NOW_MS, meet_row, NULL, e), e) != 0)
            break;
    }
}

static void work(struct store *s, struct err *e)
{
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        const struct store_want want = {
            .endpoint = i % 2 ? "sandbox" : "live", .ordered = i > 1, .skip_superseded = i > 1, .owner = "fuzz"};
        say(store_claim(s, &want, 2, NOW_MS + 1000000, meet_claimed, &n, e), e);
    }
    for (size_t i = 0; i < n; i++)
        say(store_settle(s, &leases[i], (enum store_verb)(i % 4), i % 4 == STORE_NACK ? "why" : NULL, -1, NOW_MS, e),
            e);
}

static void choose_and_change(struct store *s, struct err *e)
{
    static const struct store_actor by = {"fuzz", NULL, "here", NULL};
    const struct store_query all = {.state = -1, .limit = 1000}, person = {.state = -1, .client_id = "c1"},
                             old = {.state = -1, .before_ms = INT64_MAX / 2};
    int64_t *seqs = NULL, n;
    for (int what = STORE_REQUEUE; what <= STORE_CHANGE_DEAD; what++) {
        n = say(store_select(s, STORE_MATCHING, &all, &seqs, e), e);
        if (n > 0)
            say(store_change(s, (enum store_change)what, seqs, n, &by, NOW_MS, meet_changed, NULL, e), e);
        free(n >= 0 ? seqs : NULL);
    }
    n = say(store_select(s, STORE_PRUNABLE, &old, &seqs, e), e);
    if (n > 0)
        say(store_erase(s, STORE_PRUNE, seqs, n, &by, NOW_MS, meet_changed, NULL, e), e);
    free(n >= 0 ? seqs : NULL);
    n = say(store_select(s, STORE_OF_CLIENT, &person, &seqs, e), e);
    if (n > 0)
        say(store_erase(s, STORE_ERASE, seqs, n, &by, NOW_MS, meet_changed, NULL, e), e);
    free(n >= 0 ? seqs : NULL);
    say(store_drop(s, 1, &by, NOW_MS, e), e);
}

/* From now on in so many ms the process is told to end; 0: it is not, any more. Who else tells it so is obeyed. */
static void tell_to_end(int ms)
{
    const struct itimerspec t = {.it_value = {ms / 1000, ms % 1000 * 1000000L}};
    const struct timespec now = {0};
    siginfo_t told;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    FUZZ_CHECK(timer_settime(teller, 0, &t, NULL) == 0);
    if (ms == 0 && sigtimedwait(&term, &told, &now) == SIGTERM && told.si_code != SI_TIMER)
        exit(128 + SIGTERM);
}

/* What the tool does, over the same file. */
static void use(void)
{
    struct store *s;
    struct err e = {0};
    static const char *const endpoints[] = {"live", "sandbox"};
    const struct store_options o = {.url = database,
                                    .endpoints = endpoints,
                                    .n_endpoints = 2,
                                    .journal = "auto",
                                    .group = (gid_t)-1,
                                    .wait_ms = 4000};
    int64_t begun_ms = clock_ms();
    tell_to_end(USE_MS);
    if (say(store_open(&s, &o, &e), &e) == 0) {
        read_events(s, &e);
        work(s, &e);
        choose_and_change(s, &e);
        store_close(s);
    }
    tell_to_end(0);
    FUZZ_CHECK(clock_ms() - begun_ms < USE_MS + END_MS);
}

/* ---- a case ---- */

static void remove_beside(const char *tail)
{
    char path[sizeof database + 10];
    snprintf(path, sizeof path, "%s%s", database, tail);
    unlink(path);
}

static void empty_spool(void)
{
    struct spool_names names;
    struct err e;
    char path[sizeof spool + SPOOL_NAME_SIZE];
    if (spool_list(spool, true, &names, &e) != 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        snprintf(path, sizeof path, "%s/%s", spool, names.list[i]);
        unlink(path);
    }
    spool_names_release(&names);
}

/* By another connection than the one that looks: a schema that is changed without a word stays for whoever has read it, the
 * receiver and us, as it was; the rows are those that it describes. */
static void change_while_open(const struct damage *d, struct span lines)
{
    sqlite3 *looks = look;
    open_look();
    change_all(d, lines, SQL | BYTES);
    sqlite3_close(look);
    look = looks;
}

static void run(bool spools, struct span first, struct span second)
{
    static struct exchange x[2][SENT];
    struct receiver r;
    remove_beside("-wal");
    remove_beside("-shm");
    remove_beside("-journal");
    folder_write(database, (struct span){file, file_len}, 0600);
    empty_spool();
    const struct damage d = {database, bystander, open(database, O_RDWR | O_CLOEXEC), (struct span){file, file_len}};
    FUZZ_CHECK(d.fd >= 0);
    open_look();
    change_all(&d, first, SQL);
    sqlite3_close(look);
    change_all(&d, first, BYTES);
    open_receiver(&r, spools);
    open_look();
    for (int i = 0; i < 2; i++) {
        send(&r, x[i], sent, SENT);
        for (size_t k = 0; k < SENT; k++)
            check_answer(&sent[k], &x[i][k]);
        if (i == 0)
            change_while_open(&d, second);
        unseen = i == 0 && memmem(second.at, second.len, "page", 4);
    }
    if (!spools)
        use();
    receiver_close(&r);
    sqlite3_close(look);
    close(d.fd);
    FUZZ_CHECK(access(bystander, F_OK) == 0);
}

static void start(void)
{
    static struct exchange x[BEFORE];
    struct sent list[BEFORE];
    char path[FOLDER_PATH + 40], text[700];
    struct receiver r;
    struct err e;
    struct sigevent tells = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM); /* which a receiver waits for, too */
    FUZZ_CHECK(sigprocmask(SIG_BLOCK, &term, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &tells, &teller) == 0);
    FUZZ_CHECK(verifier_open(&verifier, secrets, 2, &e) == 0);
    mkdir(folder_path(folder, "database"), 0700);
    snprintf(database, sizeof database, "%s/inbox.db", folder);
    snprintf(spool, sizeof spool, "%s/spool", folder);
    snprintf(bystander, sizeof bystander, "%s/bystander", folder);
    folder_write(bystander, span_of("of somebody else"), 0600);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, secrets[i].endpoint);
        folder_write(path, secrets[i].value, 0600);
        snprintf(text, sizeof text,
                 "database = \"inbox.db\"\nlog = \"/dev/null\"\n%sendpoint live { secret_file = \"live\" }\n"
                 "endpoint sandbox { secret_file = \"sandbox\"\n events = {\"check.*\", \"check.completed\"} }\n",
                 i ? "spool = \"spool\"\n" : "");
        snprintf(path, sizeof path, "%s/%s.conf", folder, i ? "spool" : "plain");
        folder_write(path, span_of(text), 0600);
    }
    open_receiver(&r, false);
    for (size_t i = 0; i < BEFORE; i++)
        list[i] = (struct sent){before[i], 0};
    send(&r, x, list, BEFORE);
    for (size_t i = 0; i < BEFORE; i++)
        FUZZ_CHECK(x[i].reply.status / 100 == 2 && !x[i].spooled);
    static const struct store_actor by = {"fuzz", NULL, "here", NULL};
    const int64_t gone = 6;
    FUZZ_CHECK(store_erase(r.store, STORE_ERASE, &gone, 1, &by, NOW_MS, meet_changed, NULL, &e) == 1);
    receiver_close(&r);
    open_look();
    struct exchange none = {.event = {.id = span_of("gone")}};
    FUZZ_CHECK(is_row("SELECT 1 FROM event_log WHERE event_id=?3 AND erased_ms IS NOT NULL", &sent[0], &none));
    sql("UPDATE inbox SET state=1,done_ms=due_ms WHERE seq=3; UPDATE inbox SET state=2,attempts=10 WHERE seq=4;"
        "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(look);
    FILE *f = fopen(database, "rb");
    FUZZ_CHECK(f);
    file_len = fread(file, 1, sizeof file, f);
    fclose(f);
    FUZZ_CHECK(file_len > 0 && file_len < sizeof file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size < CASE_MAX ? size : CASE_MAX};
    if (!verifier)
        start();
    struct span first = fuzz_part(&rest);
    run(false, first, rest);
    run(true, first, rest);
    return 0;
}

/* ---- cases that are made ---- */

static int make_page(uint64_t *random, char *to, size_t size)
{
    static const char *const whole[] = {"zero", "noise", "as"};
    const size_t pages = file_len / DAMAGE_PAGE, number = 1 + damage_below(random, pages),
                 at = damage_below(random, damage_below(random, 2) ? 120 : DAMAGE_PAGE);
    if (damage_below(random, 4))
        return snprintf(to, size, "page %zu %zu %u\n", number, at, damage_byte(random));
    return snprintf(to, size, "page %zu %s %zu\n", number, whole[damage_below(random, 3)],
                    1 + damage_below(random, pages));
}

static int make_cell(uint64_t *random, char *to, size_t size)
{
    char names[500], list[32][32];
    const char *table = tables[damage_below(random, sizeof tables / sizeof *tables)];
    size_t row = damage_below(random, 9), n = columns_of(table, names, sizeof names, list, 32),
           which = damage_below(random, 8);
    const char *what = which == 0 ? "delete" : which == 1 ? "copy" : list[damage_below(random, n ? n : 1)];
    return snprintf(to, size, "%s %zu %s %s\n", table, row, n ? what : "copy",
                    values[damage_below(random, sizeof values / sizeof *values)].word);
}

static int make_line(uint64_t *random, char *to, size_t size)
{
    static const char *const how[] = {"goes", "before", "instead"};
    switch (damage_below(random, 14)) {
    case 0: return snprintf(to, size, "wal %zu\n", damage_below(random, 1000000));
    case 1: return snprintf(to, size, "journal %zu\n", damage_below(random, 1000000));
    case 2: return snprintf(to, size, "cut %zu %zu\n", damage_below(random, 40), damage_below(random, DAMAGE_PAGE));
    case 3:
    case 4:
        return snprintf(to, size, "schema %s\n",
                        schemas[damage_below(random, sizeof schemas / sizeof *schemas)].word);
    case 5:
    case 6:
    case 7:
        return snprintf(to, size, "text %zu %zu %s %0*zu\n", damage_below(random, 24), damage_below(random, 120),
                        how[damage_below(random, 3)], (int)(2 + damage_below(random, 2)),
                        damage_below(random, WORDS));
    case 8:
    case 9:
    case 10: return make_cell(random, to, size);
    default: return make_page(random, to, size);
    }
}

/* A case of one to four lines; libFuzzer and replay.c ask for it. Lines that are there already stay in front, if they may. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    char text[CASE_MAX];
    uint64_t random = seed;
    size_t len = 0;
    if (!verifier)
        start();
    open_look();
    for (size_t n = 1 + damage_below(&random, 4); n > 0; n--) {
        if (damage_below(&random, 4) == 0)
            len += (size_t)snprintf(text + len, sizeof text - len, "\n---\n");
        len += (size_t)make_line(&random, text + len, sizeof text - len);
    }
    sqlite3_close(look);
    size_t kept = damage_below(&random, 2) && size + len < max && size + len < CASE_MAX ? size : 0;
    len = len < max - kept ? len : max - kept;
    memcpy(data + kept, text, len);
    return kept + len;
}
