#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A host's old SQLite (3.8.7.4, from npm's sql.js 0.2.21) reads the database that the receiver has written, and runs
# every statement of complycube-inbox(5) on it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Contract;
use Event;
use Fixture;
use JSON::PP;
use Npm;
use Source qw(quoted);
use Test::More;

my $modules = Npm::modules('sql.js');

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $f = Fixture->new(conf => "journal = \"delete\"\n$sample");    # sql.js knows no log beside the file
my @examples = examples();
for my $e (@examples) { $f->cgi({ body => $e->[2], headers => ['ComplyCube-Signature' => $e->[1]] }) }
is $f->counts, '26 26 0', 'the receiver has stored the examples';

my %sql = Contract::statements();
my $now = $f->value("SELECT $sql{NOW_MS}");
my %value = (e => 1, w => 'old-1', max => 10, n => 20, d => $now + 300_000, t => 'a-token', s => 1, m => 'why', backoff => 1000,
    lease => 1000, seq => 1, endpoint => 'live', type1 => 'check.completed', type2 => 'client.created');
my $run = sub { my ($text) = @_; my %used = map { (":$_" => $value{$_}) } $text =~ /:(\w+)/g; return [$text, \%used] };
my $claim = sub {
    my (@clauses) = @_;
    my $text = $sql{claim};
    $text =~ s/ORDER BY/$sql{$_} ORDER BY/ for @clauses;
    return $run->($text);
};
my @steps = (
    ['poll' => $run->($sql{poll})], ['the view events' => ['SELECT * FROM events', {}]],
    ['the view resource_state' => ['SELECT * FROM resource_state', {}]],
    ['claim' => $claim->()], ['read' => $run->($sql{read})], ['ack' => $run->($sql{ack})],
    (map { $value{s} = $_->[1]; [$_->[0] => $run->($sql{ $_->[0] })] } ['extend', 2], ['release', 3], ['nack', 4]),
    ['done' => $run->($sql{done})], ['claim of some types' => $claim->('types')], ['ordered claim' => $claim->('ordered')],
    ['what is superseded' => $run->($sql{over})], ['skip' => $run->($sql{skip})],
);
my $statements = $f->write('run/statements', encode_json([map { $_->[1] } @steps]));
my @answers = map { decode_json($_) } split /\n/,
    `NODE_PATH=@{[quoted($modules)]} node @{[quoted("$FindBin::Bin/old-sqlite.js", $f->database)]} <'$statements' 2>&1`;
is $answers[0]{rows}[0]{version}, '3.8.7.4', 'an old SQLite';
for my $i (0 .. $#steps) {
    is $answers[$i + 1]{error}, undef, "it runs: $steps[$i][0]";
}
is scalar @{ $answers[1]{rows} }, 20, 'and gives the events that are pending';
is scalar @{ $answers[2]{rows} }, 26, 'all events';
is_deeply [map { utf8::encode(my $p = $_->{payload}); $p } @{ $answers[5]{rows} }], [map { $_->[0] } @{ $f->rows('SELECT payload FROM events ORDER BY created_ms, seq LIMIT 20') }],
    'and those that it has claimed, byte for byte';
is $answers[$_]{changed}, 1, "$steps[$_ - 1][0] changes one row" for 6 .. 9;
done_testing;
