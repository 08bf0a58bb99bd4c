/* SPDX-License-Identifier: MIT
 * cmd_send: signs events and posts them to a webhook, as ComplyCube does, and tells how they were answered. */
#include "base/clock.h"
#include "base/hex.h"
#include "base/print.h"
#include "cmd.h"
#include "example.h"
#include "http/http.h"
#include "json_out.h"
#include "progress.h"
#include "signals.h"

#include <stdlib.h>

enum {
    TIMEOUT_S = 15, /* ComplyCube waits no longer for an answer */
    LOOK_MS = 200
};

struct answer {
    int status;
    uint32_t took_us;
};

struct slot {
    bool busy;
    char body[EXAMPLE_MAX];
};

struct send {
    const struct cmd *cmd;
    struct verifier *verifier;
    struct verify_named secret;
    struct example example;
    struct buf file; /* of --file: the body of all */
    struct http *http;
    struct signals signals;
    struct slot slot[HTTP_SLOTS_MAX];
    struct answer *answers;
    size_t n_answers;
    int64_t begun, ended, good, took_ms;
    int64_t none[HTTP_ENDS];  /* how many ended so, without an answer */
    char why[HTTP_ENDS][200]; /* the latest reason of each */
};

/* ---- whose secret ---- */

static const struct config_endpoint *choose_endpoint(const struct cmd *cmd, const struct config *c, struct err *e)
{
    char names[200] = "";
    for (size_t i = 0; i < c->n_endpoints; i++) {
        size_t used = strlen(names);
        if (cmd->endpoint ? strcmp(cmd->endpoint, c->names[i]) == 0 : c->n_endpoints == 1)
            return &c->endpoint[i];
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", c->names[i]);
    }
    if (cmd->endpoint)
        err_set(e, ERR_NOT_FOUND, "there is no endpoint %.63s; there are: %s", cmd->endpoint, names);
    else
        err_set(e, ERR_USAGE, "there are several endpoints; choose one with --endpoint: %s", names);
    return NULL;
}

static int choose_secret(struct send *s, const struct config *c, struct err *e)
{
    const struct config_endpoint *p = choose_endpoint(s->cmd, c, e);
    if (!p)
        return -1;
    if (strcmp(p->name, "live") == 0 && !s->cmd->live)
        return err_set(
            e, ERR_USAGE,
            "the endpoint live is for real events: applications would act on this one; choose another with "
            "--endpoint, or say --live");
    for (size_t k = 0; k < p->secrets.n; k++) {
        const struct secret *secret = &p->secrets.list[k];
        if (secret->retired || (s->cmd->secret && strcmp(s->cmd->secret, secret->name) != 0))
            continue;
        s->secret = (struct verify_named){p->name, secret->name, &secret->key};
        return verify_open(&s->verifier, &s->secret, 1, e);
    }
    return err_set(e, ERR_NOT_FOUND, "endpoint %s has no %s in force%s%.63s", p->name,
                   s->cmd->secret ? "secret of this name" : "secret", s->cmd->secret ? ": " : "",
                   s->cmd->secret ? s->cmd->secret : "");
}

/* ---- what is sent ---- */

static int prepare_body(struct send *s, struct err *e)
{
    const struct cmd *cmd = s->cmd;
    if (cmd->file && cmd->n_types)
        return err_set(e, ERR_USAGE, "--file and --type exclude each other");
    for (size_t i = 0; i < cmd->n_types; i++)
        if (!example_has(cmd->types[i]))
            return err_set(e, ERR_USAGE,
                           "there is no example of the type %.64s; send --list-types tells those there are",
                           cmd->types[i]);
    return cmd->file ? cmd_read_file(cmd->file, &s->file, e) : example_open(&s->example, e);
}

