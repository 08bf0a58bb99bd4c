#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox export and import: events leave as JSON Lines and come back, to the last byte, over both forms.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Encode ();
use JSON::PP;
use MIME::Base64;
use Test::More;
use Event;
use Fixture;
use Tool;

my $base = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $narrow = qq(endpoint narrow {\n    secret_file = "../../private/secrets.narrow"\n    events = {"check.completed"}\n}\n);
my %conf = (
    table     => "$base$narrow",
    directory => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$base$narrow),
);

sub post {
    my ($f, $body, $secret) = @_;
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] });
    return $answer->{status};
}

sub event_with {
    my ($id, $payload) = @_;
    return qq({"id":"$id","type":"check.pending","resourceType":"check","payload":{$payload},"createdAt":"2026-01-29T20:32:22.004Z"});
}

my @ODD = (
    event_with('odd-escapes', q("id":"\u0072\"\\\\\/x","note":"\u0000 \ud83d\ude00 \n\t","name":"Müller-Şahin")),
    event_with('odd-space', qq("id":"r" ,\r\n\t "note" : "")) . "\r\n\n",
    event_with('odd-large', '"id":"r","note":"' . ('long ' x 190_000) . '"'),
    qq({"type":"check.pending","id":"odd-none"}),
    qq({"id":"odd-time","type":"x","payload":{"id":"r"},"createdAt":"some day"}),
    event_with('odd-delete', qq("id":"r","note":"\x7f\xe2\x80\xa8\xf0\x9f\x98\x80")),
);
my @QUARANTINE = (
    "\xef\xbb\xbf" . event_with('odd-bom', '"id":"r"'),
    qq({"id":"odd-utf8","type":"x","payload":{"n":"\xff\xfe\xed\xa0\x80"}}),
    "no\0thing \x01\x02 at all",
    '',
    ' ' x 3 . qq("\\),
    (map { "\xff\x00\xfe" . "\x80" x $_ } 0 .. 2),
    event_with('odd-none', '"id":"another payload"') =~ s/odd-none","type":"check.pending"/odd-delete","type":"check.pending"/r,
);

# All there is, with a past.
sub fill {
    my ($f, $form) = @_;
    is post($f, $_), 200, 'an event' for (map { $_->[2] } examples()), @ODD;
    is post($f, $_), 202, 'one of quarantine' for @QUARANTINE, $QUARANTINE[0];
    is post($f, event_with('left-out', '"id":"i"'), $SECRET{narrow}), 200, 'one that is ignored';
    my @ids = map { $_->[2] =~ /"id":\s*"([^"]+)"/ ? $1 : die } (examples())[0 .. 9];
    is +(tool_out($f, 'ack', @ids[0, 1]))[0], 0, 'two are done';
    is +(tool_out($f, 'dead', @ids[2, 3], '--reason', 'it was wrong'))[0], 0, 'two are dead';
    is +(tool_out($f, 'erase', @ids[4, 5], '--reason', 'x'))[0], 0, 'two are erased';
    change($f, qq(UPDATE inbox SET error = 'said "no"\n', attempts = 3 WHERE seq IN (SELECT seq FROM event_log WHERE event_id IN ('$ids[2]', '$ids[6]')))) if $form eq 'table';
    if ($form eq 'directory') {
        my ($file) = sort glob $f->path('home/private/inbox.d/live/new/*');
        my ($name) = $file =~ m{([^/]+)$};
        rename $file, $f->path("home/private/inbox.d/live/cur/$name,a=3,l=5");
    }
    return @ids;
}

