/* SPDX-License-Identifier: MIT
 * example: events as ComplyCube sends them, one of each known type. */
#include "example.h"

#include "base/hex.h"
#include "base/print.h"

#include <time.h>

enum { BEFORE_MS = 40000 /* how long before the event its resource was made */ };

/* In a payload stands $R for the id of the resource, $C for its client's, $X for another id, $B for when it was made
 * and $N for now. */
#define CHECK(status, more) \
    "check", "{\"id\":\"$R\",\"clientId\":\"$C\",\"enableMonitoring\":false,\"status\":\"" status "\"" more \
             ",\"createdAt\":\"$B\",\"updatedAt\":\"$N\"}"
#define OUTCOME(outcome) ",\"outcome\":\"" outcome "\""
#define SESSION(status, more) \
    "workflowSession", "{\"id\":\"$R\",\"clientId\":\"$C\",\"status\":\"" status "\"" more \
                       ",\"createdAt\":\"$B\",\"updatedAt\":\"$N\"}"
#define CREATED(resource, members) resource, "{\"id\":\"$R\"," members ",\"createdAt\":\"$N\",\"updatedAt\":\"$N\"}"
#define UPDATED(resource, members) resource, "{\"id\":\"$R\"," members ",\"updatedAt\":\"$N\"}"
#define DELETED(resource) resource, "{\"id\":\"$R\"}"

static const struct {
    const char *type, *resource, *payload;
} kinds[] = {
    {"check.pending", CHECK("pending", "")},
    {"check.completed", CHECK("complete", OUTCOME("clear"))},
    {"check.completed.clear", CHECK("complete", OUTCOME("clear"))},
    {"check.completed.attention", CHECK("complete", OUTCOME("attention"))},
    {"check.completed.rejected", CHECK("complete", OUTCOME("rejected"))},
    {"check.completed.match_confirmed", CHECK("complete", OUTCOME("match_confirmed"))},
    {"check.monitoring.attention", CHECK("complete", OUTCOME("attention"))},
    {"check.failed", CHECK("failed", "")},
    {"check.updated", CHECK("complete", OUTCOME("clear"))},
    {"client.created", CREATED("client", "\"type\":\"person\",\"email\":\"john.doe@example.com\","
                                         "\"personDetails\":{\"firstName\":\"John\",\"lastName\":\"Doe\"}")},
    {"client.updated", UPDATED("client", "\"personDetails\":{\"lastName\":\"M\xc3\xbcller-\xc5\x9e"
                                         "ahin\"}")},
    {"client.deleted", DELETED("client")},
    {"document.created",
     CREATED("document", "\"clientId\":\"$C\",\"type\":\"driving_license\",\"classification\":\"proof_of_identity\","
                         "\"issuingCountry\":\"GB\"")},
    {"document.updated", UPDATED("document", "\"issuingCountry\":\"FR\"")},
    {"document.updated.image_uploaded",
     UPDATED("document", "\"images\":[{\"id\":\"$X\",\"documentSide\":\"front\"}]")},
    {"document.updated.image_deleted", UPDATED("document", "\"images\":[]")},
    {"document.deleted", DELETED("document")},
    {"address.created", CREATED("address", "\"clientId\":\"$C\",\"type\":\"main\",\"propertyNumber\":\"Flat 323\","
                                           "\"line\":\"Common street\",\"city\":\"Aldgate\",\"state\":\"London\","
                                           "\"postalCode\":\"W10 11L\",\"country\":\"GB\"")},
    {"address.updated", UPDATED("address", "\"postalCode\":\"EC1A 1BB\"")},
    {"address.deleted", DELETED("address")},
    {"workflow.session.started", SESSION("started", "")},
    {"workflow.session.cancelled", SESSION("cancelled", "")},
    {"workflow.session.processing", SESSION("processing", "")},
    {"workflow.session.completed", SESSION("complete", OUTCOME("clear"))},
    {"workflow.session.updated", SESSION("complete", OUTCOME("attention"))},
    {"workflow.session.abandoned", SESSION("abandoned", "")},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static size_t find_kind(const char *type)
{
    size_t i = 0;
    while (i < KINDS && strcmp(kinds[i].type, type) != 0)
        i++;
    return i;
}

const char *example_type(size_t n) { return n < KINDS ? kinds[n].type : NULL; }

bool example_has(const char *type) { return find_kind(type) < KINDS; }

static bool draw(struct example *x, char id[EXAMPLE_ID + 1])
{
    uint8_t bytes[EXAMPLE_ID / 2];
    if (fread(bytes, 1, sizeof bytes, x->random) != sizeof bytes)
        return false;
    hex_encode(bytes, sizeof bytes, id);
    return true;
}

int example_open(struct example *x, struct err *e)
{
    x->random = fopen("/dev/urandom", "rbe");
    if (x->random && draw(x, x->client))
        return 0;
    example_close(x);
    return err_set(e, ERR_SYSTEM, "nothing random can be read from /dev/urandom, and so no id be made");
}

void example_close(struct example *x)
{
    if (x->random)
        fclose(x->random);
    x->random = NULL;
}

/* "2026-01-29T20:32:22.004Z" */
static void write_time(FILE *to, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[32] = "";
    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + strlen(text), sizeof text - strlen(text), ".%03dZ", (int)(ms % 1000));
    print_to(to, "%s", text);
}

static void put_payload(FILE *to, const struct example *x, const char *payload, char ids[3][EXAMPLE_ID + 1],
                        int64_t now_ms)
{
    for (const char *at = payload; *at; at++) {
        if (*at != '$') {
            print_bytes(to, (struct span){at, 1});
            continue;
        }
        switch (*++at) {
        case 'R': print_to(to, "%s", ids[1]); break;
        case 'X': print_to(to, "%s", ids[2]); break;
        case 'C': print_to(to, "%s", x->client); break;
        default: write_time(to, *at == 'B' ? now_ms - BEFORE_MS : now_ms);
        }
    }
}

size_t example_write(struct example *x, const char *type, int64_t now_ms, char out[EXAMPLE_MAX], struct err *e)
{
    size_t kind = find_kind(type);
    char ids[3][EXAMPLE_ID + 1]; /* of the event, its resource, and one more */
    if (kind == KINDS) {
        err_set(e, ERR_NOT_FOUND, "there is no example of the type %.64s", type);
        return 0;
    }
    for (int i = 0; i < 3; i++)
        if (!draw(x, ids[i])) {
            err_set(e, ERR_SYSTEM, "nothing random can be read from /dev/urandom");
            return 0;
        }
    FILE *to = fmemopen(out, EXAMPLE_MAX, "w");
    if (!to) {
        err_set(e, ERR_MEMORY, "writing an example: out of memory");
        return 0;
    }
    print_to(to, "{\"id\":\"%s\",\"type\":\"%s\",\"resourceType\":\"%s\",\"payload\":", ids[0], kinds[kind].type,
             kinds[kind].resource);
    put_payload(to, x, kinds[kind].payload, ids, now_ms);
    print_to(to, ",\"createdAt\":\"");
    write_time(to, now_ms);
    print_to(to, "\"}");
    long length = ftell(to);
    fclose(to);
    return length > 0 ? (size_t)length : 0;
}
