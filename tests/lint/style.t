#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# No banned call, no decision by an error's message, no function or file that must be scrolled through, a purpose on top of each file,
# no test that skips for a user other than root and is not listed.
use strict;
use warnings;
use File::Find;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my $banned = join '|', qw(strcpy strcat strncpy sprintf vsprintf gets atoi atol atoll atof strtok system popen alloca rand);
my (@calls, @readers, @functions, @files, @wide, %defined, $bodies);
for my $file (sources('c', 'h')) {
    my @lines = split /\n/, code(slurp("$ROOT/src/$file"));
    my $count = () = slurp("$ROOT/src/$file") =~ /\n/g;
    push @files, "$file: $count lines" if $count > 500;
    my ($start, $name) = (0, '');
    for my $n (1 .. @lines) {
        local $_ = $lines[$n - 1];
        push @calls, "$file:$n: $1()" if /(?<![\w.>])($banned)\s*\(/;
        push @readers, "$file:$n" if /\b(?:str|mem|sscanf)\w*\s*\([^;]*(?:->|\.)msg\b/ && $file ne 'base/err.c';
        ($start, $name) = ($n, $1) if /^\w.*?\b(\w+)\(/ && !/;\s*$/;
        next if !/^\}\s*$/ || !$start;
        $bodies++;
        $defined{$name}{$file} = 1;
        push @functions, "$file: $name() has " . ($n - $start + 1) . ' lines' if $n - $start + 1 > 60;
        $start = 0;
    }
}
is_deeply \@calls, [], 'no banned call';
is_deeply \@readers, [], 'an error is known by its code and its detail: nothing looks into its message';
cmp_ok $bodies, '>', 20, 'functions are found';
my @twice = grep { keys %{ $defined{$_} } > 1 && $_ ne 'main' } sort keys %defined;
is_deeply \@twice, [], 'a function\'s name stands once in the program' or diag map { "$_: @{[sort keys %{ $defined{$_} }]}\n" } @twice;
is_deeply \@functions, [], 'no function above 60 lines';
is_deeply \@files, [], 'no file of src/ above 500 lines';

my @nameless;
find({ no_chdir => 1, wanted => sub {
    return if !-f || !/(?:\.(?:[chtl]|pl|pm|sh|php|sql|conf|mk|service|socket|[158])|Makefile|\.htaccess)$/ || m{/(?:json|vectors|seeds)/};
    my $text = slurp($_);
    push @nameless, s{^\Q$ROOT\E/}{}r if substr($text, 0, 300) !~ /SPDX-License-Identifier: MIT/ && !/schema\.sql$/;
    my $n = 0;
    for my $line (split /\n/, $text) {
        $n++;
        push @wide, "$_:$n" if length $line > 130 && m{/src/.*\.[ch]$};
    }
} }, grep { -e } map { "$ROOT/$_" } qw(src tests apache lighttpd nginx cgi-bin consumers Makefile .ci));
is_deeply [sort @nameless], [], 'each file opens with its licence';
is_deeply \@wide, [], 'no line of src/ above 130 columns';

# As root they run, so that only a run as another user, of an hour, would find the line missing.
my $listed = slurp("$ROOT/tests/skips.txt");
my @rooted = grep { slurp("$ROOT/$_") =~ /skip_all[^;]*\$>/ } map { s{^\Q$ROOT\E/}{}r } listed($ROOT, 'tests/{,*/}*.t');
cmp_ok @rooted, '>', 5, 'tests that need root are found';
is_deeply [grep { $listed !~ /^\Q$_\E /m } @rooted], [], 'each is listed in tests/skips.txt';
done_testing;
