#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What our programs hold in memory, secrets and events, they leave in no core file and show to no other process of their user;
# the commands that `work` starts have both as whoever started it wants them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(receiver hold ask request end_receiver);
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Test::More;
use Tool;

plan skip_all => 'sanitizers need a process that is dumpable' if Fixture::sanitized();
my @UNLIMITED = ('sh', '-c', 'ulimit -c unlimited && cd "$0" && exec "$@"');
my $unlimited = (Proc->run(cmd => [@UNLIMITED, '/', 'true'], tmp => '/tmp'))[0];
plan skip_all => 'core files are forbidden here' if !defined $unlimited || $unlimited != 0;

# A process that was killed as if it had a fault: whether the kernel wrote a core.
sub dumps {
    my ($p) = @_;
    $p->signal('ABRT');
    $p->ended(10) or return 'it lives on';
    return $p->{status} & 128 ? 'a core' : 'no core';
}

sub limit { my ($p) = @_; return Fixture::slurp('/proc/' . $p->pid . '/limits') =~ /^Max core file size\s+(\S+)/m ? $1 : 'no limits' }

# As the kernel shows it: the files of a process that is not dumpable are root's.
sub hidden { my ($p) = @_; return (stat '/proc/' . $p->pid . '/mem')[4] == 0 ? 'hidden' : 'open' }

sub leaves_nothing {
    my ($p, $what, $ready) = @_;
    ok(wait_until($ready, 10), "$what: it is at work");
    is(limit($p), 0, "$what: its limit of core files is 0");
    is(hidden($p), 'hidden', "$what: no process of its user looks into it") if $> == 0;
    is(dumps($p), 'no core', "$what: a fault leaves no core");
}

my ($f, $handler) = with_handler('ulimit -c >limit; ls -ln /proc/$$/mem | { read -r mode n uid rest; echo $uid; } >owner', event());
my $folder = $f->path('run');
$f->install('run/complycube-inbox', 'complycube-inbox');
my @tool = (@UNLIMITED, $folder, $f->path('run/complycube-inbox'), '-c', $f->config);
my $log = $f->path('log/core.log');
my $start = sub { my (@cmd) = @_; return Proc->start(cmd => \@cmd, stdout => $log, stderr => $log) };

my $control = $start->(@UNLIMITED, $folder, 'sleep', '60');
ok(wait_until(sub { -e '/proc/' . $control->pid && Fixture::slurp('/proc/' . $control->pid . '/cmdline') =~ /^sleep/ }, 5), 'another program is at work');
is(limit($control), 'unlimited', 'its limit is as it was started');
is(hidden($control), 'open', 'it can be looked into') if $> == 0 && Proc::unprivileged();
my $possible = dumps($control) eq 'a core';
diag 'no program leaves a core here: the limits alone are looked at' if !$possible;

my $work = $start->(@tool, qw(work -e live), $handler);
leaves_nothing($work, 'work', sub { settled($f) eq '1/1' });
is(Fixture::slurp($f->path('run/limit')), "unlimited\n", 'the command that it started has its limit back');
is(Fixture::slurp($f->path('run/owner')), (stat $f->path('run/owner'))[4] . "\n", '... and can be looked into');

my $follow = $start->(@tool, qw(follow --json --since 1h));
leaves_nothing($follow, 'follow', sub { Fixture::slurp($log) =~ /"seq"/ });

hold($f);
my $receiver = receiver($f, @UNLIMITED, $folder);
leaves_nothing($receiver, 'the receiver', sub { (ask($f, request(event())))[0]{status} == 200 });

pipe my $in, my $out;
my $body = event();
my $cgi = Proc->start(cmd => [@UNLIMITED, $folder, $f->path('home/public_html/cgi-bin/complycube-webhook.cgi')], stdin => $in, stdout => $log,
    stderr => $log, env => { FastCgi::variables(request($body)), COMPLYCUBE_WEBHOOK_CONFIG => $f->config });
leaves_nothing($cgi, 'a CGI that waits for its body', sub { Fixture::slurp('/proc/' . $cgi->pid . '/status') =~ /^Seccomp:\s+2/m });

my $config = Fixture::slurp($f->config);
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(max_body = "many"\n$config));
my $broken = receiver($f, @UNLIMITED, $folder);
leaves_nothing($broken, 'a receiver whose configuration is broken', sub { (ask($f, request(event())))[0]{status} == 500 });

$f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(sandbox = "off"\n$config));
my $off = receiver($f, @UNLIMITED, $folder);
ok(wait_until(sub { (ask($f, request(event())))[0]{status} == 200 }, 5), 'with sandbox = "off" an event is stored');
is(limit($off), 'unlimited', '... the limit is as it was started');
is(hidden($off), 'open', '... and a debugger of its user may look into it') if $> == 0 && Proc::unprivileged();
end_receiver($off);
$f->finish;
done_testing;
