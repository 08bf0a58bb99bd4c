#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# README.md: its commands run, its files exist, its tables are those of the program.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Source;
use Test::More;

my $readme = slurp("$ROOT/README.md");
my $head = substr $readme, 0, 400;
for my $word ('webhook receiver', 'signature verification', 'PHP', 'Perl', 'Apache', 'lighttpd', 'KYC/AML', 'not affiliated') {
    ok $head =~ /\b\Q$word\E\b/, "the first lines say $word";
}

# Files and links.
my $prose = $readme =~ s/^```.*?^```//msgr;
my %named = map { $_ => 1 } grep { m{^(?:[\w.-]+/)+[\w.-]*$|^[A-Z]\w+\.md$|^(?:NEWS|LICENSE)$} && !m{^/|^~|^build/} } $prose =~ /`([^`\s]+)`/g;
cmp_ok scalar keys %named, '>', 20, 'the README names files';
is_deeply [grep { !-e "$ROOT/$_" } sort keys %named], [], 'and each exists';
my %anchor = map { lc(s/[^\w -]//gr) =~ s/ /-/gr => 1 } $readme =~ /^#+ (.*)$/mg;
is_deeply [grep { !$anchor{$_} } $readme =~ /\]\(#([^)]+)\)/g], [], 'each link leads somewhere';

# Tables.
my %error = error_table();
my %answer = map { $_->[0] . ' `{"received":true' . ($_->[1] =~ s/\\"/"/gr) . '}`' => 1 }
    map { [/json\((\d+), "(.*)"\)/] } grep { /json\(\d+, "/ } split /;/, slurp("$ROOT/src/receiver/reply.c");
my @refusals = grep { $error{$_}{http} >= 400 && !/^(?:not-found|unverified|usage)$/ } keys %error;
$answer{"$error{$_}{http} `$error{$_}{text}`"} = 1 for @refusals;
my %written = map { $_ => 1 } $readme =~ /^\| (\d+ `[^|]*`) \|/mg;
is_deeply [sort keys %written], [sort keys %answer], 'the table of answers has those of reply.c and err.h';
my %code = map { $_ => 1 } $readme =~ /^\| `([\w-]+)` \| /mg;
is_deeply [sort keys %code], [sort grep { $error{$_}{http} =~ /^50[03]$/ } @refusals], 'the table of codes has those of err.h';

# What "make install" puts where, and what the configurations expect.
my %vars = (
    slurp("$ROOT/lighttpd/vars.conf") =~ /^var\.(program|config)\s*=\s*"([^"]+)"/mg);
my %define = (slurp("$ROOT/apache/vars.conf") =~ /^Define (PROGRAM|CONFIG)\s+(\S+)/mg);
is_deeply [@define{qw(PROGRAM CONFIG)}], [@vars{qw(program config)}], 'apache/ and lighttpd/ expect the same places';
my $install = run_make('-n install');
my ($folder) = $install =~ m{-m 755 .*complycube-webhook "([^"]+)"};
is +($folder // '') =~ s{/*$}{/complycube-webhook}r, $vars{program}, 'make install puts the receiver where they expect it';
my ($sysconfdir) = run_make('-B -n V=1') =~ /SYSCONFDIR='?"([^"]+)"/;
is +($sysconfdir // '') . '/complycube-webhook.conf', $vars{config}, 'the compiled-in configuration is the one they name';
like $readme, qr/\Q$_\E/, "the README says $_" for values %vars;

my ($version) = slurp("$ROOT/src/base/version.h") =~ /VERSION "([^"]+)"/;
my ($news) = slurp("$ROOT/NEWS") =~ /^complycube-inbox (\S+)/;
is $news, $version, 'NEWS begins with this version';

# Commands: all are shell, and those marked are run, in order, in a copy of the tree.
my @blocks = $readme =~ /^((?:<!-- tested -->\n)?)```sh\n(.*?)^```/msg;
my $home = tempdir('readme-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
my ($copy, @script, $all) = ("$home/complycube-inbox");
while (my ($mark, $block) = splice @blocks, 0, 2) {
    $all .= $block;
    push @script, "cd $copy\n$block" if $mark;
}
write_file("$home/all.sh", $all);
is system("bash -n $home/all.sh"), 0, 'every block is shell';
cmp_ok scalar @script, '>=', 4, 'some are marked as tested';

my $root = quoted($ROOT);
my $git = -d "$ROOT/.git" && system('command -v git >/dev/null') == 0;
my $list = $git ? "git -C $root ls-files -co --exclude-standard" : "cd $root && find . -path ./build -prune -o -type f -print";
system("mkdir $copy && cd $root && { $list; } | grep -v '\\.[f]*cgi\$' | tar -cf - -T - | tar -C $copy -xf -") == 0
    or BAIL_OUT('copying the tree failed');
my $as = "git -c user.name=test -c user.email=test -c core.hooksPath=/dev/null -C $copy";
system("git init -q $copy && $as add -A && $as commit -q -m copy >/dev/null") if $git;

s/PASTE_THE_SECRET_HERE/0123456789abcdef0123456789abcdef/ for @script;    # as a reader would
write_file("$home/tested.sh", join "\n", 'set -eux', @script);
my %env = (%ENV, HOME => $home, MAKEFLAGS => '-j4', CFLAGS => '-O0 -g0 -U_FORTIFY_SOURCE');    # not to wait for the optimizer
delete @env{ grep { /^(?:MAKELEVEL|MFLAGS|MAKEOVERRIDES|COMPLYCUBE_\w+|BIN|OBJ|SAN|COV|HARNESS_\w+|PERL5\w+)$/ } keys %env };
my $code_of = do { local %ENV = %env; system("timeout 240 bash $home/tested.sh >$home/out 2>&1") };
my $out = slurp("$home/out");
is $code_of, 0, 'the marked commands run' or diag $out;
like $out, qr/^26 events stored, 1 recognised as delivered before, 1 forgery refused; 26 read/m, 'make demo shows what it should';
like $out, qr/^ready$/m, 'complycube-webhook.cgi -n finds the configuration ready';
like $out, qr/^[0-9a-f]{64}$/m, 'sign prints a signature';
if ($git) { is `git -C $copy status --porcelain`, '', 'and the tree is clean afterwards' }
done_testing;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f }

sub run_make {
    my ($args) = @_;
    local %ENV = %ENV;
    delete @ENV{ grep { /^(?:MAKE|MFLAGS|DESTDIR|PREFIX)/ } keys %ENV };
    return scalar `make -C @{[quoted($ROOT)]} --no-print-directory $args 2>/dev/null`;
}
