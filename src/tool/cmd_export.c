/* SPDX-License-Identifier: MIT
 * cmd_export: events whole, as lines of JSON. */
#include "base/print.h"
#include "cmd_spool.h"
#include "export_line.h"
#include "new_file.h"
#include "person.h"
#include "progress.h"

#include <errno.h>
#include <stdlib.h>

enum { KEEP = 8 << 20 /* bytes */ };

struct export
{
    const struct cmd *cmd;
    struct person person;
    struct buf lines; /* of one read: written when it has ended, since whoever takes them may be slow */
    FILE *to;
    int64_t events, rows;
    bool failed;
    struct progress progress;
};

static void add_event_line(void *ctx, const struct store_event *v)
{
    struct export *x = ctx;
    x->failed |= export_line_write(&x->lines, v) != 0;
    x->events++;
}

static void add_quarantined_line(void *ctx, const struct store_quarantined *row)
{
    struct export *x = ctx;
    const char *secret = x->cmd->secret;
    if (!person_means_row(&x->person, row) || (secret && !span_equal(row->secret, span_of(secret))))
        return;
    x->failed |= export_line_write_quarantined(&x->lines, row) != 0;
    x->rows++;
}

static int write_out(struct export *x, struct err *e)
{
    if (x->failed)
        return err_set(e, ERR_MEMORY, "exporting: out of memory");
    print_json(x->to, (struct span){x->lines.at, x->lines.len});
    if (ferror(x->to))
        return err_set(e, err_is_full(errno) ? ERR_FULL : ERR_SYSTEM, "writing the export: %s", strerror(errno));
    buf_clear(&x->lines, KEEP);
    return 0;
}

static int export_query(struct export *x, struct store_query *q, struct err *e)
{
    int more = 1;
    while (more > 0) {
        more = store_read(x->cmd->store, q, add_event_line, x, e);
        if (more < 0 || write_out(x, e) != 0)
            return -1;
        progress_draw(&x->progress, q->after, NULL);
    }
    return 0;
}

static int export_events(struct export *x, struct err *e)
{
    const struct cmd *cmd = x->cmd;
    struct store_query q = cmd_query(cmd);
    int64_t *seqs = NULL, n = 0;
    bool chosen = cmd->operand || cmd->client_id || cmd->resource_id;
    q.log_only = true;
    if (!chosen) {
        q.oldest_first = true;
        if (store_newest(x->cmd->store, &q.to, e) != 0)
            return -1;
        if (verify_open_keyless(&x->person.verifier, e) != 0)
            return -1;
        x->person.cmd = cmd;
        x->progress = progress_begin(q.to);
        return q.to == 0 ? 0 : export_query(x, &q, e);
    }
    n = person_select(&x->person, cmd, x->cmd->store, false, &seqs, e);
    q.client_id = q.resource_id = NULL; /* what was chosen by its number needs no more than the state and the type */
    q.seqs = seqs;
    q.n_seqs = n;
    int result = n <= 0 ? (int)n : export_query(x, &q, e);
    free(seqs);
    return result;
}

static int export_quarantine(struct export *x, struct err *e)
{
    for (int64_t at = INT64_MIN; at != INT64_MAX;)
        if (store_walk_quarantine(x->cmd->store, &at, -1, add_quarantined_line, x, e) != 0 || write_out(x, e) != 0)
            return -1;
    return 0;
}

static int export_all(struct export *x, struct err *e)
{
    const struct cmd *cmd = x->cmd;
    bool person = !cmd->operand && (cmd->client_id || cmd->resource_id), quarantine = cmd->quarantine || person;
    int result = export_events(x, e) == 0 && (!quarantine || export_quarantine(x, e) == 0) ? 0 : -1;
    progress_end(&x->progress);
    if (result == 0 && person && x->events + x->rows == 0)
        return err_set(e, ERR_NOT_FOUND, "nothing here names that id; compare it");
    return result;
}

int cmd_export(const struct cmd *cmd, struct err *e)
{
    struct export x = {
        .cmd = cmd,
    };
    if (cmd->operand && (cmd_selects(cmd) || cmd->quarantine))
        return err_set(e, ERR_USAGE, "name the events, or say which with options");
    if (cmd_type_arguments(cmd, e) != 0)
        return -1;
    if (!(x.to = new_file_open(cmd, e)))
        return -1;
    int result = export_all(&x, e);
    if (new_file_close(cmd, x.to, result == 0, e) != 0)
        result = -1;
    if (result == 0 && cmd->file)
        print_out("%lld events and %lld of quarantine are in %s\n", (long long)x.events, (long long)x.rows,
                  cmd->file);
    person_release(&x.person);
    buf_release(&x.lines);
    return result;
}
