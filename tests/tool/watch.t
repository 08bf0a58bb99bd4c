#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox watch: silent while all is well, else one line of all that is wrong, and an exit code.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use Event;
use Fixture;
use JSON::PP;
use Test::More;
use Tool qw(change record resource_event tool_out);

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

# Exit code, and all that it printed, wherever.
sub ran {
    my ($f, @args) = @_;
    my ($code, $out, $err) = $f->run($f->install('run/complycube-inbox', 'complycube-inbox'), '-c', $f->config, 'watch', @args);
    $f->{cgi_log} .= $err;
    return ($code, "$out$err");
}

sub says {
    my ($f, $code, $line, $name, @args) = @_;
    my ($is, $said) = ran($f, @args);
    is($is, $code, $name);
    like($said, $line, "$name: its line");
    is(scalar(() = $said =~ /\n/g), length $said ? 1 : 0, "$name: one line at most") or diag $said;
}

# The latest event came in this minute. Refusals of later minutes count as "since then", and a test may take that long.
sub accepted_now { my ($f) = @_; change($f, 'UPDATE counter SET last_ms = ' . int(time * 1000)) }

sub forge { my ($f, $n) = @_; $f->cgi(map { { body => event(), headers => ['ComplyCube-Signature' => 'f' x 64] } } 1 .. $n) }

