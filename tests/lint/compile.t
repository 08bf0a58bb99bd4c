#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Both compilers find nothing to warn about, and each header stands by itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my %line = compile_lines();
is_deeply [sort keys %line], [sources('c')], 'make compiles every file of src/' or BAIL_OUT('no compile lines');

my $strict = '-std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only';
for my $compiler (qw(gcc clang)) {
    my @wrong = map { complaint($compiler, $line{$_}) } sort keys %line;
    is join('', @wrong), '', "$compiler: no warning in src/";
}

# A file that begins with a header has shown that it stands by itself. Any other gets a unit that holds nothing else.
my %first = map { slurp("$ROOT/src/$_") =~ /^#include "([^"]+)"/m ? ($1 => 1) : () } keys %line;
my ($any) = values %line;
$any =~ s{\s\S*src/\w+\.c\b}{};
my @wrong = map { "$_: no include guard\n" } grep { slurp("$ROOT/src/$_") !~ /^#ifndef (\w+)\n#define \1\n.*^#endif\n\z/ms } sources('h');
for my $header (grep { !$first{$_} } sources('h')) {
    push @wrong, "$header: $_" for complaint('gcc', "$any -x c -", qq(#include "$header"\nextern int unit;\n));
}
is join('', @wrong), '', 'each header stands by itself, and twice';
done_testing;

sub complaint {
    my ($compiler, $line, $text) = @_;
    my ($first, $rest) = split ' ', $line, 2;
    $rest =~ s/\s-(?:Wno-error\S*|f(?:stack-clash-protection|cf-protection\S*|analyzer|sanitize\S*))//g if $compiler eq 'clang';
    my $input = defined $text ? "printf '" . $text =~ s/\n/\\n/gr . "' | " : '';
    my $out = `cd '$ROOT' && $input$compiler $rest $strict -Isrc 2>&1`;
    return $? || length $out ? ($out || "$compiler failed\n") : ();
}
