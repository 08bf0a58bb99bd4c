#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# load.pl PORT RATE SECONDS FOLDER: signed events at a steady rate, ten senders, each event sent once whatever happens.
# A line "id status" for each, status 0 where no answer came, in FOLDER/sent-N. Ends early when FOLDER/enough appears.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Time::HiRes qw(time sleep);
use Event;
use Http;

my ($port, $rate, $seconds, $folder) = @ARGV;
my $SENDERS = 10;
my @pids;
my $start = time + 0.2;
for my $n (0 .. $SENDERS - 1) {
    push @pids, my $pid = fork // die "fork: $!";
    next if $pid;
    open my $out, '>', "$folder/sent-$n" or die "$folder: $!";
    $out->autoflush(1);
    my $client = Http::client($port);
    for (my $i = $n; $i < $rate * $seconds && !-e "$folder/enough"; $i += $SENDERS) {
        my $wait = $start + $i / $rate - time;
        sleep $wait if $wait > 0;
        my $body = event(id => "load-$i", size => 900);
        my $answer = eval { $client->({ method => 'POST', path => '/complycube', body => $body,
            headers => ['ComplyCube-Signature' => sign($body)] }) };
        printf $out "load-%d %d %.3f\n", $i, $answer && $answer->{status} || 0, time - $start;
    }
    exit 0;
}
waitpid $_, 0 for @pids;
