#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox doctor on the spool: faults are seeded one by one, and mended by nothing but what it prints.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use Test::More;
use Doctor;
use Event;
use Fixture;
use Proc qw(unprivileged);
use Tool;

sub fixture {
    my ($spool) = @_;
    my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample") =~ s/^ *events *=.*$/    events = {"*"}/mr;
    $spool //= '../../spool';
    my $f = Fixture->new(conf => qq(spool = "$spool"\n$sample));
    tool($f, 'init');
    return $f;
}

# Several events that come while the database cannot be written.
sub spool {
    my ($f, @bodies) = @_;
    chmod 0400, $f->database;
    my @answers = map { $f->cgi({ body => $_, headers => ['ComplyCube-Signature' => sign($_)] }) } @bodies;
    chmod 0600, $f->database;
    return @answers;
}

sub works {
    my ($f) = @_;
    my ($answer) = spool($f, event());
    like $answer->{body}, qr/"spooled":true/, 'an event is spooled then' or diag $answer->{log};
}

sub fault {
    my ($name, $verdict, $finding, $seed, %o) = @_;
    my $what = $verdict eq 'warning' ? 'spooled' : 'spool';
    subtest $name => sub {
        my $f = fixture();
        my %more = $seed->($f);
        mended($f, $verdict, $what, finding => $finding, %o, %more);
        works($f);
        $more{end}->() if $more{end};
        $f->finish;
    };
}

# Make the file of a waiting event as old as that.
sub age {
    my ($f, $seconds) = @_;
    for my $name (glob $f->path('home/spool/*.event')) {
        my $ms = (time - $seconds) . '000';
        my $text = Fixture::slurp($name) =~ s/(?<=received_ms )\d+/$ms/r;
        unlink $name;
        $f->write($name =~ s{^\Q@{[$f->path]}\E/}{}r =~ s{/\d{13}(\.[^/]*)$}{/$ms$1}r, $text, 0600);
    }
}

subtest 'nothing is wrong' => sub {
    my $f = fixture();
    spool($f, event());
    my ($code, @findings) = doctor($f);
    is $code, 0, 'nothing is';
    is_deeply [map { $_->{finding} =~ s/.* is on/is on/r } only('spool', @findings)], [q(is on the database's own file system)], 'but that it is no other disk';
    ok scalar(grep { $_->{what} eq 'spooled' && $_->{finding} =~ /^1 wait in it, the oldest since \d{4}-/ } @findings), 'what waits is told';
    $f = Fixture->new;
    tool($f, 'init');
    ($code, @findings) = doctor($f);
    is scalar(grep { $_->{what} eq 'spool' } @findings), 0, 'without a spool there is nothing to say';
    $f->finish;
};

fault 'no folder', wrong => qr/No such file/, sub { rmdir $_[0]->path('home/spool'); () };
fault 'no folder to put it in', wrong => qr/No such file/, sub {
    my ($f) = @_;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($f->config) =~ s{spool = .*}{spool = "../../var/lib/spool"}r);
    return ();
};
fault 'a file in its place', wrong => qr/is no folder/, sub { rmdir $_[0]->path('home/spool'); $_[0]->write('home/spool', 'x'); () },
    hand => sub {
        my ($file, $n) = $_[0] =~ /^name a folder: in (\S+) line (\d+), spool = / or return fail("it names the line: $_[0]");
        Doctor::cure({ cures => [qq(in $file:$n write: spool = "../../spool.d")] });
    };
fault 'a folder that its owner may not write', wrong => qr/cannot be used by/, sub { chmod 0500, $_[0]->path('home/spool'); () };
fault 'a folder that others may look into', wrong => qr/any user of this host/, sub { chmod 0755, $_[0]->path('home/spool'); () };
if (unprivileged()) {
    fault 'a folder of another user', wrong => qr/cannot be used by/, sub { chown 0, 0, $_[0]->path('home/spool'); () };
}
fault 'what waits for long', warning => qr/^1 wait in it/, sub {
    my ($f) = @_;
    spool($f, event(id => 'late'));
    age($f, 900);
    return (end => sub { is $f->value(q(SELECT source FROM event_log WHERE event_id = 'late')), 'spool', 'it is recorded' });
};
fault 'a secret that is gone', warning => qr/set aside/, sub {
    my ($f) = @_;
    spool($f, event(id => 'aside'));
    $f->secrets('secrets', "main $SECRET{live}x\n");
    tool($f, 'spool', 'record');
    return (
        hand => sub { $f->secrets('secrets', "main $SECRET{live}x\nbefore $SECRET{live}\n") if $_[0] =~ /add the secret that was called main to the file of endpoint live again, retired/ },
        end => sub { is $f->events('aside'), 1, 'the event is recorded' },
    );
};
fault 'a file that is damaged', warning => qr/are damaged, and/, sub {
    my ($f) = @_;
    spool($f, event());
    truncate $_, 90 for glob $f->path('home/spool/*.event');
    tool($f, 'spool', 'record');
    return (hand => sub { unlink glob $1 if $_[0] =~ /remove (\S+)$/ });
};
fault 'what a crash left unfinished', warning => qr/left unfinished/, sub {
    my ($f) = @_;
    my $file = $f->write('home/spool/.1770000000000.000000000.0a1b2c3d.event', 'complycube-sp', 0600);
    utime time - 90, time - 90, $file;
    return (end => sub { ok !-e $file, 'it is gone' });
};
fault 'what is none of ours', warning => qr/none of a spool/, sub {
    my ($f) = @_;
    my $file = $f->write('home/spool/notes', 'mine', 0600);
    return (hand => sub { like $_[0], qr/^move away what is none of ours/, 'by hand'; unlink $file });
};

subtest 'a folder in memory' => sub {
    my $how = Fixture::slurp('/proc/mounts') =~ m{^\S+ /dev/shm tmpfs }m && -w '/dev/shm';
    if (!$how) {
        pass 'there is none here';
        return;
    }
    my $folder = tempdir('spool-XXXXXX', DIR => '/dev/shm', CLEANUP => 1);
    chmod 0700, $folder;
    chown unprivileged(), $folder if unprivileged();
    my $f = fixture("$folder/spool");
    my ($code, @findings) = doctor($f);
    my ($seen) = only('spool', @findings);
    like $seen->{finding}, qr/lies on a tmpfs: it is gone after a reboot$/, 'is warned of';
    like $seen->{cures}[0], qr/^by hand: name a folder on a disk/, 'with what to do';
    $f->finish;
};
done_testing;
