/* SPDX-License-Identifier: MIT
 * drain: what waits in the spool is recorded, in the order of arrival. */
#include "base/clock.h"
#include "spool.h"

#include "event/decode.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH_BYTES = 4 << 20, /* of bodies in one transaction */
    KEEP = 16384,          /* bytes, of a buffer between two */
    REST_MS = 10000,       /* what is left over is not tried again for so long */
    UNFINISHED_MS = 60000  /* no process writes a file for longer: a crash has left it */
};

static size_t list_secrets(const struct config *c, struct verify_named *list)
{
    size_t n = 0;
    for (size_t i = 0; c && i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++, n++) {
            const struct secret *secret = &c->endpoint[i].secrets.list[k];
            if (list)
                list[n] = (struct verify_named){c->endpoint[i].name, secret->name, &secret->key};
        }
    return n;
}

int spool_verifier(const struct config *c, const struct config *before, struct verifier **v, struct err *e)
{
    size_t first = list_secrets(before, NULL), n = first + list_secrets(c, NULL);
    struct verify_named *list = calloc(n + 1, sizeof *list);
    *v = NULL;
    if (!list)
        return err_set(e, ERR_MEMORY, "deriving keys: out of memory");
    list_secrets(before, list); /* of two that are alike the latter counts */
    list_secrets(c, list + first);
    int result = verify_open(v, list, n, e);
    free(list);
    return result;
}

/* One file on its way into the store. */
struct item {
    struct spool_entry entry;
    const char *name;
    struct event event;
    struct record record;
};

/* A pass over what waits. */
struct pass {
    struct spool *spool;
    struct spool_drain *d;
    struct verifier *verifier;
    struct spool_names names;
    size_t next, n;
    int64_t end_ms; /* of clock_ms: no further batch is begun then */
    bool left;      /* something stays that is not to be tried again at once */
    struct item items[STORE_BATCH_MAX];
};

/* ---- files that are left ---- */

static int path_in_spool(const struct spool *s, const char *name, const char *tail, char *path)
{
    return snprintf(path, PATH_MAX, "%s/%s%s", s->path, name, tail) < PATH_MAX ? 0 : -1;
}

static void tell_drained(struct pass *p, const char *name, const struct err *why)
{
    if (p->d->told)
        p->d->told(p->d->ctx, name, why);
}

static void set_spooled_aside(struct pass *p, const char *name, struct err *why)
{
    char from[PATH_MAX], to[PATH_MAX];
    bool moved = p->d->keep || (path_in_spool(p->spool, name, "", from) == 0 &&
                                path_in_spool(p->spool, name, ".aside", to) == 0 && spool_rename(from, to) == 0);
    if (!moved && errno == ENOENT)
        return;
    p->left |= !moved;
    p->d->aside++;
    tell_drained(p, name, why);
}

int64_t spool_retry(const char *path, struct err *e)
{
    struct spool_names names;
    char from[PATH_MAX], to[PATH_MAX];
    int64_t n = 0, ms;
    if (spool_list(path, true, &names, e) != 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.list[i];
        if (spool_kind(name, &ms) != SPOOL_ASIDE || snprintf(from, PATH_MAX, "%s/%s", path, name) >= PATH_MAX)
            continue;
        snprintf(to, PATH_MAX, "%.*s", (int)(strlen(from) - strlen(".aside")), from);
        n += spool_rename(from, to) == 0;
    }
    spool_names_release(&names);
    return n;
}

/* Such a file was never acknowledged. */
static void remove_unfinished(const struct spool *s, int64_t now_ms)
{
    char path[PATH_MAX];
    struct stat st;
    int64_t ms;
    DIR *folder = opendir(s->path);
    for (struct dirent *p; folder && (p = readdir(folder));)
        if (spool_kind(p->d_name, &ms) == SPOOL_UNFINISHED && path_in_spool(s, p->d_name, "", path) == 0 &&
            lstat(path, &st) == 0 && now_ms - (int64_t)st.st_mtime * 1000 > UNFINISHED_MS)
            unlink(path);
    if (folder)
        closedir(folder);
}

/* ---- a batch ---- */

