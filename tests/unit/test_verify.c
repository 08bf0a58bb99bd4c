/* SPDX-License-Identifier: MIT
 * verify: the vendor's own vector, all 26 example events, and what must be refused. */
#include "base/files.h"
#include "unit.h"
#include "verifier.h"

#define GOOD "bc00414fa4d54277a3ed01e5ee258d9800a918a7791c7cda16d38b82f38f2150"

static struct verifier *verifier_of(struct span secret)
{
    struct verifier *v;
    struct err e;
    const struct verifier_secret secrets[] = {{"live", "old", TEXT("another secret")}, {"live", "main", secret}};
    assert_int_equal(verifier_open(&v, secrets, 2, &e), 0);
    return v;
}

/* source: github.com/complycube/complycube-php, tests/unit/EventVerifierTest.php */
static void the_vendors_vector_is_accepted(void **state)
{
    (void)state;
    struct err e;
    struct verifier *v = verifier_of(TEXT("a_webhook_signature"));
    const struct span forms[] = {TEXT(GOOD), TEXT(" \t" GOOD " \t "),
                                 TEXT("BC00414FA4D54277A3ED01E5EE258D9800A918A7791C7CDA16D38B82F38F2150")};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct verified *good = verify_body(v, i, forms[i], TEXT("{\"id\":\"value\"}"), &e);
        assert_non_null(good);
        assert_string_equal(verified_endpoint(good), "live");
        assert_string_equal(verified_secret(good), "main");
        assert_int_equal(verified_body(good).len, 14);
        assert_memory_equal(verified_signature(good), "\xbc\x00\x41\x4f", 4);
    }
    verify_close(v);
}

static void wrong_signatures_are_refused(void **state)
{
    (void)state;
    struct err e;
    struct verifier *v = verifier_of(TEXT("a_webhook_signature"));
    const struct span forms[] = {
        {0},
        TEXT(""),
        TEXT(" "),
        TEXT("ac00414fa4d54277a3ed01e5ee258d9800a918a7791c7cda16d38b82f38f2150"),
        TEXT("bc00414fa4d54277a3ed01e5ee258d9800a918a7791c7cda16d38b82f38f2151"),
        TEXT("bc00414fa4d54277a3ed01e5ee258d9800a918a7791c7cda16d38b82f38f215"),
        TEXT(GOOD "0"),
        TEXT(GOOD ", " GOOD),
        TEXT("sha256=" GOOD),
        TEXT("\"" GOOD "\""),
        TEXT(GOOD "\n"),
        TEXT(GOOD "\0"),
        TEXT("zc00414fa4d54277a3ed01e5ee258d9800a918a7791c7cda16d38b82f38f2150"),
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        assert_null(verify_body(v, 0, forms[i], TEXT("{\"id\":\"value\"}"), &e));
        assert_int_equal(e.code, ERR_SIGNATURE);
    }
    assert_null(verify_body(v, 0, TEXT(GOOD), TEXT("{\"id\":\"valuf\"}"), &e));
    assert_null(verify_body(v, 0, TEXT(GOOD), TEXT(""), &e));
    verify_close(v);
}

/* source: RFC 4231, test cases 1 to 3, 6 and 7: short and long keys and data */
static void the_vectors_of_rfc_4231_hold(void **state)
{
    (void)state;
    char k20[20], kaa[131], data50[50];
    memset(k20, 0x0b, sizeof k20);
    memset(kaa, 0xaa, sizeof kaa);
    memset(data50, 0xdd, sizeof data50);
    const struct {
        struct span key, data;
        const char *digest;
    } cases[] = {
        {{k20, 20}, TEXT("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {TEXT("Jefe"), TEXT("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{kaa, 20}, {data50, 50}, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {{kaa, 131},
         TEXT("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {{kaa, 131},
         TEXT("This is a test using a larger than block-size key and a larger than block-size data. The key needs to "
              "be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verifier *v;
        struct err e;
        const struct verifier_secret secret = {"live", "main", cases[i].key};
        assert_int_equal(verifier_open(&v, &secret, 1, &e), 0);
        assert_non_null(verify_body(v, 0, span_of(cases[i].digest), cases[i].data, &e));
        assert_non_null(verify_body(v, 0, span_of(cases[i].digest), cases[i].data, &e)); /* the key is as it was */
        verify_close(v);
    }
}

static void an_empty_or_missing_secret_is_no_open_door(void **state) /* promise 7 */
{
    (void)state;
    struct verifier *v;
    struct err e;
    const struct verifier_secret empty = {"live", "main", TEXT("")};
    assert_int_equal(verifier_open(&v, &empty, 1, &e), -1);
    assert_int_equal(e.code, ERR_SECRETS);
    assert_int_equal(verifier_open(&v, NULL, 0, &e), -1);
    assert_int_equal(e.code, ERR_SECRETS);
}

static void every_example_event_verifies(void **state)
{
    (void)state;
    struct err e;
    struct verifier *v = verifier_of(TEXT("akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH"));
    char line[200], name[100], signature[65], path[160];
    FILE *list = fopen("tests/vectors/SIGNATURES.tsv", "r");
    int n = 0;
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        struct buf body = {0};
        struct stat st;
        if (sscanf(line, "%99[^#\t]\t%64s", name, signature) != 2)
            continue;
        snprintf(path, sizeof path, "tests/vectors/%s", name);
        assert_int_equal(files_read_text(path, &body, &st, &e), 0);
        assert_non_null(verify_body(v, 0, span_of(signature), (struct span){body.at, body.len}, &e));
        body.at[body.len / 2] ^= 1;
        assert_null(verify_body(v, 0, span_of(signature), (struct span){body.at, body.len}, &e));
        buf_release(&body);
        n++;
    }
    fclose(list);
    assert_int_equal(n, 26);
    verify_close(v);
}

int main(void)
{
    const struct CMUnitTest verify[] = {
        cmocka_unit_test(the_vendors_vector_is_accepted),
        cmocka_unit_test(wrong_signatures_are_refused),
        cmocka_unit_test(the_vectors_of_rfc_4231_hold),
        cmocka_unit_test(an_empty_or_missing_secret_is_no_open_door),
        cmocka_unit_test(every_example_event_verifies),
    };
    return UNIT_RUN(verify);
}
