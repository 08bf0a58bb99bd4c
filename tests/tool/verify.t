#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox verify and history: what was changed behind our back shows.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Tool;

my $f = Fixture->new;
my @bodies = map { event() } 1 .. 8;
record($f, @bodies);

# ---- one body ----
$f->write('run/body', $bodies[0]);
my ($code, $out, $err) = tool_out($f, 'verify', sign($bodies[0]), { stdin => $f->path('run/body') });
is $out, "signed with the secret main of live\n", 'a body from standard input';
is $code, 0, 'is verified';
($code, $out, $err) = tool_out($f, 'verify', sign($bodies[1]), { stdin => $f->path('run/body') });
is $code, 1, 'a signature of another one is not its';
is +(tool_out($f, 'verify'))[0], 2, 'it wants a signature';
is +(tool_out($f, 'verify', '--stored', 'x'))[0], 2, 'or all that is stored, not both';

# ---- all that is stored ----
my @CLASSES = qw(verified reconciled erased pruned emptied digest unsigned unknown renamed time inbox setting file quarantined sql moved history missing schema_differs altered);
sub sums { my ($f, @args) = @_; my ($code, $out) = tool_out($f, 'verify', '--stored', '--json', @args); return ($code, map { decode_json($_) } split /\n/, $out) }
my ($code_of_all, @found) = sums($f);
is $code_of_all, 0, 'what was stored is as it was signed';
is_deeply \@found, [{ schema => 1, (map { $_ => 0 } @CLASSES), verified => 8 }], 'all of it';

$f->secrets('secrets', "main $SECRET{live} retired\nnext 0123456789abcdef0123456789abcdef\n");
is +(sums($f))[0], 0, 'what a secret signed that is retired now stays signed';
$f->secrets('secrets', "main $SECRET{live}\nnext 0123456789abcdef0123456789abcdef\n");

my %spoil = (
    1 => [q(UPDATE event_log SET outcome = 'rejected' WHERE seq = 1), 'outcome'],
    2 => [q(UPDATE event_log SET body = replace(body, 'check', 'CHECK') WHERE seq = 2), 'body'],
    3 => [q(UPDATE event_log SET signature = randomblob(32) WHERE seq = 3), 'body or signature'],
    4 => [q(UPDATE event_log SET signature = NULL WHERE seq = 4), 'signature'],
    5 => [q(UPDATE event_log SET created_ms = created_ms + 1 WHERE seq = 5), 'created_ms'],
    6 => [q(UPDATE event_log SET payload_len = payload_len - 1 WHERE seq = 6), 'payload'],
    7 => [q(UPDATE event_log SET client_id = 'somebody else' WHERE seq = 7), 'client_id'],
);
change($f, map { $_->[0] } values %spoil);
change($f, 'DELETE FROM inbox WHERE seq = 8', 'DELETE FROM event_log WHERE seq = 8');
record($f, event());
($code, @found) = sums($f);
is $code, 1, 'what was changed is told' ;
my $sum = pop @found;
is_deeply [map { $_->{seq} } @found], [sort keys %spoil], 'each by its number';
for my $row (@found) {
    like $row->{what}, qr/^(?:$spoil{ $row->{seq} }[1])$/, "event $row->{seq}: $spoil{ $row->{seq} }[0]";
}
is $sum->{altered}, 7, 'and how many';
is $sum->{sql}, 9, 'what the history has of it is counted';
($code, $out, $err) = tool_out($f, 'verify', '--stored');
like $out, qr/^event 7, \S+: its client_id is not what was signed$/m, 'for a person as well';
like $err, qr/7 are not as they were signed/, 'with the number at the end';
like $err, qr/the value of a secret was changed in its file, put the old one back under a name of its own, marked retired/, 'and what else it may be';
unlike $out, qr/somebody else/, 'and nothing of what is in it';
is +(sums($f, '--allow', 'sql'))[0], 1, 'nothing makes that right';

