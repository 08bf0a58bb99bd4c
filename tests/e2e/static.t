#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The static build: it asks for nothing of its host but a kernel, 2.6.32 or later.
use strict;
use warnings;
use Cwd qw(abs_path);
use POSIX ();
use Test::More;
use Api;
use Crash;
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until unprivileged);
use Source qw(listed);
use Tool;

my $bin = $ENV{BIN} // 'build/bin';
plan skip_all => 'make check-static runs it' if $bin !~ m{/static/bin$};
plan skip_all => 'a changed root needs root' if $> != 0 || !unprivileged();
$bin = abs_path($bin);

# ---- what it is ----

for my $name (qw(complycube-webhook complycube-inbox)) {
    my %elf = map { $_ => scalar `LC_ALL=C readelf -W -$_ '$bin/$name' 2>&1` } qw(h l d);
    unlike $elf{l}, qr/\bINTERP\b/, "$name has no interpreter";
    unlike $elf{d}, qr/\(NEEDED\)|\bR(?:UN)?PATH\b|\bTEXTREL\b/, '... and needs no library';
    like $elf{h}, qr/Type:\s+DYN/, '... it is position-independent all the same';
    like $elf{l}, qr/^\s*GNU_RELRO\b/m, '... its relocations become read-only';
    like $elf{l}, qr/^\s*GNU_STACK\b.*\bRW\s/m, '... its stack is not executable';
    unlike $elf{l}, qr/^\s*(?:LOAD|GNU_STACK)\b.*\bRWE\b/m, '... nothing is both written and run';
    cmp_ok -s "$bin/$name", '<', $name =~ /inbox/ ? 6_000_000 : 1_400_000, '... it is no larger than it has to be';
}
my %made = Source::objects('build/static/obj');
my @objects = map { $made{$_} } sort keys %made;
my @plain = grep { `LC_ALL=C readelf --debug-dump=info '$_' 2>/dev/null` !~ /DW_AT_producer.*-fstack-protector-strong/ } @objects;
cmp_ok scalar @objects, '>', 30, 'our objects are found';
is "@plain", '', 'each is made with the strong stack protector';

# ---- a root with nothing in it ----

my $f = Fixture->new;
my %text = (
    'cgi-bin/complycube-webhook.conf' => <<'CONF',
database = "../inbox/inbox.db"
endpoint live { secret_file = "../inbox/secrets" }
CONF
    'inbox/secrets' => "main $SECRET{live}\n",
);
$f->folder($_) for qw(root/cgi-bin);
$f->folder('root/inbox', 0700);
$f->write("root/$_", $text{$_}, /secrets/ ? 0600 : 0644) for keys %text;
$f->install('root/cgi-bin/complycube-webhook.cgi');
$f->install('root/cgi-bin/complycube-inbox', 'complycube-inbox');

