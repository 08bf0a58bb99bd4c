#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Completion of complycube-inbox: by bash itself, with what the program's own --help says.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Fixture;
use Source;

my $f = Fixture->new;
$f->install('run/complycube-inbox', 'complycube-inbox');
$f->write('run/a file.json', '{}');
$f->write('run/inbox.conf', '');
my $driver = $f->write('run/driver', <<'SH');
. "$1"
cd "$2"
shift 2
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
$(complete -p complycube-inbox | sed 's/.*-F \([^ ]*\) .*/\1/') complycube-inbox "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
SH
my $completion = $f->write('run/completion', slurp("$ROOT/src/man/complycube-inbox.bash"));
# The tests may be run by root, the program is not.
my %env = (PATH => $f->path('run') . ":$ENV{PATH}");

# What bash offers behind these words; the last one is begun.
sub offered {
    my (@words) = @_;
    my ($code, $out, $err) = $f->run('bash', '-u', $driver, $completion, $f->path('run'), @words, { env => \%env });
    $f->{cgi_log} .= $err;
    is($err, '', "no complaint about @words");
    my %seen;
    return [sort grep { length && !$seen{$_}++ } split /\n/, $out];
}

sub help { my (@args) = @_; my (undef, $out) = $f->run($f->path('run/complycube-inbox'), @args, '--help'); return $out }

my @tool = ('complycube-inbox');
my @commands = help() =~ /^  ([a-z]\S*) /mg;
cmp_ok(scalar @commands, '>=', 11, 'the commands are found');
is_deeply(offered(@tool, ''), [sort @commands, qw(-c --help --version)], 'first the commands');
is_deeply(offered(@tool, 'se'), [sort grep { /^se/ } @commands], 'or those that begin so');
is_deeply(offered(@tool, qw(-c inbox.conf se)), [sort grep { /^se/ } @commands], 'behind -c too');
is_deeply(offered($f->path('run/complycube-inbox'), 'doc'), ['doctor'], 'also of a program that is not in PATH');
for my $command (@commands) {
    my @options = map { split /, / } help($command) =~ /^ +((?:-\S, )?--[\w-]+)/mg;
    is_deeply(offered(@tool, $command, '-'), [sort @options], "the options of $command");
}
is_deeply(offered(@tool, qw(list --json --endpo)), ['--endpoint'], 'behind other options');
is_deeply(offered(@tool, qw(list --state), ''), [qw(dead done ignored waiting)], 'the states');
is_deeply(offered(@tool, qw(list -s d)), [qw(dead done)], 'that begin so');
is_deeply(offered(@tool, qw(list --state = wa)), ['waiting'], 'with an equals sign');
is_deeply(offered(@tool, qw(list --state =)), [qw(dead done ignored waiting)], 'and nothing behind it');
is_deeply(offered(@tool, qw(list --state = dead --js)), ['--json'], 'and what comes then');
is_deeply(offered(@tool, qw(send --type document.updated)), [qw(document.updated document.updated.image_deleted document.updated.image_uploaded)], 'the types of events');
is_deeply(offered(@tool, qw(send -e sandbox --file a)), ['a file.json'], 'files, with blanks in their names');
is_deeply(offered(@tool, qw(-c inb)), ['inbox.conf'], 'for -c as well');
is_deeply(offered(@tool, qw(list --limit), ''), [], 'nothing where it cannot know');
is_deeply(offered(@tool, qw(forward), ''), [], 'nor for a URL');
is_deeply(offered(@tool, qw(work -e live -- complycube-inb)), ['complycube-inbox'], 'a program for work');
is_deeply(offered(@tool, qw(work --once cat inb)), ['inbox.conf'], 'and files as its arguments');
is_deeply(offered(@tool, qw(work --once cat --o)), [], 'whose options are not ours');
is_deeply(offered(@tool, qw(nonsense -)), [], 'and nothing of a command that is none');

for my $shell (grep { system("command -v $_ >/dev/null 2>&1") == 0 } qw(bash zsh)) {
    is(scalar `$shell -n @{[quoted("$ROOT/src/man/complycube-inbox.$shell")]} 2>&1`, '', "$shell can read its file");
}

my %env_of_make = %ENV;
delete @env_of_make{ grep { /^(?:MAKE|MFLAGS|DESTDIR|PREFIX)/ } keys %env_of_make };
local %ENV = %env_of_make;
my ($install, $uninstall) = map { scalar `make -C @{[quoted($ROOT)]} --no-print-directory -n $_ PREFIX=/usr DESTDIR=/nowhere 2>/dev/null` } qw(install uninstall);
for my $path (qw(bash-completion/completions/complycube-inbox zsh/site-functions/_complycube-inbox)) {
    like($install, qr{^install -D -m 644 src/man/complycube-inbox\.(?:ba|z)sh "/nowhere/usr/share/\Q$path\E"$}m, "$path is installed");
    like($uninstall, qr{^rm -f .*"/nowhere/usr/share/\Q$path\E"(?: |$)}m, 'and removed');
}
$f->finish;
done_testing;
