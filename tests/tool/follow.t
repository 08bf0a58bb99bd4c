#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox follow: each event as it is recorded, once, also when the database is moved away meanwhile.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use JSON::PP;
use Proc qw(wait_until);
use Test::More;
use Tool qw(begin change record resource_event said tool);

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
sub ids { my ($p) = @_; return join ' ', map { decode_json($_)->{event_id} } grep { /^\{/ } split /\n/, said($p) }
sub tells { my ($p, $expected, $name) = @_; wait_until(sub { ids($p) eq $expected }, 10); is(ids($p), $expected, $name) or diag said($p) }
sub one { my ($id, %o) = @_; return resource_event($id, $o{resource} // "r-$id", 1, $o{type}) }

# Send a signal, and wait for the end.
sub ended_by { my ($p, $signal) = @_; kill $signal, $p->pid; return $p->ended(10) ? $p->exit_code : 'still there' }

for my $form ('table', 'directory') {
    my $f = Fixture->new(conf => ($form eq 'table' ? '' : qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n)) . $sample
        . qq(endpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n));
    my ($code, $err) = tool($f, 'follow');
    is($code, 1, "$form: without a database there is nothing to follow");
    like($err, qr/complycube-inbox init/, "$form: and it says what to do");

    record($f, one('e1'), one('e2', type => 'check.completed'));
    my $all = begin($f, 'follow', '--json', '--since', '1h');
    my $new = begin($f, 'follow', '--json');
    my $type = begin($f, 'follow', '--json', '--since', '1h', '--type', 'check.completed');
    my $resource = begin($f, 'follow', '--json', '--since', '1h', '--resource', 'r9');
    my $done = begin($f, 'follow', '--json', '--since', '1h', '--state', 'done');
    my $person = begin($f, 'follow', '--since', '1h');
    tells($all, 'e1 e2', "$form: with a time, what has come since then");
    wait_until(sub { grep { m{^socket|signalfd} } map { readlink $_ // '' } glob '/proc/' . $new->pid . '/fd/*' }, 10);
    wait_until(sub { ids($type) eq 'e2' && said($person) =~ /e2|completed/ }, 10);
    record($f, one('e3'), one('e4', type => 'check.completed', resource => 'r9'));
    my $body = one('e5');
    $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $SECRET{sandbox})] });
    tells($all, 'e1 e2 e3 e4 e5', "$form: and what comes");
    tells($new, 'e3 e4 e5', "$form: without one, what comes from now on");
    tells($type, 'e2 e4', "$form: of a type");
    tells($resource, 'e4', "$form: of a resource");
    tells($done, '', "$form: none of them is done");
    wait_until(sub { said($person) =~ /sandbox/ }, 10);
    my @lines = split /\n/, said($person);
    like($lines[0], qr/^ *SEQ +RECEIVED +STATE +TRIES +DUE +ENDPOINT +TYPE$/, "$form: for a person a heading");
    is(scalar @lines, 6, "$form: and a row for each");
    like($lines[2], qr/^ +2  \d\d-\d\d \d\d:\d\d  waiting +0  now +live +check\.completed$/, "$form: as list has them");
    is(ended_by($new, 'INT'), 0, "$form: INT ends it well");
    is(ended_by($type, 'TERM'), 0, "$form: so does TERM");

    # Another database at its place, with lower numbers.
    rename $f->database, $f->database . '.aside' or die;
    rename $f->path('home/private/inbox.d'), $f->path('home/private/inbox.d.aside') if $form eq 'directory';
    my $moved = one('f1');    # until who has it open has looked, its log stands there without it
    my $status = wait_until(sub {
        my ($answer) = $f->cgi({ body => $moved, headers => ['ComplyCube-Signature' => sign($moved)] });
        $answer->{status} == 200;
    }, 10);
    ok($status, "$form: a file that is moved away is left soon");
    record($f, one('f2'));
    tells($all, 'e1 e2 e3 e4 e5 f1 f2', "$form: what another database has that stands there now");
    record($f, one('f3'));
    tells($all, 'e1 e2 e3 e4 e5 f1 f2 f3', "$form: and goes on with it");
    change($f, q(INSERT INTO event_log (seq, endpoint, event_id, type, created_ms, received_ms)
        SELECT 100000, endpoint, 'lift', type, created_ms, received_ms FROM event_log WHERE seq = 1));
    record($f, one('g1'));
    tells($all, 'e1 e2 e3 e4 e5 f1 f2 f3 lift g1', "$form: a jump of the numbers, as of a restore, is no matter");
    is(ended_by($all, 'TERM'), 0, "$form: and it ends well");
    $f->finish;
}
done_testing;
