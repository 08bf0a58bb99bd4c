/* SPDX-License-Identifier: MIT
 * check_questions: doctor --api: the report of what ComplyCube's pages leave open. */
#include "base/print.h"
#include "base/version.h"
#include "questions.h"
#include "tool/json_out.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

enum { ABOUT = 38 /* columns */ };

void questions_answer(struct questions *q, int number, const char *about, const char *format, ...)
{
    char text[QUESTIONS_NAMES + 200];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    progress_end(&q->account->progress);
    if (!q->d->cmd->json) {
        print_out("%2d  %-34s ", number, about);
        print_wrapped(stdout, span_of(text), ABOUT + 1);
        print_out("\n");
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "question", number);
    json_out_text(j, "about", span_of(about));
    json_out_text(j, "answer", span_of(text));
    json_out_print(j);
}

static bool is_shown(const char *words)
{
    for (const char *c = words; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_. ", *c))
            return false;
    return *words && strlen(words) <= 80;
}

void questions_add_name(char list[QUESTIONS_NAMES], const char *name)
{
    const char *shown = is_shown(name) ? name : "?";
    size_t used = strlen(list), len = strlen(shown);
    for (const char *at = list; (at = strstr(at, shown)); at += len)
        if ((at == list || (at[-1] == ' ' && at[-2] == ',')) && (at[len] == ',' || !at[len]))
            return;
    snprintf(list + used, QUESTIONS_NAMES - used, "%s%s", used ? ", " : "", shown);
}

int doctor_questions(struct doctor *d, struct err *e)
{
    struct questions q = {.d = d};
    struct err none = {0};
    struct api_key key;
    const struct config_endpoint *p = account_endpoint(d->cmd, d->config, e);
    if (!p || account_key(d->cmd, d->config, p, &key, e) != 0)
        return -1;
    const char *world = api_key_world(&key);
    api_key_wipe(&key);
    if (account_open(&q.account, d->cmd, d->config, p, 0, e) != 0)
        return -1;
    q.store = cmd_store(d->config, false, &none);
    if (!d->cmd->json)
        print_out("complycube-inbox %s, ComplyCube's API with a %s key\n", VERSION, world);
    int result = questions_ask_api(&q, e) == 0 && questions_ask_events(&q, e) == 0 ? 0 : -1;
    store_close(q.store);
    account_close(q.account);
    return result;
}
