#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox secrets: when each last matched, and whether it may go; never a value.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);
use Event;
use Fixture;
use Tool;

my %VALUE = (main => 'main-value-0123456789abcdef', next => 'next-value-0123456789abcdef', former => 'former-value-0123456789abcd');

sub fixture {
    my $f = Fixture->new;
    $f->secrets('secrets', "main $VALUE{main}\nnext $VALUE{next}\nformer $VALUE{former} retired\n");
    $f->install('run/complycube-inbox', 'complycube-inbox');
    return $f;
}

sub ran {
    my ($f, @args) = @_;
    my ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, 'secrets', @args);
    $f->{cgi_log} .= $err;
    my @told = grep { index("$out$err", $_) >= 0 } values %VALUE, values %SECRET;
    @told and fail("no value is told: @told");
    return ($code, $out, $err);
}

sub post {
    my ($f, $body, $secret) = @_;
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] });
    return $answer->{status};
}

# { "endpoint/secret" => row }
sub rows {
    my ($f) = @_;
    my ($code, $out) = ran($f, '--json');
    is($code, 0, 'it is told');
    return { map { ("$_->{endpoint}/$_->{secret}" => $_) } map { decode_json($_) } split /\n/, $out };
}

# What was counted for a secret until now, so many days ago.
sub age {
    my ($f, $name, $days) = @_;
    my $ms = int($days * 86400000);
    change($f, "UPDATE counter SET hour_ms = hour_ms - $ms, last_ms = last_ms - $ms WHERE secret = (SELECT id FROM secret WHERE name = '$name' ORDER BY id LIMIT 1)");
}

my $f = fixture();
my ($code, $out, $err) = ran($f);
is($code, 1, 'without a database there is nothing to tell');
like($err, qr/complycube-inbox init/, 'and it says what to do');

my ($first, $ignored) = (event(), event(type => 'check.pending'));
is(post($f, $first, $VALUE{main}), 200, 'an event comes');
is(post($f, $first, $VALUE{main}), 200, 'and again');
is(post($f, $ignored, $SECRET{narrow}), 200, 'and one whose type its endpoint leaves out');
is(post($f, '{', $SECRET{sandbox}), 202, 'and one that is none');
is(post($f, event(), 'forged'), 400, 'and a forgery');
my $before = time * 1000;
my $rows = rows($f);
is_deeply([sort keys %$rows], [qw(live/former live/main live/next narrow/secret-1 sandbox/secret-1)], 'a row for each endpoint and secret');
is_deeply([map { $rows->{"live/$_"}{verdict} } qw(main next former)], ['in use', 'never matched', 'retired'], 'with a verdict');
is_deeply([map { $_->{matches_7_days} } @$rows{qw(live/main live/next narrow/secret-1 sandbox/secret-1)}], [2, 0, 1, 1],
    'a duplicate matches too, and what is ignored or put aside');
is_deeply([map { $rows->{"live/$_"}{in_force} ? 1 : 0 } qw(main next former)], [1, 1, 0], 'it tells what is in force');
is($rows->{'live/next'}{last_match_ms}, undef, 'and no time where there was no match');
my $last = $rows->{'live/main'}{last_match_ms};
ok($before - 30000 < $last && $last <= $before, 'else the time of the last') or diag "$last, $before";
is($rows->{'live/main'}{schema}, 1, 'as schema 1');

($code, $out) = ran($f);
my ($local) = strftime('%Y-%m-%d %H:%M:%S %z', localtime($last / 1000));
like($out, qr/^ENDPOINT  SECRET    STATE     LAST MATCH                 7 DAYS  VERDICT$/m, 'a table');
like($out, qr/^live      main      in force  \Q$local\E       2  in use$/m, 'with local times');
like($out, qr/^live      former    retired   -                               0  retired$/m, 'for a person');
is(scalar(grep { length > 80 } split /\n/, $out), 0, 'of 80 columns');

age($f, 'main', 8);
is(rows($f)->{'live/main'}{verdict}, 'in use', 'one that has not matched for long may not go while no other has');
is(rows($f)->{'live/main'}{matches_7_days}, 0, 'what is older than 7 days is not in the count');
is(post($f, event(), $VALUE{next}), 200, 'another one matches');
is_deeply([map { rows($f)->{"live/$_"}{verdict} } qw(main next)], ['may go', 'in use'], 'then it may');
age($f, 'main', -2);
is_deeply([map { rows($f)->{"live/$_"}{verdict} } qw(main next)], ['in use', 'in use'], 'not before 7 days are over');
is(rows($f)->{'sandbox/secret-1'}{verdict}, 'in use', 'another endpoint is no matter');

$f->secrets('secrets', "main $VALUE{main} retired\nnext $VALUE{next}\n");
$rows = rows($f);
is($rows->{'live/main'}{verdict}, 'retired', 'when it is marked so it is retired');
cmp_ok($rows->{'live/main'}{last_match_ms}, '>', 0, 'with its last match');
is($rows->{'live/former'}, undef, 'what is in no file has no row');
$f->finish;
done_testing;
