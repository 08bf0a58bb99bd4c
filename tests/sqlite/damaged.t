#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A database that is damaged where no look at its beginning shows it: nothing is acknowledged, a GET tells, and all is
# well again once the file is mended.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Deploy;
use Event;
use Fixture;
use Requests;

my $f = Fixture->new;
is(($f->cgi(signed(event())))[0]{status}, 200, 'an event is stored');
my $good = Fixture::slurp($f->database);
$f->write('home/private/inbox.db', substr($good, 0, 100) . 'x' x (length($good) - 100), 0600);

my $d = deploy($f, 'spawn-fcgi alone');
my $ask = sub { $d->{client}->({ method => 'POST', path => '/', @_ }) };
is($ask->(%{ signed(event()) })->{status}, 503, 'in a damaged database nothing is acknowledged');
is($ask->(method => 'GET')->{body}, 'not ready: database', 'and a GET tells');
$f->write('home/private/inbox.db', $good, 0600);
is($ask->(%{ signed(event()) })->{status}, 200, 'once it is mended, the next one is stored');
is($ask->(method => 'GET')->{body}, 'ready', 'and a GET tells');
is($f->counts, '2 2 0', 'both are there');
$f->finish;
done_testing;
