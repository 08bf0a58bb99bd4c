#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Many deliveries at once: each event once, whatever the deployment.
use strict;
use warnings;
use Test::More;
use Deploy;
use Event;
use Fixture;
use Http;
use Requests;

my $MANY = Fixture::sanitized() ? 10 : 50;    # sanitized processes start slowly

# Send one request over each of n connections, the last byte of each only when all the rest is sent.
sub at_once {
    my ($d, $n, $request) = @_;
    my %r = (method => 'POST', path => $d->{url}, %$request);
    my $text = Http::head(\%r) . Http::body(\%r);
    my @sockets = map { Http::connect_to($d->{port}) } 1 .. $n;
    for my $socket (@sockets) { print $socket substr $text, 0, -1; $socket->flush }
    for my $socket (@sockets) { print $socket substr $text, -1; $socket->flush }
    return map { Http::answer($_, 30) } @sockets;
}

for my $name ('lighttpd mod_fastcgi', 'lighttpd mod_cgi', 'Apache mod_fcgid', 'Apache mod_cgid',
    'Apache mod_proxy_fcgi')
{
    subtest "$name: $MANY concurrent deliveries of one event are one row" => sub {
        my $f = Fixture->new;
        my $body = event();
        my @answers = at_once(deploy($f, $name), $MANY, signed($body));
        is(scalar(grep { $_->{status} == 200 } @answers), $MANY, 'each is answered 200')
            or diag map { "$_->{status} $_->{body}\n" } grep { $_->{status} != 200 } @answers;
        is(scalar(grep { $_->{body} =~ /^\{"received":true\}/ } @answers), 1, 'one of them as new');
        is($f->counts, '1 1 0', 'one row');
        diag $f->logs if grep { $_->{status} != 200 } @answers;
        $f->finish;
    };
}

subtest "$MANY CGI processes that start at once with no database yet store $MANY events" => sub {
    my $f = Fixture->new;
    my @answers = $f->cgi(map { signed(event()) } 1 .. $MANY);
    is(scalar(grep { $_->{status} == 200 } @answers), $MANY, 'each is answered 200')
        or diag map { "$_->{status} $_->{body}$_->{log}" } grep { $_->{status} != 200 } @answers;
    is($f->counts, "$MANY $MANY 0", "$MANY rows");
    is($f->value('PRAGMA integrity_check'), 'ok', 'the database is sound');
    $f->finish;
};

subtest "$MANY CGI processes that start at once on no database with one event store it once" => sub {
    my $f = Fixture->new;
    my $body = event();
    my @answers = $f->cgi(map { signed($body) } 1 .. $MANY);
    is(scalar(grep { $_->{status} == 200 } @answers), $MANY, 'each is answered 200')
        or diag map { "$_->{status} $_->{body}$_->{log}" } grep { $_->{status} != 200 } @answers;
    is(scalar(grep { $_->{body} =~ /^\{"received":true\}/ } @answers), 1, 'one of them as new');
    is($f->counts, '1 1 0', 'one row');
    $f->finish;
};

done_testing;
