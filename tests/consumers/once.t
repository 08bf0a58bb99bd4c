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


# A worker with a new inbox of three events, and a new database of the application with its tables.
my %TEXT = (mariadb => 'VARBINARY(255)', sqlite => 'TEXT');
sub begin {
    my (%o) = @_;
    my $text = $o{text} // $TEXT{$kind};
    my $name = 'app' . ++$count;
    my $form = $o{form} // 'wal';
    my $inbox = HandMade->new("$tmp/$name-inbox.$form", form => $form);
    $inbox->add for 1 .. $o{events} // 3;
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
    $db->do("CREATE TABLE handled (endpoint $text NOT NULL, event_id $text NOT NULL, type $text NOT NULL, PRIMARY KEY (endpoint, event_id, type))$engine")
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
# Until nothing waits; gives what the callback was called with.
sub work_off { my @seen; while (1) { my ($n, $seen) = @{ once(@_) }; push @seen, @$seen; return "@seen" if !$n } }
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
        is work_off(), 'e3', 'another worker only acknowledges it';
        is effects(), 'e1 e2 e3', 'each effect is there once';
        is $i->states, 'done done done', 'all are done';
    }],
    ['a worker that is killed at work has done nothing' => sub {
        my ($i, $worker) = begin();
        $c->send(once => table => 'handled', steps => { all => [[@EFFECT], ['kill']] });
        is $c->answer, undef, 'it died';
        $i->due($_) for 1 .. 3;
        $worker->();
        is work_off(), 'e1 e2 e3', 'the events come again';
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
    ['a callback that is none is refused' => sub {
        my ($i) = begin();
        like $c->error(once => table => 'handled', callback => 'nonsense'), qr/the callback cannot be called/, 'before an event is claimed';
        is $i->state(1)->{attempts}, 0, 'and no attempt counted';
    }],
    ['a callback that makes the handle silent' => sub {
        my ($i) = begin();
        $db->do(q(INSERT INTO handled VALUES ('live', 'e2', 'check.completed')));
        is_deeply once(e1 => [[@EFFECT], ['mute']]), [3, [qw(e1 e3)]], 'hides no error of the library';
        is effects(), 'e1 e3', 'what was done before is not done again';
        is $c->get('raises'), 1, 'the handle is as it was';
    }],
    ['a key that cannot be written is no fault of the event' => sub {
        my ($i) = begin();
        $db->do('CREATE TRIGGER full BEFORE INSERT ON handled '
            . ($kind eq 'mariadb' ? q(FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'disk full') : q(BEGIN SELECT RAISE(ABORT, 'disk full'); END)));
        like $c->error(once => table => 'handled', steps => {}), qr/disk full/, 'once throws';
        is $i->states, 'waiting waiting waiting', 'the events wait';
        is join(' ', map { $i->state($_)->{attempts} } 1 .. 3), '0 0 0', 'and no attempt is counted';
        $db->do('DROP TRIGGER full');
        is work_off(), 'e1 e2 e3', 'until it can be';
    }],
    ['an id beyond ASCII' => sub {
        my ($i) = begin(form => 'directory', events => 0);
        $i->add(body => '{"id":"caf\u00e9","type":"t"}');
        is work_off(), "caf\x{e9}", 'is worked on';
        is $db->selectrow_array('SELECT hex(event_id) FROM handled'), '636166C3A9', 'its key is kept in UTF-8';
        $i->add(body => '{"id":"caf\u00e9","type":"t"}');
        is work_off(), '', 'once';
        is $i->states, 'done done', 'and known then';
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
        once(e1 => [[@EFFECT], ['mute'], [sql => 'CREATE TABLE made (a INT)']], e2 => [[@EFFECT], [sql => 'CREATE TABLE made2 (a INT)'], [throw => 'after it']]);
        like $c->log, qr/e1: the transaction ended before the callback did \(by a deadlock, or/, 'where it succeeds';
        like $c->log, qr/e2: after it$/m, 'where it fails it failed';
        is keys_kept(), 'live/e1/check.completed live/e3/check.completed', 'its key is not kept then';
        is $i->states, 'waiting waiting done', 'both come again';
        $i->due($_) for 1, 2;
        is work_off(), 'e2', 'what was done is only acknowledged, what failed is tried again';
    }],
    ['so is a view, since nobody knows what is below it' => sub {
        begin(no_table => 1);
        $db->do('CREATE TABLE below (endpoint VARBINARY(255), event_id VARBINARY(255), type VARBINARY(255)) ENGINE=MyISAM');
        $db->do('CREATE VIEW handled AS SELECT * FROM below');
        like $c->error(once => table => 'handled', steps => {}), qr/handled: a view; name its table/, 'and says why';
    }],
    ['and one that does not compare bytes' => sub {
        my ($i) = begin(text => 'VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci');
        like $c->error(once => table => 'handled', steps => {}), qr/handled: the collation of endpoint does not compare bytes; use VARBINARY\(255\)/, 'and says why';
        begin(text => 'VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin');
        is work_off(), 'e1 e2 e3', 'one that does is not';
    }],
    ['a key that another worker has committed meanwhile is left' => sub {
        my ($i) = begin();
        my ($began, $go) = ("$tmp/began$count", "$tmp/go$count");
        $c->send(once => table => 'handled', steps => { e1 => [[sql => 'ROLLBACK'], [touch => $began], [await => $go], [throw => 'deadlock']] });
        ok wait_until(sub { -e $began }), 'a transaction has ended, as by a deadlock';
        $i->steal(1);
        $db->do(q(INSERT INTO handled VALUES ('live', 'e1', 'check.completed')));
        open my $f, '>', $go or die;
        like $c->answer->{log}[0], qr/e1: deadlock/, 'the event fails';
        like keys_kept(), qr{^live/e1/}, 'the key of the other is still there';
    }],
    ['the values in an error of the database are told nobody' => sub {
        my ($i) = begin();
        $db->do('CREATE TABLE person (mail VARCHAR(100) PRIMARY KEY)');
        my $insert = [sql => q(INSERT INTO person VALUES ('max@example.com'))];
        once(e1 => [$insert, $insert]);
        like $c->log, qr/e1: .*Duplicate entry$/, 'not in the log';
        like $i->state(1)->{why}, qr/Duplicate entry$/, 'nor in the inbox';
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
        is join(' ', map { $i->state($_)->{attempts} } 2, 3), '0 0', 'and none has used an attempt';
        $i->due(2);
        $worker->();
        is work_off(), 'e2 e3', 'a new worker does the rest';
        is effects(), 'e1 e2 e3', 'each once';
    }],
    ['two workers that have the same event do it once' => sub {
        my ($i, $worker) = begin();
        my ($began, $go) = map { "$tmp/$_$count" } qw(began go);
        $c->send(once => table => 'handled', steps => { all => [[@EFFECT]], e1 => [[touch => $began], [@EFFECT], [await => $go]] });
        ok wait_until(sub { -e $began }), 'the first is at work';
        $i->due(1);
        my $first = $c;
        $worker->();
        $c->send(once => table => 'handled', steps => { all => [[@EFFECT]] });
        ok wait_until(sub { $i->state(1)->{attempts} == 2 }), 'the second claims it too';
        open my $file, '>', $go or die "$go: $!";
        is $c->answer->{value}[0], 1, 'and works on no other';
        is_deeply $first->answer->{value}, [3, [qw(e1 e2 e3)]], 'the first works on all';
        is effects(), 'e1 e2 e3', 'each effect is there once';
        is $i->states, 'done done done', 'all are done';
    }],
);

my @PHP = (
    ['a handle with autocommit off works for ever' => sub {
        return pass 'SQLite has none' if $kind ne 'mariadb';
        my ($i) = begin(manual => 1);
        is_deeply once(e2 => [[@EFFECT], [throw => 'no luck']]), [3, [qw(e1 e2 e3)]], 'the first time';
        is_deeply once(), [0, []], "time $_" for 2 .. 3;
        $db->do(q(INSERT INTO handled VALUES ('live', 'e4', 'check.completed')));
        $i->add for 1 .. 2;
        is work_off(), 'e5', 'what was done before is known';
        is effects(), 'e1 e3 e5', 'the effects are there';
        is $i->states, 'done waiting done done done', 'and acknowledged';
    }],
);

my @PERL = (
    ['a handle with AutoCommit off is refused' => sub {
        my ($i) = begin(manual => 1);
        like $c->error(once => table => 'handled', steps => {}), qr/its AutoCommit is off/, 'since nobody knows what is open on it';
        is $i->state(1)->{attempts}, 0, 'no event is claimed';
    }],
    ['a callback that is left by next' => sub {
        my ($i) = begin();
        is_deeply once(e2 => [[@EFFECT], [leave => 'next']]), [3, [qw(e1 e2 e3)]], 'stops nothing';
        is effects(), 'e1 e3', 'and is rolled back';
    }],
);

for my $l (qw(php perl)) {
    for my $k (qw(mariadb sqlite)) {
        ($language, $kind) = ($l, $k);
        for (@SCENARIO, $k eq 'mariadb' ? @MARIADB : (), $l eq 'perl' ? @PERL : @PHP) {
            my ($name, $test) = @$_;
            subtest "$language, $kind: $name" => sub { eval { $test->(); 1 } or fail("it ran to its end: $@") };
        }
    }
}

# The examples that stay. Copies, since another user runs them, who may not look into this folder.
mkdir "$tmp/examples" or die;
chmod 0755, "$tmp/examples";
for my $file (listed("$ROOT/consumers", "php/*", "perl/*")) { copy($file, "$tmp/examples") or die "$file: $!" }
$server->db('app')->do('CREATE DATABASE example');
$db = $server->db('example');
my $socket = $server->socket;
for my $example (['php', "$tmp/examples/worker.php", "mysql:unix_socket=$socket;dbname=example"], ['perl', "$tmp/examples/worker.pl", "DBI:MariaDB:database=example;mariadb_socket=$socket"]) {
    my ($language, $script, $dsn) = @$example;
    my $inbox = HandMade->new("$tmp/example-$language.db", form => 'wal');
    $db->do('DROP TABLE IF EXISTS complycube_handled');
    my @cmd = ($language, $script, $inbox->path, $dsn, 'zero');
    my %env = (env => { APP_PASSWORD => '0' });
    my ($outcome) = slurp($script) =~ /^\S+ (CREATE TABLE outcome .*)/m;
    $db->do('DROP TABLE IF EXISTS outcome');
    $db->do($outcome);
    my ($code, undef, $err) = Proc->run(cmd => \@cmd, tmp => $tmp, %env);
    is $code, 1, "$language: the example that stays ends for a table that is missing";
    my ($make) = $err =~ /make it: (.*)/;
    ok $make, 'and says how to make it' or diag $err;
    $db->do($make);
    $inbox->add(resource => "chk$_", type => $_ == 3 ? 'client.created' : 'check.completed') for 1 .. 3;
    my $worker = Proc->start(%env, cmd => \@cmd, stderr => "$tmp/example.log");
    ok wait_until(sub { $inbox->states eq 'done done waiting' }), 'it works on the events that it wants';
    is join(' ', map { @$_ } @{ $db->selectall_arrayref('SELECT check_id, outcome FROM outcome ORDER BY 1') }), 'chk1 clear chk2 clear', 'and keeps the outcomes';
    $inbox->add(resource => 'chk1', type => 'check.completed', at => -1000, outcome => 'rejected');
    ok wait_until(sub { $inbox->states eq 'done done waiting done' }), 'an older event of a check comes late';
    is $db->selectrow_array("SELECT outcome FROM outcome WHERE check_id = 'chk1'"), 'clear', 'and changes nothing';
    $inbox->add(resource => 'CHK1', type => 'check.completed', outcome => 'other');
    ok wait_until(sub { $inbox->states eq 'done done waiting done done' }), 'an id that differs in case';
    is $db->selectrow_array('SELECT count(*) FROM outcome'), 3, 'is another one';
    $worker->signal('TERM');
    ok $worker->ended(5), 'TERM ends it';
    is $worker->exit_code, 0, 'with success';
}

undef $c;
$server->stop;
done_testing;
