/* SPDX-License-Identifier: MIT
 * webhook: read from the API, changed there, and judged. */
#include "webhook.h"

#include "base/json.h"
#include "base/print.h"
#include "base/text.h"
#include "base/when.h"
#include "event/decode.h"

#include <stdlib.h>

enum { NEW_MS = 24 * 3600 * 1000 /* that a rotation of secrets may take */ };

static const char path[] = "/webhooks";

/* ---- reading ---- */

static const char *take_type(void *ctx, const struct json_member *m)
{
    struct webhook *w = ctx;
    if (w->n_events == WEBHOOK_EVENTS_MAX || !api_text(m->value, w->events[w->n_events], WEBHOOK_TYPE))
        return "an odd list of types";
    w->n_events++;
    return NULL;
}

static int64_t time_of(struct span value)
{
    struct span text = json_string(value);
    return text.at ? decode_time(text) : -1;
}

static int read_webhook(struct webhook *w, struct span object, struct err *e)
{
    struct json_wanted wanted[] = {{.name = "id"},       {.name = "url"},         {.name = "enabled"},
                                   {.name = "events"},   {.name = "description"}, {.name = "createdAt"},
                                   {.name = "updatedAt"}};
    memset(w, 0, sizeof *w);
    bool good = json_pick(object, wanted, sizeof wanted / sizeof *wanted) == NULL &&
                api_text(wanted[0].value, w->id, sizeof w->id) && api_text(wanted[1].value, w->url, sizeof w->url);
    w->enabled = span_equal(wanted[2].value, span_of("true"));
    good = good && (w->enabled || span_equal(wanted[2].value, span_of("false"))) &&
           json_each(wanted[3].value, take_type, w) == NULL;
    api_text(wanted[4].value, w->description, sizeof w->description);
    w->created_ms = time_of(wanted[5].value);
    w->updated_ms = time_of(wanted[6].value);
    return good ? 0 : err_set(e, ERR_REMOTE, "the API's answer cannot be read: a webhook is not as documented");
}

static int take_webhook(void *ctx, struct span item, struct err *e)
{
    struct webhooks *all = ctx;
    if (all->n == WEBHOOK_MAX)
        return err_set(e, ERR_REMOTE, "the account has more than %d webhooks", WEBHOOK_MAX);
    return read_webhook(&all->list[all->n++], item, e);
}

int webhook_list(struct account *a, struct webhooks *all, struct err *e)
{
    struct api_page page;
    all->n = 0;
    return api_list_all(a->api, &(struct api_request){.path = path}, WEBHOOK_MAX, take_webhook, all, &page, e);
}

int webhook_get(struct account *a, const char *id, struct webhook *w, struct err *e)
{
    struct span object;
    if (api_get(a->api, &(struct api_request){.path = path, .id = id}, &object, e) != 0)
        return -1;
    return read_webhook(w, object, e);
}

/* ---- changing ---- */

static void put_text(FILE *to, const char *text)
{
    char *json = malloc(text_json_size(span_of(text)));
    if (json)
        print_to(to, "%.*s", (int)text_json(span_of(text), json), json);
    free(json);
}

static void put_member(FILE *to, const char *name, const char *text)
{
    if (!text)
        return;
    print_to(to, ",\"%s\":", name);
    put_text(to, text);
}

char *webhook_json(const struct webhook_change *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return NULL;
    put_member(to, "url", c->url);
    if (c->enabled)
        print_to(to, ",\"enabled\":%s", *c->enabled ? "true" : "false");
    for (size_t i = 0; i < c->n_events; i++) {
        print_to(to, i ? "," : ",\"events\":[");
        put_text(to, c->events[i]);
    }
    if (c->n_events)
        print_to(to, "]");
    put_member(to, "description", c->description);
    print_to(to, "}");
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    if (*text == ',')
        *text = '{';
    return text;
}

static int post_change(struct account *a, const char *id, const struct webhook_change *c, struct span *object,
                       struct err *e)
{
    char *body = webhook_json(c);
    if (!body)
        return err_set(e, ERR_MEMORY, "changing a webhook: out of memory");
    int result = api_post(a->api, &(struct api_request){.path = path, .id = id, .body = span_of(body)}, object, e);
    free(body);
    return result;
}

int webhook_update(struct account *a, const char *id, const struct webhook_change *c, struct webhook *w,
                   struct err *e)
{
    struct span object;
    return post_change(a, id, c, &object, e) == 0 ? webhook_get(a, id, w, e) : -1;
}

