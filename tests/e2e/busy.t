#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 5: a consumer that holds the database's lock delays answers and loses nothing; one that holds it for long
# gets every sender a 503 in time to try again. Several processes on one database wait for both locks together.
use strict;
use warnings;
use POSIX ();
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time sleep);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Requests;

# While the lock is held send so many events at once and one more each 0.3 s: [status, seconds, id] of each.
sub ask_while_held {
    my ($f, $seconds, $at_once) = @_;
    my $h = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, AutoCommit => 1 });
    $h->do('BEGIN IMMEDIATE');
    my $end = time + $seconds;
    my @asked = map { _ask($f) } 1 .. $at_once;
    while (time < $end) {
        push @asked, _ask($f);
        sleep 0.3;    # the pace of the sender
    }
    $h->do('COMMIT');
    return map { my ($from, $id) = @$_; [split(' ', readline $from), $id] } @asked;
}

# In a process of its own, which prints the status and how long it took: [from where, id].
sub _ask {
    my ($f) = @_;
    my $body = event();
    defined(my $pid = open my $from, '-|') or die "fork: $!";
    return [$from, event_id($body)] if $pid;
    my $start = time;
    my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
    print $socket FastCgi::bytes(signed($body, method => 'POST', path => '/'));
    $socket->flush;
    printf "%d %.3f\n", FastCgi::answer($socket, 25)->{status}, time - $start;
    close STDOUT;
    POSIX::_exit(0);
}

my $f = Fixture->new;
backend($f, 'multiwatch of two');
my $client = FastCgi::client($f->path('run/receiver.sock'));
is($client->(signed(event(), method => 'POST', path => '/'))->{status}, 200, 'an event is stored') for 1 .. 2;

my @answers = ask_while_held($f, 2, 10);
is(join(' ', map { $_->[0] } @answers), join(' ', (200) x @answers), 'a lock of 2 s delays answers only');
is(scalar(grep { $f->events($_->[2]) != 1 } @answers), 0, 'and each event is stored once');

@answers = ask_while_held($f, 15, 200);
my %statuses = map { $_->[0] => 1 } @answers;
like(join(' ', sort keys %statuses), qr{^(?:200 )?503$}, 'a lock of 15 s makes them be sent again');
is(scalar(grep { $f->events($_->[2]) != ($_->[0] == 200) } @answers), 0, 'what got a 503 is not stored');
my $slowest = max(map { $_->[1] } @answers);
cmp_ok($slowest, '<', 10, sprintf 'each answer comes within 10 s (%.1f s)', $slowest);
is($client->(signed(event(), method => 'POST', path => '/'))->{status}, 200, 'afterwards all is well');
$f->finish;
done_testing;
