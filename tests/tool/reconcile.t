#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox reconcile: of each object that changed and of whose change the inbox knows nothing it records one event,
# however often it runs; the real event that comes later is of the same change; what was erased does not come back.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id stamp);
use Event;
use Fixture;
use JSON::PP;
use Test::More;
use Tool;
use Vendor;

my ($now, $client) = ($Vendor::now, $Vendor::client);

# A real event of a check.
sub real {
    my ($o, %more) = @_;
    my $payload = encode_json({ id => $o->{id}, clientId => $client, status => $o->{status}, updatedAt => $o->{updatedAt}, $o->{result} ? (outcome => $o->{result}{outcome}) : () });
    return sprintf '{"id":"%s","type":"%s","resourceType":"check","payload":%s,"createdAt":"%s"}', $more{id} // "real-$o->{id}",
        $more{type} // ($o->{status} eq 'complete' ? 'check.completed' : 'check.pending'), $payload, $more{at} // $o->{updatedAt};
}

sub made { my ($f) = @_; return join "\n", map { "$_->[0] $_->[1]" } @{ $f->rows(q(SELECT type, resource_id FROM events WHERE source = 'reconciled' ORDER BY type, resource_id)) } }

subtest 'what is not known becomes an event that waits, once' => sub {
    my ($f, $api) = with_api();
    my @checks = (check(1, 120, 'complete', 'clear'), check(2, 119, 'pending'), check(3, 118, 'complete', 'rejected'), check(4, 6000, 'complete', 'clear'), check(5, 100, 'failed'));
    my @documents = map { object('document', $_, 90 + $_) } 1, 2;
    $api->load(checks => \@checks, clients => [object('client', 1, 110, createdAt => stamp($now - 110 * 60_000))], documents => \@documents,
        workflowSessions => [object('session', 1, 80, status => 'abandoned')],
        auditLogs => [entry(1, 91, 'document', $documents[0]{id}), entry(2, 90, 'document', $documents[0]{id}), entry(3, 95, 'check', object_id('check gone'), 'delete'),
            entry(4, 94, 'document', $documents[1]{id}, 'delete'), entry(5, 94, 'member', 'x', 'delete')]);
    record($f, real($checks[0]));
    my ($code, $out, $err) = tool_out($f, 'reconcile', '--since', '4h', '--dry-run', '--json');
    is($code, 0, 'a dry run') or diag $err, $out;
    is($f->counts, '1 1 0', 'records nothing');
    my @lines = map { decode_json($_) } split /\n/, $out;
    is(scalar(grep { defined $_->{resource_id} } @lines), 8, 'and says what it would');
    ($code, $out, $err) = tool_out($f, 'reconcile', '--since', '4h', '--reason', 'it was away');
    is($code, 0, 'a run') or diag $err;
    is(made($f), join("\n", sort "check.pending $checks[1]{id}", "check.completed $checks[2]{id}", "check.failed $checks[4]{id}", 'client.created ' . object_id('client 1'),
        "document.updated $documents[0]{id}", "document.updated $documents[1]{id}", 'workflow.session.abandoned ' . object_id('session 1'), 'check.deleted ' . object_id('check gone')), 'records each that is not known');
    like($out, qr/^checks +4 +1 +3 +0$/m, 'and counts');
    like($out, qr/^documents +2 +0 +2 +0$/m, 'documents by the audit log');
    is($f->value(q(SELECT count(*) FROM inbox WHERE state = 0)), 9, 'they wait');
    is_deeply($f->rows(q(SELECT n, reason FROM history WHERE action = 'reconcile')), [[8, 'it was away']], 'it is on record');
    is($f->value('SELECT count(*) FROM events WHERE source = ? AND (secret IS NULL OR length(signature) <> 64)', 'reconciled'), 0, 'each is signed');
    my $body = $f->value(q(SELECT body FROM events WHERE source = 'reconciled' AND type = 'check.completed'));
    is(sign($body), $f->value(q(SELECT signature FROM events WHERE source = 'reconciled' AND type = 'check.completed')), 'so that a handler takes it');
    is($f->value(q(SELECT count(*) FROM event_log WHERE source = 'imported' AND secret IS NOT NULL AND event_id LIKE 'reconciled-%')), 8, 'in the log');
    for my $since ('4h', '5h') {
        ($code, $out) = tool_out($f, 'reconcile', '--since', $since);
        is($code, 0, 'again');
        is($f->counts, '9 9 0', 'it records nothing');
    }
    is((tool_out($f, 'reconcile'))[0], 0, 'without a time it looks back from the last delivery');
    ($code, $out, $err) = tool_out($f, 'verify', '--stored');
    is($code, 0, 'all is verified') or diag $out, $err;
    like($out, qr/^ +8  reconciled /m, 'those of the API are counted apart');
    ok(!(grep { $_->{key} ne $Api::KEY{live} } $api->requests), 'with the key of the endpoint');
    ok(!(grep { $_->{status} == 429 } $api->requests), 'never too fast');
    unlike($out . $err . $f->logs, qr/$Api::KEY{live}/, 'which nothing says');
    $f->finish;
};

