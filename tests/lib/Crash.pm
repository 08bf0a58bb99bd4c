# SPDX-License-Identifier: MIT
# What the tests of crashes share: the forms of the inbox, a receiver on a socket that the test holds (so that clients
# wait while it is dead), what is recorded of an event, and several tasks at a time.
package Crash;
use strict;
use warnings;
use DBI;
use IO::Socket::UNIX;
use JSON::PP;
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Exporter 'import';
our @EXPORT_OK = qw(%FORM fixture request hold receiver end_receiver ask found sound each_at_once);

my $FILES = qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n);
my $OLD = qq(journal = "delete"\n);
our %FORM = (
    'table, WAL' => '', 'table, rollback journal' => $OLD,
    'directory, WAL' => $FILES, 'directory, rollback journal' => "$FILES$OLD",
);

# Where nothing that is lost matters, flushes need not take time: fixtures go into memory, where programs may run there.
sub in_memory {
    my ($how) = Fixture::slurp('/proc/mounts') =~ m{^\S+ /dev/shm tmpfs (\S+)}m or return;
    $ENV{TMPDIR} = '/dev/shm' if -w '/dev/shm' && $how !~ /noexec|\bro\b/ && !$ENV{KEEP};
}

# more => lines of configuration
sub fixture {
    my ($form, $more) = @_;
    my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
    my $f = Fixture->new(conf => ($FORM{$form} // die "no form $form") . ($more // '') . $sample);
    $f->{files} = $form =~ /^directory/;
    return $f;
}

sub request { my ($body) = @_; return { method => 'POST', path => '/', body => $body, headers => ['ComplyCube-Signature' => sign($body)] } }

# ---- a receiver on a socket of the test ----

# Listen where the fixture's receiver is looked for.
sub hold {
    my ($f) = @_;
    my $path = $f->path('run/receiver.sock');
    $f->{held} = IO::Socket::UNIX->new(Local => $path, Listen => 512) // die "$path: $!";
    chmod 0777, $path;
    return $path;
}

# Start it on the held socket; before => what is put before the command (strace, say).
sub receiver {
    my ($f, @before) = @_;
    my $log = $f->path('log/receiver.log');
    return Proc->start(cmd => [@before, $f->program], stdin => $f->{held}, stdout => $log, stderr => $log,
        env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config, ASAN_OPTIONS => 'detect_leaks=0' });
}

sub end_receiver { my ($p) = @_; $p->signal('TERM'); $p->ended(10) or $p->stop; return $p->{status} }

# Send it these requests, each over a connection of its own, and get their answers.
sub ask {
    my ($f, @requests) = @_;
    my @sockets = map { connection($f, $_) } @requests;
    return map { FastCgi::answer($_, 20) } @sockets;
}

sub connection {
    my ($f, $request) = @_;
    my $socket = FastCgi::connect_to($f->path('run/receiver.sock')) // die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    print $socket FastCgi::bytes($request);
    $socket->flush;
    return $socket;
}

# ---- what is recorded ----

# By a connection that may write, since what a killed process has begun is to be rolled back. folder: of a copy
sub database {
    my ($path) = @_;
    my $db = DBI->connect("dbi:SQLite:dbname=$path", '', '', { RaiseError => 1, PrintError => 0 });
    $db->sqlite_busy_timeout(20_000);
    $db->do('PRAGMA wal_autocheckpoint = 0');
    return $db;
}

sub sound { my ($path) = @_; return database($path)->selectrow_array('PRAGMA integrity_check') }

# How often each of these bodies is there, as text: "rows of the log, of the inbox (or its files)"; for one that is no
# event: "rows of quarantine".
sub found {
    my ($f, @bodies) = @_;
    my $db = -s $f->database ? database($f->database) : undef;
    my $many = sub { my ($sql, @v) = @_; return eval { ($db->selectrow_array($sql, undef, @v))[0] } // 0 };
    my %file;
    $file{ Fixture::slurp($_) }++ for glob $f->path('home/private/inbox.d/live/new/*');
    return map {
        my $id = event_id($_);
        !defined $id ? $many->('SELECT count(*) FROM quarantine WHERE body = CAST(? AS BLOB)', $_)
            : $many->('SELECT count(*) FROM event_log WHERE event_id = ?', $id) . ' '
            . ($f->{files} ? $file{$_} // 0 : $many->('SELECT count(*) FROM inbox JOIN event_log USING (seq) WHERE event_id = ? AND state = 0', $id));
    } @bodies;
}

# ---- several tasks ----

our $AT_ONCE = () = Fixture::slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;

# Call task->(name) for each name in a process of its own, as many at a time as there are processors, or AT_ONCE: name => what it
# returned, a hash. One that dies gives { died => why }.
sub each_at_once {
    my ($task, @names) = @_;
    my (%pipe, %result);
    while (@names || %pipe) {
        while (@names && keys %pipe < ($AT_ONCE || 1)) {
            my $name = shift @names;
            defined(my $pid = open my $from, '-|') or die "fork: $!";
            _task($task, $name) if !$pid;
            $pipe{$name} = $from;
        }
        my $bits = '';
        vec($bits, fileno $_, 1) = 1 for values %pipe;
        select $bits, undef, undef, undef;
        for my $name (grep { vec $bits, fileno $pipe{$_}, 1 } keys %pipe) {
            my $text = do { local $/; readline $pipe{$name} };
            close delete $pipe{$name};
            $result{$name} = eval { decode_json($text) } // { died => 'no result' };
        }
    }
    return %result;
}

sub _task {
    my ($task, $name) = @_;
    my $result = eval { $task->($name) } // { died => "$@" };
    print STDOUT encode_json($result);
    close STDOUT;
    exit 0;    # by its END blocks, so that its folders go
}

1;
