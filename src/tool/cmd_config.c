/* SPDX-License-Identifier: MIT
 * cmd_config: the configuration in force, value by value, and where each comes from. Names of secrets only. */
#include "base/print.h"
#include "cmd.h"
#include "json_out.h"

#include <stdlib.h>

struct report {
    bool json;
    int width; /* of the endpoints' names */
};

/* A value of an endpoint, or of all (NULL), and whence: a word, or a line of the file where line is positive. */
static void print_value(const struct report *r, const char *endpoint, const char *key, const char *value,
                        const char *from, int line)
{
    char place[24];
    if (!r->json) {
        if (line)
            snprintf(place, sizeof place, "line %d", line);
        print_out("%-*s  %-13s  %-11s  ", r->width, endpoint ? endpoint : "-", key, line ? place : from);
        print_text(stdout, span_of(*value ? value : "-"), 0);
        print_out("\n");
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "endpoint", span_of(endpoint));
    json_out_text(j, "key", span_of(key));
    json_out_text(j, "value", span_of(value));
    json_out_text(j, "from", span_of(line ? "file" : from));
    if (line)
        json_out_number(j, "line", line);
    else
        json_out_null(j, "line");
    json_out_print(j);
}

static void print_keys(const struct report *r, const struct config *c)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        bool given = !*c->path && strcmp(config_keys[i].name, "database") == 0;
        print_value(r, NULL, config_keys[i].name, c->value[i], given ? "environment" : "default", c->line[i]);
    }
}

static char *join_users(const struct config_users *users)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    for (size_t i = 0; to && i < users->n && i < CONFIG_USERS_MAX; i++)
        print_to(to, "%s%s", i ? ", " : "", users->name[i]);
    if (to)
        fclose(to);
    return text;
}

static void print_page_values(const struct report *r, const struct config_page *p)
{
    char *users = join_users(&p->users), *payload = join_users(&p->payload);
    print_value(r, NULL, "page.users", users ? users : "", "default", p->users.line);
    print_value(r, NULL, "page.payload", payload ? payload : "", "default", p->payload.line);
    print_value(r, NULL, "page.log", p->log, "default", p->log_line);
    print_value(r, NULL, "page.metrics", p->metrics, "default", p->metrics_line);
    print_value(r, NULL, "page.title", p->title, "default", p->title_line);
    free(users);
    free(payload);
}

/* No type has a comma, and no name: the configuration sees to that. */
static char *join_events(const struct config_endpoint *p)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    for (size_t i = 0; to && i < p->n_events; i++)
        print_to(to, "%s%s", i ? ", " : "", p->events[i]);
    if (to)
        fclose(to);
    return text;
}

static char *join_secrets(const struct config_endpoint *p)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    for (size_t i = 0; to && i < p->secrets.n; i++)
        print_to(to, "%s%s%s", i ? ", " : "", p->secrets.list[i].name,
                 p->secrets.list[i].retired ? " (retired)" : "");
    if (to)
        fclose(to);
    return text;
}

static void print_endpoint_values(const struct report *r, const struct config *c, const struct config_endpoint *p)
{
    char *events = join_events(p), *secrets = join_secrets(p), by[CONFIG_EXPOSED_BY];
    struct trust_weak weak;
    if (p->secret_file)
        print_value(r, p->name, "secret_file", p->secret_file, "default", p->secret_file_line);
    if (config_exposed(c, p, &weak))
        print_value(r, p->name, "exposed", config_exposed_by(&weak, by), "secret_file", 0);
    print_value(r, p->name, "secrets", secrets && *secrets ? secrets : "(not read)",
                p->secret_file ? "secret_file" : "environment", 0);
    print_value(r, p->name, "events", events ? events : "", "default", p->events_line);
    print_value(r, p->name, "api_key_file", p->api_key_file, "default", p->api_key_file_line);
    print_value(r, p->name, "url", p->url, "default", p->url_line);
    free(events);
    free(secrets);
}

int cmd_config_show(const struct cmd *cmd, struct err *e)
{
    struct config *c = cmd_load_config(cmd, e);
    struct report r = {cmd->json, 8};
    bool without = !c && e->code == ERR_SECRETS; /* all the rest can be told, which may be what mends it */
    struct err why = *e;
    if (without)
        c = cmd_load_public_config(cmd, e);
    if (!c)
        return -1;
    for (size_t i = 0; i < c->n_endpoints; i++)
        if ((int)strlen(c->names[i]) > r.width)
            r.width = (int)strlen(c->names[i]);
    if (!r.json)
        print_out("%-*s  %-13s  %-11s  %s\n", r.width, "ENDPOINT", "KEY", "FROM", "VALUE");
    const char *from = cmd->config_file                                       ? "option"
                       : *c->path && !(cmd->env->config && *cmd->env->config) ? "found"
                                                                              : "environment";
    print_value(&r, NULL, "configuration", *c->path ? c->path : "COMPLYCUBE_WEBHOOK_DATABASE and _SECRET", from, 0);
    print_keys(&r, c);
    print_page_values(&r, &c->page);
    for (size_t i = 0; i < c->n_endpoints; i++)
        print_endpoint_values(&r, c, &c->endpoint[i]);
    config_free(c);
    if (!without)
        return 0;
    *e = why;
    return -1;
}
