/* SPDX-License-Identifier: MIT
 * cmd_forward: posts each event, as it came, to an application's own endpoint. */
#include "pool.h"
#include "tool/cmd.h"
#include "http/http.h"

enum { TIMEOUT_S = 60 };

_Static_assert((int)POOL_SLOTS_MAX <= (int)HTTP_SLOTS_MAX, "a slot of the pool is one of http");

static void judge_status(const struct http_result *r, struct pool_outcome *o)
{
    if (r->status >= 200 && r->status <= 299) {
        o->result = POOL_DONE;
    } else if (r->status == 429 || (r->status >= 502 && r->status <= 504)) {
        pool_say(o, POOL_DOWN, "status %d", r->status);
        o->retry_ms = r->retry_after_ms;
    } else if (*r->redirect) {
        pool_say(o, POOL_FAILED, "status %d, a redirect to %.150s: redirects are not followed", r->status,
                 r->redirect);
    } else {
        pool_say(o, POOL_FAILED, "status %d", r->status);
    }
}

static void post_event(void *ctx, int slot, const struct pool_event *v)
{
    http_post((struct http *)ctx, slot, v->signature, v->body);
}

static void look_at_post(void *ctx, int slot, struct pool_outcome *o)
{
    const struct http_result *r = http_look((struct http *)ctx, slot);
    if (r->end == HTTP_ANSWERED)
        judge_status(r, o);
    else if (r->end != HTTP_RUNNING)
        pool_say(o, r->end == HTTP_UNSENT ? POOL_DOWN : POOL_FAILED, "%s", r->why);
}

static void cancel_post(void *ctx, int slot) { http_cancel((struct http *)ctx, slot); }

static void wait_for_posts(void *ctx, int fd, int ms) { http_wait((struct http *)ctx, fd, ms); }

static const struct pool_ops ops = {post_event, look_at_post, cancel_post, wait_for_posts};

int cmd_forward(const struct cmd *cmd, struct err *e)
{
    struct http *h;
    if (http_open(&h, cmd->operand, cmd_ca_file(cmd), cmd->timeout_s ? cmd->timeout_s : TIMEOUT_S, e) != 0)
        return -1;
    int result = pool_run(cmd, &ops, h, e);
    http_close(h);
    return result;
}
