#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox requeue, ack and dead: events change by hand, over the table and the directory, each on record.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Tool;

my @STATES = qw(waiting done dead ignored);

sub states {
    my ($f) = @_;
    my (undef, $out) = tool_out($f, 'list', '--json', '--limit', 1000);
    return join ' ', map { decode_json($_)->{state} } reverse split /\n/, $out;
}

# "action seq from>to" of each row
sub history {
    my ($f) = @_;
    return map { join ' ', $_->[0], $_->[1] // '-', ($_->[2] // '-') . '>' . ($_->[3] // '-') }
        @{ $f->rows('SELECT action, seq, from_state, to_state FROM history ORDER BY id') };
}

my $base = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $narrow = qq(endpoint narrow {\n    secret_file = "../../private/secrets.narrow"\n    events = {"check.completed"}\n}\n);
my %conf = (
    table     => "$base$narrow",
    directory => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$base$narrow),
);

for my $form (qw(table directory)) {
    my $f = Fixture->new(conf => $conf{$form});
    my @bodies = map { resource_event("e$_", "r$_", $_) } 1 .. 4;
    record($f, @bodies);
    my ($answer) = $f->cgi({ body => resource_event('e5', 'r5', 5), headers => ['ComplyCube-Signature' => sign(resource_event('e5', 'r5', 5), $SECRET{narrow})] });
    is $answer->{status}, 200, "$form: an event of a type that is left out";
    is states($f), 'waiting waiting waiting waiting ignored', 'as they came';

    my ($code, $out, $err) = tool_out($f, 'ack', 'e1', '2', '--reason', 'handled on paper');
    is $code, 0, 'ack of an id and a number' or diag $err;
    is $out, "2 are done\n", 'says how many';
    is states($f), 'done done waiting waiting ignored', 'they are done';
    is_deeply [history($f)], ['ack 1 0>1', 'ack 2 0>1'], 'with a line of history each';
    my ($row) = @{ $f->rows('SELECT os_user, host, reason, sudo_user FROM history WHERE seq = 1') };
    my $user = (Proc::unprivileged())[0] // $>;
    is $row->[0], scalar getpwuid($user), 'that says who';
    like $row->[1], qr/^\S+$/, 'on which machine';
    is $row->[2], 'handled on paper', 'and why';

    ($code, $out) = tool_out($f, 'dead', 'e3', '--json');
    is_deeply decode_json($out), { schema => 1, seq => 3, result => 'changed' }, 'dead, for a program';
    is states($f), 'done done dead waiting ignored', 'it is dead';
    ($code, $out) = tool_out($f, 'dead', 'e1');
    is $code, 1, 'what is done cannot be given up';
    like $out, qr/^ +1  does not wait\n0 are dead, 1 stay as they were\n$/, 'and it says so';

    ($code, $out, $err) = tool_out($f, 'requeue');
    is $code, 2, 'requeue of nothing in particular is refused';
    like $err, qr/--state dead/, 'with what to say';
    is +(tool_out($f, 'requeue', 'e1', '--state', 'dead'))[0], 2, 'as are a name and an option at once';
    is +(tool_out($f, 'requeue', 'e1', 'nonsense'))[0], 1, 'a name that is none changes nothing';
    is states($f), 'done done dead waiting ignored', 'of the others either';

    my $before = () = history($f);
    ($code, $out) = tool_out($f, 'requeue', '--endpoint', 'live', '--dry-run');
    is $out, "     3  would wait again\n1 chosen; nothing was changed\n", 'a dry run takes the dead ones where nothing else is said';
    is scalar(() = history($f)), $before, 'and changes nothing';
    ($code, $out) = tool_out($f, 'requeue', '--endpoint', 'live');
    is $out, "1 wait again\n", 'and then for real';
    ($code, $out) = tool_out($f, 'requeue', '--ignored', '--json');
    is_deeply decode_json($out), { schema => 1, seq => 5, result => 'changed' }, 'so do the ignored ones, when asked for';
    ($code, $out) = tool_out($f, 'requeue', '1', '1');
    is $out, "1 wait again\n", 'a done one, and what is named twice changes once';
    is states($f), 'waiting done waiting waiting waiting', 'all but one wait';

    # what failed waits for its next try, until somebody says now
    tool($f, 'work', '-e', 'live', '--once', '/bin/false');
    ($code, $out) = tool_out($f, 'requeue', '--state', 'waiting', '--endpoint', 'live');
    is $out, "3 wait again\n", 'what waits for its next try is due now';
    ($code, $out) = tool_out($f, 'requeue', '1');
    is $out, "     1  waits already, or a worker has it\n0 wait again, 1 stay as they were\n", 'what is due is left alone';
    is states($f), 'waiting done waiting waiting waiting', 'they wait';

    # what waits again is handed on, from its very bytes
    my $handler = $f->write('run/handler', "#!/bin/sh\ncat >>@{[ $f->path('run/got') ]}\necho >>@{[ $f->path('run/got') ]}\n", 0755);
    ($code, $err) = tool($f, 'work', '-e', 'live', '--once', $handler);
    is $code, 0, 'a worker takes them' or diag $err;
    is join("\n", sort split /\n/, Fixture::slurp($f->path('run/got'))), join("\n", sort @bodies[0, 2, 3]), 'whole, each once';
    is states($f), 'done done done done waiting', 'and they are done';
    ($code) = tool_out($f, 'requeue', '--state', 'done', '--endpoint', 'live');
    is states($f), 'waiting waiting waiting waiting waiting', 'what is done waits again by its state';
    if ($form eq 'directory') {
        my $folder = $f->path('home/private/inbox.d/live');
        is scalar(() = glob "$folder/done/*/* $folder/dead/*"), 0, 'and no older file of one is left';
        is scalar(() = glob "$folder/new/*"), 4, 'but a new one';
    }
    $f->finish;
}

