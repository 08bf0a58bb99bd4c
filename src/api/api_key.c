/* SPDX-License-Identifier: MIT
 * api_key: read, compared and wiped. */
#include "api_key.h"

#include "config/secrets.h"

int api_key_take(struct api_key *k, const char *text, const char *from, struct err *e)
{
    struct span word = span_of(text);
    while (word.len && (word.at[word.len - 1] == '\n' || word.at[word.len - 1] == '\r'))
        word.len--;
    word = span_trim(word);
    const char *why = word.len == 0            ? "it is empty"
                      : word.len < API_KEY_MIN ? "it is shorter than 20 characters"
                      : word.len > API_KEY_MAX ? "it is longer than 200 characters"
                                               : NULL;
    for (size_t i = 0; i < word.len && !why; i++)
        if (word.at[i] <= ' ' || word.at[i] > '~')
            why = "it is more than one word of printable ASCII";
    if (why)
        return err_set(e, ERR_SECRETS, "%s holds no API key: %s; the key alone stands there, as the portal shows it",
                       from, why);
    memcpy(k->key_text, word.at, word.len);
    k->key_text[word.len] = '\0';
    return 0;
}

int api_key_read(struct api_key *k, int fd, const char *path, const struct trust *with, struct err *e)
{
    struct buf text = {0};
    struct secrets_file f = {.fd = fd, .path = path, .with = with, .danger = "make the tool use another account"};
    int result = secrets_read_file(&f, &text, e);
    if (result == 0)
        result = api_key_take(k, text.at, path, e);
    secrets_wipe(&text);
    return result;
}

void api_key_wipe(struct api_key *k) { explicit_bzero(k, sizeof *k); }

bool api_key_equal(const struct api_key *a, const struct api_key *b) { return strcmp(a->key_text, b->key_text) == 0; }

const char *api_key_world(const struct api_key *k)
{
    if (strncmp(k->key_text, "live_", 5) == 0)
        return "live";
    return strncmp(k->key_text, "test_", 5) == 0 ? "test" : "unknown";
}
