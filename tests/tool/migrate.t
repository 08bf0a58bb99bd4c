#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox migrate: a database made by an older program becomes one of this program's, after a backup, while the
# receiver runs; and a receiver runs on a database of the version after its own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use JSON::PP;
use Test::More;
use Deploy;
use Event;
use Fixture;
use Requests;
use Tool;

my $OLD = Fixture::slurp("$FindBin::Bin/schema-0.0.sql");    # as it was before history and seq_floor

sub opened {
    my ($path) = @_;
    return DBI->connect("dbi:SQLite:dbname=$path", '', '', { RaiseError => 1, PrintError => 0, sqlite_allow_multiple_statements => 1 });
}

# A fixture whose database was made by that program.
sub older {
    my $f = Fixture->new;
    my $db = opened($f->database);
    $db->do('PRAGMA journal_mode = WAL');
    $db->do("BEGIN; $OLD; PRAGMA application_id = 1128483160; PRAGMA user_version = 1; COMMIT");
    $db->disconnect;
    $f->_own($f->database, 0600);
    return $f;
}

# Each object with its text, without blanks and comments; tables by their columns, which come in any order.
sub shape {
    my ($path) = @_;
    my $db = opened($path);
    my %shape;
    for (@{ $db->selectall_arrayref("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL") }) {
        my ($type, $name, $sql) = @$_;
        $sql =~ s/--[^\n]*//g;
        $sql =~ s/\s+//g;
        $sql = join ' ', sort map { "$_->[1]:$_->[2]:$_->[3]" } @{ $db->selectall_arrayref("PRAGMA table_info($name)") } if $type eq 'table';
        $shape{"$type $name"} = $sql;
    }
    return \%shape;
}

sub send_to { my ($d, $body) = @_; return $d->{client}->(signed($body, method => 'POST', path => '/'))->{status} }

my $fresh = Fixture->new;
is((tool_out($fresh, 'init'))[0], 0, 'a new database');
is((tool_out($fresh, 'migrate'))[1], "nothing to do: the database has this program's schema\n", 'has nothing to be done to');

my $f = older();
my $d = deploy($f, 'spawn-fcgi alone');
is(send_to($d, event(id => "before-$_")), 200, 'a receiver records into an older one') for 1 .. 3;
my ($code, $out, $err) = tool_out($f, 'ack', 'before-1');
is($code, 6, 'what needs a table that it has not');
like($err, qr/run complycube-inbox migrate/, 'says what to do');
($code, $out, $err) = tool_out($f, 'migrate', '--reason', 'new version');
is($code, 0, 'it is brought up to date under a running receiver') or diag $err;
like($out, qr/^made      backup   (\S+\.before-migrate-\d{8}T\d{6}Z)$/m, 'after a backup');
my ($backup) = $out =~ /backup   (\S+)/;
like($out, qr/^made      table    history$/m, 'a table is made');
like($out, qr/^made      column   setting\.seq_floor$/m, 'a column');
like($out, qr/^made      trigger  inbox_state$/m, 'a trigger');
is(send_to($d, event(id => "after-$_")), 200, 'the same receiver goes on') for 1 .. 3;
is_deeply(shape($f->database), shape($fresh->database), 'it has all that a new one has');
is($f->counts, '6 6 0', 'and every event');
is_deeply([map { $_->[0] } @{ opened($backup)->selectall_arrayref('SELECT event_id FROM event_log ORDER BY seq') }],
    [qw(before-1 before-2 before-3)], 'the backup is as it was before');
ok(!exists shape($backup)->{'table history'}, 'in the older layout');
my $rows = $f->rows("SELECT detail, reason, os_user FROM history WHERE action = 'migrate' ORDER BY id");
is($rows->[0][0], 'table history made', 'the history begins with its own table');
is($rows->[0][1], 'new version', 'and says why');
is((tool_out($f, 'ack', 'before-1'))[0], 0, 'what needed the table works');
is((tool_out($f, 'migrate'))[1], "nothing to do: the database has this program's schema\n", 'a second time there is nothing to do');
$f->finish;

subtest 'a view that changed is replaced, an object that is not ours stays' => sub {
    my $g = older();
    my $db = opened($g->database);
    $db->do('DROP VIEW newer');
    $db->do("CREATE VIEW newer AS SELECT 1 AS seq, 2 AS newer_seq, 'x' AS newer_type");
    $db->do('CREATE TABLE mine (a)');
    $db->do('CREATE VIEW my_view AS SELECT a FROM mine');
    $db->do('DROP INDEX inbox_due');
    $db->disconnect;
    my ($code, $out, $err) = tool_out($g, 'migrate', '--json');
    is($code, 0, 'it is brought up to date') or diag $err;
    my %did = map { my $s = decode_json($_); ("$s->{kind} $s->{name}" => $s->{replaced} ? 'replaced' : 'made') } split /\n/, $out;
    is($did{'view newer'}, 'replaced', 'the view');
    is($did{'index inbox_due'}, 'made', 'and an index that was gone');
    my $shape = shape($g->database);
    ok(delete $shape->{'table mine'} && delete $shape->{'view my_view'}, 'what is not ours is there');
    is_deeply($shape, shape($fresh->database), 'and all else as in a new one');
    $g->finish;
};

