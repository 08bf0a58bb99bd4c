#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox spool, and what the other commands do about events that wait in the spool. Crashes: tests/crash/spool.t.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use Tool;

my $NARROW = '{"id":"%s","type":"%s","resourceType":"check","payload":{"id":"chk-9","clientId":"%s"},"createdAt":"2026-01-29T20:32:22.004Z"}';

sub fixture {
    my ($more) = @_;
    my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
    my $f = Fixture->new(conf => qq(spool = "../../spool"\n) . ($more // '') . $sample);
    tool($f, 'init');
    return $f;
}

# Events that come while the database cannot be written.
sub spool {
    my ($f, @bodies) = @_;
    chmod 0400, $f->database;
    for my $body (@bodies) {
        my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
        like $answer->{body}, qr/^\{"received":true,"spooled":true\}$/, "it is spooled, and answered $answer->{status}" or diag $answer->{log};
    }
    chmod 0600, $f->database;
}

sub waiting { my ($f) = @_; my @names = glob $f->path('home/spool/*.event'); return scalar @names }
sub rows { my ($out) = @_; return map { decode_json($_) } split /\n/, $out }
sub forever { my ($f) = @_; my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 }); $db->do('BEGIN IMMEDIATE'); return $db }

subtest 'list and record' => sub {
    my $f = fixture();
    my ($code, $out) = tool_out($f, 'spool');
    is "$code $out", "0 nothing waits in the spool\n", 'at first there is nothing';
    spool($f, event(id => 'one'), event(id => 'two', type => 'workflow.session.completed'), '{"no":"event"}');
    ($code, $out) = tool_out($f, 'spool');
    my @lines = split /\n/, $out;
    is $code, 0, 'what waits is listed';
    like $lines[0], qr/^RECEIVED +ENDPOINT +TYPE +BYTES  ID$/, 'with a head';
    like $lines[1], qr/^\d\d-\d\d \d\d:\d\d:\d\d  live +check\.completed\.clea +\d+  one$/, 'its time, endpoint, type, size and id';
    like $lines[3], qr/^\S+ \S+  live +- +14  no event$/, 'or that it is none';
    is((grep { length > 80 } @lines), 0, 'in 80 columns');
    is join('', tool_out($f, 'spool', 'list')), join('', tool_out($f, 'spool')), 'list is the same';
    my @rows = rows((tool_out($f, 'spool', '--json'))[1]);
    is_deeply [map { $_->{event_id} } @rows], ['one', 'two', undef], 'in the order of arrival, as JSON too';
    is_deeply [sort keys %{ $rows[0] }], [qw(bytes endpoint event_id file received_ms schema secret state type why)], 'with these members';
    unlike $out . encode_json(\@rows), qr/cli-1|clear","note/, 'and nothing personal';

    ($code, $out) = tool_out($f, 'spool', 'record');
    is "$code $out", "0 3 recorded\n", 'it is recorded';
    is $f->counts, '2 2 1', 'in the inbox, and in quarantine';
    is_deeply [map { "@$_" } @{ $f->rows('SELECT event_id, source, received_ms FROM event_log ORDER BY seq') }],
        [map { "$_->{event_id} spool $_->{received_ms}" } @rows[0, 1]], 'with the time of arrival';
    is waiting($f), 0, 'no file is left';
    my ($json) = rows((tool_out($f, 'spool', 'record', '--json'))[1]);
    is_deeply $json, { schema => 1, recorded => 0, aside => 0, refused => 0 }, 'a second time there is nothing to do';
    ($code) = tool($f, 'spool', 'drop');
    is $code, 2, 'another word is none';
    $f->finish;
};

subtest 'a store that cannot be written' => sub {
    my $f = fixture();
    spool($f, event());
    my $db = forever($f);
    my ($code, $err) = tool($f, 'spool', 'record');
    is $code, 3, 'the exit code is that of busy';
    is waiting($f), 1, 'it waits on';
    $db->do('ROLLBACK');
    ($code) = tool($f, 'spool', 'record');
    is "$code " . $f->counts, '0 1 1 0', 'until the lock is free';
    $f->finish;
};

subtest 'without a spool' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    for my $args (['spool'], ['spool', 'record']) {
        my ($code, $err) = tool($f, @$args);
        is $code, 9, "@$args: there is none";
        like $err, qr/spool = "\/path"/, 'and how to have one';
    }
    my ($code) = tool($f, 'erase', '--client', 'nobody', '--reason', 'none');
    is $code, 0, 'and nobody misses it';
    $f->finish;
};

