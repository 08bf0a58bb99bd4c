/* SPDX-License-Identifier: MIT
 * inbox_files_compare: the directory form beside its log: which events have no file, which files no event, and which have
 * other bytes than the log. */
#include "inbox_files.h"

#include <stdio.h>
#include <stdlib.h>

struct compare {
    struct db *s;
    struct seqs files; /* numbers of events that have one */
    store_each_name *each;
    void *ctx;
    const char *folder;
};

static int compare_file(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    struct compare *c = ctx;
    char text[MAILDIR_NAME_SIZE + 16];
    int logged = sqlite_files_is_logged(c->s, endpoint, name, e);
    if (logged)
        return logged < 0 ? -1 : seqs_add(&c->files, name->seq, e);
    snprintf(text, sizeof text, "%s/%s", c->folder, name->text);
    if (c->each && *c->folder)
        c->each(c->ctx, endpoint, text);
    return 0;
}

/* ---- events without a file, and files without an event ---- */

/* In the order in which names move; what is done may be of any database and is told by nobody. */
static int look_at_folders(struct compare *c, struct err *e)
{
    static const char *const folders[] = {"tmp", "new", "cur", "dead"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        c->folder = i ? folders[i] : ""; /* what is in tmp/ may be written just now */
        if (maildir_list(c->s->files, NULL, folders[i], compare_file, c, e) != 0)
            return -1;
    }
    c->folder = "";
    return maildir_list_done(c->s->files, 0, compare_file, c, e);
}

/* Nothing is left of it to be in a file. */
static bool is_erased(struct db *s, int64_t seq)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_IS_ERASED, NULL);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, seq);
    bool erased = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0);
    sqlite3_reset(q);
    return erased;
}

int64_t sqlite_compare(struct store *store, int64_t *seqs, int64_t n, store_each_name *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    struct compare c = {.s = s, .each = each, .ctx = ctx};
    int64_t lacking = 0;
    if (!s->files)
        return 0;
    int failed = look_at_folders(&c, e);
    seqs_sort(&c.files);
    for (int64_t i = 0; !failed && i < n; i++)
        if (!seqs_has(&c.files, seqs[i]) && !is_erased(s, seqs[i]))
            seqs[lacking++] = seqs[i];
    seqs_release(&c.files);
    return failed ? -1 : lacking;
}

/* ---- bytes ---- */

struct files_check {
    struct db *s;
    store_each_file *each;
    void *ctx;
    const char *folder;
};

/* The event of a name at hand, while it is compared. */
static int compare_bytes(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    struct files_check *c = ctx;
    char text[MAILDIR_NAME_SIZE + 16];
    sqlite3_stmt *q = sqlite_prepare(c->s, SQL_LOGGED_BODY, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, name->seq);
    sqlite3_bind_int64(q, 2, name->created_ms);
    sqlite3_bind_text(q, 3, endpoint, -1, SQLITE_STATIC);
    snprintf(text, sizeof text, "%s/%s", c->folder, name->text);
    struct store_file_odd odd = {.endpoint = endpoint, .name = text};
    int same = 0;
    if (sqlite3_step(q) == SQLITE_ROW) {
        odd.seq = name->seq;
        odd.id = sqlite_text(q, 1);
        same = maildir_holds(c->s->files, endpoint, c->folder, name, sqlite_text(q, 0), e);
    }
    if (same == 0)
        c->each(c->ctx, &odd);
    return sqlite3_reset(q) != SQLITE_OK ? sqlite_error(c->s, "reading an event", e) : same < 0 ? -1 : 0;
}

int sqlite_check_files(struct store *store, store_each_file *each, void *ctx, struct err *e)
{
    static const char *const folders[] = {"new", "cur", "dead"};
    struct db *s = db_of(store);
    struct files_check c = {.s = s, .each = each, .ctx = ctx};
    for (size_t i = 0; s->files && i < sizeof folders / sizeof *folders; i++) {
        c.folder = folders[i];
        if (maildir_list(s->files, NULL, folders[i], compare_bytes, &c, e) != 0)
            return -1;
    }
    return 0;
}
