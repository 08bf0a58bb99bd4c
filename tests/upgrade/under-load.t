#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An upgrade from 0.1.0 under load: nothing is lost, nothing is refused. Events are posted by FastCGI and by CGI all the time,
# libraries of 0.1.0 work on them, receivers of both versions record beside each other, the programs are replaced and the
# service is restarted. At the end each event that was posted was answered 200, is recorded once and was worked on once, and
# both versions were seen to queue for one lock, which is what keeps two of them from writing at once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use Crash qw(fixture hold receiver request);
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Tool;
use Source qw(listed);
use Upgrade;

my ($SOURCE, $why) = Upgrade::released();
plan skip_all => $why if !$SOURCE;
my $CGI = 'home/public_html/cgi-bin';

my %CONSUMER = (
    perl => ['pl', <<'PERL'],
use strict; use warnings; use FindBin; use lib $FindBin::Bin; use ComplyCubeInbox; use Time::HiRes 'sleep';
my ($path, $end) = @ARGV;
$| = 1;
my $inbox = ComplyCubeInbox->new($path, endpoint => 'live');
while (1) {
    my $last = -e $end;
    my $n = $inbox->each(sub { print "$_[0]{event_id}\n" });
    last if $last && !$n;
    sleep 0.02 if !$n;
}
PERL
    php => ['php', <<'PHP'],
<?php require __DIR__ . '/ComplyCubeInbox.php';
list(, $path, $end) = $argv;
$inbox = new ComplyCubeInbox($path, array('endpoint' => 'live'));
while (true) {
    clearstatcache();
    $last = file_exists($end);
    $n = $inbox->each(function ($event) { echo "$event[event_id]\n"; });
    if ($last && !$n) break;
    if (!$n) usleep(20000);
}
PHP
);

# ---- the load ----

sub append { my ($path, $text) = @_; open my $out, '>>', $path or die "$path: $!"; print $out $text; close $out }

