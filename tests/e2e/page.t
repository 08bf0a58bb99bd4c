#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The page shows what the tool says, answers what a clerk asks, and changes nothing.
use strict;
use warnings;
use DBI;
use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use PageData;
use Proc;

my $f = page_fixture();
my $answer = page($f, '');
like($answer->{body}, qr/<title>Nothing has come yet - /, 'before the first event the page says so');
ok(!-e $f->database, 'and makes no database');

my @client = page_data($f, clients => 8);
sub tool { my (@args) = @_; my ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, @args); return ($code, $out, $err) }
sub shown { my ($html) = @_; $html =~ s/<style>.*?<\/style>//s; $html =~ s/<title>[^<]*<\/title>//g; $html =~ s/<[^>]*>/ /g; $html =~ s/\s+/ /g; return $html }
sub card { my ($html, $name) = @_; return $html =~ m{<dt>\Q$name\E</dt><dd>(?:<a [^>]*>)?([^<]*)} ? $1 =~ s/\xe2\x80\xaf//gr : 'none' }

# ---- at a glance ----

my (undef, $json) = tool(qw(stats --json));
my ($endpoint) = grep { $_->{what} eq 'endpoint' } map { decode_json($_) } split /\n/, $json;
$answer = page($f, '');
my $first = $answer->{body};
is($answer->{status}, 200, 'the first page is there');
is(card($first, 'Waiting'), $endpoint->{waiting}, 'as many wait as the tool says');
is(card($first, 'Given up'), $endpoint->{dead}, 'as many are given up');
is(card($first, 'Set aside'), $endpoint->{quarantined}, 'as many are set aside');
is(card($first, 'Being worked on'), 1, 'one is being worked on');
is(card($first, 'Refused, last hour'), 3, 'three were refused');
like($first, qr/<title>\d things are wrong - /, 'the tab says first that something is wrong');
my (undef, $watched) = tool(qw(watch --json));
my ($dead) = decode_json($watched)->{wrong} =~ /(\d+ dead)/;
like($first, qr/For your administrator: \Q$dead\E/, 'what is wrong has the words of watch, for the administrator');
my $hours = 0;
$hours += $_->{stored} for grep { $_->{what} eq 'hour' } map { decode_json($_) } split /\n/, (tool('stats', '--json', '--since', '48h'))[1];
my $table = 0;
$table += $1 while $first =~ m{<tr><td><time[^>]*>[^<]*</time></td><td class="n">(\d+)</td>}g;
is($table, $hours, 'the table beside the chart adds up to the hours that the tool knows');
cmp_ok(length $first, '<=', 32 * 1024, 'the first page has at most 32 KB');
my $zipped = do { require IO::Compress::Gzip; my $z; IO::Compress::Gzip::gzip(\$first, \$z); length $z };
cmp_ok($zipped, '<=', 8 * 1024, 'and 8 compressed');
unlike(shown($first), qr/event_log|inbox_due|resource_id|client_id|due_ms|token|\bseq\b|NULL/, 'no word of the schema is in it');

# ---- what a clerk asks ----

my $found = page($f, '', find => $client[3])->{body};
like(shown($found), qr/A client $client[3] How it stands .*Check Attention|A client $client[3] How it stands .*Check Clear/, 'what happened to a client: found by the id');
like($found, qr/<svg role="img" aria-labelledby="line-title"/, 'with a time line');
my ($gone) = $f->value(q(SELECT seq FROM inbox WHERE state = 2));
my $event = shown(page($f, "view=event&seq=$gone")->{body});
like($event, qr/It was given up(?: by \S+)?, after 10 attempts\. Your program said: HTTP 500 from the CRM/, 'why an event was given up');
like($event, qr/the customer does not exist in the CRM/, 'who gave it up, and why');
like(shown(page($f, "view=event&seq=$gone", env => { REMOTE_USER => 'ben' })->{body}), qr/shown only to those who may see/,
    'what the program said may name a person, and is not for all');
like(shown(page($f, 'view=quarantine')->{body}), qr/Set aside .* 697abc12020007b9a3d60000/, 'what was set aside, and why');
like(shown(page($f, '', find => '697abc12020007b9a3d60000')->{body}), qr/was set aside/, 'it is found by its id, too');
like(shown(page($f, 'view=history')->{body}), qr/let it be tried again .* the CRM was down that hour/, 'who changed what');
like(shown(page($f, 'view=refused')->{body}), qr/The signature was missing or wrong 3 3 3/, 'what was refused, and what it means');
like(shown(page($f, 'view=keys')->{body}), qr/main live .*?\d+ In use/, 'the keys, and when each was used');
like(shown(page($f, 'view=events&state=claimed')->{body}), qr/Being worked on for up to/, 'who works on what');
my ($pending) = $f->value(q(SELECT seq FROM event_log WHERE type = 'check.pending' LIMIT 1));
like(page($f, "view=event&seq=$pending")->{body}, qr/It is out of date: <a href="\?view=event&amp;seq=\d+">/, 'what replaced an event');
like(shown(page($f, '', find => 'nothing-has-this')->{body}), qr/Nothing has this id/, 'what is not there');
is(page($f, $_)->{status}, 400, "$_: not understood") for 'view=event', 'seq=x', 'nothing', 'view=events&day=2026-02-30';
is(page($f, $_)->{status}, 404, "$_: no such page") for 'view=nothing';

# ---- lists ----

my @seqs;
for (my $query = 'view=events'; $query;) {
    my $html = page($f, $query)->{body};
    push @seqs, $html =~ /view=event&amp;seq=(\d+)"/g;
    ($query) = $html =~ /<a rel="next" href="\?([^"]*)"/;
    $query =~ s/&amp;/&/g if $query;
}
is_deeply(\@seqs, [map { $_->[0] } @{ $f->rows('SELECT seq FROM event_log ORDER BY seq DESC') }], 'page by page each event is listed once');

