/* SPDX-License-Identifier: MIT
 * person: which events are meant by erase and export. */
#include "person.h"

#include "event/decode.h"

#include <stdlib.h>

static int add_id(struct person *p, struct span id)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 16;
        char **ids = realloc(p->ids, cap * sizeof *ids);
        if (!ids)
            return -1;
        p->ids = ids;
        p->cap = cap;
    }
    p->ids[p->n] = strndup(id.at, id.len);
    return p->ids[p->n] ? (p->n++, 0) : -1;
}

static bool knows(const struct person *p, struct span id)
{
    for (size_t i = 0; i < p->n; i++)
        if (span_equal(id, span_of(p->ids[i])))
            return true;
    return false;
}

int person_add(struct person *p, const struct person *other)
{
    for (size_t i = 0; i < other->n; i++)
        if (!knows(p, span_of(other->ids[i])) && add_id(p, span_of(other->ids[i])) != 0)
            return -1;
    return 0;
}

struct collect {
    struct person *person;
    bool failed, links_last;
    int64_t *order, n; /* n numbers have room in it: */
    int64_t front;     /* so many at its front */
    int64_t back;      /* and so many at its back, of events that name the client */
};

static void add_client_event(void *ctx, const struct store_event *v)
{
    struct collect *c = ctx;
    bool names = span_equal(v->client_id, span_of(c->person->cmd->client_id));
    if (v->resource_id.len && !knows(c->person, v->resource_id))
        c->failed |= add_id(c->person, v->resource_id) != 0;
    if (c->links_last && names)
        c->order[c->n - ++c->back] = v->seq;
    else
        c->order[c->front++] = v->seq;
}

/* Numbers in the order of c: at the back they stand from the end on. What is gone by now is left out. */
static int64_t put_in_order(const struct collect *c, int64_t *seqs)
{
    memcpy(seqs, c->order, (size_t)c->front * sizeof *seqs);
    for (int64_t i = 0; i < c->back; i++)
        seqs[c->front + i] = c->order[c->n - 1 - i];
    return c->front + c->back;
}

/* The ids by which bodies in quarantine are found: those of the command line, and of the events' resources. */
static int collect_ids(struct person *p, struct store *s, bool links_last, int64_t *seqs, int64_t *n, struct err *e)
{
    const char *const given[] = {p->cmd->client_id, p->cmd->resource_id};
    struct collect c = {.person = p, .links_last = links_last, .n = *n};
    struct store_query q = {.state = -1, .seqs = seqs, .n_seqs = *n, .log_only = true};
    for (int i = 0; i < 2; i++)
        c.failed |= given[i] && add_id(p, span_of(given[i])) != 0;
    int more = *n > 0 && p->cmd->client_id && !c.failed;
    if (more)
        c.failed = !(c.order = malloc((size_t)*n * sizeof *c.order));
    while (more > 0 && !c.failed)
        more = store_read(s, &q, add_client_event, &c, e);
    if (c.order && more == 0 && !c.failed)
        *n = put_in_order(&c, seqs);
    free(c.order);
    if (c.failed)
        return err_set(e, ERR_MEMORY, "choosing events: out of memory");
    return more < 0 ? -1 : 0;
}

int64_t person_select(struct person *p, const struct cmd *cmd, struct store *s, bool links_last, int64_t **seqs,
                      struct err *e)
{
    struct store_query f = cmd_query(cmd);
    *p = (struct person){.cmd = cmd};
    *seqs = NULL;
    f.limit = INT64_MAX;
    if (verify_open_keyless(&p->verifier, e) != 0)
        return -1;
    int64_t n = f.client_id ? store_select(s, STORE_OF_CLIENT, &f, seqs, e) : cmd_select(cmd, s, &f, seqs, e);
    if (n >= 0 && collect_ids(p, s, links_last, *seqs, &n, e) == 0)
        return n;
    free(*seqs);
    *seqs = NULL;
    person_release(p);
    return -1;
}

void person_release(struct person *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->ids[i]);
    free(p->ids);
    verify_close(p->verifier);
    *p = (struct person){0};
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Do the bytes of an id stand in a body, and no longer word around them? */
static bool stands_in(const char *id, struct span body)
{
    size_t len = strlen(id);
    const char *end = body.at + body.len;
    for (const char *at = body.at; len && (at = memmem(at, (size_t)(end - at), id, len)); at++)
        if ((at == body.at || !is_alphanumeric(at[-1])) && (at + len == end || !is_alphanumeric(at[len])))
            return true;
    return false;
}

static bool is_named_in(const struct person *p, const struct store_quarantined *row)
{
    struct event event;
    const struct verified *body = verify_trusted(p->verifier, 0, "", "", NULL, row->body);
    for (size_t i = 0; i < p->n; i++)
        if (stands_in(p->ids[i], row->body))
            return true;
    if (decode_event(body, &event, NULL) != 0) /* where an id may be written with escapes */
        return false;
    return (event.client_id.at && knows(p, event.client_id)) || (event.resource_id.at && knows(p, event.resource_id));
}

bool person_means_row(const struct person *p, const struct store_quarantined *row)
{
    const struct cmd *cmd = p->cmd;
    if (cmd->endpoint && !span_equal(row->endpoint, span_of(cmd->endpoint)))
        return false;
    if (row->erased) /* another payload of an event that is erased goes with it */
        return true;
    bool in_period = row->last_ms >= cmd->since_ms && (!cmd->before_ms || row->first_ms < cmd->before_ms);
    if (!in_period || cmd->operand) /* a number names an event, never a row */
        return false;
    return p->n == 0 || is_named_in(p, row);
}
