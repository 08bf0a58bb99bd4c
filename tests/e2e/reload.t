#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A running receiver takes up changed files, and never a broken one.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Requests;

my $NEW = 'brandnew123456789abcdef012345678';
my $f = Fixture->new;
my $d = deploy($f, 'spawn-fcgi alone');
my ($sent, $config) = (0, Fixture::slurp($f->config));
my $full = "main $SECRET{live}\nnew $NEW\n";

sub ask {
    my ($secret) = @_;
    my $body = event();
    $sent++;
    return $d->{client}->(post($body, sign($body, $secret), method => 'POST', path => '/'))->{status};
}

# For a second and a half: right signatures are answered 200, forged ones 400.
sub holds {
    my ($what) = @_;
    my ($end, %got) = (time + 1.5);
    do {
        $got{ 'right ' . ask($SECRET{live}) }++;
        $got{ 'forged ' . ask('nobody') }++;
        sleep 0.005;
    } while time < $end;
    is(join(', ', sort keys %got), 'forged 400, right 200', $what);
}

# Whether the secret comes to be answered so within two seconds; others are asked all the while.
sub becomes {
    my ($secret, $status, $what) = @_;
    my ($start, $seconds) = time;
    while (($seconds = time - $start) < 4) {
        last if ask($secret) == $status;
        ask('nobody') == 400 or fail("$what: a forged one was let in");
        sleep 0.005;
    }
    cmp_ok($seconds, '<=', 2, sprintf '%s (after %.2f s)', $what, $seconds);
}

sub set_config { $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $_[0]) }

is(ask($SECRET{live}), 200, 'the secret of the start is accepted');
is(ask($NEW), 400, 'the new one is not yet');

$f->secrets('secrets', 'main ' . substr $SECRET{live}, 0, 11);
holds('a secrets file cut amid its first line leaves the old secret in force');
$f->secrets('secrets', '');
holds('so does an empty one');
$f->secrets('secrets', "main \0\0\0\n");
holds('so does one full of NULs');
set_config(substr $config, 0, length($config) - 40);
holds('so does a configuration that is cut');
set_config("database = \"../../private/other.db\"\nendpoint live {\n");
holds('so does one that ends within an endpoint');
unlink $f->config;
holds('so does none at all');
$f->secrets('secrets', substr $full, 0, length("main $SECRET{live}\nnew ") + 7);
set_config($config);
holds('a secrets file cut amid its new line keeps the old secret');

my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
my $bytes = FastCgi::bytes(signed(event(), method => 'POST', path => '/'));
print $socket substr $bytes, 0, -20;
$socket->flush;

$f->secrets('secrets', $full);
becomes($NEW, 200, 'a new secret is accepted within two seconds');
is(ask($SECRET{live}), 200, 'the old one too');
print $socket substr $bytes, -20;
$socket->flush;
is(FastCgi::answer($socket)->{status}, 200, 'a request under way meanwhile is answered');

$f->secrets('secrets', "main $SECRET{live} retired\nnew $NEW\n");
becomes($SECRET{live}, 400, 'a retired secret is refused within two seconds');
is(ask($NEW), 200, 'the new one is still accepted');

$f->secrets('secrets', "main $SECRET{live}\n");
$d->{receiver}->signal('HUP');
becomes($SECRET{live}, 200, 'after HUP a file is taken up');
cmp_ok($sent, '>', 100, "$sent requests were sent meanwhile");
ok(!$d->{receiver}->ended(0), 'the receiver ran all the while');
$f->finish;

done_testing;
