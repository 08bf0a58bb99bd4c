#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promises 2 and 3, under load: the receiver, the web server and a consumer are killed at random moments while new and
# repeated events come in over many connections. Each acknowledged event is there once. The test holds the receiver's
# socket, so that connections wait while it is dead. LOAD_EVENTS=100000 (make soak-receiver): so many over 64 connections,
# the receiver killed every 200 ms.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(fixture request hold receiver end_receiver sound);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Http;
use IO::Select;
use IO::Socket::INET;
use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(time);

my $SOAK = $ENV{LOAD_EVENTS};
# form, events, connections, kills: so many in all, or one each so many seconds; who is killed in turn, in any order; with
# the web server events come through it
my @RUNS = $SOAK
    ? (['table, WAL', $SOAK, 64, '0.2 s', 'receiver'],
       map { [$_, $SOAK / 10, 32, '0.3 s', 'receiver', 'web server', 'consumer'] } 'directory, WAL', 'table, WAL', 'table, rollback journal')
    : (['table, WAL', 3000, 64, 15, 'receiver'],
       ['directory, WAL', 1000, 16, 24, 'receiver', 'web server', 'consumer'],
       ['table, rollback journal', 400, 16, 15, 'receiver', 'web server', 'consumer']);

my $CONSUMER = <<'PERL';
use ComplyCubeInbox;
my $inbox = ComplyCubeInbox->new($ARGV[0], endpoint => 'live');
while (1) { eval { $inbox->each(sub { }) }; select undef, undef, undef, 0.005 }
PERL

# ---- what is killed, and started again at once ----

my %START = (
    'receiver' => sub { return receiver($_[0]) },
    'web server' => sub {
        my ($f) = @_;
        return Proc->start(cmd => ['/usr/sbin/lighttpd', '-D', '-f', $f->path('conf/spawn-fcgi.conf')],
            stdout => $f->path('log/lighttpd.log'), stderr => $f->path('log/lighttpd.log'));
    },
    'consumer' => sub {
        my ($f) = @_;
        return Proc->start(cmd => ['perl', '-I' . $f->path('run'), $f->path('run/consumer'), $f->{files} ? $f->path('home/private/inbox.d') : $f->database],
            stdout => $f->path('log/consumer.log'), stderr => $f->path('log/consumer.log'));
    },
);

sub strike {
    my ($f, $run) = @_;
    push @{ $run->{turns} }, shuffle(sort keys %{ $run->{victims} }) if !@{ $run->{turns} };
    my $name = shift @{ $run->{turns} };
    my $p = $run->{victims}{$name};
    $p->signal('KILL');
    $p->ended(10) or die "$name does not die";
    $run->{kills}{$name}++;
    $run->{victims}{$name} = $START{$name}->($f);
}

# ---- senders ----

# A connection with the event n at work; nothing where nobody listens right now.
sub begin {
    my ($f, $run, $n) = @_;
    my $body = event(id => "load-$n");
    my $socket = $run->{port} ? IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $run->{port}) : FastCgi::connect_to($f->path('run/receiver.sock'));
    my $bytes = $run->{port} ? Http::head({ %{ request($body) }, path => '/complycube' }) . $body : FastCgi::bytes(request($body));
    return if !$socket || !defined syswrite $socket, $bytes;
    return { socket => $socket, n => $n, text => '' };
}

# The end of a connection: it was acknowledged, or is to be sent again; one in ten is sent again all the same.
sub note_end {
    my ($run, $c) = @_;
    my ($answer) = $c->{text} =~ /\{"received":true([^}]*)\}/;
    if (!defined $answer) {
        $run->{unanswered}++;
        push @{ $run->{again} }, $c->{n};
        return;
    }
    $run->{new}{ $c->{n} }++ if $answer eq '';
    push @{ $run->{again} }, $c->{n} if !$run->{acked}{ $c->{n} }++ && $c->{n} % 10 == 0;
}

# By the clock, or by what is acknowledged: a quick machine must not be done before the last kill.
sub _now { my ($run) = @_; return $run->{kills_in} =~ / s$/ ? time : keys %{ $run->{acked} } }

sub _next_strike {
    my ($run) = @_;
    return time + $1 if $run->{kills_in} =~ /^(\S+) s$/;
    return _now($run) + 1 + int rand 2 * $run->{events} / $run->{kills_in} - 1;
}

