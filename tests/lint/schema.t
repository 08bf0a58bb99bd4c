#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# schema.sql holds nothing that the SQLite of an old host (3.7.17) cannot parse; one such object would make
# the whole file unreadable there.
use strict;
use warnings;
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/../lib";
use OldSqlite;
use Test::More;
use Source;

eval { require DBI; require DBD::SQLite } or plan skip_all => 'DBD::SQLite is not installed';

# A list of more than two values in a CHECK is a temporary index, made anew for each row that is written.
my $lists = sub { my ($sql) = @_; $sql =~ s/--[^\n]*//g; my @checks = $sql =~ /\bCHECK\s*(\((?:[^()]|\([^()]*\))*\))/gi; grep { /\bIN\s*\(/i } @checks };
my $schema = slurp("$ROOT/src/store/sqlite/schema.sql");
is_deeply [newer_than_old($schema)], [], 'schema.sql has nothing newer than SQLite 3.7.17';
my $statements = slurp("$ROOT/src/store/sqlite/statements.h");
my ($macros) = $statements =~ /^(#define STORE_SQL\(X\).*?)^enum store_sql/ms;
my $sql = join ' ', map { s/\\n/ /gr } ($macros // '') =~ /"((?:[^"\\]|\\.)*)"/g;
cmp_ok length $sql, '>', 3000, 'the statements of the store are found';
is_deeply [newer_than_old($sql)], [], 'nor have they, which run on such a database';
is_deeply [$lists->($schema)], [], 'no CHECK has a list';
is scalar $lists->('CREATE TABLE t (a CHECK (a IN (1,2,3)))'), 1, 'a list would be seen';

# The test sees what it should.
my %example = newer_examples();
for my $name (sort keys %example) {
    ok((grep { $_ eq $name } newer_than_old($example{$name})), "$name would be seen");
}

# And what the contract promises is there.
my $file = File::Temp->new(SUFFIX => '.db');
my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '', { RaiseError => 1, PrintError => 0, sqlite_allow_multiple_statements => 1 });
$db->do($schema);
my $names = sub { join ' ', map { $_->[0] } @{ $db->selectall_arrayref("SELECT name FROM sqlite_master WHERE type = '$_[0]' AND name NOT LIKE 'sqlite%' ORDER BY name") } };
is $names->('table'), 'counter endpoint event_log history inbox quarantine secret setting', 'the tables';
is $names->('index'), 'event_resource history_seq inbox_due', 'the indexes';
is $names->('trigger'), 'event_log_delete event_log_update history_delete history_insert history_update inbox_delete inbox_state quarantine_delete quarantine_update', 'the triggers';
is $names->('view'), 'events newer pending resource_state same_change', 'the views';
my $columns = sub { map { $_->[1] } @{ $db->selectall_arrayref("PRAGMA table_info($_[0])") } };
my %events = map { $_ => 1 } $columns->('events');
is_deeply [grep { !$events{$_} } $columns->('pending')], [], 'events has every column of pending';
for my $table (qw(event_log quarantine)) {
    is(($columns->($table))[-1], 'body', "body is the last column of $table");
}

# complycube-inbox(5) has each column of each table and view.
my $manual = "$ROOT/src/man/complycube-inbox.5";
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