# Run a program there: exit code, output, error output. close => numbers of the streams that are closed.
sub inside {
    my ($cmd, %o) = @_;
    my ($in, $out, $err) = map { $f->path("run/$_") } qw(in out err);
    $f->write('run/in', $o{input} // '');
    unlink $out, $err;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my ($uid, $gid) = unprivileged();
        open STDIN, '<', $in or POSIX::_exit(126);
        open STDOUT, '>', $out or POSIX::_exit(126);
        open STDERR, '>', $err or POSIX::_exit(126);
        chroot $f->path('root') and chdir '/cgi-bin' or POSIX::_exit(126);
        $( = $gid;
        $) = "$gid $gid";
        POSIX::setuid($uid);
        POSIX::close($_) for @{ $o{close} // [] };
        %ENV = %{ $o{env} // {} };
        exec { $cmd->[0] } @$cmd or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return ($? & 127 ? "signal $?" : $? >> 8, map { -e $_ ? Fixture::slurp($_) : '' } $out, $err);
}

sub request {
    my ($body, %o) = @_;
    my %env = $body ne '' ? (REQUEST_METHOD => 'POST', CONTENT_LENGTH => length $body, HTTP_COMPLYCUBE_SIGNATURE => sign($body))
        : (REQUEST_METHOD => 'GET');
    return inside([$o{as} // '/cgi-bin/complycube-webhook.cgi'], env => \%env, input => $body, %o);
}
my @tool = ('/cgi-bin/complycube-inbox', '-c', '/cgi-bin/complycube-webhook.conf');
sub stored { my ($code, $out) = inside([@tool, 'list', '--json']); return scalar(() = $out =~ /"event_id"/g) }

is join(' ', sort map { s{.*/}{}r } glob $f->path('root/*')), 'cgi-bin inbox', 'in a root with these two folders alone, and no environment';
my ($code, $out, $err) = request('');
like $out, qr/\bready$/, 'a GET is answered that it is ready' or diag "$code $err";
($code, $out, $err) = request(event());
like $out, qr/^Status: 200.*\{"received":true\}/s, 'a signed event is stored' or diag "$code $out $err";
($code, $out, $err) = request(event(), as => './complycube-webhook.cgi');
like $out, qr/^Status: 200/, '... also by a program that is started by a name without a folder, as suexec does' or diag "$code $out $err";
is stored(), 2, 'the tool lists both';
($code, $out, $err) = inside([@tool, 'init']);
is "$code $err", '0 ', 'init finds all made';
($code, $out, $err) = inside([@tool, 'doctor']);
like $out, qr/^ok\s+secrets/m, 'doctor examines' or diag "$code $out $err";
like $out, qr/^ok\s+inbox\s+2 waiting/m, '... and finds them';
($code, $out, $err) = inside([@tool, 'stats']);
is $code, 0, 'stats has the time without a time zone' or diag $err;

for my $streams ([2], [0, 2], [1, 2], [0, 1, 2]) {
    my $before = stored();
    my $post = grep({ $_ == 0 } @$streams) ? 0 : 1;
    ($code, $out, $err) = request(event(), close => $streams);
    is stored() - $before, $post, "with the streams @$streams closed " . ($post ? 'it is stored' : 'nothing is, since there is no body');
    like $out, $post ? qr/^Status: 200/ : qr/^Status: 400/, '... and answered so' if !grep { $_ == 1 } @$streams;
}
($code, $out, $err) = inside([@tool, 'verify', '--stored']);
is $code, 0, 'nothing was written into the database by its number' or diag "$out $err";
is join('', map { Fixture::slurp($_) } glob $f->path('root/inbox/*.lock')), '', '... nor into its lock';

$f->write('root/cgi-bin/complycube-webhook.conf', "group = \"consumers\"\n$text{'cgi-bin/complycube-webhook.conf'}");
($code, $out, $err) = request('');
like $out, qr/^Status: 503.*not ready: config/s, 'a group by its name cannot be known here: not ready';
like $err, qr/group.*consumers/, '... and the log says which' or diag $err;
($code, $out, $err) = inside([@tool, 'doctor']);
like "$out$err", qr/consumers/, '... doctor too';
$f->write('root/cgi-bin/complycube-webhook.conf', $text{'cgi-bin/complycube-webhook.conf'});

# ---- TLS ----

my $outside = Fixture->new;
my $api = Api->new($outside, tls => 1);
my $authority = Fixture::slurp($outside->path('conf/api-root.pem'));
$f->folder('root/keys', 0700);
$f->write('root/keys/live', "$Api::KEY{live}\n", 0600);
$f->write('root/cgi-bin/api.conf', qq(api = "@{[$api->url]}"\n) . $text{'cgi-bin/complycube-webhook.conf'} =~ s/ \}$/\napi_key_file = "..\/keys\/live" }/mr);
my @by_tls = ('/cgi-bin/complycube-inbox', '-c', '/cgi-bin/api.conf');

for my $ask (['webhooks'], ['reconcile'], ['fetch', 1], ['forward', '--once', $api->url]) {
    ($code, $out, $err) = inside([@by_tls, @$ask]);
    like $err, qr/no CA bundle on this host: install the package ca-certificates, or set SSL_CERT_FILE to a file of CA certificates/,
        "$ask->[0] says what to do without a CA bundle" or diag "$code $out";
    is $code, 9, '... and ends with the code of a setting';
}
($code, $out, $err) = inside([@by_tls, 'doctor', '--url', $api->url]);
like $out =~ s/\s+/ /gr, qr/its certificate cannot be checked: no CA bundle on this host.* set SSL_CERT_FILE to a file/, '... doctor likewise' or diag $out;
is scalar($api->requests), 0, '... and nothing is sent';

my @places = Fixture::slurp("$Fixture::ROOT/src/http/http_authorities.c") =~ m{^    "(/[^"]+)",}mg;
cmp_ok scalar @places, '>', 5, 'the places of CA bundles are known';
for my $place (@places) {
    $f->folder('root' . $place =~ s{/[^/]*$}{}r);
    $f->write("root$place", $authority);
    ($code, $out, $err) = inside([@by_tls, 'webhooks']);
    is $code, 0, "the CA bundle $place is found" or diag "$out$err";
    unlink $f->path("root$place");
}
$f->write('root/inbox/root.pem', $authority);
my $no_groups = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\nGroups = brainpoolP512r1\n";
my %conf = (OPENSSL_CONF => $outside->write('conf/openssl.cnf', $no_groups));
isnt +($outside->run('curl', '-sS', '--cacert', $outside->path('conf/api-root.pem'), $api->url, { env => \%conf }))[0], 0, 'an openssl.cnf that leaves no group of keys keeps curl from the API';
$f->write('root/inbox/openssl.cnf', $no_groups);
($code, $out, $err) = inside([@by_tls, 'webhooks'],
    env => { SSL_CERT_FILE => '/inbox/root.pem', OPENSSL_CONF => '/inbox/openssl.cnf', OPENSSL_MODULES => '/inbox', OPENSSL_ENGINES => '/inbox' });
is $code, 0, '... and is not read here' or diag "$out$err";

# ---- an old kernel ----

# What Linux has learnt since 2.6.32. Each is answered as that kernel would, which also gives its version: OpenSSL asks for it
# before it takes /dev/urandom.
my %SINCE = (
    '2.6.33' => 'recvmmsg', '2.6.36' => 'prlimit64 fanotify_init', '2.6.39' => 'name_to_handle_at open_by_handle_at clock_adjtime syncfs',
    '3.0' => 'sendmmsg setns', '3.2' => 'process_vm_readv process_vm_writev', '3.5' => 'kcmp', '3.14' => 'sched_setattr sched_getattr',
    '3.15' => 'renameat2', '3.17' => 'seccomp getrandom memfd_create', '3.18' => 'bpf', '3.19' => 'execveat',
    '4.3' => 'membarrier userfaultfd', '4.4' => 'mlock2', '4.5' => 'copy_file_range', '4.6' => 'preadv2 pwritev2',
    '4.9' => 'pkey_mprotect', '4.11' => 'statx', '4.18' => 'rseq io_pgetevents', '5.1' => 'pidfd_send_signal io_uring_setup',
    '5.3' => 'clone3 pidfd_open', '5.6' => 'openat2 pidfd_getfd', '5.8' => 'faccessat2', '5.9' => 'close_range',
    '5.11' => 'epoll_pwait2', '5.13' => 'landlock_create_ruleset landlock_add_rule landlock_restrict_self', '5.16' => 'futex_waitv',
);
my $calls = join ',', map { "?$_" } map { split } values %SINCE;
my $refused = $f->folder('run/refused') . '/of';
my @old = ('setarch', (POSIX::uname())[4], '--uname-2.6', 'strace', '-ff', '-qq', '-o', $refused, '-e', "trace=$calls", '-e', "inject=$calls:error=ENOSYS");
sub refused { my %asked = map { $_ => 1 } map { Fixture::slurp($_) =~ /^(\w+)\(.*\(INJECTED\)/mg } glob "$refused.*"; return \%asked }

($code) = $f->run(@old, '/bin/true', { limit => 20 });
SKIP: {
    skip 'strace may not trace here', 1 if $code;
    for my $form (qw(table directory)) {
        my $g = Fixture->new(conf => <<"CONF");
database = "../../private/inbox.db"
inbox = "$form"
directory = "../../private/inbox.d"
endpoint live { secret_file = "../../private/secrets" }
retain = "1d"
CONF
        my @by = ($g->install('run/complycube-inbox', 'complycube-inbox'), '-c', $g->config);
        my $ok = sub {
            my ($name, @cmd) = @_;
            my ($code, $out, $err) = $f->run(@old, @cmd, { limit => 30 });
                is $code, 0, "on an old kernel, in the $form: $name" or diag "$out$err";
            return $out;
        };
        $ok->('init', @by, 'init');
        my @bodies = map { event() } 1 .. 4;
        for my $body (@bodies[0, 1]) {
            my $in = $g->write('run/body', $body);
            my ($code, $out, $err) = $g->run(@old, $g->path('home/public_html/cgi-bin/complycube-webhook.cgi'), { stdin => $in,
                env => { FastCgi::variables({ method => 'POST', path => '/', body => $body, headers => ['ComplyCube-Signature' => sign($body)] }) } });
                like $out, qr/^Status: 200/, "... a CGI request" or diag "$code $err";
        }
        Crash::hold($g);
        my $p = Crash::receiver($g, @old, '-D');
        for my $body (@bodies[2, 3], event(size => 300_000)) {
            my ($answer) = Crash::ask($g, Crash::request($body));
            is $answer->{status}, 200, '... FastCGI, of ' . length($body) . ' bytes' or diag $g->logs;
        }
        Crash::end_receiver($p);
        is $g->counts, $form eq 'table' ? '5 5 0' : '5 0 0', '... all are there';
        $ok->('list', @by, 'list');
        $ok->('verify', @by, qw(verify --stored));
        my $done = $g->path('run/done');
        $ok->('work, through a command', @by, qw(work --once --), '/bin/sh', '-c', "wc -c >>$done; printf 'Status: 200\\n\\n'");
        like Fixture::slurp($done), qr/^(?:\d+\n){5}$/, '... which was given each body';
        $ok->('backup', @by, 'backup', $g->path($form eq 'table' ? 'home/private/copy.db' : 'home/private/copy'));
        $ok->('export', @by, 'export');
        $ok->('prune', @by, 'prune');
        $g->write('conf/key', "$Api::KEY{live}\n", 0600);
        $g->write('conf/api.conf', qq(api = "@{[$api->url]}"\n) . Fixture::slurp($g->config) =~ s{"\.\./\.\./}{"../home/}gr =~ s/ \}$/\napi_key_file = "key" }/mr);
        $ok->('webhooks, by TLS', '/usr/bin/env', 'SSL_CERT_FILE=' . $outside->path('conf/api-root.pem'), $by[0], '-c', $g->path('conf/api.conf'), 'webhooks');
    }
    my @substitutes = qw(getrandom memfd_create renameat2);
    wait_until(sub { my $asked = refused(); !grep { !$asked->{$_} } @substitutes }, 5);
    is_deeply [grep { !refused()->{$_} } @substitutes], [], 'what it has a substitute for was asked for, and refused';
    note 'refused: ' . join ', ', sort keys %{ refused() };
}
$_->finish for $f, $outside;
done_testing;
