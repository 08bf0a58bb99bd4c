#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The rooms of src/: who may include whom (src/layers), and that a library is known to one file only.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

# Names stand in src/layers lowest first; NAME means NAME.c and NAME.h unless one of them has a place of its own.
my ($count, %place) = (0);
for my $line (split /\n/, slurp("$ROOT/src/layers")) {
    next if $line !~ /^\d/;
    my ($rank, @names) = split ' ', $line;
    $place{$_} = ++$count for @names;
}

sub place {
    my ($file) = @_;
    return $place{$file} // $place{ $file =~ s/\.[ch]$//r };
}

my (%user, @wrong);
for my $file (sources('c', 'h')) {
    my $text = slurp("$ROOT/src/$file") =~ s{/\*.*?\*/}{}gsr;
    defined place($file) or push(@wrong, "$file stands in no rank of src/layers"), next;
    while ($text =~ /^\s*#\s*include\s+(["<])([^">]+)[">]/mg) {
        my ($local, $header) = ($1 eq '"', $2);
        if (!$local) {
            my $library = $header =~ m{^(openssl|cjson|curl)/} ? $1 : $header =~ /^(fcg\w+|sqlite3|confuse|cJSON)/ ? $1 : next;
            $user{$library}{ $file =~ s/^(store_sqlite)_impl\.h$/$1.c/r } = 1;
            next;
        }
        next if $header =~ s/\.[ch]$//r eq $file =~ s/\.[ch]$//r || $header =~ /\.inc$/;
        my $at = place($header);
        push @wrong, "$file includes $header, which stands " . (defined $at ? 'above it' : 'nowhere')
            if !defined $at || $at > place($file);
    }
}
is_deeply \@wrong, [], 'a file includes only what stands before it in src/layers';

for my $library (sort keys %user) {
    my @files = sort keys %{ $user{$library} };
    is scalar @files, 1, "$library is known to one file only" or diag "@files";
}
for my $library (qw(openssl sqlite3 confuse curl)) {
    ok $user{$library}, "$library is found by this test at all";
}
my @gone = grep { my $n = $_; !grep { -e "$ROOT/src/$_" } $n, "$n.c", "$n.h" } keys %place;
is_deeply [sort @gone], [], 'each name in src/layers has its file';
done_testing;
