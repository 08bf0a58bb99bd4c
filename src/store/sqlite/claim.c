/* SPDX-License-Identifier: MIT
 * claim: workers of the table form (complycube-inbox(5), "Claims"), and what both forms share. */
#include "base/hex.h"
#include "base/kernel.h"
#include "guard.h"
#include "inbox.h"
#include "number.h"
#include "walindex.h"

#include <stdio.h>
#include <stdlib.h>

enum { BACKOFF_MAX_MS = 6 * 3600 * 1000, TOKEN = 16 /* bytes */ };

int sqlite_lock(struct db *s, struct err *e)
{
    int left_ms = lock_take(&s->lock, s->wait_ms, e);
    if (left_ms < 0)
        return -1;
    sqlite_set_wait(s, left_ms);
    if (sqlite_in_place(s))
        return 0;
    lock_release(&s->lock);
    return err_set(e, ERR_BUSY, "%s was moved away a moment ago", s->path);
}

int sqlite_hold(struct store *store, int wait_ms, struct err *e)
{
    struct db *s = db_of(store);
    s->held_ms = lock_take(&s->lock, s->hurried && wait_ms > STORE_HURRY_MS ? STORE_HURRY_MS : wait_ms, e);
    s->held = s->held_ms >= 0;
    s->hurried = !s->held && e->code == ERR_BUSY;
    return s->held ? 0 : -1;
}

void sqlite_unhold(struct store *store)
{
    struct db *s = db_of(store);
    s->held = false;
    lock_release(&s->lock);
}

int sqlite_try(struct store *store, int wait_ms, struct err *e)
{
    struct db *s = db_of(store);
    if (s->read_only)
        return err_set(e, ERR_READONLY, "%s was opened to be read", s->path);
    int left_ms = lock_take(&s->lock, wait_ms, e);
    if (left_ms < 0)
        return -1;
    sqlite_set_wait(s, left_ms);
    sqlite_begin_work(s);
    int failed = sqlite_index_check(s, e);
    if (!failed && sqlite_exec(s, "BEGIN IMMEDIATE; ROLLBACK") != SQLITE_OK)
        failed = sqlite_error(s, "beginning to write", e);
    sqlite_set_wait(s, s->wait_ms);
    lock_release(&s->lock);
    return failed;
}

/* The names that there are, behind what was asked for. */
static int refuse_endpoint(const char *wanted, const char *names, struct err *e)
{
    if (!*names)
        return err_set(e, ERR_NOT_FOUND, "no endpoint is known yet; run complycube-inbox init");
    return wanted ? err_set(e, ERR_NOT_FOUND, "there is no endpoint %s; there are: %s", wanted, names)
                  : err_set(e, ERR_NOT_FOUND, "there are several endpoints: %s; name one with --endpoint", names);
}

int sqlite_endpoint(struct db *s, const char *wanted, int64_t *id, char *name, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_ENDPOINTS, e);
    if (!q)
        return -1;
    char names[200] = "";
    int n = 0, failed = 0;
    bool found = false;
    while (!failed && sqlite3_step(q) == SQLITE_ROW) {
        const char *this = sqlite_string(q, 1);
        size_t len = strlen(names);
        snprintf(names + len, sizeof names - len, "%s%s", len ? ", " : "", this);
        n++;
        if (wanted && strcmp(this, wanted) != 0)
            continue;
        failed = sqlite_id(s, q, 0, "an endpoint has a number", id, e);
        found = true;
        snprintf(name, 64, "%s", this);
    }
    if (sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(s, "reading the endpoints", e);
    return failed ? -1 : found && (wanted || n == 1) ? 0 : refuse_endpoint(wanted, names, e);
}

int sqlite_types(const struct store_want *w, char **types, struct err *e)
{
    size_t len = 2;
    *types = NULL;
    for (size_t i = 0; i < w->n_types; i++)
        len += strlen(w->types[i]) + 1;
    if (w->n_types == 0)
        return 0;
    char *at = *types = malloc(len);
    if (!at)
        return err_set(e, ERR_MEMORY, "the list of types: out of memory");
    *at++ = '\n';
    for (size_t i = 0; i < w->n_types; i++) {
        size_t n = strlen(w->types[i]);
        memcpy(at, w->types[i], n);
        at[n] = '\n';
        at += n + 1;
    }
    *at = '\0';
    return 0;
}

