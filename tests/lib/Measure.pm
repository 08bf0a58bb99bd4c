# SPDX-License-Identifier: MIT
# What the benchmark measures beside requests a second: the disk, the start of a process, instructions, and what
# disturbs a server: trickling clients, a database grown large.
package Measure;
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use List::Util qw(sum);
use POSIX ();
use Time::HiRes qw(time sleep);
use Contract;
use Deploy;
use Event;
use Fixture;
use Http;
use Load;

sub possible { my ($program) = @_; return system("command -v $program >/dev/null 2>&1") == 0 }

sub median { my @s = sort { $a <=> $b } @_; return @s % 2 ? $s[$#s / 2] : ($s[@s / 2 - 1] + $s[@s / 2]) / 2 }

# Overwriting 4 KiB and fdatasync on the disk of a fixture, by fio: syncs a second, and ms of the median.
sub disk {
    my ($f, $seconds) = @_;
    my $file = $f->path('run/fio');
    my ($code, $out, $err) = $f->run(qw(fio --name=sync --rw=write --bs=4k --size=4m --overwrite=1 --fdatasync=1),
        qw(--time_based --output-format=json), "--filename=$file", sprintf('--runtime=%d', $seconds + 0.99),
        { limit => 60 });
    die "fio: $err" if ($code // 1) != 0;
    my $job = decode_json($out =~ s/^[^{]*//r)->{jobs}[0];
    unlink $file;
    return { rate => $job->{write}{iops}, p50 => $job->{sync}{lat_ns}{percentile}{'50.000000'} / 1e6 };
}

# Median microseconds from start to exit: /bin/true, and the receiver as a CGI that stores a new event each time; the
# static one too, where it has been made. By turns, ten at a time, so that what else happens here happens to all.
sub starts {
    my ($requests, $n, $first) = @_;
    my $static = "$Fixture::ROOT/build/static/bin/complycube-webhook";
    my %f = map { $_ => Fixture->new } 'cgi', -x $static ? 'static' : ();
    open my $in, '<:raw', $requests or die;
    seek $in, $first * $Load::SIZE, 0;
    my $text = '';
    for (1 .. $n) {
        read $in, (my $request), $Load::SIZE;
        $text .= substr($request, $Load::SIGNATURE_AT, 64) . substr $request, -$Load::BODY;
    }
    $f{static}->install('home/public_html/cgi-bin/complycube-webhook.cgi', $static) if $f{static};
    my $length = 64 + $Load::BODY;
    my %us;
    my $add = sub {
        my ($name, $f, @what) = @_;
        my ($code, $out, $err) = $f->run($f->path('run/spawn'), @what, { limit => 120, env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
        die "spawn: $err" if ($code // 1) != 0;
        push @{ $us{$name} }, split ' ', $out;
    };
    for my $f (values %f) {
        $f->install('run/spawn', "$Fixture::ROOT/build/bench/spawn");
        $f->write('run/records', $text);
    }
    for (my $at = 0; $at < $n; $at += 10) {
        my $some = $n - $at < 10 ? $n - $at : 10;
        $add->('true', $f{cgi}, $some, '/bin/true');
        $add->($_, $f{$_}, $some, $f{$_}->path('home/public_html/cgi-bin/complycube-webhook.cgi'), $f{$_}->path('run/records'), $at * $length, $length, 64)
            for sort keys %f;
    }
    my $missing = grep { $_->counts ne "$n $n 0" } values %f;
    return { (map { $_ => median(@{ $us{$_} }) } keys %us), missing => $missing };
}

# Clients that send a request's body at a byte a second, until the function that is given back is called.
sub trickle {
    my ($port, $n) = @_;
    defined(my $pid = fork) or die "fork: $!";
    return sub { kill 'TERM', $pid; waitpid $pid, 0 } if $pid;
    $SIG{TERM} = sub { POSIX::_exit(0) };
    $SIG{PIPE} = 'IGNORE';
    my @clients;
    while (1) {
        for my $i (0 .. $n - 1) {
            my $c = $clients[$i] //= do {
                my $body = event(size => 800);
                my %request = (method => 'POST', path => '/complycube', body => $body,
                    headers => ['ComplyCube-Signature' => sign($body)]);
                my $socket = Http::connect_to($port);
                print $socket Http::head(\%request);
                $socket->flush;
                { socket => $socket, left => $body };
            };
            my $sent = syswrite $c->{socket}, substr $c->{left}, 0, 1, '';
            undef $clients[$i] if !$sent || IO::Select->new($c->{socket})->can_read(0);    # cut: again
        }
        sleep 1;    # the pace of the clients
    }
}

# Put n processed events into the database of a fixture, of one type, or of so many in turn.
sub fill {
    my ($f, $n, $types) = @_;
    my ($code, undef, $err) = $f->run($f->install('run/complycube-inbox', 'complycube-inbox'), '-c', $f->config, 'init');
    die "init: $err" if ($code // 1) != 0;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do("PRAGMA $_") for 'synchronous = OFF', 'cache_size = -200000';
    $db->do(q(INSERT OR IGNORE INTO endpoint (id, name) VALUES (1, 'live')));
    $db->do(q(INSERT INTO secret (id, endpoint, name) VALUES (1, 1, 'main')));
    $db->begin_work;
    $db->do(<<'SQL', undef, $n, $Load::BODY, $types // 0);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
INSERT INTO event_log (endpoint, event_id, type, resource_type, resource_id, client_id, status, outcome, created_ms,
                       received_ms, secret, signature, payload_at, payload_len, body)
SELECT 1, printf('66%022x', i), CASE WHEN ?3 + 0 THEN 'check.completed.' || (i % ?3) ELSE 'check.completed.clear' END, 'check', printf('67%022x', i), printf('68%022x', i),
       'complete', 'clear', 1769718742004, 1769718742004 + i, 1, randomblob(32), 90, 600, randomblob(?2) FROM n WHERE i < ?1 + 0
SQL
    $db->do('INSERT INTO inbox (seq, endpoint, state, due_ms, attempts, done_ms)
             SELECT seq, 1, 1, received_ms, 1, received_ms FROM event_log');
    $db->commit;
}

# A fixture for looks(): n events of 40 types, of which some wait or are dead, and two years of figures.
sub fill_for_looks {
    my ($f, $n) = @_;
    fill($f, $n, 40);
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->begin_work;
    $db->do('UPDATE inbox SET state = CASE WHEN seq % 50 THEN 0 ELSE 2 END, done_ms = NULL WHERE seq > ?', undef, $n - 1000);
    $db->do(q(INSERT INTO counter (hour_ms, endpoint, secret, outcome, n, last_ms)
        WITH RECURSIVE h(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM h WHERE i < 17520)
        SELECT (? - i) * 3600000, 1, 1, o.column1, 57, (? - i) * 3600000 + 1
        FROM h, (VALUES ('stored'), ('duplicate')) o), undef, (int(time / 3600)) x 2);
    $db->commit;
}

# Median ms of the tool from start to exit, and those of processor time in it (NAME_cpu), after one that is not counted.
sub looks {
    my ($f, $times) = @_;
    my %args = (list => [qw(list --limit 100)], stats => ['stats'], type => [qw(list --type check.completed.7 --limit 100)],
        rare => [qw(list --type check.created)], client => [qw(list --client 680000000000000000000007)],
        since => [qw(stats --since 2020-01-01)], watch => [qw(watch --oldest 99999d)], metrics => ['metrics']);
    my $script = 'open my $said, ">&", \*STDERR; open STDOUT, ">", "/dev/null"; open STDERR, ">", "/dev/null";'
        . 'for (0 .. shift) { my ($t, $c) = (time, (times)[2] + (times)[3]); system @ARGV;'
        . 'printf $said "%f %f\n", (time - $t) * 1000, ((times)[2] + (times)[3] - $c) * 1000 if $_ }';
    my %ms;
    for my $what (keys %args) {
        my ($code, undef, $err) = $f->run('perl', '-MTime::HiRes=time', '-e', $script, $times, $f->path('run/complycube-inbox'),
            '-c', $f->config, @{ $args{$what} }, { limit => 300 });
        my @ms = map { [split] } split /\n/, $err;
        die "$what: $err" if ($code // 1) != 0 || @ms != $times;
        $ms{$what} = median(map { $_->[0] } @ms);
        $ms{"${what}_cpu"} = median(map { $_->[1] } @ms);
    }
    return \%ms;
}

sub rows { my ($f) = @_; return $f->value('SELECT max(seq) FROM event_log') // 0 }

# Put n waiting events of an endpoint that nobody polls into the database of a fixture.
sub strand {
    my ($f, $n) = @_;
    fill($f, 0);
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->begin_work;
    $db->do(<<'SQL', undef, $n);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
INSERT INTO event_log (endpoint, event_id, type, resource_id, created_ms, received_ms)
SELECT (SELECT id FROM endpoint WHERE name = 'sandbox'), i, 't', 'r' || i, i, i FROM n
SQL
    $db->do('INSERT INTO inbox (seq, endpoint, due_ms) SELECT seq, endpoint, received_ms FROM event_log');
    $db->commit;
}

# Median microseconds, by turns over databases (name => fixture), of a claim with nothing to claim, a claim of 20 events
# that is read, and 20 rows of the view pending; 40 events are waiting in the last two.
sub polls {
    my ($rounds, %fixture) = @_;
    my %sql = Contract::statements();
    my (%db, %us);
    for my $name (keys %fixture) {
        my $db = $db{$name} = DBI->connect('dbi:SQLite:dbname=' . $fixture{$name}->database, '', '', { RaiseError => 1 });
        $db->do("PRAGMA $_") for 'wal_autocheckpoint = 0', 'synchronous = NORMAL';
    }
    for my $waiting (0, 40) {
        if ($waiting) { _waiting($_, $waiting) for values %db }
        for my $round (1 .. $rounds) {
            for my $name (sort keys %db) {
                my %took = $waiting ? _busy($db{$name}, \%sql, $round) : _idle($db{$name}, \%sql);
                push @{ $us{$name}{$_} }, $took{$_} for keys %took;
            }
        }
    }
    $_->do(q(DELETE FROM inbox WHERE seq > 1000000000)) for values %db;
    $_->do(q(DELETE FROM event_log WHERE seq > 1000000000)) for values %db;
    return map { my $of = $us{$_}; ($_ => { map { $_ => median(@{ $of->{$_} }) } keys %$of }) } keys %us;
}

sub _waiting {
    my ($db, $n) = @_;
    for my $seq (map { 1_000_000_000 + $_ } 1 .. $n) {
        $db->do(q(INSERT INTO event_log (seq, endpoint, event_id, type, resource_id, created_ms, received_ms, payload_at,
            payload_len, body) VALUES (?, 1, ?, 't', ?, 1, 1, 0, 2, '{}')), undef, $seq, "w$seq", "w$seq");
        $db->do('INSERT INTO inbox (seq, endpoint, due_ms) VALUES (?, 1, 1)', undef, $seq);
    }
}

sub _us { my ($do) = @_; my $begun = time; $do->(); return (time - $begun) * 1e6 }

sub _claim {
    my ($db, $sql, $token) = @_;
    my ($claim, @values) = Contract::bind($sql->{claim}, max => 10, t => $token, w => 'bench', d => 9_999_999_999_999, e => 1, n => 20);
    return 0 + $db->prepare_cached($claim)->execute(@values);
}

sub _idle { my ($db, $sql) = @_; return (idle => _us(sub { _claim($db, $sql, 'idle') == 0 or die 'nothing should wait' })) }

sub _busy {
    my ($db, $sql, $token) = @_;
    my ($read, @values) = Contract::bind($sql->{read}, e => 1, d => 9_999_999_999_999, t => $token);
    my %us = (pending => _us(sub { @{ $db->selectall_arrayref("SELECT * FROM pending WHERE endpoint = 'live' LIMIT 20") } == 20 or die 'pending' }));
    $us{claim} = _us(sub { _claim($db, $sql, $token) == 20 && @{ $db->selectall_arrayref($read, undef, @values) } == 20 or die 'claim' });
    $db->do('UPDATE inbox SET token = NULL, due_ms = 1, attempts = 0 WHERE seq > 1000000000');
    return %us;
}

# Put n processed events of one resource into the database of a fixture.
sub fill_hot {
    my ($f, $n) = @_;
    fill($f, 0);
    _hot(DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 }), 0, $n, 1);
}

# Events of the hot resource, by number: from..to-1 of this state. It has one each five minutes.
sub _hot {
    my ($db, $from, $to, $state) = @_;
    $db->begin_work;
    $db->do(<<'SQL', undef, $from, $to, $Load::BODY) if $from < $to;
WITH RECURSIVE n(i) AS (SELECT ?1 + 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?2 - 1)
INSERT INTO event_log (seq, endpoint, event_id, type, resource_type, resource_id, created_ms, received_ms, payload_at, payload_len, body)
SELECT i + 1, 1, printf('66%022x', i), 'client.updated', 'client', 'hot', 1600000000000 + i * 300000, 1600000000000 + i * 300000, 0, 2, CAST(printf('{}%*s', ?3 - 2, '') AS BLOB) FROM n
SQL
    $db->do('INSERT INTO inbox (seq, endpoint, state, due_ms) SELECT seq, 1, ?, received_ms FROM event_log WHERE seq > CAST(? AS INTEGER)', undef, $state, $from);
    $db->commit;
}

# Prints the microseconds of processor time of each of so many ordered claims, which are released. Arguments: library, database, how many.
my %HOT = (
    PHP => ['php', '-r', <<'PHP', '--', "$Fixture::ROOT/consumers/php/ComplyCubeInbox.php"],
require $argv[1];
$inbox = new ComplyCubeInbox($argv[2], array('endpoint' => 'live', 'ordered' => true));
function used() { $is = getrusage(); return ($is['ru_utime.tv_sec'] + $is['ru_stime.tv_sec']) * 1e6 + $is['ru_utime.tv_usec'] + $is['ru_stime.tv_usec']; }
for ($n = 0; $n < $argv[3]; $n++) {
    $begun = used();
    $events = $inbox->claim();
    echo used() - $begun, ' ';
    if (count($events) !== 1) exit(1);
    $inbox->release($events[0]);
}
PHP
    Perl => ['perl', '-MTime::HiRes=clock_gettime,CLOCK_PROCESS_CPUTIME_ID', '-e', <<'PERL', "$Fixture::ROOT/consumers/perl/ComplyCubeInbox.pm"],
require $ARGV[0];
my $inbox = ComplyCubeInbox->new($ARGV[1], endpoint => 'live', ordered => 1);
for (1 .. $ARGV[2]) {
    my $begun = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
    my @events = $inbox->claim;
    print +(clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $begun) * 1e6, ' ';
    die 'claimed: ' . @events if @events != 1;
    $inbox->release($events[0]);
}
PERL
);

# Median microseconds of processor time of an ordered claim, by language, for so many that wait in each of the databases (events done =>
# fixture); by turns over these.
sub hot {
    my ($rounds, $waiting, %fixture) = @_;
    my %us;
    for my $done (keys %fixture) {
        my $db = DBI->connect('dbi:SQLite:dbname=' . $fixture{$done}->database, '', '', { RaiseError => 1 });
        $db->do("DELETE FROM $_ WHERE seq > CAST(? AS INTEGER)", undef, $done) for qw(inbox event_log);
        _hot($db, $done, $done + $waiting, 0);
    }
    for (1 .. $rounds) {
        for my $language (sort keys %HOT) {
            for my $done (sort { $a <=> $b } keys %fixture) {
                open my $out, '-|', @{ $HOT{$language} }, $fixture{$done}->database, 5 or die "$language: $!";
                push @{ $us{$done}{$language} }, map { split } readline $out;
                close $out or die "$language: an ordered claim failed";
            }
        }
    }
    return map { my $of = $us{$_}; ($_ => { map { $_ => median(@{ $of->{$_} }) } keys %$of }) } keys %us;
}

# Instructions that the receiver executes for an event, by callgrind: n events more are how many more?
sub instructions {
    my ($n) = @_;
    my ($few, $many) = map { _executed($_) } 100, 100 + $n;
    return ($many - $few) / $n;
}

sub _executed {
    my ($n) = @_;
    my $f = Fixture->new;
    my $file = $f->path('run/callgrind');
    local $ENV{WRAP} = "/usr/bin/valgrind -q --tool=callgrind --callgrind-out-file=$file";
    my $d = deploy($f, 'spawn-fcgi alone');
    for my $i (1 .. $n) {
        my $body = Load::event_of($i);
        my $answer = $d->{client}->({ method => 'POST', path => '/', body => $body,
            headers => ['ComplyCube-Signature' => sign($body)] });
        die "event $i under callgrind: $answer->{status}" if $answer->{status} != 200;
    }
    $f->stop;
    return Fixture::slurp($file) =~ /^(?:totals|summary): (\d+)/m ? $1 : die "callgrind wrote nothing";
}

1;
