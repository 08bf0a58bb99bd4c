# SPDX-License-Identifier: MIT
# A shared host: an account with a home folder, an Apache that root started and that runs the account's programs by suexec,
# a cron. What comes there comes as by FTP: its user writes files and sets modes. It lives in a mount namespace of the
# test's own, where the machine's passwd, group, suexec's configuration and log are others; outside nothing changes.
package Host;
use strict;
use warnings;
use parent 'Fixture';
use Cwd qw(abs_path);
use Event;
use File::Basename qw(dirname);
use File::Find;
use File::Path ();
use File::Temp qw(tempdir);
use Fixture;
use Http;
use IO::Socket::INET;
use POSIX ();
use Proc qw(wait_until);
use Test::More;

my $USER = 'customer';
my $LIB = abs_path(dirname(__FILE__));
my ($VERSION) = Fixture::slurp("$Fixture::ROOT/src/base/version.h") =~ /^#define VERSION "(.*)"/m;
our $KIT = "$Fixture::ROOT/build/complycube-inbox-$VERSION-hosting-kit.zip";

# Call it first: go on in a namespace of one's own, or skip the test where it cannot run.
sub enter {
    return if $ENV{HOST_NAMESPACE};
    plan(skip_all => 'make check-kit runs it') if !Fixture::static();
    plan(skip_all => 'a host with suexec needs root') if $> != 0 || system('unshare', '--mount', 'true') != 0;
    -e $_ or die "$_ is missing; make check-kit makes and installs what is needed\n" for $KIT, '/usr/lib/apache2/suexec';
    local $ENV{HOST_NAMESPACE} = 1;
    exec 'unshare', '--mount', '--propagation', 'private', $^X, "-I$LIB", $0, @ARGV or die "unshare: $!";
}

