#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promises 2 and 3, at every step: the receiver is killed at the first, the second ... of each of its calls that write,
# flush, rename, lock or answer, until a run survives. After each: started again it has what the client saw acknowledged,
# and once everything is sent again each is there once. As a CGI, as FastCGI with one request and with a batch, in each
# form of the inbox, and while the database is being made. By itself it leaves out steps of calls that come often, a
# different few each time, and locks of bytes, which change nothing on the disk; CRASH=all (make soak-crash): each.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(%FORM fixture request hold receiver end_receiver ask found sound each_at_once);
use Event;
use FastCgi;
use Fixture;
use IO::Select;
use Proc qw(wait_until);
use Test::More;

my @CALLS = qw(write writev pwrite64 sendto sendmsg fsync fdatasync rename renameat renameat2 link unlink unlinkat ftruncate
    fallocate flock mkdir fchmod chmod fchown utimensat shutdown);
push @CALLS, qw(fcntl open openat close accept4) if $ENV{CRASH};    # of which none changes what is on the disk

# How an event comes in: what is sent at once, and how. fresh: there is no database yet.
my %WAY = (
    'CGI'            => { cgi => 1, stride => 4, bodies => sub { event(id => $_[0]) } },
    'CGI, fresh'     => { cgi => 1, fresh => 1, stride => 24, bodies => sub { event(id => $_[0]) } },
    'FastCGI'        => { stride => 4, bodies => sub { event(id => $_[0]) } },
    'FastCGI, batch' => { stride => 8, bodies => sub {
        my ($id) = @_;
        my @events = map { event(id => "$id-$_") } 1 .. 4;
        return (@events, $events[0], qq({"no event":"$id"}));
    } },
);

# Send the bodies to a receiver (before => strace): statuses as the clients saw them, and whether it was killed.
sub send_all {
    my ($f, $way, $bodies, @before) = @_;
    return _send_cgi($f, $bodies, @before) if $way->{cgi};
    my @sockets = map { Crash::connection($f, request($_)) } @$bodies;
    my $p = receiver($f, @before);
    my @answers = answers($p, @sockets);
    @sockets = ();
    my $status = end_receiver($p);
    return { killed => ($status & 127) == 9, answers => \@answers };
}

# What came before the receiver ended; a connection that it has not accepted waits in the socket without an end.
sub answers {
    my ($p, @sockets) = @_;
    my $readable = sub { my @found = IO::Select->new(@_)->can_read(0); return scalar @found };
    wait_until(sub { $readable->(@sockets) == @sockets || $p->ended(0) }, 20);
    return map { $readable->($_) ? FastCgi::answer($_, 5) : { status => 0, body => '' } } @sockets;
}

sub _send_cgi {
    my ($f, $bodies, @before) = @_;
    my ($body) = @$bodies;
    my %env = (FastCgi::variables(request($body)), COMPLYCUBE_WEBHOOK_CONFIG => $f->config, ASAN_OPTIONS => 'detect_leaks=0');
    my (undef, $out) = $f->run(@before, $f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), { env => \%env, input => $body });
    my $answer = Http::parse($out);
    return { killed => !length $out, answers => [$answer] };
}

# What was not seen as acknowledged may wait in the socket still: a receiver that ends takes it first.
sub start_again {
    my ($f, $way) = @_;
    if ($way->{cgi}) { send_all($f, $way, [event()]); return }
    my $p = receiver($f);
    ask($f, { method => 'GET', path => '/' });
    return $p;
}

sub resend {
    my ($f, $way, $p, $bodies) = @_;
    return @{ send_all($f, $way, $bodies)->{answers} } if $way->{cgi};
    my @answers = ask($f, map { request($_) } @$bodies);
    end_receiver($p);
    return @answers;
}

sub is_good { my ($answer) = @_; return $answer->{status} =~ /^20[02]$/ }

# What must be found of a body.
sub once { my ($body) = @_; return defined event_id($body) ? '1 1' : '1' }

