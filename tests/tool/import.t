#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox import: saved bodies are verified, taken in once, and what is wrong with any is told.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
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

sub line {
    my ($body, %o) = @_;
    return JSON::PP->new->utf8->canonical->encode({ schema => 1, signature => sign($body, $o{secret}), body => $body, %{ $o{more} // {} } }) . "\n";
}

sub states {
    my ($f) = @_;
    my (undef, $out) = tool_out($f, 'list', '--json', '--limit', 1000);
    return join ' ', map { decode_json($_)->{state} } reverse split /\n/, $out;
}

for my $form (qw(table directory)) {
    note $form;
    my $f = Fixture->new(conf => $conf{$form});
    my ($code, $out, $err) = tool_out($f, 'import', $f->example_folder);
    is $code, 0, "$form: a folder of bodies with SIGNATURES.tsv" or diag $out, $err;
    is $out, scalar(() = examples()) . " imported, 0 were here already, 0 are in quarantine, 0 refused\n", 'says how many';
    is states($f), join(' ', ('waiting') x examples()), 'they wait, as new ones';
    my %body = map { $_->[2] => 1 } examples();
    is scalar(grep { $body{ $_->[0] } } @{ $f->rows('SELECT body FROM event_log') }), scalar keys %body, 'with their exact bytes';
    is $f->value(q(SELECT count(*) FROM events WHERE source = 'imported' AND secret = 'main' AND endpoint = 'live')), scalar keys %body, 'marked as imported, with the secret that matched';

    my $handler = $f->write('run/handler', "#!/bin/sh\ncat >/dev/null\necho >>@{[ $f->path('run/got') ]}\n", 0755);
    tool($f, 'work', '-e', 'live', '--once', $handler);
    is length Fixture::slurp($f->path('run/got')), scalar keys %body, 'a worker gets each';
    is states($f), join(' ', ('done') x keys %body), 'and is done with it';

    # ---- names beside bodies, and each mistake ----
    my @events = map { resource_event("i$_", "r$_", $_) } 1 .. 9;
    $f->folder('run/saved');
    $f->write('run/saved/a.json', $events[0]);
    $f->write('run/saved/a.sig', sign($events[0]) . "\n");
    $f->write('run/saved/b.json', $events[1]);
    $f->write('run/saved/b.json.sig', uc sign($events[1], $SECRET{retired}));
    $f->write('run/saved/c.json', $events[2]);
    $f->write('run/saved/d.json', $events[3]);
    $f->write('run/saved/d.sig', sign($events[4]));
    $f->write('run/saved/notes.txt', 'no body');
    ($code, $out, $err) = tool_out($f, 'import', $f->path('run/saved'));
    is $code, 1, 'a folder with something wrong in it';
    like $out, qr{^\S+/run/saved/c\.json: refused: it has no signature; .*--unverified$}m, 'tells of a body without a signature';
    like $out, qr{^\S+/run/saved/d\.json: refused: its signature matches no configured secret; add the secret.*$}m, 'and of a wrong one';
    like $out, qr/^2 imported, 0 were here already, 0 are in quarantine, 2 refused$/m, 'the others are taken';
    is $f->value(q(SELECT secret FROM events WHERE event_id = 'i2')), 'former', 'a retired secret has signed what it has signed';

    my $late = resource_event('i6', 'r6', 7);    # another payload under a name
    $f->write('run/lines.jsonl', join '', line($events[0]), "{\n", line($events[5], more => { received_ms => 1_700_000_000_123, state => 'dead', error => 'said so', attempts => 4 }),
        '{"schema":2,"body":"x"}' . "\n", line($late =~ s/pending"}/other"}/r), line('no event'), line($events[6], more => { state => 'gone' }), '"text"' . "\n", "\n",
        line($events[7], secret => $SECRET{narrow}), line($events[8], more => { body => "$events[8] " }), '{"schema":1,"signature":"00"}');
    my $before = $f->value('SELECT count(*) FROM history');
    ($code, $out, $err) = tool_out($f, 'import', $f->path('run/lines.jsonl'), $f->path('run/nothing-here'));
    is $code, 1, 'lines, good and bad';
    like $err, qr/^complycube-inbox: 7 were refused/, 'nothing is lost in silence' or diag $out;
    like $out, qr/lines\.jsonl:1: is here already$/m, 'one is here already';
    like $out, qr/lines\.jsonl:2: refused: \w/m, 'half a line';
    like $out, qr/lines\.jsonl:4: refused: its schema is 2, and this program knows 1$/m, 'another schema';
    like $out, qr/lines\.jsonl:5: quarantined: id and type are known with another payload$/m, 'another payload under a known name is kept apart';
    like $out, qr/lines\.jsonl:6: quarantined: \w/m, 'as is what is no event';
    like $out, qr/lines\.jsonl:7: refused: its state is none$/m, 'a state that is none';
    like $out, qr/lines\.jsonl:11: refused: its signature/m, 'a body that was changed';
    like $out, qr/lines\.jsonl:12: refused: it has no body$/m, 'no body';
    like $out, qr{nothing-here: refused: cannot be read: No such file}m, 'no file';
    my ($row) = @{ $f->rows(q(SELECT received_ms FROM event_log WHERE event_id = 'i6')) };
    is $row->[0], 1_700_000_000_123, 'when it was received is kept';
    my (undef, $shown) = tool_out($f, 'show', '--json', 'i6');
    is decode_json($shown)->{state}, 'dead', 'as are its state';
    is decode_json($shown)->{error}, 'said so', 'and the reason';
    is $f->value(q(SELECT endpoint FROM events WHERE event_id = 'i8')), 'narrow', 'the endpoint is that of the secret';
    (undef, $shown) = tool_out($f, 'show', '--json', 'i8');
    is decode_json($shown)->{state}, 'ignored', 'with its list of types';
    is $f->value('SELECT count(*) FROM history'), $before + 1, 'a run is one line of history';

    # ---- unverified, done, from standard input ----
    my $bare = resource_event('bare', 'r', 1);
    $f->write('run/bare.jsonl', JSON::PP->new->encode({ schema => 1, body => $bare }) . "\n");
    is +(tool_out($f, 'import', $f->path('run/bare.jsonl')))[0], 1, 'what has no signature is refused';
    is +(tool_out($f, 'import', '--unverified', $f->path('run/bare.jsonl')))[0], 1, 'and unverified, where its endpoint is not told';
    is +(tool_out($f, 'import', '--unverified', '-e', 'none', $f->path('run/bare.jsonl')))[0], 1, 'or is none';
    ($code, $out, $err) = tool_out($f, 'import', '--unverified', '-e', 'live', '--done', '--json', $f->path('run/bare.jsonl'));
    is $code, 0, 'unverified' or diag $err;
    is decode_json($out)->{result}, 'imported', 'it is taken';
    is_deeply $f->rows(q(SELECT endpoint, secret, source, signature FROM events WHERE event_id = 'bare')), [['live', undef, 'imported', '']], 'with no secret to its name';
    (undef, $shown) = tool_out($f, 'show', '--json', 'bare');
    is decode_json($shown)->{state}, 'done', 'as done';
    $f->write('run/bare.jsonl', JSON::PP->new->encode({ schema => 1, body => $bare =~ s/"clientId":"c"/"clientId":"d"/r }) . "\n");
    ($code, $out) = tool_out($f, 'import', '--unverified', '-e', 'live', $f->path('run/bare.jsonl'));
    like $out, qr/refused: id and type are known with another payload, and it has no signature to keep it by$/m, 'nothing unsigned goes to quarantine';
    my ($o, @cmd) = Tool::_arguments($f, 'import', '-');
    my $p = Proc->start(cmd => \@cmd, stdin => $f->write('run/stdin', line(resource_event('std', 'r', 1))), stdout => $f->path('log/std'), stderr => $f->path('log/std'));
    ok $p->ended(30), 'standard input is read';
    is Fixture::slurp($f->path('log/std')), "1 imported, 0 were here already, 0 are in quarantine, 0 refused\n", 'for a dash';

    # ---- what is erased stays so ----
    is +(tool_out($f, 'erase', 'i1', '--reason', 'x'))[0], 0, 'one is erased';
    ($code, $out) = tool_out($f, 'import', $f->path('run/saved/'));
    like $out, qr{a\.json: is here already$}m, 'to import it again is a duplicate';
    is $f->value(q(SELECT body IS NULL AND resource_id IS NULL FROM event_log WHERE event_id = 'i1')), 1, 'promise 10: which brings nothing back';

    # ---- more than one batch ----
    $f->write('run/many.jsonl', join '', map { line(resource_event("many-$_", "m$_", $_ % 60)) } 1 .. 300);
    ($code, $out) = tool_out($f, 'import', $f->path('run/many.jsonl'));
    is $out, "300 imported, 0 were here already, 0 are in quarantine, 0 refused\n", 'many, by several transactions';
    is join(' ', map { $_->[0] } @{ $f->rows(q(SELECT substr(event_id, 6) FROM event_log WHERE event_id LIKE 'many%' ORDER BY seq)) }), join(' ', 1 .. 300), 'in their order';
    $f->finish;
}
done_testing;
