# SPDX-License-Identifier: MIT
# What a power cut would leave: the calls of a run, as strace wrote them with all their bytes, replayed on a model of a
# disk that keeps for certain only what was flushed: of a file what came before its fsync, of a folder's names what came
# before the folder's. All else may be there or not, each write by itself and torn between sectors.
package PowerCut;
use strict;
use warnings;
use File::Basename qw(dirname);

our @CALLS = qw(open openat mkdir mkdirat read recvfrom write writev pwrite64 ftruncate fsync fdatasync rename renameat renameat2
    unlink unlinkat close dup);
our @STRACE = ('-xx', '-s', '70000', '-e', 'trace=' . join ',', @CALLS);

# root: paths below it count, and are named without it
sub new { my ($class, $root) = @_; return bless { root => $root, names => { '' => { dir => 1 } }, kept => { '' => { dir => 1 } }, pending => [], acked => {} }, $class }

sub _text { my ($quoted) = @_; return $quoted =~ s/\\x(..)/chr hex $1/ger }

# A path as the model names it, "" the root; undef for one that does not count: what SQLite makes anew after a crash too.
sub _name {
    my ($self, $path) = @_;
    1 while $path =~ s{/[^/]+/\.\.(?=/|$)}{};
    return $path =~ m{^\Q$self->{root}\E(?:/(.+))?$} && $path !~ /-shm$/ ? $1 // '' : undef;
}

# The names of a call's paths, each below the folder that it names before it, if it names one that is open.
sub _names {
    my ($self, $fd, $args) = @_;
    my @names;
    while ($args =~ /(?:(\d+), )?"((?:\\x[0-9a-f]{2})*)"/g) {
        my ($folder, $path) = ($1, _text($2));
        push @names, $path =~ m{^/} || !defined $folder ? $self->_name($path)
            : $fd->{$folder} ? $self->_name(join '/', grep { length } $self->{root}, $fd->{$folder}{name}, $path) : undef;
    }
    return @names;
}

sub _parent { my ($name) = @_; my $d = dirname($name); return $d eq '.' ? '' : $d }

# Change the names now, and after the folders concerned are flushed for certain.
sub _rename_step {
    my ($self, $folders, @step) = @_;
    _apply($self->{names}, @step);
    push @{ $self->{pending} }, [$folders, @step];
}

sub _apply {
    my ($names, $what, $name, $other) = @_;
    $names->{$name} = $other if $what eq 'make';
    my $gone = $what eq 'make' ? undef : delete $names->{$name};
    $names->{$other} = $gone if $what eq 'rename' && $gone;
}

sub _flush_folder {
    my ($self, $name) = @_;
    my @left;
    for my $p (@{ $self->{pending} }) {
        my ($folders, @step) = @$p;
        if (grep { $_ eq $name } @$folders) { _apply($self->{kept}, @step) } else { push @left, $p }
    }
    $self->{pending} = \@left;
}

sub _write { my ($file, @write) = @_; push @{ $file->{writes} }, \@write }

# The bytes of a file with some of its writes: [at, bytes] or [length].
sub _with {
    my ($bytes, @writes) = @_;
    for my $w (@writes) {
        my ($at, $new) = @$w;
        $bytes .= "\0" x ($at - length $bytes) if length $bytes < $at;
        if (defined $new) { substr($bytes, $at, length $new) = $new } else { $bytes = substr $bytes, 0, $at }
    }
    return $bytes;
}

