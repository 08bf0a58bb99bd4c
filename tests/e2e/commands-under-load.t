#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every command of the tool works while the receiver is under load, and none makes it answer anything but 200.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Deploy;
use Event;
use Fixture;
use Proc qw(wait_until);
use Tool;

# What each is called with, and whether it may find something wrong; '...' in a list begins another call.
my %CALLS = (
    list       => [['--limit', 100], ['--state', 'done', '--json'], ['--client', 'nobody']],
    follow     => [[], { until_told => 1 }],
    stats      => [[], ['--json', '--since', '1h']],
    watch      => [['--oldest', '9d'], { may_fail => 1 }],
    metrics    => [[], ['--file', 'RUN/inbox.prom']],
    show       => [[1]],
    spool      => [[], ['record']],
    secrets    => [[]],
    config     => [[]],
    work       => [['-e', 'live', '--max-time', 1, '-w', 4, '/bin/true']],
    forward    => [['-e', 'live', '--once', '--max-time', 1, 'http://127.0.0.1:1/'], { may_fail => 1 }],
    init       => [[]],
    doctor     => [[], { may_fail => 1 }],
    send       => [['-e', 'sandbox', '--count', 20, 'URL']],
    sign       => [[{ stdin => 'body' }]],
    requeue    => [['--state', 'done', '--reason', 'under load'], ['--state', 'dead']],
    ack        => [['--endpoint', 'live'], ['--state', 'dead']],
    dead       => [['--endpoint', 'live']],
    quarantine => [[], ['accept', 1], ['drop', 1, '--reason', 'under load']],
    history    => [[], [1]],
    verify     => [['--stored', '--allow', 'erased,pruned,missing,quarantined']],
    backup     => [['RUN'], ['RUN/saved.db', '--json']],
    restore    => [['RUN/saved.db', '--requeue']],
    prune      => [['--dry-run'], []],
    erase      => [[1, '--reason', 'under load'], ['--client', 'nobody', '--reason', 'under load']],
    export     => [['--file', 'RUN/out', '--state', 'done']],
    import     => [['RUN/out']],
);
my %NOT_UNDER_LOAD = (migrate => 'it changes the schema', webhooks => 'it opens no inbox but for a row of history', 'page-log' => 'it opens no inbox',
    reconcile => 'it asks ComplyCube; tests/tool/reconcile.t has events that come meanwhile', fetch => 'it reads what list reads, and asks ComplyCube');

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $sandbox = qq(retain = "1h"\nspool = "../../private/spool"\nendpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n);
my %conf = (
    'the table'       => "$sample$sandbox",
    'the table with a rollback journal' => qq(journal = "delete"\n$sample$sandbox),
    'the directory'   => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$sample$sandbox),
);

# The load: the tool's own, which tells at its end how each was answered.
sub answers {
    my ($load) = @_;
    $load->signal('TERM');
    ok $load->ended(30), 'the load ends when it is told to';
    my ($line) = said($load) =~ /^(\{.*\})$/m;
    return decode_json($line // '{}');
}

# One that goes on: it prints what comes, and ends when it is told to.
sub told_to_end {
    my ($f, @args) = @_;
    my $p = begin($f, @args);
    wait_until(sub { said($p) =~ /\n.*\n.*\n/ }, 10);
    $p->signal('TERM');
    $p->ended(10) or $p->stop;
    return ($p->exit_code, said($p) =~ /\n.*\n.*\n/ ? ('', '') : ('nothing came', ''));
}

for my $form (sort keys %conf) {
    my $f = Fixture->new(conf => $conf{$form});
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    my $url = "http://127.0.0.1:$d->{port}$d->{url}";
    $f->write('run/body', 'body');
    my @commands = do { my (undef, $out) = tool_out($f, '--help'); $out =~ /^  ([a-z-]+) /mg };
    cmp_ok scalar @commands, '>=', 17, "$form: the commands are found";
    my ($event, $other) = map { resource_event('twice', $_, 1) } qw(r1 r2);
    record($f, $event);
    my ($first) = $f->cgi({ body => $other, headers => ['ComplyCube-Signature' => sign($other)] });
    is $first->{status}, 202, 'something is in quarantine';
    my ($code, undef, $err) = tool_out($f, 'send', '-e', 'live', '--live', '--count', 2000, '-w', 16, $url);
    is $code, 0, '2000 events are there' or diag $err;

    my $load = begin($f, 'send', '--json', '-e', 'live', '--live', '--count', 1_000_000, '-w', 8, $url);
    setpriority 0, $load->pid, 19;    # it takes what is left, whatever else this machine has to do
    my $count = sub { wait_until(sub { eval { $f->value('SELECT max(seq) FROM event_log') } }, 20) };
    ok wait_until(sub { $count->() > 2100 }, 10), 'more come all the time';
    for my $command (grep { !$NOT_UNDER_LOAD{$_} } @commands) {
        my @calls = @{ $CALLS{$command} // [] };
        ok scalar @calls, "$command is called by this test" or next;
        my $o = @calls > 1 && ref $calls[-1] eq 'HASH' ? pop @calls : {};
        for my $call (@calls) {
            my @args = map { $_ eq 'URL' ? $url : s/^RUN\b/$f->path('run')/er } grep { !ref } @$call;
            my %given = map { %$_ } grep { ref } @$call;
            $given{stdin} = $f->path("run/$given{stdin}") if $given{stdin};
            my ($before, $begun) = ($count->(), time);
            my ($exit, $out, $said) = $o->{until_told} ? told_to_end($f, $command, @args) : tool_out($f, $command, @args, \%given);
            ok $o->{may_fail} ? defined $exit : ($exit // -1) == 0, join ' ', $command, @args or diag "$exit: $out$said";
            note sprintf '%.2f s, %d events meanwhile', time - $begun, $count->() - $before;
        }
    }
    my $sum = answers($load);
    is_deeply [keys %{ $sum->{answers} // {} }], [200], 'whatever was called, every answer was 200' or diag explain $sum;
    is $sum->{unsent} + $sum->{late} + $sum->{broken}, 0, 'and none was missing';
    is $f->value('PRAGMA integrity_check'), 'ok', 'the database is sound';
    cmp_ok $f->value(q(SELECT count(*) FROM event_log)), '>=', 2000 + $sum->{good}, 'and has every event that was acknowledged';
    is $f->value(q(SELECT count(*) FROM event_log WHERE source = 'spool')) + (() = glob $f->path('home/private/spool/*')), 0,
        'none by way of the spool, which would hide that the database kept it waiting';
    $f->finish;
}
done_testing;
