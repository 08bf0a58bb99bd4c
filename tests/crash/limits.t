#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promises 2 and 5: whatever setrlimit restricts, a receiver is not ended by a signal, and answers with what the documents
# list: an event that is answered 2xx is stored or in the spool, and any other comes again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use Event;
use Fixture;
use Http;
use Proc;
use Requests;
use Tool qw(tool tool_out);

my $SPOOL = 'spool = "../../private/spool"';
my $SAMPLE = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

# A request to a CGI with these limits, names and values of prlimit(1): { answer => text, signal => number }.
sub limited {
    my ($f, $limits, $request) = @_;
    our $n;
    my $base = 'run/limited-' . ++$n;
    $f->write("$base.in", $request->{body} // '');
    my %env = (FastCgi::variables({ method => 'POST', path => '/', %$request }), COMPLYCUBE_WEBHOOK_CONFIG => $f->config);
    my $proc = Proc->start(cmd => ['prlimit', @$limits, $f->path('home/public_html/cgi-bin/complycube-webhook.cgi')],
        env => \%env, stdin => $f->path("$base.in"), stdout => $f->path("$base.out"), stderr => $f->path("$base.err"));
    $proc->ended(30) or $proc->stop;
    return { answer => Fixture::slurp($f->path("$base.out")), signal => $proc->{status} & 127, log => Fixture::slurp($f->path("$base.err")) };
}

my %RANGE = (
    fsize      => [4096, 40_000, 100_000, 400_000],
    cpu        => [1],
    nofile     => [3 .. 12],
    nproc      => [0, 1],
    sigpending => [0, 1],
    memlock    => [0],
    msgqueue   => [0],
    locks      => [0, 1],
    nice       => [0],
    rtprio     => [0],
    core       => [0],
    stack      => [1 << 18, 1 << 20],
    # A loader that lacks memory for the libraries ends before the program begins, and prints so.
    # A static program has 400 KB of its own, without which the kernel ends it before it begins.
    Fixture::sanitized() ? () : (data => [map { $_ << 18 } (Fixture::static() ? 2 : 1) .. 12], as => [map { $_ << 20 } 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64]),
);

for my $spool (q(), $SPOOL) {
    my $f = Fixture->new(conf => "$spool\n$SAMPLE");
    $f->folder('home/private/spool') if $spool;
    is((tool($f, 'init'))[0], 0, 'init');
    $f->cgi(signed(event()));
    for my $limit (sort keys %RANGE) {
        my (@signals, @undocumented, @lost, %seen);
        for my $value (@{ $RANGE{$limit} }) {
            my $body = event(size => 30_000);
            my $got = limited($f, ["--$limit=$value:"], signed($body));
            my ($status) = $got->{answer} =~ /^Status: (\d+)/;
            $seen{ $status // 'none' }++;
            push @signals, "$value: $got->{signal}" if $got->{signal};
            push @undocumented, "$value: $got->{answer}$got->{log}"
                if defined $status ? $status !~ /^(?:200|500|503)$/ : $got->{log} !~ /shared libraries|cannot allocate|failed to map/;
            tool($f, 'spool', 'record') if $spool;
            push @lost, $value if ($status // 0) == 200 && !$f->events(event_id($body));
        }
        my $name = "$limit" . ($spool ? ', with a spool' : '');
        is "@signals", '', "$name: no signal ends it";
        is "@undocumented", '', "$name: each answer is a documented one";
        is "@lost", '', "$name: what is answered 200 is kept";
        note "$name: " . join ', ', map { "$seen{$_} times $_" } sort keys %seen;
    }
    $f->finish;
}

subtest 'a limit of a file\'s size' => sub {
    my $f = Fixture->new(conf => "$SPOOL\n$SAMPLE");
    $f->folder('home/private/spool');
    is((tool($f, 'init'))[0], 0, 'init');
    $f->cgi(signed(event()));
    my $size = -s $f->database;
    like limited($f, ["--fsize=$size:"], signed(event(size => 60_000)))->{answer}, qr/"spooled":true/, 'an event goes to the spool' for 1 .. 3;
    like limited($f, ["--fsize=$size:"], { method => 'GET' })->{answer}, qr/not ready: space/, 'GET is not ready';
    my ($code, $out, $err) = tool_out($f, 'watch');
    isnt $code, 0, 'watch reports it';
    like "$out$err", qr/3 wait in the spool/, '... by its number';
    is((tool($f, 'spool', 'record'))[0], 0, 'with the limit gone they are recorded');
    is $f->counts, '4 4 0', '... all of them';
    $f->finish;
};

subtest 'a FastCGI receiver that has used its processor time' => sub {
    my $f = Fixture->new;
    my $socket = $f->path('run/receiver.sock');
    my $proc = $f->start('receiver', sub { -S $socket && FastCgi::connect_to($socket) }, wrap => 0,
        cmd => ['spawn-fcgi', '-n', '-s', $socket, '--', '/usr/bin/prlimit', Fixture::sanitized() ? '--cpu=10:' : '--cpu=1:', $f->program],
        env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config }) // die 'not started';
    my $client = FastCgi::client($socket);
    my ($stored, $other) = (0, 0);
    for (1 .. 100_000) {
        my $status = eval { $client->(signed(event(), method => 'POST', path => '/'))->{status} } // 0;
        $status == 200 ? $stored++ : $other++;
        last if $status != 200;
    }
    ok $proc->ended(20), 'it ends';
    is $proc->{status}, 0, '... as if it had been told to, for whoever started it to start it again' or $proc->stop;
    is $f->counts, "$stored $stored 0", "what was answered 200 is stored";
    $f->finish;
};
done_testing;
