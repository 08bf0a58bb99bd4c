/* SPDX-License-Identifier: MIT
 * verdict: the classes of what verify --stored finds. */
#include "verdict.h"

#include "base/print.h"
#include "json_out.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *words, *member; /* member: in --json, where the name is taken; else NULL */
    bool never;                        /* --allow does not take it */
} classes[VERDICT_CLASSES] = {
    [VERDICT_GOOD] = {"verified", "as they were signed", NULL, true},
    [VERDICT_RECONCILED] = {"reconciled", "made from ComplyCube's API, and as they were signed here", NULL, true},
    [VERDICT_ERASED] = {"erased", "erased: nothing is left to verify", NULL, false},
    [VERDICT_PRUNED] = {"pruned", "pruned: nothing is left to verify", NULL, false},
    [VERDICT_EMPTIED] = {"emptied", "emptied, and the history does not say by whom", NULL, false},
    [VERDICT_DIGEST] = {"digest", "emptied, and without the digest that recognizes a replay", NULL, false},
    [VERDICT_UNSIGNED] = {"unsigned", "imported without a signature", NULL, false},
    [VERDICT_UNKNOWN] = {"unknown", "signed with a secret that is in no file any more", NULL, false},
    [VERDICT_RENAMED] = {"renamed", "signed with another secret of the endpoint than the one it names", NULL, false},
    [VERDICT_TIME] = {"time", "received before it was made, or in the future", NULL, false},
    [VERDICT_INBOX] = {"inbox", "without a sound row in the inbox, or without an event for it", NULL, false},
    [VERDICT_SETTING] = {"setting", "settings, endpoints or secrets that cannot be right", NULL, false},
    [VERDICT_FILE] = {"file", "files of the directory that are of no event of the log", NULL, false},
    [VERDICT_QUARANTINED] = {"quarantined", "in quarantine", NULL, false},
    [VERDICT_SQL] = {"sql", "changed or removed by plain SQL: complycube-inbox history", NULL, false},
    [VERDICT_MOVED] = {"moved", "put into another state by plain SQL: complycube-inbox history", NULL, false},
    [VERDICT_HISTORY] = {"history", "rows that are missing in the history", NULL, false},
    [VERDICT_MISSING] = {"missing", "numbers that no event has: removed, or passed over by a restore", NULL, false},
    [VERDICT_SCHEMA] = {"schema", "tables, views or triggers that are not as this program makes them",
                        "schema_differs", true},
    [VERDICT_ALTERED] = {"altered", "not as they were signed", NULL, true},
};

const char *verdict_name(enum verdict_class c) { return classes[c].name; }
const char *verdict_words(enum verdict_class c) { return classes[c].words; }

bool verdict_fails(const struct verdict *v, enum verdict_class c)
{
    return c != VERDICT_GOOD && c != VERDICT_RECONCILED && !(v->allowed & (uint32_t)1 << c);
}

/* "a, b, c" of the classes that `wanted` says, at `to`, which is returned. */
static const char *list_classes(bool (*wanted)(const struct verdict *v, enum verdict_class c),
                                const struct verdict *v, char *to, size_t size)
{
    size_t len = 0;
    *to = '\0';
    for (int c = 0; c < VERDICT_CLASSES && len < size; c++)
        if (wanted(v, (enum verdict_class)c))
            len += (size_t)snprintf(to + len, size - len, "%s%s", len ? ", " : "", classes[c].name);
    return to;
}

static bool may_be_allowed(const struct verdict *v, enum verdict_class c)
{
    (void)v;
    return !classes[c].never;
}

static bool was_found(const struct verdict *v, enum verdict_class c) { return v->n[c] && verdict_fails(v, c); }

static int allow_one(struct verdict *v, struct span name, struct err *e)
{
    char names[240];
    for (int c = 0; c < VERDICT_CLASSES; c++)
        if (!classes[c].never && span_equal(name, span_of(classes[c].name))) {
            v->allowed |= (uint32_t)1 << c;
            return 0;
        }
    return err_set(e, ERR_USAGE, "--allow takes of these, with commas: %s",
                   list_classes(may_be_allowed, v, names, sizeof names));
}

int verdict_allow(struct verdict *v, const char *list, struct err *e)
{
    while (list) {
        size_t len = strcspn(list, ",");
        if (allow_one(v, (struct span){list, len}, e) != 0)
            return -1;
        list = list[len] ? list + len + 1 : NULL;
    }
    return 0;
}

void verdict_print(const struct verdict *v, bool json)
{
    struct json_out *j = json ? json_out_new() : NULL;
    if (j)
        json_out_number(j, "schema", 1);
    for (int c = 0; c < VERDICT_CLASSES; c++)
        if (j)
            json_out_number(j, classes[c].member ? classes[c].member : classes[c].name, v->n[c]);
        else if (v->n[c] || c == VERDICT_GOOD)
            print_out("%10lld  %-11s  %s\n", (long long)v->n[c], classes[c].name, classes[c].words);
    if (j)
        json_out_print(j);
}

int verdict_end(const struct verdict *v, struct err *e)
{
    char names[240];
    if (v->n[VERDICT_ALTERED])
        return err_set(
            e, ERR_NOT_FOUND,
            "%lld are not as they were signed; complycube-inbox history may tell of them; where the value of a "
            "secret was changed in its file, put the old one back under a name of its own, marked retired",
            (long long)v->n[VERDICT_ALTERED]);
    if (v->n[VERDICT_SCHEMA])
        return err_set(e, ERR_NOT_FOUND,
                       "the database is not as this program makes it: what applications read there may be something "
                       "else than what is stored; see complycube-inbox doctor");
    list_classes(was_found, v, names, sizeof names);
    return *names ? err_set(e, ERR_UNVERIFIED,
                            "not all is verified: %s; complycube-inbox(1) says of each what it may mean, and --allow "
                            "names what may be",
                            names)
                  : 0;
}