# Kill it at the n-th of a call; counts into seen. False once a run survives.
sub crash_at {
    my ($f, $way, $call, $n, $seen) = @_;
    my @bodies = $way->{bodies}->("$call-$n-" . ++$seen->{runs});
    clear($f) if $way->{fresh};
    my @strace = ('strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=$n");
    my $first = send_all($f, $way, \@bodies, @strace);
    my $again = start_again($f, $way);
    my @found = found($f, @bodies);
    my $wrong = sub { push @{ $seen->{wrong} }, "$call $n: " . join ' ', @_ };
    for my $i (0 .. $#bodies) {
        my $good = is_good($first->{answers}[$i]);
        $seen->{acknowledged} += $good && $first->{killed};
        $wrong->('lost', $found[$i], $first->{answers}[$i]{body}) if $good && $found[$i] ne once($bodies[$i]);
        $seen->{unanswered} += !$good && $found[$i] eq once($bodies[$i]);
        $wrong->('half', $found[$i]) if $found[$i] !~ /^(?:0 0|1 1|[01])$/;
    }
    my @second = resend($f, $way, $again, \@bodies);
    $wrong->('refused', map { $_->{status} } @second) if grep { !is_good($_) } @second;
    @found = found($f, @bodies);
    $wrong->('in the end', @found) if join(',', @found) ne join ',', map { once($_) } @bodies;
    $wrong->('left in tmp', $_) for glob $f->path('home/private/inbox.d/live/tmp/*');
    unlink map { glob $f->path("home/private/inbox.d/live/$_/*") } qw(tmp new);
    $seen->{killed} += $first->{killed};
    return $first->{killed};
}

sub clear {
    my ($f) = @_;
    unlink glob $f->database . '*';
    system 'rm', '-rf', $f->path('home/private/inbox.d');
}

# The calls of a run that is left alone: name => how often.
sub calls {
    my ($f, $way) = @_;
    clear($f) if $way->{fresh};
    my $log = $f->write('log/calls', '', 0666);
    my @strace = ('strace', '-f', '-D', '-qq', '-o', $log, '-e', 'trace=' . join ',', @CALLS);
    send_all($f, $way, [$way->{bodies}->('reference-' . ++$f->{reference})], @strace);
    my (%calls, $text);
    $text = Fixture::slurp($log);
    $calls{$1}++ while $text =~ /^\d+ +(\w+)\(/mg;
    return %calls;
}

Crash::in_memory();
my $seed = $ENV{SEED} // time;    # of where a stride begins

sub one {
    my ($name) = @_;
    my ($way, $form) = split / \| /, $name;
    my $w = $WAY{$way};
    srand $seed;
    my $f = fixture($form);
    hold($f) if !$w->{cgi};
    calls($f, $w);    # makes the database, where it is to be there
    my %calls = calls($f, $w);
    my %seen = (runs => 0, killed => 0, acknowledged => 0, unanswered => 0, wrong => [], calls => \%calls);
    my $stride = $ENV{CRASH} ? 1 : ($w->{stride} // 1) * (Fixture::sanitized() ? 2 : 1);
    for my $call (sort keys %calls) {
        my $by = $calls{$call} > 8 ? $stride : 1;
        my $n = 1 + int rand $by;
        $n += $by while crash_at($f, $w, $call, $n, \%seen);
    }
    $seen{sound} = sound($f->database);
    return \%seen;
}

note "SEED=$seed";
my @names = map { my $way = $_; map { "$way | $_" } sort keys %FORM } sort keys %WAY;
@names = grep { /$ENV{ONLY}/ } @names if $ENV{ONLY};
my %result = each_at_once(\&one, @names);
for my $name (@names) {
    my $r = $result{$name};
    ok(!$r->{died}, "$name: all was tried") or diag($r->{died}), next;
    note sprintf '%s: %d kills, %d recorded and not answered, %d answered before the end; %s', $name,
        @$r{qw(killed unanswered acknowledged)}, join ' ', map { "$_ $r->{calls}{$_}" } sort keys %{ $r->{calls} };
    is(scalar @{ $r->{wrong} }, 0, "$name: killed at each call, nothing is lost and nothing twice") or diag map { "$_\n" } @{ $r->{wrong} };
    cmp_ok($r->{killed}, '>', Fixture::sanitized() ? 5 : 10, "$name: it was killed");
    is($r->{sound}, 'ok', "$name: and the database is sound");
}
for my $form (grep { $result{"FastCGI, batch | $_"} && $result{"FastCGI | $_"} } keys %FORM) {
    my ($batch, $one) = map { $result{$_}{calls}{fdatasync} } "FastCGI, batch | $form", "FastCGI | $form";
    is($batch, $one, "$form: six waiting requests are one batch: it flushes the log as often as one request does");
}
done_testing;
