/* SPDX-License-Identifier: MIT
 * begun: whether a configuration has had a database before. */
#include "begun.h"

#include "base/shared.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int mark_of(const struct config *c, const char *end, char path[PATH_MAX])
{
    const char *file = c->n_endpoints ? c->endpoint[0].secret_file : NULL;
    return file && snprintf(path, PATH_MAX, "%s.database%s", file, end) < PATH_MAX ? 0 : -1;
}

bool begun_before(const struct config *c, char was[PATH_MAX])
{
    char path[PATH_MAX];
    return mark_of(c, "", path) == 0 && shared_link(AT_FDCWD, path, was) == 0 && *was == '/';
}

void begun_mark(const struct config *c)
{
    char was[PATH_MAX], path[PATH_MAX], part[PATH_MAX];
    if (access(c->database, F_OK) != 0 || (begun_before(c, was) && strcmp(was, c->database) == 0) ||
        mark_of(c, "", path) != 0 || mark_of(c, ".tmp", part) != 0)
        return;
    if (symlink(c->database, part) != 0 || rename(part, path) != 0)
        unlink(part);
}
