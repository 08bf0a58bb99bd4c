#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The manual's pages are sound mdoc.
use strict;
use warnings;
use File::Basename qw(basename);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

plan skip_all => 'mandoc is not installed' if system('command -v mandoc >/dev/null') != 0;
my @pages = listed("$ROOT/src/man", '*.[158]');
cmp_ok scalar @pages, '>', 3, 'the pages are found';
for my $page (@pages) {
    is scalar `mandoc -Tlint -Wwarning @{[quoted($page)]} 2>&1`, '', basename($page) . ': mandoc reports nothing';
}
done_testing;
