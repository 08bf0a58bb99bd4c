#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox send: signed example events, or a file, posted to a webhook; never to the endpoint live by accident.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Event;
use Fixture;
use Proc qw(wait_until);
use Tool;

my $LIVE = qq(database = "../../private/inbox.db"\nendpoint live { secret_file = "../../private/secrets" }\n);

# The tool to its end: exit code, output, errors; no secret is ever in what it says.
sub ran {
    my ($f, @args) = @_;
    my %o = ref $args[-1] ? %{ pop @args } : ();
    $f->install('run/complycube-inbox', 'complycube-inbox') if !-e $f->path('run/complycube-inbox');
    my ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, @args, \%o);
    $f->{cgi_log} .= $err;
    my @told = grep { index("$out$err", $_) >= 0 } values %SECRET;
    @told and fail("no secret is told: @told");
    return ($code, $out, $err);
}

# A server that keeps what it gets; the answer is a text, or a code with the body. Gives its URL.
sub webhook {
    my ($f, $answer) = @_;
    my $folder = $f->path('run');
    my $port = server($f, sub {
        my ($request, $connection) = @_;
        my $n = () = glob sprintf '%s/got-%03d-*', $folder, $connection;
        my $name = sprintf 'run/got-%03d-%03d', $connection, $n + 1;
        $f->write("$name.new", "$request->{headers}{'complycube-signature'}\n$request->{body}");
        rename $f->path("$name.new"), $f->path($name);
        return ref $answer ? $answer->($request->{body}, $connection) : $answer;
    });
    return "http://127.0.0.1:$port/hook";
}

# [signature, body] of each request that came.
sub got { my ($f) = @_; return map { [split /\n/, Fixture::slurp($_), 2] } grep { !/new$/ } glob $f->path('run/got-*') }

