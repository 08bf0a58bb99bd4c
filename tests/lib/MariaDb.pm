# SPDX-License-Identifier: MIT
# A MariaDB server of the test's own, on a socket in a folder of its own, run by an unprivileged user.
package MariaDb;
use strict;
use warnings;
use DBI;
use Proc qw(wait_until unprivileged);

my @SMALL = qw(--skip-networking --skip-log-bin --innodb-buffer-pool-size=8M --innodb-log-file-size=4M
    --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --aria-pagecache-buffer-size=1M --key-buffer-size=1M
    --performance-schema=OFF --max-connections=30 --table-open-cache=50);

# dir: a new folder is made in it
sub start {
    my ($class, $dir) = @_;
    my $base = "$dir/mariadb";
    mkdir $base or die "$base: $!";
    chmod 0777, $base;
    my ($code, undef, $err) = Proc->run(tmp => $dir, limit => 60, cmd => ['mariadb-install-db', '--no-defaults', "--datadir=$base/data",
        '--auth-root-authentication-method=normal', '--skip-test-db', '--innodb-log-file-size=4M', '--innodb-buffer-pool-size=8M']);
    die "mariadb-install-db: $err" if ($code // 1) != 0;
    my $self = bless { base => $base, socket => "$base/sock", owner => $$ }, $class;
    $self->{proc} = Proc->start(stdout => "$base/log", stderr => "$base/log", cmd => ['mariadbd', '--no-defaults', "--datadir=$base/data",
        "--socket=$self->{socket}", "--pid-file=$base/pid", "--tmpdir=$base", @SMALL]);
    wait_until(sub { -S $self->{socket} && $self->db || $self->{proc}->ended(0) }, 30);
    my $db = $self->db or die 'mariadbd does not start: ' . do { open my $log, '<', "$base/log"; local $/; <$log> };
    $db->do($_) for 'CREATE DATABASE app', 'CREATE USER test', 'GRANT ALL ON *.* TO test', q(CREATE USER zero IDENTIFIED BY '0'), 'GRANT ALL ON *.* TO zero';
    return $self;
}

sub socket { $_[0]{socket} }

# A connection; undef when there is none.
sub db { my ($self, $name) = @_; return DBI->connect('DBI:MariaDB:' . ($name ? "database=$name;" : '') . "mariadb_socket=$self->{socket}", 'root', '', { RaiseError => $name ? 1 : 0, PrintError => 0, AutoInactiveDestroy => 1 }) }

# Nothing in it is needed any more.
sub stop { my ($self) = @_; my $proc = delete $self->{proc} or return; $proc->signal('KILL'); $proc->ended(5); $proc->stop }

sub DESTROY { local ($?, $@, $!); $_[0]->stop if $_[0]{owner} == $$ }

1;
