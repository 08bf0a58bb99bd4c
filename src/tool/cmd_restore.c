/* SPDX-License-Identifier: MIT
 * cmd_restore: put a backup in the place of the database, and say what that means for each event. */
#include "base/clock.h"
#include "base/print.h"
#include "base/shared.h"
#include "cmd_spool.h"
#include "command.h"
#include "copy_progress.h"
#include "json_out.h"
#include "named.h"
#include "receiver/receiver.h"
#include "store/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOLD_MAX = 20 /* numbers and names in a list for a person */ };

struct restore {
    const struct cmd *cmd;
    struct store_restored r;
    int64_t orphaned;          /* files of no event in the log */
    int64_t n_waiting, n_dead; /* of r.waiting and r.dead: without a file */
    bool requeued;
};

/* ---- the directory form ---- */

static void print_orphan(void *ctx, const char *endpoint, const char *name)
{
    struct restore *r = ctx;
    r->orphaned++;
    if (r->cmd->json)
        return;
    if (r->orphaned == 1)
        print_out("files of events that the log does not know:\n");
    if (r->orphaned <= TOLD_MAX)
        print_out("  %s/%s\n", endpoint, name);
    else if (r->orphaned == TOLD_MAX + 1)
        print_out("  ... and more; doctor counts them\n");
}

static void print_seqs(const int64_t *seqs, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        print_out(" %lld", (long long)seqs[i]);
}

static bool is_answered_yes(void)
{
    char line[16];
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return false;
    print_out("Write their files again, so that they wait? [y/N] ");
    fflush(stdout);
    return fgets(line, sizeof line, stdin) && (*line == 'y' || *line == 'Y');
}

static void ignore_result(void *ctx, int64_t seq, enum store_changed result) { (void)ctx, (void)seq, (void)result; }

static int change_without_file(const struct restore *r, struct store *s, enum store_change what, const int64_t *seqs,
                               int64_t n, struct err *e)
{
    struct cmd_who who;
    struct store_actor by = cmd_actor(r->cmd, &who);
    int64_t done = 0, more = 0;
    if (!by.reason)
        by.reason = "no file after a restore";
    for (; done < n && more >= 0; done += more > 0 ? more : 0) {
        int64_t begun_ms = clock_ms();
        more = store_change(s, what, seqs + done, n - done, &by, clock_time_ms(), ignore_result, NULL, e);
        cmd_let_others(clock_ms() - begun_ms);
    }
    return more < 0 ? -1 : 0;
}

/* Those that were dead wait for a moment: a worker that is quick gets one once more. */
static int requeue_without_file(struct restore *r, struct store *s, struct err *e)
{
    if (change_without_file(r, s, STORE_REQUEUE, r->r.waiting.at, r->n_waiting, e) != 0 ||
        change_without_file(r, s, STORE_REQUEUE, r->r.dead.at, r->n_dead, e) != 0 ||
        change_without_file(r, s, STORE_CHANGE_DEAD, r->r.dead.at, r->n_dead, e) != 0)
        return err_prefix(e, "the database is restored; writing files again");
    r->requeued = true;
    if (!r->cmd->json)
        print_out("their files are written again\n");
    return 0;
}

static int offer_requeue(struct restore *r, struct store *s, struct err *e)
{
    const struct cmd *cmd = r->cmd;
    int64_t n = r->n_waiting + r->n_dead;
    if (!cmd->json) {
        print_out("events that wait or are dead, and have no file:");
        print_seqs(r->r.waiting.at, r->n_waiting < TOLD_MAX ? r->n_waiting : TOLD_MAX);
        print_seqs(r->r.dead.at, n <= TOLD_MAX ? r->n_dead : 0);
        print_out("%s\n", n > TOLD_MAX ? " ..." : "");
    }
    if (cmd->requeue || (!cmd->json && is_answered_yes()))
        return requeue_without_file(r, s, e);
    if (cmd->json)
        return 0;
    print_out("to let them wait again:\n  ");
    command_print(stdout, cmd, "requeue", NULL);
    print_seqs(r->r.waiting.at, r->n_waiting);
    print_seqs(r->r.dead.at, r->n_dead);
    print_out("\n");
    return 0;
}

static int compare_files(struct restore *r, struct store *s, struct err *e)
{
    r->n_waiting = store_compare(s, r->r.waiting.at, (int64_t)r->r.waiting.n, print_orphan, r, e);
    r->n_dead = r->n_waiting < 0 ? -1 : store_compare(s, r->r.dead.at, (int64_t)r->r.dead.n, NULL, NULL, e);
    if (r->n_dead < 0)
        return -1;
    return r->n_waiting + r->n_dead ? offer_requeue(r, s, e) : 0;
}

/* ---- what was done ---- */

static void print_restored(const struct restore *r)
{
    const struct store_restored *t = &r->r;
    print_out("%s holds the backup: %lld events\n", r->cmd->config->database, (long long)t->backup.events);
    if (*t->before)
        print_out("the one that was there is %s\n", t->before);
    if (t->missing)
        print_out("%lld events came since the backup, and %s\n", (long long)t->missing,
                  t->left ? "are left there; to bring them over:" : "were brought over");
    if (t->missing && t->left) {
        print_out("  ");
        command_print(stdout, r->cmd, "export --database", t->before);
        print_out(" | ");
        command_print(stdout, r->cmd, "import -\n", NULL);
    }
    if (t->erased)
        print_out("%lld events of the backup had been erased since, and are again\n", (long long)t->erased);
    print_out("numbers of events go on from %lld\n", (long long)t->floor + 1);
}

