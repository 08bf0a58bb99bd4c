#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A reader that never ends keeps the write-ahead log from being written back: watch and doctor name it before the disk is full.
use strict;
use warnings;
use DBI;
use Test::More;
use Event;
use Fixture;
use Tool;

my $f = Fixture->new;
record($f, event());

# The log, longer by some megabytes: what a receiver would have written meanwhile.
sub grow {
    my ($megabytes) = @_;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do('PRAGMA wal_autocheckpoint = 0');
    $db->do('CREATE TABLE IF NOT EXISTS mine (x)');
    $db->do('INSERT INTO mine VALUES (randomblob(1000000))') for 1 .. $megabytes;
    return $db;
}

my $reader = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, AutoCommit => 1 });
$reader->do('BEGIN');
$reader->selectall_arrayref('SELECT count(*) FROM event_log');
my @open = grow(8);
my ($code, $err) = tool($f, 'watch');
is_deeply([$code, $err], [0, ''], 'eight megabytes are nothing to report');

push @open, grow(12);
($code, $err) = tool($f, 'watch');
isnt($code, 0, 'twenty are');
like($err, qr/\b(?:19|2\d) MB of the database's log cannot be written back: process $$ \S+ reads on and on/, 'with their size, and the process');
(undef, my $out) = tool_out($f, 'doctor');
$out =~ s/\s+/ /g;    # it breaks its lines
like($out, qr/warning log \d+ MB of \S+-wal cannot be written back/, 'doctor warns too');
like($out, qr/process $$ \(\S+\) keeps a transaction open/, 'and says whom to end');

$reader->do('ROLLBACK');
$open[0]->do('PRAGMA wal_checkpoint');
($code, $err) = tool($f, 'watch');
is_deeply([$code, $err], [0, ''], 'once it is written back all is well, though the log keeps its size');
cmp_ok(-s $f->database . '-wal', '>', 16_000_000, 'which it does');
$_->disconnect for $reader, @open;
$f->finish;
done_testing;
