/* SPDX-License-Identifier: MIT
 * cmd: what the subcommands of complycube-inbox share. */
#include "cmd.h"

#include "base/print.h"
#include "base/seqs.h"
#include "named.h"
#include "receiver/receiver.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20 /* bytes */ };

static struct config *load_config(const struct cmd *cmd, bool without_secrets, struct err *e)
{
    struct config_env env = *cmd->env;
    env.without_secrets = without_secrets;
    if (cmd->config_file)
        env.config = cmd->config_file;
    struct config *c = config_load(&env, cmd->now_ms);
    if (!c) {
        err_set(e, ERR_MEMORY, "reading the configuration: out of memory");
        return NULL;
    }
    if (c->error.code == ERR_NONE)
        return c;
    *e = c->error;
    config_free(c);
    return NULL;
}

int cmd_form_arguments(const struct cmd *cmd, struct err *e)
{
    return cmd->json + cmd->csv + cmd->nagios <= 1 ? 0
                                                   : err_set(e, ERR_USAGE, "%s prints one form: give --json or --%s",
                                                             cmd->name, cmd->csv ? "csv" : "nagios");
}

int cmd_type_arguments(const struct cmd *cmd, struct err *e)
{
    return cmd->n_types <= 1 ? 0 : err_set(e, ERR_USAGE, "%s takes one --type", cmd->name);
}

struct config *cmd_load_config(const struct cmd *cmd, struct err *e) { return load_config(cmd, false, e); }
struct config *cmd_load_public_config(const struct cmd *cmd, struct err *e) { return load_config(cmd, true, e); }

static size_t list_keys(const struct config *c, struct verify_named *list)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++, n++) {
            const struct secret *secret = &c->endpoint[i].secrets.list[k];
            if (list)
                list[n] = (struct verify_named){c->names[i], secret->name, &secret->key};
        }
    return n;
}

int cmd_verifier(const struct config *c, struct verifier **v, struct err *e)
{
    struct verify_named *list = calloc(list_keys(c, NULL) + 1, sizeof *list);
    *v = NULL;
    if (!list)
        return err_set(e, ERR_MEMORY, "deriving keys: out of memory");
    int result = verify_open(v, list, list_keys(c, list), e);
    free(list);
    return result;
}

struct store *cmd_store(const struct config *c, bool create, struct err *e)
{
    struct store_options o;
    struct store *s = NULL;
    if (receiver_store_options(c, true, &o, e) != 0)
        return NULL;
    o.create = create;
    store_open(&s, &o, e);
    return s;
}

int64_t cmd_parse_age(const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    int64_t unit_ms = *end == 's' ? 1000 : *end == 'm' ? 60000 : *end == 'h' ? 3600000 : *end == 'd' ? 86400000 : 0;
    return end != text && unit_ms && end[1] == '\0' && n >= 0 && n < 100000000 ? n * unit_ms : -1;
}

int64_t cmd_parse_time(const char *text, int64_t now_ms)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%dT%H:%M:%S"};
    int64_t age_ms = cmd_parse_age(text);
    if (age_ms >= 0)
        return age_ms <= now_ms ? now_ms - age_ms : -1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *rest = strptime(text, forms[i], &tm);
        if (!rest || (*rest != '\0' && strcmp(rest, "Z") != 0))
            continue;
        struct tm said = tm; /* the 31st of November would be the 1st of December */
        int64_t ms = (int64_t)(*rest ? timegm(&tm) : mktime(&tm)) * 1000;
        return said.tm_mday == tm.tm_mday && said.tm_mon == tm.tm_mon && ms >= 0 ? ms + (ms == 0)
                                                                                 : -1; /* 0: none was said */
    }
    return -1;
}

const char *cmd_variable(const struct cmd *cmd, const char *name)
{
    size_t len = strlen(name);
    for (char *const *p = cmd->environment; p && *p; p++)
        if (strncmp(*p, name, len) == 0 && (*p)[len] == '=')
            return *p + len + 1;
    return NULL;
}

