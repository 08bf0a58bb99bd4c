/* SPDX-License-Identifier: MIT
 * cmd_sign: print the signature of standard input. */
#include "base/hex.h"
#include "base/print.h"
#include "cmd.h"

#include <stdio.h>

static bool named(const char *wanted, const char *name) { return !wanted || strcmp(wanted, name) == 0; }

/* The first secret in force that the command line allows; its key is borrowed from the configuration. */
static int choose_signing_secret(const struct cmd *cmd, const struct config *c, struct verify_named *chosen,
                                 struct err *e)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++) {
            const struct secret *s = &c->endpoint[i].secrets.list[k];
            if (s->retired || !named(cmd->endpoint, c->endpoint[i].name) || !named(cmd->secret, s->name))
                continue;
            *chosen = (struct verify_named){c->endpoint[i].name, s->name, &s->key};
            return 0;
        }
    return err_set(e, ERR_NOT_FOUND, "no secret in force has this name; complycube-webhook -n lists them");
}

static int sign_input(const struct verify_named *secret, struct err *e)
{
    struct verifier *v;
    struct buf in = {0};
    uint8_t digest[VERIFY_DIGEST];
    char text[2 * VERIFY_DIGEST + 1];
    if (verify_open(&v, secret, 1, e) != 0)
        return -1;
    int result = cmd_read_file("-", &in, e);
    if (result == 0) {
        verify_sign(v, 0, (struct span){in.at ? in.at : "", in.len}, digest);
        hex_encode(digest, sizeof digest, text);
        print_out("%s\n", text);
    }
    buf_release(&in);
    verify_close(v);
    return result;
}

int cmd_sign(const struct cmd *cmd, struct err *e)
{
    struct verify_named secret;
    if (!cmd->config_file && !cmd->env->config && cmd->env->secret &&
        !cmd->env->database) { /* no configuration needed */
        struct secrets one;
        if (secrets_from_text(&one, cmd->env->secret, e) != 0)
            return -1;
        secret = (struct verify_named){"environment", "environment", &one.list[0].key};
        return sign_input(&secret, e);
    }
    struct config *c = cmd_load_config(cmd, e);
    int result = c && choose_signing_secret(cmd, c, &secret, e) == 0 ? sign_input(&secret, e) : -1;
    config_free(c);
    return result;
}