sub content {
    my ($f) = @_;
    return $f->rows('SELECT event_id, type, resource_type, resource_id, client_id, status, outcome, created_ms, received_ms, hex(signature), erased_ms, hex(payload_sha256), payload_at, payload_len, hex(body)
        FROM event_log ORDER BY seq');
}

sub quarantine { $_[0]->rows('SELECT first_ms, last_ms, times, hex(signature), reason, event_id, hex(body) FROM quarantine ORDER BY id') }

for my $form (qw(table directory)) {
    note $form;
    my $f = Fixture->new(conf => $conf{$form});
    my @ids = fill($f, $form);
    my ($code, $lines, $err) = tool_out($f, 'export', '--quarantine');
    is $code, 0, "$form: exported" or diag $err;
    my @lines = map { decode_json($_) } split /\n/, $lines;
    is scalar(grep { $_->{kind} eq 'event' } @lines), 27 + @ODD, 'every event, no limit';
    is scalar(grep { $_->{kind} eq 'quarantine' } @lines), scalar @QUARANTINE, 'and quarantine';
    is scalar(grep { $_->{schema} != 1 } @lines), 0, 'in schema 1';
    my %body = map { $_ => 1 } (map { $_->[2] } examples()), @ODD, @QUARANTINE;
    my $bodies = grep { my $b = defined $_->{body_base64} ? decode_base64($_->{body_base64}) : defined $_->{body} ? Encode::encode('UTF-8', $_->{body}) : undef; defined $b && $body{$b} } @lines;
    is $bodies, @lines - 2 - 1, 'any JSON reader finds the exact bytes, but of what is erased';
    is_deeply [map { $_->{state} } grep { ($_->{event_id} // '') =~ /^(?:$ids[0]|$ids[2]|$ids[4]|left-out|$ids[7])$/ } @lines], [qw(done dead done waiting ignored)], 'each with its state';
    is_deeply [map { defined $_->{body} ? 1 : 0 } grep { ($_->{event_id} // '') =~ /^(?:$ids[4]|$ids[5])$/ } @lines], [0, 0], 'those that are erased have no body';
    is +(grep { defined $_->{body_base64} } @lines), 5, 'bytes that are no text are in base64';

    my $file = $f->path('run/export.jsonl');
    ($code, my $out, $err) = tool_out($f, 'export', '--quarantine', '--file', $file);
    is $code, 0, 'into a file' or diag $err;
    is $out, sprintf("%d events and %d of quarantine are in %s\n", 27 + @ODD, scalar @QUARANTINE, $file), 'which says how many';
    is sprintf('%o', (stat $file)[2] & 07777), '600', 'for this user alone';
    is Fixture::slurp($file), $lines, 'the same lines';
    is +(tool_out($f, 'export', '--file', $file))[0], 2, 'that is there already: nothing is written over';
    is Fixture::slurp($file), $lines, 'it is as it was';
    ($code, $out) = tool_out($f, 'export', '--state', 'dead');
    is_deeply [map { decode_json($_)->{event_id} } split /\n/, $out], [@ids[2, 3]], 'by a state';
    ($code, $out) = tool_out($f, 'export', 'odd-none', '2');
    is_deeply [map { decode_json($_)->{event_id} } split /\n/, $out], [$ids[1], 'odd-none'], 'by names';
    is +(tool_out($f, 'export', 'nonsense'))[0], 1, 'of which there is none';
    is +(tool_out($f, 'export', '1', '--state', 'dead'))[0], 2, 'but not both';

    my ($content, $quarantine) = (content($f), quarantine($f));
    for my $other (qw(table directory)) {
        my $g = Fixture->new(conf => $conf{$other});
        $g->write('run/export.jsonl', $lines);
        ($code, $out, $err) = tool_out($g, 'import', $g->path('run/export.jsonl'));
        is $code, 0, "$form to $other: imported into an empty one" or diag $out, $err;
        is_deeply content($g), $content, 'every column as it was';
        is_deeply quarantine($g), $quarantine, 'of quarantine too';
        is $g->value(q(SELECT count(*) FROM event_log WHERE source <> 'imported')), 0, 'but for the source';
        my (undef, $back) = tool_out($g, 'export', '--quarantine');
        if ($form eq $other) {
            ok $back eq $lines =~ s/"source":"received"/"source":"imported"/gr, 'exported again: byte for byte the same';
        } else {
            my $same = sub { $_[0] =~ s/"source":"\w+"//gr =~ s/"(?:done_ms|error|attempts)":(?:null|\d+|"(?:[^"\\]|\\.)*"),//gr };
            ok $same->($back) eq $same->($lines), 'exported again: the same but for what the other form does not keep';
        }
        is $g->value(q(SELECT group_concat(action || ' ' || n) FROM history)), 'import ' . (27 + @ODD + @QUARANTINE), 'one line of history';
        is $g->value('SELECT count(*) FROM counter'), 0, 'and no figure says that a secret matched';
        ($code, $out) = tool_out($g, 'import', $g->path('run/export.jsonl'));
        is $code, 0, 'once more';
        like $out, qr/^0 imported, @{[ 27 + @ODD ]} were here already, @{[ scalar @QUARANTINE ]} are in quarantine, 0 refused$/m, 'all is here already';
        is_deeply content($g), $content, 'nothing has changed';
        $g->finish;
    }
    $f->finish;
}

# ---- a person's request ----
my $f = Fixture->new(conf => $conf{table});
my $client = '5eb1276d96be4a0008713af5';
is post($f, $_->[2]), 200, 'an example' for examples();
is post($f, $_), 202, 'quarantine' for qq(broken, of "$client"), qq(broken, of x$client and 5eb1276d96be4a0008713af);
my ($code, $out) = tool_out($f, 'export', '--client', $client);
my @lines = map { decode_json($_) } split /\n/, $out;
my %resource;
for my $example (examples()) {
    my $payload = decode_json($example->[2])->{payload};
    $resource{ $payload->{id} } = 1 if ($payload->{clientId} // $payload->{id}) eq $client;
}
my @of_it = grep { $resource{ decode_json($_->[2])->{payload}{id} } } examples();
is scalar(grep { $_->{kind} eq 'event' } @lines), scalar @of_it, 'the events of a client are those of its resources, whether they name it or not';
is scalar(grep { $_->{kind} eq 'quarantine' } @lines), 1, 'and what is in quarantine and names it, as a word';
$f->finish;
done_testing;
