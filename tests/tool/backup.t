#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox backup: one file that holds every event acknowledged before it began, whatever the load, in each form
# and journal; and no event is refused for it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use File::Basename qw(basename);
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);
use Deploy;
use Event;
use Fixture;
use Load;
use Proc qw(wait_until);
use Requests;
use Tool;

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $base = $sample =~ s/^\s*(?:inbox|directory|journal)\s*=.*\n//mgr;

sub fixture {
    my ($form, $journal) = @_;
    my $files = $form eq 'directory' ? qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n) : '';
    return Fixture->new(conf => qq(journal = "$journal"\n$files$base));
}

sub opened { return DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', { RaiseError => 1, PrintError => 0 }) }
sub lines { my ($path) = @_; return -e $path ? map { split ' ' } split /\n/, Fixture::slurp($path) =~ s/[^\n]*\z//r : () }

# ---- the file ----
{
    my $f = fixture('table', 'wal');
    is((tool_out($f, 'backup', $f->path('run')))[0], 1, 'without a database there is nothing to copy');
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 5);
    my $file = $f->path('run/saved.db');
    my ($code, $out, $err) = tool_out($f, 'backup', $file);
    is($code, 0, 'a backup into a file') or diag $err;
    is($out, "$file\n5 events, 5 waiting, 0 dead, 0 in quarantine; 0.1 MB, checked\n", 'that says what is in it');
    is(sprintf('%04o', (stat $file)[2] & 07777), '0600', 'only its owner reads it');
    is_deeply([map { basename($_) } glob "$file*"], ['saved.db'], 'it is one file');
    my $db = opened($file);
    is(join(' ', map { $db->selectrow_array("PRAGMA $_") } qw(journal_mode application_id user_version integrity_check)),
        'delete 1128483160 1 ok', 'sound, of this program, and without a log');
    my $bytes = Fixture::slurp($file);
    ($code, $out, $err) = tool_out($f, 'backup', $file);
    is($code, 2, 'a file that is there is refused');
    like($err, qr/is there already; name another file/, 'and it says so');
    is(Fixture::slurp($file), $bytes, 'and not touched');
    ($code, $out) = tool_out($f, 'backup', $f->path('run'), '--json');
    my $json = decode_json($out);
    like($json->{file}, qr{/run/inbox-\d{8}T\d{6}Z\.db$}, 'into a folder: a name with the time');
    is_deeply([@$json{qw(schema events waiting last_seq inbox_without_event)}], [1, 5, 5, 5, 0], 'for a program');
    is((tool_out($f, 'backup', $f->path('nowhere/x.db')))[0], 2, 'a folder that is not there');
    my $folder = $f->path('run/daily/');
    ($code, $out, $err) = tool_out($f, 'backup', $folder);
    is($code, 2, 'a name with a slash behind is a folder');
    like($err, qr/the folder \Q$folder\E is not there; make it: mkdir -m 700 \Q$folder\E/, 'and it says what to do');
    mkdir $folder and chmod 0777, $folder;    # the tool is another user
    is((tool_out($f, 'backup', $folder))[0], 0, 'that works then');
    like(join(' ', map { basename($_) } glob "$folder*"), qr/^inbox-\d{8}T\d{6}Z\.db$/, 'and holds the backup');
    ($code, $out, $err) = tool_out($f, 'backup', "$file/");
    is($code, 2, 'a file with a slash behind is refused');
    like($err, qr/is no folder that can be used: Not a directory; name another/, 'and it says so');
    ($code, $out, $err) = tool_out($f, 'backup', '/proc/x.db');
    is($code, 4, 'a disk without room is found before anything is written');
    like($err, qr/has 0 MB left and \d+ are needed; make room, or name a folder of another disk/, 'with what to do');
    $f->write('run/other.db.tmp', '');
    ($code, $out, $err) = tool_out($f, 'backup', $f->path('run/other.db'));
    is($code, 2, 'what another one is writing is not written over');
    like($err, qr/other\.db\.tmp is there: .* remove it then/, 'and it says so');
    change($f, 'DELETE FROM event_log WHERE seq = 5');
    like((tool_out($f, 'backup', $f->path('run/stray.db')))[1], qr/^1 rows of inbox are of no event/m, 'what was removed by hand shows');

    # A damaged page of the log of events: the copy is not sound, and gets no name.
    $f->write('home/private/inbox.db', '', 0600);
    unlink map { $f->database . $_ } '', '-wal', '-shm';
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 59);
    my $root = opened($f->database)->selectrow_array("SELECT rootpage FROM sqlite_master WHERE name = 'event_log'");
    my $text = Fixture::slurp($f->database);
    substr($text, 4096 * ($root - 1) + 12, 40) = "\xff" x 40;
    $f->write('home/private/inbox.db', $text, 0600);
    ($code, $out, $err) = tool_out($f, 'backup', $f->path('run/damaged.db'));
    is($code, 7, 'a damaged database is found');
    is_deeply([glob $f->path('run/damaged.db*')], [], 'and there is no file');
    $f->finish;
}

