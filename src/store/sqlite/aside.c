/* SPDX-License-Identifier: MIT
 * aside: what is put into quarantine as it comes. */
#include "number.h"
#include "record.h"

#include <stdio.h>

/* Was this very delivery recorded before, and its file left in the spool by a crash? */
static int find_spooled(struct db *s, const struct record *r, const struct name *name, bool *found, struct err *e)
{
    *found = false;
    sqlite3_stmt *q = r->spooled_ms ? sqlite_prepare(s, SQL_QUARANTINE_SPOOLED, e) : NULL;
    if (!q)
        return r->spooled_ms ? -1 : 0;
    sqlite3_bind_int64(q, 1, name->endpoint_id);
    sqlite_bind_blob(q, 2, sqlite_signature(r->verified));
    sqlite3_bind_int64(q, 3, r->spooled_ms);
    sqlite_bind_body(q, 4, r);
    *found = sqlite3_step(q) == SQLITE_ROW;
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading quarantine", e);
}

/* The same delivery again only counts. */
static int count_in_quarantine(struct db *s, const struct record *r, const struct name *name, int64_t last_ms,
                               bool *found, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_QUARANTINE_AGAIN, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, last_ms);
    sqlite3_bind_int64(q, 2, name->endpoint_id);
    sqlite_bind_blob(q, 3, sqlite_signature(r->verified));
    sqlite_bind_body(q, 4, r);
    if (sqlite_run(q) != SQLITE_OK)
        return sqlite_error(s, "writing quarantine", e);
    *found = sqlite3_changes(s->db) > 0;
    return 0;
}

/* What has the signature of a delivery and another body, or a number that nobody is told of, is not what was put aside: the
 * delivery takes its place. */
static int remove_forged(struct db *s, const struct record *r, const struct name *name, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_QUARANTINE_FORGED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, name->endpoint_id);
    sqlite_bind_blob(q, 2, sqlite_signature(r->verified));
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "writing quarantine", e);
}

static int insert_aside(struct db *s, struct record *r, const char *reason, const struct name *name, int64_t now_ms,
                        int64_t last_ms, struct err *e)
{
    int64_t id;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_QUARANTINE, e);
    if (!q || (!r->past && remove_forged(s, r, name, e) != 0))
        return -1;
    sqlite3_bind_int64(q, 1, last_ms);
    sqlite3_bind_int64(q, 2, name->endpoint_id);
    sqlite_bind_blob(q, 3, sqlite_signature(r->verified));
    sqlite_bind_id(q, 4, name->secret_id);
    sqlite3_bind_text(q, 5, reason, -1, SQLITE_STATIC);
    sqlite_bind_text(q, 6, r->event->id);
    sqlite_bind_body(q, 7, r);
    sqlite3_bind_int64(q, 8, now_ms);
    sqlite3_bind_int64(q, 9, r->past && r->past->times ? r->past->times : 1);
    if (sqlite_run(q) != SQLITE_OK)
        return sqlite_error(s, "writing quarantine", e);
    return sqlite_made(s, "a row of quarantine has a number", &id, e);
}

int sqlite_put_aside(struct db *s, struct record *r, const char *reason, const struct name *name, int64_t now_ms,
                     struct err *e)
{
    bool found;
    int64_t last_ms = r->past && r->past->last_ms ? r->past->last_ms : now_ms;
    if (!verified_signature(r->verified)) { /* by which it would be known again */
        char why[sizeof r->err.msg - 60];   /* since the reason may stand in r->err */
        snprintf(why, sizeof why, "%s", reason);
        err_set(&r->err, ERR_UNDECODABLE, "%s, and it has no signature to keep it by", why);
        r->outcome = STORE_REFUSED;
        return 0;
    }
    if (find_spooled(s, r, name, &found, e) != 0)
        return -1;
    r->repeated = found;
    if (!found && count_in_quarantine(s, r, name, last_ms, &found, e) != 0)
        return -1;
    if (!found && insert_aside(s, r, reason, name, now_ms, last_ms, e) != 0)
        return -1;
    r->outcome = STORE_QUARANTINED;
    return 0;
}