# ---- nothing is changed ----

my $state = sub { join ' ', map { sha256_hex(-e $_ ? Fixture::slurp($_) : '') } map { $f->database . $_ } '', '-wal' };
my $held = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });    # so that the log stays
$held->selectrow_array('SELECT count(*) FROM event_log');
my ($version) = $held->selectrow_array('PRAGMA data_version');
my $before = $state->();
page($f, $_) for '', 'view=events', "view=event&seq=$gone", "view=client&seq=$pending", 'view=quarantine', 'view=history', 'view=keys', 'view=refused';
page($f, '', find => $client[1]);
is($state->(), $before, 'no byte of the database or its log is another after all pages');
is(($held->selectrow_array('PRAGMA data_version'))[0], $version, 'and its version is the same');

# ---- by HEAD, and with what is around it ----

my $head = page($f, '', env => { REQUEST_METHOD => 'HEAD' });
ok($head->{status} == 200 && $head->{body} eq '', 'HEAD has no body');
my %header = %{ page($f, '')->{headers} };
is_deeply([@header{qw(cache-control x-content-type-options referrer-policy x-robots-tag x-frame-options cross-origin-resource-policy)}],
    ['no-store', 'nosniff', 'no-referrer', 'noindex, nofollow', 'DENY', 'same-origin'], 'headers keep it out of caches, searches and frames');
like($header{'content-security-policy'}, qr/^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    'its policy runs no script');
like(page($f, '', env => { REMOTE_ADDR => '192.0.2.1' })->{body}, qr/Not encrypted/, 'without TLS a warning stands on top');
unlike(page($f, '', env => { REMOTE_ADDR => '192.0.2.1', HTTPS => 'on' })->{body}, qr/Not encrypted/, 'and with it none');
like(page($f, '', env => { TZ => 'Asia/Tokyo' })->{body}, qr/Times are those of this server: JST \(UTC\+09:00\)/, 'the time zone is named');
$f->finish;
done_testing;
