#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An application's user may write anything into the database's file, and SQLite executes what stands there: our programs run none
# of it. What is answered 2xx is found, every request is answered, and what does no harm is nobody's affair. Promises 2 and 5.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use Test::More;
use Time::HiRes qw(time);
use Deploy;
use Event;
use Fixture;
use Proc ();
use Requests;
use Tool;

my $ENDLESS = '(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c)';
my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

sub opened { return DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', { RaiseError => 1, PrintError => 0, sqlite_allow_multiple_statements => 1 }) }
sub write_sql { my ($f, $sql) = @_; my $db = opened($f->database); $db->do($sql); $db->disconnect }

# A text of the schema in another form, as one may who writes the file.
my $version = 1000;
sub rewrite {
    my ($name, $from, $to) = @_;
    $version++;    # by which others notice
    return "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = replace(sql, '$from', '$to') WHERE name = '$name'; "
        . "PRAGMA schema_version = $version; PRAGMA writable_schema = RESET";
}

# How often an event is in the log and in the inbox, by scans of both.
sub found {
    my ($f, $id) = @_;
    return $f->value("SELECT (SELECT count(*) FROM event_log NOT INDEXED WHERE +event_id = ?1) || ' ' || "
            . '(SELECT count(*) FROM event_log e NOT INDEXED JOIN inbox i ON i.seq = +e.seq WHERE +e.event_id = ?1)', $id);
}

sub receiver { my ($spools) = @_; my $f = Fixture->new(conf => ($spools ? qq(spool = "../../spool"\n) : '') . $conf); return ($f, deploy($f, 'spawn-fcgi alone')) }

my $logged = '';    # with the latest answers

sub answer {
    my ($d, $id) = @_;
    my $begun = time;
    my $answer = $d->{client}->(signed(event(id => $id), method => 'POST', path => '/'));
    cmp_ok time - $begun, '<', 10, "... $id is answered in time";
    $logged .= $answer->{log};
    return $answer->{body} // '';
}
sub state_of { my ($d) = @_; return $d->{client}->({ method => 'GET', path => '/', headers => [], body => '' })->{status} }

my ($f, $d) = receiver(0);
is answer($d, 'before'), '{"received":true}', 'an event is stored';

my %TRIGGER = (
    'removes what was recorded' => 'AFTER INSERT ON event_log BEGIN DELETE FROM inbox WHERE seq = NEW.seq; DELETE FROM event_log WHERE seq = NEW.seq; END',
    'keeps an event out of the inbox' => 'BEFORE INSERT ON inbox BEGIN SELECT RAISE(IGNORE); END',
    'refuses every event' => "BEFORE INSERT ON event_log BEGIN SELECT RAISE(ABORT, 'no'); END",
    'never ends' => "AFTER INSERT ON event_log BEGIN SELECT $ENDLESS; END",
);
my $n = 0;
for my $what (sort keys %TRIGGER) {
    $n++;
    write_sql($f, "CREATE TRIGGER t $TRIGGER{$what}");
    is answer($d, "trigger-$n"), '{"received":true}', "a trigger that $what does not run";
    is(($f->cgi(signed(event(id => "cgi-$n"))))[0]{status}, 200, '... in a CGI, either');
    is found($f, $_), '1 1', "... and $_ is found" for "trigger-$n", "cgi-$n";
    write_sql($f, 'DROP TRIGGER t');
}

my %HARMLESS = (
    'VACUUM' => 'VACUUM',
    'an index of an application' => 'CREATE INDEX by_client ON event_log (client_id)',
    'a view of an application' => "CREATE VIEW mine AS SELECT $ENDLESS",
    'a table of an application' => 'CREATE TABLE own (a, b CHECK (length(b) > a)); CREATE TRIGGER own_t AFTER INSERT ON own BEGIN DELETE FROM own; END',
    'a column of an application' => 'ALTER TABLE inbox ADD COLUMN note TEXT',
    'statistics' => 'ANALYZE',
);
for my $what (sort keys %HARMLESS) {
    $n++;
    write_sql($f, $HARMLESS{$what});
    is answer($d, "harmless-$n"), '{"received":true}', "$what is nobody's affair";
    is state_of($d), 200, '... and the receiver is ready';
    is found($f, "harmless-$n"), '1 1', '... and the event is found';
}

# Whoever opens the file without our care hangs from here on.
my $db = opened($f->database);
$db->do('ANALYZE; PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = '
        . "'CREATE TABLE sqlite_stat1(tbl, idx, x, stat AS (instr(zeroblob(4000000), zeroblob(2000000) || x)))' WHERE name = 'sqlite_stat1'; "
        . 'PRAGMA schema_version = 999');
is answer($d, 'computed'), '{"received":true}', 'statistics that compute for minutes are not read';
is(($f->cgi(signed(event(id => 'computed-cgi'))))[0]{status}, 200, '... by a CGI, either');
is((tool_out($f, 'show', $_))[0], 0, "... nor by the tool, and $_ is found") for 'computed', 'computed-cgi';
is((tool_out($f, 'backup', $f->path('computed.db')))[0], 0, '... nor are they as a copy is made');
is((tool_out($f, 'restore', $f->path('computed.db')))[0], 0, '... and put in its place');
$db->disconnect;
$f->finish;

my ($COUNTER) = Fixture::slurp("$Fixture::ROOT/src/store/sqlite/schema.sql") =~ /^(CREATE TABLE counter .*?^\);)/ms or die;

