#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promises 2, 3 and 5, when the system refuses: strace makes calls of a running receiver fail, each of those that can, with
# what they can fail with, for as long as it is attached. Each event gets an answer within 10 s, a 503 has a line in the
# log that says what to do, no descriptor or memory is lost, and once the fault is gone all goes on with no restart.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(%FORM fixture request hold receiver end_receiver ask found sound each_at_once);
use Event;
use FastCgi;
use Fixture;
use Proc qw(look_into wait_until);
use IO::Select;
use Test::More;
use Time::HiRes qw(time);

# Which calls, with which errors. first => only that many calls fail: EINTR for ever is no fault that exists.
# files => in the directory form; cut => it may end without an answer, and the sender comes again.
my @SPACE = qw(ENOSPC EDQUOT EIO);
my @FAULTS = (
    (map { [pwrite64 => $_] } @SPACE, 'EROFS'), [pwrite64 => 'EINTR', first => 5],
    (map { my $call = $_; map { [$call => $_] } @SPACE } qw(fsync fdatasync)),
    (map { [openat => $_] } qw(EMFILE ENFILE EIO ENOSPC EROFS ENOMEM)), [openat => 'EINTR', first => 3],
    (map { [write => $_, first => 1, files => 1] } @SPACE, 'EINTR'),    # of the file; later ones are the answers
    # SQLite itself goes on for 10 s where no lock of its log can be had, not even for an error: still before the sender's 15
    [fcntl => 'ENOLCK', seconds => 15],
    (map { [$_ => 'EIO'] } qw(pread64 ftruncate flock getdents64 newfstatat unlink fchmod utimensat)),
    (map { [renameat2 => $_] } @SPACE), (map { [mkdir => $_] } qw(ENOSPC EROFS)), [statfs => 'EIO'],
    (Fixture::sanitized() ? () : [mmap => 'ENOMEM']), [flock => 'ENOLCK'],
    (map { [$_ => 'EINTR', first => 3] } qw(fcntl flock recvfrom epoll_wait ftruncate)),
    (map { [accept4 => $_, first => 3] } qw(EMFILE ENFILE EINTR ECONNABORTED ENOMEM)), [epoll_ctl => 'ENOMEM', first => 1, cut => 1],
    [timer_create => 'EAGAIN'],
);
my $CURE = qr/make room|doctor|writable|put the file back|holds a transaction|has held the writers' lock|was moved away a moment ago|out of memory|raise the limit|look into the system's log/;

# What another C library calls instead.
my %ALSO = (openat => 'open', newfstatat => 'stat,lstat,fstat');

# Attach a fault to a process; gives what takes it away again.
sub fault {
    my ($pid, $call, $error, %o) = @_;
    my $when = $o{first} ? ":when=1..$o{first}" : '';
    $call .= ",$ALSO{$call}" if $ALSO{$call};
    pipe my $said, my $says or die "pipe: $!";
    defined(my $strace = fork) or die "fork: $!";
    if (!$strace) {
        open STDERR, '>&', $says or POSIX::_exit(127);
        exec 'strace', '-f', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:error=$error$when", '-p', $pid or POSIX::_exit(127);
    }
    close $says;
    # It says so once the process is interrupted, and no call of it escapes any more. A tracer it has a moment earlier.
    my ($ok, $text) = (0, '');
    while (!$ok && IO::Select->new($said)->can_read(5) && sysread $said, $text, 4096, length $text) { $ok = $text =~ /attached/ }
    return sub {
        kill 'TERM', $strace;
        waitpid $strace, 0;
        close $said;
        return $ok;
    };
}

