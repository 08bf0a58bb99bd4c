/* SPDX-License-Identifier: MIT
 * known: what the log knows of an object of the vendor's, and what was erased of it. */
#include "base/hex.h"
#include "event/verify.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    NEAR_MS = 2000, /* an event is made at about the time that its object has as updatedAt */
    DIGEST = 16     /* bytes of a digest that are kept */
};

struct digest {
    uint8_t at[DIGEST];
};

/* The digests of the history, up to a row of it. */
struct sqlite_forgotten {
    int64_t upto;
    struct digest *list; /* sorted */
    size_t n, cap;
};

/* ---- what was erased ---- */

static struct digest digest_id(const char *endpoint, struct span id)
{
    char text[2 * EVENT_FIELD_MAX + 2];
    uint8_t whole[VERIFY_DIGEST];
    struct digest d;
    int n = snprintf(text, sizeof text, "%s\n%.*s", endpoint, (int)id.len, id.len ? id.at : "");
    verify_sha256((struct span){text, n < (int)sizeof text ? (size_t)n : sizeof text - 1}, whole);
    memcpy(d.at, whole, sizeof d.at);
    return d;
}

const char *sqlite_forgotten_detail(const char *endpoint, struct span resource, struct span client,
                                    char out[SQLITE_FORGOTTEN])
{
    const struct span ids[] = {resource, client};
    char *at = out;
    *out = '\0';
    for (size_t i = 0; i < 2; i++) {
        if (!ids[i].at)
            continue;
        if (at > out)
            *at++ = ' ';
        struct digest d = digest_id(endpoint, ids[i]);
        hex_encode(d.at, sizeof d.at, at);
        at += 2 * sizeof d.at;
    }
    return out;
}

void sqlite_forgotten_close(struct db *s)
{
    if (s->forgotten)
        free(s->forgotten->list);
    free(s->forgotten);
}

static int compare_digests(const void *a, const void *b) { return memcmp(a, b, sizeof(struct digest)); }

static int add_digest(struct sqlite_forgotten *f, const struct digest *d, struct err *e)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 256;
        struct digest *grown = realloc(f->list, cap * sizeof *grown);
        if (!grown)
            return err_set(e, ERR_MEMORY, "reading what was erased: out of memory");
        f->list = grown;
        f->cap = cap;
    }
    f->list[f->n++] = *d;
    return 0;
}

/* The digests of a row; other rows have other words there. */
static int add_detail(struct sqlite_forgotten *f, struct span detail, struct err *e)
{
    struct digest d;
    const size_t digits = 2 * sizeof d.at;
    while (detail.len >= digits && hex_decode((struct span){detail.at, digits}, d.at, DIGEST) == 0) {
        if (add_digest(f, &d, e) != 0)
            return -1;
        size_t step = detail.len > digits ? digits + 1 : digits;
        detail = (struct span){detail.at + step, detail.len - step};
    }
    return 0;
}

/* Rows that were added since the last call. */
static int read_forgotten(struct db *s, struct err *e)
{
    if (!s->forgotten && !(s->forgotten = calloc(1, sizeof *s->forgotten)))
        return err_set(e, ERR_MEMORY, "reading what was erased: out of memory");
    struct sqlite_forgotten *f = s->forgotten;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_FORGOTTEN, e);
    size_t before = f->n;
    int failed = q ? 0 : -1;
    if (q)
        sqlite3_bind_int64(q, 1, f->upto);
    while (!failed && sqlite3_step(q) == SQLITE_ROW) {
        failed = add_detail(f, sqlite_text(q, 1), e);
        f->upto = sqlite3_column_int64(q, 0);
    }
    if (q && sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(s, "reading what was erased", e);
    if (f->n > before)
        qsort(f->list, f->n, sizeof *f->list, compare_digests);
    return failed;
}

static bool has_id(const struct sqlite_forgotten *f, const char *endpoint, struct span id)
{
    struct digest d = digest_id(endpoint, id);
    return f->n && bsearch(&d, f->list, f->n, sizeof *f->list, compare_digests);
}

