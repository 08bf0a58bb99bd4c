#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 2, on a file system that is full for real, to each byte more or less, or has no inode left: an event is stored
# or refused with a 503 that says to make room, what is answered 200 is there, and service goes on by itself once there is
# room. In each form of the inbox. With a spool elsewhere each is answered 200. The file system is a small one in memory, in a name space of mounts of the test's own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(%FORM fixture request hold receiver end_receiver ask found sound);
use Event;
use Fixture;
use Proc qw(wait_until);
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
    my ($form, $more) = @_;
    my $f = fixture($form, $more);
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

for my $form ('table, WAL', 'directory, WAL') {
    my $f = small($form, qq(spool = "../../spool"\n));
    hold($f);
    my $p = receiver($f);
    ask($f, request(event()));
    my ($spooled, @bodies, @bad, @wrong) = (0);
    for my $try ((map { ['bytes', 4096 * $_] } 0 .. 3), (map { ['inodes', $_] } 0, 1)) {
        my @new = map { event(size => 3000) } 1 .. 4;
        fill($f, @$try);
        for my $answer (map { ask($f, request($_)) } @new) {
            push @bad, "@$try: $answer->{status} $answer->{log}" if $answer->{status} != 200;
            $spooled++ if $answer->{body} =~ /"spooled":true/ && $answer->{log} =~ /code=spooled .* why=\w+ msg=/;
        }
        unlink glob $f->path('home/private/filler-*');
        my $waits = sub { my @names = glob $f->path('home/spool/*.event'); return scalar @names };
        wait_until(sub { !$waits->() }, 25) or push @bad, "@$try: with room again " . $waits->() . ' wait';
        push @wrong, map { "@$try: $_" } grep { $_ ne '1 1' } found($f, @new);
        push @bodies, @new;
        unlink map { glob $f->path("home/private/inbox.d/live/$_/*") } qw(new);
    }
    cmp_ok($spooled, '>', 6, "$form: with a spool elsewhere it was full, too ($spooled spooled)");
    is(scalar @bad, 0, "$form: each event is answered 200, and recorded by itself once there is room") or diag @bad;
    is(scalar @wrong, 0, "$form: each once") or diag "@wrong";
    my @ids = map { $_->[0] } @{ $f->rows('SELECT event_id FROM event_log WHERE seq > 1 ORDER BY seq') };
    is("@ids", join(' ', map { event_id($_) } @bodies), "$form: in the order of arrival");
    is(end_receiver($p), 0, "$form: the receiver ends well");
    is(sound($f->database), 'ok', "$form: the database is sound");
    $f->finish;
}
done_testing;
