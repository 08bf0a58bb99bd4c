#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The commands of INSTALL.md, README.md and docs/ run one after another, as one user of a shared host would paste them, in
# a copy of the tree. Those of a server of one's own are run by tests/install.t, and the text is looked at by tests/lint/documents.t.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Documents;
use Event qw(%SECRET sign);
use Source;
use Test::More;

my $home = tempdir('readme-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
my $copy = "$home/complycube-inbox";
my $conf = 'public_html/cgi-bin/complycube-webhook.conf';

my $root = quoted($ROOT);
my $git = -d "$ROOT/.git" && system('command -v git >/dev/null') == 0;
my $list = $git ? "git -C $root ls-files -co --exclude-standard" : "cd $root && find . -path ./build -prune -o -type f -print";
system("mkdir $copy && cd $root && { $list; } | grep -v '\\.[f]*cgi\$' | tar -cf - -T - | tar -C $copy -xf -") == 0
    or BAIL_OUT('copying the tree failed');
my $as = "git -c user.name=test -c user.email=test -c core.hooksPath=/dev/null -C $copy";
system("git init -q $copy && $as add -A && $as commit -q -m copy >/dev/null") if $git;

# What ComplyCube posts meanwhile, and what a handler of the user's own is.
write_file("$home/post", <<"SH");
#!/bin/sh
body=\$(cat; echo .)    # to the byte
body=\${body%.}
printf %s "\$body" | REQUEST_METHOD=POST HTTP_COMPLYCUBE_SIGNATURE=\$1 CONTENT_LENGTH=\${#body} \$HOME/public_html/cgi-bin/complycube-webhook.cgi |
    grep -q '"received":true'
SH
write_file("$home/webhook.php", "<?php http_response_code(200);\n");
my $post = sub { my ($body) = @_; return "printf %s '$body' | LC_ALL=C sh ~/post " . sign($body) . "\n" };
my $examples = "grep -v '^#' $copy/tests/vectors/SIGNATURES.tsv | while read -r name signature; do LC_ALL=C sh ~/post \$signature <$copy/tests/vectors/\$name; done\n";
my ($known) = slurp("$ROOT/tests/vectors/check.completed.json");

# What happens before a section's first block: 'FILE, SECTION' => shell. Each is used.
my %first = (
    'README.md, See it run' => $examples,
    'docs/consumers.md, Whole programs' => "complycube-inbox requeue --state done --reason 'once more'\n",
    'docs/operating.md, Change events by hand' => $post->('{"id":"new-1","type":"check.pending","payload":{}}')
        . $post->($known =~ s/"outcome":"clear"/"outcome":"attention"/r),
    'docs/operating.md, Give a person what is stored' => $post->($known =~ s/"id":"\w+"/"id":"new-2"/r),
    'docs/answers.md, The spool' => qq(sed -i '1i spool = "$home/spool"' ~/$conf\ncomplycube-inbox init\n),
);
# What a reader puts in the place of ours.
my @his = (
    ['PASTE_THE_SECRET_HERE' => $SECRET{live}],
    ['requeue 4711' => 'requeue 1'],
    ['ack 4712' => 'ack 27'],
    ['quarantine accept 3' => 'quarantine accept 1'],
    ['--secret 2025 --since 2026-11-01' => '--secret main --since 2026-01-01'],
    ['/home/me/private' => "$home/private"],
);

my (@script, %used, %replaced);
for my $block (run_by('')) {
    my ($language, $text) = @$block{qw(language text)};
    for my $his (@his) { my ($ours, $theirs) = @$his; $replaced{$ours} += $text =~ s/\Q$ours\E/$theirs/g }
    my $place = "$block->{file}, $block->{section}";
    push @script, "cd $copy\n" . (!$used{$place}++ && $first{$place} || '');
    push @script, { sh => \&shell, cron => \&cron, php => \&php, perl => \&perl }->{$language}->($text);
}
is_deeply [grep { !$used{$_} } sort keys %first], [], 'each section that something happens before is there';
is_deeply [grep { !$replaced{$_} } sort keys %replaced], [], 'and each word that is replaced';

# What was put aside is looked at and dropped before everything stored is verified.
sub shell { my ($text) = @_; return $text =~ s/^(?=complycube-inbox verify --stored)/complycube-inbox quarantine drop 1 --reason seen\n/mr =~ s/\n*\z/\n/r }

# cron runs a line by sh, in the home folder, and hands it no other variables. It is another day: names of backups have the second.
sub cron {
    my ($text) = @_;
    my @lines = map { /^(?:\S+ ){5}(.*)$/ ? $1 : die "no line of cron: $_" } split /\n/, $text;
    return join '', 'for backup in ~/backups/*.db; do [ ! -e "$backup" ] || mv "$backup" "${backup%Z.db}-yesterday.db"; done' . "\n",
        map { 'env -i HOME="$HOME" PATH=/usr/bin:/bin sh -c ' . quoted("cd; $_") . "\n" } @lines;
}

# An example stands in a file beside the library, in a program of the reader's own; of `once` it first takes the table that is printed.
sub php {
    my ($text) = @_;
    my $program = '<?php function update_client($id, $outcome) { echo "php updates $id: $outcome\n"; }' . "\n";
    $program .= <<'PHP' if $text !~ /new ComplyCubeInbox/;
require __DIR__ . '/ComplyCubeInbox.php';
$inbox = new ComplyCubeInbox(getenv('HOME') . '/private/inbox.db', array('endpoint' => 'live'));
$pdo = new PDO('sqlite:' . getenv('HOME') . '/php.db');
$pdo->exec('CREATE TABLE clients (id, outcome)');
try { $inbox->once($pdo, 'complycube_handled', function () {}); } catch (Exception $e) { list(, $create) = explode('make it: ', $e->getMessage()); }
$pdo->exec($create);
PHP
    $program .= $text;
    $program .= q(echo "php handled ", $pdo->query('SELECT count(*) FROM complycube_handled')->fetchColumn(), "\n";) if $text !~ /new ComplyCubeInbox/;
    return example($program, 'php');
}

sub perl {
    my ($text) = @_;
    my $program = q(sub update_client { my ($id, $outcome) = @_; print "perl updates $id: $outcome\n" }) . "\n";
    $program .= <<'PERL' if $text !~ /ComplyCubeInbox->new/;
use DBI;
use FindBin;
use lib $FindBin::Bin;
use ComplyCubeInbox;
my $inbox = ComplyCubeInbox->new("$ENV{HOME}/private/inbox.db", endpoint => 'live');
my $dbh = DBI->connect("dbi:SQLite:$ENV{HOME}/perl.db", '', '', { RaiseError => 1, PrintError => 0 });
$dbh->do('CREATE TABLE clients (id, outcome)');
eval { $inbox->once($dbh, 'complycube_handled', sub { }) };
$dbh->do($@ =~ s/.*make it: //sr);
PERL
    $program .= $text;
    $program .= q(print "perl handled ", $dbh->selectrow_array('SELECT count(*) FROM complycube_handled'), "\n";) if $text !~ /ComplyCubeInbox->new/;
    return example($program, 'perl');
}

sub example {
    my ($program, $language) = @_;
    my $n = @script;
    write_file("$home/example-$n", $program);
    return "complycube-inbox requeue --state done --reason 'once more'\ncp $copy/consumers/$language/ComplyCubeInbox.p* ~/\n$language ~/example-$n\n";
}

write_file("$home/tested.sh", join '', "set -eux\n", @script);
my %env = (%ENV, HOME => $home, MAKEFLAGS => '-j4', CFLAGS => '-O0 -g0 -U_FORTIFY_SOURCE');    # not to wait for the optimizer
delete @env{ grep { /^(?:MAKELEVEL|MFLAGS|MAKEOVERRIDES|COMPLYCUBE_\w+|BIN|OBJ|SAN|COV|HARNESS_\w+|PERL5\w+)$/ } keys %env };
my $code_of = do { local %ENV = %env; system("timeout 300 bash $home/tested.sh >$home/out 2>&1") };
my $out = slurp("$home/out");
is $code_of, 0, 'the commands run' or diag $out;
like $out, qr/^26 events stored, 1 recognised as delivered before, 1 forgery refused; 26 read/m, 'make demo shows what it should';
like $out, qr/^ready$/m, 'complycube-webhook.cgi -n finds the configuration ready';
like $out, qr/^[0-9a-f]{64}$/m, 'sign prints a signature';
like $out, qr/^php updates \S+: clear$/m, 'the example in PHP reads events';
like $out, qr/^perl updates \S+: clear$/m, 'so does the one in Perl';
like $out, qr/^$_ handled 26$/m, "$_: the example of once handles each event" for qw(php perl);
if ($git) { is `git -C $copy status --porcelain`, '', 'and the tree is clean afterwards' }
done_testing;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f }