int sqlite_forget(struct store *store, const char *endpoint, const char *id, const struct store_actor *by,
                  int64_t now_ms, struct err *e)
{
    struct db *s = db_of(store);
    char detail[SQLITE_FORGOTTEN];
    sqlite_forgotten_detail(endpoint, span_of(id), (struct span){0}, detail);
    struct sqlite_note note = {.action = "erase", .n = 1, .from = -1, .to = -1, .detail = detail};
    if (sqlite_change_begin(s, e) != 0)
        return -1;
    return sqlite_change_end(s, sqlite_write_history(s, &note, by, now_ms, e) != 0, e);
}

int sqlite_emptied(struct store *store, struct store_emptied *emptied, struct err *e)
{
    struct db *s = db_of(store);
    sqlite3_stmt *q = sqlite_prepare(s, SQL_EMPTIED, e);
    *emptied = (struct store_emptied){0};
    if (!q)
        return -1;
    if (sqlite3_step(q) == SQLITE_ROW)
        *emptied = (struct store_emptied){sqlite3_column_int64(q, 0), sqlite3_column_int(q, 1) != 0};
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading events", e);
}

/* ---- what is known ---- */

/* What the log has of an object, as SQL_KNOWS counts it. */
struct log_facts {
    bool any, deleted;
    bool tells_updated; /* the payload of an event contains the text of its updatedAt */
    bool same_state;    /* the newest event of its type has its status and outcome */
    int64_t created_ms; /* of the newest event */
};

static int ask_log(struct db *s, const struct store_object *o, struct log_facts *f, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_KNOWS, e);
    if (!q)
        return -1;
    sqlite_bind_text(q, 1, o->id);
    sqlite_bind_text(q, 2, o->type);
    sqlite3_bind_text(q, 3, o->endpoint, -1, SQLITE_STATIC);
    sqlite_bind_text(q, 4, o->status);
    sqlite_bind_text(q, 5, o->outcome);
    sqlite_bind_text(q, 6, o->updated_at);
    *f = (struct log_facts){0};
    if (sqlite3_step(q) == SQLITE_ROW)
        *f = (struct log_facts){.any = sqlite3_column_int64(q, 0) > 0,
                                .deleted = sqlite3_column_int(q, 1) != 0,
                                .created_ms = sqlite3_column_int64(q, 2),
                                .tells_updated = sqlite3_column_int(q, 3) != 0,
                                .same_state = sqlite3_column_int(q, 4) != 0};
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading events", e);
}

static enum store_known compare_with_log(const struct store_object *o, const struct log_facts *f)
{
    if (!f->any)
        return STORE_KNOWS_NONE;
    if (f->deleted) /* nothing comes after it */
        return STORE_KNOWS;
    if (o->deleted)
        return STORE_KNOWS_OLDER;
    bool known = f->tells_updated || (o->status.at ? f->same_state : f->created_ms >= o->updated_ms - NEAR_MS);
    return known ? STORE_KNOWS : STORE_KNOWS_OLDER;
}

int sqlite_know(struct store *store, const struct store_object *o, enum store_known *known, struct err *e)
{
    struct db *s = db_of(store);
    struct log_facts facts;
    if (read_forgotten(s, e) != 0 || ask_log(s, o, &facts, e) != 0)
        return -1;
    bool forgotten = has_id(s->forgotten, o->endpoint, o->id) ||
                     (o->client_id.at && has_id(s->forgotten, o->endpoint, o->client_id));
    *known = forgotten ? STORE_HAS_FORGOTTEN : compare_with_log(o, &facts);
    return 0;
}

int sqlite_knows_object(struct db *s, const struct record *r, bool *known, struct err *e)
{
    enum store_known found = STORE_KNOWS_NONE;
    if (sqlite_know(&s->store, r->object, &found, e) != 0)
        return -1;
    *known = found == STORE_KNOWS || found == STORE_HAS_FORGOTTEN;
    return 0;
}
