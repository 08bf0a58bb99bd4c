#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Applications and receiver are upgraded one before the other: the libraries of 0.1.0 over a database of this version, these
# libraries over 0.1.0's, and 0.1.0's over 0.1.0's, each while this version's receiver records; as a table and a directory.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(hmac_sha256_hex);
use Test::More;
use Upgrade;
use Upgraded;

my $OWN = $> ? 'one-user' : 'own-server';
my %VERSION = ('0.1.0' => "$RELEASED/consumers", 'this version' => "$Upgrade::ROOT/consumers");

# Claims four, of which those that were claimed before come alone, then does each thing with one; prints the numbers as it
# goes. Between claim and ack it runs a command.
my %PROGRAM = (
    perl => ['perl', 'ComplyCubeInbox.pm', <<'PERL'],
use strict; use warnings; use FindBin; use lib $FindBin::Bin; use ComplyCubeInbox;
$| = 1;
my $inbox = ComplyCubeInbox->new($ARGV[0], endpoint => 'live', owner => 'app');
my @e;
for (1 .. 4) { push @e, map { ref eq 'ARRAY' ? @$_ : $_ } $inbox->claim(4 - @e) if @e < 4 }
print join(' ', map { $_->{seq} } @e), "\n";
system($ARGV[1]) == 0 or die "the receiver: $?";
print join(' ', map { $_ ? 1 : 0 } $inbox->ack($e[0]), $inbox->nack($e[1], 'not now', 3600), $inbox->extend($e[2], 600), $inbox->release($e[3])), "\n";
PERL
    php => ['php', 'ComplyCubeInbox.php', <<'PHP'],
<?php require __DIR__ . '/ComplyCubeInbox.php';
$inbox = new ComplyCubeInbox($argv[1], array('endpoint' => 'live', 'owner' => 'app'));
$e = array();
for ($i = 0; $i < 4 && count($e) < 4; $i++) $e = array_merge($e, $inbox->claim(4 - count($e)));
echo implode(' ', array_map(function ($e) { return $e['seq']; }, $e)), "\n";
system($argv[2], $failed);
if ($failed) exit(9);
echo implode(' ', array_map('intval', array($inbox->ack($e[0]), $inbox->nack($e[1], 'not now', 3600), $inbox->extend($e[2], 600), $inbox->release($e[3])))), "\n";
PHP
);

# The numbers that an application of these libraries claims. While it holds them it waits for a file, and an event is posted.
sub consumer {
    my ($u, $language, $library) = @_;
    my ($program, $file, $text) = @{ $PROGRAM{$language} };
    my $home = consumers($u, $library);
    open my $out, '>', "$home/app" or die "app: $!";
    print $out $text;
    close $out;
    my ($asked, $go) = map { "$u->{run}/$language-$_" } qw(asked go);
    my $wait = "touch $asked; for i in \$(seq 600); do [ -e $go ] && exit 0; sleep 0.02; done; exit 1";
    my $p = Proc->start(cmd => [$u->become('application'), $program, "$home/app", $u->inbox, $wait], root => $u->{users},
        stdout => "$u->{run}/$language-out", stderr => "$u->{run}/$language-err");
    Proc::wait_until(sub { -e $asked || $p->ended(0) }, 10);
    my $body = qq({"id":"meanwhile-$language","type":"check.completed"});
    my $answer = $u->post($body, hmac_sha256_hex($body, 'akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH'));
    is $answer->{status}, 200, "an event is recorded while $language works" or diag $answer->{log};
    open my $begin, '>', $go;
    $p->ended(10);
    my ($claimed, $did) = split /\n/, Upgrade::slurp("$u->{run}/$language-out");
    is $did, '1 1 1 1', "$language acks, nacks, extends and releases what it claimed" or diag Upgrade::slurp("$u->{run}/$language-err");
    return split ' ', $claimed // '';
}

for my $layout ($OWN, "$OWN-directory") {
    for my $case (['0.1.0', 0], ['0.1.0', 1], ['this version', 0]) {
        my ($version, $migrated) = @$case;
        subtest "libraries of $version, $layout" . ($migrated ? ' after migrate' : ' as 0.1.0 left it') => sub {
            my $u = Upgrade->new($layout);
            is((($u->tool('migrate'))[0]), 0, 'migrate') if $migrated;
            my %taken;
            for my $language (sort keys %PROGRAM) {
                my @seqs = consumer($u, $language, $VERSION{$version});
                is scalar(@seqs), 4, 'four are claimed';
                is_deeply [grep { $taken{$_} } @seqs], [], 'none that another holds, or has done';
                my %state = map { $_->{seq} => $_->{state} } lines_of($u->told(qw(list --json --limit 1000)));
                is join(' ', @state{@seqs}), 'done waiting waiting waiting', 'their states are as they should be';
                @taken{ @seqs[0 .. 2] } = (1) x 3;
            }
            is((($u->tool(qw(verify --stored --allow), 'erased,pruned,unknown,missing,quarantined,sql,moved'))[0]), 0, 'all is stored as it was signed');
            $u->finish;
        };
    }
}
done_testing;
