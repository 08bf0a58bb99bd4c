#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox reconcile while objects change at each request, while the API does not do what its pages say, and killed at
# its requests and flushes: no change is missed, none is recorded twice, and nothing wrongly. SEEDS=50 tries more of the first.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id stamp);
use Fixture;
use Http;
use Proc qw(wait_until);
use Test::More;
use Time::HiRes qw(time);
use Tool;
use Vendor;

my $objects = 3500;

# What pages by their numbers miss of the same list: the API of the tests does what a program must withstand.
subtest 'plain pages of such a list miss items' => sub {
    my ($f, $api) = with_api();
    $api->load(checks => [map { check($_, 61 + $_ / 40, 'complete', 'clear') } 1 .. $objects]);
    $api->fault({ what => 'drift', list => 'checks', share => 0.01, path => 'checks', times => -1, seed => 1 });
    my $ask = Http::client($api->{port});
    my %seen;
    my $since = stamp($Vendor::now - 86_400_000) =~ s/:/%3A/gr;
    for my $page (1 .. 4) {
        my $answer = $ask->({ method => 'GET', path => "/v1/checks?updatedAfter=$since&updatedBefore=@{[stamp($Vendor::now) =~ s/:/%3A/gr]}&pageSize=1000&page=$page", headers => [Authorization => $Api::KEY{live}] });
        $seen{$_} = 1 for $answer->{body} =~ /"id":"(\w+)"/g;
    }
    cmp_ok(scalar(keys %seen), '>', $objects / 2, 'most are seen');
    cmp_ok(scalar(grep { !$seen{ object_id("check $_") } } 1 .. $objects), '>', 0, 'and some are not');
    $f->finish;
};
for my $seed (1 .. $ENV{SEEDS} // 1) {
    my ($f, $api) = with_api();
    $api->load(checks => [map { check($_, 61 + $_ / 40, 'complete', $_ % 3 ? 'clear' : 'attention') } 1 .. $objects]);
    $api->fault({ what => 'drift', list => 'checks', share => 0.01, path => 'checks', times => -1, seed => $seed });
    my ($code, $out, $err) = tool_out($f, 'reconcile', '--since', '1d');
    is($code, 0, "seed $seed: a run") or diag $err;
    $api->mend;
    my %events;
    $events{ $_->[0] }++ for @{ $f->rows('SELECT resource_id FROM event_log') };
    is(scalar(grep { !$events{ object_id("check $_") } } 1 .. $objects), 0, 'none is missed');
    is(scalar(grep { $_ > 1 } values %events), 0, 'none is recorded twice');
    is((grep { $_->{status} == 429 } $api->requests) + 0, 0, 'the pace is kept');
    is((tool_out($f, 'reconcile', '--since', '1d'))[0], 0, 'again');
    is($f->value('SELECT count(*) FROM event_log'), $objects, 'it adds nothing');
    $f->finish;
}

my @checks = map { check($_, 100 + $_, 'complete', 'clear') } 1 .. 20;
my @entries = map { entry($_, 100 + $_, 'document', object_id("document $_")) } 1 .. 5;
my @documents = map { object('document', $_, 90) } 1 .. 5;
for my $lie (['ignored', 'updatedAfter', 'checks', 12], ['empty', 'updatedAfter', 'clients', 12], ['ignored', 'updatedBefore', 'checks', 12],
    ['empty', 'updatedBefore', 'checks', 12], ['empty', 'createdAfter', 'auditLogs', 1], ['ignored', 'createdAfter', 'auditLogs', 1]) {
    my ($what, $filter, $path, $expected) = @$lie;
    my ($f, $api) = with_api();
    $api->load(checks => [@checks, check(99, 0, 'pending', undef, updatedAt => stamp(int(1000 * time) - 20_000))], clients => [object('client', 1, 90)], auditLogs => \@entries, documents => \@documents);
    $api->fault({ what => $what, filter => $filter, path => $path, times => -1 });
    my ($code, $out, $err) = tool_out($f, 'reconcile', '--since', '1d');
    is($code, $expected, "the filter $filter of $path is $what: the exit says so");
    like($err, qr/filters? .*$filter.* of \/$path do(es)? not work as documented/, 'and the words');
    is($f->value('SELECT count(*) FROM event_log WHERE resource_type <> ?', 'client'), $expected == 12 ? 0 : 25, 'nothing of it is recorded');
    $f->finish;
}

