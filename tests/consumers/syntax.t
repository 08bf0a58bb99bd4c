#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The libraries and their examples hold nothing newer than PHP 5.6, Perl 5.10 and SQLite 3.7.17.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use OldSqlite;
use Source;
use Test::More;

# name => [pattern, an example]; code comes without comments, and with empty strings
# source: php.net/manual/en/appendices.php, "Migrating from PHP 5.6.x to PHP 7.0.x" and later
my %PHP = (
    'type of a scalar'      => [qr/[(,]\s*\??(?:string|int|float|bool|iterable|object|mixed|self)\s+&?\$/, 'function f(string $a) {}'],
    'nullable type'         => [qr/[(,:]\s*\?\s*\w+\s*(?:\$|\{)/, 'function f(?PDO $a) {}'],
    'type of a result'      => [qr/\)\s*:\s*\??\w+\s*[\{;]/, 'function f(): array {}'],
    'type of a property'    => [qr/\b(?:public|private|protected|static|var)\s+\??(?!static\b|function\b|const\b)\w+\s+\$/, 'private array $a;'],
    'visibility of a const' => [qr/\b(?:public|private|protected|final)\s+const\b/, 'private const A = 1;'],
    '??'                    => [qr/\?\?/, '$a = $b ?? 1;'],
    '?->'                   => [qr/\?->/, '$a?->b();'],
    '<=>'                   => [qr/<=>/, '$a <=> $b;'],
    'arrow function'        => [qr/\bfn\s*\(/, 'fn($a) => 1;'],
    'anonymous class'       => [qr/\bnew\s+class\b/, 'new class {};'],
    'catch of several'      => [qr/\bcatch\s*\([^)]*\|/, 'catch (A | B $e) {}'],
    'catch without a name'  => [qr/\bcatch\s*\(\s*[\w\\]+\s*\)/, 'catch (A) {}'],
    'list in brackets'      => [qr/(?:^|[;{}])\s*\[[^\]]*\]\s*=[^=>]/m, '[$a, $b] = f();'],
    'spread'                => [qr/\[\s*\.\.\.|,\s*\.\.\.\$\w+\s*\]/, '[...$a];'],
    'match'                 => [qr/\bmatch\s*\([^)]*\)\s*\{/, 'match ($a) {};'],
    'throw in a term'       => [qr/[?:=]\s*throw\b/, '$a ?: throw $b;'],
    'enum or readonly'      => [qr/\b(?:enum\s+\w+|readonly\s)/, 'readonly class A {}'],
    'promoted property'     => [qr/\(\s*(?:public|private|protected)\s/, 'function __construct(private $a) {}'],
    'named argument'        => [qr/[(,]\s*[a-z_]\w*:\s[^:]/i, 'f(a: 1);'],
    'comma after arguments' => [qr/\w\([^()]*,\s*\)(?!\s*=)/, 'f($a, );'],
    'group of use'          => [qr/\buse\s+[\w\\]+\\\{/, 'use A\{B};'],
    'new function'          => [qr/\b(?:str_(?:contains|starts_with|ends_with)|array_(?:key_first|key_last|is_list|find|any|all)|is_countable|is_iterable|hrtime|intdiv|preg_last_error_msg|get_debug_type|array_column_by|mb_str_pad|json_validate|pcntl_async_signals)\s*\(/, 'str_contains($a, $b);'],
    'new constant'          => [qr/\b(?:JSON_THROW_ON_ERROR|PHP_OS_FAMILY|JSON_INVALID_UTF8_\w+|PHP_FLOAT_\w+)\b|PDO::SQLITE_/, 'JSON_THROW_ON_ERROR;'],
);
# source: perldoc perl5120delta and later
my %PERL = (
    's///r'                 => [qr/\b(?:s|tr|y)(\/|\{)[^\/\n]*(?:\/|\}\{)[^\/\n]*[\/}][a-z]*r[a-z]*\b/, '$a =~ s/a/b/r;'],
    'dereference behind'    => [qr/->(?:\@|%|\$)[*\[\{\#]?\*?/, '$a->@*;'],
    'signature'             => [qr/\bsub(?:\s+\w+)?\s*\(\s*[\$\@%]\w/, 'sub f($a) {}'],
    'say or another feature' => [qr/(?<![>\$\@%&{:])\b(?:say|fc|evalbytes|__SUB__|isa|defer)\b(?!\s*(?:=>|\}))/, 'say "a";'],
    'newer perl wanted'     => [qr/\buse\s+(?:v?5\.(?:0?1[1-9]|[2-9]|1[1-9])|feature)/, 'use 5.014;'],
    'package with a block'  => [qr/\bpackage\s+[\w:]+\s*(?:v?[\d.]+\s*)?\{/, 'package A { }'],
    'keys of a reference'   => [qr/\b(?:keys|values|each|push|pop|shift|splice)\s*\(?\s*\$\w+(?:->|\s*[,;)])/, 'keys $a;'],
    'slice of pairs'        => [qr/(?<![\w\)])%\w+\s*[\[\{](?!\w+\s*\})|(?<![\w\)\s])%\$\w+[\[\{]/, '%a{1, 2};'],
    '...'                   => [qr/^\s*\.\.\.\s*;/m, "\n...;"],
    'new regular expression' => [qr/\(\?\^|\(\?[a-z]*[aulpn][a-z]*:|\/[gimsxoc]*(?:aa?|u|l|n|xx)[gimsxoc]*\s*[;)]|\\[oN]\{|\\b\{/, '/a/aa;'],
    '&. and its like'       => [qr/[&|^~]\.=?\s*[\$"]/, '$a &. $b;'],
    'hex float or underscore' => [qr/\b0x[\da-f]*\.[\da-f]*p/i, '0x1.8p3;'],
    'chained comparison'    => [qr/[\$\w]\s*<=?\s*\$\w+\s*<=?\s*[\$\w]/, '$a < $b < $c;'],
    'try and catch'         => [qr/\b(?:try|catch)\s*[\({]/, 'try {}'],
);

sub code_of {
    my ($text) = @_;
    $text =~ s{(?<![\\\$\@%&])'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|(?:^|(?<=\s))(?://|\#)[^\n\[][^\n]*}{ substr($&, 0, 1) =~ /['"]/ ? '""' : '' }ge;
    return $text;
}

# What is newer in a text, by name, with where it was seen.
sub newer { my ($table, $text) = @_; my $code = code_of($text); return map { $code =~ $table->{$_}[0] ? "$_: $&" : () } sort keys %$table }

my $seen = sub { my ($table, $name) = @_; ok((grep { /^\Q$name\E: / } newer($table, $table->{$name}[1])), "$name would be seen") };
$seen->(\%PHP, $_) for sort keys %PHP;
$seen->(\%PERL, $_) for sort keys %PERL;

# poll.pl is an example of its own, for any perl of today.
my @php = ((map { "php/$_" } qw(ComplyCubeInbox.php cron.php worker.php poll.php)), map { "../packaging/kit/private/$_" } qw(poll.php work-sample.php));
my @perl = map { "perl/$_" } qw(ComplyCubeInbox.pm cron.pl worker.pl);
# Constants of PDO that PHP 5.6 lacks are looked for by name there, in a string; poll.php needs 7.3 for them.
is_deeply [grep { !/^new constant: PDO::SQLITE_/ || /ComplyCube/ } newer(\%PHP, slurp("$ROOT/consumers/$_"))], [], "$_ has nothing newer than PHP 5.6" for @php;
is_deeply [newer(\%PERL, slurp("$ROOT/consumers/$_"))], [], "$_ has nothing newer than Perl 5.10" for @perl;

for my $file (@php) {
    my $said = `php -d error_reporting=-1 -d display_errors=1 -l @{[quoted("$ROOT/consumers/$file")]} 2>&1`;
    like $said, qr/\A\s*No syntax errors detected/, "$file: php -l has nothing to say";
}
for my $file (@perl, 'perl/poll.pl') {
    my $said = `perl -wc @{[quoted("-I$ROOT/consumers/perl", "$ROOT/consumers/$file")]} 2>&1`;
    is $said, "$ROOT/consumers/$file syntax OK\n", "$file: perl -wc has nothing to say";
}
# Nothing but core, until a database is wanted.
my $modules = `perl @{[quoted("-I$ROOT/consumers/perl")]} -MComplyCubeInbox -e 'print join " ", grep { /DBI|JSON|DBD/ } keys %INC'`;
is $modules, '', 'the module of Perl loads no database and no JSON by itself';

# The statements, with what may stand in them, are those of one table in each library.
my %statements;
for ([php => "$ROOT/consumers/php/ComplyCubeInbox.php"], [perl => "$ROOT/consumers/perl/ComplyCubeInbox.pm"]) {
    my ($language, $path) = @$_;
    my ($table) = slurp($path) =~ /^ *(?:private static \$statements = array|my %STATEMENT = )\((.*?)^ *\);/ms;
    $table =~ s/\s(?:\/\/|#)[^\n]*//g;
    while ($table =~ /^\s+'?(\w+)'?\s*=>\s*(?:'((?:[^'])*)'|"([^"]*)"|q\((.*?)\)),\s*$/gms) {
        my ($name, $sql) = ($1, $2 // $3 // $4);
        $sql =~ s/\s+/ /g;
        $statements{$language}{$name} = $sql;
    }
    my @newer = map { my $name = $_; map { "$name: $_" } newer_than_old($statements{$language}{$name}) } sort keys %{ $statements{$language} };
    is_deeply \@newer, [], "$language: the statements hold nothing newer than SQLite 3.7.17";
}
cmp_ok scalar keys %{ $statements{php} }, '>=', 20, 'statements are found';
is_deeply $statements{perl}, $statements{php}, 'and are the same in both languages';
done_testing;
