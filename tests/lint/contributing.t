#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the documents tell a contributor to run and to read is there, and `make help` lists each target.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Documents;
use Test::More;
use Source;

my $rules = join '', map { slurp("$ROOT/$_") =~ s/\\\n//gr } qw(Makefile tests/rules.mk packaging/rules.mk);
my %phony = map { $_ => 1 } map { split } $rules =~ /^\.PHONY:(.*)/mg;
my %help = map { $_ => 1 } do {
    local %ENV = %ENV;
    delete @ENV{ grep { /^(?:MAKE|MFLAGS)/ } keys %ENV };
    `make -s -C @{[quoted($ROOT)]} help` =~ /^  make (\S+) +\S/mg;
};
my %inner = map { $_ => 1 } qw(force fuzzers print);
is_deeply [grep { !$help{$_} && !$inner{$_} } sort keys %phony], [], 'make help lists each target but the inner ones';

my (%named, @code);
push @code, slurp("$ROOT/$_") =~ /(^    .*|`make [^`]+|^step .*|^make .*)/mg for documents(), qw(HACKING.md SECURITY.md CONTRIBUTING.md .ci/run);
for (@code) { $named{$1} = 1 while /\bmake (?:-\S+ )*([a-z][\w.-]*)/g }
cmp_ok scalar keys %named, '>', 20, 'the documents name targets';
is_deeply [grep { !$help{$_} && !$inner{$_} } sort keys %named], [], 'and each is there';

my $contributing = slurp("$ROOT/CONTRIBUTING.md");
cmp_ok scalar(split /\n/, $contributing), '<=', 80, 'CONTRIBUTING.md is two screens';
my @files = $contributing =~ m{((?:(?:src|tests|packaging)/[\w./-]*[\w/]|\b[A-Z]+\.md|\bMakefile|\.git-[\w-]+))}g;
cmp_ok scalar @files, '>', 8, 'it names files';
is_deeply [grep { !-e "$ROOT/$_" } @files], [], 'and each exists';
done_testing;