sub load {
    my ($f, $run) = @_;
    my ($next, $select, $from, %at) = (1, IO::Select->new, time);
    my $strike = _next_strike($run);
    local $SIG{PIPE} = 'IGNORE';
    while ($next <= $run->{events} || @{ $run->{again} } || %at) {
        die "it takes for ever\n" if time > $from + 60 + $run->{events} / 100;
        while (keys %at < $run->{connections} && ($next <= $run->{events} || @{ $run->{again} })) {
            my $n = @{ $run->{again} } ? shift @{ $run->{again} } : $next++;
            my $c = begin($f, $run, $n);
            if (!$c) { push @{ $run->{again} }, $n; last }
            $at{ fileno $c->{socket} } = $c;
            $select->add($c->{socket});
        }
        for my $socket ($select->can_read(0.02)) {
            my $c = $at{ fileno $socket };
            next if sysread $socket, $c->{text}, 4096, length $c->{text};
            delete $at{ fileno $socket };
            $select->remove($socket);
            note_end($run, $c);
        }
        next if _now($run) < $strike || !%at;
        strike($f, $run);
        $strike = _next_strike($run);
    }
    $run->{seconds} = time - $from;
}

# ---- what is there then ----

sub ids_of_files {
    my ($f) = @_;
    my %times;
    for my $file (map { glob $f->path("home/private/inbox.d/live/$_") } qw(new/* cur/* dead/* done/*/*)) {
        $times{ event_id(Fixture::slurp($file)) }++ if $file =~ /\.json/;
    }
    return %times;
}

sub count {
    my ($f, $run) = @_;
    my $db = Crash::database($f->database);
    my %log = map { @$_ } @{ $db->selectall_arrayref('SELECT event_id, count(*) FROM event_log GROUP BY 1') };
    my %inbox = $f->{files} ? ids_of_files($f)
        : map { @$_ } @{ $db->selectall_arrayref('SELECT event_id, count(*) FROM inbox JOIN event_log USING (seq) GROUP BY 1') };
    my @acked = map { "load-$_" } keys %{ $run->{acked} };
    return { lost => scalar(grep { !$log{$_} || !$inbox{$_} } @acked), twice => scalar(grep { ($log{$_} // 0) > 1 || ($inbox{$_} // 0) > 1 } @acked),
        new_twice => scalar(grep { $_ > 1 } values %{ $run->{new} }), others => scalar(grep { !/^load-\d+$/ } keys %log), acked => scalar @acked };
}

sub prepare {
    my ($form, $victims) = @_;
    my $f = fixture($form);
    hold($f);
    $f->write('run/ComplyCubeInbox.pm', Fixture::slurp("$Fixture::ROOT/consumers/perl/ComplyCubeInbox.pm"));
    $f->write('run/consumer', $CONSUMER);
    my $web = grep { $_ eq 'web server' } @$victims;
    my %running = (receiver => $START{receiver}->($f));
    Crash::ask($f, { method => 'GET', path => '/' });    # the inbox is made
    my $d = $web ? deploy($f, 'lighttpd to spawn-fcgi', backend => undef) : undef;
    $running{'web server'} = $d->{server} if $d;
    $running{consumer} = $START{consumer}->($f) if grep { $_ eq 'consumer' } @$victims;
    return ($f, { port => $d && $d->{port}, victims => \%running, again => [], turns => [], kills => {}, unanswered => 0 });
}

my $seed = $ENV{SEED} // time;
note "SEED=$seed";
srand $seed;
for (@RUNS) {
    my ($form, $events, $connections, $kills, @victims) = @$_;
    subtest "$form: " . join(', ', @victims) => sub {
        my ($f, $run) = prepare($form, \@victims);
        @$run{qw(events connections kills_in)} = ($events, $connections, $kills);
        my $ended = eval { load($f, $run); 1 };
        ok($ended, 'every event is acknowledged in the end') or diag $@;
        $_->stop for @{ $run->{victims} }{ grep { $_ ne 'receiver' } keys %{ $run->{victims} } };
        Crash::ask($f, { method => 'GET', path => '/' });    # the last one to be started may not know TERM yet
        is(end_receiver($run->{victims}{receiver}), 0, 'the receiver ends well');
        my $found = count($f, $run);
        note sprintf '%s: %d events over %d connections in %.1f s, killed: %s; %d connections ended without an answer; lost %d, twice %d', $form, $events,
            $connections, $run->{seconds} // 0, join(', ', map { "$_ $run->{kills}{$_}" } sort keys %{ $run->{kills} }), $run->{unanswered}, @$found{qw(lost twice)};
        ok(!(grep { !$run->{kills}{$_} } @victims), 'each of them was killed') or diag explain $run->{kills};
        cmp_ok($run->{unanswered}, '>', 0, 'at work');
        is($found->{acked}, $events, 'all are counted');
        is($found->{lost}, 0, 'no acknowledged event is lost');
        is($found->{twice}, 0, 'none is there twice');
        is($found->{new_twice}, 0, 'and none was said to be new twice');
        is($found->{others}, 0, 'nothing else is there');
        is(sound($f->database), 'ok', 'the database is sound');
        $f->finish;
    };
}
done_testing;