const char *cmd_ca_file(const struct cmd *cmd)
{
    const char *ca = cmd_variable(cmd, "CURL_CA_BUNDLE");
    if (!ca || !*ca)
        ca = cmd_variable(cmd, "SSL_CERT_FILE");
    return ca && *ca ? ca : NULL;
}

struct store_query cmd_query(const struct cmd *cmd)
{
    return (struct store_query){.endpoint = cmd->endpoint,
                                .type = cmd->n_types ? cmd->types[0] : NULL,
                                .resource_id = cmd->resource_id,
                                .client_id = cmd->client_id,
                                .secret = cmd->secret,
                                .state = cmd->state,
                                .since_ms = cmd->since_ms,
                                .before_ms = cmd->before_ms,
                                .limit = cmd->limit};
}

struct store_actor cmd_actor(const struct cmd *cmd, struct cmd_who *who)
{
    const struct passwd *user = getpwuid(cmd->root ? 0 : geteuid());
    if (user)
        snprintf(who->user, sizeof who->user, "%s", user->pw_name);
    else
        snprintf(who->user, sizeof who->user, "%u", (unsigned)geteuid());
    if (gethostname(who->host, sizeof who->host) != 0)
        snprintf(who->host, sizeof who->host, "unknown");
    who->host[sizeof who->host - 1] = '\0';
    return (struct store_actor){who->user, cmd->sudo_user, who->host, cmd->reason};
}

bool cmd_selects(const struct cmd *cmd)
{
    return cmd->state >= 0 || cmd->ignored || cmd->n_types || cmd->endpoint || cmd->resource_id || cmd->client_id ||
           cmd->secret || cmd->since_ms || cmd->before_ms;
}

struct found {
    struct seqs seqs;
    bool out_of_memory;
};

static void add_seq(void *ctx, const struct store_event *v)
{
    struct found *all = ctx;
    all->out_of_memory |= seqs_add(&all->seqs, v->seq, NULL) != 0;
}

/* Each once, the oldest first. */
static void make_unique(struct seqs *s)
{
    size_t kept = 0;
    seqs_sort(s);
    for (size_t i = 0; i < s->n; i++)
        if (kept == 0 || s->at[i] != s->at[kept - 1])
            s->at[kept++] = s->at[i];
    s->n = kept;
}

int64_t cmd_select(const struct cmd *cmd, struct store *s, const struct store_query *f, int64_t **seqs, struct err *e)
{
    struct found all = {0};
    if (!cmd->operand)
        return store_select(s, STORE_MATCHING, f, seqs, e);
    for (char *const *key = cmd->operands; *key; key++)
        if (store_find(s, span_of(*key), add_seq, &all, e) != 0)
            goto failed;
    if (all.out_of_memory) {
        err_set(e, ERR_MEMORY, "choosing events: out of memory");
        goto failed;
    }
    make_unique(&all.seqs);
    *seqs = all.seqs.at;
    return (int64_t)all.seqs.n;
failed:
    seqs_release(&all.seqs);
    return -1;
}

void cmd_let_others(int64_t took_ms)
{
    struct timespec t = {(time_t)(took_ms / 1000), (long)(took_ms % 1000 * 1000000 + 500000)};
    nanosleep(&t, NULL);
}

int cmd_read_file(const char *path, struct buf *out, struct err *e)
{
    bool opened = strcmp(path, "-") != 0;
    FILE *from = opened ? named_file(path) : stdin;
    size_t room = 0, n = 0;
    if (!from)
        return err_set(e, ERR_NOT_FOUND, "%.200s cannot be opened: %s", path, strerror(errno));
    while ((room = buf_room(out, 65536, FILE_MAX)) && (n = fread(out->at + out->len, 1, room, from)) > 0)
        out->len += n;
    bool bad = room == 0 || ferror(from);
    if (opened)
        fclose(from);
    return bad ? err_set(e, ERR_SYSTEM, "reading %.200s: longer than 64 MB, or it failed", path) : 0;
}

static const char *const states[] = {"waiting", "done", "dead", "ignored"};

const char *cmd_state_word(int state) { return state >= 0 && state < 4 ? states[state] : "unknown"; }

int cmd_state(const char *word)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(states[i], word) == 0)
            return i;
    return -2;
}
