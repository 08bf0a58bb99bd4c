#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 5: a consumer that holds the database's lock delays answers and loses nothing; one that holds it for long
# gets every sender a 503 in time to try again. Several processes on one database wait for both locks together.
use strict;
use warnings;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time sleep);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Requests;

# Send one event each 0.3 s for as long as the lock is held, then read all answers: [status, seconds, id].
sub ask_while_held {
    my ($f, $seconds) = @_;
    my $h = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, AutoCommit => 1 });
    $h->do('BEGIN IMMEDIATE');
    my ($end, @asked) = (time + $seconds);
    while (time < $end) {
        my $body = event();
        defined(my $pid = open my $from, '-|') or die "fork: $!";
        if (!$pid) {
            my $start = time;
            my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
            print $socket FastCgi::bytes(signed($body, method => 'POST', path => '/'));
            $socket->flush;
            printf "%d %.3f\n", FastCgi::answer($socket, 20)->{status}, time - $start;
            close STDOUT;
            POSIX::_exit(0);
        }
        push @asked, [$from, event_id($body)];
        sleep 0.3;    # the pace of the sender
    }
    $h->do('COMMIT');
    return map { my ($from, $id) = @$_; [split(' ', readline $from), $id] } @asked;
}

my $f = Fixture->new;
backend($f, 'multiwatch of two');
my $client = FastCgi::client($f->path('run/receiver.sock'));
is($client->(signed(event(), method => 'POST', path => '/'))->{status}, 200, 'an event is stored') for 1 .. 2;

my @answers = ask_while_held($f, 2);
is(join(' ', map { $_->[0] } @answers), join(' ', (200) x @answers), 'a lock of 2 s delays answers only');
is(scalar(grep { $f->events($_->[2]) != 1 } @answers), 0, 'and each event is stored once');

@answers = ask_while_held($f, 15);
my %statuses = map { $_->[0] => 1 } @answers;
is(join(' ', sort keys %statuses), '200 503', 'a lock of 15 s makes some be sent again');
is(scalar(grep { $f->events($_->[2]) != ($_->[0] == 200) } @answers), 0, 'none of which is stored, all others are');
my $slowest = max(map { $_->[1] } @answers);
cmp_ok($slowest, '<', 10, sprintf 'each answer comes within 10 s (%.1f s)', $slowest);
is($client->(signed(event(), method => 'POST', path => '/'))->{status}, 200, 'afterwards all is well');
$f->finish;
done_testing;