subtest 'a clock that is off, and an account without audit logs' => sub {
    my ($f, $api) = with_api();
    $api->clock(3_600_000);
    my @ahead = map { { %$_, updatedAt => stamp($Vendor::now + 3_600_000 - 120_000) } } @checks;
    $api->load(checks => \@ahead, documents => \@documents, auditLogs => \@entries);
    $api->fault({ what => 'status', status => 403, type => 'unauthorized', message => 'Your current plan does not include access', path => 'auditLogs', times => -1 });
    my ($code, $out, $err) = tool_out($f, 'reconcile', '--since', '5m');
    is($code, 1, 'what was not looked at is in the exit');
    like($err, qr/clock is \d+ s behind/, 'the clock is told');
    like($err, qr/deletions, and documents .* were not looked at.*plan/s, 'and why not all was looked at');
    is($f->value('SELECT count(*) FROM event_log'), 20, 'the time asked for is by the clock of the API');
    $f->finish;
};

subtest 'killed at its requests, and run again' => sub {
    my %objects = (checks => \@checks, clients => [object('client', 1, 90)], documents => \@documents, auditLogs => [@entries, entry(9, 80, 'address', 'gone', 'delete')]);
    my $state = sub { my ($f) = @_; return join "\n", map { "@$_" } @{ $f->rows('SELECT event_id, type, created_ms, hex(body) FROM event_log ORDER BY event_id') } };
    my ($whole, $api) = with_api();
    $api->load(%objects);
    is((tool_out($whole, 'reconcile', '--since', '1d'))[0], 0, 'a run');
    my $steps = $api->requests;
    cmp_ok($steps, '>', 15, 'has some requests');
    my ($f, $hung) = with_api();
    $hung->load(%objects);
    my $before = 0;
    for (my $step = 12; $step < $steps; $step += 3) {
        $hung->forget_requests;
        $hung->fault({ what => 'hang', skip => $step, path => '/v1/' });
        my $p = begin($f, 'reconcile', '--since', '1d');
        wait_until(sub { $hung->requests > $step || $p->ended(0) }, 30);
        kill 'KILL', $p->{pid};
        $p->ended(10);
        $hung->mend;
        $before++ if $f->value('SELECT count(*) FROM event_log') > 0;
    }
    cmp_ok($before, '>', 0, 'some of the killed runs have recorded');
    is((tool_out($f, 'reconcile', '--since', '1d'))[0], 0, 'the next run finishes');
    is($state->($f), $state->($whole), 'what they have left: it is as if one had run');
    $_->finish for $whole, $f;
};
# At each flush, so before and after each commit. Each run goes on with what the killed one has left.
subtest 'killed at each of its flushes, and run again' => sub {
    my ($f, $api) = with_api();
    my ($n, $step, $code, %left) = (200, 0);
    $api->load(checks => [map { check($_, 100 + $_, 'complete', 'clear') } 1 .. $n]);
    while (!defined $code && $step < 40) {
        $step++;
        ($code) = $f->run(qw(strace -f -qq -o /dev/null -e), 'trace=fdatasync,fsync', '-e', "inject=fdatasync,fsync:signal=KILL:when=$step", $f->path('run/complycube-inbox'), '-c', $f->config, qw(reconcile --since 1d));
        $left{ $f->value('SELECT count(*) FROM event_log') }++;
    }
    is($code, 0, 'then a run is not killed any more');
    cmp_ok(scalar(keys %left), '>', 2, 'killed ones have left some of it') or diag explain \%left;
    is_deeply($f->rows('SELECT count(*), count(DISTINCT resource_id) FROM event_log'), [[$n, $n]], 'none is missed, none is recorded twice');
    is((tool_out($f, 'verify', '--stored'))[0], 0, 'and all of it is sound');
    $f->finish;
};
done_testing;
