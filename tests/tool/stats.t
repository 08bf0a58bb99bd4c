#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox stats: what is counted, by endpoint, state, type, hour and secret, over the table and the directory.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);
use Tool qw(change on_terminal record resource_event);

our $LOCALE = 'C.UTF-8';
my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

sub ran {
    my ($f, @args) = @_;
    my ($code, $out, $err) = $f->run($f->install('run/complycube-inbox', 'complycube-inbox'), '-c', $f->config, 'stats', @args,
        { env => { LC_ALL => $LOCALE } });
    $f->{cgi_log} .= $err;
    return ($code, $out, $err);
}

# { what => [rows] }
sub told {
    my ($f, @args) = @_;
    my ($code, $out, $err) = ran($f, '--json', @args);
    is($code, 0, 'it ends well') or diag $err;
    my %told;
    push @{ $told{ $_->{what} } }, $_ for map { decode_json($_) } split /\n/, $out;
    return \%told;
}

sub post {
    my ($f, $body, $secret, %more) = @_;
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)], %more });
    return $answer->{status};
}

sub states {
    my ($told, $name) = @_;
    my ($row) = grep { $_->{endpoint} eq $name } @{ $told->{endpoint} };
    return $row ? join ' ', @$row{qw(waiting done dead ignored quarantined)} : 'none';
}

sub types { my ($told) = @_; return join ' ', map { "$_->{endpoint}/$_->{type}=$_->{events}" } @{ $told->{type} } }

my $f = Fixture->new;
my ($code, $out, $err) = ran($f);
is($code, 1, 'without a database there is nothing to count');
like($err, qr/complycube-inbox init/, 'and it says what to do');

