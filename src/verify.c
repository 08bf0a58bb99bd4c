/* SPDX-License-Identifier: MIT
 * verify: HMAC-SHA256 over the raw bytes, against every secret. */
#include "verify.h"

#include "hex.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

struct verified {
    struct span body;
    const char *endpoint, *secret;
    uint8_t signature[VERIFY_DIGEST];
};

struct key {
    const char *endpoint, *name;
    EVP_MAC_CTX *mac; /* keyed once; a start without a key uses it again */
};

struct verifier {
    struct verified slots[VERIFY_BATCH_MAX];
    size_t n;
    struct key keys[];
};

static EVP_MAC_CTX *derive(EVP_MAC *hmac, struct span secret)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    if (mac && !EVP_MAC_init(mac, (const unsigned char *)secret.at, secret.len, params)) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    return mac;
}

int verify_open(struct verifier **out, const struct verify_secret *secrets, size_t n, struct err *e)
{
    *out = NULL;
    if (n == 0)
        return err_set(e, ERR_SECRETS, "no secret is in force; put the webhook's secret into the secret file");
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    struct verifier *v = calloc(1, sizeof *v + n * sizeof *v->keys);
    int result = -1;
    if (!hmac || !v) {
        err_set(e, ERR_MEMORY, "preparing HMAC-SHA256: out of memory, or OpenSSL has no HMAC");
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (secrets[i].value.len == 0) { /* an empty key would let anyone sign */
            err_set(e, ERR_SECRETS, "secret %s of endpoint %s is empty", secrets[i].name, secrets[i].endpoint);
            goto out;
        }
        struct key *key = &v->keys[v->n++];
        *key = (struct key){secrets[i].endpoint, secrets[i].name, derive(hmac, secrets[i].value)};
        if (!key->mac) {
            err_set(e, ERR_MEMORY, "deriving a key: OpenSSL refused");
            goto out;
        }
    }
    *out = v;
    v = NULL;
    result = 0;
out:
    verify_close(v);
    EVP_MAC_free(hmac);
    return result;
}

void verify_close(struct verifier *v)
{
    for (size_t i = 0; v && i < v->n; i++)
        EVP_MAC_CTX_free(v->keys[i].mac); /* cleanses the key */
    free(v);
}

static int digest_of(struct key *key, struct span body, uint8_t digest[VERIFY_DIGEST], struct err *e)
{
    size_t len = 0;
    if (!EVP_MAC_init(key->mac, NULL, 0, NULL) ||
        !EVP_MAC_update(key->mac, (const unsigned char *)body.at, body.len) ||
        !EVP_MAC_final(key->mac, digest, &len, VERIFY_DIGEST) || len != VERIFY_DIGEST)
        return err_set(e, ERR_MEMORY, "computing HMAC-SHA256: OpenSSL refused");
    return 0;
}

int verify_sign(struct verifier *v, size_t n, struct span body, uint8_t digest[VERIFY_DIGEST], struct err *e)
{
    return digest_of(&v->keys[n], body, digest, e);
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
        if (digest_of(&v->keys[i], body, digest, e) != 0)
            return NULL;
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
    return good;
}

struct span verified_body(const struct verified *b) { return b->body; }
const char *verified_endpoint(const struct verified *b) { return b->endpoint; }
const char *verified_secret(const struct verified *b) { return b->secret; }
const uint8_t *verified_signature(const struct verified *b) { return b->signature; }

int verify_sha256(struct span bytes, uint8_t digest[VERIFY_DIGEST], struct err *e)
{
    unsigned len = 0;
    if (!EVP_Digest(bytes.at, bytes.len, digest, &len, EVP_sha256(), NULL) || len != VERIFY_DIGEST)
        return err_set(e, ERR_MEMORY, "computing SHA-256: OpenSSL refused");
    return 0;
}