subtest 'the real event that comes later is of the same change' => sub {
    my ($f, $api) = with_api();
    my @checks = (check(1, 120, 'complete', 'clear'), check(2, 119, 'complete', 'attention'));
    $api->load(checks => \@checks);
    is((tool_out($f, 'reconcile', '--since', '4h'))[0], 0, 'a run');
    record($f, real($checks[0], at => stamp($now - 120 * 60_000 + 1500)), real($checks[1], type => 'check.updated', at => stamp($now)));
    my %change = map { $_->[0] => $_->[1] } @{ $f->rows('SELECT event_id, change_seq FROM events') };
    my ($first) = map { $_->[0] } @{ $f->rows('SELECT seq FROM events WHERE source = ? AND resource_id = ?', 'reconciled', $checks[0]{id}) };
    is($change{"real-$checks[0]{id}"}, $first, 'it has the change_seq of the other');
    is($f->value(q(SELECT superseded FROM pending WHERE seq = ?), $first), 1, 'and supersedes it');
    is((tool_out($f, 'reconcile', '--since', '4h'))[0], 0, 'a run after it');
    is($f->counts, '4 4 0', 'adds nothing');
    $f->finish;
};

subtest 'what was erased does not come back' => sub {
    my ($f, $api) = with_api();
    my @checks = (check(1, 120, 'complete', 'clear'), check(2, 119, 'complete', 'attention'), check(3, 118, 'complete', 'clear', clientId => object_id('other')));
    $api->load(checks => \@checks, clients => [{ %{ object('client', 1, 110) }, id => $client, email => 'someone@example.org' }]);
    record($f, real($checks[0], type => 'check.pending') =~ s/complete/pending/r);
    is((tool_out($f, 'erase', '--reason', 'asked', '--client', $client))[0], 0, 'a person is erased');
    my ($code, $out) = tool_out($f, 'reconcile', '--since', '4h');
    is($code, 0, 'a run');
    is(made($f), "check.completed $checks[2]{id}", 'passes over what is theirs');
    like($out, qr/^3 are passed over/m, 'and says so');
    is((tool_out($f, 'erase', '--reason', 'asked', '--client', object_id('other')))[0], 0, 'events of the API are erased like others');
    is((tool_out($f, 'reconcile', '--since', '4h'))[0], 0, 'a run after that');
    is($f->value('SELECT count(*) FROM event_log WHERE body IS NOT NULL'), 0, 'brings nothing back');
    my $never = object_id('never seen');
    is((tool_out($f, 'erase', '--reason', 'asked', '--client', $never))[0], 0, 'a person of whom nothing is here');
    $api->load(checks => [check(9, 100, 'complete', 'clear', clientId => $never)]);
    tool_out($f, 'reconcile', '--since', '4h');
    is($f->value('SELECT count(*) FROM event_log WHERE body IS NOT NULL'), 0, 'does not come from the API either');
    unlike(Fixture::slurp($f->database), qr/someone\@example/, 'no personal detail is stored');
    $f->finish;
};

