/* SPDX-License-Identifier: MIT
 * fuzz: the walk over FastCGI records says what a reader that takes them apart says, also when they come bit by bit. */
#include "web/fcgi_record.h"
#include "fuzz.h"

enum { BEGIN = 1, PARAMS = 4, STDIN = 5 };

struct request {
    char params[FCGI_PARAMS_MAX];
    size_t params_len, body_len;
};

/* FastCGI, section 3.4: lengths of one or four bytes, then name and value. */
static bool variables_end_well(struct span rest)
{
    while (rest.len) {
        size_t length[2];
        for (int i = 0; i < 2; i++) {
            if (rest.len == 0 || (*rest.at & 0x80 && rest.len < 4))
                return false;
            length[i] = fuzz_byte(&rest);
            if (length[i] & 0x80) {
                length[i] = (length[i] & 0x7f) << 24 | fuzz_byte(&rest) << 16;
                length[i] |= fuzz_byte(&rest) << 8;
                length[i] |= fuzz_byte(&rest);
            }
        }
        if (fuzz_take(&rest, length[0]).len < length[0] || fuzz_take(&rest, length[1]).len < length[1])
            return false;
    }
    return true;
}

/* The whole of it anew, into a request. */
static enum fcgi_state take_apart(struct span rest, struct request *q)
{
    static const struct request empty;
    int expected = BEGIN, id = 0;
    *q = empty;
    while (rest.len >= 8) {
        const unsigned char *h = (const unsigned char *)rest.at;
        size_t length = h[4] * 256u + h[5], padding = h[6];
        int type = h[1], of = h[2] * 256 + h[3];
        if (h[0] != 1 || type != expected || (type == BEGIN ? of == 0 || length != 8 : of != id))
            return FCGI_ALIEN;
        if (type == PARAMS && (length == 0 ? padding != 0 : length > FCGI_PARAMS_MAX - q->params_len))
            return FCGI_ALIEN;
        fuzz_take(&rest, 8);
        if (rest.len < length + padding)
            return FCGI_PARTIAL;
        struct span content = fuzz_take(&rest, length);
        fuzz_take(&rest, padding);
        if (type == BEGIN && (content.at[0] != 0 || content.at[1] != 1))
            return FCGI_ALIEN;
        if (type == BEGIN)
            expected = PARAMS, id = of;
        else if (type == PARAMS && length == 0)
            expected = STDIN;
        else if (type == PARAMS) {
            memcpy(q->params + q->params_len, content.at, length);
            q->params_len += length;
        } else if (length == 0) {
            if (!variables_end_well((struct span){q->params, q->params_len}))
                return FCGI_ALIEN;
            return rest.len ? FCGI_TRAILED : FCGI_WHOLE;
        }
        q->body_len += type == STDIN ? length : 0;
    }
    return FCGI_PARTIAL;
}

/* Who answers without libfcgi reads the variables and the body of a whole request. */
static void read_whole(struct span all, const struct request *q)
{
    struct buf params = {0}, body = {0}, half = {0};
    struct span rest, name, value;
    char head[FCGI_RECORD_HEADER];
    FUZZ_CHECK(fcgi_record_content(all, FCGI_RECORD_PARAMS, FCGI_PARAMS_MAX, &params) == 0);
    FUZZ_CHECK(fcgi_record_content(all, FCGI_RECORD_STDIN, all.len, &body) == 0);
    FUZZ_CHECK(fcgi_record_content(all, FCGI_RECORD_STDIN, all.len / 64, &half) == 0);
    FUZZ_CHECK(params.len == q->params_len && body.len == q->body_len);
    FUZZ_CHECK(!params.len || memcmp(params.at, q->params, params.len) == 0);
    FUZZ_CHECK(half.len == (body.len < all.len / 64 ? body.len : all.len / 64));
    for (rest = (struct span){params.at, params.len}; fcgi_record_variable(&rest, &name, &value);)
        FUZZ_CHECK(name.at + name.len == value.at && value.at + value.len == rest.at);
    FUZZ_CHECK(rest.len == 0);
    rest = (struct span){params.at, params.len / 2};
    while (fcgi_record_variable(&rest, &name, &value))
        continue; /* one that is cut ends it */
    fcgi_record_head(head, FCGI_RECORD_STDOUT, 1, body.len & 0xffff);
    FUZZ_CHECK(head[0] == 1 && (size_t)((unsigned char)head[4] << 8 | (unsigned char)head[5]) == (body.len & 0xffff));
    buf_release(&params);
    buf_release(&body);
    buf_release(&half);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request q;
    struct span all = {(const char *)data, size};
    struct fcgi_walk at_once = {0}, bits = {0};
    fcgi_record_walk(&at_once, all);
    enum fcgi_state state = take_apart(all, &q);
    FUZZ_CHECK(at_once.state == state && at_once.at <= size);
    if (state == FCGI_WHOLE)
        read_whole(all, &q);
    if (state == FCGI_WHOLE || state == FCGI_TRAILED)
        FUZZ_CHECK(at_once.params == q.params_len && at_once.body == q.body_len);
    for (size_t n = 0; n <= size && bits.state == FCGI_PARTIAL; n++) {
        char *exact = fuzz_copy((struct span){all.at, n > 256 ? 0 : n}); /* what is not here must not be looked at */
        fcgi_record_walk(&bits, (struct span){n > 256 ? all.at : exact, n});
        free(exact);
    }
    FUZZ_CHECK(bits.state == (state == FCGI_TRAILED ? FCGI_WHOLE : state));
    FUZZ_CHECK(bits.body == at_once.body && bits.params == at_once.params && bits.at == at_once.at);
    return 0;
}
