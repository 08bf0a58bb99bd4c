#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 5: a client that sends its body slowly, or never ends it, delays nobody.
use strict;
use warnings;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Http;
use Proc;
use Requests;

my $CLIENTS = 24;

# Open slow clients; one byte more of each before every one of 50 other requests; then their rest.
# open => a new connection, bytes => what a request looks like on it, answer => reads one
sub trickle {
    my ($f, $d, $how) = @_;
    my @slow = map {
        my $body = event(size => 5000);
        my $bytes = $how->{bytes}->(signed($body, method => 'POST', path => $d->{url}));
        my $socket = $how->{open}->();
        print $socket substr $bytes, 0, -400;
        $socket->flush;
        [$socket, substr($bytes, -400), event_id($body)];
    } 1 .. $CLIENTS;
    my (@statuses, @ms);
    for (1 .. 50) {
        for (@slow) { my $socket = $_->[0]; print $socket substr $_->[1], 0, 1, ''; $socket->flush }
        my $start = time;
        push @statuses, $d->{client}->(signed(event(), method => 'POST', path => $d->{url}))->{status};
        push @ms, 1000 * (time - $start);
    }
    is(join(' ', @statuses), join(' ', (200) x 50), 'others are answered while they trickle');
    diag sprintf '%s: slowest of the others %.0f ms', $d->{name}, max @ms;
    is($f->counts, '50 50 0', 'the slow ones are not stored before they are whole');
    for (@slow) { my ($socket, $rest) = @$_; print $socket $rest; $socket->flush }
    my $slow = join ' ', map { $how->{answer}->($_->[0])->{status} } @slow;
    is($slow, join(' ', (200) x $CLIENTS), 'then they are answered');
    is($f->counts, sprintf('%d %d 0', 50 + $CLIENTS, 50 + $CLIENTS), 'and stored');
}

my $http = sub { my ($r) = @_; return Http::head($r) . Http::body($r) };

subtest "$CLIENTS slow clients through Apache mod_proxy_fcgi" => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'Apache mod_proxy_fcgi');
    trickle($f, $d, { open => sub { Http::connect_to($d->{port}) }, bytes => $http, answer => \&Http::answer });
    $f->finish;
};

subtest "$CLIENTS slow connections to the receiver" => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my $open = sub { FastCgi::connect_to($f->path('run/receiver.sock')) };
    trickle($f, $d, { open => $open, bytes => \&FastCgi::bytes, answer => \&FastCgi::answer });
    $f->finish;
};

subtest 'large requests beside slow large ones' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my @slow = map {
        my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
        print $socket substr FastCgi::bytes(signed(event(size => 100_000), method => 'POST', path => '/')), 0, 30_000;
        $socket->flush;
        $socket;
    } 1 .. $CLIENTS;
    my @statuses = map { $d->{client}->(signed(event(size => 100_000), method => 'POST', path => '/'))->{status} } 1 .. 10;
    is(join(' ', @statuses), join(' ', (200) x 10), 'are answered');
    is($f->counts, '10 10 0', 'and stored');
    is(join(' ', map { FastCgi::answer($_, 14)->{status} } @slow), join(' ', (0) x $CLIENTS), 'the slow ones are cut');
    $f->finish;
};