# A process that posts until it is told to stop, by post->(bodies), which gives their statuses: a line of id and status each.
sub sender {
    my ($f, $name, $n, $post) = @_;
    my ($stop, $sent) = map { $f->path("run/$_") } 'stop', "sent-$name";
    append($sent, '');
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    my $count = 0;
    while (!-e $stop) {
        my @bodies = map { event(id => sprintf 'load-%s-%d', $name, ++$count) } 1 .. $n;
        my @status = eval { $post->(@bodies) };
        append($sent, join '', map { event_id($bodies[$_]) . ' ' . ($status[$_] // 'none') . "\n" } 0 .. $#bodies);
        sleep 0.002;
    }
    POSIX::_exit(0);
}

sub by_fastcgi {
    my ($f, $name) = @_;
    my $client = FastCgi::client($f->path('run/receiver.sock'));
    return sender($f, $name, 1, sub { $client->(request($_[0]))->{status} });
}

# One by 0.1.0 and one by the program that is there, at once.
sub by_cgi {
    my ($f) = @_;
    return sender($f, 'cgi', 2, sub {
        my ($first, $second) = map { request($_) } @_;
        return map { $_->{status} } $f->cgi({ %$first, program => "$CGI/old/complycube-webhook.cgi" }, $second);
    });
}

sub consumer {
    my ($f, $language) = @_;
    my ($ending, $text) = @{ $CONSUMER{$language} };
    my ($library) = listed("$RELEASED/consumers/$language", "ComplyCubeInbox.*");
    $f->write('run/' . $library =~ s{.*/}{}r, Fixture::slurp($library));
    my $program = $f->write("run/consumer.$ending", $text);
    return Proc->start(cmd => [$language, $program, $f->{files} ? $f->path('home/private/inbox.d') : $f->database, $f->path('run/worked')],
        stdout => $f->path("run/worked-$language"), stderr => $f->path("log/$language.log"));
}

sub lines_in { my ($f, $what) = @_; return map { split /\n/, Fixture::slurp($_) } glob $f->path("run/$what-*") }

sub more { my ($f) = @_; my $n = () = lines_in($f, 'sent'); return wait_until(sub { lines_in($f, 'sent') > $n + 40 }, 20) }

# ---- the lock ----

# Who holds a lock of flock(2), and who waits for one (a waiter behind a waiter is further to the right): "PID INODE" => 1 each, of those processes.
sub flocks {
    my ($mine) = @_;
    my (%holds, %waits);
    for (split /\n/, Fixture::slurp('/proc/locks')) {
        my ($waits, $pid, $inode) = /^\d+:(\s+->)?\s+FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s+(\S+)/ or next;
        ($waits ? \%waits : \%holds)->{"$pid $inode"} = $mine->($pid) // next;
    }
    return (\%holds, \%waits);
}

# A receiver's version by its process: 0.1.0's is the FastCGI one of that number, or a CGI in a folder of that name.
sub version_of {
    my ($f, $old) = @_;
    return sub {
        my ($pid) = @_;
        open my $in, '<', "/proc/$pid/cmdline" or return;
        my ($program) = split /\0/, <$in> // '';
        return if index($program // '', $f->path($CGI)) != 0;
        return $pid == $old || $program =~ m{/old/} ? 'old' : 'new';
    };
}

# While this test keeps the database locked, whoever records stands still with the writers' lock: is it one process, and
# does the other version wait for that very file? Seen with either version as the holder; what is seen: a text.
sub queued {
    my ($f, $old) = @_;
    my ($version, %seen) = version_of($f, $old);
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, PrintError => 0 });
    $db->sqlite_busy_timeout(30_000);
    $db->do('PRAGMA wal_autocheckpoint = 0');
    for my $round (1 .. 200) {
        $db->do('BEGIN IMMEDIATE');
        my $found = wait_until(sub { _queue($version) }, 0.05);
        $db->do('ROLLBACK');
        $seen{ $found || 'not both at once' }++;
        last if $seen{apart} || ($seen{'old, new waits'} && $seen{'new, old waits'});
        sleep 0.005;
    }
    delete $seen{'not both at once'} if keys %seen > 1;
    return join '; ', sort keys %seen;
}

sub _queue {
    my ($version) = @_;
    my ($holds, $waits) = flocks($version);
    for my $holder (keys %$holds) {
        my ($pid, $inode) = split ' ', $holder;
        my ($other) = grep { (split)[1] eq $inode && $waits->{$_} ne $holds->{$holder} } keys %$waits;
        return "$holds->{$holder}, $waits->{$other} waits" if $other;
    }
    return _apart($holds, $waits) && _still_apart($version, $holds) ? 'apart' : '';
}

# Two processes hold a lock each, and neither waits for another.
sub _apart {
    my ($holds, $waits) = @_;
    my %waiting = map { (split)[0] => 1 } keys %$waits;
    my %alone = map { $_ => 1 } grep { !$waiting{$_} } map { (split)[0] } keys %$holds;
    return keys %alone > 1;
}

sub _still_apart {
    my ($version, $before) = @_;
    for (1 .. 5) {
        sleep 0.01;
        my ($holds, $waits) = flocks($version);
        return 0 if !_apart({ map { $_ => $holds->{$_} } grep { $before->{$_} } keys %$holds }, $waits);
    }
    return 1;
}

# ---- the upgrade ----

# As a package, make install or the kit's guide put it there: under another name first.
sub replace {
    my ($f, $name, $program) = @_;
    $f->install("$name.new", $program);
    rename $f->path("$name.new"), $f->path($name) or die "$name: $!";
}

sub set_up {
    my ($form) = @_;
    my $f = fixture($form);
    my $old = "$SOURCE/build/bin";
    $f->folder("$CGI/old");
    replace($f, $_, "$old/complycube-webhook") for map { "$CGI/$_" } 'complycube-webhook.cgi', 'complycube-webhook.fcgi', 'old/complycube-webhook.cgi';
    replace($f, 'run/complycube-inbox', "$old/complycube-inbox");
    is((tool($f, 'init'))[0], 0, '0.1.0 makes the inbox');
    hold($f);
    return $f;
}

sub upgraded {
    my ($f) = @_;
    my $service = receiver($f);
    my $old = $service->pid;
    ok more($f), '0.1.0 alone records';
    replace($f, "$CGI/complycube-webhook.cgi", 'complycube-webhook');
    ok more($f), 'a new CGI beside a FastCGI and a CGI of 0.1.0';
    is queued($f, $old), 'new, old waits; old, new waits', 'both versions queue for one lock';
    replace($f, "$CGI/complycube-webhook.fcgi", 'complycube-webhook');
    is Crash::end_receiver($service), 0, 'the service ends at TERM';
    $service = receiver($f);
    ok more($f), 'the new service beside a CGI of 0.1.0';
    is queued($f, $old), 'new, old waits; old, new waits', 'both versions queue for one lock';
    replace($f, 'run/complycube-inbox', 'complycube-inbox');
    for my $command ('init', 'migrate') {
        my ($code, $err) = tool($f, $command);
        is $code, 0, "$command, meanwhile" or diag $err;
    }
    ok more($f), '... and it goes on';
    return $service;
}

for my $form ('table, WAL', 'directory, WAL') {
    subtest $form => sub {
        my $f = set_up($form);
        my @senders = (by_cgi($f), map { by_fastcgi($f, $_) } 1 .. 3);
        my @consumers = map { consumer($f, $_) } sort keys %CONSUMER;
        my $service = upgraded($f);
        append($f->path('run/stop'), 'now');
        waitpid $_, 0 for @senders;
        append($f->path('run/worked'), 'ends with what is left');
        ok $_->ended(30), 'an application of 0.1.0 has worked off all' for @consumers;
        is Crash::end_receiver($service), 0, 'the service ends';

        my %answer = map { split } my @sent = lines_in($f, 'sent');
        is_deeply [grep { $answer{$_} != 200 } sort keys %answer], [], 'each of ' . @sent . ' events was answered 200';
        my @ids = sort keys %answer;
        is_deeply [sort map { $_->[0] } @{ $f->rows(q(SELECT event_id FROM event_log WHERE event_id LIKE 'load-%')) }], \@ids, 'is recorded once';
        my %worked;
        $worked{$_}++ for lines_in($f, 'worked');
        is join(' ', map { "$_ " . ($worked{$_} // 0) } grep { ($worked{$_} // 0) != 1 } @ids), '', 'and was worked on once';
        is $f->value('PRAGMA integrity_check'), 'ok', 'the database is sound';
        $f->finish;
    };
}
done_testing;