subtest 'what is set aside' => sub {
    my $f = fixture();
    spool($f, event(id => 'kept'), event(id => 'torn'));
    my (undef, $torn) = sort glob $f->path('home/spool/*.event');
    truncate $torn, (-s $torn) - 5;
    $f->secrets('secrets', "next 0123456789abcdef0123456789abcdef\n");
    my ($code, $err) = tool($f, 'spool', 'record');
    is $code, 1, 'what cannot be verified is not recorded, and the exit code says so';
    like $err, qr/its body is damaged, or the secret main of endpoint live, .* add that one, retired/, 'nor what is signed with no secret of ours';
    like $err, qr/no whole file of a spool/, 'nor what is torn';
    is $f->counts, '0 0 0', 'nothing is recorded';
    my @rows = rows((tool_out($f, 'spool', '--json'))[1]);
    is_deeply [map { $_->{state} } @rows], ['aside', 'aside'], 'both are set aside, and there still';
    my ($watched, $alarm) = tool($f, 'watch');
    is $watched, 1, 'watch tells of it';
    like $alarm, qr/2 of the spool are set aside/, 'in these words';
    $f->secrets('secrets', "next 0123456789abcdef0123456789abcdef\nmain $SECRET{live} retired\n");
    ($code, my $out, $err) = tool_out($f, 'spool', 'record');
    is "$code $out", "1 1 recorded, 1 set aside\n", 'with the secret it is recorded, but what is torn';
    is $f->value('SELECT event_id FROM event_log'), 'kept', 'the right one';
    $f->finish;
};

subtest 'many that are none' => sub {
    my $f = fixture();
    spool($f, event(id => 'one'));
    my ($first) = glob $f->path('home/spool/*.event');
    for my $n (1 .. 50) { symlink '/etc/passwd', $first =~ s/\d{13}\.\d{9}/sprintf '%013d.%09d', 1, $n/er or die $! }
    my $body = event(id => 'two');
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
    is $answer->{body}, '{"received":true}', 'hold up no event';
    my @lines = $answer->{log} =~ /^(.*\bcode=spool .*)$/mg;
    is scalar @lines, 21, 'fill no log' or diag $answer->{log};
    like $lines[-1], qr/30 files more; see complycube-inbox spool/, 'which has their number';
    is $f->counts, '2 2 0', 'and what waits behind them is recorded';
    $f->finish;
};

subtest 'one that cannot be read now' => sub {
    my $f = fixture();
    spool($f, map { event(id => $_) } qw(one two three));
    my ($first) = sort glob $f->path('home/spool/*.event');
    chown 0, 0, $first;
    chmod 0000, $first;
    SKIP: {
        skip 'this user owns it', 3 if $> != 0 || !Proc::unprivileged();
        my ($code, undef, $out) = tool_out($f, 'spool', 'record');
        is $code, 1, 'something is left';
        is $f->counts, '2 2 0', 'what stands behind it is recorded';
        is_deeply [glob $f->path('home/spool/*')], [$first], 'it stays where it is';
    }
    chown +(stat $f->database)[4, 5], $first;
    chmod 0600, $first;
    is((tool($f, 'spool', 'record'))[0], 0, 'once it can be read');
    is $f->counts, '3 3 0', 'it is recorded';
    is waiting($f), 0, 'and gone';
    $f->finish;
};

subtest 'other commands record first' => sub {
    my $f = fixture();
    my $person = sub { sprintf $NARROW, $_[0], 'check.pending', 'cli-forget' };
    record($f, event());
    spool($f, $person->('p1'), event(id => 'q1'));
    my ($code, $out, $err) = tool_out($f, 'export', '--client', 'cli-forget');
    is $code, 0, 'export';
    like $out, qr/"event_id":"p1"/, 'has what waited';
    like $err, qr/^2 events of the spool are recorded first$/m, 'and says so';
    is waiting($f), 0, 'it is recorded';
    spool($f, $person->('p2'));
    my ($dry, undef, $warned) = tool_out($f, 'erase', '--client', 'cli-forget', '--dry-run');
    like $warned, qr/without what waits in the spool: 1 events wait/, 'a dry run of erase says what it leaves out';
    is waiting($f), 1, 'and changes nothing';
    $f->write('home/spool/copy-of-an-event', 'cli', 0600);
    ($code, $out, $warned) = tool_out($f, 'erase', '--client', 'cli-forget', '--reason', 'ticket');
    is $code, 0, 'erase';
    like $warned, qr{: 1 files in \S+/spool are none of a spool, and were not looked into$}m, 'tells of what it has not looked into';
    unlink $f->path('home/spool/copy-of-an-event');
    like $out, qr/^2 events and 0 of quarantine erased/, 'reaches what waited';
    is system('grep', '-rqa', 'cli-forget', $f->path('home/spool'), $f->path('home/private')) >> 8, 1, 'no file has a byte of that person';
    spool($f, event(id => 'b1'));
    ($code) = tool($f, 'backup', $f->path('home/private/copy.db'));
    is $code, 0, 'backup';
    my $copy = DBI->connect('dbi:SQLite:dbname=' . $f->path('home/private/copy.db'), '', '', { RaiseError => 1 });
    is $copy->selectrow_array(q(SELECT count(*) FROM event_log WHERE event_id = 'b1')), 1, 'has what waited';
    spool($f, event(id => 'v1'));
    ($code, $out) = tool_out($f, 'verify', '--stored', '--allow', 'erased');
    is "$code " . waiting($f), '0 0', 'verify looks at what waited too';
    like $out, qr/^ +4  /m, 'and its signature is right' or diag $out;
    $f->finish;
};

