#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 2, when the file goes elsewhere while it is in use: what was acknowledged goes with it, and nothing of it gets
# into what stands at its place next.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Requests;
use Tool ();

# Two receivers, each on a socket of its own, on one database.
sub two {
    my ($f) = @_;
    return map {
        my $socket = $f->path("run/receiver-$_.sock");
        $f->start("receiver-$_", sub { -S $socket && FastCgi::connect_to($socket) }, wrap => 0,
            cmd => ['spawn-fcgi', '-n', '-s', $socket, '--', $f->program], env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config })
            // die 'not started';
        FastCgi::client($socket);
    } 1, 2;
}

# Send so many events in turn: ids of those answered 200, and other statuses.
sub send_events {
    my ($clients, $n) = @_;
    my (@good, @other);
    for my $i (1 .. $n) {
        my $body = event(size => 1500);
        my $status = $clients->[$i % @$clients]->(signed($body, method => 'POST', path => '/'))->{status};
        $status == 200 ? push @good, event_id($body) : push @other, $status;
    }
    return (\@good, "@other");
}

# What a file holds, by itself: whether it is sound, and the ids in it.
sub held {
    my ($path) = @_;
    my $db = DBI->connect("dbi:SQLite:dbname=$path", '', '', { RaiseError => 1 });
    my ($sound) = $db->selectrow_array('PRAGMA integrity_check');
    return ($sound, map { $_ => 1 } @{ $db->selectcol_arrayref('SELECT event_id FROM event_log') });
}

sub missing { my ($ids, @in) = @_; return scalar grep { my $id = $_; !grep { $_->{$id} } @in } @$ids }

subtest 'the file is moved away under two receivers' => sub {
    my $f = Fixture->new;
    my @clients = two($f);
    my ($before) = send_events(\@clients, 60);
    rename $f->database, $f->database . '.old';
    my ($after, $others) = send_events(\@clients, 40);
    is($others, '', 'all are answered 200');
    $f->stop;
    my ($sound_old, %old) = held($f->database . '.old');
    my ($sound_new, %new) = held($f->database);
    is("$sound_old $sound_new", 'ok ok', 'both files are sound');
    is(missing($before, \%old), 0, 'what came before is in the old one');
    is(missing($after, \%new), 0, 'what came after in the new one');
    $f->finish;
};

subtest 'a copy of an earlier day is put in its place under two receivers' => sub {
    my $f = Fixture->new;
    my @clients = two($f);
    my ($first) = send_events(\@clients, 30);
    my ($code, undef, $err) = $f->run('sqlite3', $f->database, "VACUUM INTO '" . $f->database . ".copy'");
    is($code, 0, 'a copy is made') or diag $err;
    my ($second) = send_events(\@clients, 100);
    rename $f->database, $f->database . '.old';
    rename $f->database . '.copy', $f->database;
    my ($third, $others) = send_events(\@clients, 40);
    is($others, '', 'all are answered 200');
    $f->stop;
    my ($sound_old, %old) = held($f->database . '.old');
    my ($sound_new, %new) = held($f->database);
    is("$sound_old $sound_new", 'ok ok', 'both files are sound');
    is(missing([@$first, @$second], \%old), 0, 'what came before is in the old one');
    is(missing([@$first, @$third], \%new), 0, 'the copy holds what it held and what came after');
    is(missing($second, \%old, \%new), 0, 'and nothing is lost');
    $f->finish;
};

subtest 'the file is moved away and the receiver told to end' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my ($before) = send_events([$d->{client}], 20);
    rename $f->database, $f->database . '.old';
    $f->stop;
    my ($sound, %old) = held($f->database . '.old');
    is(missing($before, \%old), 0, 'all is in it');
    ok(!-e $f->database . '-wal', 'and no log stays behind');
    $f->finish;
};

subtest 'a killed receiver leaves a log, and its file is moved away' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my ($before) = send_events([$d->{client}], 20);
    $d->{receiver}->signal('KILL');
    ok($d->{receiver}->ended(5), 'it is gone');
    my $log = $f->database . '-wal';
    my $size = -s $log;
    cmp_ok($size, '>', 0, 'the log is there');
    rename $f->database, $f->database . '.old';
    my ($answer) = $f->cgi(signed(event()));
    is($answer->{status}, 503, 'a receiver makes no new file beside it');
    like($answer->{log}, qr/put the file back/, 'and says what to do');
    is(($f->cgi({ method => 'GET' }))[0]{body}, "not ready: database", 'GET tells');
    my $tool = $f->install('run/complycube-inbox', 'complycube-inbox');
    my ($code) = $f->run($tool, '-c', $f->config, 'init');
    is($code, 7, 'init refuses too');
    is(-s $log, $size, 'the log is as it was');
    rename $f->database . '.old', $f->database;
    is(($f->cgi(signed(event())))[0]{status}, 200, 'once the file is back, all goes on');
    my ($sound, %held) = held($f->database);
    is(missing($before, \%held), 0, 'and nothing is lost');
    $f->finish;
};

