#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox verify and history: what was changed behind our back shows.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Tool;

my $f = Fixture->new;
my @bodies = map { event() } 1 .. 8;
record($f, @bodies);

# ---- one body ----
$f->write('run/body', $bodies[0]);
my ($code, $out, $err) = tool_out($f, 'verify', sign($bodies[0]), { stdin => $f->path('run/body') });
is $out, "signed with the secret main of live\n", 'a body from standard input';
is $code, 0, 'is verified';
($code, $out, $err) = tool_out($f, 'verify', sign($bodies[1]), { stdin => $f->path('run/body') });
is $code, 1, 'a signature of another one is not its';
is +(tool_out($f, 'verify'))[0], 2, 'it wants a signature';
is +(tool_out($f, 'verify', '--stored', 'x'))[0], 2, 'or all that is stored, not both';

# ---- all that is stored ----
sub sums { my ($code, $out) = tool_out($f, 'verify', '--stored', '--json'); return ($code, map { decode_json($_) } split /\n/, $out) }
($code, my @found) = sums();
is $code, 0, 'what was stored is as it was signed';
is_deeply \@found, [{ schema => 1, verified => 8, erased => 0, unsigned => 0, unknown => 0, altered => 0, missing => 0 }], 'all of it';

$f->secrets('secrets', "main $SECRET{live} retired\nnext 0123456789abcdef0123456789abcdef\n");
is +(sums())[0], 0, 'what a secret signed that is retired now stays signed';
$f->secrets('secrets', "main $SECRET{live}\nnext 0123456789abcdef0123456789abcdef\n");

my %spoil = (
    1 => [q(UPDATE event_log SET outcome = 'rejected' WHERE seq = 1), 'outcome'],
    2 => [q(UPDATE event_log SET body = replace(body, 'check', 'CHECK') WHERE seq = 2), 'body or signature'],
    3 => [q(UPDATE event_log SET signature = randomblob(32) WHERE seq = 3), 'body or signature'],
    4 => [q(UPDATE event_log SET signature = NULL WHERE seq = 4), 'signature'],
    5 => [q(UPDATE event_log SET created_ms = created_ms + 1 WHERE seq = 5), 'created_ms'],
    6 => [q(UPDATE event_log SET payload_len = payload_len - 1 WHERE seq = 6), 'payload'],
    7 => [q(UPDATE event_log SET client_id = 'somebody else' WHERE seq = 7), 'client_id'],
);
change($f, map { $_->[0] } values %spoil);
change($f, 'DELETE FROM inbox WHERE seq = 8', 'DELETE FROM event_log WHERE seq = 8');
record($f, event());
($code, @found) = sums();
is $code, 1, 'what was changed is told' ;
my $sum = pop @found;
is_deeply [map { $_->{seq} } @found], [sort keys %spoil], 'each by its number';
for my $row (@found) {
    like $row->{what}, qr/^(?:$spoil{ $row->{seq} }[1])$/, "event $row->{seq}: $spoil{ $row->{seq} }[0]";
}
is $sum->{altered}, 7, 'and how many';
($code, $out, $err) = tool_out($f, 'verify', '--stored');
like $out, qr/^event 7, \S+: its client_id is not what was signed$/m, 'for a person as well';
like $err, qr/7 are not as they were signed/, 'with the number at the end';
like $err, qr/the value of a secret was changed in its file, put the old one back under a name of its own, marked retired/, 'and what else it may be';
unlike $out, qr/somebody else/, 'and nothing of what is in it';

$f->secrets('secrets', "other 0123456789abcdef0123456789abcdef\n");
($code, @found) = sums();
is $found[-1]{unknown}, 7, 'of what a secret signed that is in no file nothing can be told';

# ---- the value of a secret that was changed in its file ----
{
    my $g = Fixture->new;
    record($g, event());
    my $sum = sub { my ($code, $out) = tool_out($g, 'verify', '--stored', '--json'); return ($code, map { decode_json($_) } split /\n/, $out) };
    $g->secrets('secrets', "main 0123456789abcdef0123456789abcdef\n");
    my ($code, @found) = $sum->();
    is $code, 1, 'under another value of its name what it signed is not as it was signed';
    $g->secrets('secrets', "main 0123456789abcdef0123456789abcdef\nbefore $SECRET{live} retired\n");
    ($code, @found) = $sum->();
    is $code, 0, 'what it says helps';
    is $found[-1]{verified}, 1, 'the event is verified again';
    $g->finish;
}

# ---- the history ----
($code, $out) = tool_out($f, 'history', '--json', '--limit', 100);
my @past = map { decode_json($_) } split /\n/, $out;
is scalar @past, 9, 'a line for each change by plain SQL' or diag $out;
is_deeply [map { $past[0]{$_} } qw(action os_user seq detail)], ['sql', undef, 8, 'removed from event_log'], 'that says what it was';
tool($f, 'dead', 1, '--reason', "twice\nbilled");
tool($f, 'requeue', 1);
tool($f, 'dead', 1, '--reason', 'gave up');
($code, $out) = tool_out($f, 'history', 1);
like $out, qr/^WHEN +ACTION +EVENT  CHANGE\n\S+ \S+  dead +1  waiting to dead\n +by +\S+\@\S+: gave up\n/, 'the history of one event, the newest first';
is scalar(grep { length > 80 } split /\n/, $out), 0, 'in 80 columns';
($code, $out) = tool_out($f, 'history', '--since', '2h', '--before', '1h');
is $out, "nothing was changed by hand\n", 'of a time';
$f->finish;
done_testing;
