/* SPDX-License-Identifier: MIT
 *
 * verify: is this body signed with one of our secrets? HMAC-SHA256 over the raw bytes.
 *
 * The only user of OpenSSL, and the only maker of a struct verified: whoever wants to interpret a body must
 * show one, so that parsing before the signature matched does not compile.
 *
 * Never tells anyone which part of a signature was wrong. Every secret is tried, also after a match, and
 * digests are compared in constant time. Not for use from two threads at once.
 *
 * source: docs.complycube.com, "Webhooks": hex HMAC-SHA256 of the body, keyed with the secret's text
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "err.h"
#include "span.h"

#include <stdint.h>

enum { VERIFY_DIGEST = 32 /* bytes */, VERIFY_BATCH_MAX = 64 };

/* A named secret. */
struct verify_secret {
    const char *endpoint, *name; /* borrowed for the life of the verifier */
    struct span value;           /* borrowed until verify_open returns; at least one byte */
};

struct verifier;

/*
 * Derive the keys of n secrets, n >= 1.
 * out:    0 and *v, to be closed
 * errors: ERR_SECRETS  none, or an empty one;  ERR_MEMORY
 */
int verify_open(struct verifier **v, const struct verify_secret *secrets, size_t n, struct err *e);
void verify_close(struct verifier *v); /* wipes the keys; NULL is legal */

/* A body whose signature matched; it borrows the body, and belongs to the verifier. */
struct verified;

/*
 * Verify one body.
 * in:     slot       0 .. VERIFY_BATCH_MAX - 1; the result lives until this slot is used again
 *         signature  the header's value: 64 hex digits of either case, spaces and tabs around them
 * errors: ERR_SIGNATURE  missing, malformed or matching no secret
 * cost:   one HMAC of the body for each secret, however early one matches; allocates nothing
 */
const struct verified *verify_body(struct verifier *v, size_t slot, struct span signature, struct span body,
                                   struct err *e);

/*
 * A body that is ours already, as one that had been verified: kept by the receiver, or vouched for by a person. Only
 * for the tool's commands and the reader of a spool (tests/lint/promises.t): nothing that comes from a request.
 * in:      endpoint, secret, body  borrowed; signature VERIFY_DIGEST bytes, copied
 * out:     to be freed with verify_trusted_free; NULL when memory is out
 */
struct verified *verify_trusted(const char *endpoint, const char *secret, const uint8_t *signature, struct span body);
void verify_trusted_free(struct verified *b); /* NULL is legal */

struct span verified_body(const struct verified *b);
const char *verified_endpoint(const struct verified *b);
const char *verified_secret(const struct verified *b);
const uint8_t *verified_signature(const struct verified *b); /* VERIFY_DIGEST bytes */

/* Sign a body with the n-th secret given to verify_open. */
void verify_sign(const struct verifier *v, size_t n, struct span body, uint8_t digest[VERIFY_DIGEST]);

/* Plain SHA-256, for recognising a payload that was erased. */
void verify_sha256(struct span bytes, uint8_t digest[VERIFY_DIGEST]);

#endif
