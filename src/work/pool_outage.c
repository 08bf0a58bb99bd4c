/* SPDX-License-Identifier: MIT
 * pool_outage: is nobody there, or is it the doing of one event? */
#include "pool_outage.h"

enum { PAUSE_MS = 1000, PAUSE_MAX_MS = 60000, SURE_MS = 60000 };

static int64_t find_suspect(const struct pool_outage *o, int64_t seq)
{
    int64_t n = o->n_suspects < OUTAGE_SUSPECTS_MAX ? o->n_suspects : OUTAGE_SUSPECTS_MAX;
    for (int64_t i = 0; i < n; i++)
        if (o->suspect[i] == seq)
            return i;
    return -1;
}

static void pause_for(struct pool_outage *o, int64_t begun_ms, int64_t asked_ms, int64_t now_ms)
{
    if (begun_ms < o->until_ms) /* it was under way when the pause began */
        return;
    o->pause_ms = o->pause_ms == 0 ? PAUSE_MS : o->pause_ms * 2 < PAUSE_MAX_MS ? o->pause_ms * 2 : PAUSE_MAX_MS;
    int64_t asked = asked_ms < PAUSE_MAX_MS ? asked_ms : PAUSE_MAX_MS;
    o->until_ms = o->patient || o->sure ? now_ms + (asked > o->pause_ms ? asked : o->pause_ms) : now_ms;
}

enum pool_outage_verdict pool_outage_met(struct pool_outage *o, int64_t seq, int64_t begun_ms, int64_t asked_ms,
                                         int64_t now_ms)
{
    if (!o->sure && find_suspect(o, seq) >= 0)
        return OUTAGE_FAILED;
    if (!o->since_ms) {
        o->since_ms = now_ms;
        o->until_ms = o->pause_ms = 0;
    }
    o->sure = o->sure || o->held == OUTAGE_HELD_MAX - 1;
    pause_for(o, begun_ms, asked_ms, now_ms);
    if (o->sure) {
        o->held = 0;
        return OUTAGE_SURE;
    }
    o->held++;
    return OUTAGE_HOLD;
}

bool pool_outage_over(struct pool_outage *o, int64_t begun_ms)
{
    if (!o->since_ms || begun_ms < o->since_ms)
        return false;
    o->since_ms = 0;
    o->held = 0;
    o->sure = false;
    return true;
}

void pool_outage_trust(struct pool_outage *o, int64_t seq)
{
    int64_t i = find_suspect(o, seq);
    if (i >= 0)
        o->suspect[i] = 0;
}

void pool_outage_suspect(struct pool_outage *o, int64_t seq)
{
    o->suspect[o->n_suspects++ % OUTAGE_SUSPECTS_MAX] = seq;
}

bool pool_outage_lasts(struct pool_outage *o, int64_t now_ms)
{
    if (o->sure || o->held == 0 || now_ms - o->since_ms < SURE_MS)
        return false;
    o->sure = true;
    o->held = 0;
    return true;
}
