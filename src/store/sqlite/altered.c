/* SPDX-License-Identifier: MIT
 * altered: what in the schema of a database's file is not as a release made it.
 *
 * SQLite executes what stands there: an expression in a table or an index for each row that is written, a trigger in the
 * transaction of whoever writes. The texts are compared with schema.sql, and with former.sql, which has what releases made
 * otherwise. These differ from both and compute nothing: a column that `migrate` or a later version added, an application's
 * index over plain columns, and whatever is an application's own.
 *
 * Before 3.31 SQLite takes an object's kind and name from its text, whatever the columns beside it say: so they must agree. */
#include "db.h"

#include "sqltext.h"

#include <stdio.h>

/* An object, by its text. */
struct object {
    const char *kind; /* of kinds; NULL: the text is of no kind that is known */
    struct span name, text;
};

enum { RELEASED_MAX = 40 };

static const char former_schema[] = {
#include "former.inc"
    , '\0'};

struct look {
    const char *next; /* in schema.sql: after the text that was met last */
    struct object released[RELEASED_MAX];
    int n_released; /* 0: not read yet, which costs more than all comparing */
    store_each_alteration *each;
    void *ctx;
    int64_t found;
};

/* ---- reading the texts ---- */

static const char *const kinds[] = {"table", "index", "trigger", "view"};

static struct object object_of(struct span text)
{
    struct object o = {.text = text};
    struct span word = sqltext_next(&text);
    if (!sqltext_is(word, "CREATE"))
        return o;
    word = sqltext_next(&text);
    if (sqltext_is(word, "UNIQUE") || sqltext_is(word, "VIRTUAL"))
        word = sqltext_next(&text);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (sqltext_is(word, kinds[i]))
            o.kind = kinds[i];
    o.name = sqltext_next(&text);
    return o;
}

static bool is_trigger(const char *text) { return strncmp(text, "CREATE TRIGGER", 14) == 0; }

/* A statement of schema.sql begins a line; a trigger has statements inside. {NULL, 0}: no more. */
static struct span next_released(const char *from)
{
    const char *at = strstr(from, "\nCREATE ");
    if (!at++)
        return (struct span){0};
    bool trigger = is_trigger(at);
    const char *end = strstr(at, trigger ? "END;\n" : ";\n");
    return end ? (struct span){at, (size_t)(end - at) + (trigger ? 3 : 0)} : (struct span){0};
}

static void read_texts(struct look *l, const char *schema)
{
    struct span text = {schema, 0};
    while (l->n_released < RELEASED_MAX && (text = next_released(text.at + text.len)).at)
        l->released[l->n_released++] = object_of(text);
}

static void read_released(struct look *l)
{
    read_texts(l, sqlite_schema); /* first: what a name stands for today */
    read_texts(l, former_schema);
}

/* Nearly always: SQLite keeps a text and the order as they were given. A part of a trigger ends like a statement: no match. */
static bool is_next_released(struct look *l, struct span text)
{
    const char *at = strstr(l->next, "\nCREATE ");
    if (!at++ || strncmp(at, text.at, text.len) != 0 || strncmp(at + text.len, ";\n", 2) != 0 ||
        (is_trigger(at) && memcmp(at + text.len - 3, "END", 3) != 0))
        return false;
    l->next = at + text.len;
    return true;
}

static bool is_named(struct span word, struct span plain)
{
    char name[64];
    return snprintf(name, sizeof name, "%.*s", (int)plain.len, plain.at) < (int)sizeof name &&
           sqltext_is_name(word, name);
}

/* What of ours has this name, in any case of letters, whatever its kind? NULL: nothing. */
static const struct object *released(const struct look *l, struct span name)
{
    for (int i = 0; i < l->n_released; i++)
        if (is_named(name, l->released[i].name))
            return &l->released[i];
    return NULL;
}

/* ---- tables ---- */

/* What stands between the commas of a list, the words of which are taken up to its closing bracket. */
static struct span next_item(struct span *list, bool *last)
{
    struct span item = {0}, word;
    for (int depth = 0; (word = sqltext_next(list)).at;) {
        bool ends = depth == 0 && (*word.at == ',' || *word.at == ')');
        *last = ends && *word.at == ')';
        if (ends)
            return item;
        depth += *word.at == '(' ? 1 : *word.at == ')' ? -1 : 0;
        item = item.at ? (struct span){item.at, (size_t)(word.at + word.len - item.at)} : word;
    }
    *last = true;
    return item;
}

