#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What an editor or a shell of another system has saved is read: byte order marks, CR LF, UTF-16.
use strict;
use warnings;
use Encode qw(encode);
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Requests;
use Tool;

my %saved = (
    'with a byte order mark' => sub { "\xef\xbb\xbf$_[0]" },
    'with CR LF'             => sub { $_[0] =~ s/\n/\r\n/gr },
    'as UTF-16 by Windows'   => sub { "\xff\xfe" . encode('UTF-16LE', $_[0] =~ s/\n/\r\n/gr) },
    'as UTF-16, big-endian'  => sub { "\xfe\xff" . encode('UTF-16BE', $_[0]) },
    'as UTF-16 without mark' => sub { encode('UTF-16LE', $_[0]) },
);

sub line { my ($body) = @_; return JSON::PP->new->ascii->encode({ schema => 1, signature => sign($body), body => $body }) . "\n" }

sub imported {
    my ($f, @args) = @_;
    my ($code, $out, $err) = tool_out($f, 'import', @args);
    return $out;
}

for my $how (sort keys %saved) {
    my $save = $saved{$how};
    subtest "saved $how" => sub {
        my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
        my $f = Fixture->new(conf => $save->($conf));
        $f->secrets('secrets', $save->("# of the webhook\nmain $SECRET{live}\n"));
        my ($answer) = $f->cgi(signed(event()));
        is($answer->{status}, 200, 'a configuration and its secrets are in force') or diag $answer->{log};

        my @bodies = map { resource_event("l$_", "r$_", $_ % 60) } 1 .. 700;
        $f->write('run/lines.jsonl', $save->(join '', map { line($_) } @bodies));
        is(imported($f, $f->path('run/lines.jsonl')), "700 imported, 0 were here already, 0 are in quarantine, 0 refused\n", 'lines are imported');

        my ($beside, $listed, $bare) = map { resource_event("f$_", 'r', $_) } 1 .. 3;
        $f->folder('run/saved');
        $f->write('run/saved/a.json', $save->("$beside\n"));
        $f->write('run/saved/a.sig', $save->(sign($beside) . "\n"));
        $f->write('run/saved/b.json', $listed);
        $f->write('run/saved/SIGNATURES.tsv', $save->("b.json\t" . sign($listed) . "\nc.json\t00\n"));
        is(imported($f, $f->path('run/saved')), "2 imported, 0 were here already, 0 are in quarantine, 0 refused\n", 'bodies and their signatures, too');
        is_deeply([map { $_->[0] } @{ $f->rows(q(SELECT body FROM event_log WHERE event_id LIKE 'f%' ORDER BY event_id)) }], [$beside, $listed], 'with the bytes that were signed');

        $f->folder('run/unsigned');
        $f->write('run/unsigned/c.json', $save->("$bare\n"));
        is(imported($f, '--unverified', '-e', 'live', $f->path('run/unsigned')), "1 imported, 0 were here already, 0 are in quarantine, 0 refused\n", 'also without a signature');
        $f->finish;
    };
}

subtest 'letters that are not ASCII, at each place in what is read at a time' => sub {
    my $f = Fixture->new;
    my $json = JSON::PP->new;
    my $wide = join '', map {
        my $body = resource_event("u$_", 'r', 1) =~ s/"clientId":"c"/'"clientId":"' . ("\x{10348}" x 40) . "\xfc\x{4e00}" . ('x' x ($_ % 5)) . '"'/er;
        $json->encode({ schema => 1, signature => sign(encode('UTF-8', $body)), body => $body }) . "\n";
    } 1 .. 900;
    $f->write('run/wide.jsonl', "\xff\xfe" . encode('UTF-16LE', $wide));
    is(imported($f, $f->path('run/wide.jsonl')), "900 imported, 0 were here already, 0 are in quarantine, 0 refused\n", 'no pair is torn');
    $f->finish;
};

subtest 'what is no UTF-16 after all' => sub {
    my $f = Fixture->new;
    $f->write('run/odd.jsonl', "\xff\xfe" . encode('UTF-16LE', line(event())) . '{');
    like(imported($f, $f->path('run/odd.jsonl')), qr/odd\.jsonl: refused: cannot be read: it begins as UTF-16, and is none; save it as UTF-8$/m, 'import says so');
    $f->secrets('secrets', "\xff\xfe" . encode('UTF-16LE', "main $SECRET{live}\n") . "\x00\xd8");
    my ($answer) = $f->cgi(signed(event()));
    is($answer->{status}, 500, 'a secret file of that kind is an error');
    like($answer->{log}, qr/secrets is broken UTF-16; save it as UTF-8/, 'which says what to do');
    $f->finish;
};
done_testing;
