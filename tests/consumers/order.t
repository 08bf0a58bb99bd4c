#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Events that arrive in random order: for each resource, the last state that a consumer acted on is the newest. By the
# libraries of PHP and Perl, several workers at once, and by the tool's work, over the table and the directory.
use strict;
use warnings;
use Digest::SHA qw(sha1_hex);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Deploy;
use Event;
use Fixture;
use List::Util qw(shuffle);
use Proc qw(wait_until);
use Test::More;

my ($RESOURCES, $STATES) = (12, 6);
my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $seed = $ENV{SEED} // time;
srand $seed;
note "SEED=$seed";

# All states of all resources; an outcome names the place of a state in the order of time.
my @events;
for my $r (1 .. $RESOURCES) {
    for my $n (1 .. $STATES) {
        push @events, sprintf '{"id":"%s","type":"check.completed","resourceType":"check","payload":{"id":"chk-%d","status":"complete",'
            . '"outcome":"o%d"},"createdAt":"2026-01-29T20:32:%02d.%03dZ"}', substr(sha1_hex("$r.$n"), 0, 24), $r, $n, $n, $r;
    }
}

# A worker that notes "RESOURCE OUTCOME" in its turn, one write each, until it is stopped.
my %WORKER = (
    php => <<'PHP', perl => <<'PERL');
<?php
require $argv[1];
$inbox = new ComplyCubeInbox($argv[2], array('endpoint' => 'live', 'ordered' => true, 'skip_superseded' => $argv[4] === 'skip', 'limit' => 3));
while (true) if (!$inbox->each(function (array $e) use ($argv) {
    usleep(mt_rand(0, 3000));
    file_put_contents($argv[3], "$e[resource_id] $e[outcome]\n", FILE_APPEND);
})) usleep(20000);
PHP
require $ARGV[0];
my $inbox = ComplyCubeInbox->new($ARGV[1], endpoint => 'live', ordered => 1, skip_superseded => $ARGV[3] eq 'skip', limit => 3);
while (1) {
    select undef, undef, undef, 0.02 if !$inbox->each(sub {
        my ($e) = @_;
        select undef, undef, undef, rand 0.003;
        open my $out, '>>', $ARGV[2] or die;
        syswrite $out, "$e->{resource_id} $e->{outcome}\n";
    });
}
PERL

sub workers {
    my ($f, $kind, $inbox, $acted, $skip) = @_;
    my $library = { php => 'ComplyCubeInbox.php', perl => 'ComplyCubeInbox.pm' }->{$kind};
    $f->write("run/$library", Fixture::slurp("$Fixture::ROOT/consumers/$kind/$library"));
    $f->write("run/worker.$kind", $WORKER{$kind});
    return map { Proc->start(cmd => [$kind, $f->path("run/worker.$kind"), $f->path("run/$library"), $inbox, $acted, $skip],
        stderr => $f->path("log/worker-$kind-$_.log")) } 1, 2;
}

sub tool {
    my ($f, $acted) = @_;
    my $tool = $f->install('run/complycube-inbox', 'complycube-inbox');
    my $handler = $f->write('run/handler', <<"SH", 0755);
#!/bin/sh
echo "\$(sed -n 's/.*"id":"\\(chk-[0-9]*\\)".*"outcome":"\\(o[0-9]*\\)".*/\\1 \\2/p')" >>$acted
SH
    return Proc->start(cmd => [$tool, '-c', $f->config, 'work', '-e', 'live', '--skip-superseded', '-w', 2, '--', $handler],
        stderr => $f->path('log/work.log'));
}

for my $run (['perl', 'table'], ['php', 'table'], ['tool', 'table'], ['tool', 'directory'], ['perl', 'directory'], ['php', 'directory']) {
    my ($kind, $form) = @$run;
    my $name = "$kind, $form";
    my $f = Fixture->new(conf => ($form eq 'table' ? '' : qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n)) . $sample);
    my $acted = $f->write('run/acted', '');
    my $d = deploy($f, 'spawn-fcgi alone');
    my $take = sub { my ($body) = @_; $d->{client}->({ method => 'POST', path => '/', body => $body, headers => ['ComplyCube-Signature' => sign($body)] })->{status} };
    my @order = shuffle(@events);
    is $take->(shift @order), 200, "$name: the first event arrives";
    my $skip = $kind eq 'tool' || $form eq 'table';
    # Without skip_superseded the directory keeps the order of what waits: let all of it wait.
    my @late = $skip ? splice @order : ();
    is scalar(grep { $take->($_) != 200 } @order), 0, "$name: all arrive in random order" if !$skip;
    my @workers = $kind eq 'tool' ? tool($f, $acted)
        : workers($f, $kind, $form eq 'table' ? $f->database : $f->path('home/private/inbox.d'), $acted, $skip ? 'skip' : 'all');
    is scalar(grep { $take->($_) != 200 } @late), 0, "$name: the others arrive in random order, while workers act" if $skip;
    my $open = sub { $form eq 'table' ? $f->value('SELECT count(*) FROM inbox WHERE state = 0') : scalar(map { glob $f->path("home/private/inbox.d/live/$_/*") } qw(new cur)) };
    ok wait_until(sub { !$open->() }, 30), "$name: all are done" or diag $f->logs;
    $_->stop for @workers;
    my %last;
    $last{ (split ' ')[0] } = (split ' ')[1] for split /\n/, Fixture::slurp($acted);
    is_deeply [grep { ($last{"chk-$_"} // '') ne "o$STATES" } 1 .. $RESOURCES], [], "$name: the last state acted on is the newest of each resource"
        or diag Fixture::slurp($acted);
    my $count = () = Fixture::slurp($acted) =~ /\n/g;
    note "$name: acted on $count of " . @events;
    $f->finish;
}
done_testing;