# Replay a trace; at->(why) is called before each flush and after each answer.
sub replay {
    my ($self, $trace, $at) = @_;
    my (%fd, %asked);    # a file or folder with its offset; whose request came over it
    for (split /\n/, $trace) {
        my ($call, $args, $result) = /^(\w+)\((.*)\) += (-?\d+)/ or next;
        next if $result < 0;
        my @text = map { _text($_) } $args =~ /"((?:\\x[0-9a-f]{2})*)"/g;
        my ($fd) = $args =~ /^(\d+)/;
        my $o = defined $fd ? $fd{$fd} : undef;
        if ($call =~ /^open/) {    # by its short name where the C library is musl
            my ($name) = $self->_names(\%fd, $args);
            delete $fd{$result};
            next if !defined $name;
            $self->_rename_step([_parent($name)], 'make', $name, { bytes => '', writes => [] }) if $args =~ /O_CREAT/ && !$self->{names}{$name};
            $fd{$result} = { name => $name, file => $self->{names}{$name}, offset => 0 };
        } elsif ($call =~ /^mkdir/) {
            my ($name) = $self->_names(\%fd, $args);
            $self->_rename_step([_parent($name)], 'make', $name, { dir => 1 }) if defined $name;
        } elsif ($call =~ /^rename/) {
            my ($from, $to) = $self->_names(\%fd, $args);
            $self->_rename_step([_parent($from), _parent($to)], 'rename', $from, $to) if defined $from;
        } elsif ($call =~ /^unlink/) {
            my ($name) = $self->_names(\%fd, $args);
            $self->_rename_step([_parent($name)], 'unlink', $name) if defined $name;
        } elsif ($call eq 'close') {
            delete $fd{$fd};
        } elsif ($call =~ /^f(?:data)?sync$/ && $o) {
            $at->("before a flush of $o->{name}");
            if ($o->{file}{dir}) { $self->_flush_folder($o->{name}) }
            else { $o->{file}{bytes} = _with($o->{file}{bytes}, splice @{ $o->{file}{writes} }) }
        } elsif ($call eq 'ftruncate' && $o) {
            _write($o->{file}, $args =~ /, (\d+)$/);
        } elsif ($call eq 'pwrite64' && $o) {
            _write($o->{file}, $args =~ /, (\d+)$/, substr $text[0], 0, $result);
        } elsif ($call =~ /^writev?$/ && $o) {
            _write($o->{file}, $o->{offset}, substr join('', @text), 0, $result);
            $o->{offset} += $result;
        } elsif ($call =~ /^read|recvfrom$/ && !$o) {
            $asked{$fd} = $1 if @text && $text[0] =~ /"id":"([^"]+)"/;
        } elsif ($call eq 'write' && $text[0] =~ /\{"received":true/) {
            my $id = $asked{ $fd == 1 ? 0 : $fd } // die 'an answer to nobody';
            $self->{acked}{$id} = 1;
            $at->("after the answer to $id");
        }
    }
}

# Variants of a cut right now: [names that were not flushed, writes that were not flushed], each none, all, or some: a
# part of the names' steps, in their order; any of the writes, one of them torn.
our @VARIANTS = ([qw(none none)], [qw(all all)], [qw(all none)], [qw(none all)], [qw(all torn)], [qw(some some)], [qw(all some)]);

# What is on the disk then: name => bytes, or undef for a folder.
sub cut {
    my ($self, $names, $writes) = @_;
    my %tree = %{ $self->{kept} };
    my @steps = $names eq 'none' ? () : @{ $self->{pending} };
    $#steps = int(rand(@steps + 1)) - 1 if $names eq 'some';
    _apply(\%tree, @$_[1 .. $#$_]) for @steps;
    my %disk;
    for my $name (sort keys %tree) {
        next if $name eq '' || _parent($name) ne '' && !exists $disk{ _parent($name) };
        my $file = $tree{$name};
        $disk{$name} = $file->{dir} ? undef : _with($file->{bytes}, _some($writes, @{ $file->{writes} }));
    }
    return \%disk;
}

sub _some {
    my ($which, @writes) = @_;
    return $which eq 'all' ? @writes : () if $which =~ /^(?:all|none)$/ || !@writes;
    @writes = grep { rand() < 0.5 } @writes if $which eq 'some';
    my $last = pop @writes // return;
    my ($at, $bytes) = @$last;
    return @writes if !defined $bytes;
    my $end = $at + length $bytes;
    my $sector = rand() < 0.5 ? 512 : 4096;
    my $torn = $end - $at > 1 ? int(($at + 1 + rand($end - $at)) / $sector) * $sector : $at;    # a border between sectors, or nothing of it
    return (@writes, $torn > $at ? [$at, substr $bytes, 0, $torn - $at] : ());
}

1;
