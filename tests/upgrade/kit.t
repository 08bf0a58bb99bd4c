#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An upgrade of 0.1.0's hosting kit, as its guide has it: the receiver alone first, then the tool, the library and poll.php
# over the old ones. What was told of is not told again, what waits goes on waiting, and a work.php gets it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(hmac_sha256_hex);
use Test::More;
use Deploy;
use Fixture;
use Upgrade;
use Upgraded;

sub post {
    my ($u, $id) = @_;
    my $body = qq({"id":"$id","type":"check.completed","payload":{"id":"$id"}});
    return $u->post($body, hmac_sha256_hex($body, 'akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH'))->{body};
}

sub put {
    my ($u, $name, $text) = @_;
    open my $out, '>', $u->path($name) or die "$name: $!";
    print $out $text;
    close $out or die "$name: $!";
    $u->own;
}

sub polled { my ($u) = @_; my ($code, $out, $err) = $u->as('receiver', 'php', '-q', $u->path('home/private/poll.php')); return "$code $out$err" }

my $u = taken_over('kit');
is polled($u), '0 ', 'poll.php of 0.1.0 tells nothing again';
is post($u, 'later-1'), '{"received":true}', 'an event comes';
like polled($u), qr/^0 .* later-1\n.*work\.php/, 'poll.php of 0.1.0 tells of that one alone';
put($u, "home/private/$_->[0]", Upgrade::slurp("$Upgrade::ROOT/$_->[1]"))
    for ['ComplyCubeInbox.php', 'consumers/php/ComplyCubeInbox.php'], ['poll.php', 'packaging/kit/private/poll.php'];
is polled($u), '0 ', 'so does the new one, which knows what the old one told';
is post($u, 'later-2'), '{"received":true}', 'another comes';
like polled($u), qr/^0 .* later-2\n.*work\.php/, 'and is told of';
put($u, 'home/private/work.php', q(<?php function work(array $event) { echo "$event[event_id]\n"; }));
is join(' ', sort split /\s+/, polled($u)), '0 kit-1 kit-2 kit-3 later-1 later-2 new-1 new-2', 'work.php gets all that waited';
is polled($u), '0 ', 'once';
$u->finish;

subtest 'the .htaccess and the configuration of 0.1.0, under Apache' => sub {
    my $old = Upgrade->new('kit');
    my $f = Fixture->new(conf => Upgrade::slurp($old->config));
    $f->write('home/public_html/cgi-bin/.htaccess', Upgrade::slurp($old->path('home/public_html/cgi-bin/.htaccess')));
    my $d = deploy($f, 'Apache shared hosting, CGI');
    is $d->{client}->({ method => 'GET', path => $d->{url} })->{body}, 'ready', 'the receiver says ready';
    is $d->{client}->({ method => 'GET', path => '/cgi-bin/complycube-webhook.conf' })->{status}, 403, 'the configuration is not handed out';
    $f->finish;
};
done_testing;
