#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox doctor --api: what ComplyCube's pages leave open is answered by its API and by the events here, by reading only,
# in a report that has no key, no id and no value of a person.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id stamp webhook);
use Fixture;
use JSON::PP;
use Test::More;
use Time::HiRes ();
use Tool;
use Vendor;

my ($now, $client) = ($Vendor::now, $Vendor::client);
my @document = (object('document', 1, 60), object('document', 2, 90));
my %objects = (checks => [check(1, 60, 'complete', 'clear'), check(2, 50, 'pending')], clients => [object('client', 1, 300, id => $client, email => 'ada@example.org')],
    documents => \@document, addresses => [object('address', 1, 70)], workflowSessions => [object('session', 1, 80, status => 'started')], webhooks => [webhook()],
    auditLogs => [entry(1, 60, 'check', object_id('check 1'), 'update'), entry(2, 60, 'document', $document[0]{id}, 'update')]);
$_->{trigger} = 'updateCheck' for $objects{auditLogs}[0];
$_->{trigger} = 'uploadImage' for $objects{auditLogs}[1];
my ($f, $api) = with_api();

# The report: exit code, { "NUMBER about" => answer }, all that was printed.
sub report {
    my ($code, $out, $err) = tool_out($f, qw(doctor --api --json), @_);
    my @lines = map { decode_json($_) } split /\n/, $out;
    return ($code, { map { ("$_->{question} $_->{about}" => $_->{answer}) } @lines }, "$out$err");
}

$api->load(%objects);
record($f, map { sprintf '{"id":"e%d","type":"%s","resourceType":"%s","payload":%s,"createdAt":"%s"}', @$_ }
    [1, 'check.completed', 'check', encode_json({ id => object_id('check 1'), updatedAt => $objects{checks}[0]{updatedAt} }), stamp($now - 60 * 60_000 + 400)],
    [2, 'check.pending', 'check', encode_json({ id => object_id('check 2'), updatedAt => stamp($now - 100 * 60_000) }), stamp($now - 99 * 60_000)],
    [3, 'client.created', 'client', '{"id":"x","email":"ada@example.org","' . ('odd' x 3) . '\u0041 b":1}', stamp($now)]);
my ($code, $said, $all) = report();
is $code, 0, 'a report' or diag $all;
is $said->{"1 $_ updatedAfter"}, 'works', "the filter updatedAfter of $_" for qw(checks clients workflowSessions documents addresses webhooks);
is $said->{"1 checks $_"}, 'works', $_ for qw(createdAfter createdBefore updatedBefore);
is $said->{'1 auditLogs updatedAfter'}, 'no such time', 'a list without that time';
is $said->{"2 pageSize $_ refused"}, 'yes', "a page of $_" for 0, 1001;
is $said->{'3 documents without clientId refused'}, 'yes', 'documents of nobody';
is $said->{'4 a completed check in the audit log'}, 'yes; its entries: update updateCheck', 'a completed check';
is $said->{q(5 a document's change in the client)}, q(no: the client's updatedAt stays), 'a document and its client';
is $said->{'5 an image in the document'}, q(yes: it changes the document's updatedAt), 'an image and its document';
like $said->{'6 Retry-After with 429'}, qr/^no 429 came in \d+ requests$/, 'no limit was met';
is $said->{'7 headers that tell the rate'}, 'none', 'nor told';
like $said->{'8 a running try after disabling'}, qr/^not known/, 'no webhook was disabled';
is $said->{q(10 a payload's updatedAt is the object's)}, 'yes: the same in 1, an earlier one in 0, a later one in 1 objects now', 'updatedAt';
is $said->{q(11 an event's createdAt after updatedAt)}, 'in 2 of 2 events', 'createdAt';
is $said->{'12 client.created'}, 'id, email, ?', 'the names of a payload, and no value';
my $ids = join '|', map { $_->{id} } map { @$_ } values %objects;
unlike $all, qr/$ids|ada|$Api::KEY{live}|\Q@{[$f->path]}\E/, 'no id, value, key or path is in it';
is_deeply [grep { $_->{method} ne 'GET' } $api->requests], [], 'it only reads';
cmp_ok Api::most($api->requests), '<=', 9, 'at the pace of the key';
my ($text) = (tool_out($f, qw(doctor --api)))[1];
like $text, qr/^complycube-inbox \S+, ComplyCube's API with a live key\n 1  checks createdAfter +works$/m, 'for a person';

# An API that does otherwise is told as it is.
$api->fault({ what => 'ignored', filter => 'updatedAfter', path => 'checks', times => -1 });
is((report())[1]{'1 checks updatedAfter'}, 'counts for nothing', 'a filter that is ignored');
$api->mend;
$api->fault({ what => 'empty', filter => 'createdBefore', path => 'clients', times => -1 });
is((report())[1]{'1 clients createdBefore'}, 'does not find it', 'one that finds nothing');
$api->mend;
$api->fault({ what => 'status', status => 403, type => 'unauthorized', message => 'not in your plan', path => 'auditLogs', times => -1 });
($code, $said) = report();
is "$code $said->{'1 auditLogs'} $said->{'4 a completed check in the audit log'}", '0 remote an error: remote', 'audit logs that are refused';
is $said->{'2 pageSize 0 refused'}, 'yes', 'end nothing';
$api->mend;

# A webhook that was disabled for a while.
my $url = 'https://www.example.org/complycube';
for my $verb ('disable', 'enable') {
    is((tool_out($f, 'webhooks', $verb, object_id('webhook')))[0], 0, $verb);
    record($f, sprintf '{"id":"while","type":"check.pending","resourceType":"check","payload":{"id":"w"},"createdAt":"%s"}', stamp($now - 3_600_000)) if $verb eq 'disable';
    $now = int(1000 * Time::HiRes::time());
    record($f, sprintf '{"id":"late","type":"check.pending","resourceType":"check","payload":{"id":"l"},"createdAt":"%s"}', stamp($f->value(q(SELECT max(at_ms) FROM history)) - 1)) if $verb eq 'enable';
}
($code, $said) = report();
is $said->{'8 a running try after disabling'}, '1 events came while it was disabled', 'what came meanwhile';
is $said->{'9 what was missed, after enabling'}, '1 events of that time came afterwards', 'and what came later';
is((tool_out($f, qw(doctor --endpoint live)))[0], 2, '--endpoint goes with --api');
is((tool_out($f, qw(doctor --api --url https://www.example.org/)))[0], 2, 'which examines nothing else');
$f->finish;
done_testing;
