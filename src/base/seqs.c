/* SPDX-License-Identifier: MIT
 * seqs: a growing list of events' numbers. */
#include "seqs.h"

#include <stdlib.h>

enum { FIRST_CAP = 256 };

int seqs_add(struct seqs *s, int64_t seq, struct err *e)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : FIRST_CAP;
        int64_t *at = realloc(s->at, cap * sizeof *at);
        if (!at)
            return err_set(e, ERR_MEMORY, "a list of events: out of memory");
        s->at = at;
        s->cap = cap;
    }
    s->at[s->n++] = seq;
    return 0;
}

void seqs_reverse(struct seqs *s)
{
    for (size_t i = 0; i < s->n / 2; i++) {
        int64_t one = s->at[i];
        s->at[i] = s->at[s->n - 1 - i];
        s->at[s->n - 1 - i] = one;
    }
}

static int compare_seqs(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void seqs_sort(struct seqs *s)
{
    if (s->n)
        qsort(s->at, s->n, sizeof *s->at, compare_seqs);
}

bool seqs_has(const struct seqs *s, int64_t seq)
{
    return s->n && bsearch(&seq, s->at, s->n, sizeof seq, compare_seqs);
}

void seqs_release(struct seqs *s)
{
    free(s->at);
    *s = (struct seqs){0};
}
