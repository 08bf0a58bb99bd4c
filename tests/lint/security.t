#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# SECURITY.md: each test and each document that it names is there, each threat has a test, and users find it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my $text = slurp("$ROOT/SECURITY.md");
my %later = map { $_ => 1 } $text =~ /^<!-- not yet here: (.*) -->$/m ? split ' ', $1 : ();
my %named = map { $_ => 1 } $text =~ m{`((?:tests|src|docs|packaging|lighttpd|apache|cgi-bin|consumers)/[^`\s]*|[A-Z]+\.md)`}g;
cmp_ok scalar(keys %named), '>', 30, 'files are found in it';
is_deeply [grep { !-e "$ROOT/$_" && !$later{$_} } sort keys %named], [], 'each file that it names is there';
is_deeply [grep { -e "$ROOT/$_" } sort keys %later], [], 'and what is said not to be there yet is not';

my ($table) = $text =~ /^## Who can do what\n(.*?)^## /ms;
my @rows = grep { !/^\|(?:---| who )/ } $table =~ /^\|.*\|$/mg;
cmp_ok scalar(@rows), '>', 15, 'its table has rows';
is_deeply [grep { !m{ \| `tests/[^|]*\|$} } @rows], [], 'each names the test that shows it';
is_deeply [grep { m{^tests/} && !m{\.(?:t|c)$} && !m{/$} } sort keys %named], [], 'tests are files that run';
ok slurp("$ROOT/$_") =~ /\bSECURITY\.md\b/, "$_ leads to it" for qw(README.md HACKING.md);
done_testing;
