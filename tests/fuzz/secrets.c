/* SPDX-License-Identifier: MIT
 * fuzz: a secret file is accepted only as what it says, no message quotes it, and what was read is read again alike. */
#include "config/secrets.h"
#include "folder.h"
#include "fuzz.h"

static char path[FOLDER_PATH];

static int read_text(struct secrets *s, struct span text, struct err *e)
{
    const struct trust with = trust_in(geteuid(), geteuid());
    folder_write(path, text, 0600);
    int result = secrets_read(s, path, &with, e);
    FUZZ_CHECK(!s->narrowed && s->print.ino != 0);
    return result;
}

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* No word of the file that could be a secret stands in a message. */
static void check_message(const char *message, struct span text)
{
    char word[64];
    size_t n = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && !blank(text.at[i]) && text.at[i]) {
            if (n < sizeof word - 1)
                word[n++] = text.at[i];
            continue;
        }
        word[n] = '\0';
        FUZZ_CHECK(n < 12 || strstr("PASTE_THE_SECRET_HERE", word) || !strstr(message, word) || strstr(path, word) ||
                   memchr(word, '/', n));
        n = 0;
    }
}

/* How many lines hold something: that many secrets there are. */
static size_t count_lines(struct span text)
{
    size_t n = 0;
    bool begins = true, counted = false;
    for (size_t i = text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '\n')
            begins = true, counted = false;
        else if (!(c == ' ' || c == '\t' || c == '\r') && begins) {
            begins = false;
            counted = c != '#';
            n += counted;
        }
    }
    return n;
}

/* The word of the file that this key was made of: the module keeps none. */
static struct span value_of(struct span text, const struct secret *s)
{
    for (size_t i = 0; i + s->len <= text.len; i++) {
        struct span word = {text.at + i, s->len};
        struct verify_key key;
        if ((i > 0 && !blank(text.at[i - 1]) && i != 3) || (i + s->len < text.len && !blank(text.at[i + s->len])))
            continue;
        verify_key(&key, word);
        if (memcmp(&key, &s->key, sizeof key) == 0)
            return word;
    }
    return (struct span){0};
}

static void check_again(const struct secrets *s, const struct span *values)
{
    static char text[SECRETS_MAX * 80 + FILES_TEXT_MAX];
    struct secrets again;
    struct err e = {0};
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += (size_t)sprintf(text + n, "\t%s %.*s %s\r\n", s->list[i].name, (int)values[i].len, values[i].at,
                             s->list[i].retired ? "retired" : "");
    FUZZ_CHECK(read_text(&again, (struct span){text, n}, &e) == 0 && again.n == s->n && !again.unterminated);
    for (size_t i = 0; i < s->n; i++)
        FUZZ_CHECK(strcmp(s->list[i].name, again.list[i].name) == 0 && secrets_equal(&s->list[i], &again.list[i]) &&
                   s->list[i].head == again.list[i].head && s->list[i].retired == again.list[i].retired);
    secrets_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct secrets s;
    struct span values[SECRETS_MAX];
    struct err e = {0};
    if (!*path)
        folder_path(path, "secrets");
    if (read_text(&s, text, &e) != 0) {
        FUZZ_CHECK(e.code == ERR_SECRETS && s.n == 0);
        check_message(e.msg, text);
        return 0;
    }
    FUZZ_CHECK(s.n == count_lines(text));
    for (size_t i = 0; i < s.n; i++) {
        values[i] = value_of(text, &s.list[i]);
        FUZZ_CHECK(values[i].len > 0 && values[i].len == s.list[i].len && text_is_name(span_of(s.list[i].name)));
        for (size_t k = 0; k < values[i].len; k++)
            FUZZ_CHECK(values[i].at[k] > ' ' && values[i].at[k] <= '~');
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(!span_equal(values[i], values[k]) && strcmp(s.list[i].name, s.list[k].name) != 0);
    }
    check_again(&s, values);
    secrets_release(&s);
    return 0;
}
