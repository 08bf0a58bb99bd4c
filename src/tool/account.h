/* SPDX-License-Identifier: MIT
 *
 * account: the vendor's API as a command uses it: with the key of an endpoint, and a line on a terminal while it waits.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "api/api.h"
#include "cmd.h"
#include "progress.h"

struct account {
    struct api *api;
    const struct config_endpoint *endpoint;
    char url[1024];            /* of the API, without a slash at its end */
    char whose[PATH_MAX + 96]; /* for messages: "endpoint live (FILE)" */
    struct progress progress;
};

/*
 * The endpoint whose account a command is about: the one of -e; else the only one that has a key. NULL and *e:
 * ERR_USAGE, ERR_NOT_FOUND, or ERR_CONFIG if none has one
 */
const struct config_endpoint *account_endpoint(const struct cmd *cmd, const struct config *c, struct err *e);

/* Has this endpoint a key: a file, or, where it is the only endpoint, COMPLYCUBE_API_KEY? */
bool account_has_key(const struct cmd *cmd, const struct config *c, const struct config_endpoint *p);

/*
 * Read the key of an endpoint, to be wiped. Root has opened its file before it became another user (CMD_KEYS).
 * errors: ERR_CONFIG   there is none, or it is of the other world than the names of endpoint and file say
 *         ERR_SECRETS  as api_key_read
 */
int account_key(const struct cmd *cmd, const struct config *c, const struct config_endpoint *p, struct api_key *k,
                struct err *e);

/*
 * Open the API with it; --rate counts.
 * in:  patience_ms  for 429 and 5xx in all; 0: as long as it takes
 * out: 0 with *a, to be closed
 */
int account_open(struct account **a, const struct cmd *cmd, const struct config *c, const struct config_endpoint *p,
                 int64_t patience_ms, struct err *e);
void account_close(struct account *a); /* NULL is legal */

#endif
