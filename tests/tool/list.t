#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox list: what each filter takes, alone and together, over the table and the directory.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use Tool ();
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Tool qw(record resource_event);

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
for my $form ('table', 'directory') {
    my $f = Fixture->new(conf => ($form eq 'table' ? '' : qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n)) . $sample
        . qq(endpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n));
    my $tool = $f->install('run/complycube-inbox', 'complycube-inbox');
    record($f, resource_event('e1', 'r1', 1), resource_event('e2', 'r1', 2, 'check.completed'), resource_event('e3', 'r2', 3));
    $f->cgi({ body => $_, headers => ['ComplyCube-Signature' => sign($_, $SECRET{sandbox})] }) for resource_event('e4', 'r1', 4);
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do('UPDATE event_log SET received_ms = received_ms - 86400000 * (4 - seq), client_id = ? WHERE seq < 4', undef, 'c1');
    $db->do("INSERT INTO secret (endpoint, name) SELECT endpoint, 'leaked' FROM event_log WHERE seq = 2");
    $db->do("UPDATE event_log SET secret = (SELECT id FROM secret WHERE name = 'leaked') WHERE seq IN (2, 3)");
    if ($form eq 'table') {
        $db->do('UPDATE inbox SET state = CASE seq WHEN 1 THEN 1 WHEN 3 THEN 2 ELSE 0 END');
    } else {
        my $box = $f->path('home/private/inbox.d/live');
        my @names = map { s{.*/}{}r } sort glob "$box/new/*";
        rename "$box/new/$names[0]", "$box/done/$names[0]" or die;
        rename "$box/new/$names[2]", "$box/dead/$names[2]" or die;
    }
    my $listed = sub {
        my ($code, $out, $err) = $f->run($tool, '-c', $f->config, 'list', '--json', @_);
        return $code ? "exit $code: $err" : join ' ', map { decode_json($_)->{event_id} } split /\n/, $out;
    };
    my $day = sub { strftime('%Y-%m-%d %H:%M:%S', localtime(time - 86400 * $_[0])) };
    for my $case (
        ['all, the newest first' => 'e4 e3 e2 e1'], ['a limit' => 'e4 e3', '-n', 2],
        ['of an endpoint' => 'e3 e2 e1', '-e', 'live'], ['of a state' => 'e1', '-s', 'done'], ['dead ones' => 'e3', '-s', 'dead'],
        ['waiting ones' => 'e4 e2', '-s', 'waiting'], ['waiting ones of an endpoint' => 'e2', '-s', 'waiting', '-e', 'live'],
        ['of a type' => 'e2', '-t', 'check.completed'], ['of a resource' => 'e4 e2 e1', '--resource', 'r1'],
        ['of a resource in a state' => 'e1', '--resource', 'r1', '-s', 'done'], ['of a client' => 'e3 e2 e1', '--client', 'c1'],
        ['dead ones of a client' => 'e3', '--client', 'c1', '-s', 'dead'], ['none of another' => '', '--client', 'nobody', '-s', 'dead'],
        ['of a secret' => 'e3 e2', '--secret', 'leaked'], ['of a secret since some time ago' => 'e3', '--secret', 'leaked', '--since', '36h'],
        ['of a secret before that' => 'e2', '--secret', 'leaked', '--before', '36h'], ['dead ones of a secret' => 'e3', '--secret', 'leaked', '-s', 'dead'],
        ['of the other secret' => 'e1', '--secret', 'main'], ['none of another secret' => '', '--secret', 'none'],
        ['of a resource of a secret' => 'e2', '--secret', 'leaked', '--resource', 'r1'],
        ['since some time ago' => 'e4 e3', '--since', '36h'], ['since a moment' => 'e4 e3 e2', '--since', $day->(2.5)],
        ['before one' => 'e1', '--before', $day->(2.5)], ['between two' => 'e2', '--since', '60h', '--before', '36h'],
        ['of a day in UTC' => 'e4', '--since', strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time - 3600))],
    ) {
        my ($name, $expected, @args) = @$case;
        is $listed->(@args), $expected, "$form: list $name";
    }
    # For a person, within 80 columns; with --wide all of it.
    my $now = int(time * 1000);
    if ($form eq 'table') {
        $db->do("UPDATE inbox SET attempts = 3, due_ms = $now + 500000 WHERE seq = 2");
    } else {
        my ($name) = glob $f->path('home/private/inbox.d/live') . '/new/*';
        rename $name, $name =~ s{/new/(.*)}{sprintf '/cur/%s,a=3,l=%013d', $1, $now + 500000}er or die "$name: $!";
    }
    $db->do('UPDATE event_log SET type = ? WHERE seq = 1', undef, 'check.completed.attention');
    my $shown = sub { my ($code, $out, $err) = $f->run($tool, '-c', $f->config, 'list', @_); return $out . $err };
    my $table = $shown->();
    like $table, qr/^ *SEQ  RECEIVED     STATE    TRIES  DUE     ENDPOINT  TYPE$/m, "$form: a heading";
    like $table, qr/^ +4  \d\d-\d\d \d\d:\d\d  waiting      0  now     sandbox   check\.pending$/m, "$form: what is due now";
    like $table, qr/^ +2  \S+ ?\S*  waiting      3  in 8m   live      check\.completed$/m, "$form: what is to be tried again, and when";
    like $table, qr/^ +3  .*  dead         \d  -       live      check\.pending$/m, "$form: what is dead";
    is_deeply [grep { length > 80 } split /\n/, $table], [], "$form: within 80 columns";
    unlike $table, qr/next try/, "$form: in a pipe each event is a line";
    like Tool::on_terminal($f, 'list'), qr/^ +2  \S+ ?\S*  waiting      3  in 8m   live      check\.completed\n        next try in 8 min$/m,
        "$form: on a terminal it says when the next try is";
    my ($file) = glob $f->path('home/private/inbox.d/live') . '/cur/*';
    if ($form eq 'table') { $db->do(q(UPDATE inbox SET token = 't', owner = 'web1-4711' WHERE seq = 2)) }
    else                  { rename $file, "$file,w=web1-4711" or die }
    like Tool::on_terminal($f, 'list'), qr/^ +2  .*\n        claimed by web1-4711 until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [-+]\d{4}$/m, "$form: or who has it, and until when";
    if ($form eq 'table') { $db->do('UPDATE inbox SET token = NULL, owner = NULL WHERE seq = 2') }
    else                  { rename "$file,w=web1-4711", $file or die }
    like $shown->('--wide'), qr/^ +2  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [-+]\d{4}  waiting      3  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [-+]\d{4}  live      check\.completed +e2 +r1$/m,
        "$form: wide it has ids too";
    my %row = map { my $r = decode_json($_); ($r->{event_id} => $r) } split /\n/, $shown->('--json');
    is_deeply [map { $_ // 'null' } $row{e2}{due_ms}, $row{e2}{attempts}, $row{e3}{due_ms}], [$now + 500000, 3, 'null'], "$form: JSON tells the same";
    ok abs($row{e4}{due_ms} - $now) < 60000, "$form: as a time";
    like $listed->('--since', 'yesterday'), qr/^exit 2: .*takes a time/, "$form: what is no time is refused";
    like $listed->('--since', '2026-13-01'), qr/^exit 2: /, "$form: so is a month that is not there";
    like $listed->('-t', 'a', '-t', 'b'), qr/^exit 2: .*one --type/, "$form: and a second type";

    # What is rare among many is found however old it is.
    $db->do(q(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
        INSERT INTO event_log (seq, endpoint, event_id, type, client_id, created_ms, received_ms)
        SELECT 100 + i, 1, 'many-' || i, CASE WHEN i IN (7, 8, 9, 29000, 49999) THEN 'rare' ELSE 'usual' END, 'c' || (i % 2), 1, 1 FROM n));
    $db->do('INSERT INTO inbox (seq, endpoint, state, due_ms) SELECT seq, endpoint, 1, 1 FROM event_log WHERE seq > 100') if $form eq 'table';
    is $listed->('-t', 'rare'), 'many-49999 many-29000 many-9 many-8 many-7', "$form: all of a rare type, the newest first";
    is $listed->('-t', 'rare', '-n', 3), 'many-49999 many-29000 many-9', "$form: the newest of them";
    is $listed->('-t', 'rare', '-n', 1), 'many-49999', "$form: the very newest";
    is $listed->('-t', 'rare', '-s', 'done', '-n', 4), 'many-49999 many-29000 many-9 many-8', "$form: in a state";
    is $listed->('-t', 'rare', '--client', 'c1', '-n', 2), 'many-49999 many-9', "$form: of a client";
    is $listed->('--secret', 'leaked'), 'e3 e2', "$form: of a secret";
    is $listed->('-t', 'none'), '', "$form: none";
    is $listed->('--client', 'c0', '-n', 3), 'many-50000 many-49998 many-49996', "$form: what is frequent";
    is scalar(split / /, $listed->('--client', 'c0', '-n', 24000)), 24000, "$form: and many of it";
    like +(Tool::tool_out($f, 'erase', '--before', '1970-01-01T00:00Z', '--reason', 'x'))[1], qr{^0 events}, 'before the Epoch there was nothing to erase';
    for my $time ('2026-02-30', '2026-11-31', '0', '1960-05-05') {
        is +(Tool::tool($f, 'list', '--before', $time))[0], 2, "$time is no time: it never means that none was said";
        is +(Tool::tool($f, 'erase', '--before', $time, '--reason', 'x'))[0], 2, 'and erases nothing';
    }
    $f->finish;
}
# A character of several bytes in the last column of an id is written whole.
{
    my $f = Fixture->new;
    record($f, resource_event(('e' x 23) . "\xc3\xa9", 'r', 1), resource_event(('f' x 23) . "\xe2\x82\xac" . 'more', 'r', 2));
    my ($code, $out) = $f->run($f->install('run/complycube-inbox', 'complycube-inbox'), '-c', $f->config, 'list', '--wide');
    ok utf8::decode(my $text = $out), 'a list is valid UTF-8';
    like $out, qr/ e{23}\xc3\xa9 /, 'an id as wide as its column is whole';
    like $out, qr/ f{23}\xe2\x82\xac /, 'a longer one is cut after a character';
    $f->finish;
}
done_testing;
