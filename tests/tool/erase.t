#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox erase, promise 10: what is erased is gone from every file of the store, and cannot be replayed back in.
use strict;
use warnings;
use DBI;
use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha256);
use File::Find;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Tool;

my $NOTHING = "nothing here names that id; where it was not erased before, compare the id\n";
my $MANY = Fixture::sanitized() ? 3_000 : 20_000;
my ($CLIENT, $CHECK, $DOCUMENT, $ADDRESS) = map { substr md5_hex("person $_"), 0, 24 } 1 .. 4;
my $NAME = 'Wilhelmina Featherstonehaugh';
my $base = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

# Which of these texts stand in any file below the private folder: "text in file" each.
sub found {
    my ($f, @texts) = @_;
    my @found;
    find({ no_chdir => 1, wanted => sub {
        my $file = $_;
        push @found, map { "$_ in $file" } grep { index($file, $_) >= 0 } @texts;
        return if !-f || m{/saved[^/]*$};
        my $all = Fixture::slurp($_);
        push @found, map { "$_ in $file" } grep { index($all, $_) >= 0 } @texts;
    } }, $f->path('home/private'));
    return @found;
}

sub text {
    my ($id, $type, $resource, $payload) = @_;
    return qq({"id":"$id","type":"$type","resourceType":"$resource","payload":{$payload},"createdAt":"2026-01-29T20:32:22.004Z"});
}

