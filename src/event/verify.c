/* SPDX-License-Identifier: MIT
 * verify: HMAC-SHA256 over the raw bytes, against every secret. */
#include "verify.h"

#include "base/hex.h"

/*
 * The low-level functions of libcrypto, deprecated in favour of EVP but not gone: EVP fetches its algorithms at the
 * start of each process, and with it the whole library is loaded, which takes a CGI more time than all else it does.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

struct verified {
    struct span body;
    const char *endpoint, *secret;
    uint8_t signature[VERIFY_DIGEST];
    bool has_signature; /* a trusted body may have none */
};

struct key {
    const char *endpoint, *name;
    struct verify_key key;
};

struct verifier {
    struct verified slots[VERIFY_BATCH_MAX];
    size_t n;
    struct key keys[];
};

_Static_assert(sizeof(SHA_LONG) == sizeof(uint32_t), "a key is made of SHA-256's own words");

static void take_in(uint32_t state[8], const uint8_t block[SHA256_CBLOCK])
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, block, SHA256_CBLOCK);
    memcpy(state, sha.h, sizeof sha.h);
    OPENSSL_cleanse(&sha, sizeof sha);
}

/* SHA-256 that has taken in a block already. source: openssl/sha.h, struct SHA256state_st */
static SHA256_CTX go_on(const uint32_t state[8])
{
    SHA256_CTX sha = {.Nl = SHA256_CBLOCK * 8, .md_len = SHA256_DIGEST_LENGTH};
    memcpy(sha.h, state, sizeof sha.h);
    return sha;
}

/* What libcrypto's code for this processor has left on the stack. */
static __attribute__((noinline)) void wipe_stack(void)
{
    char left[2048];
    OPENSSL_cleanse(left, sizeof left);
}

/* source: RFC 2104, section 2 */
void verify_key(struct verify_key *key, struct span secret)
{
    uint8_t block[SHA256_CBLOCK] = {0};
    if (secret.len > sizeof block)
        verify_sha256(secret, block);
    else
        memcpy(block, secret.at, secret.len);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36;
    take_in(key->inner, block);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5c;
    take_in(key->outer, block);
    OPENSSL_cleanse(block, sizeof block);
    wipe_stack();
}

static void digest_of(const struct key *key, struct span body, uint8_t digest[VERIFY_DIGEST])
{
    SHA256_CTX sha = go_on(key->key.inner);
    SHA256_Update(&sha, body.at, body.len);
    SHA256_Final(digest, &sha);
    sha = go_on(key->key.outer);
    SHA256_Update(&sha, digest, VERIFY_DIGEST);
    SHA256_Final(digest, &sha); /* cleanses sha */
}

/* A key of an empty secret would let anyone sign. */
static int refuse_empty(const struct verify_named *keys, size_t n, struct err *e)
{
    struct verify_key empty;
    verify_key(&empty, (struct span){"", 0});
    for (size_t i = 0; i < n; i++)
        if (CRYPTO_memcmp(keys[i].key, &empty, sizeof empty) == 0)
            return err_set(e, ERR_SECRETS, "secret %s of endpoint %s is empty", keys[i].name, keys[i].endpoint);
    return 0;
}

int verify_open(struct verifier **out, const struct verify_named *keys, size_t n, struct err *e)
{
    *out = NULL;
    if (n == 0)
        return err_set(e, ERR_SECRETS, "no secret is in force; put the webhook's secret into the secret file");
    if (refuse_empty(keys, n, e) != 0)
        return -1;
    struct verifier *v = calloc(1, sizeof *v + n * sizeof *v->keys);
    if (!v)
        return err_set(e, ERR_MEMORY, "deriving keys: out of memory");
    v->n = n;
    for (size_t i = 0; i < n; i++)
        v->keys[i] = (struct key){keys[i].endpoint, keys[i].name, *keys[i].key};
    *out = v;
    return 0;
}

int verify_open_keyless(struct verifier **out, struct err *e)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : err_set(e, ERR_MEMORY, "starting: out of memory");
}

void verify_close(struct verifier *v)
{
    if (v)
        OPENSSL_cleanse(v->keys, v->n * sizeof *v->keys);
    free(v);
}

void verify_sign(const struct verifier *v, size_t n, struct span body, uint8_t digest[VERIFY_DIGEST])
{
    digest_of(&v->keys[n], body, digest);
}

const struct verified *verify_body(struct verifier *v, size_t slot, struct span signature, struct span body,
                                   struct err *e)
{
    struct verified *good = &v->slots[slot];
    const struct key *match = NULL;
    if (hex_decode(span_trim(signature), good->signature, VERIFY_DIGEST) != 0) {
        err_set(e, ERR_SIGNATURE, "the signature header is %s", signature.len ? "not 64 hex digits" : "missing");
        return NULL;
    }
    for (size_t i = 0; i < v->n; i++) { /* no early exit: time tells nothing */
        uint8_t digest[VERIFY_DIGEST];
        digest_of(&v->keys[i], body, digest);
        if (CRYPTO_memcmp(digest, good->signature, sizeof digest) == 0)
            match = &v->keys[i];
    }
    if (!match) {
        err_set(e, ERR_SIGNATURE, "the signature matches no secret in force");
        return NULL;
    }
    good->body = body;
    good->endpoint = match->endpoint;
    good->secret = match->name;
    good->has_signature = true;
    return good;
}

const struct verified *verify_trusted(struct verifier *v, size_t slot, const char *endpoint, const char *secret,
                                      const uint8_t *signature, struct span body)
{
    struct verified *good = &v->slots[slot];
    *good =
        (struct verified){.body = body, .endpoint = endpoint, .secret = secret, .has_signature = signature != NULL};
    if (signature)
        memcpy(good->signature, signature, VERIFY_DIGEST);
    return good;
}

struct span verified_body(const struct verified *b) { return b->body; }
const char *verified_endpoint(const struct verified *b) { return b->endpoint; }
const char *verified_secret(const struct verified *b) { return b->secret; }
const uint8_t *verified_signature(const struct verified *b) { return b->has_signature ? b->signature : NULL; }

void verify_sha256(struct span bytes, uint8_t digest[VERIFY_DIGEST])
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, bytes.at, bytes.len);
    SHA256_Final(digest, &sha);
}
