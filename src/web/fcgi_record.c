/* SPDX-License-Identifier: MIT
 * fcgi_record: is a whole FastCGI request here? */
#include "fcgi_record.h"

#include <assert.h>
#include <stdint.h>

enum { VERSION = 1, HEADER = 8, BEGIN = 1, PARAMS = 4, STDIN = 5, RESPONDER = 1, BEGIN_BODY = 8 };

struct record {
    unsigned type, id, length, size; /* bytes of content, and of all with header and padding */
    const unsigned char *content;
};

/* The record at an offset, of which at least the header is here. */
static struct record record_at(struct span arrived, size_t at)
{
    const unsigned char *header = (const unsigned char *)arrived.at + at;
    unsigned length = (unsigned)(header[4] << 8 | header[5]);
    return (struct record){header[1], (unsigned)(header[2] << 8 | header[3]), length, HEADER + length + header[6],
                           header + HEADER};
}

/* Is this a record that a web server sends for the one request of a connection? By its header alone. */
static bool expected(const struct fcgi_walk *w, const struct record *r, unsigned version)
{
    if (version != VERSION)
        return false;
    if (w->records == 0)
        return r->type == BEGIN && r->length == BEGIN_BODY && r->id != 0;
    if (r->id != w->id || r->type != (w->params_ended ? STDIN : PARAMS))
        return false;
    if (r->type == PARAMS && r->length == 0)
        return r->size == HEADER; /* libfcgi takes padding here for the next record */
    return w->params + (r->type == PARAMS ? r->length : 0) <= FCGI_PARAMS_MAX;
}

/* The content of all PARAMS records, a byte after another. */
struct params {
    struct span arrived;
    size_t next, left; /* the record behind the one at hand; bytes of content that are left in all */
    struct record record;
    unsigned used; /* of the record at hand */
};

/* Pass over n bytes, n <= p->left; the last of them is returned. */
static unsigned pass(struct params *p, size_t n)
{
    unsigned byte = 0;
    p->left -= n;
    while (n) {
        if (p->record.type != PARAMS || p->used == p->record.length) {
            assert(p->next + HEADER <= p->arrived.len);
            p->record = record_at(p->arrived, p->next);
            p->next += p->record.size;
            p->used = 0;
            continue;
        }
        unsigned room = p->record.length - p->used, step = n < room ? (unsigned)n : room;
        byte = p->record.content[p->used + step - 1];
        p->used += step;
        n -= step;
    }
    return byte;
}

/* One or four bytes of a length; false where the variables end before. */
static bool pass_length(struct params *p, size_t *length)
{
    if (p->left < 1)
        return false;
    *length = pass(p, 1);
    if (*length < 0x80)
        return true;
    if (p->left < 3)
        return false;
    *length &= 0x7f;
    for (int i = 0; i < 3; i++)
        *length = *length << 8 | pass(p, 1);
    return true;
}

/* Does each variable end within the variables? libfcgi allocates whatever length it is told, and aborts. */
static bool params_sound(const struct fcgi_walk *w, struct span arrived)
{
    struct params p = {.arrived = arrived, .left = w->params};
    size_t name, value;
    while (p.left) {
        if (!pass_length(&p, &name) || !pass_length(&p, &value) || name > p.left || value > p.left - name)
            return false;
        pass(&p, name + value);
    }
    return true;
}

void fcgi_record_walk(struct fcgi_walk *w, struct span arrived)
{
    while (w->state == FCGI_PARTIAL && arrived.len - w->at >= HEADER) {
        struct record r = record_at(arrived, w->at);
        if (!expected(w, &r, (unsigned char)arrived.at[w->at])) {
            w->state = FCGI_ALIEN;
            return;
        }
        if (arrived.len - w->at < r.size)
            return;
        if (w->records++ == 0) {
            w->id = r.id;
            if ((r.content[0] << 8 | r.content[1]) != RESPONDER)
                w->state = FCGI_ALIEN;
        }
        w->params += r.type == PARAMS ? r.length : 0;
        w->params_ended |= r.type == PARAMS && r.length == 0;
        w->body += r.type == STDIN ? r.length : 0;
        w->at += r.size;
        if (r.type == STDIN && r.length == 0)
            w->state = !params_sound(w, arrived) ? FCGI_ALIEN : w->at == arrived.len ? FCGI_WHOLE : FCGI_TRAILED;
    }
}

int fcgi_record_content(struct span whole, unsigned type, size_t most, struct buf *out)
{
    for (size_t at = 0; whole.len - at >= HEADER;) {
        struct record r = record_at(whole, at);
        at += r.size;
        size_t left = most - out->len, n = r.length < left ? r.length : left;
        if (r.type != type || !n)
            continue;
        if (buf_room(out, n, most) < n)
            return -1;
        memcpy(out->at + out->len, r.content, n);
        out->len += n;
    }
    return 0;
}

static bool take_length(struct span *params, size_t *length)
{
    const unsigned char *at = (const unsigned char *)params->at;
    size_t used = params->len && at[0] < 0x80 ? 1 : 4;
    if (params->len < used)
        return false;
    *length = used == 1 ? at[0] : (size_t)(at[0] & 0x7f) << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    *params = (struct span){params->at + used, params->len - used};
    return true;
}

bool fcgi_record_variable(struct span *params, struct span *name, struct span *value)
{
    if (!take_length(params, &name->len) || !take_length(params, &value->len) || name->len > params->len ||
        value->len > params->len - name->len)
        return false;
    name->at = params->at;
    value->at = params->at + name->len;
    size_t used = name->len + value->len;
    *params = (struct span){params->at + used, params->len - used};
    return true;
}

void fcgi_record_head(char out[FCGI_RECORD_HEADER], unsigned type, unsigned id, size_t length)
{
    const unsigned char head[HEADER] = {VERSION,           (unsigned char)type,          (unsigned char)(id >> 8),
                                        (unsigned char)id, (unsigned char)(length >> 8), (unsigned char)length};
    memcpy(out, head, sizeof head);
}
