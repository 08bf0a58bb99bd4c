#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What work and forward share: several at a time and in order, failures, signals, limits, leases, a database that is
# busy or moved away, the line on a terminal.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Event;
use Fixture;
use Proc qw(wait_until);
use Tool;

my @WORK = qw(work -e live);

sub exists_soon { my ($f, $name) = @_; return wait_until(sub { -s $f->path("run/$name") }, 8) }   # made and written: a shell does it in two steps

# The lock is held for longer than a claim waits; looked at again at the end.
my ($busy, $busy_handler) = with_handler('cat >/dev/null', event());
my $holder = DBI->connect('dbi:SQLite:dbname=' . $busy->database, '', '', { RaiseError => 1 });
$holder->do('BEGIN IMMEDIATE');
my $waiting = begin($busy, @WORK, '--once', $busy_handler);

subtest 'several at a time, but one of a resource, in the order in which things happened' => sub {
    my $script = 'echo "b $n" >>log; echo >here.$n; i=0; until [ $n -gt 2 ] || [ -e here.$((3 - n)) ] || [ $i -gt 200 ]; do sleep 0.02; i=$((i + 1)); done
        [ $i -le 200 ] || exit 1; sleep 0.03; echo "e $n" >>log';
    my @events = map { my $r = $_; map { resource_event("$r-$_", "chk-$r", 30 - $_) } 1 .. 3 } 'a', 'b';
    my ($f, $handler) = with_handler($script, event(), event(), @events);
    my ($code, $err) = tool($f, @WORK, '-w', 4, '--once', $handler);
    is("$code$err", '0', 'two that wait for each other come through');
    my (%open, @mixed, %order);
    for (split /\n/, Fixture::slurp($f->path('run/log'))) {
        my ($what, $n) = split;
        my $resource = $n < 3 ? "own $n" : $n < 6 ? 'a' : 'b';
        push @mixed, $_ if $what eq 'b' ? $open{$resource}++ : !$open{$resource}--;
        push @{ $order{$resource} }, $n if $what eq 'b';
    }
    is_deeply(\@mixed, [], 'never two of one resource at once');
    is_deeply([@order{qw(a b)}], [[5, 4, 3], [8, 7, 6]], 'the older one first, though it came later');
    ($f, $handler) = with_handler('cat >>seen', map { resource_event("s-$_", 'chk-s', $_) } 1 .. 3);
    ($code) = tool($f, @WORK, '--skip-superseded', '--once', $handler);
    is(join(' ', Fixture::slurp($f->path('run/seen')) =~ /"id":"(s-\d)"/g), 's-3', 'what is superseded may be skipped');
    is(settled($f) =~ tr/1/1/ >= 3 && $f->value('SELECT count(*) FROM inbox WHERE state = 1'), 3, 'and is done');
    $f->finish;
};

subtest 'failures: each later than the one before, and dead in the end' => sub {
    my ($f, $handler) = with_handler('echo $COMPLYCUBE_INBOX_ATTEMPT >>attempts; exit 1', resource_event('f-1', 'r', 1), resource_event('f-2', 'r', 2));
    change($f, 'UPDATE setting SET max_attempts = 3, backoff_ms = 1000');
    my @delays;
    for my $try (1 .. 3) {
        my $now = time * 1000;
        my ($code, $err) = tool($f, @WORK, '--once', '--max-time', 5, '-t', 'check.pending', $handler);
        push @delays, $f->value('SELECT due_ms FROM inbox WHERE seq = 1') - $now;
        like($err, $try < 3 ? qr/event 1 \(f-1 check\.pending\) failed: exit code 1; again at/ : qr/event 1 .*; given up, it is dead$/m, "failure $try is told");
        unlike($err, qr/event 2/, 'and holds up what came behind it') if $try < 3;
        change($f, 'UPDATE inbox SET due_ms = 1 WHERE seq = 1 AND state = 0');
    }
    ok($delays[0] > 900 && $delays[1] > 1900 && $delays[1] < 5000, 'the second delay is twice the first') or diag "@delays";
    is_deeply(rows_of($f, 'state, error'), [[2, 'exit code 1'], [0, 'exit code 1']], 'dead after the third; then the next one has its turn');
    is(Fixture::slurp($f->path('run/attempts')), "1\n2\n3\n1\n", 'the command is told which attempt it is');
    $f->finish;
};

subtest 'TERM: what runs may end; a second one ends it' => sub {
    my ($f, $handler) = with_handler('echo $$ >pid.$n; trap "" TERM; until [ -e go ]; do sleep 0.02; done', event(), event(), event());
    my $p = begin($f, @WORK, $handler);
    ok(exists_soon($f, 'pid.1'), 'the first one runs');
    $p->signal('TERM');
    ok(!$p->ended(0.3), 'after TERM it goes on');
    $f->write('run/go', '');
    ok($p->ended(5), 'until it has ended');
    is($p->exit_code, 0, 'that is success');
    is(settled($f), '1/1 0/0 0/0', 'it is done, and the others are as they were');
    like(said($p), qr/^complycube-inbox: 1 done, 0 failed$/m, 'which is told');

    unlink $f->path('run/go');
    $p = begin($f, @WORK, '-w', 2, $handler);
    ok(exists_soon($f, "pid.$_"), "event $_ runs") for 2, 3;
    $p->signal('INT');
    ok(wait_until(sub { Fixture::slurp('/proc/' . $p->pid . '/status') =~ /^ShdPnd:\s0+$/m }), 'a first signal is seen');
    $p->signal('INT');
    ok($p->ended(5), 'after the second it ends');
    is($p->exit_code, 0, 'that is success, too');
    ok(!kill(0, Fixture::slurp($f->path("run/pid.$_")) + 0), "the command of event $_ is gone") for 2, 3;
    is(settled($f), '1/1 0/0 0/0', 'and its event waits as if it had never been claimed');
    is($f->value('SELECT count(*) FROM pending'), 2, 'for anyone, at once');
    like(said($p), qr/^complycube-inbox: 0 done, 0 failed, 2 released$/m, 'which is told');
    $f->finish;
};