# What there is of the person, small and large, with and without the client's id.
sub person {
    my $check = qq("id":"$CHECK","clientId":"$CLIENT","status":"complete","outcome":"attention");
    my @events = (
        text('p-client', 'client.created', 'client', qq("id":"$CLIENT","personDetails":{"firstName":"$NAME"})),
        text('p-client-2', 'client.updated', 'client', qq("id":"$CLIENT","email":"wilhelmina.f\@example.org")),
        text('p-doc', 'document.created', 'document', qq("id":"$DOCUMENT","clientId":"$CLIENT","type":"passport")),
        text('p-doc-2', 'document.updated', 'document', qq("id":"$DOCUMENT","issuingCountry":"Zubrowka-Land")),
        text('p-addr', 'address.created', 'address', qq("id":"$ADDRESS","clientId":"$CLIENT","line":"Quagmire Lane 77")),
        text('p-addr-2', 'address.updated', 'address', qq("id":"$ADDRESS","postalCode":"QX9 7ZZ-old")),
        text('p-large', 'check.completed', 'check', $check . ',"note":"' . ("$NAME was here. " x 9000) . '"'),
        text('p-middle', 'check.completed.attention', 'check', $check . ',"note":"' . ("middling $NAME. " x 300) . '"'),
    );
    push @events, text("p-check-$_", 'check.pending', 'check', qq("id":"$CHECK","clientId":"$CLIENT","status":"pending","note":"$NAME no $_")) for 1 .. 60;
    return @events;
}
my @TEXTS = ($CLIENT, $CHECK, $DOCUMENT, $ADDRESS, $NAME, 'Wilhelmina', 'wilhelmina.f', 'Zubrowka-Land', 'Quagmire Lane', 'QX9 7ZZ-old');
my @QUARANTINE = (
    qq({"id":"q-1","type":"check.pending","payload":{"clientId":"$CLIENT","name":"$NAME"),    # cut: no JSON
    qq(no JSON at all, but of $DOCUMENT),
    text('p-doc-2', 'document.updated', 'document', qq("id":"$DOCUMENT","issuingCountry":"Zubrowka-Land, again")),
    text('p-check-3', 'check.pending', 'check', q("id":") . join('', map { sprintf '\u%04x', ord } split //, $CHECK) . '","x":1'),
);

sub noise {
    my ($n) = @_;
    my $body = text("noise-$n", 'check.completed.clear', 'check', sprintf '"id":"%s","clientId":"%s","status":"complete","note":"%s"',
        substr(md5_hex("r$n"), 0, 24), substr(md5_hex('c' . $n % 700), 0, 24), 'y' x ($n % 97 == 0 ? 6000 : $n % 400));
    return $body;
}

# All of them mixed, in a database written by the tool, as the receiver records them.
sub fill {
    my ($f, $many) = @_;
    my @person = person();
    my $every = int($many / @person);
    open my $out, '>:raw', $f->path('run/all.jsonl') or die;
    my $put = sub {
        my ($body) = @_;
        print $out JSON::PP->new->latin1->encode({ schema => 1, body => $body, signature => sign($body) }), "\n";
    };
    for my $n (1 .. $many) {
        $put->(noise($n));
        $put->(shift @person) if $n % $every == 0 && @person;
    }
    $put->($_) for @person;
    close $out;
    chmod 0644, $f->path('run/all.jsonl');
    my ($code, $out_text, $err) = tool_out($f, 'import', $f->path('run/all.jsonl'));
    is $code, 0, 'it is filled' or diag $err;
    unlink $f->path('run/all.jsonl');
    for my $body (@QUARANTINE) {
        my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
        is $answer->{status}, 202, 'one goes to quarantine' or diag $answer->{log};
    }
}

my %seq;

# Work as applications do, some of them with an SQLite that deletes carelessly, and whose errors quote the payload.
sub work_on_table {
    my ($f) = @_;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do('PRAGMA secure_delete = OFF');
    $db->do('PRAGMA wal_autocheckpoint = 0');
    $db->do(q(UPDATE inbox SET error = ?, owner = 'host-1', attempts = 1 WHERE seq % 7 = 0), undef, 'refused: ' . 'z' x 60);
    for my $n (1 .. 60) {
        $db->do(q(UPDATE inbox SET error = ?, attempts = 2, owner = 'host-2' WHERE seq = ?), undef, "cannot take $NAME, client $CLIENT " . 'e' x $n, $seq{"p-check-$n"});
    }
    $db->do(q(UPDATE inbox SET error = 'later' WHERE seq = ?), undef, $seq{"p-check-$_"}) for 10 .. 40;
    $db->do(q(UPDATE inbox SET state = 1, done_ms = 5, token = NULL WHERE seq = ?), undef, $seq{"p-check-$_"}) for 1 .. 20;
    $db->do(q(UPDATE inbox SET state = 2, attempts = 10 WHERE seq = ?), undef, $seq{"p-check-$_"}) for 21 .. 30;
    $db->do(q(UPDATE inbox SET token = 'abc', due_ms = ? WHERE seq = ?), undef, 4e12, $seq{'p-check-31'});
    $db->disconnect;
}

sub work_on_directory {
    my ($f) = @_;
    my $folder = $f->path('home/private/inbox.d/live');
    my @owner = (stat "$folder/new")[4, 5];
    my $move = sub {
        my ($id, $to) = @_;
        my ($from) = glob sprintf '%s/new/*.%012d.json', $folder, $seq{$id};
        my ($name) = $from =~ m{([^/]+)$};
        if ($to =~ m{^done/}) { mkdir "$folder/$to"; chown @owner, "$folder/$to"; chmod 0700, "$folder/$to" }
        rename $from, "$folder/" . ($to =~ s/NAME/$name/r . ($to =~ /NAME/ ? '' : "/$name")) or die "$from: $!";
        return $name;
    };
    $move->("p-check-$_", 'done/20260130') for 1 .. 20;
    for my $n (21 .. 30) {
        my $name = $move->("p-check-$n", 'dead');
        $f->write("home/private/inbox.d/live/dead/$name.txt", "cannot take $NAME, client $CLIENT\n", 0600);
    }
    $move->("p-check-$_", "cur/NAME,a=2,l=4000000000000,w=host-$_") for 31 .. 35;
}

for my $form (qw(table directory)) {
    for my $journal (qw(wal delete)) {
        note "$form, $journal";
        my $head = $form eq 'directory' ? qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n) : '';
        my $f = Fixture->new(conf => qq(journal = "$journal"\n$head$base));
        my $many = $form eq 'table' ? $MANY : 2_000;    # each is a file that is flushed
        fill($f, $many);
        %seq = map { @$_ } @{ $f->rows(q(SELECT event_id, seq FROM event_log WHERE event_id LIKE 'p-%')) };
        is scalar keys %seq, scalar(() = person()), 'all of the person is here';
        my %hash = map { $_->[0] => $_->[1] } @{ $f->rows(q(SELECT event_id, substr(body, payload_at + 1, payload_len) FROM event_log WHERE event_id LIKE 'p-%')) };
        $form eq 'table' ? work_on_table($f) : work_on_directory($f);
        isnt scalar(() = found($f, $_)), 0, "before, the files hold $_" for @TEXTS;

        my ($code, $out, $err) = tool_out($f, 'erase', '--client', $CLIENT, '--dry-run');
        is $code, 0, 'a dry run' or diag $err;
        like $out, qr/^@{[ scalar keys %seq ]} events and [34] of quarantine chosen; nothing was changed$/m, 'says what would go';
        unlike $out, qr/$CLIENT|$CHECK|$NAME/, 'by ids and types only';
        is +(tool_out($f, 'erase', '--client', $CLIENT))[0], 2, 'without a reason nothing is erased';
        is +(tool_out($f, 'erase', '--client', $CLIENT, '--reason', "asked by $CLIENT"))[0], 2, 'nor with one that names the person';
        is $f->value('SELECT count(*) FROM event_log WHERE erased_ms IS NOT NULL'), 0, 'nothing was';

        if ("$form $journal" eq 'table wal') {    # one that reads the old pages, for ever so long
            my $reader = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
            $reader->do("BEGIN");
            $reader->selectall_arrayref('SELECT count(*) FROM setting');
            ($code, $out, $err) = tool_out($f, 'erase', '--resource', $ADDRESS, '--reason', 'request 4710');
            is $code, 3, 'while a program reads, the log of the database cannot be emptied';
            like $err, qr/end that program .* and run the same command again/, 'which says what to do';
            is $f->value('SELECT count(*) FROM event_log WHERE erased_ms IS NOT NULL'), 2, 'the events are empty already';
            isnt scalar(() = found($f, 'Quagmire Lane')), 0, 'but a file still has it';
            $reader->do("ROLLBACK");
            $reader->disconnect;
            ($code, $out, $err) = tool_out($f, 'erase', '--resource', $ADDRESS, '--reason', 'request 4710');
            is "$code $out", "0 0 events and 0 of quarantine erased\n$NOTHING", 'the same again' or diag $err;
            is scalar(() = found($f, 'Quagmire Lane', 'QX9 7ZZ-old')), 0, 'and none has';
            change($f, 'DROP TRIGGER history_delete', 'DELETE FROM history');
        }
        my $left = keys(%seq) - $f->value('SELECT count(*) FROM event_log WHERE erased_ms IS NOT NULL');
        ($code, $out, $err) = tool_out($f, 'erase', '--client', $CLIENT, '--reason', 'request 4711');
        is $code, 0, 'erased' or diag $err;
        is $out, "$left events and 4 of quarantine erased\n", 'which says how much';
        is_deeply [found($f, @TEXTS)], [], 'promise 10: no file of the store has any of it';

        my $rows = $f->rows(q(SELECT event_id, body, signature, resource_id, client_id, status, outcome, payload_at, payload_len, erased_ms, payload_sha256, type, resource_type, source, secret
            FROM event_log WHERE event_id LIKE 'p-%'));
        is scalar(grep { defined } map { @$_[1 .. 8] } @$rows), 0, 'body, signature and what is personal are empty';
        is scalar(grep { !defined } map { @$_[9 .. 14] } @$rows), 0, 'the rest is there';
        is scalar(grep { $_->[10] ne sha256($hash{ $_->[0] }) } @$rows), 0, 'with the digest of each payload';
        is $f->value('SELECT count(*) FROM event_log WHERE erased_ms IS NOT NULL'), scalar keys %seq, 'of nobody else';
        is $f->value('SELECT count(*) FROM event_log WHERE body IS NOT NULL'), $many, 'whose events are whole';
        is $f->value('SELECT count(*) FROM quarantine WHERE length(body) > 0 OR event_id IS NOT NULL'), 0, 'the rows of quarantine are empty';
        is $f->value(q(SELECT count(*) FROM history WHERE action = 'erase' AND reason = 'request 4711' AND (seq IS NOT NULL OR detail LIKE '%quarantine%'))), 4 + $left, 'each with a line of history';
        is $f->value(q(SELECT count(*) FROM history WHERE seq = ? AND from_state = 0 AND to_state = 1), $seq{'p-check-50'}), 1, 'that says that one waited, and is done';
        is $f->value(q(SELECT count(*) FROM history WHERE seq = ? AND from_state = 2 AND to_state = 1), $seq{'p-check-25'}), 1, 'or was dead';
        is $f->value('PRAGMA integrity_check'), 'ok', 'the database is sound';
        if ($form eq 'table') {
            is $f->value(q(SELECT count(*) FROM inbox i JOIN event_log e USING (seq) WHERE e.event_id LIKE 'p-%' AND (i.state <> 1 OR i.error IS NOT NULL OR i.owner IS NOT NULL OR i.token IS NOT NULL))), 0,
                'none waits, and nothing that was said about it is left';
            is $f->value(q(SELECT count(*) FROM inbox WHERE error LIKE 'refused%')), int(($many + keys %seq) / 7) - $f->value(q(SELECT count(*) FROM event_log WHERE event_id LIKE 'p-%' AND seq % 7 = 0)), 'of others all is';
        }
        is $f->value('SELECT count(*) FROM resource_state WHERE resource_id IS NULL'), 0, 'the views bear it';
        is $f->value(q(SELECT count(*) FROM events WHERE event_id LIKE 'p-%' AND payload IS NULL AND NOT superseded)), scalar keys %seq, 'all of them';

        for my $body ((person())[3, 8], $QUARANTINE[0]) {
            my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
            like $answer->{body}, $body eq $QUARANTINE[0] ? qr/"quarantined":true/ : qr/"duplicate":true/, 'promise 10: a replay is known';
        }
        is_deeply [found($f, @TEXTS)], [], 'and brings nothing back';
        my $other = text('p-check-3', 'check.pending', 'check', '"id":"another"');
        my ($answer) = $f->cgi({ body => $other, headers => ['ComplyCube-Signature' => sign($other)] });
        like $answer->{body}, qr/"quarantined":true/, 'under its name another payload goes to quarantine, as ever';
        is +(tool_out($f, 'requeue', 'p-check-3'))[0], 1, 'none can be made to wait again';
        ($code, $out) = tool_out($f, 'erase', '--client', $CLIENT, '--reason', 'request 4711');
        is "$code $out", "0 0 events and 0 of quarantine erased\n$NOTHING", 'once more: there is nothing to erase';
        $f->finish;
    }
}
{
    my $f = Fixture->new;
    record($f, event());
    for my $dry ([], ['--dry-run']) {
        my ($code, $out, $err) = tool_out($f, 'erase', '--client', '', @$dry);
        is $code, 2, "an empty id is refused @$dry";
    }
    $f->finish;
}
done_testing;
