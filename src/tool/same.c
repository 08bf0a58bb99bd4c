/* SPDX-License-Identifier: MIT
 * same: whether one JSON value has all that another says. */
#include "same.h"

#include <stdlib.h>

static bool is_null(struct span value) { return span_equal(value, span_of("null")); }

static bool is_container(struct span value) { return value.len && (*value.at == '{' || *value.at == '['); }

/* ---- what is there ---- */

static const char *count_part(void *ctx, const struct json_member *part)
{
    (void)part;
    ++*(size_t *)ctx;
    return NULL;
}

static const char *add_part(void *ctx, const struct json_member *part)
{
    struct same_members *m = ctx;
    if (!part->name.at || !is_null(part->value)) /* an element may be null */
        m->list[m->n++] = *part;
    return NULL;
}

typedef const char *json_visitor(struct span text, json_visit *visit, void *ctx);

/* The members of an object by json_scan, the elements of an array by json_each. */
static int read_parts(struct same_members *m, json_visitor *visit_all, struct span text, struct err *e)
{
    size_t n = 0;
    visit_all(text, count_part, &n);
    *m = (struct same_members){.list = calloc(n + 1, sizeof *m->list)};
    if (!m->list) {
        err_set(e, ERR_MEMORY, "comparing: out of memory");
        return -1;
    }
    visit_all(text, add_part, m);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return json_order(((const struct json_member *)a)->name, ((const struct json_member *)b)->name);
}

int same_read(struct same_members *m, struct span object, struct err *e)
{
    if (read_parts(m, json_scan, object, e) != 0)
        return -1;
    qsort(m->list, m->n, sizeof *m->list, compare_names);
    return 0;
}

struct span same_find(const struct same_members *m, struct span name)
{
    struct json_member wanted = {.name = name};
    const struct json_member *found = bsearch(&wanted, m->list, m->n, sizeof *m->list, compare_names);
    return found ? found->value : (struct span){0};
}

void same_release(struct same_members *m)
{
    free(m->list);
    *m = (struct same_members){0};
}

/* ---- what is said ---- */

struct sayings {
    struct same_members is;
    size_t n; /* said so far */
    int same;
    struct err *e;
};

static const char *match_said(struct sayings *s, struct span says, struct span is)
{
    s->n++;
    s->same = same_value(says, is, s->e);
    return s->same == 1 ? NULL : "not the same";
}

static const char *match_member(void *ctx, const struct json_member *m)
{
    struct sayings *s = ctx;
    return match_said(s, m->value, same_find(&s->is, m->name));
}

static const char *match_element(void *ctx, const struct json_member *m)
{
    struct sayings *s = ctx;
    return match_said(s, m->value, s->n < s->is.n ? s->is.list[s->n].value : (struct span){0});
}

static int same_object(struct span says, struct span is, struct err *e)
{
    struct sayings s = {.same = 1, .e = e};
    if (same_read(&s.is, is, e) != 0)
        return -1;
    json_scan(says, match_member, &s);
    same_release(&s.is);
    return s.same;
}

static int same_array(struct span says, struct span is, struct err *e)
{
    struct sayings s = {.same = 1, .e = e};
    if (read_parts(&s.is, json_each, is, e) != 0)
        return -1;
    json_each(says, match_element, &s);
    bool as_many = s.n == s.is.n;
    same_release(&s.is);
    return s.same == 1 ? as_many : s.same;
}

/* The text was checked, so that containers in it are not too deep. */
int same_value(struct span says, struct span is, struct err *e)
{
    struct span x = json_string(says), y = json_string(is);
    if (x.at && y.at)
        return json_same(x, y);
    if (!is.len)
        return is_null(says);
    if (!is_container(says) || *says.at != *is.at)
        return span_equal(says, is);
    return *says.at == '{' ? same_object(says, is, e) : same_array(says, is, e);
}
