/* SPDX-License-Identifier: MIT
 * replay: a fuzz target over files, without a fuzzer: those that are named, or all of tests/fuzz/seeds/TARGET, in TAP; or, by
 * --cases N FIRST, over those that the target makes itself of the numbers FIRST to FIRST+N-1. */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

enum { MAX = 1 << 22, SECONDS = 120 /* what takes longer has no end */ };

static char text[MAX];

static void read_and_run(const char *path)
{
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

/* ---- cases of the target's own ---- */

static size_t made;
static unsigned number;

/* The case that ends this process is its last word. */
static void show_case(int signal)
{
    char head[60];
    int len = snprintf(head, sizeof head, "# case %u, signal %d:\n", number, signal);
    if (write(STDERR_FILENO, head, (size_t)len) < 0 || write(STDERR_FILENO, text, made) < 0)
        _exit(1);
    raise(signal);
}

/* Nothing that a case does may need root. */
static int run_cases(unsigned n, unsigned first)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
    const struct sigaction action = {.sa_handler = show_case, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    if (!LLVMFuzzerCustomMutator || (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))) {
        fprintf(stderr, "this target makes no cases, or not as this user\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    for (number = first; number - first < n; number++) {
        made = LLVMFuzzerCustomMutator((uint8_t *)text, 0, sizeof text, number);
        alarm(SECONDS);
        LLVMFuzzerTestOneInput((const uint8_t *)text, made);
        alarm(0);
        if ((number - first + 1) % 1000 == 0)
            printf("%u cases\n", number - first + 1), fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    char folder[300];
    if (argc == 4 && strcmp(argv[1], "--cases") == 0)
        return run_cases((unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
    const char *slash = strrchr(argv[0], '/');
    snprintf(folder, sizeof folder, "tests/fuzz/seeds/%s", slash ? slash + 1 : argv[0]);
    for (int i = 1; i < argc; i++)
        read_and_run(argv[i]);
    return argc > 1 ? 0 : run_folder(folder);
}
