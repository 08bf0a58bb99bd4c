#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 5: clients that stop in the middle of a large body, and come again when they are cut, hold up no event, through
# each server with the shipped configurations. What stalls is cut 10 s after its start: each event is answered before.
use strict;
use warnings;
use IO::Select;
use List::Util qw(max);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Http;
use Requests;

my $CLIENTS = 60;
my $SENT = 1_000_000;     # bytes of a body that each of them sends
my $LENGTH = 1_040_000;   # of those that it announces: less than max_body
my $CUT_S = 10;           # WEB_DEADLINE_MS

# The beginning of a request over a new connection.
sub stalled {
    my ($d) = @_;
    my $body = 'z' x $SENT;
    my %r = (method => 'POST', path => $d->{url}, headers => ['ComplyCube-Signature' => 'a1' x 32]);
    return (Http::connect_to($d->{port}), Http::head({ %r, body => $body, length => $LENGTH }) . $body) if $d->{via} eq 'http';
    return (FastCgi::connect_to($d->{socket}), FastCgi::beginning({ %r, length => $LENGTH }) . join '', map { FastCgi::record(stdin => $_) } unpack '(a32768)*', $body);
}

# Send as much of each as it takes; one that was cut begins again. Writes a line each time that nothing moved for a while.
sub stall {
    my ($d, $said) = @_;
    my @client;
    local $SIG{PIPE} = 'IGNORE';
    my $begin = sub { my ($socket, $left) = stalled($d); $socket->blocking(0); return { socket => $socket, left => $left } };
    while (1) {
        $_ = $begin->() for @client[scalar(@client) .. $CLIENTS - 1];
        my $read = IO::Select->new(map { $_->{socket} } @client);
        my $write = IO::Select->new(map { $_->{socket} } grep { length $_->{left} } @client);
        my ($ended, $open) = IO::Select->select($read, $write, undef, 0.3);
        if (!$ended) { syswrite $said, "still\n"; next }
        my %open = map { $_ => 1 } @$open;
        for my $c (grep { $open{ $_->{socket} } } @client) {
            my $n = syswrite $c->{socket}, $c->{left}, 65536;
            substr $c->{left}, 0, $n // 0, '';
        }
        my %ended = map { $_ => 1 } @$ended;
        $_ = $begin->() for grep { $ended{ $_->{socket} } } @client;
    }
}

# Start them in a process of their own, and wait until they stand still. Gives what stops them.
sub stall_aside {
    my ($d) = @_;
    pipe my $hear, my $said or die $!;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        $SIG{TERM} = sub { POSIX::_exit(0) };
        eval { stall($d, $said) };
        POSIX::_exit(1);
    }
    close $said;
    IO::Select->new($hear)->can_read(5) or diag 'they move still';
    return sub { kill 'TERM', $pid; waitpid $pid, 0; return $? };
}

sub answered {
    my ($d, $size) = @_;
    my $begun = time;
    my $status = $d->{client}->(signed(event(size => $size), method => 'POST', path => $d->{url}))->{status};
    return ($status, time - $begun);
}

for my $name ('lighttpd mod_fastcgi', 'lighttpd to spawn-fcgi', 'lighttpd mod_cgi', 'Apache mod_fcgid', 'Apache mod_proxy_fcgi',
    'Apache mod_cgid', 'nginx', 'nginx unbuffered', 'spawn-fcgi alone') {
    my $f = Fixture->new;
    my $d = deploy($f, $name);
    $d->{socket} = $f->path('run/receiver.sock');
    is((answered($d, 100_000))[0], 200, "$name: an event is stored before");
    my $begun = time;
    my $stop = stall_aside($d);
    my (%status, %slowest);
    for (1 .. 5) {
        for my $size (800, 100_000) {
            my ($status, $s) = answered($d, $size);
            $status{"$status of $size"}++;
            $slowest{$size} = max($slowest{$size} // 0, $s);
        }
    }
    my $s = time - $begun;
    is_deeply \%status, { '200 of 800' => 5, '200 of 100000' => 5 }, "$name: events are stored beside $CLIENTS stalled bodies of 1 MB";
    cmp_ok $s, '<', $CUT_S, "$name: ... before these are cut";
    note sprintf '%s: slowest of 800 bytes %.2f s, of 100 KB %.2f s', $name, @slowest{ 800, 100_000 };
    is $stop->(), 0, "$name: they were there until the end";
    is $f->counts, '11 11 0', "$name: nothing of theirs is stored";
    $f->finish;
}
done_testing;
