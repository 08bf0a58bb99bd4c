# SPDX-License-Identifier: MIT
# One installation in a temporary folder: receiver, configuration, secrets, database, logs. KEEP=1 keeps it.
package Fixture;
use strict;
use warnings;
use Cwd qw(abs_path);
use DBI;
use DBD::SQLite::Constants ':file_open';
use File::Basename qw(basename dirname);
use File::Copy ();
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Event;
use FastCgi;
use Http;
use Proc qw(wait_until unprivileged);
use Source ();

our $ROOT = abs_path(dirname(__FILE__) . '/../..');
my $BIN = abs_path($ENV{BIN} // "$ROOT/build/bin") // 'build/bin';

my $ENDPOINTS = <<'CONF';
endpoint sandbox { secret_file = "../../private/secrets.sandbox" }
endpoint narrow {
    secret_file = "../../private/secrets.narrow"
    events = {"check.completed"}
}
CONF

# What the shipped sample lacks for Requests.pm.
sub endpoints { return $ENDPOINTS }

# conf => text instead of the shipped sample and two more endpoints
sub new {
    my ($class, %o) = @_;
    my $dir = tempdir('cw-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
    note "kept: $dir" if $ENV{KEEP};
    my $self = bless { dir => $dir, procs => [] }, $class;
    $self->_own($dir, 0755);
    $self->folder($_) for qw(home/public_html/cgi-bin log run www conf);
    $self->folder('home/private', 0700);
    $self->install("home/public_html/cgi-bin/complycube-webhook.$_") for qw(cgi fcgi);
    $self->write('home/public_html/cgi-bin/.htaccess', slurp("$ROOT/cgi-bin/.htaccess"));
    my $sample = slurp("$ROOT/cgi-bin/complycube-webhook.conf.sample");
    $self->write('home/public_html/cgi-bin/complycube-webhook.conf', $o{conf} // "$sample$ENDPOINTS");
    $self->secrets('secrets', "# the live webhook\nmain $SECRET{live}\nformer $SECRET{retired} retired\n");
    $self->secrets("secrets.$_", "$SECRET{$_}\n") for qw(sandbox narrow);
    return $self;
}

# Whether the programs under test were built with SAN=1.
sub sanitized { return $BIN =~ m{/san/} }

# Whether they were built with STATIC=1.
sub static { return $BIN =~ m{/static/} }

# The tool that has noise for each error message.
sub garbled_tool { return dirname($BIN) . '/garbled/complycube-inbox' }

sub slurp { my ($path) = @_; open my $f, '<:raw', $path or die "$path: $!"; local $/; return <$f> // '' }

sub path { my ($self, $name) = @_; return defined $name ? "$self->{dir}/$name" : $self->{dir} }
sub config { $_[0]->path('home/public_html/cgi-bin/complycube-webhook.conf') }
# What the servers start: the receiver, or what stands in its place in a benchmark.
sub program { $_[0]{program} // $_[0]->path('home/public_html/cgi-bin/complycube-webhook.fcgi') }
sub database { $_[0]->path('home/private/inbox.db') }
sub secrets { my ($self, $name, $text) = @_; return $self->write("home/private/$name", $text, 0600) }

sub _own {
    my ($self, $path, $mode) = @_;
    my @user = unprivileged();
    chown @user, $path if @user;
    chmod $mode, $path;
    return $path;
}

sub folder {
    my ($self, $name, $mode) = @_;
    my $path = $self->{dir};
    for my $part (split m{/}, $name) {
        $path .= "/$part";
        next if -d $path;
        mkdir $path or die "$path: $!";
        $self->_own($path, 0755);
    }
    return $self->_own($path, $mode // 0755);
}

sub write {
    my ($self, $name, $text, $mode) = @_;
    my $path = $self->path($name);
    open my $f, '>:raw', $path or die "$path: $!";
    print $f $text;
    close $f or die "$path: $!";
    return $self->_own($path, $mode // 0644);
}

# A file of the checkout, for programs of another user: they may not reach the checkout itself.
sub copy { my ($self, $from, $name) = @_; return $self->write($name, slurp("$ROOT/$from")) }

# The folder of the example events, for the same.
sub example_folder {
    my ($self) = @_;
    $self->folder('run/vectors');
    $self->copy("tests/vectors/$_", "run/vectors/$_") for map { basename($_) } Source::listed("$ROOT/tests/vectors", '*');
    return $self->path('run/vectors');
}

sub install {
    my ($self, $name, $program) = @_;
    $program //= 'complycube-webhook';
    my $from = $program =~ m{^/} ? $program : "$BIN/$program";
    File::Copy::copy($from, $self->path($name)) or die "$from: $! (has make been run?)\n";
    return $self->_own($self->path($name), 0755);
}

# A free port of the loopback, never given twice.
sub port {
    our %given;
    while (1) {
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "bind: $!";
        my $port = $socket->sockport;
        return $port if !$given{$port}++;
    }
}

# Start a server whose output goes to log/NAME.log; wait until ready->() holds. False when it ended first.
sub start {
    my ($self, $name, $ready, %o) = @_;
    my $log = $self->path("log/$name.log");
    my $proc = Proc->start(stdout => $log, stderr => $log, wrap => 1, %o);
    push @{ $self->{procs} }, $proc;
    wait_until(sub { $ready->() || $proc->ended(0) }, 10);
    return $proc if !$proc->ended(0) && $ready->();
    $proc->stop;
    diag("$name did not start: ", -r $log ? slurp($log) : '');
    return;
}

sub run {
    my ($self, @cmd) = @_;
    my %o = ref $cmd[-1] ? %{ pop @cmd } : ();
    return Proc->run(cmd => \@cmd, tmp => $self->path('run'), %o);
}

# CGI processes of the receiver, all at once, one for each request (as in Http.pm; program => another one); gives their
# answers, with {code} and {log}.
sub cgi {
    my ($self, @requests) = @_;
    our $count;
    my @running;
    for my $request (@requests) {
        my $base = sprintf 'run/cgi-%d', ++$count;
        $self->write("$base.in", $request->{body} // '');
        my %env = (FastCgi::variables({ method => 'POST', path => '/', %$request }), %{ $request->{env} // {} });
        $env{COMPLYCUBE_WEBHOOK_CONFIG} //= $self->config if !$request->{env};
        my ($in, $out, $err) = map { $self->path("$base.$_") } qw(in out err);
        my $program = $self->path($request->{program} // 'home/public_html/cgi-bin/complycube-webhook.cgi');
        my $proc = Proc->start(cmd => [$program], env => \%env, stdin => $in, stdout => $out, stderr => $err);
        push @running, [$proc, $in, $out, $err];
    }
    return map { $self->_cgi_answer(@$_) } @running;
}

sub _cgi_answer {
    my ($self, $proc, $in, $out, $err) = @_;
    $proc->ended(30) or $proc->stop;
    my ($text, $log) = (slurp($out), slurp($err));
    unlink $in, $out, $err;
    $self->{cgi_log} .= $log;
    $text = "Status: 200 OK\r\n$text" if length $text && $text !~ /^Status:/i;
    return { %{ Http::parse($text) }, code => $proc->exit_code, log => $log };
}

# Rows of the database, read without a trace: arrays.
sub rows {
    my ($self, $sql, @values) = @_;
    return [] if !-s $self->database;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $self->database, '', '',
        { RaiseError => 1, PrintError => 0, sqlite_open_flags => SQLITE_OPEN_READONLY });
    $db->sqlite_busy_timeout(30_000);
    return [] if !@{ $db->selectall_arrayref(q(SELECT 1 FROM sqlite_master WHERE name = 'event_log')) };
    return $db->selectall_arrayref($sql, undef, @values);
}

sub value { my ($self, @query) = @_; my $rows = $self->rows(@query); return @$rows ? $rows->[0][0] : undef }

sub events {
    my ($self, $id) = @_;
    return $self->value('SELECT count(*) FROM event_log WHERE event_id = ?', $id) // 0;
}

# How many rows, as text: "event_log inbox quarantine".
sub counts {
    my ($self) = @_;
    my $sql = join ',', map { "(SELECT count(*) FROM $_)" } qw(event_log inbox quarantine);
    return join ' ', @{ $self->rows("SELECT $sql")->[0] // [0, 0, 0] };
}

sub logs {
    my ($self) = @_;
    return join '', $self->{cgi_log} // '', map { -f $_ ? slurp($_) : () } glob $self->path('log/*');
}

sub stop { my ($self) = @_; $_->stop for reverse splice @{ $self->{procs} } }

# Stop everything; a sanitizer's report in any log fails the test.
sub finish {
    my ($self) = @_;
    $self->stop;
    my @reports = $self->logs =~ /^(.*(?:ERROR: \w*Sanitizer|runtime error:).*)$/mg;
    is(scalar @reports, 0, 'no sanitizer report in the logs') or diag join "\n", @reports;
}

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

1;
