#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# compile_commands.json, for clangd and its like, on stdout: how make compiles each C file, by its own lines.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Source;

my (@entries, %seen);
for my $line (make_lines('all unit')) {
    for my $file (grep { !$seen{$_}++ } $line =~ m{(?<=\s)([\w./-]+\.c)(?=\s|$)}g) {
        push @entries, { directory => $ROOT, file => $file, command => $line };
    }
}
die "make tells no compile lines\n" if !@entries;
print JSON::PP->new->pretty->canonical->encode([sort { $a->{file} cmp $b->{file} } @entries]);
