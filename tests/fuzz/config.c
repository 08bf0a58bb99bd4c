/* SPDX-License-Identifier: MIT
 * fuzz: a configuration, and behind "---" its secret file: what is accepted can be used, what is not is told why. */
#include "config/config.h"
#include "folder.h"
#include "fuzz.h"

enum { NOW_MS = 1770000000 };

static char conf[FOLDER_PATH], secrets[FOLDER_PATH];

/* A text may name any file of this machine, and a secret file's mode is narrowed: only ours may be. */
int chmod(const char *path, mode_t mode)
{
    size_t n = strlen(folder_name);
    if (strncmp(path, folder_name, n) != 0 || strstr(path, ".."))
        return -1;
    return fchmodat(AT_FDCWD, path, mode, 0);
}

static struct config *load(struct span text, bool without_secrets)
{
    struct config_env env = {.config = conf, .without_secrets = without_secrets};
    folder_write(conf, text, 0600);
    struct config *c = config_load(&env, NOW_MS);
    FUZZ_CHECK(c);
    return c;
}

static void check_endpoint(const struct config *c, const struct config_endpoint *p)
{
    FUZZ_CHECK(text_is_name(span_of(p->name)) && *p->secret_file == '/' && p->n_events >= 1);
    FUZZ_CHECK(p->n_events <= CONFIG_EVENTS_MAX);
    for (size_t i = 0; i < p->n_events; i++)
        FUZZ_CHECK(*p->events[i] && config_wants(c, p->name, span_of(p->events[i])));
    FUZZ_CHECK(c->without_secrets || p->secrets.n <= SECRETS_MAX);
    for (size_t i = 0; i < p->secrets.n; i++)
        FUZZ_CHECK(p->secrets.list[i].len && config_has_secret(c, &p->secrets.list[i]));
}

/* Promise 7: there is a secret, none is empty (above), none is shared. */
static void check_secrets(const struct config *c)
{
    size_t in_force = 0;
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++) {
            const struct secret *secret = &c->endpoint[i].secrets.list[k];
            in_force += !c->endpoint[i].secrets.list[k].retired;
            for (size_t j = 0; j < c->n_endpoints; j++)
                for (size_t m = 0; m < c->endpoint[j].secrets.n; m++)
                    FUZZ_CHECK((i == j && k == m) || !secrets_equal(secret, &c->endpoint[j].secrets.list[m]));
        }
    FUZZ_CHECK(in_force >= 1);
}

static bool is_path(const char *text) { return *text == '/'; }

static void check(const struct config *c)
{
    FUZZ_CHECK(is_path(c->database) && (!*c->directory || is_path(c->directory)));
    FUZZ_CHECK(c->max_body >= 1024 && c->max_body <= 64 << 20 && c->retain_ms >= 0);
    FUZZ_CHECK(c->files == (strcmp(c->inbox, "directory") == 0) && (!c->files || *c->directory));
    FUZZ_CHECK(c->n_endpoints >= 1 && c->n_endpoints <= CONFIG_ENDPOINTS_MAX);
    for (size_t i = 0; i < c->n_endpoints; i++)
        check_endpoint(c, &c->endpoint[i]);
    for (size_t i = 0; i < config_n_keys; i++)
        FUZZ_CHECK(c->value[i]);
    if (!c->without_secrets)
        check_secrets(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size}, text = fuzz_part(&rest);
    if (!*conf) {
        folder_path(conf, "complycube-webhook.conf");
        folder_path(secrets, "secrets");
    }
    folder_write(secrets, rest.len ? rest : span_of(FUZZ_SECRET "\n"), 0600);
    struct config *c = load(text, false), *open = load(text, true);
    if (c->error.code == ERR_NONE) {
        check(c);
        check(open);
        FUZZ_CHECK(open->error.code == ERR_NONE);
    } else
        FUZZ_CHECK((c->error.code == ERR_CONFIG || c->error.code == ERR_SECRETS) && *c->error.msg &&
                   (open->error.code == c->error.code || c->error.code == ERR_SECRETS));
    config_changed(c, NOW_MS);
    char word[32];
    snprintf(word, sizeof word, "%.*s", (int)(text.len < 31 ? text.len : 31), text.at ? text.at : "");
    FUZZ_CHECK(config_time_ms(word) >= -1);
    config_size(word);
    config_free(c);
    config_free(open);
    return 0;
}
