/* SPDX-License-Identifier: MIT
 * fuzz: a header verifies a body exactly when it is the HMAC under a secret in force, as OpenSSL's own HMAC says. */
#include "fuzz.h"
#include "verifier.h"
#include "base/hex.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct verifier_secret secrets[] = {
    {"live", "main", {FUZZ_SECRET, sizeof FUZZ_SECRET - 1}},
    {"live",
     "long",
     {"a secret of more than the 64 bytes of a block of SHA-256, which is hashed before it is used", 90}},
    {"sandbox", "short", {"x", 1}},
};
enum { SECRETS = sizeof secrets / sizeof *secrets };

static struct verifier *verifier;

/* The header: as given, or made from the right one, so that most of it is right. */
static size_t make_header(struct span *rest, unsigned mode, const char right[65], char header[256])
{
    struct span given = fuzz_take(rest, fuzz_byte(rest));
    if ((mode & 7) < SECRETS + 1 && (mode & 7) > 0) {
        size_t blanks = mode >> 6, n = (size_t)sprintf(header, "%.*s%s", (int)blanks, " \t ", right);
        for (size_t i = 0; i < n && mode & 8; i++)
            header[i] = (char)toupper((unsigned char)header[i]);
        if (mode & 16 && given.len >= 2)
            header[(unsigned char)given.at[0] % n] = given.at[1];
        if (mode & 32)
            header[n++] = '\t';
        return n;
    }
    memcpy(header, given.at, given.len);
    return given.len;
}

static int value_of(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Is it 64 digits between blanks, and are they this digest? */
static bool is_right(const char *header, size_t n, const uint8_t digest[VERIFY_DIGEST])
{
    size_t from = 0, to = n;
    while (from < to && (header[from] == ' ' || header[from] == '\t'))
        from++;
    while (to > from && (header[to - 1] == ' ' || header[to - 1] == '\t'))
        to--;
    if (to - from != 64)
        return false;
    for (size_t i = 0; i < 64; i++)
        if (value_of(header[from + i]) != (i % 2 ? digest[i / 2] & 15 : digest[i / 2] >> 4))
            return false;
    return true;
}

/* Promise 7: without a secret, or with an empty one, there is nothing to verify with. */
static void start(void)
{
    struct err e;
    const struct verifier_secret empty[] = {secrets[0], {"live", "empty", {"", 0}}};
    FUZZ_CHECK(verifier_open(&verifier, secrets, 0, &e) != 0 && !verifier && e.code == ERR_SECRETS);
    FUZZ_CHECK(verifier_open(&verifier, empty, 2, &e) != 0 && !verifier && e.code == ERR_SECRETS);
    FUZZ_CHECK(verifier_open(&verifier, secrets, SECRETS, &e) == 0);
}

/* What is ours already is as what was verified. */
static void check_trusted(const struct verified *v)
{
    static struct verifier *keyless;
    struct err e;
    if (!keyless)
        FUZZ_CHECK(verify_open_keyless(&keyless, &e) == 0);
    const struct verified *trusted =
        verify_trusted(keyless, 0, verified_endpoint(v), verified_secret(v), verified_signature(v), verified_body(v));
    FUZZ_CHECK(trusted && span_equal(verified_body(trusted), verified_body(v)));
    FUZZ_CHECK(memcmp(verified_signature(trusted), verified_signature(v), VERIFY_DIGEST) == 0);
    FUZZ_CHECK(verified_secret(trusted) == verified_secret(v) && verified_endpoint(trusted) == verified_endpoint(v));
    FUZZ_CHECK(!verify_body(keyless, 0, (struct span){0}, verified_body(v), &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size};
    struct err e = {0};
    if (!verifier)
        start();
    unsigned mode = fuzz_byte(&rest), which = (mode & 7) > 0 && (mode & 7) <= SECRETS ? (mode & 7) - 1 : 0;
    char header[256], right[65];
    struct span given = rest;
    fuzz_take(&given, fuzz_byte(&given)); /* what make_header takes */
    uint8_t digests[SECRETS][VERIFY_DIGEST], ours[VERIFY_DIGEST];
    unsigned len;
    for (size_t i = 0; i < SECRETS; i++) {
        HMAC(EVP_sha256(), secrets[i].value.at, (int)secrets[i].value.len, (const unsigned char *)given.at, given.len,
             digests[i], &len);
        verify_sign(verifier, i, given, ours);
        FUZZ_CHECK(memcmp(ours, digests[i], VERIFY_DIGEST) == 0);
    }
    hex_encode(digests[which], VERIFY_DIGEST, right);
    size_t n = make_header(&rest, mode, right, header);
    char *exact = fuzz_copy((struct span){header, n});
    const struct verified *v = verify_body(verifier, mode % VERIFY_BATCH_MAX, (struct span){exact, n}, rest, &e);
    const struct verifier_secret *match = NULL;
    for (size_t i = 0; i < SECRETS; i++)
        if (is_right(exact, n, digests[i]))
            match = &secrets[i];
    FUZZ_CHECK((v != NULL) == (match != NULL));
    if (v) {
        FUZZ_CHECK(strcmp(verified_secret(v), match->name) == 0 &&
                   strcmp(verified_endpoint(v), match->endpoint) == 0);
        FUZZ_CHECK(memcmp(verified_signature(v), digests[match - secrets], VERIFY_DIGEST) == 0);
        FUZZ_CHECK(verified_body(v).at == rest.at && verified_body(v).len == rest.len);
        check_trusted(v);
    } else
        FUZZ_CHECK(e.code == ERR_SIGNATURE);
    free(exact);
    return 0;
}
