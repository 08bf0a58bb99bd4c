#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# README.md, INSTALL.md and docs/: what they name and link to is there, their tables are those of the program, each command
# is run by a test, and the README is short.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Documents;
use Source;
use Test::More;

my %text = map { $_ => slurp("$ROOT/$_") } documents();

# The README.
my $head = substr $text{'README.md'}, 0, 400;
for my $word ('webhook receiver', 'signature verification', 'PHP', 'Perl', 'Apache', 'lighttpd', 'KYC/AML', 'not affiliated') {
    ok $head =~ /\b\Q$word\E\b/, "the first lines say $word";
}
my ($before) = $text{'README.md'} =~ /\A(.*?)^```sh\n/ms;
cmp_ok scalar(split ' ', $before), '<=', 130, 'at most 130 words come before the first command';
cmp_ok scalar(split ' ', $text{'README.md'}), '<=', 1600, 'the README has about 1500 words';
is_deeply [grep { $text{'README.md'} !~ m{\(\Q$_\E[)#]} } grep { $_ ne 'README.md' } sort keys %text], [], 'it leads to each document';

# Files and links.
my (%named, @nowhere);
my $user_s = qr{^(?:/|~|build/|\.\./private/)};    # on the user's host, or built first
for my $file (sort keys %text) {
    my $prose = $text{$file} =~ s/^```.*?^```//msgr;
    $named{$_} = 1 for grep { m{^(?:[\w.-]+/)+[\w.-]*$|^[A-Z]+\.md$|^(?:NEWS|LICENSE)$} && !/$user_s/ } $prose =~ /`([^`\s]+)`/g;
    for my $link ($prose =~ /\]\(([^)]+)\)/g) {
        my ($to, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
        my $path = $to eq '' ? "$ROOT/$file" : abs_path(dirname("$ROOT/$file") . "/$to");
        push @nowhere, "$file: $link" if !$path || !-e $path || defined $anchor && !anchors(slurp($path))->{$anchor};
    }
}
cmp_ok scalar keys %named, '>', 30, 'they name files';
is_deeply [grep { !-e "$ROOT/$_" && $_ ne 'done/' } sort keys %named], [], 'and each exists';
is_deeply \@nowhere, [], 'each link leads somewhere';
is_deeply [grep { slurp("$ROOT/$_") =~ /README, (?:section )?"|README\.md has the cure/ } qw(SECURITY.md HACKING.md CONTRIBUTING.md), map { "src/$_" } sources('c', 'h', '1', '5', '8')], [],
    'no other text sends a reader to a section that the README had';

sub anchors { my ($text) = @_; return { map { (lc(s/[^\w -]//gr) =~ s/ /-/gr) => 1 } ($text =~ s/^```.*?^```//msgr) =~ /^#+ (.*)$/mg } }

# Tables.
my %error = error_table();
my %answer = map { $_->[0] . ' `{"received":true' . ($_->[1] =~ s/\\"/"/gr) . '}`' => 1 }
    map { [/json\((\d+), "(.*)"\)/] } grep { /json\(\d+, "/ } split /;/, slurp("$ROOT/src/receiver/reply.c");
my @refusals = grep { $error{$_}{http} >= 400 && !/^(?:not-found|unverified|usage|remote)$/ } keys %error;    # remote: the tool alone
$answer{"$error{$_}{http} `$error{$_}{text}`"} = 1 for @refusals;
my %written = map { $_ => 1 } $text{'docs/answers.md'} =~ /^\| (\d+ `[^|]*`) \|/mg;
is_deeply [sort keys %written], [sort keys %answer], 'the table of answers has those of reply.c and err.h';
my %code = map { $_ => 1 } $text{'docs/answers.md'} =~ /^\| `([\w-]+)` \| /mg;
is_deeply [sort keys %code], [sort grep { $error{$_}{http} =~ /^50[03]$/ } @refusals], 'the table of codes has those of err.h';
my ($keys) = slurp("$ROOT/consumers/php/ComplyCubeInbox.php") =~ /'read' +=> 'SELECT (.*?)\s+FROM/s;
my ($listed) = $text{'docs/consumers.md'} =~ /^\| key \| value \|\n(.*?)\n\n/ms;
is_deeply [sort map { /`(\w+)`/g } map { /^\| (.*?) \|/ } split /\n/, $listed], [sort(split(/,\s+/, $keys), 'lease')], 'the table of keys has those that the library reads';

# What "make install" puts where, and what the configurations expect.
my %vars = (slurp("$ROOT/lighttpd/vars.conf") =~ /^var\.(program|config)\s*=\s*"([^"]+)"/mg);
my %define = (slurp("$ROOT/apache/vars.conf") =~ /^Define (PROGRAM|CONFIG)\s+(\S+)/mg);
is_deeply [@define{qw(PROGRAM CONFIG)}], [@vars{qw(program config)}], 'apache/ and lighttpd/ expect the same places';
my $install = run_make('-n install');
my ($folder) = $install =~ m{-m 755 .*complycube-webhook "([^"]+)"};
is +($folder // '') =~ s{/*$}{/complycube-webhook}r, $vars{program}, 'make install puts the receiver where they expect it';
my ($sysconfdir) = run_make('-B -n V=1') =~ /SYSCONFDIR='?"([^"]+)"/;
is +($sysconfdir // '') . '/complycube-webhook.conf', $vars{config}, 'the compiled-in configuration is the one they name';
like $text{'INSTALL.md'}, qr/\Q$_\E/, "INSTALL.md says $_" for values %vars;

my ($version) = slurp("$ROOT/src/base/version.h") =~ /VERSION "([^"]+)"/;
my ($news) = slurp("$ROOT/NEWS") =~ /^complycube-inbox (\S+)/;
is $news, $version, 'NEWS begins with this version';

# Commands: what runs each.
my %target = map { $_ => 1 } run_make('help') =~ /^  make (\S+) /mg;
my @blocks = map { blocks($_) } documents();
my @commands = grep { $_->{language} =~ /^(?:sh|cron|nginx)$/ } @blocks;
cmp_ok scalar @commands, '>', 30, 'commands are found';
my @unrun = grep {
    my ($test, $made) = $_->{mark} =~ m{^run by (?:(tests/\S+\.t)|make (\S+))$};
    $_->{mark} ne '' && !($test && -e "$ROOT/$test") && !($made && $target{$made})
        && !($_->{mark} eq "asks ComplyCube's API" && $_->{text} =~ m{https://api\.complycube\.com/});
} @commands;
is_deeply [map { "$_->{file}, $_->{section}: $_->{mark}" } @unrun], [], 'each block is run here, by the test that it names, or asks ComplyCube itself';
my @other = grep {
    my ($text, $test) = ($_->{text}, $_->{mark} =~ m{^run by (tests/\S+/\S+\.t)$});
    $test && grep { slurp("$ROOT/$test") !~ /\Q$_\E/ } $text =~ /complycube-inbox (\w+)/g, $text =~ m{\w+/(\w+\.\w+) /}g;
} @commands;
is_deeply [map { "$_->{file}, $_->{section}: $_->{mark}" } @other], [], 'a test that is named runs these commands';
is_deeply [map { "$_->{file}, $_->{section}" } grep { $_->{language} !~ /^(?:sh|cron|php|perl|nginx|)$/ } @blocks], [], 'the languages are known';
is_deeply [map { "$_->{file}, $_->{section}" } grep { $_->{language} eq '' && $_->{text} =~ /complycube-inbox |^(?:\S+ ){5}|\bmake\b/m && $_->{text} !~ /^# name/ } @blocks], [],
    'no command hides in a block without a language';
is_deeply [map { "$_->{file}, $_->{section}" } grep { $_->{language} eq 'sh' && system('bash', '-n', '-c', $_->{text}) } @blocks], [], 'every block is shell';

# The package's commands are those of README.Debian, which make check-deb runs.
my $debian = slurp("$ROOT/packaging/debian/README.Debian") =~ s/YOUR\.HOST/www.example.org/gr;
my @missing = grep { !/^#|^$/ && $debian !~ /^ +\Q$_\E$/m }
    map { split /\n/, $_->{text} } grep { $_->{mark} eq 'run by make check-deb' } @blocks;
is_deeply \@missing, [], 'README.Debian has each command of the package';
done_testing;

sub run_make {
    my ($args) = @_;
    local %ENV = %ENV;
    delete @ENV{ grep { /^(?:MAKE|MFLAGS|DESTDIR|PREFIX)/ } keys %ENV };
    return scalar `make -C @{[quoted($ROOT)]} --no-print-directory $args 2>/dev/null`;
}
