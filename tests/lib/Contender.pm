# SPDX-License-Identifier: MIT
# What the benchmark compares: the receiver in its deployments, a responder that does nothing, and receivers as a user
# would write them otherwise (tests/bench/peers), each in a fixture of its own.
package Contender;
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Deploy;
use Event;
use Fixture;
use Load;
use Proc qw(wait_until);
use Exporter 'import';
our @EXPORT_OK = qw(names possible start finish);

my $PEERS = "$Fixture::ROOT/tests/bench/peers";
my $BUILD = "$Fixture::ROOT/build/bench";
my @OURS = qw(event_log inbox);
my @PLAIN = qw(event inbox);

# name => how it is started, giving { port, tables, pids => function: its processes now, parents => whose finished
# children are its processes too }
my %START = (
    'receiver, lighttpd FastCGI'     => sub { _deployed($_[0], 'lighttpd mod_fastcgi', tables => \@OURS) },
    'no-op, lighttpd FastCGI'        => sub { _deployed($_[0], 'lighttpd mod_fastcgi', program => "$BUILD/noop") },
    'receiver, Apache mod_proxy_fcgi' => sub { _deployed($_[0], 'Apache mod_proxy_fcgi', tables => \@OURS) },
    'no-op, Apache mod_proxy_fcgi'   => sub { _deployed($_[0], 'Apache mod_proxy_fcgi', program => "$BUILD/noop") },
    'receiver, Apache mod_fcgid'     => sub { _deployed($_[0], 'Apache mod_fcgid', tables => \@OURS) },
    'receiver, lighttpd CGI'         => sub { _deployed($_[0], 'lighttpd mod_cgi', tables => \@OURS) },
    'PHP-FPM, lighttpd'              => \&_php_fpm,
    'PHP as CGI, lighttpd'           => sub { _script($_[0], 'inbox.php', '#!/usr/bin/php-cgi') },
    'Perl as CGI, lighttpd'          => sub { _script($_[0], 'inbox.pl') },
    'node + better-sqlite3'          => \&_node,
    'Debian webhook + sh + sqlite3'  => \&_webhook,
);

sub names { return sort keys %START }

# Whether what it needs is there: a program or, for node, a module that has to be built.
sub possible {
    my ($name) = @_;
    my %needs = (PHP => '/usr/bin/php-cgi', 'PHP-FPM' => glob('/usr/sbin/php-fpm[0-9]*') // '/none',
        node => "$BUILD/node_modules/better-sqlite3", Debian => '/usr/bin/webhook');
    my ($word) = $name =~ /^([\w-]+)/;
    return !$needs{$word} || -e $needs{$word};
}

sub start {
    my ($name, $f) = @_;
    $f //= Fixture->new(conf => Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample"));    # one secret
    my $c = { name => $name, fixture => $f, parents => [], tables => [], %{ $START{$name}->($f) } };
    wait_until(sub { @{ $c->{parents} } || $c->{pids}->() }) or die "$name has no process\n";
    return $c;
}

# Stop it, and count: rows of each table.
sub finish {
    my ($c) = @_;
    $c->{fixture}->stop;
    return map { _count($c->{fixture}, $_) } @{ $c->{tables} };
}

sub _count {
    my ($f, $table) = @_;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    my ($made) = $db->selectrow_array('SELECT count(*) FROM sqlite_master WHERE name = ?', undef, $table);
    return $made ? $db->selectrow_array("SELECT count(*) FROM $table") : 0;    # a slow peer may not have come so far
}

# The receiver or what stands for it, as it is deployed by the shipped configurations.
sub _deployed {
    my ($f, $how, %o) = @_;
    $f->{program} = $f->install('run/program', $o{program}) if $o{program};
    my $d = deploy($f, $how);
    my $front = $d->{server}->pid;
    my %own = (port => $d->{port}, tables => $o{tables} // []);
    return { %own, pids => sub { () }, parents => [$front] } if $how =~ /mod_cgi/;
    return { %own, pids => sub { $d->{receiver}->pid } } if $d->{receiver};
    $d->{client}->({ method => 'GET', path => $d->{url} });    # mod_fcgid starts it only now
    my ($program) = $f->program =~ m{([^/]{1,15})[^/]*$};
    return { %own, pids => sub { Load::descendants($front, $program) } };
}

# A file of peers/ with this fixture's values.
sub _peer {
    my ($f, $file, $to, %value) = @_;
    my $text = Fixture::slurp("$PEERS/$file");
    %value = (database => $f->database, secret => $SECRET{live}, log => $f->path('log'), %value);
    $text =~ s/\@(\w+)\@/$value{$1} \/\/ "\@$1\@"/ge;
    $f->write($to, $text, 0755);
    return $f->path($to);
}

sub _script {
    my ($f, $file, $first) = @_;
    my $path = _peer($f, $file, "run/$file");
    $f->write("run/$file", "$first\n" . Fixture::slurp($path), 0755) if $first;
    $f->{program} = $path;
    return _deployed($f, 'lighttpd mod_cgi', tables => \@PLAIN);
}

sub _php_fpm {
    my ($f) = @_;
    my $socket = $f->path('run/receiver.sock');
    _peer($f, 'inbox.php', 'www/complycube');
    my $conf = _peer($f, 'php-fpm.conf', 'conf/php-fpm.conf', socket => $socket);
    my ($program) = glob '/usr/sbin/php-fpm[0-9]*' or die "php-fpm is not installed\n";
    my $fpm = $f->start('php-fpm', sub { -S $socket && IO::Socket::UNIX->new(Peer => $socket) },
        cmd => [$program, '-F', '-y', $conf]) or die "php-fpm does not start\n";
    my $d = deploy($f, 'lighttpd to spawn-fcgi', backend => undef);
    return { port => $d->{port}, tables => \@PLAIN, pids => sub { Load::descendants($fpm->pid) } };
}

sub _node {
    my ($f) = @_;
    my $script = _peer($f, 'inbox.js', 'run/inbox.js');
    my $port = $f->port;
    system('cp', '-R', "$BUILD/node_modules", $f->path('run/')) == 0 or die "better-sqlite3 is not built\n";
    my $node = $f->start('node', sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) },
        cmd => ['node', $script, $port]) or die "node does not start\n";
    return { port => $port, tables => \@PLAIN, pids => sub { $node->pid } };
}

sub _webhook {
    my ($f) = @_;
    my $script = _peer($f, 'inbox.sh', 'run/inbox.sh');
    my $hooks = _peer($f, 'hooks.json', 'conf/hooks.json', script => $script);
    my $port = $f->port;
    my $sql = 'PRAGMA journal_mode=WAL; CREATE TABLE event (id TEXT PRIMARY KEY, type TEXT, created TEXT, body TEXT);'
        . 'CREATE TABLE inbox (seq INTEGER PRIMARY KEY, id TEXT, state INTEGER);';
    my ($code) = $f->run('sqlite3', $f->database, $sql);
    die "sqlite3 failed\n" if ($code // 1) != 0;
    my $webhook = $f->start('webhook', sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) },
        cmd => ['webhook', '-hooks', $hooks, '-ip', '127.0.0.1', '-port', $port, '-urlprefix', ''])
        or die "webhook does not start\n";
    return { port => $port, tables => \@PLAIN, pids => sub { $webhook->pid }, parents => [$webhook->pid] };
}

1;
