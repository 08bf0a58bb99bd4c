#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Hundreds of events by plain CGI, each process the only one that has the database open; and input that is never closed.
use strict;
use warnings;
use List::Util qw(max sum);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Event;
use Fixture;
use Proc;
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

# source: RFC 3875, section 4.2
my $event = signed(event());
my %said = (CONTENT_LENGTH => length $event->{body}, HTTP_COMPLYCUBE_SIGNATURE => $event->{headers}[1]);
my ($short, $unsaid) = (substr($event->{body}, 0, -1), { %said, CONTENT_LENGTH => 0 });

# A receiver whose input has these bytes and stays open: the process, and the handle that holds it open.
sub left_open {
    my ($name, $body, %variables) = @_;
    my $pipe = $f->path("run/$name");
    POSIX::mkfifo($pipe, 0600) or die "$pipe: $!";
    open my $held, '+<', $pipe or die "$pipe: $!";
    syswrite $held, $body;
    my $proc = Proc->start(cmd => [$f->path('home/public_html/cgi-bin/complycube-webhook.cgi')], stdin => $pipe,
        stdout => $f->path("run/$name.out"), stderr => $f->path("run/$name.err"),
        env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config, %variables });
    return ($proc, $held);
}

my $n = 0;
for my $case (
    ['POST', $event->{body}, qr/"received":true/, %said],
    ['GET', '', qr/^ready$/m],
    ['HEAD', '', qr/^Status: 200/],
    ['GET', 'more than nothing', qr/^ready$/m, CONTENT_LENGTH => 17],
) {
    my ($method, $body, $expected, %variables) = @$case;
    my $name = "$method of " . length($body) . ' bytes whose input stays open';
    my @waits = map { [left_open('waits-' . ++$n, @$_, REQUEST_METHOD => 'POST')] } [$short, %said], [$event->{body}, %$unsaid];
    my ($proc, $held) = left_open("case-$n", $body, %variables, REQUEST_METHOD => $method);
    ok $proc->ended(20), "$name: it is answered" or $proc->stop;
    like Fixture::slurp($f->path("run/case-$n.out")), $expected, '... as it should be';
    ok !$_->[0]->ended(0), '... before the rest of a body is given up' for @waits;
    for (@waits) { kill 'KILL', $_->[0]->pid; $_->[0]->ended(5) }    # a CGI ignores TERM
}
$f->finish;

done_testing;
