#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What is answered 2xx is kept, whatever numbers an application has written into the database. Promise 2.
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Event;
use Fixture;
use Requests;
use Tool;

# What an application writes, and what undoes it.
my @CHANGE = (
    ['the number of an endpoint is below 0', 'UPDATE endpoint SET id = -id', 'UPDATE endpoint SET id = -id'],
    ['the number of a secret is below 0', 'UPDATE secret SET id = -id', 'UPDATE secret SET id = -id'],
    ['all numbers of events are below 0, after a restore', 'UPDATE event_log SET seq = -seq; UPDATE setting SET seq_floor = 5',
        'UPDATE event_log SET seq = -seq; UPDATE setting SET seq_floor = NULL'],
    ['an event has the highest number that there is', 'UPDATE event_log SET seq = 9223372036854775807 WHERE seq = 1',
        'UPDATE event_log SET seq = 1 WHERE seq > 1000'],
    ['the floor of numbers is text', "UPDATE setting SET seq_floor = 'high'", 'UPDATE setting SET seq_floor = NULL'],
    ['the floor of numbers is out of range', 'UPDATE setting SET seq_floor = 9223372036854775807', 'UPDATE setting SET seq_floor = NULL'],
);

sub write_sql {
    my ($f, $sql) = @_;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, sqlite_allow_multiple_statements => 1 });
    $db->do("PRAGMA foreign_keys = 0; $sql");
}

for my $spools (0, 1) {
    my $f = Fixture->new(conf => ($spools ? qq(spool = "../../spool"\n) : '') . Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample"));
    is(($f->cgi(signed(event(id => 'before'))))[0]{status}, 200, 'an event is stored');
    my $with = $spools ? 'with a spool' : 'without one';
    for my $n (0 .. $#CHANGE) {
        my ($name, $change, $undo) = @{ $CHANGE[$n] };
        write_sql($f, $change);
        my ($answer) = $f->cgi(signed(event(id => "lost-$n")));
        is $answer->{body}, $spools ? '{"received":true,"spooled":true}' : '{"received":false,"error":"try again"}', "$name, $with: it is not said to be stored";
        is $answer->{status}, $spools ? 200 : 503, '... by its status';
        like $answer->{log}, qr/complycube-inbox doctor/, '... and the log says what to do';
        is $f->value('SELECT count(*) FROM event_log WHERE event_id = ?', "lost-$n"), 0, '... nor is it';
        write_sql($f, $undo);
        my ($again) = $f->cgi(signed(event(id => "lost-$n")));
        is $again->{body}, $spools ? '{"received":true,"duplicate":true}' : '{"received":true}', '... until that is undone';
        is $f->value('SELECT count(*) FROM events WHERE event_id = ?', "lost-$n"), 1, '... and then it is there';
    }
    is scalar(my @left = glob $f->path('home/spool/*.event')), 0, 'nothing waits in the spool any more' if $spools;
    $f->finish;
}

# An event that no endpoint has is hidden from applications: the tool tells of it.
my $f = Fixture->new;
$f->cgi(signed(event(id => 'hidden')));
write_sql($f, "UPDATE endpoint SET id = 7 WHERE name = 'live'");
isnt((tool($f, 'verify', '--stored'))[0], 0, 'an event whose endpoint was renumbered is not as it was signed');
write_sql($f, 'UPDATE endpoint SET id = 1 WHERE id = 7; UPDATE event_log SET seq = -seq');
for my $command (['verify', '--stored'], ['export'], ['follow']) {
    my ($code, undef, $err) = tool_out($f, @$command);
    isnt $code, 0, "with numbers below 0, $command->[0] fails";
}
write_sql($f, 'UPDATE event_log SET seq = -seq; DELETE FROM setting');
my ($code, $out) = tool_out($f, 'work', '--once', '--', 'true');
isnt $code, 0, 'without settings no work begins' or diag $out;
$f->finish;

# What was changed is neither lost by the tool, nor makes its output what it is not.
$f = Fixture->new;
$f->cgi(signed(event(id => 'one')));
write_sql($f, 'UPDATE event_log SET payload_len = payload_len - 1');
($code, $out) = tool_out($f, 'show', 'one', '--json');
is eval { decode_json($out)->{event_id} }, 'one', 'a payload that was cut in the database is shown as text: the line is JSON';
is(($f->cgi(signed(event(id => 'one'))))[0]{status}, 202, 'a delivery of which the payload is not there any more is no duplicate');
write_sql($f, 'UPDATE event_log SET body = NULL');
is +(tool($f, 'quarantine', 'accept', 1))[0], 1, 'it is not accepted in exchange for one that cannot go into quarantine';
is $f->counts, '1 1 1', 'and nothing is lost';
$f->finish;

# The index of ids, by which a duplicate is found, may be of other rows than the table.
$f = Fixture->new;
$f->cgi(signed(event(id => 'one')));
write_sql($f, "CREATE TABLE other AS SELECT 'two' AS event_id, type, endpoint FROM event_log; CREATE UNIQUE INDEX o ON other (event_id, type, endpoint); "
    . "PRAGMA writable_schema = 1; UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'o') "
    . "WHERE name = 'sqlite_autoindex_event_log_1'; PRAGMA schema_version = 1000");
is(($f->cgi(signed(event(id => 'two'))))[0]{status}, 503, 'an event that an index alone has is no duplicate');
$f->finish;

# An endpoint without a name.
$f = Fixture->new;
$f->cgi(signed(event(id => 'one')));
my @texts = ("replace(sql, 'NOT NULL UNIQUE', 'UNIQUE')", "replace(sql, 'TEXT UNIQUE', 'TEXT NOT NULL UNIQUE')");
my ($free, $bind) = map { "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = $_ WHERE name = 'endpoint'; PRAGMA writable_schema = RESET" } @texts;
write_sql($f, "$free; UPDATE endpoint SET name = NULL; $bind; PRAGMA schema_version = 1000");
is $f->value('SELECT count(name) FROM endpoint'), 0, 'no endpoint has a name';
is((tool_out($f, qw(work --once --endpoint live -- true)))[0], 1, '... of which work says that there is none of that name');
unlike +(tool_out($f, 'stats'))[1], qr/null/, '... nor does the tool invent one';
$f->finish;

# A file that keeps its texts in UTF-16.
$f = Fixture->new;
$f->cgi(signed(event(id => 'before')));
my ($mode, $uid, $gid) = (stat $f->database)[2, 4, 5];
unlink map { $f->database . $_ } '', '-wal', '-shm';
my $wide = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, sqlite_allow_multiple_statements => 1 });
$wide->do(q(PRAGMA encoding = 'UTF-16le'; PRAGMA application_id = 1128483160; PRAGMA user_version = 1;) . Fixture::slurp("$Fixture::ROOT/src/store/sqlite/schema.sql"));
$wide->disconnect;
chown $uid, $gid, $f->database;
chmod $mode & 07777, $f->database;
is(($f->cgi(signed(event(id => 'one'))))[0]{status}, 200, 'a file in UTF-16 takes events');
is(($f->cgi(signed(event(id => 'one'))))[0]{body}, '{"received":true,"duplicate":true}', '... and recognizes them');
is eval { decode_json((tool_out($f, 'show', 'one', '--json'))[1])->{event_id} }, 'one', '... and the tool shows them';
is((tool($f, 'verify', '--stored'))[0], 0, '... as they were signed');
$f->finish;
done_testing;
