#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox prune: what is done and old is emptied, once, over the table and the directory; nothing else is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Event;
use Fixture;
use Tool;

my $base = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $narrow = qq(endpoint narrow {\n    secret_file = "../../private/secrets.narrow"\n    events = {"check.completed"}\n}\n);
my $DAY = 86_400_000;
my $now = time * 1000;

# The ids of events that are empty.
sub emptied {
    my ($f) = @_;
    return join ' ', map { $_->[0] } @{ $f->rows('SELECT event_id FROM event_log WHERE erased_ms IS NOT NULL AND body IS NULL AND resource_id IS NULL ORDER BY seq') };
}

sub left { my ($f) = @_; return $f->value('SELECT count(*) FROM event_log WHERE body IS NOT NULL AND erased_ms IS NULL') }

# Received so many days ago, done after that: by the table, or by the folder of the day.
sub age {
    my ($f, $form, $seq, $received, $done, %o) = @_;
    my ($received_ms, $done_ms) = ($now - $received * $DAY, defined $done ? $now - $done * $DAY : undef);
    change($f, 'DROP TRIGGER IF EXISTS event_log_update', "UPDATE event_log SET received_ms = $received_ms WHERE seq = $seq",
        "UPDATE inbox SET due_ms = $received_ms WHERE seq = $seq");
    return if !defined $done && !$o{dead} && !$o{plain};
    if ($form eq 'table') {
        my $state = $o{dead} ? 2 : 1;
        my $when = defined $done && !$o{dead} ? $done_ms : 'NULL';
        change($f, "UPDATE inbox SET state = $state, done_ms = $when WHERE seq = $seq");
        return;
    }
    my $folder = $f->path('home/private/inbox.d/live');
    my ($from) = glob sprintf '%s/new/*.%012d.json', $folder, $seq;
    my ($name) = $from =~ m{([^/]+)$};
    my $to = $o{dead} ? "$folder/dead" : "$folder/done/" . strftime('%Y%m%d', gmtime(($done_ms // $received_ms) / 1000));
    my @owner = (stat $folder)[4, 5];
    if (!-d $to) { mkdir $to or die; chmod 0700, $to; chown @owner, $to }
    rename $from, "$to/$name" or die;
    unlink "$to/$name" if $o{gone};
}

for my $form (qw(table directory)) {
    note $form;
    my $head = $form eq 'directory' ? qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n) : '';
    my $f = Fixture->new(conf => qq($head$base$narrow));
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 9);
    record($f, resource_event('older', 'twice', 10), resource_event('newer', 'twice', 20));
    my $ignored = resource_event('ignored', 'r12', 5);
    my ($answer) = $f->cgi({ body => $ignored, headers => ['ComplyCube-Signature' => sign($ignored, $SECRET{narrow})] });
    is $answer->{status}, 200, 'one of a type that is left out';

    my ($code, $out, $err) = tool_out($f, 'prune');
    is $code, 9, 'without retain nothing is pruned';
    like $err, qr/retain = "90d"/, 'and it says what to write';
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(retain = "90d"\n$head$base$narrow));
    ($code, $out, $err) = tool_out($f, 'prune');
    like $out, qr/^0 events emptied/, 'nothing is done yet' or diag $err;

    age($f, $form, 1, 200, 199);                  # old
    age($f, $form, 2, 200, 20);                   # done lately
    age($f, $form, 3, 200);                       # waits
    age($f, $form, 4, 200, undef, dead => 1);
    age($f, $form, 5, 95, 92);                    # old enough
    age($f, $form, 6, 200, undef, plain => 1, gone => 1);    # by plain SQL, or its file is gone
    age($f, $form, 7, 10, 9);
    age($f, $form, 8, 200, 100);
    age($f, $form, 9, 200, 100);
    age($f, $form, 10, 300);                      # "older" waits
    age($f, $form, 11, 299, 298);                 # "newer", of the same resource, is done
    age($f, $form, 12, 200);                      # ignored
    change($f, q(UPDATE inbox SET error = 'superseded' WHERE seq = 9)) if $form eq 'table';

    my $expected = 'e1 e5 e6 e8 e9 ignored';
    ($code, $out) = tool_out($f, 'prune', '--dry-run');
    is $out, "6 events would be emptied; nothing was changed\n", 'a dry run says how many';
    is left($f), 12, 'and changes nothing';
    ($code, $out, $err) = tool_out($f, 'prune', '--json');
    is $code, 0, 'pruned' or diag $err;
    my $said = decode_json($out);
    is_deeply $said, { schema => 1, emptied => 6, removed => $form eq 'directory' ? 5 : 0 }, 'which says how much';
    is emptied($f), $expected, 'what was done long ago is empty; neither what waits or is dead, nor what is newer than an event that stays';
    is left($f), 6, 'all else is whole';
    is $f->value(q(SELECT resource_id FROM resource_state WHERE event_id = 'newer')), 'twice', 'so the newest of a resource stays the newest';
    is_deeply $f->rows(q(SELECT action, n, seq, detail IS NOT NULL FROM history WHERE action <> 'sql')), [['prune', 0, undef, 1], ['prune', 6, undef, 1]], 'one line of history for all, and one for the first run';
    like $f->value(q(SELECT detail FROM history WHERE action = 'prune')), qr/^done before \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'with the time that counts';
    if ($form eq 'directory') {
        my @done = map { m{\.0*(\d+)\.json$} } glob $f->path('home/private/inbox.d/live/done/*/*');
        is join(' ', sort @done), '2 7', 'their files are gone, others stay' or diag join "\n", glob $f->path('home/private/inbox.d/live/done/*/*');
    } else {
        is_deeply $f->rows('SELECT DISTINCT state FROM inbox WHERE seq IN (1, 5, 6, 8, 9)'), [[1]], 'they are done as before';
        is $f->value('SELECT count(*) FROM inbox WHERE seq = 9 AND error IS NULL'), 1, 'and nothing is said about them';
    }
    ($code, $out) = tool_out($f, 'prune');
    like $out, qr/^0 events emptied/, 'once more: nothing is left to do';
    is $f->value(q(SELECT count(*) FROM history WHERE action = 'prune')), 2, 'which is no line of history';

    my ($again) = $f->cgi({ body => resource_event('e1', 'r1', 1), headers => ['ComplyCube-Signature' => sign(resource_event('e1', 'r1', 1))] });
    like $again->{body}, qr/duplicate/, 'a replay of one is a duplicate';
    is +(tool_out($f, 'requeue', 'e8'))[0], 1, 'none can wait again';
    ($code, $out) = tool_out($f, 'ack', 'older');
    change($f, "UPDATE inbox SET done_ms = $now - 99 * $DAY WHERE seq = 10") if $form eq 'table';
    ($code, $out) = tool_out($f, 'prune');
    like $out, $form eq 'table' ? qr/^2 events/ : qr/^0 events/, 'what was kept for an older one goes with it';
    if ($form eq 'directory') {
        my $done = $f->path('home/private/inbox.d/live/done');
        chmod 0, $done;
        ($code, $out, $err) = tool_out($f, 'prune');
        is $code, 5, 'files that cannot be looked for are not taken for files that are gone';
        like $err, qr{live/done: Permission denied}, 'it names the folder';
        chmod 0700, $done;
    }
    $f->finish;
}
done_testing;