subtest 'without audit logs documents and addresses are asked for by the clients that are known' => sub {
    my ($f, $api) = with_api();
    my ($listed, $older, $stranger, $erased) = map { object_id("client of $_") } qw(a-check an-event nobody the-erased);
    my $of = sub { my ($kind, $n, $minutes, $owner) = @_; return object($kind, $n, $minutes, clientId => $owner) };
    $api->load(checks => [check(1, 120, 'complete', 'clear', clientId => $listed)], clients => [object('client', 7, 100)],
        documents => [$of->('document', 1, 90, $listed), $of->('document', 2, 90, $older), $of->('document', 3, 90, $stranger), $of->('document', 4, 90, $erased),
            $of->('document', 5, 6000, $listed), $of->('document', 6, 80, object_id('client 7'))],
        addresses => [$of->('address', 1, 90, $older), $of->('address', 2, 90, $listed)]);
    record($f, map { sprintf '{"id":"by %s","type":"document.updated","resourceType":"document","payload":{"id":"of %s","clientId":"%s"},"createdAt":"%s"}', $_, $_, $_, stamp($now - 86_400_000) } $older, $erased);
    is((tool_out($f, 'erase', '--reason', 'asked', '--client', $erased))[0], 0, 'one of them is erased');
    $api->fault({ what => 'status', status => 403, type => 'unauthorized', message => 'not in your plan', path => 'auditLogs', times => -1 });
    my ($code, $out, $err) = tool_out($f, 'reconcile', '--since', '4h');
    is($code, 1, 'what cannot be found is in the exit') or diag $err;
    like($err, qr/deletions, and documents and addresses of clients that nothing here names, were not looked at: .*not in your plan/, 'and in words');
    is(made($f), join("\n", sort(map({ 'address.updated ' . object_id("address $_") } 1, 2), map({ 'document.updated ' . object_id("document $_") } 1, 2, 6),
        'check.completed ' . object_id('check 1'), 'client.updated ' . object_id('client 7'))), 'those of clients of objects and of events are recorded');
    like($out, qr/^documents +3 +0 +3 +0$/m, 'and counted');
    like($out, qr/^deleted +- +- +- +all$/m, 'deletions are not');
    ok(!(grep { ($_->{query}{clientId} // '') =~ /^(?:$erased|$stranger)$/ } $api->requests), 'nothing is asked of an erased client');
    is(scalar(grep { defined $_->{query}{clientId} } $api->requests), 6, 'two requests for each client');
    my $counts = $f->counts;
    is((tool_out($f, 'reconcile', '--since', '4h'))[0], 1, 'again');
    is($f->counts, $counts, 'it records nothing');
    $api->fault({ what => 'ignored', filter => 'clientId', path => 'documents', times => -1 });
    is((tool_out($f, 'reconcile', '--since', '4h'))[0], 12, 'a filter that does not work is an error');
    $f->finish;
};

subtest 'with the inbox as files each becomes a file that waits, once' => sub {
    my ($f, $api) = with_api();
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(inbox = "directory"\ndirectory = "../../private/inbox"\n) . Fixture::slurp($f->config) =~ s/^inbox = .*\n//mr);
    my @checks = (check(1, 120, 'complete', 'clear'), check(2, 119, 'pending'));
    $api->load(checks => \@checks, auditLogs => [entry(1, 95, 'check', object_id('check gone'), 'delete')]);
    is((tool_out($f, 'init'))[0], 0, 'the directory form');
    record($f, real($checks[0]));
    for my $run (qw(first second)) {
        my ($code, $out, $err) = tool_out($f, 'reconcile', '--since', '4h');
        is($code, 0, "the $run run") or diag $err;
        is(scalar(() = glob $f->path('home/private/inbox/live/new/*.json')), 3, 'the files are those of three events');
    }
    my ($code, $out) = tool_out($f, 'list', '--json', '--state', 'waiting');
    is(scalar(() = $out =~ /"event_id":"reconciled-/g), 2, 'two of them are of the API') or diag $out;
    my $handler = $f->write('run/handler', "#!/bin/sh\necho \"\$HTTP_COMPLYCUBE_SIGNATURE\" >>@{[$f->path('run/signatures')]}\n", 0755);
    is((tool_out($f, 'work', '-e', 'live', '--once', $handler))[0], 0, 'they are handed on');
    is(scalar(grep { length == 64 } split /\n/, Fixture::slurp($f->path('run/signatures'))), 3, 'signed');
    is((tool_out($f, 'reconcile', '--since', '4h', '--dry-run'))[0], 0, 'and known afterwards');
    is((tool_out($f, 'verify', '--stored'))[0], 0, 'all is verified');
    $f->finish;
};

subtest 'an event that somebody plants as one of the API is not signed' => sub {
    my ($f, $api) = with_api();
    my $body = '{"id":"reconciled-00","type":"check.completed","payload":{"id":"r"}}';
    change($f, "INSERT INTO event_log(endpoint, event_id, type, resource_id, created_ms, received_ms, source, payload_at, payload_len, body) "
        . "VALUES(1, 'reconciled-00', 'check.completed', 'r', $now, $now, 'imported', 57, 10, CAST('$body' AS BLOB))",
        "INSERT INTO inbox(seq, endpoint, state, due_ms) SELECT seq, endpoint, 0, $now FROM event_log");
    my $handler = $f->write('run/handler', "#!/bin/sh\necho \"<\$HTTP_COMPLYCUBE_SIGNATURE>\" >@{[$f->path('run/signature')]}\n", 0755);
    is((tool($f, 'work', '-e', 'live', '--once', $handler))[0], 0, 'it is handed on');
    is(Fixture::slurp($f->path('run/signature')), "<>\n", 'without a signature');
    is((tool_out($f, 'verify', '--stored'))[0], 13, 'and is not verified');
    $f->finish;
};

subtest 'types that are left out, and those with an outcome' => sub {
    my ($f, $api) = with_api('    events = {"check.completed.clear", "check.pending"}');
    $api->load(checks => [check(1, 120, 'complete', 'clear'), check(2, 119, 'complete', 'attention'), check(3, 118, 'pending')]);
    is((tool_out($f, 'reconcile', '--since', '4h', '--done'))[0], 0, 'a run');
    is_deeply([map { join ' ', @$_ } @{ $f->rows('SELECT type, state FROM events ORDER BY type') }], ['check.completed 3', 'check.completed.clear 1', 'check.pending 1'],
        'the type that the endpoint has; another is ignored; what would wait is done');
    $f->finish;
};
done_testing;