int64_t sqlite_backoff(const struct maildir_setting *setting, int64_t attempts)
{
    int64_t ms = setting->backoff_ms;
    for (int64_t i = 1; i < attempts && ms > 0 && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

int64_t sqlite_soon(int64_t ms) { return ms < STORE_AHEAD_MAX_MS ? ms : STORE_AHEAD_MAX_MS; }

/* ---- claiming ---- */

struct claim {
    const struct store_want *want;
    struct maildir_setting setting;
    int64_t endpoint, until_ms, now_ms;
    char *types, name[64], token[2 * TOKEN + 1];
    store_claimed *each;
    void *ctx;
};

static sqlite3_stmt *bind_ahead(struct db *s, enum store_sql which, const struct claim *c, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (q) {
        sqlite3_bind_int64(q, 1, c->endpoint);
        sqlite3_bind_int64(q, 2, c->now_ms + STORE_AHEAD_MAX_MS);
    }
    return q;
}

/* What is due further ahead than any lease or delay was set by a clock that was wrong: it is due now. */
static int heal(struct db *s, const struct claim *c, struct err *e)
{
    sqlite3_stmt *q = bind_ahead(s, SQL_AHEAD, c, e);
    if (!q)
        return -1;
    bool found = sqlite3_step(q) == SQLITE_ROW;
    if (sqlite3_reset(q) != SQLITE_OK)
        return sqlite_error(s, "looking for events", e);
    if (!found)
        return 0;
    q = bind_ahead(s, SQL_HEAL, c, e);
    if (!q || sqlite_lock(s, e) != 0)
        return -1;
    sqlite3_bind_int64(q, 3, c->now_ms);
    int failed = sqlite_run(q) != SQLITE_OK ? sqlite_error(s, "making events due", e) : 0;
    lock_release(&s->lock);
    return failed;
}

static int is_waiting(struct db *s, const struct claim *c, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_WAITING, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, c->endpoint);
    sqlite3_bind_int64(q, 2, c->now_ms);
    int found = sqlite3_step(q) == SQLITE_ROW;
    return sqlite3_reset(q) == SQLITE_OK ? found : sqlite_error(s, "looking for events", e);
}

/* Stamp up to n rows with the token: how many were changed. */
static int stamp(struct db *s, struct claim *c, int n, struct err *e)
{
    uint8_t token[TOKEN];
    sqlite3_stmt *q = sqlite_prepare(s, SQL_CLAIM, e);
    if (!q || kernel_random(token, sizeof token) != 0)
        return q ? err_set(e, ERR_SYSTEM, "no random bytes") : -1;
    hex_encode(token, sizeof token, c->token);
    sqlite3_bind_int64(q, 1, c->setting.max_attempts);
    sqlite3_bind_text(q, 2, c->token, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, c->want->owner, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, c->until_ms);
    sqlite3_bind_int64(q, 5, c->endpoint);
    sqlite3_bind_int64(q, 6, c->now_ms);
    sqlite3_bind_text(q, 7, c->types, -1, SQLITE_STATIC);
    sqlite3_bind_int(q, 8, c->want->ordered);
    sqlite3_bind_int(q, 9, n);
    if (sqlite_lock(s, e) != 0)
        return -1;
    int failed = sqlite_run(q) != SQLITE_OK;
    int changed = failed ? sqlite_error(s, "claiming events", e) : sqlite3_changes(s->db);
    lock_release(&s->lock);
    return changed;
}

/* Acknowledge the events of the token whose numbers these are. */
static int ack_superseded(struct db *s, const struct claim *c, const struct seqs *over, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_PASS, e);
    if (!q || sqlite_lock(s, e) != 0)
        return -1;
    int failed = 0;
    for (size_t i = 0; i < over->n && !failed; i++) {
        sqlite3_bind_int64(q, 1, over->at[i]);
        sqlite3_bind_text(q, 2, c->token, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 3, c->now_ms);
        if (sqlite_run(q) != SQLITE_OK)
            failed = sqlite_error(s, "passing over events", e);
    }
    lock_release(&s->lock);
    return failed;
}

/* Acknowledge what of the token is superseded. That is read without the writers' lock: it may take the history of a
 * resource to tell. */
static int pass_superseded(struct db *s, const struct claim *c, struct err *e)
{
    struct seqs over = {0};
    sqlite3_stmt *q = sqlite_prepare(s, SQL_OVER, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, c->endpoint);
    sqlite3_bind_int64(q, 2, c->until_ms);
    sqlite3_bind_text(q, 3, c->token, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 7, c->types, -1, SQLITE_STATIC);
    int failed = sqlite_read_seqs(s, q, &over, e);
    if (!failed && over.n)
        failed = ack_superseded(s, c, &over, e);
    seqs_release(&over);
    return failed;
}

