#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What goes by a path may go through a link that somebody put there. Names in folders that others may write are opened by
# base/shared and base/files, and used below an open folder; names.known says of each other call by a path why it may.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Source;
use Test::More;

# Those that open, look, change or remove by a path. What begins at an open folder and follows no link is not among them.
my $calls = join '|', qw(open fopen freopen creat stat chmod chown lchown rename unlink rmdir mkdir opendir scandir glob link symlink truncate
    mkfifo mknod remove utimes access realpath readlink mkostemp mkstemp mkdtemp statfs statvfs lstat);

my (%found, %known, @odd);
for my $file (sources('c', 'h')) {
    my $text = code(slurp("$ROOT/src/$file"));
    $found{$file}{$1}++ while $text =~ /(?<![\w.>])($calls)\s*\(/g;
}
for (split /\n/, slurp("$ROOT/tests/lint/names.known")) {
    next if /^(?:#|$)/;
    my ($file, $names, $why) = /^(\S+)\s+([\w,]+)\s+(\S.*\S)$/ or push(@odd, $_), next;
    $known{$file}{$_} = $why for split /,/, $names;
}
is_deeply \@odd, [], 'names.known has lines "FILE CALL,CALL REASON"';
cmp_ok scalar keys %found, '>', 10, 'calls are found';
my @new = map { my $f = $_; map { "$f: $_()" } grep { !$known{$f}{$_} } sort keys %{ $found{$f} } } sort keys %found;
is_deeply \@new, [], 'no call goes by a path but those that names.known gives a reason for'
    or diag 'open it by base/shared and use its descriptor, or say in names.known why nobody can put another file there';
my @gone = map { my $f = $_; map { "$f: $_()" } grep { !$found{$f}{$_} } sort keys %{ $known{$f} } } sort keys %known;
is_deeply \@gone, [], 'each of its lines is needed';
done_testing;