sub ids { return map { $_->[1] =~ /^\{"id":"([0-9a-f]{24})"/ } @_ }

# A body with all ids the same, and all times.
sub shape { my ($body) = @_; return $body =~ s/\b[0-9a-f]{24}\b/ID/gr =~ s/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/TIME/gr }

subtest 'an example of each known type' => sub {
    my $f = Fixture->new;
    my $url = webhook($f, '200 OK');
    my %vector = map { $_->[0] =~ s/\.json$//r => $_->[2] } examples();
    my ($code, $out) = ran($f, 'send', '--list-types');
    my @types = split /\n/, $out;
    is_deeply([sort @types], [sort keys %vector], '--list-types has all 26');
    ($code, $out) = ran($f, qw(send -e sandbox --count 26), (map { ('-t', $_) } @types), $url);
    is($code, 0, 'all are sent, in turn') or diag $out;
    my @got = got($f);
    is_deeply([map { decode_json($_->[1])->{type} } @got], \@types, 'in the order of the command line');
    for my $i (0 .. $#got) {
        my ($signature, $body) = @{ $got[$i] };
        is(shape($body), shape($vector{ $types[$i] }), "$types[$i] looks like the vendor's, to the byte");
        is($signature, sign($body, $SECRET{sandbox}), 'and is signed with the secret of the endpoint');
    }
    my %seen;
    is(scalar(grep { !$seen{$_}++ } ids(@got)), 26, 'each has an id of its own');
    like($got[0][1], qr/"createdAt":"20\d\d-/, 'the time');
    my ($at) = $got[0][1] =~ /"createdAt":"([\d-]+T[\d:]+)\.\d+Z"\}$/;
    my ($now, $before) = map { my @t = gmtime(time - $_); sprintf '%d-%02d-%02dT%02d:%02d:%02d', $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0] } 0, 60;
    ok($before le $at && $at le $now, 'is now') or diag "$at, $now";
    for my $pair (@got) {
        my ($answer) = $f->cgi({ body => $pair->[1], headers => ['ComplyCube-Signature' => $pair->[0]] });
        $answer->{status} == 200 or fail("$pair->[1]: $answer->{status}");
    }
    is($f->counts, '26 26 0', 'the receiver records each');
    is($f->value(q(SELECT count(*) FROM events WHERE resource_id IS NULL OR created_ms = received_ms)), 0, 'with its resource and its time');
    ($code, $out) = ran($f, qw(send -e sandbox), $url);
    is(decode_json((got($f))[-1][1])->{type}, 'check.completed', 'check.completed is what is sent else');
    $f->finish;
};

subtest 'many, several at a time' => sub {
    my $f = Fixture->new;
    my $url = webhook($f, sub { '200 OK' });
    my ($code, $out, $err) = ran($f, qw(send -e sandbox --count 60 -w 5 --json), $url);
    is("$code$err", '0', 'all were answered with a 2xx');
    my $sum = decode_json($out);
    is_deeply([@$sum{qw(schema endpoint secret sent good unsent late broken cancelled)}], [1, 'sandbox', 'secret-1', 60, 60, 0, 0, 0, 0], '--json tells it');
    is_deeply($sum->{answers}, { 200 => 60 }, 'and the answers');
    ok($sum->{median_us} > 0 && $sum->{median_us} <= $sum->{p99_us}, 'and how long they took');
    my @got = got($f);
    my (%id, %resource, %client);
    for my $body (map { $_->[1] } @got) {
        my $event = decode_json($body);
        $id{ $event->{id} }++;
        $resource{ $event->{payload}{id} }++;
        $client{ $event->{payload}{clientId} }++;
    }
    is(join(' ', map { scalar keys %$_ } \(%id, %resource, %client)), '60 60 1', 'no two are the same, nor their resources; they share a client');
    is(scalar(my @connections = glob $f->path('run/got-*-001')), 5, 'over so many connections');
    my $quick = server($f, sub { '200 OK' });
    ($code, $out) = ran($f, qw(send -e sandbox --count 400 -j), "http://127.0.0.1:$quick/");
    cmp_ok(decode_json($out)->{took_ms}, '<', 8000, 'what is answered at once is not waited for');
    $f->finish;
};

subtest 'a file' => sub {
    my $f = Fixture->new;
    my $url = webhook($f, '202 Accepted');
    my $odd = qq({"id":"odd",\r\n "note":"\xc3\xab \0 }"\t}\n\n);
    my $file = $f->write('run/body', $odd);
    my ($code, $out) = ran($f, qw(send -e sandbox --count 2 --file), $file, $url);
    is($code, 0, 'is sent');
    like($out, qr/^202 +2 /m, 'each 2xx is good');
    is_deeply([got($f)], [([sign($odd, $SECRET{sandbox}), $odd]) x 2], 'to the byte');
    ($code) = ran($f, qw(send -e sandbox --file -), $url, { input => "\0nothing of ours" });
    is($code . (got($f))[-1][1], "0\0nothing of ours", 'so is standard input');
    ($code) = ran($f, qw(send -e sandbox --file), $f->write('run/empty', ''), $url);
    is($code . (got($f))[-1][1], '0', 'so is an empty one');
    $f->finish;
};

subtest 'what is answered' => sub {
    my $f = Fixture->new;
    my @answers = ('200 OK', "503 Soon\r\nContent-Length: 8\r\n\r\npersonal", "302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n", '200 OK',
        "200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nshort");
    my $url = webhook($f, sub { my $n = () = glob $f->path('run/got-*'); $answers[$n - 1] });
    my ($code, $out, $err) = ran($f, qw(send -e sandbox --count 5), $url);
    is($code, 1, 'not all were a 2xx');
    like($err, qr/^complycube-inbox: 3 of 5 were not answered with a 2xx$/, 'is told');
    like($out, qr/^ANSWER +COUNT +MEDIAN ms +P99 ms\n200 +2 +[\d.]+ +[\d.]+\n302 +1 .*\n503 +1 .*\nall +4 .*\nbroken off +1  \S.*\n\n5 sent in /, 'a table has each status, and what was not answered');
    unlike($out . $err, qr/personal|short/, 'nothing of an answer is shown');
    is(scalar(my @all = got($f)), 5, 'no redirect is followed, nothing is tried again');
    my $port = $f->port;
    ($code, $out, $err) = ran($f, qw(send -e sandbox --count 2), "http://127.0.0.1:$port/");
    is($code, 1, 'nobody is there');
    like($out, qr/^not sent +2  \S/m, 'is told with its reason');
    ($code, $out) = ran($f, qw(send -j -e sandbox --count 2), "http://127.0.0.1:$port/");
    is_deeply([@{ decode_json($out) }{qw(sent good unsent answers median_us)}], [2, 0, 2, {}, undef], 'in JSON as well');
    $f->finish;
};

subtest 'live' => sub {
    for my $conf (undef, $LIVE) {
        my $f = Fixture->new(conf => $conf);
        my $url = webhook($f, '200 OK');
        my @endpoint = $conf ? () : qw(-e live);
        my $name = $conf ? 'the only endpoint, live,' : 'the endpoint live';
        my ($code, $out, $err) = ran($f, 'send', @endpoint, $url);
        is($code . $out, '2', "$name is refused");
        like($err, qr/applications would act/, 'with the reason');
        ($code) = ran($f, 'send', @endpoint, '-f', $f->write('run/body', '{}'), $url);
        is($code . got($f), '20', 'with a file too, and nothing is sent');
        ($code) = ran($f, 'send', @endpoint, '--live', $url);
        my ($got) = got($f);
        is($code . ($got->[0] eq sign($got->[1]) ? ' signed' : ''), '0 signed', '--live sends it');
        $f->finish;
    }
};

subtest 'whose secret' => sub {
    my $f = Fixture->new;
    $f->secrets('secrets.sandbox', "old gone-with-the-wind-0 retired\nfirst $SECRET{sandbox}\nsecond $SECRET{sandbox}-2\n");
    my $url = webhook($f, '200 OK');
    my ($code, undef, $err) = ran($f, 'send', $url);
    is($code, 2, 'of several endpoints one must be named');
    like($err, qr/--endpoint: live, sandbox, narrow$/, 'which is told');
    is((ran($f, qw(send -e none), $url))[0], 1, 'one that is not there is not found');
    is((ran($f, qw(send -e sandbox --secret old), $url))[0], 1, 'a retired secret signs nothing');
    is((ran($f, qw(send -e sandbox --secret none), $url))[0], 1, 'nor does one that is not there');
    is(scalar(my @none = got($f)), 0, 'and nothing is sent');
    is((ran($f, qw(send -e sandbox), $url))[0], 0, 'the first in force signs');
    is((ran($f, qw(send -e sandbox --secret second), $url))[0], 0, 'or the one that is named');
    my @got = got($f);
    is_deeply([map { $_->[0] } @got], [sign($got[0][1], $SECRET{sandbox}), sign($got[1][1], "$SECRET{sandbox}-2")], 'that is so');
    $f->finish;
};

subtest 'how it is called' => sub {
    my $f = Fixture->new;
    my @send = qw(send -e sandbox);
    my $url = 'http://127.0.0.1:9/';
    my $file = $f->write('run/body', '{}');
    my %wrong = ('no URL' => [], 'two' => [$url, $url], 'no http' => ['ftp://127.0.0.1/'], 'an unknown type' => [qw(-t check.odd), $url],
        'a file and a type' => ['-f', $file, qw(-t check.pending), $url], 'none' => [qw(--count 0), $url], 'too many' => [qw(--count 1000001), $url],
        'too many at a time' => [qw(-w 65), $url]);
    for my $name (sort keys %wrong) {
        is((ran($f, @send, @{ $wrong{$name} }))[0], 2, "$name is a usage error");
    }
    is((ran($f, @send, '-f', $f->path('run/none'), $url))[0], 1, 'a file that is not there is not found');
    $f->finish;
};

subtest 'the end, and a terminal' => sub {
    my $f = Fixture->new;
    my $url = webhook($f, sub { my $n = () = glob $f->path('run/got-*'); return $n > 2 ? undef : '200 OK' });
    my $p = begin($f, qw(send -e sandbox --count 9), $url);
    ok(wait_until(sub { got($f) == 3 }), 'one hangs');
    $p->signal('INT');
    ok(!$p->ended(0.3), 'and is waited for after INT');
    $p->signal('INT');
    ok($p->ended(5), 'no longer after the second');
    is($p->exit_code, 1, 'which is no good end');
    like(said($p), qr/^200 +2 .*^cancelled +1  cancelled\n.*7 of 9 were not answered with a 2xx; it was told to end$/ms, 'what came of it is told');
    my $log = $f->path('run/typescript');
    my $answers = webhook($f, '200 OK');
    my ($code) = $f->run('script', '-qec', join(' ', $f->path('run/complycube-inbox'), '-c', $f->config, qw(send -e sandbox --count 3), $answers), $log);
    is($code, 0, 'the exit code on a terminal is the same');
    like(Fixture::slurp($log), qr/\r\e\[K\[ {30}\] 0 of 3, 0 failed\r\e\[K.*^200 +3 /ms, 'a bar is rewritten there, and taken away');
    $f->finish;
};

done_testing;
