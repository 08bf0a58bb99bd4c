/* SPDX-License-Identifier: MIT
 * fuzz: a file of the spool is taken only as what this program writes: each byte of its head is as it would be written
 * again, and its body is the rest. */
#include "spool/spool.h"
#include "fuzz.h"
#include "base/hex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char head[600];
    uint8_t digest[VERIFY_DIGEST];
    struct span text = {(const char *)data, size};
    struct spool_entry v = {.received_ms = 0};
    struct err e = {0};
    if (spool_parse(text, &v, &e) != 0) {
        FUZZ_CHECK(e.code == ERR_UNDECODABLE && *e.msg);
        return 0;
    }
    FUZZ_CHECK(v.received_ms >= 0 && !v.data.at);
    FUZZ_CHECK(text_is_name(span_of(v.endpoint)) && text_is_name(span_of(v.secret)));
    FUZZ_CHECK(hex_decode(span_of(v.signature), digest, sizeof digest) == 0);
    FUZZ_CHECK(v.body.len <= size && v.body.at + v.body.len == text.at + size);
    int n = snprintf(head, sizeof head,
                     "complycube-spool 1\nreceived_ms %lld\nendpoint %s\nsecret %s\nsignature %s\nlength %zu\n\n",
                     (long long)v.received_ms, v.endpoint, v.secret, v.signature, v.body.len);
    FUZZ_CHECK((size_t)n == size - v.body.len && memcmp(head, text.at, (size_t)n) == 0);
    return 0;
}