static void give_out(void *ctx, const struct store_event *v)
{
    const struct claim *c = ctx;
    struct store_lease lease = {.seq = v->seq, .until_ms = c->until_ms, .attempts = v->attempts};
    snprintf(lease.endpoint, sizeof lease.endpoint, "%s", c->name);
    snprintf(lease.key, sizeof lease.key, "%s", c->token);
    c->each(c->ctx, &lease, v);
}

static int read_claimed(struct db *s, struct claim *c, struct err *e)
{
    if (c->want->skip_superseded && pass_superseded(s, c, e) != 0)
        return -1;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_CLAIMED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, c->endpoint);
    sqlite3_bind_int64(q, 2, c->until_ms);
    sqlite3_bind_text(q, 3, c->token, -1, SQLITE_STATIC);
    return (int)sqlite_each(s, q, give_out, c, e);
}

/* What is changed and not read is dead or superseded: there may be more behind it. */
static int claim_rows(struct db *s, struct claim *c, int n, struct err *e)
{
    int read = 0, changed = heal(s, c, e) == 0 ? is_waiting(s, c, e) : -1;
    while (changed > 0 && read == 0) {
        changed = stamp(s, c, n, e);
        read = changed > 0 ? read_claimed(s, c, e) : 0;
    }
    return changed < 0 ? -1 : read;
}

int sqlite_claim(struct store *store, const struct store_want *w, int n, int64_t now_ms, store_claimed *each,
                 void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    if (sqlite_inbox_is_files(s))
        return sqlite_files_claim(s, w, n, now_ms, each, ctx, e);
    struct claim c = {.want = w, .now_ms = now_ms, .each = each, .ctx = ctx};
    if (sqlite_endpoint(s, w->endpoint, &c.endpoint, c.name, e) != 0 || sqlite_setting(s, &c.setting, e) != 0 ||
        sqlite_types(w, &c.types, e) != 0)
        return -1;
    c.until_ms = now_ms + sqlite_soon(w->lease_ms ? w->lease_ms : c.setting.lease_ms);
    int read = claim_rows(s, &c, n, e);
    free(c.types);
    return read;
}

/* ---- settling ---- */

static int run_settle(struct db *s, sqlite3_stmt *q, struct store_lease *lease, int64_t until_ms, struct err *e)
{
    sqlite3_bind_int64(q, 1, lease->seq);
    sqlite3_bind_text(q, 2, lease->key, -1, SQLITE_STATIC);
    if (sqlite_lock(s, e) != 0)
        return -1;
    int failed = sqlite_run(q) != SQLITE_OK;
    int changed = failed ? sqlite_error(s, "settling a claim", e) : sqlite3_changes(s->db);
    lock_release(&s->lock);
    if (changed > 0)
        lease->until_ms = until_ms;
    return changed;
}

int sqlite_settle(struct store *store, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                  int64_t now_ms, struct err *e)
{
    struct db *s = db_of(store);
    static const enum store_sql statements[] = {SQL_ACK, SQL_NACK, SQL_RELEASE, SQL_EXTEND};
    struct maildir_setting setting;
    if (sqlite_inbox_is_files(s))
        return sqlite_files_settle(s, lease, verb, why, ms, now_ms, e);
    sqlite3_stmt *q = sqlite_prepare(s, statements[verb], e);
    if (!q || sqlite_setting(s, &setting, e) != 0)
        return -1;
    int64_t until_ms = now_ms;
    if (verb == STORE_EXTEND)
        until_ms += sqlite_soon(ms > 0 ? ms : setting.lease_ms);
    if (verb == STORE_RELEASE)
        until_ms += ms > 0 ? sqlite_soon(ms) : 0;
    if (verb == STORE_NACK) {
        bool dead = lease->attempts >= setting.max_attempts;
        until_ms += ms >= 0 ? sqlite_soon(ms) : sqlite_backoff(&setting, lease->attempts);
        sqlite3_bind_text(q, 4, why, -1, SQLITE_STATIC);
        sqlite3_bind_int(q, 5, dead ? 2 : 0);
        sqlite3_bind_int64(q, 3, until_ms);
        return run_settle(s, q, lease, dead ? INT64_MAX : until_ms, e);
    }
    sqlite3_bind_int64(q, 3, until_ms);
    return run_settle(s, q, lease, until_ms, e);
}
