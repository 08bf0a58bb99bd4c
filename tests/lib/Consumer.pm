# SPDX-License-Identifier: MIT
# A consumer library at work: tests/consumers/driver.* in a process of its own, told what to do line by line.
package Consumer;
use strict;
use warnings;
use File::Copy qw(copy);
use IO::Select;
use JSON::PP;
use POSIX qw(mkfifo);
use Proc qw(wait_until);
use Source;

my %LIBRARY = (php => 'php/ComplyCubeInbox.php', perl => 'perl/ComplyCubeInbox.pm');
my $json = JSON::PP->new->canonical->utf8->max_depth(2000);

# language: php or perl; dir: a folder that is open to all; memory: megabytes that it may have
sub start {
    my ($class, $language, $dir, %o) = @_;
    our $count;
    my $base = sprintf '%s/driver-%s-%d', $dir, $language, ++$count;
    my $ending = $language eq 'php' ? 'php' : 'pl';
    my ($library) = $LIBRARY{$language} =~ m{/(.*)};
    mkdir "$base.d" or die "$base.d: $!";
    chmod 0755, "$base.d";
    copy("$ROOT/consumers/$LIBRARY{$language}", "$base.d/$library") or die "$library: $!";
    copy("$ROOT/tests/consumers/driver.$ending", "$base.d/driver") or die "driver.$ending: $!";
    for my $end (qw(in out)) {
        mkfifo("$base.$end", 0666) or die "$base.$end: $!";
        chmod 0666, "$base.$end";
    }
    # Both ends are opened for both directions, so that no open waits for the other side.
    open my $in, '+<', "$base.in" or die "$base.in: $!";
    open my $out, '+<', "$base.out" or die "$base.out: $!";
    my @php = $language eq 'php' ? ('-d', 'display_errors=stderr') : ();
    push @php, '-d', "memory_limit=$o{memory}M" if $o{memory} && $language eq 'php';
    my @limit = $o{memory} && $language eq 'perl' ? ('prlimit', '--as=' . $o{memory} * 2 ** 20) : ();
    my $proc = Proc->start(cmd => [@limit, $language, @php, "$base.d/driver", "$base.d/$library"], stdin => "$base.in", stdout => "$base.out", stderr => "$base.err");
    return bless { in => $in, out => $out, proc => $proc, err => "$base.err", text => '' }, $class;
}

sub proc { $_[0]{proc} }

sub send {
    my ($self, $verb, %call) = @_;
    syswrite $self->{in}, $json->encode({ on => 'a', options => {}, verb => $verb, %call }) . "\n";
}

# The next answer; undef when none comes, since it died or within limit seconds.
sub answer {
    my ($self, $limit) = @_;
    my $select = IO::Select->new($self->{out});
    wait_until(sub {
        sysread $self->{out}, $self->{text}, 65536, length $self->{text} if $select->can_read(0.01);
        return $self->{text} =~ /\n/ || $self->{proc}->ended(0) && !$select->can_read(0);
    }, $limit // 20);
    return $self->{text} =~ s/\A([^\n]*)\n// ? $json->decode($1) : undef;
}

sub call { my ($self, @call) = @_; $self->send(@call); return $self->answer // { error => 'no answer: ' . slurp($self->{err}) } }

# The value of a call that must not fail.
sub get {
    my ($self, @call) = @_;
    my $answer = $self->call(@call);
    $self->{log} = $answer->{log};
    die "$call[0]: $answer->{error}\n" if exists $answer->{error};
    return $answer->{value};
}

sub error { my ($self, @call) = @_; return $self->call(@call)->{error} }

# What the last get() logged.
sub log { return join "\n", @{ $_[0]{log} // [] } }

# The end of its input ends it; TERM would only stop each().
sub stop {
    my ($self) = @_;
    close delete $self->{in} if $self->{in};
    my $proc = delete $self->{proc} or return;
    $proc->ended(5);
    $proc->stop;
}

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

1;
