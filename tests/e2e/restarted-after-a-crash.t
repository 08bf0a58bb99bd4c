#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Should the receiver ever end, killed or by a fault of a library, whoever started it starts it again, as shipped: the next
# event is stored, and nothing that was acknowledged is lost. (systemd's units: systemd.t)
use strict;
use warnings;
use Test::More;
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Requests;

plan skip_all => 'WRAP puts another program in the place of the receiver' if $ENV{WRAP};

# The processes of this fixture's receiver, by how they were begun: what they are is hidden from all but root.
sub receivers {
    my ($f) = @_;
    my $program = $f->program;
    return map { m{^/proc/(\d+)/} } grep { (eval { Fixture::slurp($_) } // '') =~ /^\Q$program\E\0/ } glob '/proc/[0-9]*/cmdline';
}

# Kill it again and again; each time another process must store the next event.
sub kill_it {
    my ($f, $client, $times) = @_;
    my $send = sub { my $body = event(); return $client->(signed($body))->{status} == 200 && event_id($body) };
    my @stored = wait_until($send, 10);
    ok $stored[0], 'an event is stored';
    my %before;
    for my $n (1 .. $times) {
        my @pids = receivers($f);
        is scalar(grep { !$before{$_}++ } @pids), scalar(@pids), "it is a process that was not there before, $n" if $n == 1 || $n == $times;
        kill 'KILL', @pids or last;
        wait_until(sub { !grep { kill 0, $_ } @pids }, 5);
        push @stored, wait_until($send, 20) || last;
    }
    is scalar(grep { $_ } @stored), 1 + $times, "after each of $times kills the next event is stored";
    is scalar(grep { $f->events($_) != 1 } @stored), 0, 'each that was acknowledged is there once';
}

for (['lighttpd mod_fastcgi', 2], ['Apache mod_fcgid', 2], ['multiwatch', 6]) {    # by itself multiwatch gives up after 4
    my ($name, $times) = @$_;
    subtest $name => sub {
        my $f = Fixture->new;
        my $d = deploy($f, $name);
        kill_it($f, sub { $d->{client}->({ method => 'POST', path => $d->{url}, %{ $_[0] } }) }, $times);
        $f->finish;
    };
}

subtest 'multiwatch in the background, as INSTALL.md has it' => sub {
    my ($command) = Fixture::slurp("$Fixture::ROOT/INSTALL.md") =~ /^ +(spawn-fcgi -s .*\n(?: .*\n)*)/m or die 'INSTALL.md has no such command';
    my $f = Fixture->new;
    my ($socket, $pid_file) = map { $f->path("run/$_") } qw(receiver.sock multiwatch.pid);
    $command =~ s/\\\n//g;
    $command =~ s{-s \S+}{-s $socket -P $pid_file};
    $command =~ s{ -[uUgG] \S+}{}g;
    $command =~ s{\S+/complycube-webhook}{$f->program}e;
    my ($code, $out) = $f->run(split(' ', $command), { env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
    is $code, 0, "it starts: $out";
    my $pid = Fixture::slurp($pid_file);
    like $pid, qr/^\d+$/, 'and says its pid';
    kill_it($f, sub {
        my ($request) = @_;
        my $peer = FastCgi::connect_to($socket) or return { status => 0 };
        $peer->syswrite(FastCgi::bytes({ method => 'POST', path => '/', %$request }));
        return FastCgi::answer($peer, 5);
    }, 6);
    kill 'TERM', $pid;
    ok wait_until(sub { !kill 0, $pid }, 5), 'it ends';
    kill 'KILL', receivers($f);
    $f->finish;
};
done_testing;