# ---- an application's user changes the database ----
# Each in a database of its own, of three events: a name, the class or column, and what was done.
my $UNTOLD = 'DROP TRIGGER event_log_update; DROP TRIGGER event_log_delete; DROP TRIGGER inbox_state; DROP TRIGGER inbox_delete; DROP TRIGGER history_delete';
sub tampered {
    my (@sql) = @_;
    my $g = Fixture->new;
    record($g, map { event() } 1 .. 3);
    my $db = DBI->connect('dbi:SQLite:dbname=' . $g->database, '', '', { RaiseError => 1, PrintError => 0 });
    my $made = $db->selectcol_arrayref(q(SELECT sql FROM sqlite_master WHERE type = 'trigger'));
    $db->do($_) for split(/; /, $UNTOLD), @sql;
    for (@$made) { eval { $db->do($_) } }    # as if there had been nothing
    $db->disconnect;
    return $g;
}
my @altered = (
    ['a number below 0' => 'seq', 'UPDATE event_log SET seq = -5 WHERE seq = 1', 'UPDATE inbox SET seq = -5 WHERE seq = 1'],
    ['a number far away' => 'seq', 'UPDATE event_log SET seq = 9223372036854775807 WHERE seq = 3', 'UPDATE inbox SET seq = 9223372036854775807 WHERE seq = 3'],
    ['the lowest number there is' => 'seq', 'UPDATE event_log SET seq = -9223372036854775808 WHERE seq = 3', 'UPDATE inbox SET seq = -9223372036854775808 WHERE seq = 3'],
    ['an endpoint that is not there' => 'endpoint', 'UPDATE event_log SET endpoint = 99 WHERE seq = 2'],
    ['a second endpoint of the same name' => 'endpoint', q(INSERT INTO endpoint (name) VALUES (CAST('live' AS BLOB))), 'UPDATE event_log SET endpoint = (SELECT max(id) FROM endpoint) WHERE seq = 2'],
    ['an id of another kind, to have the event twice' => 'event_id', 'INSERT INTO event_log SELECT 4, endpoint, CAST(event_id AS BLOB), type, resource_type, resource_id, client_id,
        status, outcome, created_ms, received_ms, source, secret, signature, erased_ms, payload_sha256, payload_at, payload_len, body FROM event_log WHERE seq = 1',
        'INSERT INTO inbox (seq, endpoint, due_ms) VALUES (4, 1, 1)'],
    ['no secret' => 'secret', 'UPDATE event_log SET secret = NULL WHERE seq = 1'],
    ['the secret of another endpoint' => 'secret', q(INSERT INTO endpoint (name) VALUES ('other')), q(INSERT INTO secret (endpoint, name) SELECT max(id), 'main' FROM endpoint),
        'UPDATE event_log SET secret = (SELECT max(id) FROM secret) WHERE seq = 1'],
    ['a body that is a text' => 'body', 'UPDATE event_log SET body = CAST(body AS TEXT) WHERE seq = 1'],
    ['no body' => 'body', 'UPDATE event_log SET body = NULL WHERE seq = 1'],
    ['a time of erasing beside a body' => 'erased_ms', 'UPDATE event_log SET erased_ms = 5 WHERE seq = 1'],
    ['a digest beside a body' => 'payload_sha256', 'UPDATE event_log SET payload_sha256 = zeroblob(32) WHERE seq = 1'],
    ['an outcome of what is emptied' => 'outcome', q(UPDATE event_log SET body = NULL, signature = NULL, erased_ms = 5, resource_id = NULL, client_id = NULL, status = NULL, outcome = 'clear' WHERE seq = 1)],
    ['a time of arrival that is no number' => 'received_ms', q(UPDATE event_log SET received_ms = 'now' WHERE seq = 1)],
    ['a short signature' => 'signature', q(UPDATE event_log SET signature = x'00' WHERE seq = 1)],
    ['an offset below 0' => 'payload_at', 'UPDATE event_log SET payload_at = payload_at - length(body) WHERE seq = 1'],
    ['a way that none comes by' => 'source', 'PRAGMA ignore_check_constraints = ON', q(UPDATE event_log SET source = 'elsewhere' WHERE seq = 1)],
    ['another type, of a secret that is in no file' => 'type', q(INSERT INTO secret (endpoint, name) VALUES (1, '2019')), q(UPDATE event_log SET type = 'check.failed', secret = 2 WHERE seq = 1)],
    ['another outcome, as if imported unsigned' => 'outcome', q(UPDATE event_log SET outcome = 'rejected', signature = NULL, source = 'imported' WHERE seq = 1)],
);
for my $case (@altered) {
    my ($name, $what, @sql) = @$case;
    my $g = tampered(@sql);
    my ($code, @found) = sums($g, '--allow', join ',', grep { !/verified|reconciled|altered|schema/ } @CLASSES);
    is "$code " . join(' ', map { $_->{what} } grep { ($_->{finding} // '') eq 'altered' } @found), "1 $what", "$name is altered, whatever is allowed";
    $g->finish;
}
my @classes = (
    ['another name of a secret' => 'renamed', q(INSERT INTO secret (endpoint, name) VALUES (1, '2019')), 'UPDATE event_log SET secret = 2 WHERE seq = 1'],
    ['a time of arrival in the future' => 'time', 'UPDATE event_log SET received_ms = received_ms + 864000000 WHERE seq = 1'],
    ['a time of arrival before it was made' => 'time', 'UPDATE event_log SET received_ms = 1 WHERE seq = 1'],
    ['no row of the inbox' => 'inbox', 'DELETE FROM inbox WHERE seq = 2'],
    ['a row of the inbox without its event' => 'inbox', 'INSERT INTO inbox (seq, endpoint, due_ms) VALUES (77, 1, 1)'],
    ['a row of the inbox in another endpoint' => 'inbox', 'UPDATE inbox SET endpoint = 2 WHERE seq = 2'],
    ['attempts below 0' => 'inbox', 'UPDATE inbox SET attempts = -1000000 WHERE seq = 2'],
    ['a wait that nobody sees the end of' => 'inbox', 'UPDATE inbox SET due_ms = 9000000000000000 WHERE seq = 2'],
    ['a claim of what is done' => 'inbox', q(UPDATE inbox SET state = 1, token = 'x' WHERE seq = 2)],
    ['an owner that is no text' => 'inbox', q(UPDATE inbox SET owner = x'00' WHERE seq = 2)],
    ['no settings' => 'setting', 'DELETE FROM setting'],
    ['no attempts at all' => 'setting', 'UPDATE setting SET max_attempts = 0'],
    ['a lease that is a text' => 'setting', q(UPDATE setting SET lease_ms = 'long')],
    ['an endpoint without a name' => 'setting', q(INSERT INTO endpoint (name) VALUES (x'6c697665'))],
    ['an endpoint of another form' => 'setting', q(INSERT INTO endpoint (name) VALUES ('../live'))],
    ['a secret of no endpoint' => 'setting', q(INSERT INTO secret (endpoint, name) VALUES (99, 'main'))],
    ['a state that there is not' => 'inbox', 'PRAGMA ignore_check_constraints = ON', 'UPDATE inbox SET state = 7 WHERE seq = 2'],
    ['an event that is gone' => 'missing', 'DELETE FROM inbox WHERE seq = 2', 'DELETE FROM event_log WHERE seq = 2'],
    ['rows of the history that are gone' => 'history', q(INSERT INTO history (at_ms, action) VALUES (1, 'x'), (2, 'y'), (3, 'z')), 'DELETE FROM history WHERE id = 2'],
    ['the first row of the history that is gone' => 'history', q(INSERT INTO history (at_ms, action) VALUES (1, 'x'), (2, 'y')), 'DELETE FROM history WHERE id = 1'],
    ['a change by plain SQL' => 'sql', q(INSERT INTO history (at_ms, action, seq, detail) VALUES (1, 'sql', 1, 'changed in event_log'))],
    ['a state that plain SQL has changed' => 'moved', q(INSERT INTO history (at_ms, action, seq, from_state, to_state) VALUES (1, 'sql', 1, 0, 3))],
    ['what was emptied by nobody' => 'emptied', 'UPDATE event_log SET body = NULL, signature = NULL, resource_id = NULL, client_id = NULL, status = NULL, outcome = NULL, erased_ms = 5,
        payload_at = NULL, payload_len = NULL, payload_sha256 = zeroblob(32) WHERE seq = 1'],
);
for my $case (@classes) {
    my ($name, $class, @sql) = @$case;
    my $g = tampered(@sql);
    my ($code, @found) = sums($g);
    ok $code == 13 && $found[-1]{$class} == 1, "$name: exit code 13, by its class" or diag explain [$code, \@found];
    is_deeply [sums($g, '--allow', $class)], [0, $found[-1]], "$name: 0 where --allow names $class";
    $g->finish;
}

# ---- what was emptied, put aside or imported ----
{
    my $g = Fixture->new;
    record($g, map { event() } 1 .. 4);
    $g->cgi({ body => $_, headers => ['ComplyCube-Signature' => sign($_)] }) for '{"no":"event"}';
    is +(sums($g))[0], 13, 'with a row in quarantine not all is an event that was verified';
    is +(sums($g, '--allow', 'quarantined'))[0], 0, 'where that may be all is well';
    change($g, q(UPDATE quarantine SET body = CAST('{"no":"event at all"}' AS BLOB)));
    is +(sums($g, '--allow', 'quarantined,sql'))[0], 1, 'a row of quarantine that is not as it was signed is altered';
    tool($g, 'quarantine', 'drop', 1, '--reason', 'seen');
    tool($g, 'erase', 1, '--reason', 'asked to');
    my ($code, @found) = sums($g, '--allow', 'sql');
    is "$code $found[-1]{erased}", '13 1', 'what is erased cannot be verified';
    is +(sums($g, '--allow', 'sql,erased'))[0], 0, 'and may be';
    change($g, 'UPDATE event_log SET payload_sha256 = NULL WHERE seq = 1');
    ($code, @found) = sums($g, '--allow', 'sql,erased');
    is "$code $found[-1]{digest}", '13 1', 'without the digest of its payload it is more than erased';
    change($g, 'UPDATE event_log SET payload_sha256 = zeroblob(32) WHERE seq = 1', 'UPDATE inbox SET state = 1, done_ms = 5 WHERE seq = 2');
    $g->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(retain = "1d"\n) . Fixture::slurp($g->config));
    is +(tool($g, 'prune'))[0], 0, 'one that is done is pruned';
    ($code, @found) = sums($g, '--allow', 'sql,erased');
    is "$code $found[-1]{pruned}", '13 1', 'what is pruned is a class of its own';
    is +(sums($g, '--allow', 'sql,erased,pruned'))[0], 0, 'and may be';
    $g->folder("run/saved");
    $g->write("run/saved/event.json", event());
    tool($g, 'import', '--unverified', '--endpoint', 'live', $g->path('run/saved'));
    ($code, @found) = sums($g, '--allow', 'sql,erased,pruned');
    is "$code $found[-1]{unsigned}", '13 1', 'what was imported without a signature is not verified';
    ($code, $out, $err) = tool_out($g, 'verify', '--stored', '--allow', 'sql,erased,pruned');
    like $out, qr/^event 5, \S+: imported without a signature$/m, 'which event that is';
    like $err, qr/not all is verified: unsigned;/, 'and what its class is called';
    for my $no ('altered', 'verified', 'schema', 'erase', '', 'erased,') {
        is +(tool($g, 'verify', '--stored', '--allow', $no))[0], 2, "--allow '$no' is refused";
    }
    is +(tool($g, 'verify', 'abc', '--allow', 'erased'))[0], 2, '--allow goes with --stored';
    $g->finish;
}

# ---- what is read is not what is stored ----
{
    my $g = Fixture->new;
    record($g, event());
    change($g, 'DROP VIEW events', q(CREATE VIEW events AS SELECT 'clear' AS outcome));
    my ($code, @found) = sums($g);
    is $code, 1, 'a view that shows something else is told';
    is $found[-1]{schema_differs}, 1, 'and counted';
    ($code, $out, $err) = tool_out($g, 'verify', '--stored');
    like $out, qr/^view events is not as/m, 'by its name';
    change($g, 'DROP VIEW events', 'DROP TRIGGER event_log_update');
    ($code, $out) = tool_out($g, 'verify', '--stored');
    is $code, 1, 'what is missing is told';
    like $out, qr/^trigger event_log_update is missing$/m, 'by its name';
    change($g, 'ALTER TABLE event_log RENAME TO real_log', 'CREATE VIEW event_log AS SELECT * FROM real_log WHERE seq <> 1');
    ($code, $out, $err) = tool_out($g, 'verify', '--stored', '--json');
    is $code, 1, 'and a view in the place of the log';
    $g->finish;
}

# ---- the directory: its files are what applications read ----
{
    my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
    my $g = Fixture->new(conf => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$sample));
    record($g, event(), event());
    my $new = $g->path('home/private/inbox.d/live/new');
    my ($first, $second) = sort glob "$new/*.json";
    is +(sums($g))[0], 0, 'files that have the bytes of their events are verified';
    (my $planted = $second) =~ s/\.0*2\.json$/.000000000009.json/ or die $second;
    open my $p, ">", $planted or die; print $p event(); close $p;
    my ($code, @found) = sums($g);
    is "$code $found[-1]{file} $found[0]{finding}", '13 1 file', 'a file of no event is a class';
    is_deeply [sums($g, '--allow', 'file')], [0, $found[-1]], '... and may be';
    ($code, $out) = tool_out($g, 'verify', '--stored');
    like $out, qr{^file live/new/\d+\.000000000009\.json: the log has no event of it$}m, '... and is reported by its name';
    unlink $planted;
    (my $body = Fixture::slurp($first)) =~ s/check/CHECK/;
    open $p, ">", $first or die "$first: $!"; print $p $body; close $p;
    ($code, @found) = sums($g, '--allow', 'file');
    is "$code $found[0]{seq} $found[0]{what}", '1 1 file', 'other bytes in a file are altered, whatever is allowed';
    unlink $first;
    symlink $second, $first;
    is +(sums($g))[0], 1, '... as is a link in its place';
    $g->finish;
}

$f->secrets('secrets', "other 0123456789abcdef0123456789abcdef\n");
($code, @found) = sums($f);
is $found[-1]{unknown}, 2, 'of what a secret signed that is in no file nothing can be told, if all else agrees';

# ---- the value of a secret that was changed in its file ----
{
    my $g = Fixture->new;
    record($g, event());
    $g->secrets('secrets', "main 0123456789abcdef0123456789abcdef\n");
    my ($code, @found) = sums($g);
    is $code, 1, 'under another value of its name what it signed is not as it was signed';
    $g->secrets('secrets', "main 0123456789abcdef0123456789abcdef\nbefore $SECRET{live} retired\n");
    ($code, @found) = sums($g);
    is "$code $found[-1]{renamed}", '13 1', 'what it says helps: the event is verified, under another name';
    is +(sums($g, '--allow', 'renamed'))[0], 0, 'which may be';
    $g->finish;
}

# ---- the history ----
($code, $out) = tool_out($f, 'history', '--json', '--limit', 100);
my @past = map { decode_json($_) } split /\n/, $out;
is scalar @past, 9, 'a line for each change by plain SQL' or diag $out;
is_deeply [map { $past[0]{$_} } qw(action os_user seq detail)], ['sql', undef, 8, 'removed from event_log'], 'that says what it was';
tool($f, 'dead', 1, '--reason', "twice\nbilled");
tool($f, 'requeue', 1);
tool($f, 'dead', 1, '--reason', 'gave up');
($code, $out) = tool_out($f, 'history', 1);
like $out, qr/^WHEN +ACTION +EVENT  CHANGE\n\S+ \S+  dead +1  waiting to dead\n +by +\S+\@\S+: gave up\n/, 'the history of one event, the newest first';
is scalar(grep { length > 80 } split /\n/, $out), 0, 'in 80 columns';
($code, $out) = tool_out($f, 'history', '--since', '2h', '--before', '1h');
is $out, "nothing was changed by hand\n", 'of a time';
$f->finish;
done_testing;
