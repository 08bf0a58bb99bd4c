/* SPDX-License-Identifier: MIT
 *
 * cmd_stats: the figures of complycube-inbox stats, and their tables for a person.
 */
#ifndef CMD_STATS_H
#define CMD_STATS_H

#include "cmd.h"
#include "receiver/refusals.h"

enum { CMD_STATS_DAYS = 31 /* shown at most */ };

/* What came in an hour, or a day. */
struct cmd_stats_step {
    int64_t start_ms, end_ms;
    int64_t new, again, ignored, quarantined, refused, failed;
};

struct cmd_stats {
    const struct cmd *cmd;
    struct cmd_stats_endpoint {
        char *name;
        int64_t n[STORE_STATES], oldest_ms; /* when the oldest that waits was received; 0: none waits */
    } * endpoint;
    struct cmd_stats_type {
        char *endpoint, *name;
        int64_t n;
    } * type; /* the most frequent first */
    struct cmd_stats_secret {
        char *endpoint, *name;
        int64_t last_ms, n; /* the latest match; of all there were */
    } * secret;             /* those that matched ever */
    struct cmd_stats_step *step;
    size_t n_endpoints, n_types, n_secrets, n_steps;
    bool days;               /* a step is a local day */
    bool terminal;           /* a person looks: empty steps are folded, and drawn as one line */
    int64_t from_ms, end_ms; /* of the steps */
    int64_t refused[REFUSALS_KINDS];
};

void cmd_stats_print(const struct cmd_stats *s);

#endif
