#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A receiver as it would be written in Perl for CGI, for comparison: the same checks, two plain tables, the same
# durability.
use strict;
use warnings;
use DBI;
use Digest::SHA qw(hmac_sha256_hex);
use JSON::PP;

my $body = do { local $/; <STDIN> };
if (hmac_sha256_hex($body, '@secret@') ne lc($ENV{HTTP_COMPLYCUBE_SIGNATURE} // '')) {
    print qq(Status: 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{"received":false});
    exit;
}
my $event = decode_json($body);
my $db = DBI->connect('dbi:SQLite:dbname=@database@', '', '', { RaiseError => 1 });
$db->sqlite_busy_timeout(10_000);
$db->do($_) for 'PRAGMA journal_mode = WAL', 'PRAGMA synchronous = FULL',
    'CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, type TEXT, created TEXT, body TEXT)',
    'CREATE TABLE IF NOT EXISTS inbox (seq INTEGER PRIMARY KEY, id TEXT, state INTEGER)';
$db->begin_work;
my $new = $db->do('INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?)', undef, @$event{qw(id type createdAt)}, $body);
$db->do('INSERT INTO inbox (id, state) VALUES (?, 0)', undef, $event->{id}) if $new > 0;
$db->commit;
print qq(Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{"received":true});