# A host with an empty account. fuse => 1: its home is on a file system like one of a network, without shared memory.
sub new {
    my ($class, %o) = @_;
    my $dir = tempdir('cw-host-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
    note "kept: $dir" if $ENV{KEEP};
    my $self = bless { dir => $dir, procs => [], mounts => [], owner => $$, ids => [(_free_id()) x 2] }, $class;
    chmod 0755, $dir;
    mkdir "$dir/$_" or die "$dir/$_: $!" for qw(home disk log run computer machine);
    chmod 01777, "$dir/$_" for qw(log run);
    $self->_machine;
    $self->_disk if $o{fuse};
    mkdir $self->home and mkdir $self->home('public_html') or die 'home: ', $!;
    $self->_own($self->home($_), $_ eq '' ? 0711 : 0755) for '', 'public_html';
    return $self;
}

sub home { my ($self, $name) = @_; return $self->path("home/$USER" . (length($name // '') ? "/$name" : '')) }
sub config { $_[0]->home('public_html/cgi-bin/complycube-webhook.conf') }
sub database { $_[0]->home('private/inbox.db') }

sub _own { my ($self, $path, $mode) = @_; chown @{ $self->{ids} }, $path; chmod $mode, $path; return $path }

sub _free_id { my $id = 60000; $id++ while defined getpwuid $id or defined getgrgid $id; return $id }

sub _must { my (@cmd) = @_; system(@cmd) == 0 or die "failed: @cmd\n" }

sub _mount {
    my ($self, $to, @cmd) = @_;
    _must(@cmd, $to);
    push @{ $self->{mounts} }, $to;
}

# The files of the machine that know of users, with one more.
sub _machine {
    my ($self) = @_;
    my $home = $self->home;
    my ($id) = @{ $self->{ids} };
    my %text = ('/etc/passwd' => Fixture::slurp('/etc/passwd') . "$USER:x:${id}:${id}::$home:/bin/sh\n",
        '/etc/group' => Fixture::slurp('/etc/group') . "$USER:x:${id}:\n",
        '/etc/apache2/suexec/www-data' => $self->path('home') . "\npublic_html\n");
    for my $path (sort keys %text) {
        my $file = $self->path('machine/' . $path =~ s{.*/}{}r);
        open my $out, '>', $file or die "$file: $!";
        print $out $text{$path};
        close $out or die "$file: $!";
        $self->_mount($path, 'mount', '--bind', $file);
    }
    $self->_mount('/var/log/apache2', 'mount', '--bind', $self->path('log'));    # suexec.log
}

# All of it goes through FUSE, without the page cache that shared maps need: SQLite cannot have a WAL there.
sub _disk {
    my ($self) = @_;
    $self->_mount($self->path('home'), 'bindfs', '-o', 'direct_io', $self->path('disk'));
}

# The host's CA bundle: these certificates, where Debian has it; without them none.
sub trust {
    my ($self, $text) = @_;
    my $certs = $self->path('machine/certs');
    if (!-d $certs) {
        CORE::mkdir $certs or die "$certs: $!";
        $self->_mount('/etc/ssl/certs', 'mount', '--bind', $certs);
    }
    _put("$certs/ca-certificates.crt", $text) if defined $text;
}

# ---- what its user does ----

# Run a function as the host's user, in a process of its own.
sub _as_user {
    my ($self, $what) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my ($uid, $gid) = @{ $self->{ids} };
        $( = $gid;
        $) = "$gid $gid";
        POSIX::setuid($uid);
        umask 022;
        my $done = eval { $what->(); 1 };
        print STDERR "as $USER: $@" if !$done;
        POSIX::_exit($done ? 0 : 1);
    }
    waitpid $pid, 0;
    die "the host's user failed\n" if $?;
}

# A file's new text, by its name below the home folder.
sub write {
    my ($self, $name, $text, $mode) = @_;
    $self->_as_user(sub { _put($self->home($name), $text) });
    $self->chmod($mode, $name) if defined $mode;
    return $self->home($name);
}

sub _put {
    my ($path, $text) = @_;
    open my $out, '>:raw', $path or die "$path: $!\n";
    print $out $text or die "$path: $!\n";
    close $out or die "$path: $!\n";
}

sub read { my ($self, $name) = @_; return Fixture::slurp($self->home($name)) }

# Modes do not come by FTP.
sub upload {
    my ($self, $from, $name) = @_;
    my @there;
    find({ no_chdir => 1, wanted => sub { push @there, [substr($_, length $from), -d $_ ? undef : Fixture::slurp($_)] } }, $from);
    my $to = $self->home($name);
    $self->_as_user(sub {
        for my $entry (@there) {
            my ($part, $text) = @$entry;
            if (defined $text) { _put("$to$part", $text) } elsif (!-d "$to$part") { mkdir "$to$part" or die "$to$part: $!\n" }
        }
    });
    return $to;
}

sub mkdir { my ($self, $name) = @_; $self->_as_user(sub { CORE::mkdir $self->home($name) or die "$name: $!\n" }) }

sub chmod { my ($self, $mode, $name) = @_; $self->_as_user(sub { CORE::chmod $mode, $self->home($name) or die "$name: $!\n" }) }

sub rename { my ($self, $from, $to) = @_; $self->_as_user(sub { CORE::rename $self->home($from), $self->home($to) or die "$from: $!\n" }) }

sub remove { my ($self, @names) = @_; $self->_as_user(sub { File::Path::remove_tree(map { $self->home($_) } @names) }) }

# A line of the panel's cron: all it prints, which is mailed, and its exit code.
sub cron {
    my ($self, $line) = @_;
    my ($code, $out, $err) = $self->run('/bin/sh', '-c', $line, { user => $self->{ids}, dir => $self->home,
        env => { HOME => $self->home, LOGNAME => $USER, SHELL => '/bin/sh', PATH => '/usr/bin:/bin' } });
    return wantarray ? ("$out$err", $code) : "$out$err";
}

# The kit, unpacked on its user's computer: the folder.
sub unpack {
    my ($self, $zip) = @_;
    _must('unzip', '-qo', $zip, '-d', $self->path('computer'));
    return $self->path('computer');
}

# All of it in place, quickly: for tests that are not about the guide. secrets => text
sub install_kit {
    my ($self, %o) = @_;
    my $kit = $self->unpack($KIT);
    $self->upload("$kit/private", 'private');
    $self->upload("$kit/cgi-bin", 'public_html/cgi-bin');
    $self->chmod(0700, 'private');
    $self->chmod(0755, $_) for 'public_html/cgi-bin/complycube-webhook.cgi', 'private/complycube-inbox';
    $self->write('private/secrets', $o{secrets} // "main $SECRET{live}\n", 0600);
    return $self;
}

# ---- its web server ----

# Start its Apache, with these names defined: Fcgid, NoRewrite, NoOptions, ScriptAlias. Gives what Requests.pm asks.
sub serve {
    my ($self, @defined) = @_;
    for my $try (1 .. 3) {
        my $port = $self->port;
        my %value = (port => $port, run => $self->path('run'), log => $self->path('log'), home => $self->home, user => $USER);
        my $text = Fixture::slurp("$Fixture::ROOT/tests/kit/host.conf") =~ s/\@(\w+)\@/$value{$1}/gr;
        _put($self->path('machine/apache2.conf'), $text);
        my $ready = sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) };
        $self->{apache} = $self->start('apache', $ready, root => 1,
            cmd => ['/usr/sbin/apache2', '-D', 'FOREGROUND', (map { ('-D', $_) } @defined), '-f', $self->path('machine/apache2.conf')])
            or next;
        $self->{client} = Http::client($port);
        return { name => 'a shared host', via => 'http', url => '/cgi-bin/complycube-webhook.cgi', client => $self->{client}, port => $port };
    }
    die 'Apache did not start';
}

# What a browser shows at a path: "status text".
sub browse {
    my ($self, $path) = @_;
    my $answer = $self->{client}->({ method => 'GET', path => $path // '/cgi-bin/complycube-webhook.cgi' });
    return "$answer->{status} $answer->{body}" =~ s/\s+\z//r;
}

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    $self->SUPER::stop;
    system('umount', '-l', $_) for reverse splice @{ $self->{mounts} };
}

1;
