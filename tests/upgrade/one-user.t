#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An upgrade from 0.1.0 of a host with one user, with a table and with a directory: nothing is lost, nothing is refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Upgrade;
use Upgraded;

for my $layout ('one-user', 'one-user-directory') {
    subtest $layout => sub {
        my $u = taken_over($layout);
        is scalar(grep { $_->{endpoint} eq 'live' && $_->{state} eq 'waiting' && $_->{due_ms} <= time * 1000 } lines_of($u->told(qw(list --json --limit 1000)))), 0,
            'cron handed on all that waited';
        $u->finish;
    };
}

subtest 'a backup that 0.1.0 made is restored' => sub {
    my $u = Upgrade->new('one-user');
    my ($file) = glob $u->path('home/backups/inbox-*.db');
    my ($code, $out, $err) = $u->tool('restore', $file, '--only-backup', '--reason', 'a trial');
    is $code, 0, 'restore takes it' or diag $err;
    my %was = map { ("$_->{endpoint} $_->{event_id} $_->{type}" => $_->{seq}) } lines_of("$RELEASED/one-user/list.jsonl");
    my @rows = lines_of($u->told(qw(list --json --limit 1000)));
    cmp_ok scalar @rows, '>', 20, 'its events are there';
    is join(', ', map { $_->{event_id} } grep { ($was{"$_->{endpoint} $_->{event_id} $_->{type}"} // 0) != $_->{seq} } @rows), 'spooled-2', 'with their numbers, but what still lay in the spool';
    Upgraded::new_events_are_stored($u, 'new-3');
    $u->finish;
};
done_testing;