# ---- a database by a link: its log is beside the real file ----
for my $form (qw(table directory)) {
    my $f = fixture($form, 'wal');
    $f->folder('home/private/real', 0700);
    my ($link, $real) = ($f->database, $f->path('home/private/real/inbox.db'));
    record($f, resource_event('e1', 'r1', 1));
    rename "$link$_", "$real$_" for '', grep { -e "$link$_" } qw(-wal -shm);
    unlink glob "$link*";
    symlink 'real/inbox.db', $link or die "symlink: $!";
    my $reader = opened($real);
    $reader->do('BEGIN');
    $reader->selectrow_array('SELECT count(*) FROM event_log');
    record($f, map { resource_event("e$_", "r$_", $_) } 2 .. 3);
    is(($f->cgi(signed('{"id":"broken"')))[0]{status}, 202, "$form: something is put aside");
    ok(-s "$real-wal", 'a reader keeps the log beside the real file');
    ok(-e "$real.lock" && !-e "$link.lock", 'and so is the lock');
    my $file = $f->path('run/linked.db');
    my ($code, $out, $err) = tool_out($f, 'backup', $file);
    is($code, 0, 'a backup of it') or diag $err;
    is(opened($file)->selectrow_array('SELECT count(*) FROM event_log') . ' ' . opened($file)->selectrow_array('SELECT count(*) FROM quarantine'),
        '3 1', 'holds what is in the log, too');
    $reader->disconnect;
    record($f, resource_event('e4', 'r4', 4));
    my $ino = (stat $real)[1];
    ($code, $out, $err) = tool_out($f, 'restore', $file);
    is($code, 0, 'a restore') or diag $err;
    is(readlink $link, 'real/inbox.db', 'leaves the link a link');
    isnt((stat $real)[1], $ino, 'and replaces the real file');
    is(scalar(() = glob "$real.before-*[0-9Z]"), 1, 'the older one beside it');
    record($f, resource_event('e5', 'r5', 5));
    is(join(' ', @{ opened($real)->selectcol_arrayref('SELECT event_id FROM event_log ORDER BY seq') }), 'e1 e2 e3 e4 e5', 'and all goes on there');
    is_deeply([map { basename($_) } glob "$link*"], ['inbox.db'], 'nothing is beside the link');
    $f->finish;
}

# ---- under load ----

# Send events one after the other until told to stop; each id goes into a file once it is acknowledged.
sub sender {
    my ($f, $d, $name) = @_;
    my $log = $f->path("run/acked-$name");
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open my $out, '>>', $log or POSIX::_exit(1);
        for (my $n = 1; !-e "$log.end"; $n++) {
            my $body = event(id => "$name-$n");
            my $answer = eval { $d->{client}->(signed($body, method => 'POST', path => $d->{url})) } // { status => 0 };
            syswrite $out, $answer->{status} == 200 ? "$name-$n\n" : "refused:$answer->{status}\n";
        }
        POSIX::_exit(0);
    }
    return { pid => $pid, log => $log };
}

# As many requests as the receiver can take, by wrk, from a process of its own: a line of what came of it.
sub load {
    my ($f, $d, $seconds) = @_;
    my $out = $f->path('run/load');
    my $pid = fork // die "fork: $!";
    return { pid => $pid, log => $out } if $pid;
    my $r = eval { Load::run(port => $d->{port}, connections => 16, seconds => $seconds, file => $f->path('run/requests'), pids => sub { () }) };
    open my $to, '>', $out or POSIX::_exit(1);
    print $to $r ? "$r->{requests} $r->{errors} $r->{broken}\n" : "failed $@\n";
    close $to;
    POSIX::_exit(0);
}

