#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Least privilege: what a receiver has confined itself to holds against who controls its code (attacker.c, in its place);
# nothing it needs is denied, in any form and under any fault that is healed without a restart; no secret stays in its memory;
# where the kernel lacks a layer it serves all the same, and says so; and what it makes has its mode, whatever the umask.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(%FORM fixture request hold receiver end_receiver ask found);
use Cwd qw(abs_path);
use Event;
use FastCgi;
use Fixture;
use IO::Socket::UNIX;
use Proc qw(wait_until unprivileged);
use Test::More;

Crash::in_memory();
my $BIN = abs_path($ENV{BIN} // "$Fixture::ROOT/build/bin");
my $status = sub { my ($p) = @_; return Fixture::slurp('/proc/' . $p->pid . '/status') };
my $root = $> == 0 && unprivileged();

sub log_of { my ($f) = @_; return Fixture::slurp($f->path('log/receiver.log')) }

sub confined { my ($p) = @_; return wait_until(sub { $status->($p) =~ /^Seccomp:\s+2$/m }, 5) }

# ---- who controls the code ----

# The secrets and the log lie in folders that have other files, which are none of the receiver's.
sub with_neighbours {
    my ($form) = @_;
    my $f = fixture($form, qq(log = "../../logs/receiver.log"\n));
    $f->folder("home/$_", 0700) for qw(keys logs);
    rename $f->path('home/private/secrets'), $f->path('home/keys/secrets') or die $!;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($f->config) =~ s{private/secrets("?)}{keys/secrets$1\n    api_key_file = "../../keys/api-key.live"\n}r);
    $f->write('home/keys/api-key.live', "a key of the vendor's interface\n", 0600);
    $f->write('home/logs/other.log', "a line of another program\n", 0600);
    return $f;
}

sub attack {
    my ($form, $way) = @_;
    my $f = with_neighbours($form);
    my $outside = $f->folder('home/outside');
    $f->write('home/outside/other', "another's\n", 0600);
    my $victim = Proc->start(cmd => ['sleep', '60']);
    $f->install('run/attacker', "$BIN/../attacker");
    my ($code, $out, $err) = $f->run($f->path('run/attacker'), $f->config, $outside, $victim->pid, $way);
    is($code, 0, "$form, $way: what is outside cannot be reached, what is needed can") or diag $out =~ /^not ok.*/mg ? join "\n", $out =~ /^(not ok.*|#.*)$/mg : $out, $err;
    cmp_ok(scalar(() = $out =~ /^ok /mg), '>', 120, 'each way that was tried is told');
    like($out, qr/^1\.\.\d+$/m, 'it came to its end, so nothing else was run in its place');
    ok(!$victim->ended(0), 'a process of the same user lives on');
    is(Fixture::slurp($f->path('home/outside/other')), "another's\n", 'and a file of its user is as it was');
    is(Fixture::slurp($f->path('home/logs/other.log')), "a line of another program\n", 'so is the one beside its log');
    $f->finish;
}

# ---- ordinary service ----

# The calls that were denied after it had confined itself, as strace saw them.
sub denied {
    my ($f, $trace) = @_;
    my ($confined, %denied) = (0);
    for (split /\n/, Fixture::slurp($trace)) {
        $confined ||= /\bseccomp\(SECCOMP_SET_MODE_FILTER/;
        $denied{$_}++ if $confined && /= -1 (?:ENOSYS|EPERM|EACCES|EXDEV)/;
    }
    return $confined ? join("\n", sort keys %denied) : 'it did not confine itself';
}

sub serve {
    my ($form) = @_;
    my $f = fixture($form, 'log = "../../../log/own/receiver.log"' . "\n");
    my $trace = $f->write('log/trace', '', 0666);
    $f->folder('log/own');
    hold($f);
    my $p = receiver($f, 'strace', '-D', '-f', '-qq', '-o', $trace);
    my $ok = sub { my ($what) = @_; my $body = event(); my ($a) = ask($f, request($body)); is($a->{status}, 200, "$form: $what") or diag log_of($f), Fixture::slurp($f->path('log/own/receiver.log')) };
    $ok->('an event is stored');
    my ($refused) = ask($f, { %{ request(event()) }, body => event() });
    is($refused->{status}, 400, "$form: a forged one is refused");
    my $large = event(size => 300_000);
    is((ask($f, request($large)))[0]{status}, 200, "$form: a large one is stored");
    rename $f->path('log/own/receiver.log'), $f->path('log/own/receiver.log.1');
    $p->signal('HUP');
    ok(wait_until(sub { -e $f->path('log/own/receiver.log') }, 5), "$form: the log is rotated");
    $f->secrets('secrets.new', "main $SECRET{live}\nnew another-secret-of-the-tests\n");
    rename $f->path('home/private/secrets.new'), $f->path('home/private/secrets');
    ok(wait_until(sub { my ($a) = ask($f, signed_with(event(), 'another-secret-of-the-tests')); $a->{status} == 200 }, 5),
        "$form: a secret file that is replaced is read");
    unlink glob $f->database . '*';
    $ok->('after the database was deleted it is made anew');
    ok(scalar(my @saved = glob $f->database . '.deleted-*'), "$form: and what was in it is saved");
    system 'rm', '-rf', $f->path('home/private/inbox.d');
    $ok->('after its inbox was deleted') if $form =~ /^directory/;
    end_receiver($p);
    is(denied($f, $trace), '', "$form: no call of its own was denied");
    $f->finish;
}

sub signed_with { my ($body, $secret) = @_; return { %{ request($body) }, headers => ['ComplyCube-Signature' => sign($body, $secret)] } }

sub cgi_trace {
    my ($form) = @_;
    my $f = fixture($form);
    my $trace = $f->write('log/trace', '', 0666);
    for (1 .. 2) {
        my $body = event();
        my %env = (FastCgi::variables(request($body)), COMPLYCUBE_WEBHOOK_CONFIG => $f->config);
        my (undef, $out) = $f->run('strace', '-D', '-f', '-qq', '-o', $trace, $f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), { env => \%env, input => $body });
        like($out, qr/"received":true/, "$form: a CGI stores an event");
        wait_until(sub { Fixture::slurp($trace) =~ /\bexit_group\(/ }, 5);
        is(denied($f, $trace), '', "$form: and none of its calls was denied");
    }
    $f->finish;
}

# ---- a kernel that has less ----

sub lacks {
    my ($what, $call, $error, $word) = @_;
    my $f = fixture('table, WAL');
    hold($f);
    my $p = receiver($f, 'strace', '-D', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:error=$error");
    is((ask($f, request(event())))[0]{status}, 200, "a kernel without $what: events are stored");
    ask($f, request(event())) for 1 .. 3;
    is(scalar(() = log_of($f) =~ /code=sandbox without=$word msg=/g), 1, 'and it is said once');
    end_receiver($p);
    $f->finish;
}

# ---- a configuration that leads elsewhere ----

sub elsewhere {
    my $f = fixture('table, WAL');
    my $config = Fixture::slurp($f->config);
    $f->folder('home/elsewhere', 0700);
    hold($f);
    my $p = receiver($f);
    is((ask($f, request(event())))[0]{status}, 200, 'an event is stored');
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $config =~ s{private/inbox\.db}{elsewhere/inbox.db}r);
    ok(wait_until(sub { ask($f, request(event())); log_of($f) =~ /restart it:/ }, 8), 'a database outside of its folders: the log says, restart it');
    ask($f, request(event())) for 1 .. 5;
    is(scalar(() = log_of($f) =~ /restart it:/g), 1, 'once');
    is((ask($f, request(event())))[0]{status}, 200, 'the old configuration stays in force');
    end_receiver($p);
    my $new = receiver($f);
    is((ask($f, request(event())))[0]{status}, 200, 'a new process stores');
    ok(-s $f->path('home/elsewhere/inbox.db'), 'where the new configuration says');
    end_receiver($new);
    $f->finish;
}

sub heals {
    my $f = fixture('table, WAL');
    my $config = Fixture::slurp($f->config);
    rename $f->path('home/private'), $f->path('home/later');
    hold($f);
    my $p = receiver($f);
    ok(confined($p), 'without a usable configuration the calls are confined at once');
    is((ask($f, request(event())))[0]{status}, 500, 'and an event is answered with 500');
    rename $f->path('home/later'), $f->path('home/private');
    ok(wait_until(sub { (ask($f, request(event())))[0]{status} == 200 }, 8), 'once its folder is there it stores');
    $f->folder('home/elsewhere', 0700);
    ask($f, request(event()));
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $config =~ s{private/inbox\.db}{elsewhere/inbox.db}r);
    ok(wait_until(sub { ask($f, request(event())); log_of($f) =~ /restart it:/ }, 8), 'and has confined itself to it by then');
    end_receiver($p);
    $f->finish;
}

# ---- a folder that was replaced ----

# Moved away and copied back, or mounted anew: to Landlock it is another one, and only a new process reaches it.
sub replaced {
    my $f = fixture('table, WAL');
    hold($f);
    my $p = receiver($f);
    is((ask($f, request(event())))[0]{status}, 200, 'an event is stored');
    rename $f->path('home/private'), $f->path('home/old') or die $!;
    system 'cp', '-a', $f->path('home/old'), $f->path('home/private');
    my $body = event();
    is((ask($f, request($body)))[0]{status}, 503, 'the folder of the database was replaced: an event is to come again');
    ok($p->ended(10), 'the receiver ends, so that whoever started it starts it again');
    is($p->exit_code, 0, '... as after TERM');
    like(log_of($f), qr/restart it: .*was replaced/, '... and says why');
    my $new = receiver($f);
    is((ask($f, request($body)))[0]{status}, 200, 'the next one stores it');
    end_receiver($new);

    my $spool = $f->folder('home/spool', 0700);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(spool = "../../spool"\n) . Fixture::slurp($f->config));
    $p = receiver($f);
    my $get = sub { my ($a) = ask($f, { method => 'GET', path => '/' }); return $a->{body} };
    is($get->(), "ready", 'with a spool it is ready');
    rename $spool, "$spool.old" or die $!;
    $f->folder('home/spool', 0700);
    is($get->(), "not ready: config", 'once the spool was replaced a GET tells of it');
    is((ask($f, request(event())))[0]{status}, 200, '... and events are stored all the same');
    end_receiver($p);
    $f->finish;
}

# ---- files with neighbours ----

# Each is within reach alone. What takes its place is taken up by the next process, and no event is lost meanwhile.
sub beside_others {
    my $f = with_neighbours('table, WAL');
    my (undef, $said) = $f->run($f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), '-n', { env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
    like($said, qr/^  Landlock +version \d+, without their folders: receiver\.log, secrets$/m, '-n names them') if $said !~ /Landlock +absent/;
    my $log = $f->path('home/logs/receiver.log');
    hold($f);
    my $ok = sub { my ($what, $request) = @_; is((ask($f, $request // request(event())))[0]{status}, 200, $what) or diag Fixture::slurp($log) };
    my $ends = sub {
        my ($p, $what) = @_;
        ok($p->ended(10), "$what: the receiver ends, so that whoever started it starts it again") or $p->stop;
        is($p->exit_code, 0, '... as after TERM');
        return receiver($f);
    };
    my $p = receiver($f);
    $ok->('an event is stored');

    system 'sh', '-c', 'cp "$1" "$1.1" && : >"$1"', 'sh', $log;
    $p->signal('HUP');
    $ok->('a log that was copied and emptied: it goes on');
    ok(wait_until(sub { Fixture::slurp($log) =~ /code=stored/ }, 5), '... in the same file');

    rename $log, "$log.2" or die $!;
    $p->signal('HUP');
    $ok->('a log that was moved away: an event is stored');
    $p = $ends->($p, '... then');
    $ok->('the next one stores');
    ok(wait_until(sub { -e $log && Fixture::slurp($log) =~ /code=stored/ }, 5), '... and has made a new log');

    my $new = 'another-secret-of-the-tests';
    $f->secrets('secrets.new', "main $SECRET{live}\nnew $new\n");
    rename $f->path('home/private/secrets.new'), $f->path('home/keys/secrets') or die $!;
    ok(wait_until(sub { $p->ended(0) || (ask($f, request(event())))[0]{status} != 200 || $p->ended(0.05) }, 10), 'a secret file was replaced');
    $p = $ends->($p, 'a secret file that was replaced');
    $ok->('the next one reads the new secret', signed_with(event(), $new));
    like(Fixture::slurp($log), qr{restart it: \S+/keys/secrets is nothing that this process}, '... and the log says why');

    unlink $f->path('home/keys/api-key.live');
    end_receiver($p);
    $p = receiver($f);
    (undef, $said) = $f->run($f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), '-n', { env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
    unlike($said, qr/without their folders: .*secrets/, 'without its neighbour the file of the secrets is not named');
    $ok->('without such a neighbour an event is stored');
    $f->secrets('secrets.new', "main $SECRET{live}\nnewer $new-2\n");
    rename $f->path('home/private/secrets.new'), $f->path('home/keys/secrets') or die $!;
    ok(wait_until(sub { (ask($f, signed_with(event(), "$new-2")))[0]{status} == 200 }, 8), '... and a secret file that is replaced is read by the same process');
    ok(!$p->ended(0), '... which lives on');
    end_receiver($p);
    $f->finish;
}

# ---- secrets ----

# Everything in the memory of a process that looks like one of these.
sub found_in_memory {
    my ($pid, @secrets) = @_;
    no warnings 'portable';
    my @wanted = map { my $s = $_; ($s, $s ^ (chr(0x36) x length $s), $s ^ (chr(0x5c) x length $s)) } @secrets;
    my ($all, %found) = (0);
    open my $mem, '<:raw', "/proc/$pid/mem" or return "no memory: $!";
    for (split /\n/, Fixture::slurp("/proc/$pid/maps")) {
        my ($from, $to, $what) = /^(\w+)-(\w+) r\S+ \S+ \S+ \S+\s*(.*)/ or next;
        next if $what =~ /^\[v/;
        sysseek $mem, hex $from, 0 or next;
        my $n = sysread $mem, my $bytes, hex($to) - hex $from;
        $all += $n // 0;
        next if !$n;
        index($bytes, $_) >= 0 and $found{"$what at " . (index $bytes, $_)} = 1 for @wanted;
    }
    return $all < 1 << 20 ? "only $all bytes" : join ', ', sort keys %found;
}

sub forgets {
    my $f = fixture('table, WAL');
    hold($f);
    my $p = receiver($f);
    my $new = 'a-new-secret-of-the-tests-0123456789';
    is((ask($f, request(event())))[0]{status}, 200, 'an event is stored');
    is(found_in_memory($p->pid, $SECRET{live}), '', 'the secret is nowhere in the memory of the receiver');
    $f->secrets('secrets', "main $SECRET{live}\nnew $new\n");
    ok(wait_until(sub { (ask($f, signed_with(event(), $new)))[0]{status} == 200 }, 5), 'a new one is read');
    is(found_in_memory($p->pid, $SECRET{live}, $new), '', 'nor is it then, nor the new one');
    $f->secrets('secrets', "new $new\n");
    ok(wait_until(sub { ask($f, request(event())); log_of($f) =~ /secret-vanished/ }, 5), 'the old one vanishes, and counts a while longer');
    is((ask($f, request(event())))[0]{status}, 200, 'by its key alone');
    is(found_in_memory($p->pid, $SECRET{live}, $new), '', 'the secret is nowhere still');
    $f->secrets('secrets', 'new ' . substr $new, 0, 12);
    ask($f, signed_with(event(), $new)) for 1 .. 3;
    my @half = map { (ask($f, signed_with(event(), $new)))[0]{status} } 1 .. 3;
    is("@half", '200 200 200', 'half of one in its file does not take its place');
    ok(index(log_of($f), $new) < 0, 'none is in the log');
    end_receiver($p);

    my %env = (COMPLYCUBE_WEBHOOK_SECRET => $new, COMPLYCUBE_WEBHOOK_DATABASE => $f->database, REDIRECT_COMPLYCUBE_WEBHOOK_SECRET => $new);
    my $log = $f->path('log/environment.log');
    my $e = Proc->start(cmd => [$f->program], stdin => $f->{held}, stdout => $log, stderr => $log, env => \%env);
    is((ask($f, signed_with(event(), $new)))[0]{status}, 200, 'with the secret in its environment an event is stored');
    is(found_in_memory($e->pid, $new), '', 'it is nowhere in its memory either');
    ok(index(Fixture::slurp('/proc/' . $e->pid . '/environ'), $new) < 0, 'and not in /proc/PID/environ');
    unlink glob $f->database . '*';
    is((ask($f, signed_with(event(), $new)))[0]{status}, 200, 'and it goes on with its key');
    end_receiver($e);

    pipe my $in, my $out;
    my %cgi = (%env, FastCgi::variables(request('x')));
    my $c = Proc->start(cmd => [$f->path('home/public_html/cgi-bin/complycube-webhook.cgi')], stdin => $in, env => \%cgi, stdout => $log);
    ok(confined($c), 'a CGI has confined itself before it reads its request');
    is(found_in_memory($c->pid, $new), '', 'and holds no secret');
    close $out;
    close $in;
    $c->ended(10);
    $f->finish;
}

# ---- whoever has connected ----

sub connected {
    my $f = fixture('table, WAL');
    hold($f);
    my $p = receiver($f);
    my $body = event();
    my $r = request($body);
    my %forged = (COMPLYCUBE_WEBHOOK_CONFIG => '/etc/passwd', COMPLYCUBE_WEBHOOK_SECRET => 'x' x 20, COMPLYCUBE_WEBHOOK_DATABASE => '/tmp/x.db',
        SCRIPT_FILENAME => '/etc/passwd', PATH_TRANSLATED => '/etc/passwd', LD_PRELOAD => '/tmp/x.so', SQLITE_TMPDIR => '/etc', TZ => '/etc/passwd');
    my %v = (FastCgi::variables($r), %forged, HTTP_COMPLYCUBE_SIGNATURE => sign($body, 'x' x 20));
    my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
    print $socket FastCgi::record('begin', pack 'nCx5', 1, 0), FastCgi::stream('params', FastCgi::params(%v)), FastCgi::stream('stdin', $body);
    $socket->flush;
    my $answer = FastCgi::answer($socket);
    is($answer->{status}, 400, 'who has connected cannot give it another configuration');
    unlike($answer->{body} . $answer->{log}, qr/root:/, 'and reads no file through it');
    is((ask($f, $r))[0]{status}, 200, 'it goes on');
    like($status->($p), qr/^NoNewPrivs:\s+1$/m, 'it can gain no privilege');
    like($status->($p), qr/^Seccomp:\s+2$/m, 'and its calls are confined');
    like(Fixture::slurp('/proc/' . $p->pid . '/limits'), qr/^Max core file size\s+0\s+0\s/m, 'it leaves no core');
    if ($root) {
        my @elsewhere = grep { !m{^(?:socket:|anon_inode:|/memfd:body)} && index($_, $f->path) != 0 && $_ ne '/dev/null' }
            map { readlink($_) // () } glob '/proc/' . $p->pid . '/fd/*';
        is("@elsewhere", '', 'nothing is open but what it needs');
        is((stat '/proc/' . $p->pid . '/mem')[4], 0, 'another process of its user cannot look into it') if !Fixture::sanitized();
    }
    end_receiver($p);
    $f->finish;
}

# ---- modes ----

sub modes {
    my ($umask, $group) = @_;
    my $name = (getgrgid((unprivileged())[1] // $)))[0];
    my $f = fixture('directory, WAL', 'log = "../../../log/own/receiver.log"' . "\n" . ($group ? qq(group = "$name"\n) : ''));
    $f->folder('log/own');
    hold($f);
    my $p = receiver($f, 'sh', '-c', sprintf('umask %04o; exec "$@"', $umask), 'sh');
    my $body = event();
    my ($a, $b) = ask($f, request($body), { %{ request(event()) }, body => 'forged' });
    is($a->{status}, 200, sprintf 'umask %04o%s: an event is stored', $umask, $group ? ' with a group' : '');
    my $own = $f->database . ($group ? '.own/inbox.db' : '');
    wait_until(sub { -e "$own.refused" }, 5);
    my $mode = sub { my ($path) = @_; my @found = glob $path; return join ' ', map { sprintf '%04o', (stat $_)[2] & 07777 } @found ? $found[0] : () };
    my $file = $group ? '0660' : '0600';
    is($mode->($f->database . $_), $file, "the database$_ has mode $file") for '', '-wal', '-shm';
    is($mode->("$own$_->[0]"), $_->[1], "the receiver's own $_->[0] has mode $_->[1]") for ['.lock', '0600'], ['.refused', $group ? '0640' : '0600'];
    is($mode->($f->path("home/private/inbox.d$_")), $group ? '2770' : '0700', "the folder inbox.d$_") for '', map { "/live$_" } '', qw(/tmp /new /cur /done /dead);
    is($mode->($f->path('home/private/inbox.d/live/new/*')), $group ? '0640' : '0600', 'an event');
    is($mode->($f->path('log/own/receiver.log')), '0640', 'the log');
    end_receiver($p);
    $f->finish;
}

# ---- the system's log ----

# A receiver whose /dev is a folder of the fixture, with its log there.
sub syslog {
    local $ENV{TMPDIR} = '/tmp';    # not below /dev
    my $f = fixture('table, WAL', qq(log = "syslog"\n));
    my $dev = $f->folder('dev', 0755);
    $f->write("dev/$_", '') for qw(null urandom);
    my $system = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dev/log") or die "$dev/log: $!";
    chmod 0666, "$dev/log";
    $system->blocking(0);
    my $heard = sub { my ($what) = @_; return wait_until(sub { sysread $system, my $line, 4096; ($line // '') =~ $what }, 5) };
    my ($uid, $gid) = unprivileged();
    my $mounts = "for f in null urandom; do mount --bind /dev/\$f $dev/\$f; done; mount --rbind $dev /dev;"
        . qq( exec setpriv --reuid=$uid --regid=$gid --clear-groups "\$@");
    hold($f);
    my $log = $f->path('log/receiver.log');
    my $p = Proc->start(root => 1, cmd => ['unshare', '-m', 'sh', '-c', $mounts, 'sh', $f->program], stdin => $f->{held},
        stdout => $log, stderr => $log, env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config });
    is((ask($f, request(event())))[0]{status}, 200, 'an event is stored');
    ok($heard->(qr/^<30>complycube-webhook\[\d+\]: time=\S+ level=info code=stored /), "the system's log hears of it");
    like($status->($p), qr/^Seccomp:\s+2$/m, 'from a receiver that is confined');
    close $system;
    is((ask($f, request(event())))[0]{status}, 200, 'when that log goes away events are stored all the same');
    ok(wait_until(sub { log_of($f) =~ /code=stored/ }, 5), 'and told of on standard error');
    is((ask($f, request(event())))[0]{status}, 200, 'again');
    end_receiver($p);
    $f->finish;
}

SKIP: {
    skip 'sanitizers need what the sandbox forbids', 1 if Fixture::sanitized();
    subtest 'who controls its code' => sub { attack('table, WAL', 'fcgi'); attack('directory, rollback journal', 'cgi') };
}
my $strace = (Proc->run(cmd => ['strace', '-o', '/dev/null', 'true'], tmp => '/tmp'))[0];
SKIP: {
    skip 'strace may not trace here', 1 if !defined $strace || $strace != 0;
    subtest 'ordinary service, FastCGI' => sub { serve($_) for 'table, WAL', 'table, rollback journal', 'directory, WAL' };
    subtest 'ordinary service, CGI' => sub { cgi_trace($_) for 'table, rollback journal', 'directory, WAL' };
    subtest 'a kernel that has less' => sub { lacks('Landlock', 'landlock_create_ruleset', 'ENOSYS', 'Landlock'); lacks('seccomp', 'seccomp', 'EINVAL', 'seccomp') };
}
subtest 'a configuration that leads elsewhere' => \&elsewhere;
subtest 'it heals, and confines itself then' => \&heals;
subtest 'a folder that was replaced' => \&replaced if !Fixture::sanitized();    # they may read all
subtest 'files that have neighbours' => \&beside_others if !Fixture::sanitized();
subtest 'who has connected' => \&connected;
SKIP: {
    skip 'only root reads the memory of a process that is not dumpable', 1 if !$root || Fixture::sanitized();
    subtest 'secrets' => \&forgets;
}
SKIP: {
    skip 'only root makes a /dev of its own', 1 if !$root || (Proc->run(cmd => ['unshare', '-m', 'true'], tmp => '/tmp', root => 1))[0];
    subtest "the system's log" => \&syslog;
}
subtest 'modes' => sub { modes(0777, 0); modes(0, 0); modes(0, 1) };
done_testing;
