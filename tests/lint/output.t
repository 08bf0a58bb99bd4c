#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Text leaves the programs by base/print.c, the log by base/log.c, an answer of a CGI by web/cgi.c and page/page_serve.c: what is printed is printable.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

# What writes to a stream or names a stream's descriptor; compilers put some of them in the place of others.
my $writes = join '|', map { ("_*$_", "__${_}_chk") } qw(printf fprintf vprintf vfprintf dprintf vdprintf puts fputs fputc putc
    putchar puts_unlocked fputs_unlocked putc_unlocked putchar_unlocked fputc_unlocked fwrite fwrite_unlocked _IO_putc putw
    fputws fputwc perror psignal psiginfo error error_at_line warn warnx vwarn err errx verr syslog vsyslog);
my %object = objects($ENV{OBJ} // 'build/obj');
plan skip_all => 'nothing is built yet' if !%object;
my %file = reverse %object;
my ($seen, @wrong) = (0);
my $nm = `nm -A -u @{[quoted(values %object)]}`;
while ($nm =~ /^(.+\.o):\s+U (\w+)/mg) {
    my ($file, $symbol) = ($file{$1}, $2);
    next if $symbol !~ /^(?:$writes)$/;
    $seen += $file eq 'base/print.c';
    push @wrong, "$file calls $symbol()" if $file ne 'base/print.c';
}
cmp_ok $seen, '>', 2, 'calls that write to a stream are found';
is_deeply \@wrong, [], 'only print.c writes to a stream';

my %may = map { $_ => 1 } qw(base/log.c web/cgi.c page/page_serve.c);
my @direct;
for my $file (sources('c')) {
    my @lines = split /\n/, code(slurp("$ROOT/src/$file"));
    for my $n (1 .. @lines) {
        push @direct, "$file:$n" if $lines[$n - 1] =~ /\b(?:p?writev?|files_write_all|send|sendto|vmsplice|splice)\s*\(\s*(?:STD(?:OUT|ERR)_FILENO|[12]\s*,|fileno\s*\(std)/;
    }
}
is_deeply [grep { !$may{ s/:\d+$//r } } @direct], [], 'and only the log and the two CGIs write to a standard descriptor';
ok scalar(@direct), 'such a call is found';

# Whoever may write bytes as they are: the contract of the command is the bytes, or they are ours.
my %exact = map { $_ => 1 } qw(base/print.c complycube-page.c complycube-webhook.c doctor/finding.c tool/cmd_metrics.c tool/example.c work/pool_report.c);
my @exact = grep { code(slurp("$ROOT/src/$_")) =~ /\bprint_bytes\s*\(/ && !$exact{$_} } sources('c');
is_deeply \@exact, [], 'and only these print bytes as they are: ' . join ', ', sort keys %exact;
my @formats = grep { code(slurp("$ROOT/src/$_")) =~ /\bprint_(?:out|err)\s*\(\s*+(?!""|\w+(?:->\w+)?\s*\?\s*"")/ && !/^base\/print/ } sources('c');
is_deeply \@formats, [], 'a format is a literal';
done_testing;
