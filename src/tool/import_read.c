/* SPDX-License-Identifier: MIT
 * import_read: the files and folders that import reads. */
#include "import_read.h"

#include "base/buf.h"
#include "base/files.h"
#include "lines.h"
#include "named.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { BODY_MAX = 256 << 20 /* bytes */, SIGNATURE_MAX = 300 /* also as UTF-16 */ };

static void refuse_unreadable(const struct import_taker *taker, const char *path)
{
    char why[160];
    snprintf(why, sizeof why, "cannot be read: %s",
             errno == EILSEQ ? "it begins as UTF-16, and is none; save it as UTF-8" : strerror(errno));
    taker->refuse(taker->ctx, path, why);
}

static void read_lines(const struct import_taker *taker, const char *path)
{
    FILE *from = strcmp(path, "-") == 0 ? stdin : named_file(path);
    struct lines lines = {.from = from};
    struct span line;
    int found = from ? 1 : -1;
    for (int64_t number = 1; found > 0 && (found = lines_next(&lines, &line)) > 0; number++)
        if (line.len > 0 && !taker->line(taker->ctx, path, number, line))
            break;
    if (found < 0)
        refuse_unreadable(taker, path);
    lines_release(&lines);
    if (from && from != stdin)
        fclose(from);
}

/* ---- a folder ---- */

/* A file whole, to be released; false when it is not there or cannot be read, errno says why. */
static bool read_beside(const char *folder, const char *name, const char *suffix, size_t max, struct buf *out)
{
    char path[PATH_MAX];
    size_t room, n;
    out->len = 0;
    errno = ENAMETOOLONG;
    if (snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix) >= (int)sizeof path)
        return false;
    FILE *from = named_file(path);
    if (!from)
        return false;
    errno = 0;
    while ((room = buf_room(out, 65536, max)) && (n = fread(out->at + out->len, 1, room, from)) > 0)
        out->len += n;
    bool good = room && !ferror(from);
    if (!good && !errno)
        errno = EFBIG;
    int os = errno;
    fclose(from);
    errno = os;
    return good;
}

/* The same of a text, which an editor may have saved in its own way. */
static bool read_text_beside(const char *folder, const char *name, const char *suffix, size_t max, struct buf *out)
{
    if (!read_beside(folder, name, suffix, max, out))
        return false;
    errno = ENOMEM;
    if (!buf_room(out, 1, SIZE_MAX / 2))
        return false;
    errno = EILSEQ;
    return files_make_plain(out) == 0;
}

static struct span first_line(struct span text)
{
    const char *end = text.at ? memchr(text.at, '\n', text.len) : NULL;
    struct span line = {text.at, end ? (size_t)(end - text.at) : text.len};
    while (line.len && (line.at[line.len - 1] == '\r' || line.at[line.len - 1] == ' '))
        line.len--;
    return line;
}

/* The signature behind a name in SIGNATURES.tsv. */
static struct span find_in_table(struct span table, const char *name)
{
    size_t len = strlen(name);
    while (table.len) {
        const char *end = memchr(table.at, '\n', table.len);
        struct span line = {table.at, end ? (size_t)(end - table.at) : table.len};
        if (line.len > len && memcmp(line.at, name, len) == 0 && line.at[len] == '\t')
            return first_line((struct span){line.at + len + 1, line.len - len - 1});
        table.at += line.len + (end != NULL);
        table.len -= line.len + (end != NULL);
    }
    return (struct span){0};
}

static bool import_file(const struct import_taker *taker, const char *folder, const char *name,
                        const struct buf *table)
{
    struct buf body = {0}, signature = {0};
    char path[PATH_MAX + 300], plain[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(plain, sizeof plain, "%.*s", (int)(strlen(name) - 5), name);
    bool more = true;
    if (!read_beside(folder, name, "", BODY_MAX, &body)) {
        refuse_unreadable(taker, path);
    } else {
        bool beside = read_text_beside(folder, plain, ".sig", SIGNATURE_MAX, &signature) ||
                      read_text_beside(folder, name, ".sig", SIGNATURE_MAX, &signature);
        struct span hex = beside ? first_line((struct span){signature.at ? signature.at : "", signature.len})
                                 : find_in_table((struct span){table->at, table->len}, name);
        more = taker->body(taker->ctx, path, (struct span){body.at, body.len}, hex);
    }
    buf_release(&body);
    buf_release(&signature);
    return more;
}

static bool is_body(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && name[0] != '.' && strcmp(name + len - 5, ".json") == 0;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

struct bodies {
    char **name; /* n of them, to be freed */
    size_t n, cap;
};

static int add_body_name(struct bodies *b, const char *name)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 64;
        char **list = realloc(b->name, cap * sizeof *list);
        if (!list)
            return -1;
        b->name = list;
        b->cap = cap;
    }
    char *copy = strdup(name);
    if (!copy)
        return -1;
    b->name[b->n++] = copy;
    return 0;
}

/* The bodies of a folder, in the order of their names: 0, or -1 with errno and those that were found. */
static int list_bodies(DIR *folder, struct bodies *b)
{
    const struct dirent *p;
    while ((errno = 0, p = readdir(folder)))
        if (is_body(p->d_name) && add_body_name(b, p->d_name) != 0)
            break;
    int failed = errno;
    if (b->n)
        qsort(b->name, b->n, sizeof *b->name, compare_names);
    errno = failed;
    return failed ? -1 : 0;
}

static void read_folder(const struct import_taker *taker, const char *path, DIR *folder)
{
    struct bodies b = {0};
    struct buf table = {0};
    bool whole = list_bodies(folder, &b) == 0;
    if (!whole)
        refuse_unreadable(taker, path);
    bool more = true;
    if (!read_text_beside(path, "SIGNATURES.tsv", "", BODY_MAX, &table) && errno != ENOENT)
        refuse_unreadable(taker, path);
    if (whole && b.n == 0)
        taker->refuse(taker->ctx, path, "no file NAME.json is in this folder");
    for (size_t i = 0; i < b.n; i++) {
        more = more && import_file(taker, path, b.name[i], &table);
        free(b.name[i]);
    }
    free(b.name);
    buf_release(&table);
}

void import_read(const struct import_taker *taker, const char *path)
{
    DIR *folder = strcmp(path, "-") == 0 ? NULL : named_folder(path);
    if (folder)
        read_folder(taker, path, folder);
    else
        read_lines(taker, path);
    if (folder)
        closedir(folder);
}
