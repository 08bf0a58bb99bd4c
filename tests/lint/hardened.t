#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What is shipped is hardened: position-independent, relocations read-only before main, no executable stack, no section
# that is both written and run, stack protector and FORTIFY in each object of ours.
use strict;
use warnings;
use File::Basename qw(basename);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my $bin = $ENV{BIN} // 'build/bin';
my $obj = $ENV{OBJ} // 'build/obj';
plan skip_all => 'these programs are not those that are shipped' if $bin =~ m{build/\w+/bin};
$_ = m{^/} ? $_ : "$ROOT/$_" for $bin, $obj;

for my $name (qw(complycube-webhook complycube-inbox)) {
    my $header = read_elf('-h', "$bin/$name");
    my $segments = read_elf('-l', "$bin/$name");
    my $dynamic = read_elf('-d', "$bin/$name");
    like $header, qr/Type:\s+DYN/, "$name is position-independent";
    like $dynamic, qr/FLAGS_1\).*\bPIE\b/, '... as a program, not as a library';
    like $segments, qr/^\s*GNU_RELRO\b/m, '... its relocations become read-only';
    like $dynamic, qr/\bBIND_NOW\b/, '... all of them, before it starts';
    unlike $dynamic, qr/\bTEXTREL\b|\bR(?:UN)?PATH\b/, '... without text relocations, and libraries come from nowhere else';
    like $segments, qr/^\s*GNU_STACK\b.*\n?.*\bRW\s/m, '... its stack is there and not executable';
    unlike $segments, qr/^\s*(?:LOAD|GNU_STACK)\b[^\n]*\n?[^\n]*\bRWE\b/m, '... nothing is both written and run';
}

# Whether each object was made so: the compiler says how it was called, and what it then calls tells the rest.
my %made = objects($obj);
my @objects = map { $made{$_} } sort keys %made;
cmp_ok scalar @objects, '>', 30, 'our objects are found';
my (@unprotected, @plain, $checked);
my %producer = read_elf('--debug-dump=info --dwarf-depth=1', @objects) =~ /^File: ([^\n]+)\n.*?DW_AT_producer\s*:(.*?)$/msg;
my (%undefined, $nm);
$nm = `nm -A -u @{[quoted(@objects)]}`;
push @{ $undefined{$1} }, $2 while $nm =~ /^([^:]+):\s+U (\w+)/mg;
for my $object (@objects) {
    my $how = $producer{$object} // '';
    push @unprotected, basename($object) if $how !~ /-fstack-protector-strong/ || $how !~ /-O2/ || $how !~ /-f(?:PIE|pie|PIC)\b/;
    $checked++ if grep { /^__\w+_chk$/ } @{ $undefined{$object} };
    # With FORTIFY these are called by their checked names; those with a size are not where it is known to suffice.
    push @plain, map { basename($object) . ": $_" } grep { /^v?f?printf$/ } @{ $undefined{$object} };
}
my %line = compile_lines();
is_deeply [grep { $line{$_} !~ m{-D_FORTIFY_SOURCE=[23]\b} } sort keys %line], [], 'FORTIFY is asked for, for each file';
is_deeply \@unprotected, [], 'each is made with -O2, -fPIE and the strong stack protector';
is_deeply \@plain, [], 'and none calls an unchecked printf';
cmp_ok $checked // 0, '>', 20, 'since checked ones are called';
like `nm @{[quoted("$bin/complycube-webhook")]}`, qr/__stack_chk_fail/, 'and the stack protector is linked';
done_testing;

sub read_elf {
    my ($option, @files) = @_;
    my $text = `LC_ALL=C readelf -W $option @{[quoted(@files)]} 2>/dev/null`;
    BAIL_OUT("readelf of @files failed") if $? || !length $text;
    return $text;
}
