#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An exported symbol begins with the name of its file, or of a header of its room.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

# A second struct: struct verified, which only verify.c can make.
my %ALSO = ('event/verify.c' => ['verified']);
my %object = objects($ENV{OBJ} // 'build/obj');
plan skip_all => 'nothing is built yet' if !%object;
my %file = reverse %object;

my ($seen, %exports, @wrong) = (0);
my $nm = `nm -A -g --defined-only @{[quoted(values %object)]}`;
push @{ $exports{ $file{$1} } }, $2 while $nm =~ /^(.+\.o):[0-9a-f]+ [A-Z] (\w+)$/mg;
for my $file (sort keys %exports) {
    my @headers = map { basename($_, '.h') } grep { dirname($_) eq dirname($file) } sources('h');
    my $allowed = join '|', map { quotemeta } basename($file, '.c'), @headers, @{ $ALSO{$file} // [] };
    for my $symbol (@{ $exports{$file} }) {
        next if $symbol =~ /^__(asan|ubsan|odr|gcov|llvm)/ || $symbol eq 'main';
        $seen++;
        push @wrong, "$file exports $symbol" if $symbol !~ /^(?:$allowed)(?:_|$)/;
    }
}
cmp_ok $seen, '>', 20, 'exported symbols are found';
is_deeply \@wrong, [], 'a symbol tells its file or its room';
done_testing;
