#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The PHP and the Perl example over a database made from schema.sql. Promise 9: polling reads no history.
use strict;
use warnings;
use DBI;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Proc qw(wait_until);
use Source;
use Test::More;

my $tmp = tempdir('cc-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0777, $tmp;
# Copies, since another user runs them, who may not look into this folder.
my %consumer = (php => ['php', "$tmp/poll.php"], perl => ['perl', "$tmp/poll.pl"]);
for (["$ROOT/consumers/php/poll.php", "$tmp/poll.php"], ["$ROOT/consumers/perl/poll.pl", "$tmp/poll.pl"]) {
    copy(@$_) or die "$_->[0]: $!";
}

sub poll { my ($name, @args) = @_; return Proc->run(cmd => [@{ $consumer{$name} }, @args], tmp => $tmp) }

# A new database: six events of live, the fifth leased and the sixth ignored, and one of sandbox.
sub database {
    my ($name) = @_;
    my $file = "$tmp/$name.db";
    my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '', { RaiseError => 1, sqlite_allow_multiple_statements => 1 });
    $db->do('PRAGMA journal_mode = WAL');
    $db->do(slurp("$ROOT/src/store/sqlite/schema.sql"));
    $db->do("INSERT INTO endpoint VALUES (1, 'live'), (2, 'sandbox')");
    for my $n (1 .. 7) {
        my $type = $n == 2 ? "odd\n\e[31mtype" : 'check.completed';
        $db->do('INSERT INTO event_log (seq, endpoint, event_id, type, resource_id, status, outcome, created_ms, received_ms)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)', undef, $n, $n == 7 ? 2 : 1, "e$n", $type,
            $n == 3 ? (undef) x 3 : ("chk-$n", 'complete', 'clear'), 1769718742004 + $n);
        $db->do('INSERT INTO inbox (seq, endpoint, state, due_ms) VALUES (?, ?, ?, ?)', undef, $n, $n == 7 ? 2 : 1,
            $n == 6 ? 3 : 0, $n == 5 ? (time + 3600) * 1000 : 10 - $n);
    }
    chmod 0666, glob "$file*";
    return ($file, $db);
}

my $line = sub { my ($n) = @_; "$n\t2026-01-29T20:32:22.00" . (4 + $n) . "Z\tcheck.completed\tchk-$n\tcomplete\tclear\n" };
for my $name (sort keys %consumer) {
    my ($file, $db) = database($name);
    my $states = sub { join ' ', map { $_->[0] } @{ $db->selectall_arrayref('SELECT state FROM inbox ORDER BY seq') } };

    is_deeply [poll($name, $file, 'live', 2)], [0, $line->(4) . "3\t2026-01-29T20:32:22.007Z\tcheck.completed\t-\t-\t-\n", ''],
        "$name: a limit is kept, what is due first comes first, what is missing is a dash";
    is $states->(), '0 0 1 1 0 3 0', "$name: what was printed is done";
    is_deeply [poll($name, $file)], [0, "2\t2026-01-29T20:32:22.006Z\todd??[31mtype\tchk-2\tcomplete\tclear\n" . $line->(1), ''],
        "$name: the rest comes next, and no control character reaches the terminal";
    is $states->(), '1 1 1 1 0 3 0', "$name: leased, ignored and other endpoints' events are left alone";
    is_deeply [poll($name, $file, 'live')], [0, '', ''], "$name: nothing waits any more";
    is_deeply [poll($name, $file, 'nowhere')], [0, '', ''], "$name: an endpoint without events";

    my ($full) = database("$name-full");
    isnt +(Proc->run(cmd => ['sh', '-c', '"$@" >/dev/full', 'sh', @{ $consumer{$name} }, $full], tmp => $tmp))[0], 0, "$name: a line that cannot be printed is an error";
    is_deeply [poll($name, $full, 'live', 1)], [0, $line->(4), ''],
        "$name: and its event is not done";

    # Another program writes for a while: the consumer waits for it instead of failing.
    my ($seen, $lock) = ("$tmp/$name.seen", DBI->connect("dbi:SQLite:dbname=$file", '', '', { RaiseError => 1 }));
    $lock->do('BEGIN IMMEDIATE');
    my $waiting = Proc->start(cmd => [@{ $consumer{$name} }, $file, 'sandbox'], stdout => $seen, stderr => $seen);
    ok !$waiting->ended(0.7), "$name: a locked database is waited for";
    $lock->do('COMMIT');
    ok $waiting->ended(20) && $waiting->exit_code == 0, "$name: and worked on then" or diag slurp($seen);
    is $states->(), '1 1 1 1 0 3 1', "$name: its event is done";

    my ($code, $out, $err) = poll($name, "$tmp/none.db");
    is $code, 1, "$name: no database is an error";
    like $err, qr/none\.db is not made yet \(run complycube-inbox init\)/, "$name: which says what to do";
    ok !-e "$tmp/none.db", "$name: the database is never created";
    open my $empty, '>', "$tmp/$name.empty" or die;
    close $empty;
    is +(poll($name, "$tmp/$name.empty"))[0], 1, "$name: an empty file is no database yet";
    ok !-s "$tmp/$name.empty", "$name: and stays empty";
    is +(poll($name))[0], 2, "$name: without arguments it tells its usage";
}

my ($file, $db) = database('plan');
my @plan = map { $_->[-1] } @{ $db->selectall_arrayref(
    "EXPLAIN QUERY PLAN SELECT seq, payload FROM pending WHERE endpoint = 'live' LIMIT 20") };
ok((grep { /SEARCH i\b.*INDEX inbox_due \(state=\? AND endpoint=\? AND due_ms<\?\)/ } @plan), 'the pending view searches inbox_due');
is_deeply [grep { /^SCAN|TEMP B-TREE/ } @plan], [], 'scans nothing and sorts nothing' or diag explain \@plan;

# And in steps of SQLite's machine: as many with 20 000 done events as with none.
my $steps = sub {
    my $n = 0;
    $db->sqlite_progress_handler(1, sub { $n++; 0 });
    $db->selectall_arrayref("SELECT seq FROM pending WHERE endpoint = 'live' LIMIT 2");
    $db->sqlite_progress_handler(0, undef);
    return $n;
};
my $before = $steps->();
$db->do('WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 20100)
         INSERT INTO inbox (seq, endpoint, state, due_ms) SELECT i, 1, 1, 1 FROM n');
cmp_ok $before, '>', 10, 'the steps of a poll are counted';
is $steps->(), $before, 'a poll takes no step more with 20 000 done events';
done_testing;
