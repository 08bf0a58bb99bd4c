#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Stays, and keeps the outcomes of checks in your MariaDB, each exactly once; TERM ends it. For systemd or supervisord,
# which start it again when it ends for an error:   perl worker.pl DATABASE-OR-FOLDER DSN USER [ENDPOINT]
# The password is in APP_PASSWORD. Events come in any order, so what is older than what is known changes nothing:
# CREATE TABLE outcome (check_id VARBINARY(255) PRIMARY KEY, outcome VARCHAR(255), created_ms BIGINT NOT NULL)
# Start it once: it prints the CREATE TABLE for complycube_handled.
use strict;
use warnings;
use DBI;
use FindBin;
use lib $FindBin::Bin =~ /(.*)/s;    # as perl -T takes it
use ComplyCubeInbox;
if (@ARGV < 3 || @ARGV > 4) { print STDERR "usage: perl worker.pl DATABASE-OR-FOLDER DSN USER [ENDPOINT]\n"; exit 2 }
my ($path, $dsn, $user, $endpoint) = @ARGV;

eval {
    my $inbox = ComplyCubeInbox->new($path, endpoint => $endpoint, types => ['check.completed']);
    my $db = DBI->connect($dsn, $user, $ENV{APP_PASSWORD}, { RaiseError => 1, PrintError => 0 });
    my $running = 1;
    $SIG{TERM} = $SIG{INT} = sub { $running = 0; $inbox->stop };
    while ($running) {
        my $worked = $inbox->once($db, 'complycube_handled', sub {
            my ($event, $db) = @_;
            $db->do('INSERT INTO outcome (check_id, outcome, created_ms) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE
                outcome = IF(VALUES(created_ms) < created_ms, outcome, VALUES(outcome)),
                created_ms = GREATEST(created_ms, VALUES(created_ms))', undef, @$event{qw(resource_id outcome created_ms)});
        });
        sleep 2 if !$worked && $running;
    }
    1;
} or do { chomp(my $why = $@); print STDERR 'worker.pl: ', ComplyCubeInbox::printable($why), "\n"; exit 1 };
