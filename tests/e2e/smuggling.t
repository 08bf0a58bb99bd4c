#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Forged FastCGI records in the body of a refused request are never run, over connections kept open.
use strict;
use warnings;
use Test::More;
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Requests;

# A whole request that would be stored, were the receiver to take it for one.
sub records {
    my ($id) = @_;
    my $body = qq({"id":"$id","type":"check.pending"});
    my %params = (REQUEST_METHOD => 'POST', REMOTE_ADDR => '6.6.6.6', HTTP_COMPLYCUBE_SIGNATURE => sign($body));
    return FastCgi::record(begin => pack 'nCx5', 1, 1) . FastCgi::stream(params => FastCgi::params(%params))
        . FastCgi::stream(stdin => $body);
}

sub socket_runs {
    my ($f) = @_;
    my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
    print $socket records('control');
    $socket->flush;
    my $answer = FastCgi::answer($socket);
    return $answer->{status} == 200 && $f->events('control') == 1;
}

# A body laid out with nothing but forged requests, from every offset: wherever a parser that lost its place goes
# on reading, for one of the offsets a forged request begins just there.
sub sweep {
    my ($d, $method, $length, $step) = @_;
    my $forged = records('smuggled');
    my %statuses;
    for (my $offset = 0; $offset < length $forged; $offset += $step) {
        my $body = substr 'x' x $offset . $forged x (1 + $length / length $forged), 0, $length;
        my $request = post($body, 'a1' x 32, method => $method, path => $d->{url});
        $statuses{ $d->{client}->($request)->{status} }++;
    }
    return join ' ', sort keys %statuses;
}

for my $name ('nginx keep-alive', 'Apache enablereuse=on') {
    subtest $name => sub {
        my $f = Fixture->new;
        my $d = deploy($f, $name);
        ok(socket_runs($f), 'the forged records, sent to the socket itself, are a request that is stored');
        is(sweep($d, POST => 12_000, 1), 400, 'a forged POST of 12 KB is refused at every offset');
        is(sweep($d, PUT => 12_000, 1), 405, 'so is a PUT');
        is(sweep($d, POST => 300_000, 10), 400, 'so is a POST of 300 KB');
        is(sweep($d, POST => 1_200_000, 50), 413, 'so is a POST over max_body');
        is($f->events('smuggled'), 0, 'none of the forged requests was run');
        unlike($f->logs, qr/remote=6\.6\.6\.6/, 'nor does any log know of one');
        my $real = signed(event(), method => 'POST', path => $d->{url});
        is($d->{client}->($real)->{status}, 200, 'a real one is stored');
        is($f->counts, '2 2 0', 'and nothing else was');
        $f->finish;
    };
}

done_testing;