subtest 'small requests beside as many bytes as may be gathered' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my $large = FastCgi::bytes(signed(event(size => 1_000_000), method => 'POST', path => '/'));
    local $SIG{PIPE} = 'IGNORE';
    my @slow = map { my $socket = FastCgi::connect_to($f->path('run/receiver.sock')); $socket->blocking(0); [$socket, 0] } 1 .. 40;
    my $more = sub { # as much of each, but for its end, as its socket takes
        my $sum = 0;
        for (@slow) { my $n = syswrite($_->[0], substr $large, $_->[1], length($large) - 8 - $_->[1]) // 0; $_->[1] += $n; $sum += $n }
        return $sum;
    };
    Proc::wait_until(sub { $more->() == 0 }, 3) for 1 .. 3;
    my @parts = map { FastCgi::bytes(signed(event(size => $_), method => 'POST', path => '/')) } 500, 3000, 10_000;
    my @sockets = map { FastCgi::connect_to($f->path('run/receiver.sock')) } @parts;
    for my $i (0 .. $#parts) { my $socket = $sockets[$i]; print $socket substr $parts[$i], 0, 300; $socket->flush }
    is($d->{client}->(signed(event(), method => 'POST', path => '/'))->{status}, 200, 'one that is sent at once is answered');
    sleep 1;    # the pause between the parts
    for my $i (0 .. $#parts) { my $socket = $sockets[$i]; print $socket substr $parts[$i], 300; $socket->flush }
    is(join(' ', map { FastCgi::answer($_, 5)->{status} } @sockets), '200 200 200', 'so are those that come in two parts');
    is($f->counts, '4 4 0', 'and stored');
    $f->finish;
};

subtest 'the largest requests beside twenty that stand still' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my $large = sub { FastCgi::bytes(signed(event(size => 1_000_000), method => 'POST', path => '/')) };
    my $open = sub { my ($bytes) = @_; my $socket = FastCgi::connect_to($f->path('run/receiver.sock')); $socket->blocking(0); return [$socket, $bytes] };
    my $more = sub { # as much of it, but for its last bytes, as its socket takes, `most` at a time
        my ($c, $keep, $most) = @_;
        my $n = max(0, length($c->[1]) - $keep);
        $n = syswrite($c->[0], $c->[1], $most && $most < $n ? $most : $n) // 0;
        substr $c->[1], 0, $n, '';
        return $n;
    };
    local $SIG{PIPE} = 'IGNORE';
    my @still = map { $open->($large->()) } 1 .. 20;
    my $slow = $open->($large->());
    $more->($slow, 0, 200_000);
    my $goes_on = sub { my $sum = 0; $sum += $more->($_, 400_000) for @still; $more->($slow, 20_000, 5000); return $sum };
    Proc::wait_until(sub { $goes_on->() == 0 }, 3);
    my $fast = $open->($large->());
    ok(Proc::wait_until(sub { $goes_on->(); $more->($fast, 0); !length $fast->[1] }, 5), 'another as large is taken, in the place of one of them');
    $fast->[0]->blocking(1);
    is(FastCgi::answer($fast->[0])->{status}, 200, 'and is stored');
    ok(Proc::wait_until(sub { $more->($slow, 0); !length $slow->[1] }, 8), 'one that is slow and moves on was left its place');
    $slow->[0]->blocking(1);
    is(FastCgi::answer($slow->[0])->{status}, 200, 'and is stored too');
    is($f->counts, '2 2 0', 'and none of those that stand still');
    like($f->logs, qr/code=incomplete msg="requests that were not whole were cut, to make room for others"/, 'that they made way is in the log');
    $f->finish;
};

subtest 'a body without end' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my $record = FastCgi::record(stdin => 'x' x 65_528);
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        local $SIG{PIPE} = 'DEFAULT';    # ends it, once it is cut
        my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
        print $socket FastCgi::beginning({ method => 'POST', path => '/' });
        $socket->flush;
        while (1) { syswrite $socket, $record }
    }
    my $begun = time;
    my %status;
    $status{ $d->{client}->(signed(event(), method => 'POST', path => '/'))->{status} }++ for 1 .. 10;
    is_deeply(\%status, { 200 => 10 }, 'others are answered meanwhile');
    my $s = time - $begun;
    ok(Proc::wait_until(sub { waitpid($pid, 1) == $pid }, 14), 'it is cut') or kill 'KILL', $pid;
    note sprintf 'ten events in %.2f s; cut after %.1f s', $s, time - $begun;
    $f->finish;
};

subtest 'a request that never becomes whole' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my $whole = FastCgi::bytes(signed(event(), method => 'POST', path => '/'));
    my @sockets = map { FastCgi::connect_to($f->path('run/receiver.sock')) } 1 .. 3;
    my @part = ('', substr($whole, 0, 4), substr($whole, 0, -8));
    for my $i (0 .. $#part) { my $socket = $sockets[$i]; print $socket $part[$i]; $socket->flush }
    my $start = time;
    is(join(' ', map { FastCgi::answer($_, 14)->{error} } @sockets), join(' ', ("connection ended\n") x 3),
        'is cut, whether nothing, four bytes or all but its end had come');
    diag sprintf 'cut after %.1f s', time - $start;
    is($f->counts, '0 0 0', 'nothing is stored');
    is($d->{client}->(signed(event(), method => 'POST', path => '/'))->{status}, 200, 'the next one is');
    $f->finish;
};

done_testing;
