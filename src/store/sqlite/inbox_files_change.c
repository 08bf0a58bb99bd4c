/* SPDX-License-Identifier: MIT
 * inbox_files_change: changes by hand in the directory form.
 *
 * What is to wait again is written anew, as when it came: its older file may have been pruned. What is done or given up
 * is moved. */
#include "change.h"

#include <stdio.h>
#include <stdlib.h>

enum { BYTES_MAX = 4 << 20, TRIES = 3 };

int sqlite_files_begin(struct sqlite_change *c, struct err *e)
{
    sqlite_inbox_sweep(c->s);
    return sqlite_files_names(c->s, NULL, true, &c->names, e);
}

int sqlite_files_stands(const struct sqlite_change *c, const struct sqlite_standing *v)
{
    const struct sqlite_named *found = sqlite_files_find(&c->names, span_of(v->endpoint), v->created_ms, v->seq);
    return found ? found->state : STORE_STATE_DONE;
}

bool sqlite_files_later(const struct sqlite_change *c, const struct sqlite_standing *v)
{
    const struct sqlite_named *found = sqlite_files_find(&c->names, span_of(v->endpoint), v->created_ms, v->seq);
    return found && !found->name.claimed && found->name.until_ms > c->now_ms;
}

bool sqlite_files_full(const struct sqlite_change *c)
{
    return c->n_again == MAILDIR_BATCH_MAX || c->bytes > BYTES_MAX;
}

/* An ignored one is told by its row, which goes with the commit. */
static int write_again(struct sqlite_change *c, const struct sqlite_standing *v, struct err *e)
{
    struct sqlite_named *again = &c->again[c->n_again];
    maildir_name(v->created_ms, v->seq, &again->name);
    snprintf(again->endpoint, sizeof again->endpoint, "%s", v->endpoint);
    if (maildir_write(c->s->files, v->endpoint, v->created_ms, v->seq, v->body, c->now_ms, e) != 0)
        return -1;
    c->n_again++;
    c->bytes += (int64_t)v->body.len;
    return v->has_row && sqlite_change_run(c->s, SQL_INBOX_UNDO, v->seq, c->now_ms, e) != 0 ? -1 : STORE_CHANGED;
}

static int move_changed(const struct sqlite_change *c, const struct sqlite_standing *v,
                        const struct maildir_name *name, struct err *e)
{
    const struct maildir *d = c->s->files;
    return v->to == 2 ? maildir_dead(d, v->endpoint, name, c->by->reason, e)
                      : maildir_done(d, v->endpoint, name, c->now_ms, e);
}

/* What waits for its next try is due now. A worker that claims it at this very moment has it: so it was. */
static int make_due(const struct sqlite_change *c, const struct sqlite_standing *v, struct err *e)
{
    struct maildir_name name = sqlite_files_find(&c->names, span_of(v->endpoint), v->created_ms, v->seq)->name;
    struct lock lock;
    if (sqlite_files_lock(c->s, v->endpoint, &lock, e) != 0)
        return -1;
    int moved = maildir_later(c->s->files, v->endpoint, &name, 0, c->now_ms, e);
    lock_close(&lock);
    return moved < 0 ? -1 : moved ? STORE_CHANGED : STORE_UNCHANGED;
}

/* A worker may claim it at this very moment, and then it has another name. */
static int move_or_look_again(struct sqlite_change *c, const struct sqlite_standing *v, struct err *e)
{
    const struct sqlite_named *found = sqlite_files_find(&c->names, span_of(v->endpoint), v->created_ms, v->seq);
    struct lock lock;
    int moved = found ? move_changed(c, v, &found->name, e) : 0;
    if (moved != 0)
        return moved < 0 ? -1 : STORE_CHANGED;
    if (sqlite_files_lock(c->s, v->endpoint, &lock, e) != 0)
        return -1;
    for (int i = 0; i < TRIES && moved == 0; i++) {
        struct sqlite_names now = {0};
        moved = sqlite_files_names(c->s, v->endpoint, true, &now, e);
        found = moved == 0 ? sqlite_files_find(&now, span_of(v->endpoint), v->created_ms, v->seq) : NULL;
        moved = found ? move_changed(c, v, &found->name, e) : moved;
        free(now.list);
    }
    lock_close(&lock);
    return moved < 0 ? -1 : moved ? STORE_CHANGED : STORE_UNCHANGED;
}

int sqlite_files_change(struct sqlite_change *c, const struct sqlite_standing *v, struct err *e)
{
    if (v->to != 0)
        return move_or_look_again(c, v, e);
    return v->state == STORE_STATE_WAITING && !v->has_row ? make_due(c, v, e) : write_again(c, v, e);
}

int sqlite_files_replace(struct sqlite_change *c, const struct sqlite_standing *v, struct err *e)
{
    struct sqlite_standing done = *v;
    done.to = 1;
    if (v->state == STORE_STATE_WAITING && !v->has_row &&
        move_or_look_again(c, &done, e) < 0) /* or a worker would go on with the other */
        return -1;
    return write_again(c, v, e);
}

void sqlite_files_end(struct sqlite_change *c, bool failed)
{
    for (size_t i = 0; i < c->n_again && !failed; i++)
        maildir_forget(c->s->files, c->again[i].endpoint, &c->again[i].name);
    if (failed)
        sqlite_inbox_drop(c->s, SQLITE_NOT_COMMITTED);
    else
        sqlite_inbox_publish(c->s);
    free(c->names.list);
}