static int start_post(struct send *s, int slot, struct err *e)
{
    const struct cmd *cmd = s->cmd;
    struct span body = {s->file.at ? s->file.at : "", s->file.len};
    uint8_t digest[VERIFY_DIGEST];
    char signature[2 * VERIFY_DIGEST + 1];
    if (!cmd->file) {
        const char *type = cmd->n_types ? cmd->types[(size_t)s->begun % cmd->n_types] : "check.completed";
        body = (struct span){s->slot[slot].body,
                             example_write(&s->example, type, clock_time_ms(), s->slot[slot].body, e)};
        if (!body.len)
            return -1;
    }
    verify_sign(s->verifier, 0, body, digest);
    hex_encode(digest, sizeof digest, signature);
    http_post(s->http, slot, span_of(signature), body);
    s->slot[slot].busy = true;
    s->begun++;
    return 0;
}

static void take_answer(struct send *s, int slot)
{
    const struct http_result *r = http_look(s->http, slot);
    if (!s->slot[slot].busy || r->end == HTTP_RUNNING)
        return;
    s->slot[slot].busy = false;
    s->ended++;
    if (r->end == HTTP_ANSWERED) {
        s->good += r->status >= 200 && r->status <= 299;
        s->answers[s->n_answers++] =
            (struct answer){r->status, r->took_us < UINT32_MAX ? (uint32_t)r->took_us : UINT32_MAX};
    } else {
        s->none[r->end]++;
        memcpy(s->why[r->end], r->why, sizeof r->why);
    }
}

/* ---- how it goes on ---- */

/* The first signal lets what runs end, the second ends it. */
static int post_all(struct send *s, struct err *e)
{
    int result = 0, slots = (int)s->cmd->workers;
    int64_t start_ms = clock_ms();
    struct progress progress = progress_begin(s->cmd->count);
    char failed[40];
    while (s->ended < s->begun || (s->begun < s->cmd->count && !s->signals.told && result == 0)) {
        for (int i = 0; i < slots && result == 0 && s->begun < s->cmd->count && !s->signals.told; i++)
            if (!s->slot[i].busy)
                result = start_post(s, i, e);
        snprintf(failed, sizeof failed, ", %lld failed", (long long)(s->ended - s->good));
        progress_draw(&progress, s->ended, failed);
        http_wait(s->http, s->signals.fd, LOOK_MS);
        signals_take(&s->signals);
        for (int i = 0; i < slots; i++) {
            if (s->signals.told > 1)
                http_cancel(s->http, i);
            take_answer(s, i);
        }
    }
    s->took_ms = clock_ms() - start_ms;
    progress_end(&progress);
    return result;
}

/* ---- the table ---- */

static const struct {
    enum http_end end;
    const char *words, *name; /* for a person, for a program */
} ends[] = {
    {HTTP_UNSENT, "not sent", "unsent"},
    {HTTP_LATE, "no answer", "late"},
    {HTTP_BROKEN, "broken off", "broken"},
    {HTTP_CANCELLED, "cancelled", "cancelled"},
};

enum { ENDS = sizeof ends / sizeof *ends };

static int by_took(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    return (x->took_us > y->took_us) - (x->took_us < y->took_us);
}

static int by_status(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    return x->status != y->status ? x->status - y->status : by_took(a, b);
}

/* Of n answers sorted by time: what `percent` of them did not exceed. */
static uint32_t quantile_us(const struct answer *a, size_t n, size_t percent)
{
    size_t rank = (n * percent + 99) / 100; /* from 1 */
    return n ? a[rank - 1].took_us : 0;
}

/* How many of the first answers share one status. */
static size_t count_same(const struct answer *a, size_t n)
{
    size_t i = 0;
    while (i < n && a[i].status == a->status)
        i++;
    return i;
}

static void print_answer_row(const char *what, const struct answer *a, size_t n)
{
    print_out("%-10s  %8zu  %10.2f  %10.2f\n", what, n, quantile_us(a, n, 50) / 1e3, quantile_us(a, n, 99) / 1e3);
}

