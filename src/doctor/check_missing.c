/* SPDX-License-Identifier: MIT
 * check_missing: which database was meant, if the one that the configuration names is not there. */
#include "base/near.h"
#include "base/shared.h"
#include "doctor.h"
#include "receiver/begun.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The only name in a folder that is one slip away from this one; "" if there is none. */
static void find_similar(const char *folder, const char *name, char found[NAME_MAX + 1])
{
    int n = 0, fd = shared_folder(AT_FDCWD, folder);
    DIR *names = fd >= 0 ? shared_names(fd) : NULL;
    for (struct dirent *p; names && (p = readdir(names));)
        if (near_typo(name, strlen(name), p->d_name) && n++ == 0)
            snprintf(found, NAME_MAX + 1, "%s", p->d_name);
    if (names)
        closedir(names);
    if (fd >= 0)
        close(fd);
    if (n != 1)
        *found = '\0';
}

bool doctor_meant(const struct doctor *d, char meant[PATH_MAX])
{
    char at[PATH_MAX], folder[PATH_MAX], found[NAME_MAX + 1] = "";
    struct stat st;
    if (begun_before(d->config, meant) && strcmp(meant, d->database) != 0 && stat(meant, &st) == 0)
        return true;
    snprintf(at, sizeof at, "%s", d->database);
    while (files_folder(at, folder, sizeof folder) == 0 && stat(folder, &st) != 0 && strcmp(folder, at) != 0)
        snprintf(at, sizeof at, "%s", folder);
    const char *name = strrchr(at, '/');
    if (name)
        find_similar(folder, name + 1, found);
    return *found && snprintf(meant, PATH_MAX, "%s/%s%s", folder, found, d->database + strlen(at)) < PATH_MAX &&
           stat(meant, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}
