#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# erase, prune, export and import of thousands of events while a receiver is under load: it never answers but 200.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Deploy;
use Event;
use Fixture;
use Proc qw(wait_until);
use Tool;

my $MANY;
my $base = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

sub said_by {
    my ($f, @args) = @_;
    my ($o, @cmd) = Tool::_arguments($f, @args);
    my $log = $f->path('log/said');
    unlink $log;
    my $p = Proc->start(cmd => \@cmd, stdout => $log, stderr => $log, wrap => 1, %$o);
    $p->ended(300) or $p->stop;
    my $said = Fixture::slurp($log);
    $f->{cgi_log} .= $said;
    return ($p->exit_code, $said);
}

# Events from the year 2023 on, done already or waiting.
sub old_lines {
    my ($kind, %o) = @_;
    return map {
        my $body = resource_event("$kind-$_", "$kind-r$_", $_ % 60);
        $body =~ s/"status"/'"note":"' . 'n' x ($_ % 50 ? $_ % 300 : 9000) . '","status"'/e;
        JSON::PP->new->encode({ schema => 1, body => $body, signature => sign($body), received_ms => 1_700_000_000_000 + $_, %o }) . "\n";
    } 1 .. $MANY;
}

for my $form (qw(table directory)) {
    for my $journal ($form eq 'table' ? qw(wal delete) : 'wal') {
        note "$form, $journal";
        $MANY = Fixture::sanitized() ? 600 : "$form $journal" eq 'table wal' ? 5_000 : 2_000;
        my $head = $form eq 'directory' ? qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n) : '';
        my $f = Fixture->new(conf => qq(journal = "$journal"\nretain = "90d"\n$head$base));
        my $d = deploy($f, 'lighttpd mod_fastcgi');
        my $send = begin($f, 'send', '--live', '--json', '-w', 4, '--count', 1_000_000, "http://127.0.0.1:$d->{port}$d->{url}");
        my $sent = sub { $f->value('SELECT count(*) FROM event_log') // 0 };
        ok wait_until(sub { $sent->() > 20 }, 30), "$form, $journal: a receiver takes events";

        $f->write('run/old', join '', old_lines('done', state => 'done', done_ms => 1_700_000_100_000), old_lines('wait', state => 'waiting'));
        my ($code, $said) = said_by($f, 'import', $f->path('run/old'));
        like $said, qr/^@{[ 2 * $MANY ]} imported, /, 'import';
        ($code, $said) = said_by($f, 'prune');
        like $said, qr/^$MANY events emptied/, 'prune';
        ($code, $said) = said_by($f, 'erase', '--before', '2024-01-01', '--reason', 'they are old');
        like $said, qr/^$MANY events and 0 of quarantine erased, $MANY were already$/m, 'erase';
        ($code, $said) = said_by($f, 'export', '--file', $f->path('run/all'));
        is $code, 0, 'export' or diag $said;
        my ($n) = $said =~ /^(\d+) events/;
        open my $lines, '<', $f->path('run/all') or die;
        my $count = () = <$lines>;
        cmp_ok $count, '>', 2 * $MANY + 20, 'of all that was there';
        is $count, $n, 'a line each';
        unlink $f->path('run/all');

        my $before = $sent->();
        ok wait_until(sub { $sent->() > $before }, 30), 'the receiver goes on';
        kill TERM => $send->{pid};
        ok $send->ended(60), 'the load ends';
        my ($result) = map { eval { decode_json($_) } || () } split /\n/, said($send);
        is_deeply [sort keys %{ $result->{answers} }], [200], "each of $result->{sent} was answered 200" or diag said($send);
        is $sent->() - 2 * $MANY, $result->{good}, 'and is here';
        is $f->value('PRAGMA integrity_check'), 'ok', 'the database is sound';
        $f->finish;
    }
}
done_testing;
