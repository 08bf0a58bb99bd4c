#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 2, on a file system that is full for real, to each byte more or less, or has no inode left: an event is stored
# or refused with a 503 that says to make room, what is answered 200 is there, and service goes on by itself once there is
# room. In each form of the inbox. The file system is a small one in memory, in a name space of mounts of the test's own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(%FORM fixture request hold receiver end_receiver ask found sound);
use Event;
use Fixture;
use Test::More;
use Time::HiRes qw(time);

if (!$ENV{OWN_MOUNTS}) {
    plan skip_all => 'mounting a small file system needs root' if system('unshare --mount mount -t tmpfs none /mnt >/dev/null 2>&1') != 0;
    $ENV{OWN_MOUNTS} = 1;
    exec 'unshare', '--mount', $^X, $0 or die "unshare: $!";
}

my @mounted;
END { system 'umount', '-l', $_ for @mounted }    # before the folders are removed

# A fixture whose home/private is a file system of 60 inodes and 8 MB: a log of 500 pages and all that is sent fit in.
sub small {
    my ($form) = @_;
    my $f = fixture($form);
    my $private = $f->path('home/private');
    my %secrets = map { $_ => Fixture::slurp($_) } glob "$private/*";
    system('mount', '-t', 'tmpfs', '-o', 'size=8m,nr_inodes=60', 'none', $private) == 0 or die 'mount failed';
    push @mounted, $private;
    $f->folder('home/private', 0700);
    $f->write(s{^\Q@{[$f->path]}\E/}{}r, $secrets{$_}, 0600) for keys %secrets;
    return $f;
}

# Leave so many bytes (or inodes) free.
sub fill {
    my ($f, $kind, $left) = @_;
    if ($kind eq 'inodes') {
        my $n = 0;
        while (open my $file, '>', $f->path("home/private/filler-$n")) { $n++ }
        unlink $f->path('home/private/filler-' . --$n) for 1 .. $left;
        return;
    }
    open my $file, '>:raw', $f->path('home/private/filler-0') or die $!;
    while (defined syswrite $file, "\0" x 4096) { }
    truncate $file, (-s $file) - $left or die $!;
}

# Events while it is full and afterwards: what is wrong, and how many were refused.
sub try_full {
    my ($f, $kind, $left) = @_;
    my @bodies = map { event(size => 3000) } 1 .. 4;
    fill($f, $kind, $left);
    my (@wrong, @answers);
    for my $body (@bodies) {
        my $start = time;
        push @answers, ask($f, request($body));
        push @wrong, sprintf '%.1f s', time - $start if time - $start >= 10;
    }
    unlink glob $f->path('home/private/filler-*');
    my @found = found($f, @bodies);
    for my $i (0 .. $#bodies) {
        my $a = $answers[$i];
        push @wrong, "answered $a->{status}: $a->{log}" if $a->{status} != 200 && !($a->{status} == 503 && $a->{log} =~ /code=space .*make room|doctor/);
        push @wrong, "200, and $found[$i]" if $a->{status} == 200 && $found[$i] ne '1 1';
    }
    push @wrong, "afterwards $_->{status}: $_->{log}" for grep { $_->{status} != 200 } ask($f, map { request($_) } @bodies);
    @found = found($f, @bodies);
    push @wrong, "afterwards @found" if join(',', @found) ne join ',', ('1 1') x @bodies;
    unlink map { glob $f->path("home/private/inbox.d/live/$_/*") } qw(tmp new);
    return (scalar(grep { $_->{status} == 503 } @answers), map { "$kind, $left left: $_" } @wrong);
}

for my $form (sort keys %FORM) {
    my $f = small($form);
    hold($f);
    my $p = receiver($f);
    is((ask($f, request(event())))[0]{status}, 200, "$form: an event is stored");
    my ($refused, @wrong) = (0);
    for my $try ((map { ['bytes', $_] } map({ 4096 * $_ } 0 .. 12), 65536), (map { ['inodes', $_] } 0 .. 3)) {
        my ($n, @more) = try_full($f, @$try);
        $refused += $n;
        push @wrong, @more;
    }
    cmp_ok($refused, '>', 8, "$form: it was full ($refused refused)");
    is(scalar @wrong, 0, "$form: what is answered 200 is there, all else is refused with its cure, and with room again all is well") or diag map { "$_\n" } @wrong;
    is(end_receiver($p), 0, "$form: the receiver ends well");
    is(sound($f->database), 'ok', "$form: the database is sound");
    $f->finish;
}
done_testing;
