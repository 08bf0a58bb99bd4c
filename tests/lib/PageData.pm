# SPDX-License-Identifier: MIT
# An inbox to look at: clients with their checks over two days, one event that was given up, one that is being worked on, one
# that was set aside, some that were refused, a change by hand. And requests for the page by CGI.
package PageData;
use strict;
use warnings;
use DBI;
use JSON::PP;
use POSIX ();
use Event;
use FastCgi;
use Fixture;
use Http;
use Proc;
use Exporter 'import';
our @EXPORT = qw(page_fixture page page_data page_env);

my $BLOCK = <<'CONF';
page {
    users   = {"anna", "ben"}
    payload = {"anna"}
    log     = "../../private/page.log"
}
CONF

# A fixture whose configuration has the block: conf => another block.
sub page_fixture {
    my (%o) = @_;
    my $f = Fixture->new;
    my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample") . ($o{conf} // $BLOCK);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf);
    $f->install('home/public_html/cgi-bin/complycube-page.cgi', 'complycube-page');
    $f->write('conf/page.users', join '', map { "$_:" . crypt("the password of $_", '$5$page$') . "\n" } qw(anna ben carol));
    $f->install('run/complycube-inbox', 'complycube-inbox');
    return $f;
}

# What a web server says of a request that it has authenticated.
sub page_env {
    my ($f, $query, %o) = @_;
    return { COMPLYCUBE_WEBHOOK_CONFIG => $f->config, REQUEST_METHOD => 'GET', QUERY_STRING => $query, AUTH_TYPE => 'Basic',
        REMOTE_USER => 'anna', REMOTE_ADDR => '127.0.0.1', %{ $o{env} // {} } };
}

# One request by CGI: its answer, as Http.pm has it, with {code} and {log}. env => variables; find => what is looked for
sub page {
    my ($f, $query, %o) = @_;
    my $env = page_env($f, $query, %o);
    my $body = '';
    if (defined $o{find}) {
        $body = 'find=' . $o{find} =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
        @$env{qw(REQUEST_METHOD QUERY_STRING CONTENT_LENGTH)} = ('POST', 'view=find', length $body);
    }
    delete @$env{grep { !defined $env->{$_} } keys %$env};
    my $in = $f->write('run/page.in', $body);
    my ($code, $out, $err) = $f->run($f->path('home/public_html/cgi-bin/complycube-page.cgi'), { env => $env, stdin => $in });
    $f->{cgi_log} .= $err;
    return { %{ Http::parse($out) }, code => $code, log => $err };
}

# ---- data ----

my $made = 0;
sub id { return sprintf '697abc12020007b9%08x', 0xa3d60000 + ++$made * 7919 }

sub iso { my ($s) = @_; return POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime $s) . '.004Z' }

sub body {
    my ($at, $type, $kind, %payload) = @_;
    return encode_json({ id => id(), type => $type, resourceType => $kind, payload => \%payload, createdAt => iso($at) });
}

# The bodies of one client, as [when, body]: it is made, gives a document and an address, and is checked.
sub story {
    my ($at, $n) = @_;
    my ($client, $document, $address, $session, @check) = map { id() } 1 .. 7;
    my $outcome = $n % 4 == 3 ? 'attention' : 'clear';
    my @all = ([0, 'client.created', 'client', id => $client, type => 'person', email => "person$n\@example.org"],
        [40, 'document.created', 'document', id => $document, clientId => $client, type => 'passport'],
        [70, 'address.created', 'address', id => $address, clientId => $client, city => 'London'],
        [90, 'workflow.session.started', 'workflowSession', id => $session, clientId => $client, status => 'started']);
    for my $i (0 .. 1) {
        my %check = (id => $check[$i], clientId => $client, type => $i ? 'extensive_screening_check' : 'document_check');
        my $result = $i ? $outcome : 'clear';
        push @all, [100 + 30 * $i, 'check.pending', 'check', %check, status => 'pending'],
            [300 + 200 * $i, "check.completed.$result", 'check', %check, status => 'complete', outcome => $result];
    }
    push @all, [700, 'document.updated', 'document', id => $document, type => 'passport', issuingCountry => 'GB'],
        [900, 'workflow.session.completed', 'workflowSession', id => $session, clientId => $client, status => 'complete'];
    return map { my ($after, $type, $kind, @payload) = @$_; [$at + $after, body($at + $after, $type, $kind, @payload)] } @all;
}

sub request { my ($body, $secret) = @_; return { body => $body, headers => ['ComplyCube-Signature', sign($body, $secret)] } }

# Events were received when they were made, not all of them just now. The triggers tell of plain SQL, and this is none.
sub spread {
    my ($db) = @_;
    my $triggers = $db->selectall_arrayref(q(SELECT name, sql FROM sqlite_master WHERE type = 'trigger'));
    $db->begin_work;
    $db->do("DROP TRIGGER $_->[0]") for @$triggers;
    $db->do('UPDATE event_log SET received_ms = created_ms + 400 + seq % 7 * 100');
    $db->do('UPDATE inbox SET due_ms = (SELECT received_ms FROM event_log e WHERE e.seq = inbox.seq)');
    my ($endpoint, $secret) = $db->selectrow_array('SELECT endpoint, secret FROM counter LIMIT 1');
    $db->do(q(DELETE FROM counter WHERE outcome = 'stored'));
    $db->do(q(INSERT INTO counter SELECT received_ms / 3600000 * 3600000, endpoint, secret, 'stored', count(*), max(received_ms)
        FROM event_log GROUP BY 1, 2, 3));
    $db->do(q(INSERT INTO counter SELECT hour_ms, endpoint, secret, 'duplicate', 1 + n / 9, last_ms FROM counter
        WHERE outcome = 'stored' AND n > 9));
    $db->do($_->[1]) for @$triggers;
    $db->commit;
}

sub tool {
    my ($f, @args) = @_;
    my ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, @args);
    die "complycube-inbox @args: $err" if ($code // 1) != 0;
    return $out;
}

# Fill the inbox. clients => how many; well => nothing is wrong with it. Gives the ids of the clients.
sub page_data {
    my ($f, %o) = @_;
    my ($now, $n) = (time, $o{clients} // 24);
    my @stories = map { [story($now - 46 * 3600 * ($n - $_) / $n - 1200 - $_ * 37 % 900, $_)] } 1 .. $n;
    my @events = sort { $a->[0] <=> $b->[0] } map { @$_ } @stories;
    for my $answer ($f->cgi(request(shift(@events)->[1]))) {
        die "$answer->{status} $answer->{log}" if $answer->{status} != 200;
    }
    while (my @some = splice @events, 0, 4) {
        $_->{status} == 200 or die "$_->{status} $_->{log}" for $f->cgi(map { request($_->[1]) } @some);
    }
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, PrintError => 0 });
    $db->sqlite_busy_timeout(10_000);
    spread($db);
    my $waiting = $o{well} ? 0 : 3;
    $db->do(q(UPDATE inbox SET state = 1, attempts = 1, owner = 'web1-4711', done_ms = due_ms + 2100, due_ms = due_ms + 2100
        WHERE seq <= (SELECT max(seq) FROM inbox) - ?), undef, $waiting);
    if (!$o{well}) {
        my ($last) = $db->selectrow_array('SELECT max(seq) FROM inbox');
        $db->do(q(UPDATE inbox SET token = 'x', owner = 'web1-4712', attempts = 1, due_ms = ? WHERE seq = ?), undef,
            ($now + 240) * 1000, $last);
        $db->do(q(UPDATE inbox SET attempts = 10, error = 'HTTP 500 from the CRM: no such customer' WHERE seq = ?), undef, $last - 2);
        tool($f, 'dead', $last - 2, '--reason', 'the customer does not exist in the CRM');
        tool($f, 'dead', $last - 9, '--reason', 'looked at, never answered') if 0;
        $f->cgi(request('{"id":"697abc12020007b9a3d60000","type":"check.completed","resourceType":"check","payload":"none"}'),
            map { request('{}', 'another' x 5) } 1 .. 3);
        tool($f, 'requeue', $last - 12, '--reason', 'the CRM was down that hour');
        tool($f, 'ack', $last - 12, '--reason', 'entered by hand, ticket 4711');
    }
    $db->disconnect;
    return map { decode_json($_->[0][1])->{payload}{id} } @stories;
}

1;