/* The items of a table's text. */
static struct span items_of(struct span text)
{
    for (int i = 0; i < 4; i++) /* CREATE TABLE name ( */
        sqltext_next(&text);
    return text;
}

static struct span first_word(struct span item) { return sqltext_next(&item); }

/* A column without what `ALTER TABLE ADD COLUMN` of `migrate` leaves out: what it checks and refers to. */
static struct span without_checks(struct span item)
{
    struct span rest = item, word;
    while ((word = sqltext_next(&rest)).at)
        if (sqltext_is(word, "CHECK") || sqltext_is(word, "REFERENCES"))
            return (struct span){item.at, (size_t)(word.at - item.at)};
    return item;
}

/* A column that computes and forbids nothing: for that it would need a bracket or one of these words. */
static bool is_plain_column(struct span item)
{
    static const char *const words[] = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "CONFLICT", "AS", "("};
    bool needed = false, standard = false;
    struct span word;
    while ((word = sqltext_next(&item)).at) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (sqltext_is(word, words[i]))
                return false;
        needed |= sqltext_is(word, "NOT");
        standard |= sqltext_is(word, "DEFAULT");
    }
    return !needed || standard;
}

/* Is it an item of the release's table, or a plain column that this has not? */
static bool is_sound_item(struct span item, struct span model)
{
    bool last = false;
    for (struct span rest = items_of(model); !last;) {
        struct span own = next_item(&rest, &last);
        if (sqltext_is_same(item, own) || sqltext_is_same(item, without_checks(own)))
            return true;
        if (is_named(first_word(item), first_word(own)))
            return false;
    }
    return sqltext_may_be_name(first_word(item)) && is_plain_column(item);
}

static bool has_item(struct span table, struct span wanted)
{
    bool last = false;
    for (struct span rest = items_of(table); !last;)
        if (sqltext_is_same(next_item(&rest, &last), wanted))
            return true;
    return false;
}

static bool is_sound_table(struct span table, struct span model)
{
    if (sqltext_is_same(table, model))
        return true;
    bool last = false;
    struct span rest = table, word = {0};
    for (int i = 0; i < 4; i++)
        word = sqltext_next(&rest);
    if (!sqltext_is(word, "("))
        return false;
    while (!last)
        if (!is_sound_item(next_item(&rest, &last), model))
            return false;
    if (sqltext_next(&rest).at) /* WITHOUT ROWID, STRICT */
        return false;
    last = false;
    for (rest = items_of(model); !last;) {
        struct span own = next_item(&rest, &last);
        if (sqltext_is(first_word(own), "UNIQUE") && !has_item(table, own))
            return false;
    }
    return true;
}

/* ---- indexes and triggers ---- */

/* The table that an index or a trigger is on; `text` moves past its name. */
static struct span table_of(struct span *text)
{
    struct span word;
    while ((word = sqltext_next(text)).at)
        if (sqltext_is(word, "ON"))
            return sqltext_next(text);
    return word;
}

/* Columns alone: no expression, no condition. */
static bool is_of_columns(struct span text)
{
    struct span rest = text, word;
    table_of(&rest);
    if (!sqltext_is(sqltext_next(&rest), "("))
        return false;
    do {
        if (!sqltext_may_be_name(sqltext_next(&rest)))
            return false;
        word = sqltext_next(&rest);
        if (sqltext_is(word, "COLLATE")) {
            sqltext_next(&rest);
            word = sqltext_next(&rest);
        }
        if (sqltext_is(word, "ASC") || sqltext_is(word, "DESC"))
            word = sqltext_next(&rest);
    } while (sqltext_is(word, ","));
    return sqltext_is(word, ")") && !sqltext_next(&rest).at;
}

static bool is_unique(struct span text)
{
    sqltext_next(&text);
    return !sqltext_is(sqltext_next(&text), "INDEX");
}

static bool is_plain_index(struct span text) { return !is_unique(text) && is_of_columns(text); }