for my $form ('table', 'directory') {
    $f = Fixture->new(conf => ($form eq 'table' ? '' : qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n)) . $sample
        . qq(endpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n)
        . qq(endpoint narrow { secret_file = "../../private/secrets.narrow" events = {"check.completed"} }\n));
    my @bodies = map { resource_event("e$_", "r$_", $_, $_ < 4 ? 'check.completed' : 'check.pending') } 1 .. 5;
    record($f, @bodies, $bodies[0], $bodies[0]);
    is(post($f, event(type => 'check.pending'), $SECRET{narrow}), 200, 'one is ignored');
    is(post($f, '{', $SECRET{sandbox}), 202, 'one is no event');
    is(post($f, event(), 'forged'), 400, 'one is forged') for 1 .. 3;
    is(post($f, '', undef, method => 'DELETE'), 405, 'one is no POST');
    if ($form eq 'table') {
        change($f, 'UPDATE inbox SET state = 1, done_ms = 1 WHERE seq = 1', 'UPDATE inbox SET state = 2 WHERE seq = 2');
    } else {
        my $box = $f->path('home/private/inbox.d/live');
        my @names = map { s{.*/}{}r } sort glob "$box/new/*";
        rename "$box/new/$names[0]", "$box/done/$names[0]" or die;
        rename "$box/new/$names[1]", "$box/dead/$names[1]" or die;
    }
    my $waits = time * 1000;
    change($f, 'UPDATE event_log SET received_ms = received_ms - 7200000 WHERE seq = 3', 'UPDATE event_log SET received_ms = received_ms - 172800000 WHERE seq < 3');

    my $told = told($f);
    is(states($told, 'live'), '3 1 1 0 0', "$form: the states of an endpoint");
    is(states($told, 'narrow'), '0 0 0 1 0', "$form: what is ignored");
    is(states($told, 'sandbox'), '0 0 0 0 1', "$form: and put aside");
    is(types($told), 'live/check.completed=3 live/check.pending=2 narrow/check.pending=1', "$form: the types, the most frequent first");
    my ($live) = grep { $_->{endpoint} eq 'live' } @{ $told->{endpoint} };
    ok($live->{lag_ms} >= 7200000 && $live->{lag_ms} < 7200000 + 60000, "$form: how long the oldest has been waiting") or diag $live->{lag_ms};
    is($told->{endpoint}[1]{oldest_ms}, undef, "$form: where none waits there is none");
    my %sum;
    for my $hour (@{ $told->{hour} }) { $sum{$_} += $hour->{$_} for qw(stored duplicate ignored quarantined refused failed) }
    is_deeply(\%sum, { stored => 5, duplicate => 2, ignored => 1, quarantined => 1, refused => 4, failed => 0 }, "$form: what came by the hour");
    is($told->{hour}[-1]{hour_ms} % 3600000, 0, "$form: each from its start");
    is("@{ $told->{refused}[0] }{qw(signature method incomplete too_large failed)}", '3 1 0 0 0', "$form: refusals by kind");
    is_deeply([map { "$_->{endpoint}/$_->{secret}=$_->{matches}" } @{ $told->{secret} }], ['live/main=7', 'narrow/secret-1=1', 'sandbox/secret-1=1'],
        "$form: the secrets that matched") or diag explain $told->{secret};
    ok(abs($told->{secret}[0]{last_match_ms} - $waits) < 60000, "$form: with the time of the last");

    $told = told($f, '--endpoint', 'live');
    is(join(' ', map { $_->{endpoint} } @{ $told->{endpoint} }, @{ $told->{type} }, @{ $told->{secret} }), 'live live live live', "$form: of one endpoint");
    %sum = ();
    for my $hour (@{ $told->{hour} }) { $sum{$_} += $hour->{$_} for qw(stored ignored) }
    is_deeply(\%sum, { stored => 5, ignored => 0 }, "$form: its hours too");
    is((ran($f, '--endpoint', 'nowhere'))[0], 1, "$form: an endpoint that is not there is told");

    $told = told($f, '--since', '24h');
    is(states($told, 'live') . ' ' . types($told), '3 0 0 0 0 live/check.pending=2 live/check.completed=1 narrow/check.pending=1', "$form: since a time");
    $told = told($f, '--before', '24h');
    is(states($told, 'live') . ' ' . types($told), '0 1 1 0 0 live/check.completed=2', "$form: before a time");
    is(scalar @{ $told->{hour} // [] }, 0, "$form: nothing had come by then");

    ($code, $out) = ran($f);
    like($out, qr/^live +3 +1 +1 +0 +0 +2h$/m, "$form: a table for a person") or diag $out;
    like($out, qr/^all +3 +1 +1 +1 +1 +2h$/m, "$form: with a sum");
    like($out, qr/^check\.pending +live +2  \S+$/m, "$form: types with a bar");
    like($out, qr/^all +5 +2 +2 +4 +0$/m, "$form: hours with a sum");
    like($out, qr/^signature missing or wrong +3$/m, "$form: what was refused");
    like($out, qr/^live +main +\d{4}-\d\d-\d\d \S+ [-+]\d{4} +7$/m, "$form: secrets");
    like($out, qr/█/, "$form: with a bar that the terminal can show");
    utf8::decode($out);
    is_deeply([grep { length > 80 } split /\n/, $out], [], "$form: within 80 columns");
    { local $LOCALE = 'C'; ($code, $out) = ran($f) }
    unlike($out, qr/[^\x00-\x7f]/, "$form: one that cannot gets none of it");
    like($out, qr/#####/, "$form: but plain bars");
    unlike($out, qr/nothing$|NEW each/m, "$form: in a pipe no line is folded or drawn");
    is(scalar(() = $out =~ /^\d\d-\d\d \d\d:00 +\d/mg), 24, "$form: a line for each hour");
    my $seen = sub { on_terminal($f, 'stats', { env => { LC_ALL => $_[0] } }) };
    my $shown = $seen->('C.UTF-8');
    like($shown, qr/^\d\d-\d\d \d\d:00  to \d\d-\d\d \d\d:00: nothing$/m, "$form: on a terminal empty hours are one line") or diag $shown;
    cmp_ok(scalar(() = $shown =~ /^\d\d-\d\d \d\d:00  (?:to| +\d)/mg), '<', 8, "$form: so that few are left");
    like($shown, qr/^all +5 +2 +2 +4 +0$/m, "$form: with the same sum");
    like($shown, qr/^NEW each hour, \d at most\n\d\d-\d\d \d\d:00 \| {20,}[^|\n]*█[^|\n]*\| \d\d-\d\d \d\d:00$/m, "$form: and drawn as one line");
    like($seen->('C'), qr/^\d\d-\d\d \d\d:00 \| {20,}[^|\n]*#[^|\n]*\| \d\d-\d\d \d\d:00$/m, "$form: in plain characters where the terminal has no others");
    ($code, $out) = ran($f, '--since', '60d');
    like($out, qr/^DAY +NEW/m, "$form: over long a line for each day");
    is(scalar(() = $out =~ /^\d{4}-\d\d-\d\d /mg), 31, "$form: of the latest 31");
    like($out, qr/^\Q@{[strftime('%Y-%m-%d', localtime)]}\E +5 /m, "$form: with what came in it");
    $f->finish;
}

# A user who can read no secret.
chmod 0, $f->path('home/private/secrets');
is((ran($f))[0], 0, 'it needs no secret');
$f->finish;

# More types than a first table of them holds, of several endpoints.
$f = Fixture->new;
$f->run($f->install('run/complycube-inbox', 'complycube-inbox'), '-c', $f->config, 'init');
change($f, q(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
    INSERT INTO event_log (endpoint, event_id, type, created_ms, received_ms) SELECT 1 + i % 3, 'e' || i, 't' || (i % 700), 1, 1 FROM n),
    'INSERT INTO inbox (seq, endpoint, state, due_ms) SELECT seq, endpoint, seq % 4, 1 FROM event_log');
my $expected = $f->rows('SELECT n.name, e.type, count(*) FROM event_log e JOIN endpoint n ON n.id = e.endpoint GROUP BY 1, 2');
my $told = told($f);
is_deeply([sort map { "$_->{endpoint} $_->{type} $_->{events}" } @{ $told->{type} }], [sort map { "@$_" } @$expected], 'thousands of types are told apart');
$expected = $f->rows('SELECT n.name, sum(i.state = 0), sum(i.state = 1), sum(i.state = 2), sum(i.state = 3) FROM inbox i JOIN endpoint n ON n.id = i.endpoint GROUP BY 1');
is_deeply([map { "$_->{endpoint} " . states($told, $_->{endpoint}) } @{ $told->{endpoint} }], [map { "@$_ 0" } @$expected], 'and states');
is(states(told($f, '--since', '1970-01-01T00:00Z', '--before', '1h'), 'live'), states($told, 'live'), 'counted by time it is the same');
($code, $out) = ran($f);
like($out, qr/^and \d+ types more: see --json$/m, 'a person is shown the first');
$f->finish;
done_testing;
