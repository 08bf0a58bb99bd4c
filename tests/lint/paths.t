#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A checkout may lie in a folder whose name has blanks and quotes: its path never reaches a shell, a pattern or make's lists
# bare.
use strict;
use warnings;
use File::Find qw(find);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my $path = qr/\$(?:ROOT|Fixture::ROOT|FindBin::Bin|BUILD|PEERS)\b/;
my (@globs, @shells, $files);
find({ no_chdir => 1, wanted => sub {
    return if !/\.(?:t|pm|pl)$/ || m{/paths\.t$};
    $files++;
    my ($name, $n) = (s{^\Q$ROOT\E/}{}r, 0);
    for my $line (split /\n/, slurp($_)) {
        $n++;
        push @globs, "$name:$n" if $line =~ /\bglob\b[ (]+"[^"]*$path/;
        push @shells, "$name:$n" if $line =~ /'-?\w*$path[^']*'/ && $line =~ /`|\bsystem\b/ || $line =~ /`[^`\@]*(?<![\w"])$path/;
    }
} }, "$ROOT/tests");
cmp_ok $files, '>', 100, 'the tests are found';
is_deeply \@globs, [], 'a pattern in the checkout goes through listed';
is_deeply \@shells, [], 'a path of the checkout in a command goes through quoted';

my @bare;
for my $makefile (qw(Makefile tests/rules.mk packaging/rules.mk packaging/static/flavour.mk packaging/static/libraries.mk packaging/debian/rules)) {
    my $n = 0;
    for my $line (split /\n/, slurp("$ROOT/$makefile")) {
        $n++;
        push @bare, "$makefile:$n" if $line =~ /\$\((?:abspath|realpath|CURDIR)\b/ && $line !~ /"[^"]*\$\(CURDIR\)[^"]*"|\$\(subst ',/;
        push @bare, "$makefile:$n" if $line =~ /^\t.*[^"]\$\((?:DESTDIR|INTO|SHARE|DOC)\)/ && $line !~ /"[^"]*\$\((?:DESTDIR|INTO|SHARE|DOC)\)[^"]*"/;
    }
}
is_deeply \@bare, [], 'make hands it to the shell in quotes';
done_testing;
