#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promises 2, 3 and 5 with a spool. While the database cannot be written an event is answered 2xx and waits in a file, and
# once it can, each is there once and in the order of arrival: the receiver is killed at the first, the second ... of its
# calls that write, flush, rename, lock or answer, while it spools and while it records what was spooled. And with a disk
# that is full, a lock that is held for ever, and several processes that record at once.
# By itself it leaves out some steps of calls that come often; CRASH=all: each, and in each form of the inbox.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(fixture request hold receiver end_receiver ask found sound each_at_once);
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my @CALLS = qw(write writev pwrite64 fsync fdatasync renameat2 link unlink ftruncate flock mkdir fchmod fchown);
push @CALLS, qw(openat close fcntl getdents64 sendto) if $ENV{CRASH};
my $SPOOL = qq(spool = "../../spool"\n);
my $seed = $ENV{SEED} // time;

sub spooled { my ($f) = @_; my @names = sort grep { /\.event$/ } map { s{.*/}{}r } glob $f->path('home/spool/*'); return @names }

# The database can be read and not written: each event is spooled at once.
sub writable { my ($f, $on) = @_; chmod $on ? 0600 : 0400, $f->database or die $! }

# A CGI with one event, or FastCGI with a batch of them; before => strace. Gives whether it was killed, and the answers.
sub send_all {
    my ($f, $cgi, $bodies, @before) = @_;
    if ($cgi) {
        my %env = (FastCgi::variables(request($bodies->[0])), COMPLYCUBE_WEBHOOK_CONFIG => $f->config, ASAN_OPTIONS => 'detect_leaks=0');
        my (undef, $out) = $f->run(@before, $f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), { env => \%env, input => $bodies->[0] });
        return (!length $out, Http::parse($out));
    }
    my @sockets = map { Crash::connection($f, request($_)) } @$bodies;
    my $p = receiver($f, @before);
    my $answered = sub { my $bits = ''; vec($bits, fileno $_, 1) = 1 for @sockets; return scalar select my $read = $bits, undef, undef, 0 };
    wait_until(sub { $answered->() == @sockets || $p->ended(0) }, 20);
    my @answers = map { my $s = $_; my $bits = ''; vec($bits, fileno $s, 1) = 1; select(my $read = $bits, undef, undef, 0) ? FastCgi::answer($s, 5) : { status => 0 } } @sockets;
    close $_ for @sockets;
    return ((end_receiver($p) & 127) == 9, @answers);
}

