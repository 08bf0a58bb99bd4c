# SPDX-License-Identifier: MIT
# What the SQLite of an old host (3.7.17) cannot parse, by patterns.
package OldSqlite;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(newer_than_old newer_examples);

# source: sqlite.org/changes.html
my %newer = (
    'WITH'                  => qr/\bWITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\([^)]*\)\s*)?AS\s*\(/i,
    'WITHOUT ROWID'         => qr/\bWITHOUT\s+ROWID\b/i,
    'STRICT'                => qr/\)\s*STRICT\b/i,
    'generated column'      => qr/\bGENERATED\s+ALWAYS\b|\bAS\s*\([^)]*\)\s*(?:STORED|VIRTUAL)\b/i,
    'partial index'         => qr/\bINDEX\b[^;]*\)\s*WHERE\b/is,
    'expression index'      => qr/\bINDEX\b[^;(]*\bON\b\s*\w+\s*\((?:[^()]*\(|[^();]*[-+*\/|])/is,
    'UPSERT'                => qr/\bON\s+CONFLICT\b[^;]*\bDO\b/is,
    'row value'             => qr/(?<!\w)\([^()]+,[^()]+\)\s*(?:=|<|>|IN\b)/i,
    'RETURNING'             => qr/\bRETURNING\b/i,
    'window function'       => qr/\bOVER\s*[\(\w]|\bFILTER\s*\(/i,
    'new function'          => qr/\b(?:iif|unixepoch|json\w*|printf|format|concat\w*|string_agg|octet_length|timediff|sign|likelihood|likely)\s*\(/i,
    'TRUE or FALSE'         => qr/\b(?:TRUE|FALSE)\b/i,
    'IS DISTINCT FROM'      => qr/\bIS\s+(?:NOT\s+)?DISTINCT\b/i,
    'NULLS FIRST'           => qr/\bNULLS\s+(?:FIRST|LAST)\b/i,
    'new join'              => qr/\b(?:RIGHT|FULL)\s+(?:OUTER\s+)?JOIN\b/i,
    'new operator'          => qr/->|\b0x[0-9a-f]|\b\d_\d/i,
);

# What is newer in this SQL, by name.
sub newer_than_old {
    my ($sql) = @_;
    $sql =~ s/--[^\n]*//g;
    $sql =~ s/'(?:[^']|'')*'/''/g;
    return grep { $sql =~ $newer{$_} } sort keys %newer;
}

# An example of each, that a test may see that it would be found.
my %example = (
    'WITH' => 'CREATE VIEW v AS WITH a AS (SELECT 1) SELECT * FROM a',
    'WITHOUT ROWID' => 'CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID',
    'STRICT' => 'CREATE TABLE t (a INT) STRICT',
    'generated column' => 'CREATE TABLE t (a, b GENERATED ALWAYS AS (a))',
    'partial index' => 'CREATE INDEX i ON t (a) WHERE a > 1',
    'expression index' => 'CREATE INDEX i ON t (lower(a))',
    'UPSERT' => 'INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING',
    'row value' => 'SELECT 1 WHERE (a, b) = (1, 2)',
    'RETURNING' => 'DELETE FROM t RETURNING a',
    'window function' => 'SELECT sum(a) OVER (ORDER BY b) FROM t',
    'new function' => 'SELECT iif(a, 1, 2)',
    'new operator' => 'SELECT a ->> 1',
);
sub newer_examples { return %example }

1;
