#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# No thread is made: a program of ours has one, and so needs no ThreadSanitizer, and the receiver's sandbox can forbid more.
# (libcurl resolves names in a thread of its own, in the tool; tests/e2e/raw-fastcgi.t counts those of a receiver.)
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my $makes = qr/\b(?:pthread_create|thrd_create|clone3?|vfork|aio_\w+|lio_listio|getaddrinfo_a|SIGEV_THREAD)\b/;
my (@calls, @headers, $files);
for my $file (sources('c', 'h')) {
    my $text = code(slurp("$ROOT/src/$file"));
    $files++;
    push @calls, "$file: $1" while $text =~ /($makes)(?=\s*[(;,}])/g;
    push @headers, "$file: $1" while $text =~ /^\s*#\s*include\s*<(threads\.h|aio\.h|stdatomic\.h)>/mg;
}
cmp_ok $files, '>', 100, 'the sources are found';
is_deeply \@calls, [], 'no call in src/ makes a thread';
is_deeply \@headers, [], 'nor is a header included that is for nothing else';

my $bin = $ENV{BIN} // 'build/bin';
$bin = "$ROOT/$bin" if $bin !~ m{^/};
my %symbols = map { $_ => scalar `nm -D -u @{[quoted("$bin/$_")]}` } qw(complycube-webhook complycube-inbox);
like $symbols{$_}, qr/\bU sqlite3_open/, "the symbols of $_ are found" for sort keys %symbols;
my @linked = map { my $name = $_; map { "$name: $_" } $symbols{$name} =~ /\bU ($makes)\b/g } sort keys %symbols;
push @linked, map { "complycube-webhook: $_" } $symbols{'complycube-webhook'} =~ /\bU (fork|posix_spawnp?|popen|system)\b/g;
is_deeply \@linked, [], 'neither program calls for one, and the receiver makes no process either';
done_testing;