static void print_table(struct send *s)
{
    char word[16];
    print_out("%-10s  %8s  %10s  %10s\n", "ANSWER", "COUNT", "MEDIAN ms", "P99 ms");
    for (size_t i = 0, n; i < s->n_answers; i += n) {
        n = count_same(s->answers + i, s->n_answers - i);
        snprintf(word, sizeof word, "%d", s->answers[i].status);
        print_answer_row(word, s->answers + i, n);
    }
    if (s->n_answers && s->answers[0].status != s->answers[s->n_answers - 1].status) {
        qsort(s->answers, s->n_answers, sizeof *s->answers, by_took);
        print_answer_row("all", s->answers, s->n_answers);
    }
    for (size_t i = 0; i < ENDS; i++)
        if (s->none[ends[i].end]) {
            print_out("%-10s  %8lld  ", ends[i].words, (long long)s->none[ends[i].end]);
            print_text(stdout, span_of(s->why[ends[i].end]), 0);
            print_out("\n");
        }
    print_out("\n%lld sent in %.2f s, signed with the secret %s of %s\n", (long long)s->ended,
              (double)s->took_ms / 1e3, s->secret.name, s->secret.endpoint);
}

static void put_quantile(struct json_out *j, const char *name, const struct send *s, size_t percent)
{
    if (s->n_answers)
        json_out_number(j, name, quantile_us(s->answers, s->n_answers, percent));
    else
        json_out_null(j, name);
}

static void print_answers_json(struct send *s)
{
    char *text = NULL;
    size_t len = 0;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "endpoint", span_of(s->secret.endpoint));
    json_out_text(j, "secret", span_of(s->secret.name));
    json_out_number(j, "sent", s->ended);
    json_out_number(j, "good", s->good);
    for (size_t i = 0; i < ENDS; i++)
        json_out_number(j, ends[i].name, s->none[ends[i].end]);
    FILE *to = open_memstream(&text, &len);
    for (size_t i = 0, n; to && i < s->n_answers; i += n) {
        n = count_same(s->answers + i, s->n_answers - i);
        print_to(to, "%s\"%d\":%zu", i ? "," : "", s->answers[i].status, n);
    }
    if (to && fclose(to) == 0) {
        char *object = NULL;
        if (asprintf(&object, "{%s}", text) > 0)
            json_out_raw(j, "answers", span_of(object));
        free(object);
    }
    free(text);
    qsort(s->answers, s->n_answers, sizeof *s->answers, by_took);
    put_quantile(j, "median_us", s, 50);
    put_quantile(j, "p99_us", s, 99);
    json_out_number(j, "took_ms", s->took_ms);
    json_out_print(j);
}

static int send_all(struct send *s, struct err *e)
{
    const struct cmd *cmd = s->cmd;
    s->answers = calloc((size_t)cmd->count, sizeof *s->answers);
    if (!s->answers)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    if (signals_open(&s->signals, e) != 0)
        return -1;
    int result = post_all(s, e);
    signals_close(&s->signals);
    if (result != 0)
        return -1;
    qsort(s->answers, s->n_answers, sizeof *s->answers, by_status);
    if (cmd->json)
        print_answers_json(s);
    else
        print_table(s);
    if (s->good == cmd->count)
        return 0;
    return err_set(e, ERR_NOT_FOUND, "%lld of %lld were not answered with a 2xx%s", (long long)(cmd->count - s->good),
                   (long long)cmd->count, s->begun < cmd->count ? "; it was told to end" : "");
}

int cmd_send(const struct cmd *cmd, struct err *e)
{
    int result = -1;
    for (size_t i = 0; cmd->list_types && example_type(i); i++)
        print_out("%s\n", example_type(i));
    if (cmd->list_types)
        return 0;
    if (!cmd->operand)
        return err_set(e, ERR_USAGE, "send takes the URL of the webhook");
    struct send *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    s->cmd = cmd;
    struct config *c = cmd_load_config(cmd, e);
    if (c && choose_secret(s, c, e) == 0 && prepare_body(s, e) == 0 &&
        http_open(&s->http, cmd->operand, cmd_ca_file(cmd), TIMEOUT_S, e) == 0)
        result = send_all(s, e);
    http_close(s->http);
    example_close(&s->example);
    verify_close(s->verifier);
    buf_release(&s->file);
    free(s->answers);
    config_free(c);
    free(s);
    return result;
}
