#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox config: each value in force, and where it comes from; of secrets the names only.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Source ();
use Tool;

my $CONF = <<'CONF';
# a comment that isn't "closed
database = "../../private/inbox.db"
max_body = "512K" # and one

retain =
    "90d"
endpoint live { secret_file = "../../private/secrets" }
endpoint sandbox-of-the-tests {
    events = {"check.completed",
              "check.pending"}
    secret_file = "../../private/secrets.sandbox"
    api_key_file = "../../keys/sandbox"
    url = "https://www.example.org/hook"
}
page {
    users = {"anna", "ben"}
    log = "../../private/page.log"
}
CONF

sub ran {
    my ($f, @args) = @_;
    my %o = ref $args[-1] ? %{ pop @args } : ();
    my ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), @args, \%o);
    $f->{cgi_log} .= $err;
    my @told = grep { index("$out$err", $_) >= 0 } values %SECRET;
    @told and fail("no value of a secret is told: @told");
    return ($code, $out, $err);
}

# "endpoint key" => "value (from)" of its JSON.
sub values_of {
    my ($out) = @_;
    return map { (($_->{endpoint} ? "$_->{endpoint} " : '') . $_->{key} => "$_->{value} ($_->{from}" . (defined $_->{line} ? " $_->{line})" : ')')) }
        map { decode_json($_) } split /\n/, $out;
}

my $f = Fixture->new(conf => $CONF);
$f->install('run/complycube-inbox', 'complycube-inbox');
my $private = $f->path('home/public_html/cgi-bin') . '/../../private';
my $keys = $f->path('home/public_html/cgi-bin') . '/../../keys';
my ($code, $out) = ran($f, '-c', $f->config, qw(config --json));
is($code, 0, 'the configuration is printed');
my %value = values_of($out);
is_deeply(\%value, {
    configuration => $f->config . ' (option)',
    database => "$private/inbox.db (file 2)", max_body => '512K (file 3)', retain => '90d (file 6)', spool => ' (default)', sandbox => 'auto (default)',
    api => 'https://api.complycube.com/v1 (default)',
    'page.users' => 'anna, ben (file 16)', 'page.payload' => ' (default)', 'page.log' => "$private/page.log (file 17)",
    'page.metrics' => ' (default)', 'page.title' => ' (default)',
    'sandbox-of-the-tests api_key_file' => "$keys/sandbox (file 12)", 'sandbox-of-the-tests url' => 'https://www.example.org/hook (file 13)',
    'live api_key_file' => ' (default)', 'live url' => ' (default)',
    inbox => 'table (default)', directory => ' (default)', journal => 'auto (default)', log => 'auto (default)', group => ' (default)',
    'live secret_file' => "$private/secrets (file 7)", 'live secrets' => 'main, former (retired) (secret_file)', 'live events' => '* (default)',
    'sandbox-of-the-tests secret_file' => "$private/secrets.sandbox (file 11)", 'sandbox-of-the-tests secrets' => 'secret-1 (secret_file)',
    'sandbox-of-the-tests events' => 'check.completed, check.pending (file 9)',
}, 'each value with the line it stands in') or diag $out;
is(scalar(grep { decode_json($_)->{schema} != 1 } split /\n/, $out), 0, 'as schema 1');
my ($table) = Source::slurp("$Source::ROOT/src/config/config.c") =~ /config_keys\[\] = \{\n(.*?)^\};/ms;
is_deeply([grep { !exists $value{$_} } $table =~ /^\s*\{"(\w+)"/mg], [], 'there is no key without');

($code, $out) = ran($f, '-c', $f->config, 'config');
like($out, qr/^ENDPOINT              KEY            FROM         VALUE$/m, 'a table for a person');
like($out, qr{^-                     database       line 2       \Q$private\E/inbox\.db$}m, 'has lines');
like($out, qr/^-                     group          default      -$/m, 'and defaults');
like($out, qr/^sandbox-of-the-tests  secrets        secret_file  secret-1$/m, 'and the names of secrets');

($code, $out) = ran($f, qw(config -j), { env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
like($out, qr/"key":"configuration","value":"\Q${\$f->config}\E","from":"environment"/, 'a file that the environment names');
$f->install('home/public_html/cgi-bin/complycube-inbox', 'complycube-inbox');
($code, $out) = $f->run($f->path('home/public_html/cgi-bin/complycube-inbox'), qw(config -j));
like($out, qr/"key":"configuration","value":"\Q${\$f->config}\E","from":"found"/, 'and one that is found');
my %env = (COMPLYCUBE_WEBHOOK_SECRET => $SECRET{live}, COMPLYCUBE_WEBHOOK_DATABASE => '/nowhere/inbox.db');
($code, $out) = ran($f, qw(config -j), { env => \%env });
%value = values_of($out);
is_deeply([@value{qw(configuration database inbox max_body), 'default secrets', 'default events'}],
    ['COMPLYCUBE_WEBHOOK_DATABASE and _SECRET (environment)', '/nowhere/inbox.db (environment)', 'table (default)', '1M (default)',
        'secret-1 (environment)', '* (default)'], 'and the environment alone');
ok(!exists $value{'default secret_file'}, 'where there is no secret file');

$f->write('home/public_html/cgi-bin/complycube-webhook.conf', $CONF =~ s/512K/many/r);
($code, $out, my $err) = ran($f, '-c', $f->config, 'config');
is($code . $out, '9', 'one that is not in force is not printed');
like($err, qr/max_body is no size/, 'but why it is not');

my $sample = Source::slurp("$Source::ROOT/cgi-bin/complycube-webhook.conf.sample");
my ($above) = $sample =~ /^(.*?^)#log /ms;
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', $sample =~ s/^#log /lag /mr);
like((ran($f, '-c', $f->config, 'config'))[2], qr/, line ${\(1 + ($above =~ tr{\n}{}))}: no such option 'lag'/, 'and in which line, below comments');
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', "group = \"a#b'\" # c\n/* \" */ inbox = \"table\"\n// # \"\nlog='auto'\n$CONF");
%value = values_of((ran($f, '-c', $f->config, qw(config -j)))[1]);
is_deeply([map { s/ \(.*//r } @value{qw(group inbox log max_body)}], [q(a#b'), 'table', 'auto', '512K'], 'whatever stands in texts and comments');
unlink $f->path('home/private/secrets') or die;
my @left = ran($f, '-c', $f->config, qw(config -j));
is($left[0], 10, 'a secret file that is gone is told of');
%value = values_of($left[1]);
like($value{inbox}, qr/^table/, 'and all the rest is told as well');
like($value{'live secrets'}, qr/^\(not read\)/, 'of the secrets that they were not read');
$f->finish;
done_testing;
