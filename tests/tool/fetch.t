#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox fetch and work --fetch: the object behind an event as it is now, one request for a resource, given to a
# command in a file without a name; while the API cannot be asked no attempt is lost.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id);
use Fixture;
use JSON::PP;
use Test::More;
use Tool;
use Vendor;

sub event_of {
    my ($n, $id, $type) = @_;
    return sprintf '{"id":"e%d","type":"%s","resourceType":"%s","payload":{"id":"%s","clientId":"c","status":"pending"},"createdAt":"2026-01-29T20:32:%02d.004Z"}',
        $n, $type // 'check.pending', ($type // 'check') =~ /^(\w+)/, $id, $n;
}

my ($f, $api) = with_api();
my ($one, $two, $gone) = map { object_id("check $_") } 1 .. 3;
$api->load(checks => [check(1, 5, 'complete', 'clear', secretOfTheirs => 'Ada'), check(2, 5, 'pending')]);
record($f, event_of(1, $one), event_of(2, $two), event_of(3, $one), event_of(4, $gone), event_of(5, 'x', 'other.thing'));
my ($code, $out, $err) = tool_out($f, 'fetch', 1 .. 4);
is($code, 0, 'objects are fetched') or diag $err;
my %line = map { $_->{seq} => $_ } map { decode_json($_) } split /\n/, $out;
is_deeply([map { $line{$_}{status} } 1 .. 4], [200, 200, 200, 404], 'as they are, or are no more');
is($line{3}{object}{result}{outcome}, 'clear', 'whole');
is($line{4}{object}, undef, 'or null');
is(scalar $api->requests, 3, 'one request for each resource');
($code, $out) = tool_out($f, 'fetch', 5);
is($code, 1, 'what has no path of its own');
is(decode_json($out)->{status}, 0, 'is not asked for');
my $objects = $f->path('run/objects.jsonl');
is_deeply [(tool_out($f, 'fetch', '--file', $objects, 1 .. 5))[0, 1]], [1, ''], 'into a file, with what cannot be asked for';
is(scalar(() = Fixture::slurp($objects) =~ /^\{.*\}$/mg), 5, 'a line for each event');
is((stat $objects)[2] & 07777, 0600, 'which is for this user alone');
is((tool_out($f, 'fetch', '--file', $objects, 1))[0], 2, 'and must be new');
$api->fault({ what => 'status', status => 401, type => 'unauthorized', message => 'no', times => -1, path => 'checks/' . $two });
is((tool_out($f, 'fetch', '--file', $f->path('run/half.jsonl'), 1, 2))[0], 10, 'if the API refuses in the middle');
ok !-e $f->path('run/half.jsonl'), 'half a file is none';
$api->mend;
is((tool_out($f, 'fetch'))[0], 2, 'all of them must be asked for');
unlike(Fixture::slurp($f->database) . (-e $f->database . '-wal' ? Fixture::slurp($f->database . '-wal') : ''), qr/Ada/, 'nothing of them is stored');
is((tool_out($f, 'erase', '--reason', 'asked', '--resource', $two))[0], 0, 'a resource is erased');
record($f, event_of(6, $two));
is(decode_json((tool_out($f, 'fetch', 6))[1])->{status}, 0, 'it is not fetched any more');

# ---- work ----
my $handler = $f->write('run/handler', "#!/bin/sh\nprintf '%s %s ' \"\$COMPLYCUBE_INBOX_SEQ\" \"\$COMPLYCUBE_OBJECT_STATUS\" >>@{[$f->path('run/said')]}\n"
    . "ls -l /proc/self/fd/3 | grep -c deleted >>@{[$f->path('run/said')]}\ncat \"\$COMPLYCUBE_OBJECT\" >@{[$f->path('run/object')]}.\$COMPLYCUBE_INBOX_SEQ\nenv >>@{[$f->path('run/env')]}\n", 0755);
$api->forget_requests;
$api->fault({ what => 'status', status => 401, type => 'unauthorized', message => 'no', times => -1, path => 'checks' });
($code, $err) = tool($f, 'work', '-e', 'live', '--once', '--fetch', $handler);
is($code, 1, 'while the API cannot be asked') or diag $err;
like($err, qr/cannot be had.*key/s, 'it is told why');
is($f->value('SELECT sum(attempts) FROM inbox WHERE state = 0'), 0, 'no attempt counts');
ok(!-e $f->path('run/said'), 'and no command is run');
$api->mend;
($code, $err) = tool($f, 'work', '-e', 'live', '--once', '--fetch', $handler);
is($code, 0, 'then the command is run') or diag $err;
my %said = map { /^(\d+) (\d+) (\d)/ ? ($1 => "$2 $3") : () } split /\n/, Fixture::slurp($f->path('run/said'));
is_deeply([@said{1, 3, 4, 5}], ['200 1', '200 1', '404 1', '0 1'], 'with the status of the object, in a file without a name');
is(decode_json(Fixture::slurp($f->path('run/object.3')))->{result}{outcome}, 'clear', 'and the object');
is(Fixture::slurp($f->path('run/object.4')), '', 'which is empty where there is none');
unlike(Fixture::slurp($f->path('run/env')), qr/$Api::KEY{live}/, 'the key is in no environment');
$f->finish;
done_testing;