subtest 'where it cannot be recorded' => sub {
    my $f = fixture();
    record($f, event());
    spool($f, event(id => 'w1'));
    my ($name) = glob $f->path('home/spool/*.event');
    truncate $name, 100;
    my ($code, $err) = tool($f, 'erase', '--client', 'cli-1', '--reason', 'ticket');
    is $code, 1, 'erase refuses';
    like $err, qr/nothing is erased while events wait outside the database: 1 files in the spool .* are set aside/, 'and says why';
    is $f->value('SELECT count(*) FROM event_log WHERE erased_ms IS NOT NULL'), 0, 'nothing is erased';
    ($code, my $out, $err) = tool_out($f, 'export');
    is $code, 0, 'export goes on';
    like $err, qr/without what waits in the spool: /, 'and says what it leaves out';
    ($code, $err) = tool($f, 'backup', $f->path('home/private/copy.db'));
    is $code, 1, 'backup tells by its exit code';
    like $err, qr/the backup is made, but without what waits in the spool/, 'that something is missing';
    ok -s $f->path('home/private/copy.db'), 'in the backup that it has made';
    $f->finish;
};

subtest 'a backup while the database is locked' => sub {
    my $f = fixture();
    record($f, event(id => 'r1'));
    spool($f, event(id => 's1'), '{"no":"event"}');
    my $db = forever($f);
    my $copy = $f->path('home/private/copy.db');
    my ($code, undef, $err) = tool_out($f, 'backup', $copy);
    is $code, 0, 'it is made' or diag $err;
    like $err, qr/^2 events of the spool, which cannot be recorded now, are in the backup too$/m, 'with what waits';
    my $in = DBI->connect("dbi:SQLite:dbname=$copy", '', '', { RaiseError => 1 });
    is join(' ', map { $_->[0] } @{ $in->selectall_arrayref('SELECT event_id FROM pending') }), 'r1 s1', 'as waiting events';
    is $in->selectrow_array('SELECT count(*) FROM quarantine') . $in->selectrow_array('PRAGMA integrity_check'), '1ok', 'and in quarantine';
    $in->disconnect;
    is join(' ', map { s{.*/}{}r } glob "$copy*"), 'copy.db', 'nothing is left beside it';
    is waiting($f), 2, 'the files are there still';
    $db->do('ROLLBACK');
    ($code) = tool($f, 'restore', $copy);
    is "$code " . $f->counts, '0 2 2 1', 'restored, each is there once';
    is $f->value('SELECT times FROM quarantine'), 1, 'and came once';
    is waiting($f), 0, 'and waits no more';
    $f->finish;
};

subtest 'watch' => sub {
    my $f = fixture();
    spool($f, event());
    my ($code, $err) = tool($f, 'watch');
    is "$code $err", '0 ', 'what waits for a moment is no alarm';
    my ($name) = glob $f->path('home/spool/*.event');
    my $old = $name =~ s{/\d{13}(\.[^/]*)$}{'/' . (int(time) - 700) . "000$1"}er;
    my $text = Fixture::slurp($name) =~ s/(?<=received_ms )\d+/(int(time) - 700) . '000'/er;
    unlink $name;
    $f->write($old =~ s{^\Q@{[$f->path]}\E/}{}r, $text, 0600);
    ($code, $err) = tool($f, 'watch');
    is $code, 1, 'what waits for minutes is one';
    like $err, qr/1 wait in the spool, the oldest for \d+m \(spool record\)/, 'in these words';
    my ($json) = rows((tool_out($f, 'watch', '--json'))[1]);
    is "$json->{spooled} $json->{spool_aside}", '1 0', 'as JSON too';
    ok $json->{spooled_ms} > 0, 'with its time';
    $f->finish;
};

subtest 'modes, whatever the umask' => sub {
    my $f = fixture();
    is sprintf('%04o', (stat $f->path('home/spool'))[2] & 07777), '0700', 'the folder that init made';
    my ($code, $out) = tool_out($f, 'init');
    like $out, qr{^already there  0700  \S+  \S+/spool$}m, 'init tells of it';
    rmdir $f->path('home/spool');
    my $before = umask 0;
    spool($f, event());
    umask $before;
    is sprintf('%04o', (stat $f->path('home/spool'))[2] & 07777), '0700', 'one that is gone is made again';
    my ($name) = glob $f->path('home/spool/*.event');
    is sprintf('%04o', (stat $name)[2] & 07777), '0600', 'the file';
    if (my $group = getgrgid((Proc::unprivileged())[1] // (split ' ', $()[0])) {
        $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(group = "$group"\n) . Fixture::slurp($f->config));
        tool($f, 'init');
        is sprintf('%04o', (stat $f->path('home/spool'))[2] & 07777), '2770', 'with a group: the folder';
        is sprintf('%04o', (stat $name)[2] & 07777), '0660', 'what waited';
        spool($f, event());
        is join(' ', map { sprintf '%04o', (stat)[2] & 07777 } glob $f->path('home/spool/*.event')), '0660 0660', 'what is spooled then';
    }
    $f->finish;
};
done_testing;
