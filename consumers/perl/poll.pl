#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Works off waiting events and prints one line for each: perl poll.pl DATABASE [ENDPOINT [LIMIT]]
use strict;
use warnings;
use DBI;
use DBD::SQLite;
use File::Spec;
$| = 1;                                                                                  # what is acked was printed
my $usage = "usage: perl poll.pl DATABASE [ENDPOINT [LIMIT]]\n";
my ($file, $endpoint, $limit) = (@ARGV, (undef, 'live', 20)[@ARGV .. 2]);
sub fail { my $why = "@_"; $why =~ tr/ -~/?/c; print STDERR "poll.pl: $why\n"; exit 1 }
if (!@ARGV || @ARGV > 3) { print STDERR $usage; exit 2 }
-s $file or fail("$file is not made yet (run complycube-inbox init), or hidden from this user");
eval {
    my $path = File::Spec->rel2abs($file);                                               # file:name would be a URI
    (my $uri = $path) =~ s{([^\w/.-])}{sprintf '%%%02x', ord $1}ge;
    my $name = $path =~ /;/ ? "uri=file:$uri" : "dbname=$path";                          # where ; ends an attribute
    my $db = DBI->connect("dbi:SQLite:$name", '', '', { RaiseError => 1, PrintError => 0,
        sqlite_open_flags => DBD::SQLite::OPEN_READWRITE() });                           # never create
    $db->sqlite_busy_timeout(30_000);                                                    # milliseconds
    $db->do('PRAGMA wal_autocheckpoint = 0');                                            # the receiver's work
    my $ahead = q(due_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 86400000);     # by a wrong clock
    $db->do("UPDATE inbox SET due_ms = 0 WHERE state = 0 AND $ahead") if $db->selectrow_array("SELECT 1 FROM inbox WHERE state = 0 AND $ahead LIMIT 1");
    my $pending = 'SELECT seq, created_at, type, resource_id, status, outcome
                     FROM pending WHERE endpoint = ? LIMIT ?';
    for my $event (@{ $db->selectall_arrayref($pending, undef, $endpoint, int $limit) }) {
        print join("\t", map { my $v = defined $_ ? $_ : '-'; $v =~ tr/ -~/?/c; $v } @$event), "\n"     # your work goes here,
            or die "standard output: $!\n";
        $db->do('UPDATE inbox SET state = 1 WHERE seq = ? AND state = 0', undef, $event->[0]);  # then the ack
    }
    $db->disconnect;
    1;
} or fail("$file: " . ($DBI::errstr // $@));
