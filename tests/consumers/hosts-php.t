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

# The kit's poll.php, which begins with the database beside it.
$f->folder('run/kit');
$f->copy("packaging/kit/private/$_.php", "run/kit/$_.php") for qw(poll work-sample);
$f->copy('consumers/php/ComplyCubeInbox.php', 'run/kit/ComplyCubeInbox.php');
record($f, event());
for my $name (qw(flock fopen set_time_limit)) {
    unlink $f->path('run/kit/poll.told');
    ($code, $said) = ran(['php', '-d', "disable_functions=$name"], 'kit/poll');
    like("$code $said", qr/\A0 \S+Z check\.\S+ [^\n]*\nThey wait until your code is in work\.php[^\n]*\n\z/, "without $name the kit's poll.php works");
}
$f->copy('packaging/kit/private/work-sample.php', 'run/kit/work.php');
($code, $said) = ran(['php-cgi', '-q', '-d', 'register_argc_argv=1', '-d', 'disable_functions=flock,getmypid,gethostname,php_uname'], 'kit/poll');
like("$code $said", qr/\A0 complycube-inbox: live \S+ \S+: work\.php does nothing yet\n\z/, 'work-sample.php says that it does nothing');
($code, $said) = ran(['php', '-d', 'open_basedir=' . $f->path('run')], 'kit/poll');
like($said, qr/\Apoll\.php: \S+: open_basedir keeps this PHP out; [^\n]*\n\z/, 'open_basedir is named by poll.php of the kit');

# What none can do without is named, without a trace of calls.
for my $case (['cron', 'json_decode'], ['worker', 'is_callable', 'sqlite::memory:', 'me', 'live'], ['poll', 'implode'], ['kit/poll', 'preg_match']) {
    my ($script, $name, @args) = @$case;
    record($f, event());
    ($code, $said) = ran(['php', '-d', "disable_functions=$name"], $script, @args);
    like("$code $said", qr/\A1 \w+\.php: [^\n]*Call to undefined function $name\(\)[^\n]*\n\z/, "without $name $script.php says so in one line");
}
$f->finish;
done_testing;
