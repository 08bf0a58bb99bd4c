#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# schema.sql holds nothing that the SQLite of an old host (3.7.17) cannot parse; one such object would make
# the whole file unreadable there.
use strict;
use warnings;
use DBI;
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

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

sub found {
    my ($sql) = @_;
    $sql =~ s/--[^\n]*//g;
    $sql =~ s/'(?:[^']|'')*'/''/g;
    return grep { $sql =~ $newer{$_} } sort keys %newer;
}

# A list of more than two values in a CHECK is a temporary index, made anew for each row that is written.
my $lists = sub { my ($sql) = @_; $sql =~ s/--[^\n]*//g; my @checks = $sql =~ /\bCHECK\s*(\((?:[^()]|\([^()]*\))*\))/gi; grep { /\bIN\s*\(/i } @checks };
my $schema = slurp("$ROOT/src/schema.sql");
is_deeply [found($schema)], [], 'schema.sql has nothing newer than SQLite 3.7.17';
is_deeply [$lists->($schema)], [], 'no CHECK has a list';
is scalar $lists->('CREATE TABLE t (a CHECK (a IN (1,2,3)))'), 1, 'a list would be seen';

# The test sees what it should.
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
for my $name (sort keys %example) {
    ok((grep { $_ eq $name } found($example{$name})), "$name would be seen");
}

# And what the contract promises is there.
my $file = File::Temp->new(SUFFIX => '.db');
my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '', { RaiseError => 1, PrintError => 0, sqlite_allow_multiple_statements => 1 });
$db->do($schema);
my $names = sub { join ' ', map { $_->[0] } @{ $db->selectall_arrayref("SELECT name FROM sqlite_master WHERE type = '$_[0]' AND name NOT LIKE 'sqlite%' ORDER BY name") } };
is $names->('table'), 'counter endpoint event_log inbox quarantine secret setting', 'the tables';
is $names->('index'), 'event_resource inbox_due', 'the indexes';
is $names->('view'), 'events pending resource_state', 'the views';
my $columns = sub { map { $_->[1] } @{ $db->selectall_arrayref("PRAGMA table_info($_[0])") } };
my %events = map { $_ => 1 } $columns->('events');
is_deeply [grep { !$events{$_} } $columns->('pending')], [], 'events has every column of pending';
for my $table (qw(event_log quarantine)) {
    is(($columns->($table))[-1], 'body', "body is the last column of $table");
}

# complycube-inbox(5) has each column of each table and view.
my $manual = "$ROOT/src/complycube-inbox.5";
SKIP: {
    skip 'no manual yet', 1 if !-e $manual;
    my $text = slurp($manual);
    my @missing;
    for my $table (split ' ', $names->('table') . ' ' . $names->('view')) {
        push @missing, $table if $text !~ /^\.Ss (?:Table|View) $table\b/m;
        my %seen;
        push @missing, map { "$table.$_" } grep { !$seen{$_}++ && $text !~ /^\.(?:It )?(?:Va|Li)(?: \w+ ,)* \Q$_\E\b/m } $columns->($table);
    }
    is_deeply \@missing, [], 'complycube-inbox(5) tells of each table, view and column';
}
done_testing;