# But that of the count of refusals: it is opened when something is to be counted, a moment later.
sub descriptors {
    my ($p) = @_;
    return scalar grep { (readlink($_) // '') !~ /\.refused$/ } glob '/proc/' . $p->pid . '/fd/*';
}

sub resident_kb { my ($p) = @_; return Fixture::slurp('/proc/' . $p->pid . '/status') =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }

# The database and its inbox go elsewhere, so that the receiver has to make them anew.
sub move_away {
    my ($f) = @_;
    my $n = ++$f->{moved};
    for my $name (map { s{.*/}{}r } glob($f->database . '*'), grep { -d } $f->path('home/private/inbox.d')) {
        rename $f->path("home/private/$name"), $f->path("home/private/away-$n.$name") or die "$name: $!";
    }
}

# An event while the fault is there, and afterwards: what is wrong.
sub try_one {
    my ($f, $p, $fresh, $call, $error, %o) = @_;
    my $body = event();
    move_away($f) if $fresh;
    my $end = fault($p->pid, $call, $error, %o);
    my $start = time;
    my ($answer) = ask($f, request($body));
    my $seconds = time - $start;
    my @wrong = $end->() ? () : 'strace could not attach';
    my @found = found($f, $body);
    my $status = $answer->{status};
    push @wrong, "answered $status" if $status !~ /^(?:200|503)$/ && !($status == 0 && $o{cut});
    push @wrong, sprintf '%.1f s', $seconds if $seconds >= ($o{seconds} // 10) * (Fixture::sanitized() ? 2 : 1);
    push @wrong, "200, and $found[0]" if $status == 200 && $found[0] !~ /^1 [01]$/;
    push @wrong, "no cure in the log: $answer->{log}" if $status == 503 && $answer->{log} !~ $CURE;
    return ($status, @wrong, 'it died of ' . ($p->{status} & 127) . ', exit code ' . ($p->exit_code // 'none')) if $p->ended(0);
    my ($again) = ask($f, request($body));
    push @wrong, "afterwards $again->{status}: $again->{log}" if $again->{status} != 200;
    @found = found($f, $body);
    push @wrong, "afterwards $found[0]" if $found[0] ne '1 1';
    return ($status, @wrong);
}

sub one {
    my ($name) = @_;
    my ($form, $fresh) = split / \| /, $name;
    my $f = fixture($form);
    hold($f);
    my $p = receiver($f);
    my ($first) = ask($f, request(event()));
    my %seen = (first => $first->{status}, answers => {}, wrong => [], open => [descriptors($p)]);
    for my $fault (@FAULTS) {
        my (undef, undef, %o) = @$fault;
        next if $o{files} && !$f->{files};
        my ($status, @wrong) = try_one($f, $p, $fresh, @$fault);
        $seen{answers}{$status}++;
        push @{ $seen{wrong} }, map { "@$fault: $_" } @wrong;
        last if $p->ended(0);
    }
    wait_until(sub { descriptors($p) <= $seen{open}[0] }, 1);
    push @{ $seen{open} }, descriptors($p);
    $seen{leaks} = [leaks($f, $p, $fresh)] if !$p->ended(0);
    $seen{status} = end_receiver($p);
    $seen{sound} = sound($f->database);
    $seen{reports} = () = $f->logs =~ /ERROR: \w*Sanitizer|runtime error:/g;
    return \%seen;
}

# Many events while nothing can be written: what is lost with each.
sub leaks {
    my ($f, $p, $fresh) = @_;
    my @wrong;
    for my $fault ($fresh ? ([openat => 'EMFILE'], [pwrite64 => 'ENOSPC']) : ([pwrite64 => 'ENOSPC'], [fdatasync => 'EIO'])) {
        my @before;
        for my $round (1, 2) {    # what the first takes may be kept
            move_away($f) if $fresh;
            my $end = fault($p->pid, @$fault);
            my @statuses = map { $_->{status} } map { ask($f, map { request(event()) } 1 .. 5) } 1 .. 40;
            $end->();
            push @wrong, "@$fault: round $round, answered " . join(' ', map { $statuses[$_] == 503 ? () : "$_: $statuses[$_]" } 0 .. $#statuses) . ' and not 503' if grep { $_ != 503 } @statuses;
            ask($f, request(event()));
            wait_until(sub { !@before || descriptors($p) <= $before[0] }, 2);    # a connection may be about to be closed
            my @now = (descriptors($p), resident_kb($p));
            push @wrong, "@$fault: $before[0] descriptors become $now[0]" if $round == 2 && $now[0] > $before[0];
            push @wrong, "@$fault: $before[1] KiB become $now[1]" if $round == 2 && $now[1] > $before[1] + 400 && !Fixture::sanitized();
            @before = @now;
        }
    }
    return @wrong;
}

my $probe = Proc->start(cmd => ['sleep', 60]);
my $possible = fault($probe->pid, 'openat', 'EIO')->();
$probe->stop;
plan skip_all => 'strace may not attach to a process here' if !$possible;
Crash::in_memory();
look_into();
my @names = map { my $form = $_; map { "$form | $_" } 0, 'fresh' } sort keys %FORM;
@names = grep { /$ENV{ONLY}/ } @names if $ENV{ONLY};
$Crash::AT_ONCE = 8;    # they mostly wait for a lock that cannot be had
my %result = each_at_once(\&one, map { s/ \| 0/ | /r } @names);
for my $key (sort keys %result) {
    my $r = $result{$key};
    my $name = $key =~ / \| $/ ? $key =~ s/ \| //r : $key =~ s/ \| fresh/, made anew/r;
    ok(!$r->{died}, "$name: all was tried") or diag($r->{died}), next;
    note "$name: answers ", join ', ', map { "$_: $r->{answers}{$_}" } sort keys %{ $r->{answers} };
    cmp_ok($r->{answers}{503} // 0, '>', 10, "$name: faults are met");
    is(scalar @{ $r->{wrong} }, 0, "$name: each is answered, said and over when it is over") or diag map { "$_\n" } @{ $r->{wrong} };
    is("@{ $r->{leaks} // [] }", '', "$name: nothing is lost with hundreds of them");
    cmp_ok($r->{open}[1], '<=', $r->{open}[0] + 2, "$name: no descriptor is left over") or diag "@{ $r->{open} }";
    is($r->{status}, 0, "$name: the receiver ends well");
    is($r->{sound}, 'ok', "$name: the database is sound");
    is($r->{reports}, 0, "$name: no sanitizer report");
}
done_testing;