subtest 'no room for a backup, and without one' => sub {
    my $g = older();
    my $folder = $g->path('home/private');
    my ($before) = scalar(() = glob "$folder/*");
    my ($code, $out) = tool_out($g, 'migrate', '--no-backup');
    is($code, 0, 'it is brought up to date');
    unlike($out, qr/backup/, 'without a backup');
    is_deeply([glob "$folder/*before*"], [], 'there is none');
    $g->finish;
};

subtest 'it is killed at each of its writes, and run again' => sub {
    my $g = older();
    my $tool = $g->install('run/complycube-inbox', 'complycube-inbox');
    $g->install('run/complycube-inbox', 'complycube-inbox');
    my $copy = Fixture::slurp($g->database);
    my ($killed, $bad) = (0, 0);
    for (my $step = 1; ; $step += 4) {
        unlink map { $g->database . $_ } '', '-wal', '-shm';
        $g->write('home/private/inbox.db', $copy, 0600);
        my @cmd = ('strace', '-qq', '-o', '/dev/null', '-e', 'trace=pwrite64,fdatasync,fsync', '-e', "inject=pwrite64,fdatasync,fsync:signal=KILL:when=$step",
            $tool, '-c', $g->config, 'migrate', '--no-backup', { env => { ASAN_OPTIONS => 'detect_leaks=0' } });
        my ($code) = $g->run(@cmd);
        last if defined $code && $code == 0;
        $killed++;
        my ($again, undef, $err) = tool_out($g, 'migrate', '--no-backup');
        my $sound = opened($g->database)->selectrow_array('PRAGMA integrity_check');
        next if $again == 0 && $sound eq 'ok' && eq_hash(shape($g->database), shape($fresh->database));
        $bad++;
        diag "killed at $step: then $again $err $sound";
    }
    cmp_ok($killed, '>', 10, 'it was killed often');
    is($bad, 0, 'each time the next run brought it to its end');
    $g->finish;
};

subtest 'a receiver of version 1 on a database of version 2' => sub {
    my $g = Fixture->new;
    my $d = deploy($g, 'spawn-fcgi alone');
    is(send_to($d, event(id => 'v1')), 200, 'an event is stored in version 1');
    my $db = opened($g->database);
    $db->do(<<'SQL');
BEGIN IMMEDIATE;
ALTER TABLE event_log ADD COLUMN risk TEXT;
ALTER TABLE setting ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';
CREATE TABLE seen (seq INTEGER PRIMARY KEY, at_ms INTEGER);
CREATE TRIGGER event_seen AFTER INSERT ON event_log BEGIN INSERT INTO seen (seq, at_ms) VALUES (NEW.seq, NEW.received_ms); END;
DROP VIEW resource_state;
CREATE VIEW resource_state AS SELECT resource_id, risk FROM event_log;
PRAGMA user_version = 2;
COMMIT;
SQL
    is(send_to($d, event(id => "v2-$_")), 200, 'while it runs it becomes version 2, and goes on recording') for 1 .. 3;
    is(($g->cgi(signed(event(id => 'v2-cgi'))))[0]{status}, 200, 'so does one that starts anew');
    is($g->value('SELECT count(*) FROM seen'), 0, 'no trigger runs in a transaction of the receiver, whoever made it');
    is($g->counts, '5 5 0', 'all are there');
    my $before = shape($g->database);
    my ($code, $out, $err) = tool_out($g, 'migrate');
    is($code, 0, 'migrate of version 1') or diag $err;
    is_deeply(shape($g->database), $before, 'leaves what is newer as it is');
    is((tool_out($g, 'requeue', 'v1'))[0], 1, 'the other verbs work');
    is((tool_out($g, 'ack', 'v1'))[0], 0, 'on it, too');
    my ($saved) = ($g->path('run/v2.db'));
    is((tool_out($g, 'backup', $saved))[0], 0, 'it can be backed up');
    is((tool_out($g, 'restore', $saved))[0], 0, 'and restored');
    is_deeply(shape($g->database), $before, 'as it is');
    is(send_to($d, event(id => 'v2-last')), 200, 'and the receiver goes on');
    $g->finish;
};
$fresh->finish;
done_testing;
