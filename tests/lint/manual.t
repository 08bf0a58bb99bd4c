#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The manual says what the programs say: options, configuration keys, exit codes.
use strict;
use warnings;
use File::Basename qw(basename);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my $bin = $ENV{BIN} // "$ROOT/build/bin";
$bin = "$ROOT/$bin" if $bin !~ m{^/};
my %page = map { basename($_) => slurp($_) } listed("$ROOT/src/man", "*.[158]");
is_deeply [sort keys %page],
    [qw(complycube-inbox.1 complycube-inbox.5 complycube-page.8 complycube-webhook.8 complycube-webhook.conf.5)], 'the pages';

# A page's ".It Fl c , -config Ar file" as "c config file"; a bare "-n" is "n", "--since" alone "since time".
sub page_options {
    my ($text) = @_;
    my @options;
    while ($text =~ /^\.It Fl (?:(\w)|-([\w-]+))(?: , (?:Fl )?-([\w-]+))?(?: Ar (\S+))?$/mg) {
        push @options, join ' ', $1 // $2, map { defined ? lc : () } $3, $4;
    }
    return sort @options;
}

for my $program (qw(complycube-webhook complycube-page)) {
    my $help = `@{[quoted("$bin/$program")]} --help`;
    my @said;
    while ($help =~ /^  -(\w)  (.*)/mg) {
        my ($letter, $rest) = ($1, $2);
        push @said, join " ", $letter, $rest =~ /also --(\w+)/;
    }
    is_deeply [page_options($page{"$program.8"})], [sort @said], "$program(8) has the options of --help";
}

my $usage = `@{[quoted("$bin/complycube-inbox")]} --help`;
my @commands = $usage =~ /^  ([\w-]+) /mg;
my (%all, %takes);
for my $command (@commands) {
    my $text = `@{[quoted("$bin/complycube-inbox")]} $command --help`;
    while ($text =~ /^  (?:-(\w), |    )--([\w-]+) (\S*)/mg) {
        $all{ join ' ', $1 // (), $2, length $3 ? lc $3 : () } = 1;
        push @{ $takes{$command} }, $1 // "-$2" if $2 !~ /^(?:config|help)$/;
    }
}
$all{'V version'} = 1;
is_deeply [page_options($page{'complycube-inbox.1'})], [sort keys %all], 'complycube-inbox(1) has the options of --help';
my ($synopsis) = $page{'complycube-inbox.1'} =~ /^\.Sh SYNOPSIS\n(.*?)^\.Sh/ms;
my %shown;
for my $part (split /^\.Nm\n/m, $synopsis) {
    my ($command) = $part =~ /^\.Cm ([\w-]+)/m or next;
    $shown{$command} = [grep { $_ ne 'c' } $part =~ /^\.Op Fl (-?\w[\w-]*)/mg];
}
is_deeply \%shown, \%takes, 'its synopsis has the options of each subcommand';
is_deeply [$page{'complycube-inbox.1'} =~ /^\.It Cm ([\w-]+)/mg], \@commands, 'and its list has each subcommand';

# Keys: the table in config.c, complycube-webhook.conf(5), the sample.
my $config = slurp("$ROOT/src/config/config.c");
my ($table) = $config =~ /^const struct config_key config_keys\[\] = \{\n(.*?)^\};/ms;
my @keys = ($table =~ /^\s*\{"(\w+)"/mg, $config =~ /CFG_(?:STR|STR_LIST|INT|BOOL)\("(\w+)"/g);
cmp_ok scalar @keys, '>=', 9, 'the keys are found';
is_deeply [$page{'complycube-webhook.conf.5'} =~ /^\.It Ic (\w+)/mg], \@keys, 'complycube-webhook.conf(5) has each key';
my %key = map { $_ => 1 } @keys;
my @sample = slurp("$ROOT/cgi-bin/complycube-webhook.conf.sample") =~ /^#?\s*(\w+)\s*=/mg;
is_deeply [grep { !$key{$_} } @sample], [], 'the sample has no other key';

# Exit codes of complycube-inbox(1) = the error table.
my %error = error_table();
my ($status) = $page{'complycube-inbox.1'} =~ /^\.Sh EXIT STATUS\n(.*?)^\.Sh/ms;
my %written = map { $_ => 1 } $status =~ /\b(\d+) /g;
my %code = (0 => 1, map { $_->{exit} => 1 } values %error);
is_deeply \%written, \%code, 'complycube-inbox(1) has each exit code';

# What GET may say.
my ($codes) = $page{'complycube-webhook.8'} =~ /where CODE is one of\n\.Cm (.*?) \.\n/s;
is_deeply [grep { !$error{$_} } split / , /, $codes // 'none'], [], 'complycube-webhook(8) has codes of the error table';
done_testing;