int webhook_create(struct account *a, const struct webhook_change *c, struct webhook *w, char *secret, bool *made,
                   struct err *e)
{
    struct span object;
    struct json_wanted wanted = {.name = "secret"};
    *made = false;
    if (post_change(a, NULL, c, &object, e) != 0) {
        *made = api_may_have_obeyed(a->api);
        return -1;
    }
    *made = true;
    if (read_webhook(w, object, e) != 0)
        return -1;
    json_pick(object, &wanted, 1);
    return api_text(wanted.value, secret, WEBHOOK_SECRET)
               ? 0
               : err_set(e, ERR_REMOTE, "the API's answer cannot be read: the new webhook %.100s has no secret",
                         w->id);
}

int webhook_delete(struct account *a, const char *id, struct err *e)
{
    return api_delete(a->api, &(struct api_request){.path = path, .id = id}, e);
}

/* ---- judging ---- */

static size_t length_of(const char *url)
{
    size_t len = strlen(url);
    return len && url[len - 1] == '/' ? len - 1 : len;
}

bool webhook_is_at(const struct webhook *w, const char *url)
{
    size_t len = length_of(url);
    return len && length_of(w->url) == len && memcmp(w->url, url, len) == 0;
}

bool webhook_sends(const struct webhook *w, const char *type)
{
    for (size_t i = 0; i < w->n_events; i++)
        if (strcmp(w->events[i], "*") == 0 || strcmp(w->events[i], type) == 0)
            return true;
    return false;
}

const char *webhook_fault_word(enum webhook_fault fault)
{
    static const char *const words[] = {"no-url", "missing", "disabled", "lacks-types", "twice", "full"};
    return words[fault];
}

/* "check.failed, client.created": what the endpoint asks for and the webhook does not send; "" for none. */
static void list_lacking(const struct webhook *w, const struct config_endpoint *p, char *out, size_t size)
{
    *out = '\0';
    for (size_t i = 0, used = 0; i < p->n_events && used < size; i++, used = strlen(out))
        if (!webhook_sends(w, p->events[i]) && strcmp(p->events[i], "*") != 0)
            snprintf(out + used, size - used, "%s%s", used ? ", " : "", p->events[i]);
}

static void judge_webhook(const struct webhook *w, const struct config_endpoint *p, webhook_say *say, void *ctx)
{
    char words[300], time[32], lacking[200];
    if (!w->enabled) {
        snprintf(words, sizeof words, "its webhook %.60s is disabled, since %s at the latest", w->id,
                 when_time(w->updated_ms > 0 ? w->updated_ms : 0, time));
        say(ctx, WEBHOOK_DISABLED, w, words);
    }
    list_lacking(w, p, lacking, sizeof lacking);
    if (*lacking) {
        snprintf(words, sizeof words, "its webhook %.60s does not send %s", w->id, lacking);
        say(ctx, WEBHOOK_LACKS, w, words);
    }
}

void webhook_judge(const struct webhooks *all, const struct config_endpoint *p, int64_t now_ms, webhook_say *say,
                   void *ctx)
{
    const struct webhook *found = NULL;
    char words[WEBHOOK_URL + 64];
    int enabled = 0;
    bool is_new = false;
    for (size_t i = 0; i < all->n; i++) {
        const struct webhook *w = &all->list[i];
        if (!webhook_is_at(w, p->url))
            continue;
        enabled += w->enabled;
        is_new |= w->enabled && w->created_ms > now_ms - NEW_MS;
        if (!found || (w->enabled && !found->enabled))
            found = w;
    }
    if (!*p->url)
        say(ctx, WEBHOOK_NO_URL, NULL, "it has no url in the configuration, by which its webhook is known");
    else if (!found) {
        snprintf(words, sizeof words, "no webhook of its account has the URL %s", p->url);
        say(ctx, WEBHOOK_MISSING, NULL, words);
    } else
        judge_webhook(found, p, say, ctx);
    if (enabled > 1 && !is_new)
        say(ctx, WEBHOOK_TWICE, found, "two enabled webhooks have its URL: each event comes twice");
    if (all->n + 1 >= WEBHOOK_ALLOWED) {
        snprintf(words, sizeof words, "its account has %zu of %d webhooks", all->n, WEBHOOK_ALLOWED);
        say(ctx, WEBHOOK_FULL, NULL, words);
    }
}
