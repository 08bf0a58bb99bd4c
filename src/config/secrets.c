/* SPDX-License-Identifier: MIT
 * secrets: one secret file. */
#include "secrets.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool secrets_equal(const struct secret *a, const struct secret *b)
{
    return memcmp(&a->key, &b->key, sizeof a->key) == 0;
}

bool secrets_is_part(const struct secret *part, const struct secret *whole)
{
    return part->len < whole->len && (part->len < SECRETS_HEAD || part->head == whole->head);
}

static uint8_t beginning_hash(struct span value)
{
    uint8_t digest[VERIFY_DIGEST];
    value.len = value.len < SECRETS_HEAD ? value.len : (size_t)SECRETS_HEAD;
    verify_sha256(value, digest);
    return digest[0];
}

/* The next run of non-blank bytes of *line, moving on; empty at the end. */
static struct span next_word(struct span *line)
{
    *line = span_trim(*line);
    struct span word = {line->at, 0};
    while (word.len < line->len && line->at[word.len] != ' ' && line->at[word.len] != '\t')
        word.len++;
    line->at += word.len;
    line->len -= word.len;
    return word;
}

/* Longer than a person would name it, and of letters and digits alone. */
static bool is_likely_the_secret(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] == '-' || name.at[i] == '.' || name.at[i] == '_')
            return false;
    return name.len >= 24;
}

/* NAME=VALUE, as in a shell, or a ; or , after the value. = at the end alone is base64. */
static bool looks_padded(struct span value)
{
    size_t n = 0;
    while (n < value.len &&
           ((value.at[n] >= 'A' && value.at[n] <= 'Z') || (value.at[n] >= 'a' && value.at[n] <= 'z') ||
            (n && value.at[n] >= '0' && value.at[n] <= '9') || value.at[n] == '_'))
        n++;
    bool named = n && n + 1 < value.len && value.at[n] == '=' && value.at[n + 1] != '=';
    return named || (value.len && strchr(";,", value.at[value.len - 1]));
}

static const char *add_secret(struct secrets *s, struct span name, struct span value, bool retired)
{
    if (s->n == SECRETS_MAX)
        return "there are more than 64 secrets in one file";
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~')
            return "the secret holds a character that is not printable ASCII";
    struct secret *secret = &s->list[s->n];
    if (name.at && !text_is_name(name))
        return "the name may hold letters, digits, dot, dash and underscore, at most 63 of them";
    if (is_likely_the_secret(name)) /* what is taken for a name is printed and stored */
        return "the name looks like a secret; a line is \"name value\", in this order";
    s->example = span_equal(value, span_of("PASTE_THE_SECRET_HERE"));
    if (s->example)
        return "this is the manual's example; put the webhook's own secret there";
    if (value.len && strchr("\"'`", value.at[0]) && value.at[value.len - 1] == value.at[0])
        return "the secret stands in quotes; write it without them";
    if (name.at)
        snprintf(secret->name, sizeof secret->name, "%.*s", (int)name.len, name.at);
    else
        snprintf(secret->name, sizeof secret->name, "secret-%zu", s->n + 1);
    verify_key(&secret->key, value);
    secret->len = value.len;
    secret->head = beginning_hash(value);
    secret->retired = retired;
    secret->padded = looks_padded(value);
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->list[i].name, secret->name) == 0)
            return "this name stands on an earlier line too";
        if (secrets_equal(&s->list[i], secret))
            return "this secret stands on an earlier line too";
    }
    s->n++;
    return NULL;
}

static const char *parse_line(struct secrets *s, struct span line)
{
    struct span first = next_word(&line), second = next_word(&line), third = next_word(&line);
    if (first.len == 0 || first.at[0] == '#')
        return NULL;
    const struct span mark = span_of("retired");
    bool retired = span_equal(third, mark);
    if ((third.len && !retired) || next_word(&line).len || span_equal(second.len ? second : first, mark))
        return "a line is \"value\", \"name value\" or \"name value retired\"";
    if (second.len == 0 && first.len < SECRETS_ALONE_MIN) /* a name, which anybody could guess */
        return "a name without its secret; a line is \"name value\"";
    if (second.len == 0)
        return add_secret(s, (struct span){0}, first, false);
    return add_secret(s, first, second, retired);
}

static int parse_secrets(struct secrets *s, struct span rest, const char *path, struct err *e)
{
    s->unterminated = rest.len && rest.at[rest.len - 1] != '\n';
    for (int number = 1; rest.len; number++) {
        size_t before = s->n;
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.at) : rest.len;
        const char *why = parse_line(s, (struct span){rest.at, len});
        if (why) {
            s->line = number;
            return err_set(e, ERR_SECRETS, "%s, line %d: %s", path, number, why);
        }
        if (!s->padded && s->n > before && s->list[before].padded)
            s->padded = number;
        rest.at += len + (end != NULL);
        rest.len -= len + (end != NULL);
    }
    return 0;
}

