/* SPDX-License-Identifier: MIT
 * account: the vendor's API with the key of an endpoint. */
#include "account.h"

#include "base/files.h"
#include "named.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

bool account_has_key(const struct cmd *cmd, const struct config *c, const struct config_endpoint *p)
{
    return *p->api_key_file || (cmd->api_key && c->n_endpoints == 1);
}

const struct config_endpoint *account_endpoint(const struct cmd *cmd, const struct config *c, struct err *e)
{
    const struct config_endpoint *found = NULL;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct config_endpoint *p = &c->endpoint[i];
        if (cmd->endpoint ? strcmp(cmd->endpoint, p->name) != 0 : !account_has_key(cmd, c, p))
            continue;
        if (found) {
            err_set(e, ERR_USAGE, "several endpoints have an API key; name one: -e %s", found->name);
            return NULL;
        }
        found = p;
    }
    if (!found && cmd->endpoint)
        err_set(e, ERR_NOT_FOUND, "there is no endpoint %.60s", cmd->endpoint);
    else if (!found)
        err_set(e, ERR_CONFIG,
                "%s%sno endpoint has an API key; put it into a file of mode 0600, and name that in api_key_file",
                c->path, *c->path ? ": " : "");
    return found;
}

/* ---- the key ---- */

/* Does a name hold this word, between other characters than letters? */
static bool says(const char *name, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = name; (at = strcasestr(at, word)); at++)
        if ((at == name || !isalpha((unsigned char)at[-1])) && !isalpha((unsigned char)at[len]))
            return true;
    return false;
}

/* A key of the sandbox in the endpoint of real persons, or the other way round, is a mistake. */
static int check_world(const struct config_endpoint *p, const struct api_key *k, struct err *e)
{
    const char *slash = strrchr(p->api_key_file, '/'), *file = slash ? slash + 1 : p->api_key_file;
    const char *world = api_key_world(k);
    bool live = says(p->name, "live") || says(file, "live");
    bool test = says(p->name, "test") || says(p->name, "sandbox") || says(file, "test") || says(file, "sandbox");
    if (live == test || (live && strcmp(world, "test") != 0) || (test && strcmp(world, "live") != 0))
        return 0;
    return err_set(e, ERR_CONFIG,
                   "the API key of endpoint %s begins with %s_, and its name says %s; exchange the key", p->name,
                   world, live ? "live" : "test");
}

static int read_key(const struct cmd *cmd, const struct config *c, const struct config_endpoint *p, struct api_key *k,
                    struct err *e)
{
    if (!*p->api_key_file)
        return api_key_take(k, cmd->api_key, "COMPLYCUBE_API_KEY", e);
    int fd = named_secret(p->api_key_file);
    if (fd < 0 && (fd = files_open_text(p->api_key_file, e)) < 0) {
        e->code = ERR_SECRETS;
        return -1;
    }
    int result = api_key_read(k, fd, p->api_key_file, &c->trusted, e);
    close(fd);
    return result;
}

int account_key(const struct cmd *cmd, const struct config *c, const struct config_endpoint *p, struct api_key *k,
                struct err *e)
{
    if (!account_has_key(cmd, c, p))
        return err_set(e, ERR_CONFIG,
                       "endpoint %s has no API key; put it into a file of mode 0600, and name that in api_key_file",
                       p->name);
    if (read_key(cmd, c, p, k, e) == 0 && check_world(p, k, e) == 0)
        return 0;
    api_key_wipe(k);
    return -1;
}

/* ---- the API ---- */

static int pause_drawn(void *ctx, enum api_why why, int64_t ms)
{
    static const char *const words[] = {[API_RATE] = NULL,
                                        [API_BUSY] = "the API takes no more requests for now",
                                        [API_FAILS] = "the API fails; next try"};
    struct account *a = ctx;
    progress_wait(&a->progress, words[why], ms);
    return 0;
}

static void name_account(struct account *a, const struct config *c)
{
    size_t len = (size_t)snprintf(a->url, sizeof a->url, "%.1000s", c->api);
    while (len && a->url[len - 1] == '/')
        a->url[--len] = '\0';
    snprintf(a->whose, sizeof a->whose, "endpoint %s (%s)", a->endpoint->name,
             *a->endpoint->api_key_file ? a->endpoint->api_key_file : "COMPLYCUBE_API_KEY");
}

int account_open(struct account **a, const struct cmd *cmd, const struct config *c, const struct config_endpoint *p,
                 int64_t patience_ms, struct err *e)
{
    struct api_key key;
    struct account *made = calloc(1, sizeof *made);
    *a = NULL;
    if (!made)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    made->endpoint = p;
    made->progress = progress_begin(0);
    name_account(made, c);
    struct api_options o = {.url = made->url,
                            .ca_file = cmd_ca_file(cmd),
                            .whose = made->whose,
                            .rate = (int)cmd->rate,
                            .patience_ms = patience_ms,
                            .pause = pause_drawn,
                            .ctx = made};
    int result = account_key(cmd, c, p, &key, e);
    if (result == 0) {
        result = api_open(&made->api, &o, &key, e);
        api_key_wipe(&key);
    }
    if (result != 0) {
        free(made);
        return -1;
    }
    *a = made;
    return 0;
}

void account_close(struct account *a)
{
    if (!a)
        return;
    progress_end(&a->progress);
    api_close(a->api);
    free(a);
}
