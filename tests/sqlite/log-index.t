#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An application's user may write the index of the log, NAME-shm, and lock it, while a receiver has it open. The receiver neither
# waits for it nor believes it: what is answered 2xx is found, also after the log was read again. Promises 2 and 5.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use Fcntl qw(F_SETLK F_UNLCK F_WRLCK SEEK_SET);
use Test::More;
use Time::HiRes qw(time);
use Deploy;
use Event;
use Fixture;
use Proc ();
use Requests;
use Tool;

my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my ($f, $d);

sub started { $d = deploy($f, 'spawn-fcgi alone') }

sub status {
    my ($id) = @_;
    my $begun = time;
    my $answer = eval { $d->{client}->(signed(event(id => $id), method => 'POST', path => '/')) };
    cmp_ok time - $begun, '<', 10, "... $id is answered in time";
    return $answer->{status} // "none: $@";
}

sub by_cgi {
    my ($id) = @_;
    my $begun = time;
    my ($answer) = $f->cgi(signed(event(id => $id)));
    cmp_ok time - $begun, '<', 10, "... $id is answered in time";
    return $answer->{status};
}

# ---- the index, as SQLite reads it ----
# source: sqlite.org/walformat.html, section 2.1: two copies of 48 bytes; the last 8 of each are a checksum of the rest

my ($FRAMES_AT, $CHECKPOINTED_AT) = (16, 96);

sub opened { open my $index, '+<:raw', $f->database . '-shm' or die "-shm: $!"; return $index }

sub put { my ($index, $at, $bytes) = @_; sysseek $index, $at, SEEK_SET; syswrite $index, $bytes }

sub headed {
    my ($header) = @_;
    my ($one, $two) = (0, 0);
    my @words = unpack 'L10', $header;
    while (@words) {
        $one = ($one + shift(@words) + $two) & 0xffffffff;
        $two = ($two + shift(@words) + $one) & 0xffffffff;
    }
    my $copy = substr($header, 0, 40) . pack 'L2', $one, $two;
    return $copy . $copy;
}

# The log has so many frames, says the header, with a checksum that is right; they are in the database already, says another.
sub forge {
    my ($frames, $checkpointed) = @_;
    my $index = opened();
    sysread $index, my $header, 48;
    substr $header, 8, 4, pack 'L', 1 + unpack 'L', substr $header, 8, 4;
    substr $header, $FRAMES_AT, 4, pack 'L', $frames;
    put($index, 0, headed($header));
    put($index, $CHECKPOINTED_AT, pack 'L', $checkpointed);
}

# SQLite's locks of it; source: sqlite.org/walformat.html, section 2.2. As struct flock of 64 bits.
sub lock_index { my ($index, $how) = @_; fcntl $index, F_SETLK, pack 's s x![q] q q i x4', $how, SEEK_SET, 120, 1, 0 or die "fcntl: $!" }

# ---- what is named and is not there ----

my $n = 0;
for my $consumer (0, 1) {
    my $with = $consumer ? 'while an application has the database open' : 'that only the receiver has open';
    $f = Fixture->new(conf => $conf);
    started();
    is status('before'), 200, 'an event is stored';
    my $db = $consumer && DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->selectrow_array('SELECT count(*) FROM setting') if $db;
    my @found = ('before');
    for my $frames (1000, 65536, 1 << 20, 1 << 28, 0x7fffffff, 0xffffffff) {
        for my $checkpointed (0, $frames) {
            forge($frames, $checkpointed);
            $n++;
            is status("named-$n"), 200, "a log of $frames frames, $checkpointed of them written back, $with: an event is stored";
            push @found, "named-$n";
        }
        cmp_ok -s $f->database . '-shm', '<=', 1 << 20, '... and the index stays small';
        forge($frames, $frames);
        is by_cgi("cgi-$n"), 200, '... so is one by a CGI';
        push @found, "cgi-$n";
        forge($frames, $frames);
        is((tool_out($f, 'list'))[0], 0, '... and the tool lists them');
    }
    my ($size, $wal) = (-s $f->database . '-wal', $f->database . '-wal');
    open my $log, '+<', $wal or die "$wal: $!";
    truncate $log, 1 << 40 or die "$wal: $!";
    forge((1 << 28) - 1, 0);
    is status('sparse'), 200, 'a log with a hole of a terabyte is no log of so many frames';
    push @found, 'sparse';
    $d->{receiver}->stop;
    $db->disconnect if $db;
    is $f->events($_), 1, "$_ is found when all have ended" for @found;
    $f->finish;
}

# ---- what is locked ----

$f = Fixture->new(conf => $conf);
started();
is status('before'), 200, 'an event is stored';
my $index = opened();
lock_index($index, F_WRLCK);
put($index, 0, 'x' x 96);
is status("locked-$_"), 503, 'nobody can make the index anew: an event comes again' for 1, 2;
is by_cgi('locked-cgi'), 503, '... in a CGI, too';
lock_index($index, F_UNLCK);
is status('after'), 200, 'somebody can: an event is stored';
is $f->events('after'), 1, '... and found';
$f->finish;
done_testing;
