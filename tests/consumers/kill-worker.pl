#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A worker to be killed: perl kill-worker.pl LIBRARY INBOX DSN
use strict;
use warnings;
use DBI;
require $ARGV[0];
my $db = DBI->connect($ARGV[2], 'root', '', { RaiseError => 1, PrintError => 0 });
my $inbox = ComplyCubeInbox->new($ARGV[1], endpoint => 'live', lease => 4);
while (1) {
    my $n = $inbox->once($db, 'seen', sub {
        my ($event, $handle) = @_;
        $handle->do('UPDATE effect SET n = n + 1 WHERE id = ' . $event->{seq} % 8);
    });
    select undef, undef, undef, 0.05 if !$n;
}