sub strace { my ($call, $n) = @_; return ('strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=$n") }

# name => how often, of a run that is left alone
sub calls {
    my ($f, $run) = @_;
    my $log = $f->write('log/calls', '', 0666);
    $run->('strace', '-f', '-D', '-qq', '-o', $log, '-e', 'trace=' . join ',', @CALLS);
    my (%calls, $text);
    $text = Fixture::slurp($log);
    $calls{$1}++ while $text =~ /^\d+ +(\w+)\(/mg;
    return %calls;
}

sub some { my ($i) = @_; return map { event(id => "$i-$_") } 1 .. 3 }

# What is wrong with these bodies, in the order in which they were acknowledged.
sub check {
    my ($f, @bodies) = @_;
    my @found = found($f, @bodies);
    my @wrong = map { $found[$_] eq (defined event_id($bodies[$_]) ? '1 1' : '1') ? () : (event_id($bodies[$_]) // 'quarantine') . ": $found[$_]" } 0 .. $#bodies;
    my $list = join ',', map { "'$_'" } grep { defined } map { event_id($_) } @bodies;
    my @ids = map { $_->[0] } @{ $f->rows("SELECT event_id FROM event_log WHERE event_id IN ($list) ORDER BY seq") };
    push @wrong, "order @ids" if !@wrong && "@ids" ne join ' ', grep { defined } map { event_id($_) } @bodies;
    return @wrong;
}

# Killed while it writes into the spool; then the database is there again, and all is sent again.
sub while_spooling {
    my ($f, $cgi, $call, $n, $seen) = @_;
    my @bodies = ($cgi ? event(id => "w-$call-$n") : (some("w-$call-$n"), qq({"no event":"$n-$call"})));
    writable($f, 0);
    my ($killed, @answers) = send_all($f, $cgi, \@bodies, strace($call, $n));
    writable($f, 1);
    my @acknowledged = map { $answers[$_]{status} =~ /^20[02]$/ ? $bodies[$_] : () } 0 .. $#bodies;
    $seen->{acknowledged} += @acknowledged if $killed;
    my ($again, @second) = send_all($f, 1, [event(id => "x-$call-$n")]);
    my @wrong = (check($f, @acknowledged), map { $_->{status} == 200 ? () : "then $_->{status}" } @second);
    for my $body (@bodies) {
        my ($no, $answer) = send_all($f, 1, [$body]);
        push @wrong, "again $answer->{status}" if $answer->{status} !~ /^20[02]$/;
    }
    my @found = found($f, @bodies);
    push @wrong, "in the end @found" if grep { !/^1(?: 1)?$/ } @found;
    push @{ $seen->{wrong} }, map { "spooling, $call $n: $_" } @wrong, map { "left $_" } spooled($f);
    return $killed;
}

# Killed while it records what was spooled. What it counted is what came.
sub while_recording {
    my ($f, $cgi, $call, $n, $seen) = @_;
    my @bodies = (some("r-$call-$n"), qq({"nor event":"$n-$call"}));
    my $total = sub { return $f->value('SELECT coalesce(sum(n),0) FROM counter') };
    my $own = event(id => "o-$call-$n");
    writable($f, 0);
    for my $body (@bodies) {
        my (undef, $answer) = send_all($f, 1, [$body]);
        push @{ $seen->{wrong} }, "$answer->{status} $answer->{body}" if $answer->{status} !~ /^20[02]$/ || $answer->{body} !~ /spooled/;
    }
    writable($f, 1);
    my $before = $total->();
    my ($killed, $answer) = send_all($f, $cgi, [$own], strace($call, $n));
    if ($killed && !$cgi) {    # what it had not accepted waits in the socket, and is to be counted here
        my $p = receiver($f);
        ask($f, { method => 'GET', path => '/' });
        end_receiver($p);
    }
    my (undef, $then) = send_all($f, 1, [event(id => "y-$call-$n")]);
    my $counted = $total->() - $before;
    my ($mine) = found($f, $own);
    my @wrong = (check($f, @bodies), $then->{status} == 200 ? () : "then $then->{status}");
    push @wrong, "its own: $mine" if $mine !~ /^(?:0 0|1 1)$/ || ($answer->{status} == 200 && $mine ne '1 1');
    push @wrong, "$counted are counted" if $counted != @bodies + 1 + ($mine eq '1 1');
    $seen->{acknowledged}++ if $killed && $answer->{status} == 200;
    push @{ $seen->{wrong} }, map { "recording, $call $n: $_" } @wrong, map { "left $_" } spooled($f);
    return $killed;
}

sub one {
    my ($name) = @_;
    my ($way, $doing, $form) = split / \| /, $name;
    my $cgi = $way eq 'CGI';
    srand $seed;
    my $f = fixture($form, $SPOOL);
    hold($f) if !$cgi;
    $cgi || $f->{held} or die 'no socket';
    my %seen = (wrong => [], killed => 0, acknowledged => 0);
    send_all($f, 1, [event()]);
    my $step = $doing eq 'spooling' ? \&while_spooling : \&while_recording;
    my %calls = calls($f, sub {
        writable($f, 0);
        send_all($f, 1, [$_]) for $doing eq 'spooling' ? () : some('c');
        writable($f, 1) if $doing ne 'spooling';
        send_all($f, $cgi, [$cgi || $doing ne 'spooling' ? event() : some('d')], @_);
        writable($f, 1);
    });
    for my $call (sort keys %calls) {
        my $by = $ENV{CRASH} || $calls{$call} < 4 ? 1 : Fixture::sanitized() ? 6 : 3;
        for (my $n = 1 + int rand $by; $step->($f, $cgi, $call, $n, \%seen); $n += $by) { $seen{killed}++ }
    }
    unlink map { glob $f->path("home/private/inbox.d/live/$_/*") } qw(new);
    $seen{left} = [grep { !/^\./ } spooled($f)];
    $seen{sound} = sound($f->database);
    return \%seen;
}

Crash::in_memory();
note "SEED=$seed";
my @forms = $ENV{CRASH} ? sort keys %Crash::FORM : ('table, WAL', 'directory, WAL');
my @names = map { my $form = $_; map { my $way = $_; map { "$way | $_ | $form" } 'spooling', 'recording' } 'CGI', 'FastCGI' } @forms;
@names = grep { !/^FastCGI \| recording/ } @names if !$ENV{CRASH};    # the same code as in a CGI
@names = grep { /$ENV{ONLY}/ } @names if $ENV{ONLY};
my %result = each_at_once(\&one, @names);
for my $name (@names) {
    my $r = $result{$name};
    ok(!$r->{died}, "$name: all was tried") or diag($r->{died}), next;
    note "$name: $r->{killed} kills, $r->{acknowledged} answered before the end";
    is(scalar @{ $r->{wrong} }, 0, "$name: killed at each call, nothing is lost, nothing twice, all in order, each counted once")
        or diag map { "$_\n" } @{ $r->{wrong} };
    cmp_ok($r->{killed}, '>', Fixture::sanitized() ? 2 : 4, "$name: it was killed");
    is($r->{sound}, 'ok', "$name: the database is sound");
}
done_testing() && exit if $ENV{ONLY};

subtest 'a lock that is held for ever' => sub {
    my $f = fixture('table, WAL', $SPOOL);
    send_all($f, 1, [event()]);
    hold($f);
    my $p = receiver($f);
    my $db = Crash::database($f->database);
    $db->do('BEGIN IMMEDIATE');
    my (@bodies, @statuses, $longest);
    for my $round (1 .. 40) {
        my @new = map { event() } 1 .. 5;
        my $start = time;
        push @statuses, map { "$_->{status} $_->{body}" } ask($f, map { request($_) } @new);
        my $took = time - $start;
        $longest = $took if !defined $longest || $took > $longest;
        push @bodies, @new;
    }
    is(scalar(grep { $_ ne '200 {"received":true,"spooled":true}' } @statuses), 0, 'each event is answered 200, and that it is spooled') or diag "@statuses";
    ok($longest < 10, 'within 10 s') or diag $longest;
    my ($state) = ask($f, { method => 'GET', path => '/' });
    is("$state->{status} $state->{body}", '503 not ready: busy', 'a GET says that somebody must look');
    is(scalar spooled($f), scalar @bodies, 'all of them wait');
    $db->do('ROLLBACK');
    ok(wait_until(sub { !scalar spooled($f) }, 20), 'once the lock is free a FastCGI receiver records them by itself');
    is_deeply([grep { !/^order/ } check($f, @bodies)], [], 'each once');
    my %round = map { event_id($bodies[$_]) => int($_ / 5) } 0 .. $#bodies;    # of those sent at once any may come first
    my @rounds = map { $round{ $_->[0] } } @{ $f->rows(q(SELECT event_id FROM event_log WHERE source = 'spool' ORDER BY seq)) };
    is("@rounds", join(' ', sort { $a <=> $b } @rounds), 'in the order of arrival');
    ($state) = ask($f, { method => 'GET', path => '/' });
    is($state->{body}, 'ready', 'and is ready');
    is($f->value(q(SELECT count(*) FROM event_log WHERE source = 'spool')), scalar @bodies, 'they are told to be of the spool');
    is(end_receiver($p), 0, 'it ends well');
    $f->finish;
};

subtest 'what another receiver left is recorded at the start, without an event' => sub {
    my $f = fixture('directory, WAL', $SPOOL);
    send_all($f, 1, [event()]);
    writable($f, 0);
    my @bodies = some('left');
    send_all($f, 1, [$_]) for @bodies;
    is(scalar spooled($f), 3, 'three wait');
    writable($f, 1);
    hold($f);
    my $p = receiver($f);
    ok(wait_until(sub { !scalar spooled($f) }, 20), 'they are recorded');
    is_deeply([check($f, @bodies)], [], 'each once, in the order of arrival, with its file');
    is(end_receiver($p), 0, 'it ends well');
    $f->finish;
};

subtest 'several processes record at once' => sub {
    my $f = fixture('table, WAL', $SPOOL);
    send_all($f, 1, [event()]);
    writable($f, 0);
    my (undef, $bad) = send_all($f, 1, [event(id => 'first')]);
    hold($f);
    my $p = receiver($f);
    my @bodies = map { event(id => "many-$_") } 1 .. 300;
    my @answers = map { my $i = $_; ask($f, map { request($_) } @bodies[$i * 30 .. $i * 30 + 29]) } 0 .. 9;
    is(scalar(grep { $_->{status} != 200 } @answers), 0, 'three hundred are spooled');
    end_receiver($p);
    writable($f, 1);
    my @own = map { event(id => "own-$_") } 1 .. 8;
    my @second = map { receiver($f) } 1, 2;
    my @got = $f->cgi(map { request($_) } @own);
    is(join(' ', map { $_->{status} } @got), join(' ', (200) x 8), 'beside two FastCGI receivers eight CGI processes are answered');
    ok(wait_until(sub { !scalar spooled($f) }, 20), 'all is recorded');
    my @found = found($f, @bodies, @own);
    is(scalar(grep { $_ ne '1 1' } @found), 0, 'each once') or diag "@found";
    is($f->value(q(SELECT count(*) FROM event_log a JOIN event_log b ON b.seq > a.seq AND a.event_id LIKE 'own-%' AND b.event_id LIKE 'many-%')), 0, 'and none that came later overtook one of them');
    end_receiver($_) for @second;
    $f->finish;
};

subtest 'calls that fail while it spools' => sub {
    my $f = fixture('table, WAL', $SPOOL);
    send_all($f, 1, [event()]);
    for my $fault ((map { my $call = $_; map { [$call, $_, 503] } qw(ENOSPC EDQUOT EIO) } qw(writev fsync renameat2)), [writev => 'EINTR:when=1', 200], [renameat2 => 'ENOSYS', 200]) {
        my ($call, $error, $status) = @$fault;
        my $body = event();
        writable($f, 0);
        my (undef, $answer) = send_all($f, 1, [$body], 'strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:error=$error");
        is($answer->{status}, $status, "$call fails with $error: it is answered $status");
        writable($f, 1);
        is(join(' ', grep { /^\./ } map { s{.*/}{}r } glob $f->path('home/spool/.*event')), '', 'nothing half is left');
        send_all($f, 1, [event()]);
        my ($found) = found($f, $body);
        ok($found eq '1 1' || ($status == 503 && $found eq '0 0'), 'and what is answered 200 is there once') or diag $found;
    }
    is(sound($f->database), 'ok', 'the database is sound');
    $f->finish;
};

subtest 'the spool cannot be written either' => sub {
    my $f = fixture('table, WAL', $SPOOL);
    send_all($f, 1, [event()]);
    $f->write('home/spool', 'no folder');
    writable($f, 0);
    my ($answer) = $f->cgi(request(event()));
    is("$answer->{status} $answer->{body}", '503 {"received":false,"error":"try again"}', 'it is a 503, as without one');
    like($answer->{log}, qr/code=readonly msg="the spool: .*\/spool\/.*\n.*code=readonly status=503/, 'and the log says of both why');
    $f->finish;
};
done_testing;
