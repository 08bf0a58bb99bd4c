#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Each promise of HACKING.md is held by a test that names it, and only the tool may trust an unverified body.
use strict;
use warnings;
use File::Find;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my ($list) = slurp("$ROOT/HACKING.md") =~ /^## Promises.*?\n(.*?)^## /ms;
my %promise;
$promise{$1} = $2 while $list =~ /^(\d+)\. (.*)$/mg;
is scalar keys %promise, 10, 'HACKING.md lists ten promises';

my %named;
find(sub {
    return if !/\.(?:t|pm|c)$/ || $File::Find::name =~ m{/lint/promises\.t$};
    my $text = slurp($_);
    while ($text =~ /\bpromises? (\d+(?:(?:, | and )\d+)*)/gi) { $named{$_} = 1 for split /\D+/, $1 }
}, "$ROOT/tests");
for my $n (sort { $a <=> $b } keys %promise) {
    next if $promise{$n} =~ /\(not built yet\)/;
    ok $named{$n}, "promise $n is named by a test: $promise{$n}";
}

my @wrong = grep { slurp("$ROOT/src/$_") =~ /\bverify_trusted\s*\(/ && !m{^(?:event/verify\.[ch]|(?:tool|work|doctor|spool)/\w+\.c)$} } sources('c', 'h');
is_deeply \@wrong, [], 'verify_trusted is for bodies that are ours already: the tool and the spool only';

# The API key: no name of it has a way into a message or a log line of another room, and no file of the receiver knows it.
my @namers = grep { slurp("$ROOT/src/$_") =~ /\bkey_text\b/ } sources('c', 'h');
is_deeply \@namers, [qw(api/api.c api/api_key.c api/api_key.h)], 'the text of an API key is named by its own room only';
my @printers = grep { slurp("$ROOT/src/$_") =~ /\b(?:err_set|print_\w+|log_\w+)\s*\([^;]*\bkey_text\b/ } @namers;
is_deeply \@printers, [], 'and is part of no message there';
done_testing;
