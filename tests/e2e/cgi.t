#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Hundreds of events by plain CGI, each process the only one that has the database open.
use strict;
use warnings;
use List::Util qw(max sum);
use Test::More;
use Time::HiRes qw(time);
use Event;
use Fixture;
use Requests;

my $EVENTS = Fixture::sanitized() ? 200 : 700;      # a sanitized process starts slowly; not closed, these would leave a log of 13 MB
my $WAL_LIMIT = 5 * 1024 * 1024;                   # bytes

my $f = Fixture->new;
my (@wrong, @ms, $largest);
for my $n (1 .. $EVENTS) {
    my $start = time;
    my ($answer) = $f->cgi(signed(event()));
    push @ms, 1000 * (time - $start);
    push @wrong, "$n: $answer->{status} $answer->{log}" if $answer->{status} != 200 || $answer->{code} != 0;
    $largest = max($largest // 0, -s $f->database . '-wal' // 0);
}
is("@wrong[0 .. (@wrong > 3 ? 2 : $#wrong)]", '', 'each is answered 200 and its process ends well');
cmp_ok($largest, '<', $WAL_LIMIT, 'the write-ahead log stays below 5 MB');
is($f->counts, "$EVENTS $EVENTS 0", 'each is stored');
cmp_ok(-s $f->database, '<', $EVENTS * 4096, 'the database is no larger than its events ask for');
diag sprintf 'ms an event: first hundred %.1f, last hundred %.1f; largest write-ahead log %d bytes',
    sum(@ms[0 .. 99]) / 100, sum(@ms[-100 .. -1]) / 100, $largest;
$f->finish;

done_testing;
