#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A receiver that is told to end answers what is whole, cuts the rest, and is gone.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Requests;

# Connections with a request each of which all but the last 30 bytes are sent: [socket, rest, id]
sub begun {
    my ($f, $n) = @_;
    return map {
        my $body = event(size => 3000);
        my $bytes = FastCgi::bytes(signed($body, method => 'POST', path => '/'));
        my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
        print $socket substr $bytes, 0, -30;
        $socket->flush;
        [$socket, substr($bytes, -30), event_id($body)];
    } 1 .. $n;
}

for my $signal (qw(TERM INT USR1)) {
    subtest $signal => sub {
        my $f = Fixture->new;
        my $d = deploy($f, 'spawn-fcgi alone');
        my @part = begun($f, 10);
        my @whole = begun($f, 10);
        my $ping = $d->{client}->(signed(event(), method => 'POST', path => '/'));
        is($ping->{status}, 200, 'the receiver answers, so it has accepted the others before');
        for (@whole) { my ($socket, $rest) = @$_; print $socket $rest; $socket->flush }
        my $start = time;
        $d->{receiver}->signal($signal);
        ok($d->{receiver}->ended(3), 'the process ends');
        diag sprintf '%s: ended after %.3f s', $signal, time - $start;
        is($d->{receiver}->exit_code, 0, 'with exit code 0');
        my $statuses = sub { join ' ', map { FastCgi::answer($_->[0], 3)->{status} } @_ };
        is($statuses->(@whole), join(' ', (200) x 10), 'whole requests are answered');
        is($statuses->(@part), join(' ', (0) x 10), 'others are cut');
        is(join(' ', map { $f->events($_->[2]) } @whole), join(' ', (1) x 10), 'whole ones are stored');
        is($f->counts, '11 11 0', 'and nothing else');
        is(-s $f->database . '-wal' // 0, 0, 'the database is closed');
        $f->finish;
    };
}

done_testing;
