#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Three PHP and three Perl workers, one of them killed with -9 again and again, while events arrive through lighttpd:
# each event is acknowledged once, and plain counters bumped inside once() equal the number of events. In WAL, in the
# rollback journal and in the directory form. KILL_EVENTS=20000 (make soak) is the whole of it; a small one otherwise.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Deploy;
use Event;
use Fixture;
use MariaDb;
use Proc qw(wait_until);
use Test::More;
use Time::HiRes qw(time sleep);

my $EVENTS = $ENV{KILL_EVENTS} // 300;
my $EVERY = $ENV{KILL_EVENTS} ? 1 : 0.2;    # seconds between kills, and ...
my $WORK = $ENV{KILL_EVENTS} ? 0 : 8;       # ... as many events done, or a slow machine would use up all their attempts
my $SENDERS = 2;
my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my %FORM = (
    'WAL' => '',
    'rollback journal' => qq(journal = "delete"\n),
    'directory' => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n),
);

my $f = Fixture->new;
my $maria = MariaDb->start($f->path('run'));
my $app = $maria->db('app');

# Processes that send n events, some of them twice, at about a rate; their exit codes tell whether all were taken.
sub senders {
    my ($client, $url) = @_;
    my @pids;
    for my $sender (1 .. $SENDERS) {
        defined(my $pid = fork) or die "fork: $!";
        push(@pids, $pid), next if $pid;
        my $refused = 0;
        for my $n (1 .. $EVENTS / $SENDERS) {
            my $body = event(id => "kill-$sender-$n");
            for (1 .. ($n % 10 == 0 ? 2 : 1)) {
                my $answer = $client->({ method => 'POST', path => $url, body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
                $refused++ if $answer->{status} != 200;
            }
        }
        POSIX::_exit($refused > 255 ? 255 : $refused);
    }
    return @pids;
}

sub worker {
    my ($f, $n, $inbox) = @_;
    my $php = $n % 2;
    my $name = $php ? 'php' : 'perl';
    my ($library, $script) = $php ? ('ComplyCubeInbox.php', 'kill-worker.php') : ('ComplyCubeInbox.pm', 'kill-worker.pl');
    for my $from ("$Fixture::ROOT/consumers/$name/$library", "$FindBin::Bin/$script") {
        my ($file) = $from =~ m{([^/]+)$};
        $f->write("run/$file", Fixture::slurp($from)) if !-e $f->path("run/$file");
    }
    return Proc->start(cmd => [$name, $f->path("run/$script"), $f->path("run/$library"), $inbox, 
            $php ? 'mysql:dbname=app;unix_socket=' . $maria->socket : 'DBI:MariaDB:database=app;mariadb_socket=' . $maria->socket],
        stdout => $f->path("log/worker-$n.log"), stderr => $f->path("log/worker-$n.log"));
}

# Waiting, dead and done, and how often something was acknowledged.
sub progress {
    my ($f, $files) = @_;
    my @sql = map { "(SELECT count(*) FROM inbox WHERE state = $_)" } 0, 2, 1;
    return _progress_of($f, 'SELECT ' . join ',', @sql, '(SELECT count(*) FROM acked)') if !$files;
    my $count = sub { my @found = map { glob $f->path("home/private/inbox.d/live/$_/*") } @_; return scalar @found };
    my $done = $count->('done/*');
    return ($count->('new', 'cur', 'tmp'), $count->('dead'), $done, $done);
}

# By a connection that may write: what a killed worker has begun is to be rolled back.
sub _progress_of {
    my ($f, $sql) = @_;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, PrintError => 0 });
    $db->sqlite_busy_timeout(60_000);    # beside six writers with a rollback journal a reader finds the lock free by luck alone
    $db->do('PRAGMA wal_autocheckpoint = 0');
    return $db->selectrow_array($sql);
}

for my $form (sort keys %FORM) {
    my $f = Fixture->new(conf => $FORM{$form} . $sample);
    my $files = $form eq 'directory';
    my ($tool) = $f->install('run/complycube-inbox', 'complycube-inbox');
    my ($code, undef, $err) = $f->run($tool, '-c', $f->config, 'init');
    is $code, 0, "$form: init" or diag $err;
    my $inbox = $files ? $f->path('home/private/inbox.d') : $f->database;
    if (!$files) {    # each accepted ack leaves a row
        my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
        $db->do('CREATE TABLE acked (seq)');
        $db->do('CREATE TRIGGER ack AFTER UPDATE OF state ON inbox WHEN OLD.state = 0 AND NEW.state = 1
                 BEGIN INSERT INTO acked VALUES (NEW.seq); END');
        is $db->selectrow_array('PRAGMA journal_mode'), $form eq 'WAL' ? 'wal' : 'delete', "$form: the journal";
    }
    $app->do($_) for 'DROP TABLE IF EXISTS seen, effect', 'CREATE TABLE effect (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB',
        'INSERT INTO effect VALUES (0,0),(1,0),(2,0),(3,0),(4,0),(5,0),(6,0),(7,0)',
        'CREATE TABLE seen (endpoint VARBINARY(255) NOT NULL, event_id VARBINARY(255) NOT NULL, type VARBINARY(255) NOT NULL,
             PRIMARY KEY (endpoint, event_id, type)) ENGINE=InnoDB';
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    my @senders = senders($d->{client}, $d->{url});
    my @workers = map { worker($f, $_, $inbox) } 1 .. 6;
    my ($kills, $next, $done, $refused, $begun) = (0, time + $EVERY, 0, 0, time);
    my $limit = $begun + 600 + $EVENTS / 20;
    my @now;
    while (time < $limit) {
        @senders = grep { my $running = waitpid($_, POSIX::WNOHANG()) == 0; $refused += $? >> 8 if !$running; $running } @senders;
        @now = progress($f, $files);
        last if !@senders && $now[2] >= $EVENTS && $now[0] == 0;
        sleep 0.05;
        next if time < $next || $now[2] < $done + $WORK;
        ($next, $done) = (time + $EVERY, $now[2]);
        my $n = int rand @workers;
        kill 'KILL', $workers[$n]->pid;
        $workers[$n]->ended(5);
        $kills++;
        $workers[$n] = worker($f, $n + 1, $inbox);
    }
    my $seconds = time - $begun;
    $_->stop for @workers;
    kill 'KILL', @senders;
    @now = progress($f, $files);
    note sprintf '%s: %d events in %.1f s, %d kills', $form, $EVENTS, $seconds, $kills;
    is $refused, 0, "$form: every event was answered 200";
    cmp_ok $kills, '>=', 2, "$form: workers were killed";
    is $now[2], $EVENTS, "$form: every event is done";
    is "$now[0] $now[1]", '0 0', "$form: none is stuck, none dead";
    is $now[3], $EVENTS, "$form: one accepted acknowledgement for each";
    is $app->selectrow_array('SELECT SUM(n) FROM effect'), $EVENTS, "$form: and one effect" or diag Fixture::slurp($f->path('log/worker-1.log'));
    is $app->selectrow_array('SELECT COUNT(*) FROM seen'), $EVENTS, "$form: whose key the application has";
    $f->finish;
}
$f->stop;
done_testing;