# [ what, how it is done, how it is undone, what the log says ]
my @TABLE = (
    ['an event is dropped for a column that is missing', rewrite('event_log', 'body           BLOB', 'x NOT NULL ON CONFLICT IGNORE, body BLOB'), 
        rewrite('event_log', 'x NOT NULL ON CONFLICT IGNORE, body BLOB', 'body           BLOB'), 'the table event_log is not as a release made it'],
    ['an event takes the place of another', rewrite('event_log', 'UNIQUE (event_id, type, endpoint)', 'UNIQUE (event_id, type, endpoint) ON CONFLICT REPLACE'),
        rewrite('event_log', 'UNIQUE (event_id, type, endpoint) ON CONFLICT REPLACE', 'UNIQUE (event_id, type, endpoint)'), 'the table event_log'],
    ['the inbox forbids what waits', rewrite('inbox', 'CHECK (state = 0 OR', 'CHECK ('), rewrite('inbox', 'CHECK (', 'CHECK (state = 0 OR'), 'the table inbox'],
    ['an index computes for minutes', 'DELETE FROM inbox; DELETE FROM event_log; CREATE INDEX u ON event_log (instr(zeroblob(4000000), zeroblob(2000000) || body))', 'DROP INDEX u', 'the index u computes or forbids'],
    ['an index forbids a second event of a type', "DELETE FROM inbox; DELETE FROM event_log; CREATE UNIQUE INDEX u ON event_log (type)", 'DROP INDEX u', 'the index u computes or forbids'],
    ['a view stands for a table', 'DROP TABLE counter; CREATE VIEW counter AS SELECT 1', "DROP VIEW counter; $COUNTER", 'the view counter stands in the place of something else'],
);
for my $spools (0, 1) {
    my ($g, $e) = receiver($spools);
    my $with = $spools ? 'with a spool' : 'without one';
    is answer($e, 'before'), '{"received":true}', 'an event is stored';
    for my $i (0 .. $#TABLE) {
        my ($what, $change, $undo, $log) = @{ $TABLE[$i] };
        write_sql($g, $change);
        $logged = '';
        is answer($e, "table-$i"), $spools ? '{"received":true,"spooled":true}' : '{"received":false,"error":"try again"}', "$what, $with: nothing is recorded";
        like $logged, qr/\Q$log\E/, '... and the log says why';
        is state_of($e), 503, '... and the receiver is not ready';
        write_sql($g, $undo);
        my $tries = 0;
        ok Proc::wait_until(sub { sleep 1 if $tries++; answer($e, "again-$i-$tries") eq '{"received":true}' }, 15), '... until that is undone';
        is found($g, "again-$i-$tries"), '1 1', '... and what comes then is found';
        is found($g, "table-$i"), '1 1', '... as is what waited' if $spools;
    }
    $g->finish;
}

# ---- the tool ----

