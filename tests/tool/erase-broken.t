#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 10, where erase is killed in the middle: what it has emptied must not be what the rest is found by.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Event;
use Fixture;
use Tool;

my ($CLIENT, $DOCUMENT) = ('clientabcdef', 'documentabcdef');

sub of {
    my ($id, $type, $payload) = @_;
    return qq({"id":"$id","type":"$type","resourceType":"document","payload":$payload,"createdAt":"2026-01-29T20:32:01.004Z"});
}

sub filled {
    my $f = Fixture->new;
    record($f, of('e1', 'document.created', qq({"id":"$DOCUMENT","clientId":"$CLIENT"})));
    my $body = qq({"cut":"$DOCUMENT);
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
    is $answer->{status}, 202, 'what names the document only is in quarantine';
    change($f, qq(WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
        INSERT INTO event_log(seq, endpoint, event_id, type, resource_id, client_id, created_ms, received_ms, body)
        SELECT i, 1, 'm' || i, 'client.updated', '$CLIENT', '$CLIENT', i, i, '{"id":"$CLIENT"}' FROM n),
        'INSERT INTO inbox(seq, endpoint, due_ms) SELECT seq, endpoint, 0 FROM event_log WHERE seq > 10');
    record($f, map { of("u$_", 'document.updated', qq({"id":"$DOCUMENT","note":"note $_"})) } 1 .. 3); # these name no client
    return $f;
}

sub left {
    my ($f) = @_;
    return join ' ', map { $f->value($_) } 'SELECT count(*) FROM event_log WHERE body IS NOT NULL',
        'SELECT count(*) FROM quarantine WHERE length(body) > 0';
}

my @ERASE = ('erase', '--client', $CLIENT, '--reason', 'ticket 1');
my $killed = 0;
for my $n (1 .. 5) {
    my $f = filled();
    my ($o, @cmd) = Tool::_arguments($f, @ERASE);
    my ($code) = $f->run('strace', '-f', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', "inject=fdatasync:signal=KILL:when=$n", @cmd);
    my $rest = left($f);
    $killed++ if $rest ne '0 0';
    note "killed at flush $n: left $rest";
    is +(tool($f, @ERASE))[0], 0, 'run again it ends well';
    is left($f), '0 0', 'and nothing of the person is left';
    $f->finish;
}
cmp_ok $killed, '>=', 2, 'it was killed in the middle';

# ---- a database that was lost: the files in the folder are still those of its events ----
my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $h = Fixture->new(conf => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$sample));
record($h, event(id => 'old-1'), event(id => 'old-2'));
my $handler = $h->write('run/handler', "#!/bin/sh\ncat >/dev/null\n", 0755);
is +(tool($h, 'work', '--once', $handler))[0], 0, 'two events are done';
unlink map { $h->database . $_ } '', '-wal', '-shm';
record($h, event(id => 'new-1'));
is $h->value('SELECT seq FROM event_log'), 3, 'a new database gives no number that a file in done/ has';
my ($file) = glob $h->path('home/private/inbox.d/live/new/*');
change($h, q(INSERT INTO event_log(seq, endpoint, event_id, type, client_id, created_ms, received_ms, body)
    SELECT 4, endpoint, 'other', 'a.b', 'person', created_ms - 1, 1, '{}' FROM event_log));
rename $file, $file =~ s/\.000000000003\.json/.000000000004.json/r;
is +(tool($h, 'erase', '--client', 'person', '--reason', 'x'))[0], 0, 'an event is erased that has the number of a file of another';
is scalar(() = glob $h->path('home/private/inbox.d/live/new/*')), 1, 'the file stays';
$h->finish;
done_testing;
