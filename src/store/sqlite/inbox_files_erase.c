/* SPDX-License-Identifier: MIT
 * inbox_files_erase: erasing an event's file, also while a worker moves it. */
#include "inbox_files.h"

#include <stdlib.h>

enum { TRIES = 3 };

/* A worker may give it another name within cur/ at this very moment: then look again while nobody may. */
static int remove_claimed(struct db *s, const char *endpoint, int64_t created_ms, int64_t seq, struct err *e)
{
    struct lock lock;
    int removed = 0;
    if (sqlite_files_lock(s, endpoint, &lock, e) != 0)
        return -1;
    for (int i = 0; i < TRIES && removed == 0; i++) {
        struct sqlite_names now = {0};
        removed = sqlite_files_names(s, endpoint, true, &now, e);
        const struct sqlite_named *found =
            removed == 0 ? sqlite_files_find(&now, span_of(endpoint), created_ms, seq) : NULL;
        removed = found ? maildir_remove(s->files, endpoint, &found->name, e) : removed < 0 ? -1 : 1;
        free(now.list);
    }
    lock_close(&lock);
    if (removed == 0)
        return err_set(e, ERR_BUSY, "a worker of %s moves a file again and again; try once more", endpoint);
    return removed < 0 ? -1 : 0;
}

int sqlite_files_erase(struct db *s, const struct sqlite_look *held, const char *endpoint, int64_t created_ms,
                       int64_t seq, struct err *e)
{
    struct maildir_name name;
    if (!s->files)
        return 0;
    const struct sqlite_named *found = sqlite_look_find(held, span_of(endpoint), created_ms, seq);
    int removed = found ? maildir_remove(s->files, endpoint, &found->name, e) : 1;
    if (removed < 0 || (removed == 0 && remove_claimed(s, endpoint, created_ms, seq, e) != 0))
        return -1;
    maildir_name(created_ms, seq, &name);
    return maildir_erase(s->files, endpoint, &name, e);
}
