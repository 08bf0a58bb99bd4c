#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# PHP as shared hosts have it: functions switched off, php-cgi for cron, no PDO, open_basedir. It works, or one sentence says what to change.
use strict;
use warnings;
use Test::More;
use Event;
use Fixture;
use Tool;

my $f = Fixture->new;
$f->copy("consumers/php/$_.php", "run/$_.php") for qw(ComplyCubeInbox cron poll worker);

# Exit code, and all that it printed.
sub ran {
    my ($php, $script, @args) = @_;
    my ($code, $out, $err) = $f->run(@$php, $f->path("run/$script.php"), $f->database, @args ? @args : 'live');
    return ($code, "$out$err");
}

for my $name ('getmypid', 'gethostname', 'stat', 'error_log', 'gethostname,php_uname,getmypid') {
    record($f, event());
    my ($code, $said) = ran(['php', '-d', "disable_functions=$name"], 'cron');
    is($code, 0, "without $name cron.php works") or diag $said;
    is($f->value('SELECT count(*) FROM inbox WHERE state = 0'), 0, 'and the event is worked off');
}

for my $script (qw(cron poll worker)) {
    my @args = $script eq 'worker' ? ('sqlite::memory:', 'me') : ();
    my ($code, $said) = ran(['php-cgi', '-q'], $script, @args);
    is($said, "$script.php: this PHP passes no arguments; run it by php -d register_argc_argv=1\n", "php-cgi without arguments: $script.php says so");
    ($code, $said) = ran(['php', '-n'], $script, @args);
    like($said, qr/\A\S*$script\.php: [^\n]*this PHP has no pdo_sqlite: switch it on, or let another PHP run this\n\z/, "no PDO: $script.php says so");
    isnt($code, 0, 'and fails');
}
my ($code, $said) = ran(['php-cgi', '-q', '-d', 'register_argc_argv=1'], 'cron');
is("$code $said", '0 ', 'php-cgi with arguments works');
($code, $said) = ran(['php', '-d', 'open_basedir=' . $f->path('run')], 'cron');
like($said, qr/\Acron\.php: \S+: open_basedir keeps this PHP out; add the folder to open_basedir, or have the host do it\n\z/, 'open_basedir is named');
$f->finish;
done_testing;
