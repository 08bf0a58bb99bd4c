/* SPDX-License-Identifier: MIT
 * trust: walking a path as the kernel does, one part at a time. */
#include "trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40 /* as the kernel's own limit */ };

struct walk {
    const struct trust *with;
    struct trust_weak *weak;
    const char *next; /* in `rest`: what is left to walk */
    int links;
    bool sticky;       /* `at` is a folder whose names only their owners may replace */
    char at[PATH_MAX]; /* what was walked, without a slash at its end but for "/" */
    char rest[PATH_MAX];
};

struct trust trust_in(uid_t a, uid_t b) { return (struct trust){{a, b}, 2}; }

bool trust_has(const struct trust *with, uid_t user)
{
    bool is = user == 0;
    for (size_t i = 0; i < with->n; i++)
        is |= with->user[i] == user;
    return is;
}

bool trust_link(const struct stat *folder, const struct stat *link)
{
    return link->st_uid == 0 || link->st_uid == geteuid() || link->st_uid == folder->st_uid;
}

static int found_weak(struct walk *w, const struct stat *st, enum trust_why why)
{
    snprintf(w->weak->path, sizeof w->weak->path, "%s", w->at);
    w->weak->st = *st;
    w->weak->why = why;
    return 1;
}

/* Take the next part; false: there is none. */
static bool next_part(struct walk *w, char *part, size_t size)
{
    size_t from = strspn(w->next, "/"), len = strcspn(w->next + from, "/");
    if (len == 0 || len >= size)
        return false;
    memcpy(part, w->next + from, len);
    part[len] = '\0';
    w->next += from + len;
    return true;
}

static void step_up(struct walk *w)
{
    char *slash = strrchr(w->at, '/');
    slash[slash == w->at] = '\0';
}

/* What a link says comes before what is left to walk. */
static int follow(struct walk *w)
{
    char text[PATH_MAX], joined[PATH_MAX];
    ssize_t n = readlink(w->at, text, sizeof text - 1);
    if (n < 0)
        return -1;
    text[n] = '\0';
    errno = ELOOP;
    if (++w->links > LINKS_MAX)
        return -1;
    errno = ENAMETOOLONG;
    if (snprintf(joined, sizeof joined, "%s/%s", text, w->next) >= (int)sizeof joined)
        return -1;
    memcpy(w->rest, joined, strlen(joined) + 1);
    w->next = w->rest;
    if (*text == '/')
        memcpy(w->at, "/", 2);
    else
        step_up(w);
    return 0;
}

static int judge_folder(struct walk *w, const struct stat *st)
{
    w->sticky = st->st_mode & S_ISVTX;
    if (!trust_has(w->with, st->st_uid))
        return found_weak(w, st, TRUST_OWNER);
    if (w->sticky)
        return 0;
    if (st->st_mode & S_IWOTH)
        return found_weak(w, st, TRUST_OTHERS);
    return st->st_mode & S_IWGRP && st->st_gid != 0 ? found_weak(w, st, TRUST_GROUP) : 0;
}

/* 0: go on; 1: *weak; 2: the end is reached, or what comes is missing. */
static int walk_step(struct walk *w, const char *part, bool leaf)
{
    struct stat st;
    size_t len = strlen(w->at);
    if (strcmp(part, ".") == 0)
        return 0;
    if (strcmp(part, "..") == 0) {
        step_up(w);
        return 0;
    }
    errno = ENAMETOOLONG;
    if (snprintf(w->at + len, sizeof w->at - len, "%s%s", len > 1 ? "/" : "", part) >= (int)(sizeof w->at - len))
        return -1;
    if (lstat(w->at, &st) != 0)
        return errno == ENOENT ? 2 : -1;
    if (w->sticky && !trust_has(w->with, st.st_uid))
        return found_weak(w, &st, TRUST_OWNER);
    bool last = w->next[strspn(w->next, "/")] == '\0';
    if (S_ISLNK(st.st_mode))
        return trust_has(w->with, st.st_uid) ? follow(w) : found_weak(w, &st, TRUST_OWNER);
    if (last && !leaf)
        return 2;
    int weak = judge_folder(w, &st);
    return weak ? weak : last ? 2 : 0;
}

int trust_walk(const char *path, const struct trust *with, bool leaf, struct trust_weak *weak)
{
    struct walk w; /* not cleared: two paths */
    w.with = with, w.weak = weak, w.next = w.rest, w.links = 0, w.sticky = false;
    memcpy(w.at, "/", 2);
    struct stat root;
    char part[NAME_MAX + 1];
    errno = ENAMETOOLONG;
    if (*path != '/' || snprintf(w.rest, sizeof w.rest, "%s", path) >= (int)sizeof w.rest || lstat("/", &root) != 0)
        return -1;
    int result = judge_folder(&w, &root);
    while (result == 0 && next_part(&w, part, sizeof part))
        result = walk_step(&w, part, leaf);
    return result == 2 ? 0 : result;
}
