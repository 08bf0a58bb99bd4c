#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox restore: a backup takes the place of the database under a running receiver; what came since is brought
# over; and whatever happens meanwhile, the old one or the new one is in place and nothing is lost.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use File::Basename qw(basename);
use File::Copy qw(copy);
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use Deploy;
use Event;
use Fixture;
use Requests;
use Tool;

my $base = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample") =~ s/^\s*(?:inbox|directory|group)\s*=.*\n//mgr;
my %conf = (table => $base, directory => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$base));

sub fixture { my ($form) = @_; return Fixture->new(conf => $conf{ $form // 'table' }) }

sub good { my ($f, @args) = @_; my ($code, $out, $err) = tool_out($f, @args); is($code, 0, $args[0]) or diag $err; return $out }
sub opened { return DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', { RaiseError => 1, PrintError => 0 }) }
sub listed { my ($f) = @_; my (undef, $out) = tool_out($f, 'list', '--json', '--limit', 1000); return map { decode_json($_) } reverse split /\n/, $out }
sub states { my ($f) = @_; return join ' ', map { "$_->{event_id}:$_->{state}" } listed($f) }
sub numbers { my ($f) = @_; return join ' ', map { $_->{seq} } listed($f) }
sub befores { my ($f) = @_; return grep { !/-(?:wal|shm)$/ } glob $f->database . '.before-*' }
sub checks { my ($f, @n) = @_; record($f, map { resource_event("e$_", "r$_", $_) } @n) }

# A backup of events 1 to 5, of which 2 is done and 3 is dead; and then what comes after it.
sub saved {
    my ($form) = @_;
    my $f = fixture($form);
    checks($f, 1 .. 5);
    good($f, 'ack', 'e2');
    good($f, 'dead', 'e3');
    my $file = $f->path('run/saved.db');
    good($f, 'backup', $file);
    return ($f, $file);
}

# ---- what is in it afterwards ----
{
    my ($f, $file) = saved('table');
    checks($f, 6 .. 8);
    good($f, 'ack', 'e1', 'e7');
    my ($broken) = $f->cgi(signed('{"id":"broken"'));
    is($broken->{status}, 202, 'something is put aside');
    good($f, 'erase', 'e4', '--reason', 'a trial');
    my $whole = join ' ', map { $_ // '' } @{ $f->rows("SELECT * FROM event_log WHERE event_id = 'e7'")->[0] };
    my $bytes = Fixture::slurp($file);
    my $out = good($f, 'restore', $file, '--reason', 'a trial');
    like($out, qr/holds the backup: 5 events$/m, 'it says what the backup holds');
    like($out, qr/^3 events came since the backup, and were brought over$/m, 'what came since');
    like($out, qr/^1 events of the backup had been erased since, and are again$/m, 'and what was erased');
    is(states($f), 'e1:waiting e2:done e3:dead e4:done e5:waiting e6:waiting e7:done e8:waiting', 'states are as in the backup, and of what came since, as they were; what is erased is done');
    is(numbers($f), '1 2 3 4 5 6 7 8', 'with their numbers');
    is(join(' ', map { $_ // '' } @{ $f->rows("SELECT * FROM event_log WHERE event_id = 'e7'")->[0] }), $whole, 'each column of one that was brought over is as it was');
    is_deeply($f->rows("SELECT body, signature, client_id, erased_ms > 0, length(payload_sha256) FROM event_log WHERE event_id = 'e4'"),
        [[undef, undef, undef, 1, 32]], 'what was erased is erased');
    unlike(Fixture::slurp($f->database), qr/"id":"e4"/, 'and not a byte of it is in the file');
    like($bytes, qr/"id":"e4"/, 'which the backup has');
    is($f->value('SELECT count(*) FROM quarantine'), 1, 'what was put aside is there');
    is($f->value("SELECT count(*) FROM history WHERE action = 'ack'"), 3, 'and the history');
    my $row = $f->rows("SELECT n, os_user, reason, detail FROM history WHERE action = 'restore'")->[0];
    is("$row->[0] $row->[2]", '5 a trial', 'which tells of the restore');
    like($row->[3], qr/^a backup of 5 events; 3 came since, brought over; 1 erased again; numbers from 1000009$/, 'with what it did');
    is(Fixture::slurp($file), $bytes, 'the backup is as it was');
    my ($before) = befores($f);
    is(opened($before)->selectrow_array('SELECT count(*) FROM event_log'), 8, 'the replaced one stays beside it');
    is(sprintf('%04o', (stat $f->database)[2] & 07777), '0600', 'only its owner reads the database');
    is_deeply([glob $f->database . '.restoring*'], [], 'and nothing else is left');
    is($f->value('PRAGMA integrity_check'), 'ok', 'it is sound');
    checks($f, 8 .. 10);
    is(numbers($f), '1 2 3 4 5 6 7 8 1000009 1000010', 'new events have numbers above any that was given');
    good($f, 'restore', $file);
    checks($f, 11);
    like(numbers($f), qr/ 2000011$/, 'a second time again');

    $out = good($f, 'restore', $file, '--only-backup');
    is(states($f), 'e1:waiting e2:done e3:dead e4:done e5:waiting', '--only-backup brings nothing over');
    is($f->value("SELECT body FROM event_log WHERE event_id = 'e4'"), undef, 'but what was erased stays so');
    my ($line) = $out =~ /^  (\S+ -c \S+ export --database .*)$/m;
    ok($line, 'and it prints the command that brings the rest over');
    my ($code, $said, $err) = $f->run('sh', '-c', $line);
    is($code, 0, 'which can be run') or diag "$said$err";
    like(states($f), qr/\be6:waiting e7:done e8:waiting e9:waiting e10:waiting e11:waiting$/, 'and does it');
    $f->finish;
}

# ---- what it refuses ----
{
    my ($f, $file) = saved('table');
    my $mine = states($f);
    my $refused = sub {
        my ($name, $path, $want, $like) = @_;
        my ($code, undef, $err) = tool_out($f, 'restore', $path);
        is($code, $want, "$name is refused") or diag $err;
        like($err, $like, 'and it says why');
    };
    $refused->('what is not there', $f->path('run/none.db'), 1, qr/No such file/);
    $refused->('an empty file', $f->write('run/empty', ''), 7, qr/is no backup/);
    $refused->('a file that is no database', $f->write('run/text', "no database\n" x 1000), 7, qr/not a database/);
    $refused->('the database itself', $f->database, 2, qr/is the database itself/);
    my $other = $f->path('run/other.db');
    opened($other)->do('CREATE TABLE t (a)');
    $f->_own($other, 0600);
    $refused->('the database of another program', $other, 6, qr/no backup of an inbox/);
    copy($file, $f->path('run/newer.db'));
    opened($f->path('run/newer.db'))->do('PRAGMA user_version = 3');
    $f->_own($f->path('run/newer.db'), 0600);
    $refused->('one of a much newer program', $f->path('run/newer.db'), 6, qr/install a newer one/);
    my $text = Fixture::slurp($file);
    my $root = opened($file)->selectrow_array("SELECT rootpage FROM sqlite_master WHERE name = 'event_log'");
    substr($text, 4096 * ($root - 1) + 12, 60) = "\xff" x 60;
    $refused->('a damaged one', $f->write('run/damaged.db', $text), 7, qr/damaged\.db is damaged|damaged\.db.*malformed/);
    is(states($f), $mine, 'nothing has changed');
    is_deeply([befores($f), glob $f->database . '.restoring*'], [], 'and nothing is left over');
    my $h = opened($f->database);
    $h->do('BEGIN IMMEDIATE');
    my ($code, undef, $err) = tool_out($f, 'restore', $file);
    is($code, 3, 'while a consumer holds the database it gives up');
    $h->rollback;
    is_deeply([befores($f), glob $f->database . '.restoring*'], [], 'and leaves nothing');
    $f->finish;
}

# ---- a database that cannot be read, or is not there ----
{
    my ($f, $file) = saved('table');
    $f->write('home/private/inbox.db', "no database\n" x 1000, 0600);
    $f->write('home/private/inbox.db-wal', 'some log', 0600);
    my ($code, $out, $err) = tool_out($f, 'restore', $file);
    is($code, 1, 'a damaged database is replaced');
    like($err, qr/it is restored; what came since the backup may be in \S+before-\S+, which cannot be read/, 'and it says what may be missing');
    is(states($f), 'e1:waiting e2:done e3:dead e4:waiting e5:waiting', 'the backup is in place');
    my ($before) = befores($f);
    is(Fixture::slurp($before), "no database\n" x 1000, 'the damaged one is kept');
    is(Fixture::slurp("$before-wal"), 'some log', 'with its log');
    checks($f, 6);
    is(numbers($f), '1 2 3 4 5 1000006', 'and the receiver goes on');

    my $g = fixture('table');
    rename $g->path('home/private'), $g->path('home/elsewhere');
    $g->folder('home/private', 0700);
    rename $_, $g->path('home/private/' . basename($_)) for glob $g->path('home/elsewhere/*');
    good($g, 'restore', $file);
    is(states($g), 'e1:waiting e2:done e3:dead e4:waiting e5:waiting', 'on another host there is nothing to replace');
    is_deeply([befores($g)], [], 'and nothing to keep');
    $_->finish for $f, $g;
}

# ---- a fresh database is in place ----
{
    my ($f, undef) = saved('table');
    is(($f->cgi(signed('{"id":"broken"')))[0]{status}, 202, 'something is put aside');
    my $file = $f->path('run/aside.db');
    good($f, 'backup', $file);
    unlink glob $f->database . '*';
    checks($f, 6 .. 7);
    good($f, 'ack', 'e7', '--reason', 'in the new one');
    is($f->value("SELECT seq FROM history WHERE action = 'ack'"), 2, 'a number of the new database');
    good($f, 'restore', $file);
    is($f->value('SELECT count(*) FROM quarantine'), 1, 'what a fresh database does not know stays in quarantine');
    is($f->value("SELECT e.event_id FROM history h JOIN event_log e ON e.seq = h.seq WHERE h.reason = 'in the new one'"), 'e7',
        'and history tells of the event by its number of now');
    is($f->value("SELECT count(*) FROM history WHERE seq IS NULL AND action = 'ack'"), 0, 'of each event');

    my ($g, undef) = saved('table');
    $g->cgi(signed('{"id":"broken"'));
    $file = $g->path('run/aside.db');
    good($g, 'backup', $file);
    change($g, 'DELETE FROM quarantine', 'DELETE FROM event_log WHERE seq = 5');
    good($g, 'restore', $file);
    is($g->value('SELECT count(*) FROM quarantine'), 0, 'what was decided in the same database stays decided');
    is($g->value("SELECT seq FROM history WHERE detail = 'removed from event_log'"), 5, 'and its history keeps the number of an event that it lacks');
    $_->finish for $f, $g;
}

# ---- as root ----
sub as_self { my ($do) = @_; no warnings 'redefine'; local *Proc::unprivileged = sub { () }; return $do->() }

SKIP: {
    skip 'needs root', 1 if $> != 0;
    for my $whole (1, 0) {
        my ($f, $file) = saved('table');
        my ($uid, $gid) = (stat $f->database)[4, 5];
        $f->write('home/private/inbox.db', "no database\n" x 1000, 0600) if !$whole;
        chown 0, $gid, $f->path('home/private');
        chmod 02770, $f->path('home/private');
        my ($code, undef, $err) = as_self(sub { tool_out($f, 'restore', $file) });
        is($code, 5, 'root does not act as root in a folder that others may write');
        like($err, qr/may be written by a group/, 'it says so');
        chown 0, 0, map { $f->path($_) } '.', 'home', 'home/private', 'home/public_html', 'home/public_html/cgi-bin';
        chown 0, 0, $f->config;
        chmod 0755, $f->path('home/private');
        ($code, undef, $err) = as_self(sub { tool_out($f, 'restore', $file) });
        is($code, $whole ? 0 : 1, 'root restores into a folder of root') or diag $err;
        is(sprintf('%d %d %04o', (stat $f->database)[4, 5], (stat _)[2] & 07777), "$uid $gid 0600", 'the database belongs to whom it belonged');
        $f->finish;
    }
    my ($f, $file) = saved('table');
    chown 0, 0, map { $f->path($_) } '.', 'home', 'home/private', 'home/public_html', 'home/public_html/cgi-bin';
    chown 0, 0, $f->config;
    my $bytes = Fixture::slurp($f->database);
    my ($o, @cmd) = Tool::_arguments($f, 'restore', $file);
    my ($code, undef, $err) = as_self(sub { $f->run('strace', '-qq', '-o', '/dev/null', '-e', 'trace=fchown', '-e', 'inject=fchown:error=EPERM',
        @cmd, { env => { ASAN_OPTIONS => 'detect_leaks=0' } }) });
    isnt($code, 0, 'where it cannot be given away');
    like($err, qr/giving \S+ to the owner of \S+: .*; /, 'it says so');
    is_deeply([befores($f), glob $f->database . '.restoring*'], [], 'and nothing has changed');
    is(Fixture::slurp($f->database), $bytes, 'not a byte');
    $f->finish;
}

# ---- the directory form ----
{
    my ($f, $file) = saved('directory');
    checks($f, 6 .. 8);
    my $box = $f->path('home/private/inbox.d/live');
    my @gone = glob "$box/new/*004.0000000000{04,06}.json";
    is(scalar @gone, 2, 'files');
    unlink @gone, glob "$box/dead/*";
    $f->write('home/private/inbox.d/live/new/1769718742004.000000000077.json', '{}');
    my $out = good($f, 'restore', $file);
    like($out, qr/^events that wait or are dead, and have no file: 4 6 3$/m, 'events without a file are listed, those that came since, too');
    like($out, qr/^  \S+complycube-inbox -c \S+ requeue 4 6 3$/m, 'with the command');
    like($out, qr{^  live/new/1769718742004\.000000000077\.json$}m, 'and files without an event');
    my $json = decode_json(good($f, 'restore', $file, '--requeue', '--json'));
    is_deeply($json->{without_file}, [4, 6, 3], 'for a program, too');
    ok($json->{requeued}, 'it writes them again');
    is(join(' ', map { "$_->{event_id}:$_->{state}" } grep { $_->{seq} < 99 } listed($f)),
        'e1:waiting e2:done e3:dead e4:waiting e5:waiting e6:waiting e7:waiting e8:waiting', 'all are where they belong');
    my ($body) = glob "$box/new/*.000000000004.json";
    is(Fixture::slurp($body), resource_event('e4', 'r4', 4), 'with the exact body');

    my $g = fixture('directory');
    good($g, 'restore', $file, '--requeue');
    is(states($g), 'e1:waiting e2:done e3:dead e4:waiting e5:waiting', 'on another host the folder is made from the backup');
    checks($g, 6);
    is(scalar(() = glob $g->path('home/private/inbox.d/live/new/*')), 4, 'and goes on');

    my $t = fixture('table');
    good($t, 'restore', $file);
    is(join(' ', map { $_->[0] } @{ $t->rows('SELECT event_id FROM pending ORDER BY seq') }), 'e1 e4 e5', 'into the table form: what waits is in the table');
    is($t->value("SELECT state FROM inbox WHERE seq = 3"), 2, 'and what is dead');
    $_->finish for $f, $g, $t;
}

# ---- asked on a terminal ----
{
    my ($f, $file) = saved('directory');
    unlink glob $f->path('home/private/inbox.d/live/new/*0004.json');
    my ($o, @cmd) = Tool::_arguments($f, 'restore', $file);
    my $line = join ' ', map { "'$_'" } @cmd;
    my ($code, $out) = $f->run('script', '-qec', $line, '/dev/null', { input => "y\n" });
    like($out, qr/Write their files again, so that they wait\? \[y\/N\]/, 'on a terminal it asks');
    like($out, qr/their files are written again/, 'and does it');
    is(states($f), 'e1:waiting e2:done e3:dead e4:waiting e5:waiting', 'all wait');
    $f->finish;
}

# ---- under a running receiver: nothing is refused, nothing lost ----
for my $form (qw(table directory)) {
    my ($f, $file) = saved($form);
    my $d = deploy($f, 'spawn-fcgi alone');
    my $log = $f->path('run/acked');
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open my $out, '>>', $log or POSIX::_exit(1);
        for (my $n = 1; !-e "$log.end"; $n++) {
            my $status = $d->{client}->(signed(event(id => "live-$n"), method => 'POST', path => '/'))->{status};
            syswrite $out, "live-$n $status\n";
        }
        POSIX::_exit(0);
    }
    my $count = sub { -e $log ? scalar(() = Fixture::slurp($log) =~ /\n/g) : 0 };
    for my $n (1 .. 3) {
        my $to = $count->() + 40;
        Proc::wait_until(sub { $count->() > $to }, 20);
        good($f, 'restore', $file);
        }
    my $to = $count->() + 40;
    Proc::wait_until(sub { $count->() > $to }, 20);
    $f->write('run/acked.end', '');
    waitpid $pid, 0;
    my %status = map { split ' ' } split /\n/, Fixture::slurp($log);
    is_deeply([grep { $status{$_} != 200 } sort keys %status], [], "$form: three restores, and every event is answered 200");
    my %known = map { $_->[0] => 1 } @{ $f->rows('SELECT event_id FROM event_log') };
    is_deeply([grep { !$known{$_} } sort keys %status], [], 'each is in the log, though the backup has none of them');
    my (undef, $out) = tool_out($f, 'list', '--json', '--state', 'waiting', '--limit', 100000);
    my %waiting = map { decode_json($_)->{event_id} => 1 } split /\n/, $out;
    is_deeply([grep { !$waiting{$_} } sort keys %status], [], 'and waits');
    is($f->value('PRAGMA integrity_check'), 'ok', 'the database is sound');
    is(scalar(befores($f)), 3, 'three older ones are beside it');
    $f->finish;
}

# ---- killed at each step ----
{
    my ($f, $file) = saved('table');
    checks($f, 6 .. 8);
    my $tool = $f->install('run/complycube-inbox', 'complycube-inbox');
    my $first = Fixture::slurp($f->database);
    my %seen = map { $_ => 0 } qw(killed old new bad);
    my $all = 'e1:waiting e2:done e3:dead e4:waiting e5:waiting e6:waiting e7:waiting e8:waiting';
    for my $call (qw(link rename renameat2 fsync fdatasync sync_file_range unlink ftruncate flock)) {
        for (my $step = 1; $step < 60; $step++) {
            unlink grep { !/\.lock$/ } glob $f->database . '*';
            $f->write('home/private/inbox.db', $first, 0600);
            change($f, 'PRAGMA journal_mode = WAL');
            my ($code) = $f->run('strace', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=$step",
                $tool, '-c', $f->config, 'restore', $file, { env => { ASAN_OPTIONS => 'detect_leaks=0' } });
            last if defined $code && $code == 0;
            $seen{killed}++;
            my $new = eval { $f->value('SELECT seq_floor FROM setting') } ? 1 : 0;
            my ($answer) = $f->cgi(signed(resource_event('e9', 'r9', 9)));
            my $held = states($f);
            my $kept = !$new || grep { opened($_)->selectrow_array('SELECT count(*) FROM event_log') == 8 } befores($f);
            $seen{ $new ? 'new' : 'old' }++;
            next if $kept && $answer->{status} == 200 && $held eq "$all e9:waiting" && $f->value('PRAGMA integrity_check') eq 'ok';
            $seen{bad}++;
            diag "$call $step: new $new, kept $kept, $answer->{status}, $held";
        }
    }
    note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
    cmp_ok($seen{killed}, '>', 12, 'it was killed at each of its steps');
    cmp_ok($seen{old}, '>', 3, 'before some of which the old one is in place');
    cmp_ok($seen{new}, '>', 1, 'and after others the new one');
    is($seen{bad}, 0, 'each time it is whole, the old one is kept, and the receiver goes on');
    $f->finish;
}
done_testing;
