#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 8: memory is bounded by max_body, however long a body is and however many events there were.
use strict;
use warnings;
use Test::More;
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Requests;

my $MB = 1024;    # in KiB
my $room = ($ENV{BIN} // '') =~ /san/ ? 600 * $MB : 2 * $MB;    # a sanitizer keeps what was freed
my $f = Fixture->new;
my $d = deploy($f, 'spawn-fcgi alone');
my $send = sub { my ($request) = @_; return $d->{client}->({ method => 'POST', path => '/', %$request })->{status} };
my $memory = sub { Fixture::slurp('/proc/' . $d->{receiver}->pid . '/status') =~ /^$_[0]:\s+(\d+) kB/m ? $1 : die "no $_[0]" };

# 500 events, 100 forgeries, and bodies that are refused for their length. A long body is gathered in pieces of whatever
# sizes the machine's load makes of it, so that what it may need is known only after some of each.
sub round_of_requests {
    my ($name) = @_;
    is $send->(post('x' x (24 << 20), 'a1' x 32)), 413, "$name: 24 MB are refused" for 1 .. 3;
    my %status;
    $status{ $send->(signed(event())) }++ for 1 .. 500;
    $status{ $send->(post(event(size => 100_000), 'a1' x 32)) }++ for 1 .. 100;
    is_deeply \%status, { 200 => 500, 400 => 100 }, "$name: 500 events are stored, 100 forgeries refused";
}

is $send->(signed(event(size => 1024 * 1024))), 200, 'max_body bytes are stored' for 1 .. 3;
round_of_requests('first');
my $peak = $memory->('VmHWM');
diag "peak after max_body bytes and the first round: $peak KiB";
cmp_ok $peak, '<', 32 * $MB, 'a receiver is small' if $room < 100 * $MB;

round_of_requests($_) for 'second', 'third';
my $after = $memory->('VmHWM');
diag "peak after the third: $after KiB";
cmp_ok $after - $peak, '<', $room, 'and the peak of memory is about the same';
$f->finish;

# As much as strangers can make it keep: more connections than it holds, each with a body of 1 MB that never ends.
$f = Fixture->new;
$d = deploy($f, 'spawn-fcgi alone');
{
    local $SIG{PIPE} = 'IGNORE';
    my $body = FastCgi::beginning({ method => 'POST', path => '/' }) . join '', map { FastCgi::record(stdin => 'x' x 32_000) } 1 .. 30;
    my @stalled = map { my $socket = FastCgi::connect_to($f->path('run/receiver.sock')); $socket->blocking(0); [$socket, 0] } 1 .. 600;
    my $more = sub {
        my $sum = 0;
        for (@stalled) { my $n = syswrite($_->[0], $body, length($body) - $_->[1], $_->[1]) // 0; $_->[1] += $n; $sum += $n }
        return $sum;
    };
    wait_until(sub { $more->() == 0 }, 3) for 1 .. 3;
    is $send->(signed(event())), 200, 'beside 600 stalled bodies of 1 MB an event is stored';
}
my $most = $memory->('VmHWM');
diag "peak beside 600 stalled bodies: $most KiB";
cmp_ok $most, '>', 50 * $MB, 'each has room for a part';
cmp_ok $most, '<', 100 * $MB, 'and none for more than there is' if $room < 100 * $MB;
$f->finish;
done_testing;
