/* SPDX-License-Identifier: MIT
 * inbox: what a transaction does with the files, if there are any. */
#include "inbox.h"

#include "record.h"

#include <stdio.h>

bool sqlite_inbox_is_files(const struct db *s) { return s->files; }
void sqlite_inbox_close(struct db *s) { maildir_close(s->files); }
int sqlite_inbox_check(const char *folder, struct err *e) { return folder ? maildir_check(folder, e) : 0; }
int sqlite_inbox_sync(struct db *s, struct err *e) { return s->files ? maildir_sync(s->files, e) : 0; }
int sqlite_inbox_flush(struct db *s, struct err *e) { return s->files ? maildir_flush(s->files, e) : 0; }

int64_t sqlite_inbox_prune(struct db *s, int64_t before_ms, struct err *e)
{
    return s->files ? maildir_prune(s->files, before_ms, e) : 0;
}

int sqlite_inbox_put(struct db *s, const struct record *r, const char *endpoint, int64_t now_ms, struct err *e)
{
    int64_t created_ms = r->event->created_ms;
    if (sqlite_state_of(r) == STORE_STATE_DONE)
        return 0;
    return maildir_write(s->files, endpoint, created_ms >= 0 ? created_ms : now_ms, r->seq,
                         verified_body(r->verified), now_ms, e);
}

void sqlite_inbox_publish(struct db *s)
{
    if (s->files)
        maildir_publish(s->files);
}

void sqlite_inbox_place(struct db *s, const struct record *r, int64_t now_ms)
{
    struct maildir_name name;
    char why[400];
    if (!s->files || r->outcome != STORE_NEW || !r->past ||
        (r->past->state != STORE_STATE_DEAD && !(r->past->state == STORE_STATE_WAITING && r->past->attempts)))
        return;
    const struct record_past *past = r->past;
    maildir_name(r->event->created_ms >= 0 ? r->event->created_ms : past->received_ms, r->seq, &name);
    snprintf(why, sizeof why, "%.*s", (int)past->error.len, past->error.at ? past->error.at : "");
    if (past->state == STORE_STATE_DEAD)
        maildir_dead(s->files, verified_endpoint(r->verified), &name, why, NULL);
    else
        maildir_later(s->files, verified_endpoint(r->verified), &name, past->attempts, now_ms, NULL);
}

void sqlite_inbox_drop(struct db *s, enum sqlite_commit how)
{
    if (s->files)
        maildir_drop(s->files, how == SQLITE_PERHAPS_COMMITTED);
}
