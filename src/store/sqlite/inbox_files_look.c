/* SPDX-License-Identifier: MIT
 * inbox_files_look: which files of events the directory form holds at one moment, read once for many events. */
#include "inbox_files.h"

#include <stdlib.h>

struct sqlite_look {
    struct sqlite_names names; /* not done, by number */
    struct seqs done;          /* sorted */
    char why[SQLITE_WHY];      /* of the event that was filled in last */
};

static int add_done(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    struct sqlite_look *held = ctx;
    (void)endpoint;
    return seqs_add(&held->done, name->seq, e);
}

void sqlite_inbox_look_end(struct sqlite_look *held)
{
    if (held) {
        free(held->names.list);
        seqs_release(&held->done);
    }
    free(held);
}

int sqlite_inbox_look(struct db *s, int64_t done_since_ms, struct sqlite_look **out, struct err *e)
{
    *out = NULL;
    if (!s->files)
        return 0;
    struct sqlite_look *held = calloc(1, sizeof *held);
    if (!held)
        return err_set(e, ERR_MEMORY, "reading the inbox: out of memory");
    if (sqlite_files_names(s, NULL, true, &held->names, e) != 0 || /* first: what is done meanwhile is seen then */
        (done_since_ms != INT64_MAX && maildir_list_done(s->files, done_since_ms, add_done, held, e) != 0)) {
        sqlite_inbox_look_end(held);
        return -1;
    }
    seqs_sort(&held->done);
    *out = held;
    return 0;
}

/* By its number alone: what may be another's file is left alone as well. */
static bool has_number(const struct sqlite_names *names, int64_t seq)
{
    for (size_t low = 0, high = names->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (names->list[middle].name.seq == seq)
            return true;
        if (names->list[middle].name.seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool sqlite_inbox_has_file(const struct sqlite_look *held, int64_t seq)
{
    return has_number(&held->names, seq) || seqs_has(&held->done, seq);
}

const struct sqlite_named *sqlite_look_find(const struct sqlite_look *held, struct span endpoint, int64_t created_ms,
                                            int64_t seq)
{
    return sqlite_files_find(&held->names, endpoint, created_ms, seq);
}

int sqlite_inbox_state(const struct sqlite_look *held, const char *endpoint, int64_t created_ms, int64_t seq)
{
    const struct sqlite_named *found = held ? sqlite_look_find(held, span_of(endpoint), created_ms, seq) : NULL;
    return found ? found->state : STORE_STATE_DONE;
}

void sqlite_inbox_fill_in(struct db *s, struct sqlite_look *held, struct store_event *v)
{
    if (!held)
        return;
    if (v->state >= 0)
        return;
    const struct sqlite_named *found = sqlite_look_find(held, v->endpoint, v->created_ms, v->seq);
    sqlite_files_tell(found, v);
    if (v->state != STORE_STATE_DEAD)
        return;
    maildir_why_dead(s->files, found->endpoint, &found->name, held->why, sizeof held->why);
    if (*held->why)
        v->error = span_of(held->why);
}
