/* SPDX-License-Identifier: MIT
 * fuzz: a CGI's request, four lines and a body: whatever comes is answered by one whole answer, and a signed body by a
 * 2xx. The lines are REQUEST_METHOD, the signature ("live" and "sandbox": the right one), CONTENT_LENGTH, REMOTE_ADDR. */
#include "web/cgi.h"
#include "folder.h"
#include "fuzz.h"
#include "verifier.h"
#include "base/hex.h"

#include <cjson/cJSON.h>
#include <sys/mman.h>

enum { NOW_MS = 1770000000, MAX_BODY = 1024, OUT_MAX = 8192, RUNS_MAX = 500 };

static const struct verifier_secret secrets[] = {
    {"live", "main", {FUZZ_SECRET, sizeof FUZZ_SECRET - 1}},
    {"sandbox", "main", {"sandbox-" FUZZ_SECRET, sizeof "sandbox-" FUZZ_SECRET - 1}},
};

static struct span line(struct span *rest)
{
    const char *end = rest->len ? memchr(rest->at, '\n', rest->len) : NULL;
    struct span text = fuzz_take(rest, end ? (size_t)(end - rest->at) : rest->len);
    fuzz_take(rest, 1);
    return text;
}

static void put(const char *name, struct span value)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)value.len, value.at ? value.at : "");
    if (*text == '-' && !text[1])
        unsetenv(name);
    else
        setenv(name, text, 1);
}

/* Which of our secrets signs this, -1: none. */
static int signer(struct span word)
{
    for (int i = 0; i < 2; i++)
        if (span_equal(word, span_of(secrets[i].endpoint)))
            return i;
    return -1;
}

static void put_signature(struct span word, struct span body)
{
    static struct verifier *verifier;
    struct err e;
    char text[2 * VERIFY_DIGEST + 1];
    uint8_t digest[VERIFY_DIGEST];
    if (!verifier)
        FUZZ_CHECK(verifier_open(&verifier, secrets, 2, &e) == 0);
    int who = signer(word);
    if (who >= 0) {
        verify_sign(verifier, (size_t)who, body, digest);
        hex_encode(digest, sizeof digest, text);
    }
    put("HTTP_COMPLYCUBE_SIGNATURE", who >= 0 ? span_of(text) : word);
}

static void open_receiver(struct receiver *r)
{
    static char conf[FOLDER_PATH];
    static unsigned runs;
    char path[FOLDER_PATH];
    struct config_env env = {.config = conf};
    struct err e;
    if (!*conf) {
        const char text[] = "database = \"inbox.db\"\nlog = \"/dev/null\"\nmax_body = \"1K\"\njournal = \"delete\"\n"
                            "sandbox = \"off\"\n" /* this process goes on */
                            "endpoint live { secret_file = \"live\" }\n"
                            "endpoint sandbox { secret_file = \"sandbox\"\n events = {\"a\", \"b.c\"} }\n";
        folder_write(folder_path(path, "live"), span_of("main " FUZZ_SECRET "\n"), 0600);
        folder_write(folder_path(path, "sandbox"), span_of("main sandbox-" FUZZ_SECRET "\n"), 0600);
        folder_write(folder_path(conf, "complycube-webhook.conf"), span_of(text), 0600);
    }
    if (++runs % RUNS_MAX == 0)
        unlink(folder_path(path, "inbox.db"));
    FUZZ_CHECK(receiver_open(r, &env, true, NOW_MS, &e) == 0 && r->config->error.code == ERR_NONE);
}

/* Run it with its input and output in memory; what it wrote is at `out`. */
static size_t run(struct span body, char out[OUT_MAX])
{
    static int files[2] = {-1, -1};
    int kept[2] = {dup(0), dup(1)};
    struct receiver r;
    for (int i = 0; i < 2; i++) {
        if (files[i] < 0)
            files[i] = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_CHECK(ftruncate(files[i], 0) == 0 && lseek(files[i], 0, SEEK_SET) == 0);
    }
    FUZZ_CHECK(pwrite(files[0], body.at ? body.at : "", body.len, 0) == (ssize_t)body.len);
    open_receiver(&r);
    fflush(stdout);
    FUZZ_CHECK(dup2(files[0], 0) == 0 && dup2(files[1], 1) == 1);
    int result = web_cgi(&r);
    FUZZ_CHECK(dup2(kept[0], 0) == 0 && dup2(kept[1], 1) == 1 && close(kept[0]) == 0 && close(kept[1]) == 0);
    FUZZ_CHECK(result == 0 && lseek(files[0], 0, SEEK_CUR) == (off_t)body.len);
    receiver_close(&r);
    ssize_t n = pread(files[1], out, OUT_MAX - 1, 0);
    FUZZ_CHECK(n > 0);
    out[n] = '\0';
    return (size_t)n;
}

static int check_answer(const char *out, size_t n, bool head, bool text)
{
    int status = 0;
    unsigned length = 0;
    const char *body = strstr(out, "\r\n\r\n"), *told = strstr(out, "\r\nContent-Length: ");
    FUZZ_CHECK(sscanf(out, "Status: %d ", &status) == 1 && status >= 200 && status < 600);
    FUZZ_CHECK(body && told && sscanf(told, "\r\nContent-Length: %u", &length) == 1);
    body += 4;
    FUZZ_CHECK((size_t)(out + n - body) == (head ? 0 : length));
    cJSON *tree = cJSON_Parse(body);
    FUZZ_CHECK(head || text || (tree && cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(tree, "received"))));
    cJSON_Delete(tree);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size};
    struct span method = line(&rest), signature = line(&rest), length = line(&rest), remote = line(&rest);
    char out[OUT_MAX];
    put("REQUEST_METHOD", method);
    put("CONTENT_LENGTH", length);
    put("REMOTE_ADDR", remote);
    put_signature(signature, rest);
    size_t n = run(rest, out);
    const char *given = getenv("REQUEST_METHOD");
    bool post = given && strcmp(given, "POST") == 0, head = given && strcmp(given, "HEAD") == 0;
    bool get = given && strcmp(given, "GET") == 0;
    int status = check_answer(out, n, head, get);
    if (head || get)
        FUZZ_CHECK(status == 200 || status == 503); /* 503: there is no database yet */
    else if (!post)
        FUZZ_CHECK(status == 405);
    else if (rest.len > MAX_BODY)
        FUZZ_CHECK(status == 413);
    else if (signer(signature) >= 0)
        FUZZ_CHECK(status == 200 || status == 202);
    else
        FUZZ_CHECK(status == 400);
    return 0;
}
