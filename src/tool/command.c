/* SPDX-License-Identifier: MIT
 * command: a command line of this tool that is printed to be pasted. */
#include "command.h"

#include "base/print.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Does a shell find this very program by its name? */
static bool in_path(const struct cmd *cmd, const char *self)
{
    char path[PATH_MAX];
    struct stat mine, found;
    const char *at = cmd_variable(cmd, "PATH");
    while (at && *at && stat(self, &mine) == 0) {
        size_t n = strcspn(at, ":");
        if (snprintf(path, sizeof path, "%.*s/complycube-inbox", (int)n, at) < (int)sizeof path &&
            stat(path, &found) == 0)
            return found.st_dev == mine.st_dev && found.st_ino == mine.st_ino;
        at += n + (at[n] == ':');
    }
    return false;
}

/* The configuration that this run was given, as found from any folder; "": it was given none. */
static const char *config_of(const struct cmd *cmd, char path[PATH_MAX])
{
    const char *given = cmd->config_file ? cmd->config_file : cmd->env->config ? cmd->env->config : "";
    return *given && realpath(given, path) ? path : given;
}

void command_print(FILE *to, const struct cmd *cmd, const char *words, const char *file)
{
    char self[PATH_MAX], path[PATH_MAX];
    const char *config = config_of(cmd, path);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    print_word(to, n <= 0 || in_path(cmd, self) ? "complycube-inbox" : self);
    if (*config) {
        print_to(to, " -c ");
        print_word(to, config);
    }
    print_to(to, " %s", words);
    if (file) {
        print_to(to, " ");
        print_word(to, file);
    }
}

char *command_line(const struct cmd *cmd, const char *words, const char *file)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return NULL;
    command_print(to, cmd, words, file);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

const char *command_advice(char *out, size_t size, const struct cmd *cmd, const char *what, const char *words,
                           const char *file, const char *after)
{
    char *line = command_line(cmd, words, file);
    if (!line || snprintf(out, size, "%s: %s%s", what, line, after) >= (int)size)
        snprintf(out, size, "%s (%s)", what, words);
    free(line);
    return out;
}
