/* SPDX-License-Identifier: MIT
 * replay: a fuzz target over files, without a fuzzer: those that are named, or all of tests/fuzz/seeds/TARGET, in TAP. */
#include "fuzz.h"

#include <dirent.h>
#include <unistd.h>

static void read_and_run(const char *path)
{
    enum { MAX = 1 << 22, SECONDS = 120 /* what takes longer has no end */ };
    static char text[MAX];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t len = fread(text, 1, sizeof text, f);
    fclose(f);
    char *exact = fuzz_copy((struct span){text, len});
    printf("# %s\n", path); /* the last one told, where this ends */
    fflush(stdout);
    alarm(SECONDS);
    LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
    alarm(0);
    free(exact);
}

/* Not "." and "..". */
static int visible(const struct dirent *d) { return d->d_name[0] != '.'; }

static int run_folder(const char *folder)
{
    struct dirent **list;
    int n = scandir(folder, &list, visible, alphasort);
    if (n <= 0) {
        printf("1..1\nnot ok 1 - there are seeds in %s\n", folder);
        return 1;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        read_and_run(path);
        printf("ok %d - %s holds\n", i + 1, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return 0;
}

int main(int argc, char **argv)
{
    char folder[300];
    const char *slash = strrchr(argv[0], '/');
    snprintf(folder, sizeof folder, "tests/fuzz/seeds/%s", slash ? slash + 1 : argv[0]);
    for (int i = 1; i < argc; i++)
        read_and_run(argv[i]);
    return argc > 1 ? 0 : run_folder(folder);
}
