#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How fast, beside what: bench.pl [--rounds N] [--seconds N] [--only REGEX] [--parts REGEX] [--out FILE] [--update FILE] [--smoke]
#
# Real servers on the loopback; each round measures everything once, so that a machine that slows down slows all of it.
# Medians over the rounds; a ratio is the median of the ratios of each round. --smoke: some seconds, correctness only. --parts takes some
# of: load trickle grown start poll hot look. --update writes the sections of poll, hot and look alone into a file that has others.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Getopt::Long;
use Time::HiRes qw(time);
use Contender;
use Fixture;
use Load;
use Measure;
use Report;

my %o = (rounds => 5, seconds => 3, only => '.', parts => '.');
GetOptions(\%o, 'rounds=i', 'seconds=i', 'only=s', 'parts=s', 'out=s', 'update=s', 'smoke') && !@ARGV
    or die "usage: bench.pl [--rounds N] [--seconds N] [--only REGEX] [--parts REGEX] [--out FILE] [--update FILE] [--smoke]\n";
@o{qw(rounds seconds)} = (1, 1) if $o{smoke};

my @CONNECTIONS = $o{smoke} ? (16) : (1, 16, 64, 256);
my @GROWN = $o{smoke} ? (0, 10_000) : (0, 1_000_000, 4_000_000);
my $TRICKLERS = $o{smoke} ? 4 : 32;
my $STARTS = $o{smoke} ? 10 : 100;    # processes a round
my $REQUESTS = $o{smoke} ? 80_000 : 250_000; # more than are answered in a second, twice

my $STRANDED = $o{smoke} ? 3_000 : 300_000;
my @HOT_DONE = $o{smoke} ? (0, 1_000) : (0, 10_000, 100_000);
my @HOT_WAITING = $o{smoke} ? (1, 100) : (1, 100, 10_000);
my %part = map { $_ => scalar($_ =~ $o{parts}) } qw(load trickle grown start poll hot look);

my @contenders = grep { /$o{only}/ && Contender::possible($_) } Contender::names();
my $work = Fixture->new;
my $requests = $work->path('run/requests');
my $report = Report->new(%o);
my $begun = time;

sub progress { $report->progress(@_) }

# One run of a contender that is started for it and stopped after it; what was acknowledged is counted again.
sub run_once {
    my ($name, $connections, %with) = @_;
    my $c = Contender::start($name, $with{fixture});
    my $trickle = $with{trickle} ? Measure::trickle($c->{port}, $with{trickle}) : undef;
    my $before = $with{before} // 0;
    my %load = (%$c, connections => $connections, file => $requests, first => $with{first});
    my $warm = $with{warm} ? Load::run(%load, seconds => 1) : { requests => 0, errors => 0 };
    $load{first} = int($REQUESTS / 2) if $with{warm};
    my $r = Load::run(%load, seconds => $o{seconds});
    $trickle->() if $trickle;
    my @rows = Contender::finish($c);
    my $good = $r->{requests} - $r->{errors} + $warm->{requests} - $warm->{errors};
    for my $rows (map { $_ - $before } @rows) {
        $r->{missing} = $good - $rows if $good - $rows > ($r->{missing} // 0);
    }
    return $r;
}

progress('preparing requests');
Load::prepare($requests, 5_000_000, $REQUESTS) if grep { $part{$_} } qw(load trickle grown start);
my %grown;
for my $n (grep { $_ && $part{grown} } @GROWN) {
    progress("preparing a database of $n events");
    $grown{$n} = Fixture->new;
    Measure::fill($grown{$n}, $n);
}

my %polled = map { $_ => Fixture->new } qw(none processed stranded);
if ($part{poll}) {
    progress("preparing databases for polls: $GROWN[1] events processed, $STRANDED that nobody polls");
    Measure::fill($polled{none}, 0);
    Measure::fill($polled{processed}, $GROWN[1]);
    Measure::strand($polled{stranded}, $STRANDED);
}
my %hot;
for my $n ($part{hot} ? @HOT_DONE : ()) {
    progress("preparing a database with $n events of one resource");
    $hot{$n} = Fixture->new;
    Measure::fill_hot($hot{$n}, $n);
}
my $looked = Fixture->new;
if ($part{look}) {
    progress("preparing a database of $GROWN[1] events to look at");
    Measure::fill_for_looks($looked, $GROWN[1]);
}
system 'sync';    # or the disk is still busy with it when the first are measured

for my $round (1 .. $o{rounds}) {
    my $at = sub { progress(sprintf 'round %d of %d: %s', $round, $o{rounds}, join ', ', @_) };
    $at->('disk');
    $report->add(disk => 0, Measure::disk($work, $o{seconds}));
    for my $connections ($part{load} ? @CONNECTIONS : ()) {
        for my $name (@contenders) {
            $at->($name, "$connections connections");
            $report->add($name, $connections, run_once($name, $connections));
        }
    }
    for my $trickle ($part{trickle} ? (0, $TRICKLERS) : ()) {
        $at->("$trickle trickling clients");
        $report->add('trickle', $trickle, run_once('receiver, Apache mod_proxy_fcgi', 64, trickle => $trickle,
            warm => 1));    # or Apache starts processes for more connections meanwhile
    }
    for my $n ($part{grown} ? @GROWN : ()) {
        $at->("$n events stored already");
        my %on = $n ? (fixture => $grown{$n}, before => Measure::rows($grown{$n})) : ();
        my $first = ($round - 1) * int($REQUESTS / $o{rounds});
        $report->add('grown', $n, run_once('receiver, lighttpd FastCGI', 64, %on, first => $first));
    }
    if ($part{start}) {
        $at->('starting processes');
        $report->add('start', 0, Measure::starts($requests, $STARTS, ($round - 1) * $STARTS));
    }
    if ($part{poll}) {
        $at->('polling');
        my %us = Measure::polls($o{smoke} ? 5 : 200, %polled);
        $report->add('poll', $_, $us{$_}) for keys %us;
    }
    for my $waiting ($part{hot} ? @HOT_WAITING : ()) {
        $at->("claiming, $waiting of one resource waiting");
        my %us = Measure::hot($o{smoke} ? 1 : 3, $waiting, %hot);
        $report->add("hot, $waiting", $_, $us{$_}) for keys %us;
    }
    if ($part{look}) {
        $at->('looking');
        $report->add('look', 0, Measure::looks($looked, $o{smoke} ? 1 : 5));
    }
}
progress('counting instructions') if !$o{smoke} && $part{load};
$report->add('instructions', 0, { a_request => Measure::instructions(1000) }) if !$o{smoke} && $part{load} && Measure::possible('valgrind');
$report->finish(time - $begun);
exit($report->correct ? 0 : 1);
