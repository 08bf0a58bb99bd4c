#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# once() of both libraries: an effect in the application's own MariaDB or SQLite, exactly once, whatever dies.
use strict;
use warnings;
use DBI;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Consumer;
use HandMade;
use MariaDb;
use Proc qw(wait_until);
use Source;
use Test::More;

my $tmp = tempdir('cc-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0777, $tmp;
my $server = MariaDb->start($tmp);
my ($language, $kind, $c, $db, $count);

my %TEXT = (mariadb => 'VARBINARY(255)', sqlite => 'TEXT');

# A worker with a new inbox of three events, and a new database of the application with its tables.
sub begin {
    my (%o) = @_;
    my $name = 'app' . ++$count;
    my $inbox = HandMade->new("$tmp/$name-inbox.db", form => 'wal');
    $inbox->add for 1 .. 3;
    my %dsn;
    if ($kind eq 'mariadb') {
        $server->db('app')->do("CREATE DATABASE $name");
        $db = $server->db($name);
        %dsn = (php => "mysql:unix_socket=${\$server->socket};dbname=$name", perl => "DBI:MariaDB:database=$name;mariadb_socket=${\$server->socket}");
    } else {
        $db = DBI->connect("dbi:SQLite:dbname=$tmp/$name.db", '', '', { RaiseError => 1, PrintError => 0 });
        $db->do('PRAGMA synchronous = OFF');
        %dsn = (php => "sqlite:$tmp/$name.db", perl => "dbi:SQLite:dbname=$tmp/$name.db");
    }
    my $engine = $kind eq 'mariadb' ? ' ENGINE=' . ($o{engine} // 'InnoDB') : '';
    $db->do('CREATE TABLE effect (event_id VARCHAR(40))');
    $db->do("CREATE TABLE handled (endpoint $TEXT{$kind} NOT NULL, event_id $TEXT{$kind} NOT NULL, type $TEXT{$kind} NOT NULL, PRIMARY KEY (endpoint, event_id, type))$engine")
        if !$o{no_table};
    chmod 0666, glob "$tmp/$name.db*";
    my $worker = sub {
        undef $c;
        $c = Consumer->start($language, $tmp);
        $c->get(connect => %dsn, silent => $o{silent} ? \1 : \0, manual => $o{manual} ? \1 : \0);
        $c->get(new => path => $inbox->path);
    };
    $worker->();
    return ($inbox, $worker);
}

my @EFFECT = ('sql', 'INSERT INTO effect (event_id) VALUES (?)');
sub once { my (%steps) = @_; return $c->get(once => table => 'handled', steps => { all => [[@EFFECT]], %steps }) }
sub effects { return join ' ', map { $_->[0] } @{ $db->selectall_arrayref('SELECT event_id FROM effect ORDER BY event_id') } }
sub keys_kept { return join ' ', map { join '/', @$_ } @{ $db->selectall_arrayref('SELECT endpoint, event_id, type FROM handled ORDER BY event_id') } }

my @SCENARIO = (
    ['the work and the key of the event are committed together' => sub {
        my ($i) = begin();
        is_deeply once(), [3, [qw(e1 e2 e3)]], 'three events';
        is effects(), 'e1 e2 e3', 'three effects';
        is keys_kept(), join(' ', map { "live/e$_/check.completed" } 1 .. 3), 'three keys';
        is $i->states, 'done done done', 'all are done';
        is_deeply once(), [0, []], 'and nothing is left';
    }],
    ['a worker that is killed after its commit does not repeat the effect' => sub {
        my ($i, $worker) = begin();
        $c->send(once => table => 'handled', steps => { all => [[@EFFECT]], e2 => [[@EFFECT], ['crash']] });
        is $c->answer, undef, 'it died';
        is effects(), 'e1 e2', 'what it had done is there';
        is $i->states, 'done claimed claimed', 'the second is not acknowledged';
        $i->due($_) for 2, 3;
        $worker->();
        is_deeply once(), [2, ['e3']], 'another worker only acknowledges it';
        is effects(), 'e1 e2 e3', 'each effect is there once';
        is $i->states, 'done done done', 'all are done';
    }],
    ['a worker that is killed at work has done nothing' => sub {
        my ($i, $worker) = begin();
        $c->send(once => table => 'handled', steps => { all => [[@EFFECT], ['kill']] });
        is $c->answer, undef, 'it died';
        $i->due($_) for 1 .. 3;
        $worker->();
        is_deeply once(), [3, [qw(e1 e2 e3)]], 'the events come again';
        is effects(), 'e1 e2 e3', 'each effect is there once';
    }],
    ['a callback that throws is rolled back' => sub {
        my ($i) = begin();
        is_deeply once(e2 => [[@EFFECT], [throw => 'no luck']]), [3, [qw(e1 e2 e3)]], 'the others are worked on';
        like $c->log, qr/live check\.completed e2: no luck\z/, 'it is told of';
        is effects(), 'e1 e3', 'its effect is not there';
        is $i->states, 'done waiting done', 'it waits';
        is $i->state(2)->{why}, 'no luck', 'with the reason';
        $i->due(2);
        is_deeply once(), [1, ['e2']], 'it is tried again';
        is effects(), 'e1 e2 e3', 'and done then';
    }],
    ['a statement that fails in a callback fails it, though the handle is silent' => sub {
        my ($i) = begin(silent => 1);
        is_deeply once(e2 => [[@EFFECT], [sql => 'INSERT INTO nowhere VALUES (?)']]), [3, [qw(e1 e2 e3)]], 'the others are worked on';
        is effects(), 'e1 e3', 'its effect is not there';
        is $c->get('raises'), 0, 'the handle is silent again';
    }],
    ['a key that is there already is only acknowledged' => sub {
        my ($i) = begin();
        $db->do(q(INSERT INTO handled VALUES ('live', 'e2', 'check.completed'), ('live', 'E3', 'check.completed')));
        is_deeply once(), [3, [qw(e1 e3)]], 'it is not worked on; one that differs in case is';
        is $i->states, 'done done done', 'all are done';
    }],
    ['a missing table is told of, with the statement that makes it' => sub {
        my ($i) = begin(no_table => 1);
        my $error = $c->error(once => table => 'handled', steps => {});
        like $error, qr/\bhandled\b.*; make it: CREATE TABLE handled \(endpoint \Q$TEXT{$kind}\E/, 'in the error';
        is $i->states, 'waiting waiting waiting', 'no event is claimed';
        is $i->state(1)->{attempts}, 0, 'and no attempt counted';
        $db->do($error =~ s/.*make it: //sr);
        is once()->[0], 3, 'the statement makes it';
    }],
    ['what is no name of a table is refused' => sub {
        begin();
        like $c->error(once => table => 'a; DROP TABLE b', steps => {}), qr/no name of a table/, 'before anything else';
    }],
    ['an open transaction is refused' => sub {
        my ($i) = begin();
        $c->get('begin');
        like $c->error(once => table => 'handled', steps => {}), qr/a transaction is open already/, 'and not touched';
        $c->get('rollback');
        is once()->[0], 3, 'when it has ended all is well';
    }],
);

my @MARIADB = (
    ['a table without transactions is refused' => sub {
        my ($i) = begin(engine => 'MyISAM');
        like $c->error(once => table => 'handled', steps => {}), qr/handled: the engine MyISAM knows no transactions; use InnoDB/, 'and says why';
        is $i->states, 'waiting waiting waiting', 'no event is claimed';
    }],
    ['a callback that ends the transaction is told of' => sub {
        my ($i) = begin();
        once(e1 => [[@EFFECT], [sql => 'CREATE TABLE made (a INT)']], e2 => [[@EFFECT], [sql => 'CREATE TABLE made2 (a INT)'], [throw => 'after it']]);
        like $c->log, qr/e1: the transaction ended before the callback did/, 'where it succeeds';
        like $c->log, qr/e2: after it$/m, 'where it fails it failed';
        is keys_kept(), 'live/e1/check.completed live/e3/check.completed', 'its key is not kept then';
        is $i->states, 'waiting waiting done', 'both come again';
        $i->due($_) for 1, 2;
        is_deeply once(), [2, ['e2']], 'what was done is only acknowledged, what failed is tried again';
    }],
    ['a connection that is gone is no fault of the event' => sub {
        my ($i) = begin();
        my $id = $c->get('id');
        $server->db('app')->do("KILL $id");
        ok defined $c->error(once => table => 'handled', steps => {}), 'once throws';
        is $i->states, 'waiting waiting waiting', 'the events wait';
    }],
    ['a connection that goes while a callback works' => sub {
        my ($i, $worker) = begin();
        ok defined $c->error(once => table => 'handled', steps => { all => [[@EFFECT]], e2 => [[@EFFECT], [sql => 'KILL CONNECTION_ID()']] }), 'makes once throw';
        is effects(), 'e1', 'nothing half done is there';
        is $i->states, 'done waiting waiting', 'the events wait';
        is join(' ', map { $i->state($_)->{attempts} } 2, 3), '1 0', 'the one at work has used an attempt, the other not';
        $i->due(2);
        $worker->();
        is once()->[0], 2, 'a new worker does the rest';
        is effects(), 'e1 e2 e3', 'each once';
    }],
    ['two workers that have the same event do it once' => sub {
        my ($i, $worker) = begin();
        my $began = "$tmp/began$count";
        $c->send(once => table => 'handled', steps => { all => [[@EFFECT]], e1 => [[touch => $began], [@EFFECT], [sleep => 0.3]] });
        ok wait_until(sub { -e $began }), 'the first is at work';
        $i->due(1);
        my $first = $c;
        $worker->();
        is once()->[0], 1, 'the second claims it too';
        is_deeply $first->answer->{value}, [3, [qw(e1 e2 e3)]], 'the first works on all';
        is effects(), 'e1 e2 e3', 'each effect is there once';
        is $i->states, 'done done done', 'all are done';
    }],
);

my @PERL = (
    ['a handle with AutoCommit off is left so' => sub {
        my ($i, $worker) = begin(manual => 1);
        once(e2 => [[@EFFECT], [throw => 'no luck']]);
        is effects(), 'e1 e3', 'what worked is committed, what failed is not';
        is $i->states, 'done waiting done', 'and acknowledged or not';
    }],
);

for my $l (qw(php perl)) {
    for my $k (qw(mariadb sqlite)) {
        ($language, $kind) = ($l, $k);
        for (@SCENARIO, $k eq 'mariadb' ? @MARIADB : (), $l eq 'perl' ? @PERL : ()) {
            my ($name, $test) = @$_;
            subtest "$language, $kind: $name" => sub { eval { $test->(); 1 } or fail("it ran to its end: $@") };
        }
    }
}

# The examples that stay. Copies, since another user runs them, who may not look into this folder.
mkdir "$tmp/examples" or die;
chmod 0755, "$tmp/examples";
for my $file (glob "$ROOT/consumers/php/* $ROOT/consumers/perl/*") { copy($file, "$tmp/examples") or die "$file: $!" }
$server->db('app')->do('CREATE DATABASE example');
$db = $server->db('example');
$db->do('CREATE TABLE outcome (check_id VARCHAR(255) PRIMARY KEY, outcome VARCHAR(255), created_ms BIGINT NOT NULL)');
my $socket = $server->socket;
for my $example (['php', "$tmp/examples/worker.php", "mysql:unix_socket=$socket;dbname=example"], ['perl', "$tmp/examples/worker.pl", "DBI:MariaDB:database=example;mariadb_socket=$socket"]) {
    my ($language, $script, $dsn) = @$example;
    my $inbox = HandMade->new("$tmp/example-$language.db", form => 'wal');
    $db->do('DROP TABLE IF EXISTS complycube_handled');
    my @cmd = ($language, $script, $inbox->path, $dsn, 'test');
    my ($code, undef, $err) = Proc->run(cmd => \@cmd, tmp => $tmp);
    is $code, 1, "$language: the example that stays ends for a table that is missing";
    my ($make) = $err =~ /make it: (.*)/;
    ok $make, 'and says how to make it' or diag $err;
    $db->do($make);
    $db->do('DELETE FROM outcome');
    $inbox->add(resource => "chk$_", type => $_ == 3 ? 'client.created' : 'check.completed') for 1 .. 3;
    my $worker = Proc->start(cmd => \@cmd, stderr => "$tmp/example.log");
    ok wait_until(sub { $inbox->states eq 'done done waiting' }), 'it works on the events that it wants';
    is join(' ', map { @$_ } @{ $db->selectall_arrayref('SELECT check_id, outcome FROM outcome ORDER BY 1') }), 'chk1 clear chk2 clear', 'and keeps the outcomes';
    $inbox->add(resource => 'chk1', type => 'check.completed', at => -1000, outcome => 'rejected');
    ok wait_until(sub { $inbox->states eq 'done done waiting done' }), 'an older event of a check comes late';
    is $db->selectrow_array("SELECT outcome FROM outcome WHERE check_id = 'chk1'"), 'clear', 'and changes nothing';
    $worker->signal('TERM');
    ok $worker->ended(5), 'TERM ends it';
    is $worker->exit_code, 0, 'with success';
}

undef $c;
$server->stop;
done_testing;
