#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Run fuzz targets for a stated time each, as many at once as there are processors: fuzz.pl SECONDS TARGET...
# What they learn stays in build/fuzz/corpus, what they find in build/fuzz/finds; a find fails the run.
use strict;
use warnings;
use File::Basename qw(basename);
use File::Path qw(make_path);
use POSIX qw(WNOHANG);

my ($seconds, @targets) = @ARGV;
die "usage: fuzz.pl SECONDS TARGET...\n" if !@targets || $seconds !~ /^\d+$/;
my %dict = (map({ $_ => 'json' } qw(json decode receive cgi)), signature => 'signature', config => 'config', secrets => 'config');
my ($jobs) = `nproc` =~ /(\d+)/;
my (%running, $finds);
$SIG{INT} = $SIG{TERM} = sub { kill KILL => keys %running; exit 130 };
$| = 1;
make_path('build/fuzz/finds');
printf "%d targets for %d s each, %d at a time: about %d minutes\n", scalar @targets, $seconds, $jobs,
    $seconds * (1 + int(@targets / $jobs)) / 60 + 0.5;
my ($all, $done, $told) = (scalar @targets, 0, time);
while (@targets || %running) {
    begin(shift @targets) while @targets && keys %running < $jobs;
    my $pid = waitpid -1, WNOHANG;
    if ($pid > 0) {
        $done++;
        my $status = $?;
        finish(delete $running{$pid}, $status);
        next;
    }
    tell_progress() if time >= $told + (-t STDOUT ? 1 : 60);
    select undef, undef, undef, 0.2;
}
exit($finds ? 1 : 0);

sub begin {
    my ($target) = @_;
    my $name = basename($target);
    make_path("build/fuzz/corpus/$name");
    my @options = ("-max_total_time=$seconds", '-timeout=25', '-max_len=8192', '-print_final_stats=1', "-artifact_prefix=build/fuzz/finds/$name-");
    push @options, "-dict=tests/fuzz/$dict{$name}.dict" if $dict{$name};
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', "build/fuzz/$name.log" or die "build/fuzz/$name.log: $!";
        open STDERR, '>&', \*STDOUT or die "dup: $!";
        exec $target, @options, "build/fuzz/corpus/$name", "tests/fuzz/seeds/$name" or die "$target: $!";
    }
    $running{$pid} = { target => $target, name => $name, since => time };
}

sub tell_progress {
    $told = time;
    my $line = join ', ', "$done of $all done", map { "$_->{name} " . (time - $_->{since}) . ' s' } sort { $a->{name} cmp $b->{name} } values %running;
    print -t STDOUT ? "\r$line\e[K" : "$line\n";
}

sub finish {
    my ($job, $status) = @_;
    open my $f, '<:raw', "build/fuzz/$job->{name}.log" or die "log: $!";
    my $log = do { local $/; <$f> };
    my ($runs) = $log =~ /number_of_executed_units:\s*(\d+)/;
    my ($speed) = $log =~ /average_exec_per_sec:\s*(\d+)/;
    my @edges = $log =~ /\bcov: (\d+)/g;
    print "\r\e[K" if -t STDOUT;
    printf "%-10s %10s runs, %6s a second, %5s edges: %s\n", $job->{name}, $runs // '?', $speed // '?', $edges[-1] // '?', $status ? 'A FIND' : 'no find';
    return if !$status;
    $finds++;
    my ($why) = $log =~ /^(.*(?:this does not hold|ERROR: \w+|runtime error).*)$/m;
    my ($file) = $log =~ /Test unit written to (\S+)/;
    print "    $why\n" if $why;
    print "    the whole report: build/fuzz/$job->{name}.log\n";
    print "    replay it:        $job->{target} $file\n    make it smaller:  $job->{target} -minimize_crash=1 -max_total_time=60 $file\n",
        "    keep it:          as tests/fuzz/seeds/$job->{name}/WHAT-IT-IS, with its mend\n" if $file;
}