/* As the pipeline does with what has just arrived: verified, and only then decoded. */
static int prepare(struct pass *p, struct item *item, struct err *e)
{
    const struct spool_entry *v = &item->entry;
    struct record *r = &item->record;
    *r = (struct record){.event = &item->event, .spooled_ms = v->received_ms ? v->received_ms : 1};
    r->verified = verify_body(p->verifier, p->n, span_of(v->signature), v->body, e);
    if (!r->verified)
        return err_set(
            e, ERR_SIGNATURE,
            "its body is damaged, or the secret %s of endpoint %s, which it was signed with, is in no file any "
            "more: add that one, retired",
            v->secret, v->endpoint);
    if (decode_event(r->verified, &item->event, &r->err) != 0)
        r->reason = r->err.msg;
    r->ignored = !r->reason && !config_wants(p->d->config, verified_endpoint(r->verified), item->event.type);
    return 0;
}

static int take_batch(struct pass *p, struct err *e)
{
    size_t bytes = 0, first = p->next;
    for (p->n = 0; p->next < p->names.n && p->n < STORE_BATCH_MAX && bytes < BATCH_BYTES; p->next++) {
        if (p->next - first > p->n && clock_ms() >= p->end_ms) /* files that are not ours fill no batch */
            break;
        struct item *item = &p->items[p->n];
        struct err why = {0};
        item->name = p->names.list[p->next];
        int read = spool_read(p->spool->path, item->name, &item->entry, &why);
        if (read == 1)
            continue;
        if (read < 0 && why.code == ERR_MEMORY) {
            *e = why;
            return -1;
        }
        if (read < 0 && why.code != ERR_UNDECODABLE) { /* a disk that fails: it may be there again */
            p->left = true;
            tell_drained(p, item->name, &why);
            continue;
        }
        if (read < 0 || prepare(p, item, &why) != 0) {
            set_spooled_aside(p, item->name, &why);
            continue;
        }
        bytes += item->entry.body.len;
        p->n++;
    }
    return 0;
}

static void remove_one(struct pass *p, const char *name)
{
    char path[PATH_MAX];
    struct err why;
    if (p->d->keep || path_in_spool(p->spool, name, "", path) != 0 || unlink(path) == 0 || errno == ENOENT)
        return;
    err_set(&why, ERR_READONLY, "it is recorded, and cannot be removed: %s; see complycube-inbox doctor",
            strerror(errno));
    p->left = true; /* what stands behind it does not wait for it */
    tell_drained(p, name, &why);
}

static int record_batch(struct pass *p, int64_t now_ms, struct err *e)
{
    struct record *batch[STORE_BATCH_MAX];
    for (size_t i = 0; i < p->n; i++)
        batch[i] = &p->items[i].record;
    if (p->n == 0)
        return 0;
    if (store_record(p->d->store, batch, p->n, now_ms, e) != 0)
        return -1;
    size_t refused = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!store_is_recorded(batch[i]->outcome)) {
            err_failure(&batch[i]->err);
            refused++;
            tell_drained(p, p->items[i].name, &batch[i]->err);
        } else {
            p->d->recorded++;
            remove_one(p, p->items[i].name);
        }
        buf_clear(&p->items[i].entry.data, KEEP);
    }
    p->d->refused += (int64_t)refused;
    p->left |= refused > 0;
    return 0;
}

/* ---- the whole ---- */

static int run_drain(struct pass *p, int64_t now_ms, struct err *e)
{
    p->end_ms = clock_ms() + p->d->budget_ms;
    do {
        p->next = 0;
        if (spool_list_next(p->spool->path, &p->names, e) != 0)
            return e->code == ERR_NOT_FOUND ? 0 : -1;
        while (p->next < p->names.n) {
            if (take_batch(p, e) != 0 || record_batch(p, now_ms, e) != 0)
                return -1;
            if (clock_ms() >= p->end_ms && (p->next < p->names.n || p->names.more))
                return 1;
        }
    } while (p->names.more);
    return 0;
}

int spool_drain(struct spool *s, struct spool_drain *d, int64_t now_ms, struct err *e)
{
    struct pass *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_MEMORY, "the spool: reading it: out of memory");
    p->spool = s;
    p->d = d;
    d->recorded = d->aside = d->refused = 0;
    int result = spool_verifier(d->config, d->before, &p->verifier, e) == 0 ? run_drain(p, now_ms, e) : -1;
    if (p->names.count[SPOOL_UNFINISHED] && !d->keep)
        remove_unfinished(s, now_ms);
    s->waits = result != 0 || p->left;
    s->rest_until_ms = result == 0 && p->left ? clock_ms() + REST_MS : 0;
    for (size_t i = 0; i < STORE_BATCH_MAX; i++)
        spool_entry_release(&p->items[i].entry);
    spool_names_release(&p->names);
    verify_close(p->verifier);
    free(p);
    return result;
}