my $h = Fixture->new;
record($h, resource_event('e1', 'r1', 1), resource_event('e2', 'r1', 2));
my ($code, $list) = tool_out($h, 'list');
write_sql($h, "DROP VIEW events; CREATE VIEW events AS SELECT seq, 'forged' AS endpoint FROM event_log");
is((tool_out($h, 'list'))[1], $list, 'what a view of the file says is not what the tool shows');
write_sql($h, "DROP VIEW events; CREATE VIEW events AS SELECT $ENDLESS AS seq; DROP VIEW newer; CREATE VIEW newer AS SELECT $ENDLESS AS seq");
is((tool_out($h, 'list'))[1], $list, 'nor does one that never ends run in it');
write_sql($h, "CREATE TRIGGER t AFTER UPDATE ON inbox BEGIN SELECT $ENDLESS; END");
is((tool_out($h, qw(work --once --endpoint live -- true)))[0], 0, 'nor a trigger, as events are worked on');
is $h->value('SELECT count(*) FROM inbox WHERE state = 1'), 2, '... and they are done';
($code, my $none, $list) = tool_out($h, 'watch');
isnt $code, 0, 'watch tells of it';
like $list, qr/^.*the trigger t in the database acts on our tables, and no release made it/m, '... by its name' or diag $list;
(undef, $list) = tool_out($h, 'doctor');
like $list =~ s/\s+/ /gr, qr/warning altered the trigger t acts on our tables, and no release made it/, 'so does doctor' or diag $list;
like $list =~ s/\s+/ /gr, qr/warning altered the view events is not as a release made it; 1 more/, '... and of the views';
write_sql($h, 'DROP TRIGGER t; CREATE INDEX u ON inbox (abs(seq))');
like +(tool_out($h, 'doctor'))[1] =~ s/\s+/ /gr, qr/wrong altered the index u computes or forbids something on our tables/, 'and of what keeps events from being recorded';
write_sql($h, 'DROP INDEX u');
is((tool_out($h, 'migrate', '--no-backup'))[0], 0, 'migrate');
unlike +(tool_out($h, 'doctor'))[1], qr/altered/, '... puts right what is ours';
$h->finish;

# ---- copies ----

my $SLOW = 'instr(zeroblob(400000), zeroblob(200000) || a)';    # seconds for each row, and nothing interrupts it
my $c = Fixture->new;
record($c, event(id => 'copied'));
write_sql($c, 'CREATE TABLE own (a TEXT, b TEXT, c TEXT); CREATE INDEX own_i ON own (b); '
        . 'INSERT INTO own WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20) SELECT x, x, x FROM n; '
        . rewrite('own_i', '(b)', "($SLOW)") . '; ' . rewrite('own', 'c TEXT', "c TEXT CHECK ($SLOW = 0)"));
my $begun = time;
is((tool_out($c, 'backup', $c->path('sound.db')))[0], 0, 'an index and a CHECK of an application that compute for minutes hold up no backup');
is((tool_out($c, 'restore', $c->path('sound.db')))[0], 0, '... and no restore');
cmp_ok time - $begun, '<', 30, '... at all';

my $forbids = rewrite('event_log', 'UNIQUE (event_id, type, endpoint)', 'UNIQUE (event_id, type, endpoint) ON CONFLICT REPLACE');
my $altered = opened($c->path('sound.db'));
$altered->do($forbids);
$altered->disconnect;
($code, undef, my $err) = tool_out($c, 'restore', $c->path('sound.db'));
isnt $code, 0, 'a backup with an altered table is not put in the place of the database';
like $err, qr/the table event_log is not as a release made it/, '... and restore says why';
is((tool_out($c, 'show', 'copied'))[0], 0, '... which is still there');
unlink $c->path('sound.db');
is((tool_out($c, 'backup', $c->path('good.db')))[0], 0, 'a backup');
write_sql($c, $forbids);
is(($c->cgi({ method => 'GET' }))[0]{status}, 503, 'a CGI is not ready for a table that somebody altered');
($code, undef, $err) = tool_out($c, 'backup', $c->path('of-altered.db'));
ok $code && !-e $c->path('of-altered.db'), 'it makes no backup';
like $err, qr/the table event_log is not as a release made it/, '... and backup says why';
$c->folder('run/saved');
$c->write('run/saved/event.json', event(id => 'imported'));
($code, undef, $err) = tool_out($c, 'import', '--unverified', '--endpoint', 'live', $c->path('run/saved'));
isnt $code, 0, 'nothing is imported into it';
like $err, qr/the table event_log is not as a release made it/, '... and import says why';
($code, undef, $err) = tool_out($c, 'restore', $c->path('good.db'));
is $code, 1, 'a backup takes its place';
like $err, qr/which cannot be read: .*the table event_log/, '... and nothing is read out of it, which restore says';
is((tool_out($c, 'show', 'copied'))[0], 0, '... and the event of the backup is there');
is(($c->cgi({ method => 'GET' }))[0]{status}, 200, '... and a CGI is ready');
$c->finish;
done_testing;
