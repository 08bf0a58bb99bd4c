#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox quarantine: list, show, accept, drop, over the table and the directory.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Tool;

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my %conf = (table => $sample, directory => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$sample));

sub post {
    my ($f, $body) = @_;
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
    return $answer->{status};
}

# What a worker gets handed on, until nothing waits.
sub worked {
    my ($f) = @_;
    my $got = $f->path('run/got');
    unlink $got;
    my $handler = $f->write('run/handler', "#!/bin/sh\ncat >>$got\necho >>$got\n", 0755);
    my ($code, $err) = tool($f, 'work', '--once', $handler);
    is $code, 0, 'a worker takes what waits' or diag $err;
    return -e $got ? Fixture::slurp($got) : '';
}

for my $form (qw(table directory)) {
    my $f = Fixture->new(conf => $conf{$form});
    my $first = resource_event('e1', 'r1', 1);
    my $other = $first =~ s/"pending"\}/"failed"}/r;
    is post($f, $first), 200, "$form: an event";
    is post($f, $other), 202, 'another payload under its id';
    is post($f, '{"no":"event"}'), 202, 'and what is none';
    is post($f, '{"no":"event"}'), 202, 'twice';
    my ($code, $out) = tool_out($f, 'quarantine');
    like $out, qr/^ +ID  LAST RECEIVED        TIMES  ENDPOINT  REASON\n +2  .* +2  live +.+\n +1  .* +1  live +id and type are known with another\n +payload$/m, 'are listed with the reason';
    is scalar(grep { length > 80 } split /\n/, $out), 0, 'in 80 columns';
    unlike $out, qr/"no"/, 'without their contents';
    ($code, $out) = tool_out($f, 'quarantine', '--json');
    is_deeply [map { [@{ decode_json($_) }{qw(id times event_id)}] } split /\n/, $out], [[2, 2, undef], [1, 1, 'e1']], 'for a program as well';
    ($code, $out) = tool_out($f, 'quarantine', 'show', 2);
    like $out, qr/^body +\{"no":"event"\}$/m, 'show prints one whole';
    is +(tool_out($f, 'quarantine', 'show', 7))[0], 1, 'what is not there is not found';
    is +(tool_out($f, 'quarantine', $_))[0], 2, "quarantine $_ is no call" for qw(nonsense accept);

    my (undef, undef, $err) = tool_out($f, 'quarantine', 'accept', 2);
    like $err, qr/number 2 is no event and cannot become one/, 'what is no event cannot be accepted';
    ($code, undef, $err) = tool_out($f, 'quarantine', 'drop', 2);
    is $code, 2, 'drop wants a reason';
    is worked($f), "$first\n", 'the first one is handed on';
    ($code, $out, $err) = tool_out($f, 'quarantine', 'accept', 1, '--reason', 'checked with the vendor');
    is $out, "1 is event 1 now, and waits\n", 'the second takes its place' or diag $err;
    is worked($f), "$other\n", 'and is handed on';
    is $f->value('SELECT body FROM event_log'), $other, 'the log has its bytes';
    is $f->value('SELECT source FROM event_log'), 'accepted', 'and where it came from';
    is $f->value('SELECT status FROM resource_state'), 'failed', 'as the state of its resource';
    is $f->value('SELECT body FROM quarantine WHERE id = 1'), $first, 'the first is in quarantine in its stead';
    is post($f, $other), 200, 'when it comes again it is a duplicate';
    is $f->counts, $form eq 'table' ? '1 1 2' : '1 0 2', 'and nothing more is stored';
    is +(tool($f, 'verify', '--stored', '--allow', 'quarantined'))[0], 0, 'its signature is right';

    tool($f, 'quarantine', 'accept', 1);
    is worked($f), "$first\n", 'they may change places again';
    is +(tool($f, 'quarantine', 'drop', 1, 2, '--reason', 'noise'))[0], 0, 'both are dropped';
    is $f->counts, $form eq 'table' ? '1 1 0' : '1 0 0', 'and gone';
    is_deeply [map { "@$_" } @{ $f->rows(q(SELECT action, coalesce(seq, 0), coalesce(from_state, '-'), coalesce(to_state, '-'), coalesce(reason, '-') FROM history ORDER BY id)) }],
        ['accept 1 1 0 checked with the vendor', 'accept 1 1 0 -', 'drop 0 - - noise', 'drop 0 - - noise'], 'all on record';

    # What was changed in quarantine is no event that ComplyCube signed.
    is post($f, $other), 202, 'once more';
    my ($changed) = $f->value('SELECT max(id) FROM quarantine');
    change($f, "UPDATE quarantine SET body = replace(body, 'failed', 'clear') WHERE id = $changed");
    my ($refused, undef, $why) = tool_out($f, 'quarantine', 'accept', $changed);
    is $refused, 1, 'a body that was changed is not accepted';
    like $why, qr/not what was signed/, 'and it says why';
    is $f->value('SELECT detail FROM history ORDER BY id DESC LIMIT 1'), "changed in quarantine: number $changed", 'the change is on record';
    is +(tool($f, 'quarantine', 'drop', $changed, '--reason', 'forged'))[0], 0, 'it is dropped';

    # A worker that holds the event loses it to the accepted one.
    is post($f, $other), 202, 'the other payload again';
    tool($f, 'requeue', 'e1');
    my $slow = $f->write('run/slow', "#!/bin/sh\ncat >/dev/null\ntouch " . $f->path('run/begun') . "\nwhile ! test -e " . $f->path('run/go') . "; do sleep 0.05; done\n", 0755);
    my $worker = begin($f, 'work', '--once', $slow);
    ok Proc::wait_until(sub { -e $f->path('run/begun') }, 10), 'a worker holds the first';
    my ($id) = $f->value('SELECT max(id) FROM quarantine');
    is +(tool($f, 'quarantine', 'accept', $id))[0], 0, 'the other is accepted meanwhile';
    $f->write('run/go', '');
    ok $worker->ended(20), 'the worker goes on';
    like worked($f) . ($f->value(q(SELECT count(*) FROM history)) ), qr/^(?:\Q$other\E\n)?\d+$/, 'what it did counts for nothing';
    my (undef, $list) = tool_out($f, 'list', '--json');
    is decode_json($list)->{state}, 'done', 'and the other one is done';
    if ($form eq 'directory') {
        my $folder = $f->path('home/private/inbox.d/live');
        is join('', map { Fixture::slurp($_) } glob "$folder/done/*/*"), $other, 'its file is the only one';
        is scalar(() = glob "$folder/{new,cur,dead,tmp}/*"), 0, 'wherever one looks';
    }
    $f->finish;
}
done_testing;
