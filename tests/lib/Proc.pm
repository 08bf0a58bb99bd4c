# SPDX-License-Identifier: MIT
# Processes of a test: each in a session of its own, stopped by its id, every wait with a limit.
package Proc;
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use POSIX ();
use Proc::FastSpawn;
use Time::HiRes qw(time sleep);
use Exporter 'import';
our @EXPORT_OK = qw(wait_until unprivileged look_into);

# So that what was started is stopped: but not by a child that has only just been forked, whose servers these are not.
my $OWNER = $$;
$SIG{$_} = sub { $$ == $OWNER ? exit 1 : POSIX::_exit(1) } for qw(INT TERM HUP);

# The servers' folder, which an ordinary user has not in PATH.
$ENV{PATH} .= ':/usr/sbin' if $ENV{PATH} !~ m{(?:^|:)/usr/sbin(?::|$)};

my $BUILD = (abs_path(dirname(__FILE__) . '/../..') // '.') . '/build';
my $ENTER = "$BUILD/enter";
my @USER = getpwnam 'www-data';

# To look for leaks takes a sanitized program half of its short life: one in so many does, the first included.
my ($LEAKS, $started) = (4, 0);

# Whether programs are started as www-data, since the test itself runs as root.
sub unprivileged { return $> == 0 && @USER ? ($USER[2], $USER[3]) : () }

# From here on this test looks into receivers, by /proc or strace. Root may; for anybody else a library keeps them dumpable.
# It is loaded from a path that surely has no blank, which would end its name.
sub look_into {
    return if $> == 0 || ($ENV{BIN} // '') =~ /san/;    # with sanitizers they are dumpable
    my $library = tempdir('cw-XXXXXX', TMPDIR => 1, CLEANUP => 1) . '/dumpable.so';
    copy("$BUILD/dumpable.so", $library) or die "$BUILD/dumpable.so: $! (has make unit been run?)\n";
    $ENV{LD_PRELOAD} = $library;
}

# Limits are those of a machine with nothing else to do. What they stop has failed anyway, so a busy one gets this much more.
my $PATIENCE = 6;

# Poll until the condition gives a true value, which is returned; false after limit seconds.
sub wait_until {
    my ($condition, $limit) = @_;
    my ($end, $pause) = (time + $PATIENCE * ($limit // 5), 0.0005);
    while (1) {
        my $value = $condition->();
        return $value if $value || time > $end;
        sleep $pause;
        $pause *= 1.5 if $pause < 0.02;
    }
}

# cmd => [...], env => {...}, stdin/stdout/stderr => paths (stdin a handle too), wrap => whether WRAP applies, dir => where
# it starts, root => as root, user => [uid, gid]: as that one
sub start {
    my ($class, %o) = @_;
    my @cmd = @{ $o{cmd} };
    unshift @cmd, split ' ', $ENV{WRAP} if $o{wrap} && $ENV{WRAP};
    my $tracer = unprivileged() && $cmd[0] eq 'strace';    # as root: what is not dumpable is seen by nobody else
    splice @cmd, 1, 0, '-u', $USER[0] if $tracer;
    $o{root} ||= $tracer;
    my ($uid, $gid) = my @user = $o{root} ? () : $o{user} ? @{ $o{user} } : unprivileged();
    my $keep = qr/^(?:PATH|LANG|LD_PRELOAD|\wSAN_OPTIONS|UBSAN_OPTIONS)$/;
    my %env = ((map { $_ => $ENV{$_} } grep { /$keep/ } keys %ENV), %{ $o{env} // {} });
    # To look for leaks does not work while strace looks on, either.
    $env{ASAN_OPTIONS} //= 'detect_leaks=0' if $cmd[0] eq 'strace' || $started++ % $LEAKS;
    my @open = (_opened('<', $o{stdin}), map { _opened('>>', $_, @user ? @user : @USER[2, 3]) } @o{qw(stdout stderr)});
    fd_inherit($_, 1) for my @fd = map { fileno $_ } @open;
    my $dir = $o{dir} // (@user ? '/' : '');    # another user may not reach this folder
    my $pid = spawn($ENTER, ['enter', @fd, $uid // '', $gid // '', $dir, @cmd], [map { "$_=$env{$_}" } keys %env])
        // die "$ENTER: $! (has make unit been run?)\n";
    fd_inherit($_, 0) for @fd;
    return bless { pid => $pid, name => $o{cmd}[0], owner => $$ }, $class;
}

# What was made for a program that is not root is its own.
sub _opened {
    my ($how, $what, @owner) = @_;
    return $what if ref $what;
    open my $file, $how, $what // '/dev/null' or die "$what: $!";
    chown @owner, $file if @owner && defined $owner[0] && $> == 0 && -f $file;
    return $file;
}

sub pid { $_[0]{pid} }

sub signal { my ($self, $name) = @_; return kill $name, $self->{pid} if !defined $self->{status} }

# Whether it ended within limit seconds. Its wait status is then in {status}, and whether it left nothing behind in {alone}:
# its number may by then be somebody else's.
sub ended {
    my ($self, $limit) = @_;
    return 1 if defined $self->{status};
    return wait_until(sub {
        return 0 if waitpid($self->{pid}, POSIX::WNOHANG()) != $self->{pid};
        $self->{status} = $?;
        $self->{alone} = !kill 0, -$self->{pid};
        return 1;
    }, $limit // 0);
}

sub exit_code { my $status = $_[0]{status}; return !defined $status || $status & 127 ? undef : $status >> 8 }

# TERM, once more (a starting Apache may miss the first), then KILL for it and whatever it left behind: a server
# that ended by itself too, since a child of Apache outlives a failed start.
sub stop {
    my ($self) = @_;
    return if $self->{stopped} || $self->{owner} != $$;
    $self->{stopped} = 1;
    for my $try (1 .. 2) {
        $self->signal('TERM');
        last if $self->ended(4);
    }
    kill 'KILL', -$self->{pid} if !$self->{alone};
    $self->ended(4);
}

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

# Run to the end: (exit code or undef, standard output, standard error). Same options, and input => bytes.
sub run {
    my ($class, %o) = @_;
    my $dir = $o{tmp} // die 'tmp missing';
    our $count;
    my $base = sprintf '%s/run-%d-%d', $dir, $$, ++$count;
    if (defined $o{input}) {
        open my $in, '>:raw', "$base.in" or die "$base.in: $!";
        print $in $o{input};
        close $in;
        $o{stdin} = "$base.in";
    }
    my $p = $class->start(%o, stdout => "$base.out", stderr => "$base.err");
    $p->ended($o{limit} // 20) or $p->stop;
    my @text = map { _slurp("$base.$_") } qw(out err);
    unlink map { "$base.$_" } qw(in out err);
    return ($p->exit_code, @text);
}

sub _slurp { open my $f, '<:raw', $_[0] or return ''; local $/; return <$f> // '' }

1;
