#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# make analyze: what gcc with its analyzer, clang, musl-gcc, clang-tidy and cppcheck find in src/, and whether each header stands by
# itself. Each finding that tests/lint/analyze.known does not list with its reason fails it, and so does a line there that
# finds nothing any more.
use strict;
use warnings;
use File::Basename qw(basename);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Source;

chdir $ROOT or die "$ROOT: $!";
my %known;
for (split /\n/, slurp('tests/lint/analyze.known')) {
    next if /^#|^\s*$/;
    my ($file, $check, $reason) = split ' ', $_, 3;
    die "analyze.known: $file $check has no reason\n" if !length($reason // '');
    $known{"$file $check"} = 0;
}
my %line = compile_lines();
die "make tells no compile lines\n" if keys %line < 30;
my ($count, $files) = (0, join ' ', map { "src/$_" } sort keys %line);

# The compilers: our own flags, and gcc's analyzer.
my $warning = qr{^src/([\w./-]+):(\d+):\d+: (?:warning|error): (.*)\[-W([\w-]+)\]$};
for my $name (sort keys %line) {
    take('gcc', scalar(`LC_ALL=C $line{$name} -fanalyzer -c -o /dev/null 2>&1`), $?, $warning);
    my $clang = $line{$name} =~ s/^\S+/clang/r;
    take('clang', scalar(`LC_ALL=C $clang -fsyntax-only 2>&1`), $?, $warning);
}

# The static programs are built with musl, whose headers include less of each other.
my $beyond = join ' ', map { "-idirafter $_" } '/usr/include', glob '/usr/include/*-linux-gnu';
for my $name (sort keys %line) {
    my $musl = $line{$name} =~ s/^\S+/musl-gcc/r;
    my ($missing) = `LC_ALL=C $musl $beyond -w -fsyntax-only 2>&1` =~ /^(src\S+: error: .*)$/m;
    found('musl', $name, 0, $missing) if $missing;
}

# A file that begins with a header has shown that it stands by itself. Any other header gets a unit that holds nothing else.
my %first;
for my $file (keys %line) {
    my ($header) = slurp("src/$file") =~ /^#include "([^"]+)"/m or next;
    $first{ $header =~ m{/} || $file !~ m{^(.*/)} ? $header : "$1$header" } = 1;
}
my ($any) = map { s{\s\S*src/[\w/-]+\.c\b}{}r } values %line;
for my $header (sources('h')) {
    found('header', $header, 1, 'no include guard') if slurp("src/$header") !~ /^#ifndef (\w+)\n#define \1\n.*^#endif\n\z/ms;
    next if $first{$header};
    my $text = `printf '#include "$header"\nextern int unit;\n' | $any -Werror -fsyntax-only -x c - 2>&1`;
    found('header', $header, 1, "does not stand by itself: $text") if $?;
}

my ($flags) = values %line;
$flags = join ' ', grep { /^-(?:std|D|I)/ && !/FORTIFY/ } split ' ', $flags;
take('clang-tidy', scalar(`clang-tidy --quiet $files -- $flags 2>&1`), 0, qr{\bsrc/([\w./-]+):(\d+):\d+: (?:warning|error): (.*) \[([\w.,-]+?)(?:,-warnings-as-errors)?\]$});
my $cppcheck = q(cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --library=posix --library=gnu --template='{file}:{line}:0: warning: {message} [{id}]');
my $defines = $flags =~ s/-std=\S+//r;
take('cppcheck', scalar(`$cppcheck $defines src 2>&1`), $?, qr{^src/([\w./-]+):(\d+):\d+: warning: (.*) \[(\w+)\]$});

my @stale = grep { !$known{$_} } sort keys %known;
print "analyze.known lists what is not found any more: $_\n" for @stale;
print $count || @stale ? "$count findings\n" : "nothing found by gcc -fanalyzer, clang, musl-gcc, clang-tidy and cppcheck\n";
exit($count || @stale ? 1 : 0);

sub take {
    my ($tool, $text, $status, $pattern) = @_;
    my $found = 0;
    for (split /\n/, $text) {
        my ($file, $line, $what, $check) = /$pattern/ or next;
        $found++;
        my ($entry) = grep { exists $known{$_} } "$file $check", "* $check";
        if ($entry) { $known{$entry}++; next }
        found($tool, $file, $line, "$what [$check]");
    }
    die "$tool failed:\n$text\n" if $status && !$found;
}

sub found {
    my ($tool, $file, $line, $what) = @_;
    $count++;
    print "$tool: src/$file:$line: $what\n";
}
