#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The unit files are sound, shut in, and say what the tests of the sockets run; the job that the timers start does its
# part. tests/package starts them under a real systemd.
use strict;
use warnings;
use Test::More;
use Event;
use Fixture;
use Proc qw(wait_until);
use Source qw(listed quoted);

my $f = Fixture->new;
my $prefix = $f->folder('prefix');
$f->folder("prefix/$_") for qw(bin lib lib/complycube-inbox);
$f->install("prefix/bin/$_", $_) for qw(complycube-webhook complycube-inbox);

# A template of packaging/, as "make install PREFIX=..." writes it.
sub filled_in {
    my ($template) = @_;
    local %ENV = %ENV;
    delete @ENV{ grep { /^(?:MAKE|MFLAGS|DESTDIR|PREFIX|SYSCONFDIR|INSTANCE)/ } keys %ENV };
    return scalar `make -s -C @{[quoted($Fixture::ROOT)]} print FILE=packaging/$template PREFIX=$prefix 2>&1`;
}

$f->write('prefix/lib/complycube-inbox/job', filled_in('job.in'), 0755);
my %unit = map { m{([^/]+)\.in$} ? ($1 => filled_in("systemd/$1.in")) : () } listed("$Fixture::ROOT/packaging/systemd", "*.in");
cmp_ok scalar keys %unit, '>=', 9, 'units are found';
$f->write("conf/$_", $unit{$_}) for keys %unit;

# As root, if the test is: since version 257 it makes folders in /run/systemd where systemd does not run.
sub analyze { my (@how) = @_; return $f->run('systemd-analyze', @how, { root => 1 }) }

SKIP: {
    my (undef, undef, $cannot) = analyze('verify', '--man=no', $f->path('conf/complycube-webhook.socket'));
    skip "systemd-analyze: $cannot", keys(%unit) + 4 if $> != 0 && $cannot =~ m{^Failed to create directory '/run/systemd/'};
    for my $unit (sort keys %unit) {
        my ($code, $out, $err) = analyze('verify', '--man=no', $f->path("conf/$unit"));
        is("$code$out$err", '0', "systemd-analyze finds nothing wrong with $unit");
    }
    # tenths: how exposed systemd finds a service, 10 being open; tests may not find it worse than is written here
    my %exposed = ('complycube-webhook' => 10, map { ("complycube-inbox-$_" => 14) } qw(watch prune backup));
    for my $service (sort keys %exposed) {
        my ($code, $out) = analyze('security', '--offline=true', "--threshold=$exposed{$service}", '--no-pager', $f->path("conf/$service.service"));
        is($code, 0, "$service is exposed by $exposed{$service} tenths at most") or diag $out;
    }
}
like($unit{'complycube-webhook.socket'}, qr/^SocketMode=0660$/m, 'the socket is closed to others');
like($unit{'complycube-webhook.socket'}, qr/^Accept=no$/m, 'one receiver takes all connections');
like($unit{'complycube-webhook.socket'}, qr/^TriggerLimitIntervalSec=0$/m, 'the socket never gives up');
like($unit{'complycube-webhook.service'}, qr/^Restart=always$/m, 'the receiver is started again when it ends');
like($unit{'complycube-webhook.service'}, qr/^StartLimitIntervalSec=0$/m, 'however often');

# The job, by the environment that the units give it.
my $job = $f->path('prefix/lib/complycube-inbox/job');
$f->folder('backups', 0700);
my %env = (COMPLYCUBE_WEBHOOK_CONFIG => $f->config, BACKUPS => $f->path('backups'), KEEP => 2);
sub job { my ($what, %more) = @_; return $f->run($job, @{$what}, { env => { %env, %more } }) }

$f->run($f->path('prefix/bin/complycube-inbox'), 'init', { env => \%env });
my @watch = job(['watch']);
is("@watch", '0  ', 'the job watch is silent while all is well');
my ($signed) = $f->cgi({ body => event() });
is($signed->{status}, 400, 'an event without a signature is refused');
my $body = event();
($signed) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
is($signed->{status}, 200, 'one with a signature is stored');
my ($code, $out, $err);
wait_until(sub { ($code, $out, $err) = job(['watch'], WATCH_OPTIONS => '--oldest 1s'); return $code == 1 }, 10);
is($code, 1, 'with WATCH_OPTIONS it says that the event waits') or diag "$out$err";
is(join(' ', job(['prune'])), '0  ', 'the job prune leaves all alone where nothing says how long it is kept');

$f->write("backups/inbox-2020010${_}T000000Z.db", 'old') for 1 .. 3;
$f->write('backups/inbox-of-mine.db', 'kept');
($code, $out, $err) = job(['backup']);
is($code, 0, 'the job backup makes one') or diag "$out$err";
my @kept = map { s{.*/}{}r } sort glob $f->path('backups/*');
is(scalar(@kept), 3, 'KEEP=2 keeps two, and what is no backup') or diag "@kept";
is_deeply([grep { /^inbox-202001|mine/ } @kept], ['inbox-20200103T000000Z.db', 'inbox-of-mine.db'], 'the newest of them');
($code) = job(['backup'], BACKUPS => $f->path('nowhere'), KEEP => 1);
isnt($code, 0, 'a backup that fails is told');

$f->write('run/sendmail', "#!/bin/sh\ncat >'" . $f->path('run/mail') . "'\n", 0755);    # it stands for an MTA
($code, $out, $err) = job(['alarm', 'complycube-inbox-watch.service'], SENDMAIL => $f->path('run/sendmail'), MAILTO => 'me@example.org');
is($code, 0, 'the job alarm tells of a unit') or diag "$out$err";
like(Fixture::slurp($f->path('run/mail')), qr/\ATo: me\@example\.org\nSubject: complycube-inbox-watch\.service failed on /, 'it mails');
is((job(['nonsense']))[0], 2, 'another word is refused');
$f->finish;

done_testing;
