#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A sticky folder of root's that anybody may write, as /tmp is: on the way to the secrets it is trusted as long as each name in it
# is; root does not act in it; doctor reports a database there.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Doctor;
use Event;
use Fixture;
use Proc qw(unprivileged);
use Requests;
use Tool;

plan skip_all => 'the files of two users are put there by root' if $>;
my $SAMPLE = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $MAIN = "main $SECRET{live}\n";

# The configuration names COMMON/FILE in the place of private/FILE.
sub fixture {
    my ($file, $as) = @_;
    $as //= $file;
    my $f = Fixture->new(conf => $SAMPLE =~ s{private/\Q$file\E"}{common/$as"}r);
    $f->folder('home/common');
    chown 0, 0, $f->path('home/common');
    chmod 01777, $f->path('home/common');
    return $f;
}

# Another user of the machine.
sub other {
    my ($f, $script) = @_;
    my $nobody = (getpwnam 'nobody')[2];
    return system('setpriv', "--reuid=$nobody", "--regid=$nobody", '--clear-groups', 'sh', '-c', "cd \"\$1\" && { $script; } 2>/dev/null", 'sh', $f->path('home/common')) == 0;
}

sub posted { my ($f) = @_; return ($f->cgi(signed(event())))[0] }

# ---- the secrets ----

subtest 'secrets of the receiver\'s user are accepted, and stay' => sub {
    my $f = fixture('secrets');
    $f->write('home/common/secrets', $MAIN, 0600);
    is(posted($f)->{status}, 200, 'an event is stored');
    is((tool($f, 'watch'))[0], 0, 'watch has nothing to say');
    ok(!other($f, 'mv secrets mine || rm -f secrets'), 'another user can neither move nor remove them');
    unlink $f->path('home/common/secrets');
    ok(other($f, "echo 'main $SECRET{sandbox}' >secrets; chmod 644 secrets"), 'once they are gone it puts its own there');
    my $answer = posted($f);
    is($answer->{status}, 500, 'which are refused');
    like($answer->{log}, qr/belongs to user \d+, who could sign events/, 'the log says why');
    $f->finish;
};

for my $case (['a folder', 'mkdir -m 777 of'], ['a link', 'ln -s ../private of']) {
    my ($what, $made) = @$case;
    subtest "$what of another user on the way to the secrets is refused" => sub {
        my $f = fixture('secrets', 'of/secrets');
        ok(other($f, $made), "another user makes $what");
        $f->write('home/common/of/secrets', $MAIN, 0600);
        my $answer = posted($f);
        is($answer->{status}, 500, 'no database is begun');
        like($answer->{log}, qr{could be replaced: user \d+ owns \S+/common/of;}, 'the log names who could replace them');
        is((tool($f, 'init'))[0], 10, 'init refuses, too');
        $f->finish;
    };
}

# ---- the database ----

subtest 'a database there works, root does not act on it, and doctor says where it belongs' => sub {
    my $f = fixture('inbox.db');
    my $database = $f->path('home/common/inbox.db');
    is(posted($f)->{status}, 200, 'an event is stored');
    is((tool($f, 'list'))[0], 0, 'its user lists it');
    my ($code, $err) = tool($f, 'list', { root => 1 });
    is($code, 5, 'root\'s tool refuses');
    like($err, qr/root does not act on .* may be written by anyone/, 'it says why');
    ok(!other($f, 'mv inbox.db mine || rm -f inbox.db'), 'another user can neither move nor remove the database');
    ($code, my @findings) = doctor($f);
    is($code, 1, 'doctor finds something wrong');
    like((map { $_->{finding} } only('permissions', @findings))[0], qr{/common has mode 1777: any user of this host may put files beside the database}, 'it names the folder');
    chown +(unprivileged())[0], -1, $f->path('home/common');
    chmod 0777, $f->path('home/common');
    mended($f, wrong => 'permissions');
    $f->finish;
};

my %PLANT = (
    'a journal' => ': >inbox.db-journal; chmod 666 inbox.db-journal',
    'a log' => ': >inbox.db-wal; chmod 600 inbox.db-wal',
    'a FIFO as the lock' => 'mkfifo -m 666 inbox.db.lock',
    'a link as the lock' => 'ln -s ../victim inbox.db.lock',
    'a folder for the receiver\'s own files' => 'mkdir -m 777 inbox.db.own',
    'a link as the count of refusals' => 'ln -s ../victim inbox.db.refused',
);
for my $what (sort keys %PLANT) {
    subtest "another user puts $what beside the database" => sub {
        my $f = fixture('inbox.db');
        $f->write('home/victim', "keep\n", 0600);
        ok(other($f, $PLANT{$what}), 'is there before the database is');
        my ($answer, $forged) = (posted($f), $f->cgi({ method => 'POST', path => '/', body => event() }));
        like($answer->{status}, qr/^(?:200|503)$/, 'an event is stored or comes again');
        is($forged->{status}, 400, 'one without a signature is refused');
        is(Fixture::slurp($f->path('home/victim')), "keep\n", 'a file elsewhere stays as it is');
        tool($f, $_) for qw(list watch);
        my $kept = (tool_out($f, 'list', '--json'))[1];
        is(scalar(() = $kept =~ /"event_id"/g), 1, 'it is there') if $answer->{status} == 200;
        system 'rm', '-rf', glob $f->path('home/common/*');
        is(posted($f)->{status}, 200, 'without it all is well');
        $f->finish;
    };
}
done_testing;