subtest 'a limit of time, and leases' => sub {
    my ($f, $handler) = with_handler('echo >here.$n; until [ -e go.$n ]; do sleep 0.02; done', event());
    change($f, 'UPDATE setting SET lease_ms = 1000');
    my $start = time;
    my $p = begin($f, @WORK, '--max-time', 1, $handler);
    ok(exists_soon($f, 'here.1'), 'an event is worked on');
    my $due = sub { $f->value('SELECT due_ms FROM inbox ORDER BY seq DESC') };
    my $first = $due->();
    ok(wait_until(sub { $due->() > $first + 300 }), 'its lease is extended');
    ok(wait_until(sub { time - $start > 1.3 && !$p->ended(0) }), 'it may end when the time is over');
    $f->write('run/go.1', '');
    ok($p->ended(5), 'then the tool ends');
    is($p->exit_code . ' ' . settled($f), '0 1/1', 'with all well');

    record($f, event());
    $p = begin($f, @WORK, '--once', $handler);
    ok(exists_soon($f, 'here.2'), 'another one');
    change($f, "UPDATE inbox SET token = 'theirs' WHERE seq = 2");
    $f->write('run/go.2', '');
    ok($p->ended(5), 'it ends');
    is($p->exit_code, 0, 'a lease that another has taken over is no error');
    like(said($p), qr/event 2 .* is not ours any more/, 'and is told');
    like(said($p), qr/0 done, 0 failed, 1 lost/, 'and counted');
    is($f->value('SELECT token FROM inbox WHERE seq = 2'), 'theirs', 'the other one has it still');
    my $began = time;
    ($p) = tool($f, @WORK, '--max-time', 1, $handler);
    ok($p == 0 && time - $began >= 1, 'without anything to do it ends in time, too');
    $f->finish;
};

subtest 'the database is moved away while it runs' => sub {
    my ($f, $handler) = with_handler('echo $n >>done; until [ $n != 2 ] || [ -e go ]; do sleep 0.02; done', event());
    my $p = begin($f, @WORK, $handler);
    ok(wait_until(sub { settled($f) eq '1/1' }), 'an event is worked on');
    record($f, event());
    ok(wait_until(sub { -s $f->path('run/done') == 4 }), 'and another one begun');
    rename $f->database, $f->database . '.old';
    ok(wait_until(sub { !-e $f->database . '-wal' }), 'it leaves it, though it waits for the command');
    record($f, event(), event());
    $f->write('run/go', '');
    ok(wait_until(sub { settled($f) eq '1/1 1/1' }, 8), 'the events of the new one are done') or diag said($p);
    $p->signal('TERM');
    ok($p->ended(5) && $p->exit_code == 0, 'it ends well') or diag said($p);
    like(said($p), qr/3 done, 0 failed, 1 lost/, 'the one of the old file is lost to it');
    my $old = DBI->connect('dbi:SQLite:dbname=' . $f->database . '.old', '', '', { RaiseError => 1 });
    is($old->selectrow_array('PRAGMA integrity_check'), 'ok', 'the old file is sound');
    is(join(' ', @{ $old->selectcol_arrayref('SELECT state FROM inbox ORDER BY seq') }), '1 0', 'and has what it had');
    $f->finish;
};

subtest 'a terminal sees how it goes on' => sub {
    my $first = 'i=0; while [ $n = 1 ] && [ $i -lt 500 ] && ! grep -q "1 running" typescript; do sleep 0.02; i=$((i + 1)); done';
    my ($f, $handler) = with_handler("$first\nexit \$((n == 2))", event(), event(id => "esc\xc2\x9b31m"), event());
    tool($f, 'list');
    my $log = $f->path('run/typescript');
    my $command = join ' ', $f->path('run/complycube-inbox'), '-c', $f->config, @WORK, '--once', $handler;
    my ($code) = $f->run('script', '-qefc', $command, $log);
    my $seen = Fixture::slurp($log);
    is($code, 1, 'the exit code is the same');
    like($seen, qr/\r\e\[K0 done, 0 failed, 1 running, 2 waiting/, 'a line that is rewritten');
    like($seen, qr/^[^\n]*\r\e\[Kcomplycube-inbox: event 2 \(esc\\xc2\\x9b31m \S+\) failed: exit code 1; again at [^\n]+\r$/m, 'a line for what failed, safely printed');
    like($seen, qr/^complycube-inbox: 2 done, 1 failed\r$/m, 'and the sum');
    $f->finish;
};

subtest 'another program has held the lock all the while' => sub {
    ok(wait_until(sub { said($waiting) =~ /trying again for a minute: .*database is locked/ }, 8), 'it says so');
    ok(!$waiting->ended(0), 'and goes on trying');
    $holder->do('ROLLBACK');
    ok($waiting->ended(8), 'and ends its work when it can') or diag said($waiting);
    is($waiting->exit_code . ' ' . settled($busy), '0 1/1', 'with all well');
    $busy->finish;
};

done_testing;
