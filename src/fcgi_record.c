/* SPDX-License-Identifier: MIT
 * fcgi_record: is a whole FastCGI request here? */
#include "fcgi_record.h"

enum { VERSION = 1, HEADER = 8, BEGIN = 1, ABORT = 2, PARAMS = 4, STDIN = 5, RESPONDER = 1, BEGIN_BODY = 8 };

/* Is this a record that a web server sends for the one request of a connection? */
static bool expected(const unsigned char *header, unsigned records, unsigned id, unsigned length)
{
    unsigned type = header[1];
    if (header[0] != VERSION)
        return false;
    if (records == 0)
        return type == BEGIN && length == BEGIN_BODY;
    return (type == PARAMS || type == STDIN) && id == (unsigned)(header[2] << 8 | header[3]);
}

struct fcgi_walk fcgi_record_walk(struct span arrived)
{
    const unsigned char *at = (const unsigned char *)arrived.at;
    size_t left = arrived.len;
    struct fcgi_walk walk = {FCGI_PARTIAL, 0};
    unsigned id = 0;
    while (left >= HEADER) {
        unsigned length = (unsigned)(at[4] << 8 | at[5]), size = HEADER + length + at[6];
        if (!expected(at, walk.records, id, length)) {
            walk.state = FCGI_ALIEN;
            return walk;
        }
        if (left < size)
            return walk;
        if (walk.records == 0) {
            id = (unsigned)(at[2] << 8 | at[3]);
            if ((at[8] << 8 | at[9]) != RESPONDER || id == 0) {
                walk.state = FCGI_ALIEN;
                return walk;
            }
        }
        walk.records++;
        if (at[1] == STDIN && length == 0) {
            walk.state = left == size ? FCGI_WHOLE : FCGI_TRAILED;
            return walk;
        }
        at += size;
        left -= size;
    }
    return walk;
}