static int check_owner(const struct secrets_file *f, struct err *e)
{
    if (trust_has(f->with, f->st.st_uid))
        return 0;
    return err_set(e, ERR_SECRETS,
                   "%s belongs to user %u, who could %s; if what it holds is yours, chown it to the receiver's user "
                   "or root",
                   f->path, (unsigned)f->st.st_uid, f->danger);
}

/* Root does not narrow a file reached by a path that others control. */
static bool may_narrow(const struct secrets_file *f, bool exposed)
{
    bool own = f->st.st_uid == geteuid();
    for (size_t i = 0; geteuid() == 0 && i < f->with->n; i++)
        own &= f->with->user[i] == 0;
    return own && !exposed;
}

/* Its mode does not matter if nobody can reach the file. */
static bool lies_closed(const struct secrets_file *f, bool exposed)
{
    struct stat st;
    char real[PATH_MAX], folder[PATH_MAX];
    return f->st.st_uid == 0 && !(f->st.st_mode & S_IWGRP) && !exposed && realpath(f->path, real) &&
           files_folder(real, folder, sizeof folder) == 0 && stat(folder, &st) == 0 && !(st.st_mode & S_IXOTH);
}

/* Whoever may replace the file and read others of its owner could put one there whose text he knows, an event's file. */
static bool reads_too(const struct secrets_file *f, bool exposed, const struct trust_weak *weak)
{
    return exposed && weak->why == TRUST_GROUP && f->st.st_mode & S_IRGRP && f->st.st_gid == weak->st.st_gid &&
           f->st.st_uid == geteuid();
}

static int check_secret_mode(struct secrets_file *f, struct err *e)
{
    struct trust_weak weak = {.why = TRUST_OTHERS};
    if (f->st.st_mode & S_IWOTH)
        return err_set(e, ERR_SECRETS,
                       "anyone may write %s, so anyone could %s; chmod 600 it and renew what it holds", f->path,
                       f->danger);
    if (!(f->st.st_mode & (S_IROTH | S_IWGRP | S_IRGRP)))
        return 0;
    bool exposed = trust_walk(f->path, f->with, false, &weak) != 0;
    if (reads_too(f, exposed, &weak))
        return err_set(e, ERR_SECRETS, "the group that may replace %s may read it, too; chmod 600 it", f->path);
    if (!(f->st.st_mode & (S_IROTH | S_IWGRP)))
        return 0;
    f->narrowed = may_narrow(f, exposed) && fchmod(f->fd, 0600) == 0;
    if (!f->narrowed && !lies_closed(f, exposed))
        return err_set(e, ERR_SECRETS,
                       "others may read or change %s, and it is not ours to narrow; chmod 600 it, or "
                       "640 with this user's group",
                       f->path);
    return 0;
}

int secrets_read_file(struct secrets_file *f, struct buf *text, struct err *e)
{
    if (files_read_open(f->fd, f->path, text, &f->st, e) == 0)
        return check_owner(f, e) == 0 && check_secret_mode(f, e) == 0 ? 0 : -1;
    if (e)
        e->code = ERR_SECRETS;
    return -1;
}

void secrets_wipe(struct buf *text)
{
    if (text->at)
        explicit_bzero(text->at, text->cap);
    buf_release(text);
}

static int read_open(struct secrets *s, struct secrets_file *f, struct err *e)
{
    struct buf text = {0};
    int result = secrets_read_file(f, &text, e);
    if (f->st.st_ino)
        s->print = files_stamp(&f->st);
    if (result == 0)
        result = parse_secrets(s, (struct span){text.at, text.len}, f->path, e);
    s->narrowed = f->narrowed;
    if (s->narrowed && fstat(f->fd, &f->st) == 0)
        s->print = files_stamp(&f->st);
    secrets_wipe(&text);
    return result;
}

int secrets_read(struct secrets *s, const char *path, const struct trust *with, struct err *e)
{
    memset(s, 0, offsetof(struct secrets, list));
    s->print = files_look(path);
    struct secrets_file f = {.fd = files_open_text(path, e), .path = path, .with = with, .danger = "sign events"};
    if (f.fd < 0) {
        if (e)
            e->code = ERR_SECRETS;
        return -1;
    }
    int result = read_open(s, &f, e);
    close(f.fd);
    if (result != 0)
        secrets_release(s);
    return result;
}

int secrets_from_text(struct secrets *s, const char *value, struct err *e)
{
    memset(s, 0, offsetof(struct secrets, list));
    struct span line = span_of(value);
    struct span word = next_word(&line);
    const char *why = word.len == 0          ? "it is empty"
                      : next_word(&line).len ? "it holds a blank"
                                             : add_secret(s, (struct span){0}, word, false);
    if (why) {
        secrets_release(s);
        return err_set(e, ERR_SECRETS, "COMPLYCUBE_WEBHOOK_SECRET: %s", why);
    }
    return 0;
}

void secrets_release(struct secrets *s)
{
    explicit_bzero(s->list, s->n * sizeof *s->list);
    s->n = 0;
}
