#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox verify --api, after a secret leaked: each event that was accepted with it is compared with the object that ComplyCube
# has. What never existed or contradicts is told apart from what changed since, was deleted, or was erased here.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id stamp);
use Event;
use Fixture;
use JSON::PP;
use Proc qw(wait_until);
use Test::More;
use Tool;
use Vendor;

my ($now, $client) = ($Vendor::now, $Vendor::client);
my $MINUTE = 60_000;

# An event of an object, made so many minutes ago, that says of it what more has.
sub of {
    my ($id, $type, $minutes, %more) = @_;
    our $n;
    my $at = stamp($now - $MINUTE * $minutes + 500);
    my ($resource) = $type =~ /^workflow/ ? 'workflowSession' : $type =~ /^(\w+)/;
    return encode_json({ id => 'e' . ++$n, type => $type, resourceType => $resource, payload => { id => $id, %more }, createdAt => $at });
}

# verify --api: exit code, { event's number => "finding what" }, the sums, all that was printed.
sub verified {
    my ($f, @args) = @_;
    my ($code, $out, $err) = tool_out($f, qw(verify --api --json --secret main --since 2d), @args);
    my @lines = map { decode_json($_) } split /\n/, $out;
    my $sums = pop @lines;
    return ($code, { map { $_->{seq} => join ' ', $_->{finding}, $_->{what} // () } @lines }, $sums, "$out$err");
}

subtest 'each is told by what ComplyCube has' => sub {
    my ($f, $api) = with_api();
    my ($deleted, $before, $never) = map { object_id($_) } 'was there', 'deleted before', 'never';
    $api->load(
        checks => [check(1, 60, 'complete', 'clear'), check(2, 60, 'complete', 'rejected'), check(3, 30, 'complete', 'attention'), check(4, 60, 'complete', 'rejected')],
        clients => [object('client', 1, 60, email => 'ada@example.org', type => 'person')],
        documents => [object('document', 1, 60)],
        auditLogs => [entry(1, 50, 'check', $deleted, 'delete'), entry(2, 300, 'check', $before, 'delete'), entry(3, 60, 'check', object_id('check 1'), 'add')]);
    my @said = (
        ['', of(object_id('check 1'), 'check.completed', 60, clientId => $client, status => 'complete', outcome => 'clear')],
        ['', of(object_id('check 1'), 'check.completed.clear', 60)],
        ['differs outcome', of(object_id('check 2'), 'check.completed', 59, clientId => $client, status => 'complete', outcome => 'clear')],
        ['differs outcome', of(object_id('check 2'), 'check.completed.clear', 59)],
        ['changed status', of(object_id('check 3'), 'check.pending', 60, status => 'pending', updatedAt => stamp($now - 60 * $MINUTE))],
        ['differs updatedAt', of(object_id('check 3'), 'check.completed', 10, status => 'complete', outcome => 'attention', updatedAt => stamp($now - 10 * $MINUTE))],
        ['differs clientId', of(object_id('check 4'), 'check.completed', 60, clientId => object_id('another'), status => 'complete', outcome => 'rejected')],
        ['differs createdAt', of(object_id('check 4'), 'check.pending', 60 * 24 * 4, status => 'pending')],
        ['unknown', of($never, 'check.completed', 60, status => 'complete', outcome => 'clear')],
        ['deleted', of($deleted, 'check.completed', 60, status => 'complete', outcome => 'clear')],
        ['differs createdAt', of($before, 'check.completed', 60, status => 'complete', outcome => 'clear')],
        ['', of($deleted, 'check.deleted', 50)],
        ['differs deletion', of(object_id('document 1'), 'document.deleted', 50)],
        ['differs details', of(object_id('client 1'), 'client.updated', 50, email => 'mallory@example.org')],
        ['', of(object_id('client 1'), 'client.updated', 50, email => 'ada@example.org')],
        ['unasked', of('x', 'member.updated', 50)]);
    record($f, map { $_->[1] } @said);
    my ($code, $found, $sums, $all) = verified($f);
    is $code, 1, 'what ComplyCube did not send ends it with 1';
    is_deeply $found, { map { $said[$_][0] ? ($_ + 1 => $said[$_][0]) : () } 0 .. $#said }, 'each that does not agree is named, and why' or diag $all;
    is_deeply [@$sums{qw(agrees changed deleted gone emptied unasked unknown differs not_compared)}], [4, 1, 1, 0, 0, 1, 1, 8, 0], 'and all are counted';
    unlike $all, qr/mallory|ada\@|$Api::KEY{live}/, 'no detail of a person and no key is printed';
    my ($text_code, $text) = tool_out($f, qw(verify --api --secret main --since 2d));
    is $text_code, 1, 'the same for a person';
    like $text, qr/^ +9  unknown +check\.completed +$never$/m, 'a row of the table';
    like $text, qr/^ +4  agrees +say what ComplyCube's API says now$/m, 'and the sums';
    is_deeply [grep { $_->{method} ne 'GET' } $api->requests], [], 'nothing is changed there';
    is $f->value('SELECT count(*) FROM history'), 0, 'nor here';
    $f->finish;
};

subtest 'all that an event says is compared' => sub {
    my ($f, $api) = with_api();
    my $ann = { firstName => 'Ann', dob => '1990-01-01' };
    my $then = stamp($now - 60 * $MINUTE);
    $api->load(clients => [object('client', 1, 60, personDetails => $ann, tags => ['a', 'b'], map({ ("m$_" => $_) } 1 .. 99), 'n' x 60 => 1),
        object('client', 2, 30, personDetails => $ann)]);
    my @said = (
        ['', 1, personDetails => $ann, tags => ['a', 'b'], m99 => 99, externalId => undef],
        ['differs details', 1, personDetails => { firstName => 'Mallory', dob => '2001-09-09' }],
        ['differs details', 1, personDetails => 'Ann'],
        ['differs details', 1, tags => ['b', 'a']],
        ['differs details', 1, externalId => '4711'],
        ['differs details', 1, m99 => 98],
        ['differs details', 1, 'n' x 60 => 2],
        ['differs details', 1, m1 => undef],
        ['differs updatedAt', 1, updatedAt => { at => $then }],
        ['changed details', 2, personDetails => { firstName => 'Anna' }, updatedAt => $then]);
    record($f, map { my (undef, $n, @more) = @$_; of(object_id("client $n"), 'client.updated', 50, @more) } @said);
    record($f, of(object_id('client 1'), 'client.updated', 50, email => 1) =~ s/"email"/"m\\u0031"/r);
    record($f, of(object_id('client 1'), 'client.updated', 50, email => 2) =~ s/"email"/"m\\u0031"/r);
    my ($code, $found, $sums, $all) = verified($f);
    is_deeply $found, { map({ $said[$_][0] ? ($_ + 1 => $said[$_][0]) : () } 0 .. $#said), @said + 2 => 'differs details' },
        'objects, arrays, what the object lacks, and names of any length, number and spelling' or diag $all;
    $f->finish;
};

subtest 'what cannot be told ends it with 13, unless it is allowed' => sub {
    my ($f, $api) = with_api();
    my ($gone, $person) = (object_id('gone'), object_id('person'));
    $api->load(checks => [check(1, 30, 'complete', 'clear')]);
    record($f, of(object_id('check 1'), 'check.pending', 60, status => 'pending', updatedAt => stamp($now - 60 * $MINUTE)), of($gone, 'check.pending', 60),
        of($person, 'client.updated', 60), of(object_id('check 9'), 'check.pending', 60, clientId => $person));
    is((tool_out($f, qw(erase --reason asked --client), $person))[0], 0, 'a person is erased');
    record($f, of($person, 'client.updated', 10));
    my ($code, $found, $sums) = verified($f);
    is $code, 13, 'something cannot be told';
    is_deeply $found, { 1 => 'changed status', 2 => 'gone' }, 'what';
    is $sums->{emptied}, 3, 'what was erased is counted apart, and what came of that person later';
    ok !(grep { $_->{path} =~ /$person/ } $api->requests), 'and is not asked for';
    is((verified($f, '--allow', 'changed,gone'))[0], 13, 'some of it is allowed');
    is((verified($f, '--allow', 'changed,gone,emptied'))[0], 0, 'all of it is');
    is((tool_out($f, qw(verify --api --secret main --since 2d --allow differs)))[0], 2, 'what is forged cannot be allowed');
    $api->fault({ what => 'status', status => 403, type => 'unauthorized', message => 'not in your plan', path => 'auditLogs', times => -1 });
    is((verified($f))[1]{2}, 'gone', 'without audit logs nobody knows whether it was there');
    $api->mend;
    is((tool_out($f, qw(verify --api --secret mian --since 2d)))[0], 1, 'a name that is misspelt is no success');
    is((tool_out($f, qw(verify --api --secret main)))[0], 2, 'a time is needed');
    is((tool_out($f, qw(verify --stored --secret main)))[0], 2, 'and --secret goes with --api only');
    $f->finish;
};

subtest 'pages are asked for where they are fewer than the objects, at the pace of the key' => sub {
    my ($f, $api) = with_api();
    my $n = 1500;
    $api->load(checks => [map { check($_, 60 + $_ / 40, 'complete', 'clear') } 1 .. $n]);
    my @events = map { of(object_id("check $_"), 'check.completed', 60 + $_ / 40, status => 'complete', outcome => $_ % 500 ? 'clear' : 'rejected', updatedAt => stamp($now - 60_000 * (60 + $_ / 40))) } 1 .. $n - 1;
    push @events, of(object_id('no such'), 'check.completed', 60, status => 'complete', outcome => 'clear');
    $f->folder('run/saved');
    for my $i (0 .. $#events) {
        $f->write("run/saved/$i.json", $events[$i]);
        $f->write("run/saved/$i.sig", sign($events[$i]));
    }
    is((tool_out($f, 'import', $f->path('run/saved')))[0], 0, 'many events');
    $api->load(auditLogs => [entry(1, 1, 'check', object_id('check 1'), 'add')]);
    my ($code, $found, $sums) = verified($f);
    is $code, 1, 'they are compared';
    is_deeply [sort values %$found], [('differs outcome') x 2, 'unknown'], 'each of them';
    cmp_ok scalar($api->requests), '<', 30, 'by few requests';
    cmp_ok Api::most($api->requests), '<=', 9, 'never too many within a second';
    $f->finish;
};

subtest 'nothing rests on a filter' => sub {
    for my $lie (['empty', 'updatedAfter'], ['ignored', 'updatedAfter'], ['empty', 'updatedBefore'], ['empty', 'resourceId'], ['ignored', 'resourceId']) {
        my ($f, $api) = with_api();
        my ($what, $filter) = @$lie;
        $api->load(checks => [map { check($_, 60, 'complete', 'clear') } 1 .. 12], auditLogs => [map { entry($_, 50, 'check', object_id("other $_"), 'delete') } 1 .. 3]);
        record($f, map { of(object_id("check $_"), 'check.completed', 60, status => 'complete', outcome => 'clear') } 1 .. 13);
        $api->fault({ what => $what, filter => $filter, path => $filter eq 'resourceId' ? 'auditLogs' : 'checks', times => -1 });
        my ($code, $found) = verified($f);
        is_deeply $found, { 13 => $what eq 'empty' && $filter eq 'resourceId' ? 'gone' : 'unknown' }, "the filter $filter is $what: all that is there is found";
        $f->finish;
    }
};

subtest 'a run that is killed or fails is run again' => sub {
    my ($f, $api) = with_api();
    $api->load(checks => [map { check($_, 60, 'complete', 'clear') } 1 .. 4], auditLogs => [entry(1, 1, 'check', object_id('check 1'), 'add')]);
    record($f, map { of(object_id("check $_"), 'check.completed', 60, status => 'complete', outcome => 'clear') } 1 .. 4);
    $api->fault({ what => 'hang', skip => 4, path => '/v1/' });
    my $p = begin($f, qw(verify --api --secret main --since 2d));
    wait_until(sub { $api->requests > 4 || $p->ended(0) }, 30);
    kill 'KILL', $p->{pid};
    $p->ended(10);
    $api->mend;
    my ($code, undef, $sums) = verified($f);
    is "$code $sums->{agrees}", '0 4', 'after a kill';
    $api->fault({ what => 'status', status => 403, type => 'unauthorized', message => 'no', path => 'checks/' . object_id("check $_"), times => -1 }) for 3;
    ($code, undef, $sums) = verified($f);
    is $code, 12, 'an API that refuses is an error';
    is $sums->{agrees} + $sums->{not_compared}, 4, 'and what was not compared is counted';
    $f->finish;
};
done_testing;
