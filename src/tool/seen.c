/* SPDX-License-Identifier: MIT
 * seen: a set of texts, by their digests. */
#include "seen.h"

#include "event/verify.h"

#include <stdlib.h>

enum { KEY = 16 /* bytes */ };

struct seen_key {
    uint8_t at[KEY]; /* zeros: a free slot */
};

static struct seen_key key_of(struct span text)
{
    uint8_t whole[VERIFY_DIGEST];
    struct seen_key k;
    verify_sha256(text, whole);
    memcpy(k.at, whole, KEY);
    k.at[0] |= 1; /* not a free one */
    return k;
}

static struct seen_key *slot_of(struct seen_key *table, size_t slots, const struct seen_key *k)
{
    size_t at;
    memcpy(&at, k->at + KEY - sizeof at, sizeof at);
    for (at &= slots - 1; table[at].at[0] && memcmp(&table[at], k, KEY) != 0; at = (at + 1) & (slots - 1))
        ;
    return &table[at];
}

static int grow_seen(struct seen *s, struct err *e)
{
    size_t slots = s->slots ? 2 * s->slots : 1024;
    struct seen_key *table = calloc(slots, sizeof *table);
    if (!table)
        return err_set(e, ERR_MEMORY, "remembering what was seen: out of memory");
    for (size_t i = 0; i < s->slots; i++)
        if (s->table[i].at[0])
            *slot_of(table, slots, &s->table[i]) = s->table[i];
    free(s->table);
    s->table = table;
    s->slots = slots;
    return 0;
}

int seen_add(struct seen *s, struct span text, struct err *e)
{
    if (2 * (s->used + 1) > s->slots && grow_seen(s, e) != 0)
        return -1;
    struct seen_key k = key_of(text), *slot = slot_of(s->table, s->slots, &k);
    if (slot->at[0])
        return 0;
    *slot = k;
    s->used++;
    return 1;
}

void seen_clear(struct seen *s)
{
    s->used = 0;
    if (s->slots)
        memset(s->table, 0, s->slots * sizeof *s->table);
}

void seen_release(struct seen *s)
{
    free(s->table);
    *s = (struct seen){0};
}
