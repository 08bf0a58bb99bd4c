#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 5: clients that send slowly, stop in the middle or never take their answer, through each server with the shipped
# configurations: others are answered meanwhile, and the slow ones are left. The seconds of the configurations are
# made shorter, so that the test is; trickle.t and raw-fastcgi.t are the same before the socket itself.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Http;
use Requests;

my $EACH = 10;    # clients of each kind and server
my $LIMIT = 30;   # seconds, for what takes three
$SIG{PIPE} = 'IGNORE';

# What ends slow clients, in the configuration as it is shipped; and the same, sooner.
sub sooner {
    my ($found) = @_;
    return sub {
        my ($text) = @_;
        $$found += $text =~ s/^RequestReadTimeout header=\d+ body=\d+$/RequestReadTimeout header=2 body=3/m;
        $$found += $text =~ s/^(server\.max-(?:read|write)-idle *=) \d+$/$1 2/mg;
        $$found += $text =~ s/^( *client_(?:header|body)_timeout +)\d+s;$/${1}2s;/mg;
        return $text;
    };
}

# How much a client sends at once of a request, whether it goes on with a byte now and then, and which servers know no
# limit for that: lighttpd and nginx gather the request, and what is not whole never reaches the receiver.
my @KIND = (
    ['stops in the header', sub { 30 }],
    ['trickles its header', sub { 30 }, trickles => 1, endless => qr/lighttpd/],
    ['stops in the body', sub { $_[0] + 30 }],
    ['trickles its body', sub { $_[0] + 30 }, trickles => 1, endless => qr/lighttpd|nginx/],
    ['never takes its answer', sub { 1e9 }, deaf => 1],
);

# A request that would be stored, were it ever whole. deaf: one that is, over a connection that is kept.
sub client {
    my ($d, $kind) = @_;
    my ($what, $part, %o) = @$kind;
    my $r = $o{deaf} ? { method => 'GET', path => $d->{url} } : signed(event(size => 60_000), method => 'POST', path => $d->{url});
    my $head = Http::head($r);
    $head =~ s/^Connection: close\r\n//m if $o{deaf};
    my $bytes = $head . Http::body($r);
    my $peer = Http::connect_to($d->{port});
    $peer->blocking(0);
    my $sent = $peer->syswrite(substr $bytes, 0, $part->(length $head));
    return { %o, what => $what, peer => $peer, rest => substr($bytes, $sent), endless => defined $o{endless} && scalar($d->{name} =~ $o{endless}) };
}

sub good { my ($d) = @_; return $d->{client}->(signed(event(), method => 'POST', path => $d->{url}))->{status} }

# A byte more of those that trickle; which have ended is noted. A deaf one is not read from until all the others have.
sub step {
    my ($clients, $deaf_too) = @_;
    for my $c (grep { !$_->{ended} } @$clients) {
        $c->{peer}->syswrite(substr $c->{rest}, 0, 1, '') if $c->{trickles};
        next if $c->{deaf} && !$deaf_too;
        my $n = sysread $c->{peer}, my $bytes, 4096;
        $c->{ended} = defined $n ? !$n : !$!{EAGAIN};
    }
}

my @servers = map {
    my ($f, $found) = (Fixture->new, 0);
    my $d = deploy($f, $_, edit => sooner(\$found));
    cmp_ok $found, '>', 0, "$_: the configuration limits slow clients";
    { f => $f, d => $d, name => $_ };
} 'lighttpd mod_fastcgi', 'lighttpd mod_cgi', 'Apache mod_fcgid', 'Apache mod_proxy_fcgi', 'Apache mod_cgid', 'nginx', 'nginx unbuffered';

for my $s (@servers) {
    $s->{clients} = [map { my $kind = $_; map { client($s->{d}, $kind) } 1 .. $EACH } @KIND];
    my %status;
    for (1 .. 5) { step($s->{clients}); $status{ good($s->{d}) }++ }
    is_deeply \%status, { 200 => 5 }, "$s->{name}: events are stored while " . @{ $s->{clients} } . ' clients are slow';
}

my $end = time + $LIMIT;
my @waited = map { @{ $_->{clients} } } @servers;
my $left = sub { my ($deaf) = @_; return grep { !$_->{ended} && !$_->{endless} && (!$_->{deaf} || $deaf) } @waited };
for my $deaf (0, 1) {
    while ($left->($deaf) && time < $end) { step(\@waited, $deaf); sleep 0.2 }
}
for my $s (@servers) {
    my %left = map { $_->{what} => 1 } grep { !$_->{ended} && !$_->{endless} } @{ $s->{clients} };
    is join(', ', sort keys %left), '', "$s->{name}: the slow ones are left";
    my @endless = grep { $_->{endless} && !$_->{ended} } @{ $s->{clients} };
    is good($s->{d}), 200, sprintf '... and an event is stored, %d of them or not', scalar @endless;
    close $_->{peer} for @endless;
    is $s->{f}->counts, '6 6 0', '... and nothing of theirs';
    $s->{f}->finish;
}
done_testing;