# ---- many, and plain SQL ----
my $f = Fixture->new(conf => $conf{table});
record($f, map { resource_event("m$_", "r$_", 1) } 1 .. 3);
change($f, q(WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 1203)
    INSERT INTO event_log(seq, endpoint, event_id, type, created_ms, received_ms, body) SELECT i, 1, 'm' || i, 'check.pending', i, i, '{}' FROM n),
    'INSERT INTO inbox(seq, endpoint, due_ms) SELECT seq, endpoint, 0 FROM event_log WHERE seq > 3');
my ($code, $out) = tool_out($f, 'dead', '--type', 'check.pending', '--reason', 'x');
is $out, "1203 are dead\n", 'more events than one transaction takes';
is $f->value('SELECT count(*) FROM history'), 1203, 'have a line of history each';
is $f->value('SELECT count(DISTINCT at_ms) > 1 FROM history'), 1, 'by several transactions';

my $last = $f->value('SELECT max(id) FROM history');
change($f, 'UPDATE inbox SET state = 0, attempts = 0, due_ms = 0 WHERE seq = 1');
is_deeply [(history($f))[-1]], ['sql 1 2>0'], 'plain SQL is on record as well';
is $f->value("SELECT os_user IS NULL FROM history WHERE id > $last"), 1, 'without a name';
change($f, 'UPDATE inbox SET state = 1 WHERE seq = 1 AND state = 0');
is $f->value('SELECT max(id) FROM history'), $last + 1, 'but not what consumers do by the contract';
change($f, 'UPDATE inbox SET state = 2 WHERE seq = 1', 'DELETE FROM inbox WHERE seq = 2', q(UPDATE event_log SET status = 'x' WHERE seq = 3), 'DELETE FROM event_log WHERE seq = 3');
is_deeply [map { $_->[0] } @{ $f->rows("SELECT coalesce(detail, to_state) FROM history WHERE id > $last + 1 ORDER BY id") }],
    [2, 'removed from inbox', 'changed in event_log', 'removed from event_log'], 'nor is a row removed or changed in silence';
for my $sql ('DELETE FROM history', q(INSERT OR REPLACE INTO history(id, at_ms, action) VALUES (1, 1, 'none')), q(UPDATE history SET reason = 'none')) {
    ok !eval { local $SIG{__WARN__} = sub { }; change($f, $sql); 1 }, "the history refuses: $sql";
}
change($f, 'DROP TABLE history');
is +(tool_out($f, 'ack', '4'))[0], 6, 'without a history nothing is changed by hand';
like +(tool_out($f, 'ack', '4'))[2], qr/complycube-inbox migrate/, 'and it says what to do';
record($f, resource_event('after', 'r', 1));
is $f->value(q(SELECT count(*) FROM event_log WHERE event_id = 'after')), 1, 'but the receiver goes on';
$f->finish;
done_testing;