# A site where little happens: what comes slowly is told as well.
{
    my $f = Fixture->new;
    forge($f, 4);
    says($f, 0, qr/^$/, 'four signatures that were wrong are nothing yet');
    forge($f, 1);
    says($f, 1, qr/^complycube-inbox: 5 signatures refused, and none was ever right: is the secret another webhook's\? \(doctor\)$/,
        'five of which none was ever right');
    record($f, event());
    my $before = sub { change($f, "UPDATE counter SET last_ms = last_ms - $_[0], hour_ms = hour_ms - $_[0]") };
    says($f, 0, qr/^$/, 'once one was right they are not');
    $before->(7200_000);
    forge($f, 4);
    says($f, 0, qr/^$/, 'nor nine since then');
    forge($f, 1);
    says($f, 1, qr/^complycube-inbox: 10 signatures refused since \S+ \S+ \S+, and none was right: is a secret wrong\? \(doctor\)$/, 'but ten');
    record($f, event());
    says($f, 0, qr/^$/, 'until one is right');

    my $secrets = $f->path('home/private/secrets');
    rename $secrets, "$secrets.aside";
    says($f, 1, qr{^complycube-inbox: opening \S+/secrets: No such file or directory$}, 'a secret file that is not there');
    $f->write('home/private/secrets', "main\n", 0600);
    says($f, 1, qr{^complycube-inbox: \S+/secrets}, 'one with a name and no secret');
    $f->write('home/private/secrets', "# none yet\n", 0600);
    says($f, 1, qr{^complycube-inbox: \S+/secrets holds no secret$}, 'one with none');
    says($f, 0, qr/^$/, 'of another endpoint', '-e', 'sandbox');
    rename "$secrets.aside", $secrets;
    says($f, 0, qr/^$/, 'all is well again');

    chmod 0400, $f->database;
    record_fails($f) for 1 .. 5;
    chmod 0600, $f->database;
    $before->(120_000);
    says($f, 1, qr/; 5 answers of 5xx since the last event that was accepted \(see the receiver's log\)$/, 'and five answers of 5xx');
    record($f, event());
    says($f, 0, qr/^$/, 'until an event is accepted');

    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do('BEGIN IMMEDIATE');
    says($f, 1, qr/^complycube-inbox: \S+, beginning to write: database is locked; .* \(doctor\)$/, 'a transaction that is never ended');
    $db->rollback;
    says($f, 0, qr/^$/, 'until it is');
    $f->finish;
}

for my $form ('table', 'directory') {
    my $f = Fixture->new(conf => ($form eq 'table' ? '' : qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n)) . $sample
        . qq(endpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n));
    says($f, 0, qr/^$/, "$form: before the first event there is no database, and all is well");
    says($f, 1, qr/^complycube-inbox: nothing came for 60m$/, "$form: but for silence", '--silence', '1h');
    my ($none, $told) = ran($f, '--json');
    is_deeply([$none, @{ decode_json($told) }{qw(ok waiting)}], [0, JSON::PP::true, 0], "$form: in JSON too");
    chmod 0500, $f->path('home/private');
    says($f, 1, qr{No such file}, "$form: one that could not be made is wrong");
    chmod 0700, $f->path('home/private');
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 3);
    says($f, 0, qr/^$/, "$form: all is well");
    says($f, 0, qr/^$/, "$form: something has come", '--silence', '1h');

    change($f, 'UPDATE event_log SET received_ms = received_ms - 3600000 WHERE seq = 1');
    says($f, 1, qr/^complycube-inbox: 3 wait, the oldest for 60m$/, "$form: the oldest has waited for long");
    says($f, 0, qr/^$/, "$form: not too long, where it may", '--oldest', '2h');
    says($f, 0, qr/^$/, "$form: nor of another endpoint", '--endpoint', 'sandbox');
    says($f, 1, qr/there is no endpoint nowhere$/, "$form: one that is not there is wrong", '-e', 'nowhere');

    my $box = $f->path('home/private/inbox.d/live');
    if ($form eq 'table') {
        change($f, 'UPDATE inbox SET state = 2 WHERE seq = 1');
    } else {
        my ($first) = map { s{.*/}{}r } (sort glob "$box/new/*")[0];
        rename "$box/new/$first", "$box/dead/$first" or die;
    }
    says($f, 1, qr/^complycube-inbox: 1 dead \(list --state dead\)$/, "$form: one is dead");
    $f->cgi({ body => '{', headers => ['ComplyCube-Signature' => sign('{', $SECRET{sandbox})] });
    says($f, 1, qr/^complycube-inbox: 1 dead \(list --state dead\); 1 in quarantine$/, "$form: and one put aside: both in a line");
    says($f, 1, qr/^complycube-inbox: 1 in quarantine$/, "$form: of its endpoint", '-e', 'sandbox');
    change($f, 'DELETE FROM quarantine', $form eq 'table' ? 'UPDATE inbox SET state = 1' : ());
    if ($form eq 'directory') { unlink glob "$box/dead/*" }
    says($f, 0, qr/^$/, "$form: all is well again");

    forge($f, 19);
    accepted_now($f);
    says($f, 0, qr/^$/, "$form: some forgeries are nothing");
    forge($f, 1);
    says($f, 1, qr/^complycube-inbox: 20 signatures refused within 10m$/, "$form: twenty are");
    accepted_now($f);
    says($f, 0, qr/^$/, "$form: unless more are allowed", '--refused', 21);
    my ($code, $out) = ran($f, '--json', '--refused', 5, '--silence', '1h');
    my ($json) = map { decode_json($_) } grep { /^\{/ } split /\n/, $out;
    is($code, 1, "$form: with --json the exit code is the same");
    ok(!$json->{ok} && $json->{latest_ms}, "$form: it tells so");
    is_deeply([@$json{qw(schema wrong dead quarantined refused_signature refused_method answered_5xx)}],
        [1, '20 signatures refused within 10m', 0, 0, 20, 0, 0], "$form: with the figures");

    change($f, 'UPDATE counter SET last_ms = last_ms - 7200000, hour_ms = hour_ms - 7200000');
    says($f, 1, qr/^complycube-inbox: nothing came for 60m; 20 signatures refused within 10m$/, "$form: silence", '--silence', '1h');
    says($f, 1, qr/^complycube-inbox: 20 signatures refused since \S+ \S+ \S+, and none was right/, "$form: that is short enough, but none was right since", '--silence', '3h', '--refused', 100);
    change($f, 'UPDATE counter SET last_ms = last_ms + 7200000, hour_ms = hour_ms + 7200000');

    # Answers of 5xx, since the database is another program's.
    rename $f->database, $f->database . '.aside';
    unlink map { $f->database . $_ } qw(-wal -shm);
    $f->write('home/private/inbox.db', 'not a database at all' x 100);
    record_fails($f) for 1 .. 10;
    says($f, 7, qr/^complycube-inbox: .*not a database.*; 20 signatures refused within 10m; 10 answers of 5xx within 10m/, "$form: a database that cannot be opened");
    says($f, 7, qr/^complycube-inbox: [^;]*not a database; see complycube-inbox doctor$/, "$form: if it cannot be read, nothing is said of when a signature was right",
        '--refused', 100, '--failed', 100);
    ($code, $out) = ran($f, '-j');
    ($json) = map { decode_json($_) } grep { /^\{/ } split /\n/, $out;
    ok(!$json->{ok} && $json->{wrong} =~ /not a database/ && $json->{answered_5xx} == 10 && !exists $json->{waiting}, "$form: in JSON as well");
    unlink $f->database;
    rename $f->database . '.aside', $f->database;
    rename $f->database, $f->database . '.aside';
    says($f, 1, qr/inbox\.db: No such file or directory; run complycube-inbox init; 20 sig/, "$form: a database that is gone is wrong");
    rename $f->database . '.aside', $f->database;
    says($f, 1, qr/^complycube-inbox: 10 answers of 5xx within 10m \(see the receiver's log\)$/, "$form: back again", '--refused', 100);
    accepted_now($f);
    says($f, 0, qr/^$/, "$form: unless more are allowed", '--refused', 100, '--failed', 11);

    chmod 0, $f->path('home/private/secrets');
    says($f, 0, qr/^$/, "$form: it needs no secret", '--refused', 100, '--failed', 11);
    says($f, 2, qr/takes how long: 90s, 15m, 12h or 7d$/, "$form: what is no time is refused", '--oldest', 'long');
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', 'database = 7 7');
    says($f, 9, qr/complycube-webhook\.conf/, "$form: a broken configuration is wrong");
    $f->finish;
}

# --nagios: one line on standard output, nothing elsewhere, and an exit code of a plugin.
{
    my $f = Fixture->new;
    my $nagios = sub {
        my ($code, $line, $name, @args) = @_;
        my ($is, $out, $err) = tool_out($f, 'watch', '--nagios', @args);
        is_deeply([$is, $err], [$code, ''], "Nagios: $name");
        like($out, $line, "Nagios: $name: its line");
        is(scalar(() = $out =~ /\n/g), 1, "Nagios: $name: one line");
        my ($values) = $out =~ /^[^|]* \|((?: [a-z]+=\d+s?;\d*;;0)+)$/ or return fail("Nagios: $name: performance data") if $code != 3;
        return { ($values // '') =~ /(\w+)=(\d+)/g };
    };
    $nagios->(0, qr/^COMPLYCUBE OK - nothing is wrong \|/, 'all is well');
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 3);
    change($f, 'UPDATE event_log SET received_ms = received_ms - 3600000 WHERE seq = 1', 'UPDATE inbox SET state = 2 WHERE seq = 3');
    my $values = $nagios->(1, qr/^COMPLYCUBE WARNING - 2 wait, the oldest for 60m; 1 dead \(list --state dead\) \|/, 'a person should look');
    is_deeply([@$values{qw(waiting dead quarantined refused failed spooled)}], [2, 1, 0, 0, 0, 0], 'Nagios: the figures');
    cmp_ok($values->{oldest}, '>=', 3600, 'Nagios: and an age in seconds');
    $nagios->(1, qr/^COMPLYCUBE WARNING - 1 dead/, 'with the limits of watch', '--oldest', '2h');
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do('BEGIN IMMEDIATE');
    $nagios->(2, qr/^COMPLYCUBE CRITICAL - .*database is locked/, 'nothing can be recorded');
    $db->rollback;
    rename $f->database, $f->database . '.aside';
    $values = $nagios->(2, qr/^COMPLYCUBE CRITICAL - .*No such file or directory/, 'a database that is gone');
    ok(!exists $values->{waiting}, 'Nagios: and nothing is claimed of it');
    rename $f->database . '.aside', $f->database;
    $nagios->(3, qr/^COMPLYCUBE UNKNOWN - --oldest takes how long/, 'an option that is wrong', '--oldest', 'long');
    $nagios->(3, qr/^COMPLYCUBE UNKNOWN - --bogus is no option/, 'one that there is not', '--bogus');
    $nagios->(3, qr/^COMPLYCUBE UNKNOWN - there is no endpoint/, 'an endpoint that there is not', '-e', 'nowhere');
    $nagios->(3, qr/^COMPLYCUBE UNKNOWN - watch prints one form/, 'two forms', '--json');
    $f->write('home/private/a|b', '{', 0600);
    my $conf = Fixture::slurp($f->config) =~ s/secrets"/a|b"/r;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf);
    $nagios->(2, qr{^COMPLYCUBE CRITICAL - [^|]*a/b[^|]* \|}, 'a bar in a name does not begin the performance data', '--oldest', '2h');
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', 'database = 7 7');
    $nagios->(3, qr/^COMPLYCUBE UNKNOWN - .*complycube-webhook\.conf/, 'a broken configuration');
    $f->finish;
}
done_testing;

sub record_fails {
    my ($f) = @_;
    my $body = event();
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
    $answer->{status} == 503 or die "not 503: $answer->{status}";
}
