/* SPDX-License-Identifier: MIT
 *
 * http_impl: what the requests of this room share of libcurl.
 */
#ifndef HTTP_IMPL_H
#define HTTP_IMPL_H

#include "http.h"

#include <curl/curl.h>

/* Is it http:// or https://? errors: ERR_USAGE */
int http_check_url(const char *url, struct err *e);

/* Can https:// be asked: is there a list of authorities? errors: ERR_CONFIG */
int http_check_authorities(const char *url, const char *given, struct err *e);

/*
 * The CA bundle: the given file, else the one that libcurl was built for, else the first that
 * is found of those that systems keep. NULL: none.
 */
const char *http_authorities(const char *given);

/* A handle for http and https alone, with our User-Agent, the authorities and these limits of time. NULL: memory is out. */
CURL *http_handle(const char *ca_file, int64_t timeout_s);

/* What an answer's Retry-After asks for, an hour at most; 0: nothing */
int64_t http_retry_after_ms(CURL *easy);

/* Where a redirect points to, without what may be secret in it: user, password, query. */
void http_show_redirect(char *out, size_t size, const char *to);

#endif
