/* SPDX-License-Identifier: MIT
 *
 * api_answer: what an answer of the API means, and the API's own words for what it refused.
 */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "base/err.h"
#include "http/http_call.h"

#include <stdbool.h>

struct api_asked {
    const char *whose, *path;
    const char *key; /* which no message has, even if the API repeats it */
    bool object;     /* by its id */
};

/* 0 for a 2xx, else -1 and *e, as api.h says. The message has 200 bytes of the API's words at most. */
int api_answer_judge(const struct api_asked *asked, const struct http_reply *r, struct err *e);

#endif
