#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# For cron: works off what waits and ends. perl cron.pl DATABASE-OR-FOLDER [ENDPOINT]
# */5 * * * * perl /home/me/cron.pl /home/me/private/inbox.db live
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin =~ /(.*)/s;    # as perl -T takes it
use ComplyCubeInbox;
if (!@ARGV || @ARGV > 2) { print STDERR "usage: perl cron.pl DATABASE-OR-FOLDER [ENDPOINT]\n"; exit 2 }
$| = 1;    # what cannot be printed is not done

# Your work. It may come again for the same event, after a crash, so let it bear that; die to try again later.
sub work {
    my ($event) = @_;
    return if $event->{type} ne 'check.completed';
    my $line = sprintf '%s check %s of client %s: %s', map { defined $_ ? $_ : '-' } @$event{qw(created_at resource_id client_id outcome)};
    print ComplyCubeInbox::printable($line), "\n"
        or die "standard output: $!\n";
}

eval {
    my $inbox = ComplyCubeInbox->new($ARGV[0], endpoint => $ARGV[1]);
    1 while $inbox->each(\&work);
    1;
} or do { chomp(my $why = $@); print STDERR 'cron.pl: ', ComplyCubeInbox::printable($why), "\n"; exit 1 };
