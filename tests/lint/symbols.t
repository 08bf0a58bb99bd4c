#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# foo.o exports foo and foo_* only.
use strict;
use warnings;
use File::Basename qw(basename);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

# Where a room has a second struct: struct verified, which only verify.c can make.
my %ALSO = (verify => "verified");

my %object;
my $objects = $ENV{OBJ} ? ($ENV{OBJ} =~ m{^/} ? $ENV{OBJ} : "$ROOT/$ENV{OBJ}") : "$ROOT/build/obj";
$object{ basename($_, ".o") } = $_ for listed($objects, "*.o");
my @names = grep { -e "$ROOT/src/$_.c" } sort keys %object;
plan skip_all => 'nothing is built yet' if !@names;

my ($seen, %exports, @wrong) = (0);
my $nm = `nm -A -g --defined-only @{[quoted(@object{@names})]}`;
push @{ $exports{$1} }, $2 while $nm =~ /([^\/:]+)\.o:[0-9a-f]+ [A-Z] (\w+)$/mg;
for my $name (@names) {
    # A room in several files (store_sqlite, store_sqlite_read) has one prefix; a file may use it or its own.
    my @prefixes = ($name, $ALSO{$name} // (), grep { $name =~ /^\Q$_\E_/ } map { s/\.h$//r } sources("h"));
    my $allowed = join '|', map { quotemeta } @prefixes;
    for my $symbol (@{ $exports{$name} }) {
        next if $symbol =~ /^__(asan|ubsan|odr|gcov|llvm)/ || $symbol eq 'main';
        $seen++;
        push @wrong, "$name.o exports $symbol" if $symbol !~ /^(?:$allowed)(?:_|$)/;
    }
}
cmp_ok $seen, '>', 20, 'exported symbols are found';
is_deeply \@wrong, [], 'an object exports its own prefix only';
done_testing;