static char *list_of(const int64_t *a, int64_t n_a, const int64_t *b, int64_t n_b)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    print_to(f, "[");
    for (int64_t i = 0; i < n_a + n_b; i++)
        print_to(f, "%s%lld", i ? "," : "", (long long)(i < n_a ? a[i] : b[i - n_a]));
    print_to(f, "]");
    return fclose(f) == 0 ? text : NULL;
}

static void print_restored_json(const struct restore *r)
{
    const struct store_restored *t = &r->r;
    char *lacking = list_of(t->waiting.at, r->n_waiting, t->dead.at, r->n_dead);
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "database", span_of(r->cmd->config->database));
    json_out_number(j, "events", t->backup.events);
    json_out_text(j, "before", *t->before ? span_of(t->before) : (struct span){0});
    json_out_text(j, "unread", t->unread.code != ERR_NONE ? span_of(t->unread.msg) : (struct span){0});
    json_out_number(j, "came_since", t->missing);
    json_out_bool(j, "brought_over", !t->left);
    json_out_number(j, "erased_again", t->erased);
    json_out_number(j, "next_seq", t->floor + 1);
    json_out_raw(j, "without_file", lacking ? span_of(lacking) : (struct span){0});
    json_out_bool(j, "requeued", r->requeued);
    json_out_number(j, "files_without_event", r->orphaned);
    json_out_print(j);
    free(lacking);
}

/* As init: the folder and whatever else is missing. */
static int make_folder(const struct config *c, const struct store_options *o, struct err *e)
{
    char folder[PATH_MAX];
    bool made;
    if (files_folder(c->database, folder, sizeof folder) != 0)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    return files_make_dir(folder, o->group == (gid_t)-1 ? 0700 : 03770, o->group, &made, e);
}

/*
 * The backup's path. One that root has opened and its deputy cannot reach is copied beside the database first: *copied.
 * SQLite opens files by their names.
 */
static int reach_backup(const struct restore *r, char *path, bool *copied, struct err *e)
{
    char base[PATH_MAX], bytes[65536];
    size_t n = 0;
    *copied = r->cmd->root && geteuid() != 0 && access(r->cmd->operand, R_OK) != 0;
    if (!*copied)
        return snprintf(path, PATH_MAX, "%s", r->cmd->operand) < PATH_MAX
                   ? 0
                   : err_set(e, ERR_USAGE, "the path is too long");
    if (beside_base(r->cmd->config->database, base, e) != 0)
        return -1;
    if (snprintf(path, PATH_MAX, "%s.restored-from", base) >= PATH_MAX)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    FILE *from = named_file(r->cmd->operand);
    int fd = from ? shared_make(AT_FDCWD, path) : -1;
    if (!from)
        return err_set(e, ERR_NOT_FOUND, "%s: %s", r->cmd->operand, strerror(errno));
    bool good = fd >= 0;
    while (good && (n = fread(bytes, 1, sizeof bytes, from)) > 0)
        good = write(fd, bytes, n) == (ssize_t)n;
    good = good && !ferror(from);
    if (!good)
        err_set(e, err_is_full(errno) ? ERR_FULL : ERR_SYSTEM, "copying %s to %s: %s", r->cmd->operand, path,
                strerror(errno));
    fclose(from);
    if (fd >= 0)
        close(fd);
    if (!good && fd >= 0)
        unlink(path);
    return good ? 0 : -1;
}

static int swap_database(struct restore *r, struct err *e)
{
    char file[PATH_MAX];
    bool copied = false;
    struct cmd_who who;
    struct copy_progress t;
    struct store_options o;
    if (receiver_store_options(r->cmd->config, true, &o, e) != 0 || make_folder(r->cmd->config, &o, e) != 0 ||
        reach_backup(r, file, &copied, e) != 0 || copy_progress_begin(&t, e) != 0)
        return -1;
    struct store_restore how = {r->cmd->only_backup, cmd_actor(r->cmd, &who), r->cmd->now_ms,
                                copy_progress_teller(&t)};
    int result = store_restore(&o, file, &how, &r->r, e);
    copy_progress_end(&t);
    if (copied)
        unlink(file);
    return result;
}

static int restore(struct restore *r, struct err *e)
{
    if (swap_database(r, e) != 0)
        return -1;
    if (!r->cmd->json)
        print_restored(r);
    struct store *s = cmd_store(r->cmd->config, true, e);
    if (s)
        cmd_spool_try(r->cmd, r->cmd->config, s);
    int result = s ? compare_files(r, s, e) : -1;
    store_close(s);
    if (result == 0 && r->cmd->json)
        print_restored_json(r);
    if (result == 0 && r->r.unread.code != ERR_NONE)
        return err_set(e, ERR_NOT_FOUND,
                       "it is restored; what came since the backup may be in %s, which cannot be read: %.200s",
                       r->r.before, r->r.unread.msg);
    return result;
}

int cmd_restore(const struct cmd *cmd, struct err *e)
{
    struct restore r = {.cmd = cmd};
    int result = restore(&r, e);
    store_restored_release(&r.r);
    return result;
}
