# SPDX-License-Identifier: MIT
# A Debian of its own, with or without systemd: debootstrap once, kept in build/chroot, and over it what a test changes.
# Its network is a loopback alone. Needs root.
package Chroot;
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use POSIX qw(WNOHANG);
use Proc qw(wait_until);

our $ROOT = abs_path(dirname(__FILE__) . '/../..');
my $CACHE = $ENV{CHROOTS} // "$ROOT/build/chroot";
my $MIRROR = $ENV{MIRROR} // 'http://deb.debian.org/debian';

# What a server of this kind has already; the rest is what "apt install" brings.
my $ANY = 'lighttpd apache2 curl sudo php-cli php-sqlite3 libdbd-sqlite3-perl ca-certificates';
my %HAS = (systemd => "$ANY systemd systemd-sysv dbus", sysv => "$ANY sysvinit-core");
my %BRINGS = (systemd => '', sysv => 'spawn-fcgi multiwatch');
my $DEPENDS = 'libcjson1 libconfuse2 libcurl4 libfcgi0ldbl libsqlite3-0 perl adduser';
my @CLEAN = ('env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive');

sub _must { my (@cmd) = @_; system(@cmd) == 0 or die "failed: @cmd\n" }

# The kept Debian: made once. Packages that a test installs are downloaded, so that it needs no network.
sub base {
    my ($kind) = @_;
    my $base = "$CACHE/$kind";
    return $base if -e "$base/made";
    remove_tree($base);
    make_path($CACHE);
    my $root = "$base/root";
    my $log = "$CACHE/$kind.log";
    _must("debootstrap --variant=minbase bookworm '$root' $MIRROR >'$log' 2>&1");
    _must("cp -L /etc/resolv.conf /etc/hosts '$root/etc/'");
    _must("printf '#!/bin/sh\\nexit 101\\n' >'$root/usr/sbin/policy-rc.d' && chmod 755 '$root/usr/sbin/policy-rc.d'");
    my $apt = 'apt-get -q -y install --no-install-recommends';
    _must('chroot', $root, @CLEAN, 'sh', '-c',
        "{ apt-get -q update && $apt $HAS{$kind} && apt-get -q -y -d install $DEPENDS $BRINGS{$kind}; } >>/var/log/made.log 2>&1");
    unlink "$root/usr/sbin/policy-rc.d";
    _must('touch', "$base/made");
    return $base;
}

# Start one. packages => the folder that is /mnt there
sub new {
    my ($class, $kind, %o) = @_;
    my $base = base($kind);
    our $count;
    my $self = bless { kind => $kind, dir => sprintf('%s/run-%d-%d', $CACHE, $$, ++$count), owner => $$ }, $class;
    make_path(map { "$self->{dir}/$_" } qw(root upper work));
    _must('mount', '-t', 'overlay', 'overlay', '-o',
        "lowerdir=$base/root,upperdir=$self->{dir}/upper,workdir=$self->{dir}/work", "$self->{dir}/root");
    my $machine = sprintf 'cc%d-%d', $$, $count;
    my @nspawn = ('systemd-nspawn', '-q', '-D', "$self->{dir}/root", '--register=no', '--keep-unit', '--private-network',
        '--resolv-conf=off', '--timezone=off', '--console=pipe',
        '--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self', "--machine=$machine", "--bind-ro=$o{packages}:/mnt");
    $self->{nspawn} = fork // die "fork: $!";
    if (!$self->{nspawn}) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$self->{dir}/console";
        open STDERR, '>&', \*STDOUT;
        exec @nspawn, '--boot' or exit 127;
    }
    wait_until(sub { $self->_find_leader && $self->run('true') == 0 }, 20) or die "systemd-nspawn did not start\n";
    wait_until(sub { ($self->said('systemctl is-system-running') // '') =~ /^(?:running|degraded)$/ }, 180)
        or die "systemd did not come up\n" if $kind eq 'systemd';
    wait_until(sub { $self->run('runlevel | grep -qx "N 2" && ! grep -alsz "init.d/r[c]$" /proc/[0-9]*/cmdline') == 0 }, 180)
        or die "init did not come up\n" if $kind eq 'sysv';
    $self->run('echo 127.0.1.1 $(uname -n) >>/etc/hosts');
    return $self;
}

# A first child of systemd-nspawn passes away: the leader is the one with processes of its own.
sub _find_leader {
    my ($self) = @_;
    my $own = readlink '/proc/self/ns/pid';
    ($self->{leader}) = grep { (readlink("/proc/$_/ns/pid") // $own) ne $own && -e "/proc/$_/root/mnt/vectors" } _children($self->{nspawn});
    return $self->{leader};
}

sub _children {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/task/$pid/children" or return;
    return split ' ', <$in> // '';
}

sub path { return "$_[0]{dir}/root$_[1]" }

# Run shell commands there as root would: their exit code; their output is in {out}.
sub run {
    my ($self, $script, %o) = @_;
    my $out = "$self->{dir}/out";
    my $pid = $self->start_command($out, 'sh', '-c', $script);
    waitpid $pid, 0;
    $self->{code} = $? >> 8 || $? & 127;
    $self->{out} = do { open my $f, '<', $out or die "$out: $!"; local $/; <$f> // '' };
    $self->{out} =~ s/\r//g;    # apt has dpkg write to a terminal
    return $self->{code};
}

# Start a command there, its output into a file of this side: its process.
sub start_command {
    my ($self, $out, @cmd) = @_;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $out or exit 126;
    open STDERR, '>&', \*STDOUT;
    exec 'nsenter', '-t', $self->{leader}, '-m', '-u', '-i', '-n', '-p', @CLEAN, @cmd or exit 127;
}

# Run one of this side's commands in its network.
sub beside {
    my ($self, @cmd) = @_;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    exec 'nsenter', '-t', $self->{leader}, '-n', @cmd or exit 127;
}

# What a command printed, without the last newline; undef when it failed to run at all.
sub said { my ($self, $script) = @_; $self->run($script); return $self->{out} =~ s/\n\z//r }

# Every file and folder outside of what logs, caches and the running system write, sorted.
sub files {
    my ($self) = @_;
    my $skip = join ' -o ', map { "-path $_" } qw(/proc /sys /dev /run /tmp /var/log /var/cache /mnt /root /var/lib/systemd
        /var/lib/apt /var/lib/dpkg /var/tmp /etc/systemd/system);
    return [split /\n/, $self->said("find / \\( $skip \\) -prune -o -print | LC_ALL=C sort")];
}

sub stop {
    my ($self) = @_;
    return if $self->{stopped} || $self->{owner} != $$;
    $self->{stopped} = 1;
    kill 'KILL', $self->{leader} if $self->{nspawn} && $self->_find_leader;    # the first process of its name space: all of it ends
    my $gone = sub { waitpid($self->{nspawn}, WNOHANG) != 0 };
    wait_until($gone, 10) or kill('KILL', $self->{nspawn}) && wait_until($gone, 5) if $self->{nspawn};
    system('umount', "$self->{dir}/root");
    remove_tree($self->{dir}) if !$ENV{KEEP};
}

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

1;
