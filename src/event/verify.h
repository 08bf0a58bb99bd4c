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

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

enum { VERIFY_DIGEST = 32 /* bytes */, VERIFY_BATCH_MAX = 64 };

/*
 * What is kept of a secret: SHA-256 states after HMAC's inner and outer pads. They can sign, but do not give the secret
 * away. Equal for equal secrets.
 */
struct verify_key {
    uint32_t inner[8], outer[8];
};
void verify_key(struct verify_key *key, struct span secret); /* leaves no copy of the secret behind */

/* A named key. */
struct verify_named {
    const char *endpoint, *name;  /* borrowed for the life of the verifier */
    const struct verify_key *key; /* borrowed until verify_open returns */
};

struct verifier;

/*
 * in:     keys  n >= 1 of them, copied
 * out:    0 and *v, to be closed
 * errors: ERR_SECRETS  there is none, or one of an empty secret;  ERR_MEMORY
 */
int verify_open(struct verifier **v, const struct verify_named *keys, size_t n, struct err *e);
/* One without keys, which no body passes: for verify_trusted alone. */
int verify_open_keyless(struct verifier **v, struct err *e);
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
 * Take a body for verified that this store has kept, or whose owner vouches for it: never one from outside. Callers are
 * in the rooms tool, work, doctor and spool only (tests/lint/promises.t).
 * in:     slot       as above; endpoint and secret are borrowed as the body is, secret "" where none matched
 *         signature  VERIFY_DIGEST bytes, copied, or NULL
 */
const struct verified *verify_trusted(struct verifier *v, size_t slot, const char *endpoint, const char *secret,
                                      const uint8_t *signature, struct span body);

struct span verified_body(const struct verified *b);
const char *verified_endpoint(const struct verified *b);
const char *verified_secret(const struct verified *b);
const uint8_t *
verified_signature(const struct verified *b); /* VERIFY_DIGEST bytes; NULL: of a trusted body that has none */

/* Sign a body with the n-th key given to verify_open. */
void verify_sign(const struct verifier *v, size_t n, struct span body, uint8_t digest[VERIFY_DIGEST]);

/* Plain SHA-256, for recognising a payload that was erased. */
void verify_sha256(struct span bytes, uint8_t digest[VERIFY_DIGEST]);

#endif
