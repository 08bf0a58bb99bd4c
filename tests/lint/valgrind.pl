#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# make valgrind: the unit tests, a receiver as a CGI over both forms of the inbox, and the tool, under valgrind: no wrong
# access, no use of what was never written, no leak.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use Requests;
use Test::More;
use Tool;

chdir $Fixture::ROOT or die "$Fixture::ROOT: $!";
my $dir = tempdir('cw-valgrind-XXXXXX', TMPDIR => 1, CLEANUP => 1);    # programs run as another user too
chmod 0755, $dir;
my $valgrind = "valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect --error-exitcode=99 --log-file=$dir/log/%p";
mkdir "$dir/log";
chmod 01777, "$dir/log";

for my $test (grep { -x && !/\./ } glob 'build/unit/test_*') {
    is system("$valgrind $test >$dir/out 2>&1"), 0, $test or diag Fixture::slurp("$dir/out");
}
my $sample = Fixture::slurp('cgi-bin/complycube-webhook.conf.sample');
for my $conf ($sample, qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$sample)) {
    my $f = Fixture->new(conf => $conf);
    # In place of the programs, scripts that start them under valgrind.
    for my $program (['complycube-webhook', 'home/public_html/cgi-bin/complycube-webhook.cgi'], ['complycube-inbox', 'run/complycube-inbox']) {
        my $real = $f->install("run/real-$program->[0]", $program->[0]);
        $f->write($program->[1], "#!/bin/sh\nexec $valgrind $real \"\$@\"\n", 0755);
    }
    my $form = $conf eq $sample ? 'table' : 'directory';
    my $event = event();
    my @asked = (
        [200, 'an event' => signed($event)], [200, 'it again' => signed($event)],
        [202, 'another payload' => signed($event =~ s/"note":"/$&x/r)], [202, 'no event' => signed('no json')],
        [400, 'a wrong signature' => post($event, 'a1' x 32)], [413, 'a long body' => signed(event(size => 2_000_000))],
        [200, 'a GET' => { method => 'GET', path => '/' }], [200, 'a last event' => signed(event())],
    );
    for my $ask (@asked) {
        my ($status, $what, $request) = @$ask;
        my ($answer) = $f->cgi($request);
        is "$answer->{status} $answer->{code}", "$status 0", "$form: $what";
    }
    for my $command (['list'], ['show', '1'], ['doctor'], ['quarantine', 'list'], ['verify'], ['work', '-e', 'live', '--once', '/bin/cat']) {
        my ($code, $err) = tool($f, @$command);
        cmp_ok $code // 99, '<', 99, "$form: complycube-inbox @$command" or diag $err;
    }
    $f->finish;
}
# Of lines with -- it speaks of itself: that it does not know the calls of the sandbox, which the receiver goes without then.
my @reports = map { Fixture::slurp($_) =~ s/^--\d+-- .*\n//mgr } grep { -s } glob "$dir/log/*";
is join('', @reports), '', 'valgrind has nothing to report';
done_testing;
