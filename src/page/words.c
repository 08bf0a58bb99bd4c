/* SPDX-License-Identifier: MIT
 * words: what ComplyCube's words mean. */
#include "words.h"

#include "base/text.h"

enum { ID_END = 8 };

static bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }

/* A letter in the other case. */
static void write_other_case(struct html *h, char c)
{
    char other = (char)(is_capital(c) ? c - 'A' + 'a' : c - 'a' + 'A');
    html_text(h, (struct span){&other, 1});
}

/* Words that are joined by underscores, or by capitals, apart; the first with a capital if it begins a sentence. */
static void write_part(struct html *h, struct span part, bool first)
{
    for (size_t i = 0; i < part.len;) {
        char c = part.at[i];
        size_t n = text_first((struct span){part.at + i, part.len - i}).len;
        if (c == '_')
            html_lit(h, " ");
        else if (i == 0 && first && c >= 'a' && c <= 'z')
            write_other_case(h, c);
        else if (i > 0 && is_capital(c) && !is_capital(part.at[i - 1])) {
            html_lit(h, " ");
            write_other_case(h, c);
        } else
            html_text(h, (struct span){part.at + i, n});
        i += n;
    }
}

void words_of(struct html *h, struct span word) { write_part(h, word, true); }

/* Of three parts or more the last is a result; workflow.session is one thing. */
void words_type(struct html *h, struct span type)
{
    const struct span session = span_of("workflow.session.");
    size_t parts = 0;
    if (type.len > session.len && memcmp(type.at, session.at, session.len) == 0) {
        html_lit(h, "Workflow session ");
        type = (struct span){type.at + session.len, type.len - session.len};
        parts = 1;
    }
    for (size_t from = 0, i = 0; i <= type.len; i++) {
        if (i < type.len && type.at[i] != '.')
            continue;
        if (parts > 1 && i == type.len)
            html_lit(h, ": ");
        else if (from)
            html_lit(h, " ");
        write_part(h, (struct span){type.at + from, i - from}, parts == 0);
        parts++;
        from = i + 1;
    }
}

void words_id(struct html *h, struct span id)
{
    if (id.len <= ID_END + 2 || text_hides(id)) {
        html_text(h, id);
        return;
    }
    size_t from = id.len - ID_END;
    while (from < id.len && (id.at[from] & 0xc0) == 0x80) /* not within a character */
        from++;
    html_lit(h, "\xe2\x80\xa6");
    html_text(h, (struct span){id.at + from, id.len - from});
}
