#!/bin/sh
# SPDX-License-Identifier: MIT
# What Debian's webhook runs for each event whose signature it found right: $1 id, $2 type, $3 createdAt, $BODY body.
set -eu
quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }
sqlite3 -batch -bail @database@ <<SQL >/dev/null
.timeout 10000
PRAGMA synchronous = FULL;
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO event VALUES ($(quote "$1"), $(quote "$2"), $(quote "$3"), $(quote "$BODY"));
INSERT INTO inbox (id, state) SELECT $(quote "$1"), 0 WHERE changes() > 0;
COMMIT;
SQL
