/* SPDX-License-Identifier: MIT
 *
 * number: numbers of the database as this program gives them. Applications may write its file, so that anything
 * may stand there: what cannot be right is an error, and never a number to go on with. */
#ifndef NUMBER_H
#define NUMBER_H

#include "db.h"

/* Of an event, an endpoint and all else that has a row: from 1 to this, of the 12 digits that a file's name has. */
#define STORE_NUMBER_MAX INT64_C(999999999999)

/* Is a column an integer from `least` to `most`? */
bool sqlite_number_at(sqlite3_stmt *q, int column, int64_t least, int64_t most, int64_t *n);

/* A column that is a state; -1 where it is none, or absent. */
int sqlite_state_at(sqlite3_stmt *q, int column);

/* The number of a row; ERR_DATABASE with `what` ("an endpoint has a number") where it cannot be one. */
int sqlite_id(struct db *s, sqlite3_stmt *q, int column, const char *what, int64_t *id, struct err *e);

/* The number of the row that the INSERT before has made. ERR_DATABASE: it has made none, or one that cannot be. */
int sqlite_made(struct db *s, const char *what, int64_t *id, struct err *e);

#endif
