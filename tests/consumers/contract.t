#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox(5) is all that a third language needs: each statement of it is taken from the page and run against
# the schema. Promise 9: a poll and a claim read no history.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Contract;
use Source;
use Test::More;

my $page = Contract::page();
my %sql = Contract::statements();
my $NOW_MS = delete $sql{NOW_MS};
is_deeply [sort keys %sql], [sort qw(poll done heal claim read ack nack extend release types ordered over skip)], 'the page has each statement';

my ($db, $now);
sub fresh {
    $db = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', { RaiseError => 1, PrintError => 0, sqlite_allow_multiple_statements => 1 });
    $db->do(slurp("$ROOT/src/store/sqlite/schema.sql"));
    $db->do("INSERT INTO endpoint VALUES (1, 'live'), (2, 'sandbox')");
    $now = $db->selectrow_array("SELECT $NOW_MS");
}

# An event of a resource, made at a time of its own, that is due now.
sub add {
    my ($seq, %o) = @_;
    my $payload = $o{payload} // qq({"id":"$seq"});
    my $type = $o{type} // 'check.completed';
    $db->do('INSERT INTO event_log (seq, endpoint, event_id, type, resource_type, resource_id, status, created_ms, received_ms,
             payload_at, payload_len, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)', undef, $seq, $o{endpoint} // 1, "e$seq", $type,
        'check', $o{resource}, $o{status} // 'complete', $o{created} // 1000 * $seq, $now, length $payload, $payload);
    $db->do('INSERT INTO inbox (seq, endpoint, state, due_ms) VALUES (?, ?, ?, ?)', undef, $seq, $o{endpoint} // 1, $o{state} // 0, $o{due} // $now - 100_000 + $seq);
}

# Run a statement with what it needs of these values.
sub run {
    my ($text, %value) = @_;
    $value{max} //= 10;
    ($text, my @order) = Contract::bind($text, %value);
    return $text =~ /^SELECT/ ? $db->selectall_arrayref($text, { Slice => {} }, @order) : 0 + $db->do($text, undef, @order);
}

my $tokens = 0;
# Claim by the page, with some of its clauses; gives the claimed events, the token and how many rows were changed.
sub claim {
    my (%o) = @_;
    my $text = $sql{claim};
    $text =~ s/ORDER BY/$sql{$_} ORDER BY/ for @{ $o{with} // [] };
    my %value = (t => 'token-' . ++$tokens, w => 'test-1', e => 1, d => $now + 300_000, n => $o{n} // 20, %{ $o{value} // {} });
    my $changed = run($text, %value);
    run($sql{skip}, %value, s => $_->{seq}) for $o{skip} ? @{ run($sql{over}, %value) } : ();
    my $events = run($sql{read}, %value);
    return ($events, $value{t}, $changed);
}
sub seqs { my ($events) = claim(@_); return [map { $_->{seq} } @$events] }
sub state { return join ' ', map { $_->[0] } @{ $db->selectall_arrayref('SELECT state FROM inbox ORDER BY seq') } }

# ---- the simple way and the verbs ----
fresh();
add($_) for 1 .. 3;
add(4, endpoint => 2);
add(5, due => $now + 60_000);
is_deeply [map { $_->{seq} } @{ run($sql{poll}, endpoint => 'live') }], [1, 2, 3], 'poll gives what is due, of one endpoint, in due order';
is run($sql{done}, seq => 1), 1, 'done marks one';
is run($sql{done}, seq => 1), 0, 'once';
my ($events, $t) = claim(n => 1);
is_deeply [map { $_->{seq} } @$events], [2], 'claim gives as many as are asked for';
is $events->[0]{payload}, '{"id":"2"}', 'with the event';
is_deeply [map { $_->{seq} } @{ run($sql{poll}, endpoint => 'live') }], [3], 'which is not pending meanwhile';
is_deeply seqs(), [3], 'nor claimed again';
is run($sql{ack}, s => 2, t => 'token-0'), 0, 'an ack with another token changes nothing';
is run($sql{ack}, s => 2, t => $t), 1, 'the ack with its own does';
is run($sql{ack}, s => 2, t => $t), 0, 'once';
is run($sql{$_}, s => 2, t => $t, m => 'why', backoff => 1, lease => 1), 0, "$_ after it comes too late" for qw(nack extend release);
is run($sql{extend}, s => 3, t => "token-$tokens", lease => 900_000), 1, 'extend';
cmp_ok $db->selectrow_array('SELECT due_ms FROM inbox WHERE seq = 3'), '>', $now + 800_000, 'makes the lease longer';
is run($sql{release}, s => 3, t => "token-$tokens"), 1, 'release';
is_deeply [map { $_->{attempts} } @{ run($sql{poll}, endpoint => 'live') }], [0], 'gives it back without an attempt';
($events, $t) = claim();
is run($sql{nack}, s => 3, t => $t, m => 'no answer', backoff => 60_000), 1, 'nack';
is_deeply seqs(), [], 'puts it off';
is_deeply $db->selectrow_arrayref('SELECT state, attempts, token, error FROM inbox WHERE seq = 3'), [0, 1, undef, 'no answer'], 'with the reason';
$db->do('UPDATE inbox SET due_ms = 0 WHERE seq = 3');
is_deeply seqs(value => { d => $now - 1 }), [3], 'a worker claims it and dies';
my ($second, $mine) = claim();
is_deeply [map { $_->{seq} } @$second], [3], 'after the lease another has it';
is run($sql{ack}, s => 3, t => 'token-' . ($tokens - 1)), 0, 'the ack of the first is refused';
is run($sql{nack}, s => 3, t => $mine, m => 'x', backoff => 1, max => 3), 1, 'a nack of the last attempt';
is state(), '1 1 2 0 0', 'is the end of it';
$db->do('UPDATE inbox SET state = 0, attempts = 3, due_ms = 0 WHERE seq = 3');
my ($none, undef, $changed) = claim(value => { max => 3 });
is "@$none$changed", '1', 'a claim of what has used up its attempts changes the row and reads none';
is state(), '1 1 2 0 0', 'it is dead';

# ---- what to claim ----
fresh();
add(1, type => 'check.pending', resource => 'r1');
add(2, resource => 'r2');
add(3, type => 'client.created', resource => 'r1', created => 500);
add(4, resource => 'r1', created => 400);
add(5, resource => 'r2');
add(6);
add(7);
is_deeply seqs(with => ['types'], n => 1, value => { type1 => 'client.created', type2 => 'x' }), [3], 'types';
$db->do('UPDATE inbox SET token = NULL, due_ms = ? - 1, attempts = 0', undef, $now);
is_deeply seqs(with => ['ordered']), [4, 2, 6, 7], 'ordered: one of each resource, the oldest, and whatever has no resource';
is_deeply seqs(with => ['ordered']), [], 'then none while they are claimed';
is run($sql{ack}, s => 4, t => "token-" . ($tokens - 1)), 1, 'when the first is done';
is_deeply seqs(with => ['ordered']), [3], 'comes the next of its resource';
run($sql{nack}, s => 3, t => "token-$tokens", m => 'later', backoff => 60_000);
is_deeply seqs(with => ['ordered']), [], 'and none before one that is to be tried again';

# ---- a clock that was wrong ----
fresh();
add(1, due => $now + 10 * 86_400_000);
add(2, due => $now + 86_000_000);
is_deeply seqs(), [], 'what is due later is not claimed';
is run($sql{heal}, e => 1), 1, 'heal makes due what is due more than 24 hours ahead';
is_deeply seqs(), [1], 'and that alone';

# ---- superseded, one change, states ----
fresh();
add(1, resource => 'r', created => 3000, payload => '{"n":3}');
add(2, resource => 'r', created => 1000, payload => '{"n":1}');
add(3, resource => 'r', created => 2000, payload => '{"n":2}');
add(4, resource => 'r', created => 3000, payload => '{"n":3}', type => 'check.completed.clear');
my @acted;
for (1 .. 4) {
    my ($got, $token) = claim(with => ['ordered'], skip => 1, n => 1);
    for my $e (@$got) { push @acted, $e->{seq}; run($sql{ack}, s => $e->{seq}, t => $token) }
}
is_deeply \@acted, [1, 4], 'skip and ordered: only the newest are read, both of equal time';
is_deeply $db->selectall_arrayref('SELECT seq, state, error FROM inbox WHERE error IS NOT NULL AND done_ms IS NOT NULL'),
    [[2, 1, 'superseded'], [3, 1, 'superseded']], 'the others are done as superseded';
is_deeply [map { $_->[0] } @{ $db->selectall_arrayref('SELECT change_seq FROM events ORDER BY seq') }], [1, 2, 3, 1], 'change_seq tells overlapping types of one change';
is_deeply $db->selectall_arrayref("SELECT seq, status FROM resource_state WHERE resource_id = 'r'"), [[4, 'complete']], 'resource_state has the newest';

my $changes = sub { return [map { $_->[0] } @{ $db->selectall_arrayref('SELECT change_seq FROM events ORDER BY seq') }] };
for my $from_api (0, 1) {
    fresh();
    add(1, resource => 'r', created => 1000, payload => '{"n":{}}');
    add(2, resource => 'r', created => 1500, payload => '{}');
    add(3, resource => 'r', created => 1700, payload => '{"m":{"n":{}}}');
    add(4, resource => 'r', created => 60_000, payload => '{"n":{}}');
    add(9, resource => 'q', created => 1000) if $from_api;
    $db->do("UPDATE event_log SET event_id = 'reconciled-9' WHERE seq = 9");
    is_deeply [@{ $changes->() }[0 .. 3]], [1 .. 4], 'a payload that holds another one, or comes again a minute later, is another change' . ($from_api ? ', beside an event of the API' : '');
}

# ---- what a poll costs: steps of SQLite's machine ----
fresh();
add($_, resource => "r$_") for 1 .. 40;
my $claim_steps = sub {
    my ($clauses) = @_;
    my $n = 0;
    $db->sqlite_progress_handler(1, sub { $n++; 0 });
    is scalar @{ seqs(with => $clauses, value => { n => 2, type1 => 'check.completed', type2 => 'x' }) }, 2, 'a claim of two: ' . join ' and ', 'plain', @$clauses;
    run($sql{poll}, endpoint => 'live');
    $db->sqlite_progress_handler(0, undef);
    return $n;
};
my @before = map { $claim_steps->($_) } [], ['types'], ['ordered'], ['types', 'ordered'];
$db->do("WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO event_log (seq, endpoint, event_id, type, resource_id, created_ms, received_ms) SELECT i, 1 + i % 2, 'p' || i, 't', 'q' || i, i, i FROM n");
$db->do("INSERT INTO inbox (seq, endpoint, state, due_ms) SELECT seq, endpoint, 2 - endpoint, 1 FROM event_log WHERE seq >= 1000");
$db->do('UPDATE inbox SET state = 0, token = NULL, attempts = 0, due_ms = ? WHERE seq <= 40', undef, $now - 1000);
my @after = map { $claim_steps->($_) } [], ['types'], ['ordered'], ['types', 'ordered'];
cmp_ok abs($after[$_] - $before[$_]), '<=', 0.02 * $before[$_], "a claim and a poll take the same steps with 10 000 done and 10 000 of another endpoint: $before[$_] and $after[$_]" for 0 .. 3;

# ---- a resource with a long history ----
# How many steps an ordered claim takes of so many waiting events of a resource, of which so many more are done.
my $ordered_steps = sub {
    my ($done, $waiting) = @_;
    fresh();
    $db->do("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < CAST(? AS INTEGER))
        INSERT INTO event_log (seq, endpoint, event_id, type, resource_type, resource_id, created_ms, received_ms)
        SELECT i, 1, 'h' || i, 'client.updated', 'client', 'hot', i * 1000, i FROM n", undef, $done + $waiting);
    $db->do('INSERT INTO inbox (seq, endpoint, state, due_ms) SELECT seq, 1, seq <= CAST(? AS INTEGER), 1 FROM event_log', undef, $done);
    my $n = 0;
    $db->sqlite_progress_handler(1, sub { $n++; 0 });
    is_deeply seqs(with => ['ordered']), [$done + 1], "an ordered claim with $done done and $waiting waiting: the first that waits";
    $db->sqlite_progress_handler(0, undef);
    return $n;
};
for my $waiting (1, 100) {
    my ($none, $many) = map { $ordered_steps->($_, $waiting) } 0, 10_000;
    cmp_ok $many, '<=', 1.5 * $none, "takes at most 1.5 times the steps of one with none done: $none and $many";
}
my ($hundred, $thousand) = map { $ordered_steps->(1000, $_) } 100, 1000;
cmp_ok $thousand, '<=', 11 * $hundred, "grows with what waits, and not with its square: $hundred and $thousand";

# ---- the directory: the layout that the page shows is what the folders are called ----
for my $name (qw(tmp new cur done dead setting)) {
    like $page, qr{^<directory>/(?:<endpoint>/)?\Q$name\E\b}m, "the page has $name";
}
done_testing;
