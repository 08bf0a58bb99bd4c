#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How the receiver starts: by hand, with -n, and where it finds its configuration.
use strict;
use warnings;
use Test::More;
use Deploy;
use Event;
use Fixture;
use Requests;

my $BROKEN = "database = \"../../private/inbox.db\"\nendpoint live {\n";

sub get { return { method => 'GET', @_ } }

subtest 'by hand' => sub {
    my $f = Fixture->new;
    my ($code, $out, $err) = $f->run($f->program);
    is($code, 2, 'without a request it exits with 2');
    like($err, qr/usage: complycube-webhook/i, 'and prints its usage on standard error');
    is($out, '', 'and nothing on standard output');
    ($code) = $f->run($f->program, '--no-such-option');
    is($code, 2, 'so it does with an unknown option');
    ($code, $out) = $f->run($f->program, '--help');
    is($code, 0, '--help exits with 0');
    like($out, qr/usage: complycube-webhook/i, 'and prints the usage on standard output');
    is(($f->run($f->program, '-h'))[1], $out, '-h prints the same');
    ($code, $out) = $f->run($f->program, '--version');
    is($code, 0, '--version exits with 0');
    like($out, qr/^complycube-webhook \d+\.\d+/, 'and prints the version');
    is(($f->run($f->program, '-V'))[1], $out, '-V prints the same');
    is($f->counts, '0 0 0', 'nothing is stored');
    $f->finish;
};

subtest '-n' => sub {
    my $f = Fixture->new;
    my $env = { COMPLYCUBE_WEBHOOK_CONFIG => $f->config };
    my ($code, $out, $err) = $f->run($f->program, '-n', { env => $env });
    is($code, 0, 'a good configuration exits with 0') or diag $err;
    like($out, qr/\b$_\b/, "what it prints names $_") for qw(live sandbox narrow main former check.completed);
    like($out, qr{private/inbox\.db}, 'and the database');
    unlike("$out$err", qr/\Q$_\E/, 'but no secret') for values %SECRET;
    ok(!-e $f->database, 'it makes no database');
    is(($f->run($f->program, '-n'))[0], 0, 'the configuration beside the program is found');
    $f->secrets('secrets.sandbox', "$SECRET{live}\n");
    ($code, $out, $err) = $f->run($f->program, '-n', { env => $env });
    ok($code, 'a secret in two endpoints is an error');
    unlike("$out$err", qr/\Q$SECRET{live}\E/, 'which is told without the secret');
    $f->secrets('secrets.sandbox', "\n");
    ok(($f->run($f->program, '-n', { env => $env }))[0], 'so is an endpoint without a secret');
    unlink $f->path('home/private/secrets.sandbox');
    ok(($f->run($f->program, '-n', { env => $env }))[0], 'so is a secrets file that is missing');
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $BROKEN);
    ($code, $out, $err) = $f->run($f->program, '-n', { env => $env });
    ok($code, 'so is a file that ends within an endpoint');
    like("$out$err", qr/complycube-webhook\.conf/, 'and the file is named');
    $f->finish;
};

subtest 'without any file, from the process environment' => sub {
    my $f = Fixture->new;
    my %env = (COMPLYCUBE_WEBHOOK_SECRET => $SECRET{sandbox}, COMPLYCUBE_WEBHOOK_DATABASE => $f->database);
    my $body = event();
    my ($answer) = $f->cgi(post($body, sign($body, $SECRET{sandbox}), env => \%env));
    is($answer->{status}, 200, 'a signed event is stored') or diag $answer->{log};
    is($f->value('SELECT endpoint FROM events'), 'default', 'under the endpoint "default"');
    is(($f->cgi(signed(event(), env => \%env)))[0]{status}, 400, 'the secrets of a file are not in force');
    $f->finish;
};

subtest 'the configuration beside the program' => sub {
    my $f = Fixture->new;
    is(($f->cgi(signed(event(), env => {})))[0]{status}, 200, 'is used when the environment names none');
    is($f->counts, '1 1 0', 'and the database it names');
    $f->finish;
};

subtest 'variables of a request' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    my %forged = (COMPLYCUBE_WEBHOOK_SECRET => 'attacker', COMPLYCUBE_WEBHOOK_DATABASE => $f->path('run/other.db'),
        COMPLYCUBE_WEBHOOK_CONFIG => $f->path('run/other.conf'));
    my $body = event();
    my %v = (FastCgi::variables(post($body, sign($body, 'attacker'), method => 'POST', path => '/')), %forged);
    my $socket = FastCgi::connect_to($f->path('run/receiver.sock'));
    print $socket FastCgi::record(begin => pack 'nCx5', 1, 0), FastCgi::stream(params => FastCgi::params(%v)),
        FastCgi::stream(stdin => $body);
    $socket->flush;
    is(FastCgi::answer($socket)->{status}, 400, 'are never taken for settings');
    ok(!-e $f->path('run/other.db'), 'nothing is written where they say');
    $f->finish;
};

# what, how it is broken, code, status of a POST
my @UNREADY = (
    ['a broken configuration', sub { $_[0]->write('home/public_html/cgi-bin/complycube-webhook.conf', $BROKEN) },
        'config', 500],
    ['a missing secrets file', sub { unlink $_[0]->path('home/private/secrets') }, 'secrets', 500],
    ['an empty secrets file', sub { $_[0]->secrets('secrets', "# none yet\n") }, 'secrets', 500],
    ['a database that is none', sub { $_[0]->secrets('inbox.db', 'no database at all ' x 100) }, 'database', 503],
    ['a folder that is missing', sub { my $f = $_[0];
        (my $conf = Fixture::slurp($f->config)) =~ s{private/inbox.db}{nowhere/inbox.db};
        $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf) }, 'database', 503],
);

for my $case (@UNREADY) {
    my ($what, $break, $code, $status) = @$case;
    subtest $what => sub {
        my $f = Fixture->new;
        $break->($f);
        my ($get, $post) = $f->cgi(get(), signed(event()));
        like("$get->{status} $get->{body}", qr/\A503 not ready: $code\n?\z/, 'a GET tells');
        is($post->{status}, $status, "a signed event is answered $status");
        ok($post->{headers}{'retry-after'}, 'with Retry-After') if $status == 503;
        like($post->{log}, qr/level=\w+ code=\w+/, 'and the log says why');
        unlike($post->{log}, qr/\Q$_\E/, 'without a secret') for values %SECRET;
        $f->finish;
    };
}

subtest 'a FastCGI receiver that starts with a broken configuration heals' => sub {
    my $f = Fixture->new;
    my $good = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $BROKEN);
    my $d = deploy($f, 'spawn-fcgi alone');
    my $ask = sub { $d->{client}->({ path => '/', @_ })->{status} };
    is($ask->(method => 'GET'), 503, 'it is up and not ready');
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $good);
    ok(Proc::wait_until(sub { $ask->(method => 'GET') == 200 }, 3), 'once the file is mended it is ready');
    is($ask->(%{ signed(event()) }, method => 'POST'), 200, 'and stores');
    $f->finish;
};

done_testing;