/* A table with a computed column, or one of a module's. */
static bool is_computed_table(struct span text)
{
    struct span word;
    sqltext_next(&text);
    if (!sqltext_is(sqltext_next(&text), "TABLE"))
        return true;
    while ((word = sqltext_next(&text)).at)
        if (sqltext_is(word, "AS"))
            return true;
    return false;
}

static bool is_on_ours(const struct look *l, struct span text)
{
    for (int i = 0; i < 3; i++) /* CREATE TRIGGER name, CREATE UNIQUE INDEX */
        sqltext_next(&text);
    const struct object *table = released(l, table_of(&text));
    return table && (strcmp(table->kind, "table") == 0 || strcmp(table->kind, "view") == 0);
}

/* ---- one object of the file ---- */

static void tell(struct look *l, enum store_altered what, const char *kind, const char *name, bool stops)
{
    const struct store_alteration found = {.what = what, .kind = kind, .name = name, .stops = stops};
    l->found++;
    if (l->each)
        l->each(l->ctx, &found);
}

static void judge_ours(struct look *l, const struct object *o, const struct object *ours, const char *name)
{
    bool table = strcmp(o->kind, "table") == 0;
    if (o->kind != ours->kind || !span_equal(o->name, ours->name))
        tell(l, STORE_ALTERED_KIND, o->kind, name, true);
    else if (table ? !is_sound_table(o->text, ours->text) : !sqltext_is_same(o->text, ours->text))
        tell(l, STORE_ALTERED_TEXT, o->kind, name, table || strcmp(o->kind, "index") == 0);
}

static void judge_object(struct look *l, const char *kind, const char *name, struct span text)
{
    if (is_next_released(l, text))
        return;
    if (!l->n_released)
        read_released(l);
    for (int i = 0; i < l->n_released; i++)
        if (span_equal(text, l->released[i].text))
            return;
    const struct object o = object_of(text);
    if (!o.kind || strcmp(o.kind, kind) != 0 || !sqltext_is_name(o.name, name)) {
        tell(l, STORE_ALTERED_ROW, kind, name, true);
        return;
    }
    const struct object *ours = released(l, o.name);
    if (ours)
        judge_ours(l, &o, ours, name);
    else if (strcmp(kind, "trigger") == 0 && is_on_ours(l, text))
        tell(l, STORE_ALTERED_TRIGGER, kind, name, false);
    else if (strcmp(kind, "index") == 0 && is_on_ours(l, text) && !is_plain_index(text))
        tell(l, STORE_ALTERED_INDEX, kind, name, true);
}

/* ---- all of them ---- */

int64_t sqlite_altered_here(struct db *s, store_each_alteration *each, void *ctx, struct err *e)
{
    struct look l = {.next = sqlite_schema, .each = each, .ctx = ctx};
    sqlite3_stmt *q = sqlite_prepare(s, SQL_SCHEMA, e);
    if (!q)
        return -1;
    while (sqlite3_step(q) == SQLITE_ROW)
        judge_object(&l, sqlite_string(q, 0), sqlite_string(q, 1), span_of(sqlite_string(q, 2)));
    return sqlite3_reset(q) == SQLITE_OK ? l.found : sqlite_error(s, "reading its schema", e);
}

int64_t sqlite_computing(struct db *s, struct err *e)
{
    int64_t n = 0;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_SCHEMA, e);
    if (!q)
        return -1;
    while (sqlite3_step(q) == SQLITE_ROW) {
        const struct span text = span_of(sqlite_string(q, 2));
        const struct object o = object_of(text);
        n += !o.kind || (strcmp(o.kind, "table") == 0 && is_computed_table(text)) ||
             (strcmp(o.kind, "index") == 0 && !is_of_columns(text));
    }
    return sqlite3_reset(q) == SQLITE_OK ? n : sqlite_error(s, "reading its schema", e);
}

int64_t sqlite_altered(struct store *store, store_each_alteration *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    int64_t version, found = -1;
    if (sqlite_do(s, SQL_LOOK, "beginning to read", e) != 0)
        return -1;
    if (sqlite_number(s, SQL_VERSION, &version, e) == 0) /* a read of the header begins the snapshot */
        found = sqlite_altered_here(s, each, ctx, e);
    sqlite_do(s, SQL_LOOKED, "ending to read", NULL);
    return found;
}
