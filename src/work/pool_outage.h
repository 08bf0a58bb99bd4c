/* SPDX-License-Identifier: MIT
 *
 * pool_outage: is nobody there, or is it the doing of one event?
 *
 * An event that meets nobody is held, with its claim, and others are tried, one at a time after growing pauses. When one
 * gets through, those held go back without an attempt, but under suspicion: next time it has failed. When too many in a
 * row met nobody, or for too long, the application is down, for sure: they and all that follow go back, to be tried
 * after the pause. Pure decisions: it settles nothing.
 */
#ifndef POOL_OUTAGE_H
#define POOL_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

enum { OUTAGE_HELD_MAX = 5, OUTAGE_SUSPECTS_MAX = 256 };

struct pool_outage {
    bool patient;                         /* make pauses while it is not sure */
    int64_t since_ms, until_ms, pause_ms; /* since_ms 0: there is none. No try before until_ms */
    bool sure;
    int held;
    int64_t suspect[OUTAGE_SUSPECTS_MAX]; /* event numbers; the oldest is forgotten first */
    int64_t n_suspects;
};

enum pool_outage_verdict {
    OUTAGE_HOLD,   /* keep it claimed, and try another */
    OUTAGE_SURE,   /* the application is down: let this one and all that are held go, for a while */
    OUTAGE_FAILED, /* it is this event: it has failed */
};

/* An event that was begun at begun_ms met nobody; asked_ms: for how long the application asked to be left alone. */
enum pool_outage_verdict pool_outage_met(struct pool_outage *o, int64_t seq, int64_t begun_ms, int64_t asked_ms,
                                         int64_t now_ms);

/* One that was begun at begun_ms got an answer: whether this ends an outage. Those held are free then. */
bool pool_outage_over(struct pool_outage *o, int64_t begun_ms);

/* It gets through, or was held while another did. */
void pool_outage_trust(struct pool_outage *o, int64_t seq);
void pool_outage_suspect(struct pool_outage *o, int64_t seq);

/* Has it lasted so long that those held should go? */
bool pool_outage_lasts(struct pool_outage *o, int64_t now_ms);

#endif