# A worker: what it did is in its log before it is told done. It does as many as the file run/may says, however slow all else is.
sub worker {
    my ($f) = @_;
    my $box = $f->path('home/private') . ($f->{form} eq 'directory' ? '/inbox.d' : '/inbox.db');
    my $may = $f->write('run/may', 0);
    $f->copy('consumers/perl/ComplyCubeInbox.pm', 'run/ComplyCubeInbox.pm');
    $f->write('run/worker', <<"PERL");
use lib '@{[$f->path('run')]}';
use ComplyCubeInbox;
\$| = 1;
my \$on = 1;
\$SIG{TERM} = sub { \$on = 0 };
my \$inbox = ComplyCubeInbox->new('$box', endpoint => 'live');
my \$done = 0;
sub may { open my \$f, '<', '$may' or die; return <\$f> // 0 }
sub pause { select undef, undef, undef, 0.02 }
while (\$on) { \$inbox->each(sub { pause() while \$on && \$done >= may(); \$done++; print "\$_[0]{event_id}\\n"; pause() }) or pause() }
PERL
    my $log = $f->path('run/done');
    $f->write('run/done', '');
    my $p = Proc->start(cmd => ['perl', $f->path('run/worker')], stdout => $log, stderr => $f->path('log/worker.log'));
    push @{ $f->{procs} }, $p;
    return { proc => $p, log => $log };
}

# The ids that a restored inbox would hand on, and those that its log knows.
sub held_by {
    my ($g) = @_;
    my %known = map { $_->[0] => 1 } @{ $g->rows('SELECT event_id FROM event_log') };
    my (undef, $out) = tool_out($g, 'list', '--json', '--state', 'waiting', '--limit', 1000000);
    my %waiting = map { decode_json($_)->{event_id} => 1 } split /\n/, $out;
    return (\%known, \%waiting);
}

for my $kind (['table', 'wal'], ['directory', 'wal'], ['table', 'delete']) {
    my ($form, $journal) = @$kind;
    subtest "backups under load: $form, journal $journal" => sub {
        my $f = fixture($form, $journal);
        $f->{form} = $form;
        my $d = deploy($f, 'lighttpd to spawn-fcgi');
        Load::prepare($f->path('run/requests'), 1, 40_000);
        chmod 0644, $f->path('run/requests');
        is($d->{client}->(signed(event(), method => 'POST', path => $d->{url}))->{status}, 200, 'the receiver answers');
        is($f->value('PRAGMA journal_mode'), $journal, "in journal mode $journal");
        my @senders = map { sender($f, $d, "s$_") } 1, 2;
        my $worker = worker($f);
        my $load = load($f, $d, 6);
        my @backups;
        for my $n (1 .. 3) {
            $f->write('run/may', 6 * $n);    # fewer than will have been acknowledged
            sleep 0.3 while grep { (() = lines($_->{log})) < 5 * $n } @senders;
            my @acked = map { lines($_->{log}) } @senders;
            my ($code, $out, $err) = tool_out($f, 'backup', $f->path("run/saved-$n.db"));
            is($code, 0, "backup $n") or diag $err;
            push @backups, [$f->path("run/saved-$n.db"), { map { $_ => 1 } lines($worker->{log}) }, @acked];
        }
        waitpid $load->{pid}, 0;
        for (1, 2) { $f->write("run/acked-s$_.end", ''); waitpid $senders[$_ - 1]{pid}, 0 }
        $worker->{proc}->stop;
        my ($requests, $errors, $broken) = split ' ', Fixture::slurp($load->{log});
        note "$requests requests, ", join ' ', map { scalar @$_ - 2 } @backups;
        cmp_ok($requests, '>', 50, 'there was load');
        is("$errors $broken", '0 0', 'every answer of it was a 2xx');
        is_deeply([grep { /^refused/ } map { lines($_->{log}) } @senders], [], 'and every other');
        cmp_ok(scalar(() = lines($worker->{log})), '>', 5, 'a worker was at work') if $journal eq 'wal';    # else it may not get its turn
        for my $b (@backups) {
            my ($file, $done, @acked) = @$b;
            my $g = fixture($form, $journal);
            my ($code, $out, $err) = tool_out($g, 'restore', $file, '--requeue');
            is($code, 0, basename($file) . ' is restored elsewhere') or diag $err;
            my ($known, $waiting) = held_by($g);
            cmp_ok(scalar @acked, '>', 5, 'events had been acknowledged before it began');
            is_deeply([grep { !$known->{$_} } @acked], [], 'it knows each of them');
            my @untouched = grep { !$done->{$_} } @acked;
            cmp_ok(scalar @untouched, '>', 0, 'of some of which no worker had heard when it was over');
            is_deeply([grep { !$waiting->{$_} } @untouched], [], 'these wait');
            $g->finish;
        }
        $f->finish;
    };
}
done_testing;