for my $journal (qw(wal delete)) {
    subtest "a file that is deleted while in use is saved ($journal)" => sub {
        my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
        my $f = Fixture->new(conf => qq(journal = "$journal"\n$sample));
        my $d = deploy($f, 'spawn-fcgi alone');
        my ($before) = send_events([$d->{client}], 20);
        unlink map { $f->database . $_ } '', $journal eq 'wal' ? '-wal' : ();
        my ($after, $statuses) = send_events([$d->{client}], 3);
        is($statuses, '', 'events go on being stored');
        my ($saved, @more) = glob $f->database . '.deleted-*';
        ok($saved && !@more, 'what it held has another name') or return;
        my ($name) = $saved =~ m{([^/]+)$};
        is((stat $saved)[2] & 07777, 0600, 'as private as it was');
        like($f->logs, qr/level=error code=database msg="\S+ was deleted or replaced while in use; what it held is now \S+\Q$name\E/, 'the log says so');
        my $tool = $f->install('run/complycube-inbox', 'complycube-inbox');
        my ($code, $out, $err) = $f->run($tool, '-c', $f->config, 'watch', '--oldest', '1d');
        is($code, 1, 'and watch');
        like($out . $err, qr{complycube-inbox -c \S+ restore \S+\Q$name\E, and remove}, 'with what to do');
        ($code, $out, $err) = $f->run($tool, '-c', $f->config, 'restore', $saved);
        is($code, 0, 'it is restored') or diag $err;
        my ($sound, %held) = held($f->database);
        is(missing([@$before, @$after], \%held), 0, 'and every event that was acknowledged is there');
        ($code, $out) = $f->run($tool, '-c', $f->config, 'watch', '--oldest', '1d');
        is($code, 1, 'watch goes on telling of it');
        unlink $saved;
        ($code, $out, $err) = $f->run($tool, '-c', $f->config, 'watch', '--oldest', '1d');
        is($code, 0, 'until it is removed') or diag $err;
        $f->finish;
    };
}

subtest 'a file of another kind is put in its place' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my ($before) = send_events([$d->{client}], 20);
    rename $f->database, $f->database . '.old';
    my $text = "no database\n" x 1000;
    $f->write('home/private/inbox.db', $text, 0600);
    my ($none, $others) = send_events([$d->{client}], 3);
    is($others, '503 503 503', 'nothing is acknowledged');
    $f->stop;
    is(Fixture::slurp($f->database), $text, 'it is as it was');
    my ($sound, %old) = held($f->database . '.old');
    is(missing($before, \%old), 0, 'and what came before is in the old one');
    $f->finish;
};

subtest 'a file that is deleted while nobody has it open' => sub {
    my $f = Fixture->new;
    my $gone = sub { unlink map { $f->database . $_ } '', '-wal', '-shm', @_ };
    $f->cgi(signed(event()));
    $gone->();
    my ($first, $second) = map { $f->cgi(signed(event())) } 1, 2;
    is("$first->{status} $second->{status}", '200 200', 'events go on being received');
    like($first->{log}, qr/level=error .*inbox\.db was gone, and is begun anew; complycube-inbox restore BACKUP/, 'the log says so');
    unlike($second->{log}, qr/begun anew/, 'once');
    my ($code, $said) = Tool::tool($f, 'watch');
    is($code, 1, 'watch tells of it');
    my $mark = $f->database . '.missed';
    like($said, qr{the database was gone, and was begun anew: complycube-inbox restore BACKUP, and remove \S+\.missed$}, 'and what to do');
    my (undef, $out) = Tool::tool_out($f, 'doctor');
    like($out =~ s/\s+/ /gr, qr{ warning copies the database was gone at [^>]+ -> by hand: [^>]+-> rm \S*\.missed' }, 'so does doctor');
    is((stat $mark)[2] & 07777, 0600, 'the mark is private');
    unlink $mark;
    is((Tool::tool($f, 'watch'))[0], 0, 'until it is removed');
    $gone->('.lock');
    $f->cgi(signed(event()));
    ok(-e $mark, 'the link beside the secrets is enough to miss it');
    unlink $mark, $f->path('home/private/secrets.database');
    $gone->('.lock');
    $f->cgi(signed(event()));
    ok(!-e $mark, 'who takes the link and the lock away too begins anew on purpose');
    $f->finish;
};
done_testing;
