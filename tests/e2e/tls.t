#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# All of the tool that speaks TLS trusts the authorities of one file, and nothing that those did not sign. doctor-url.t has
# certificates that are wrong otherwise.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use JSON::PP;
use Test::More;
use Api qw(object_id webhook);
use Tool;
use Vendor;

my $HOOK = 'https://www.example.org/complycube';
my $BODY = '{"id":"e1","type":"check.pending","resourceType":"check","payload":{"id":"' . object_id('check 1')
    . '","clientId":"c","status":"pending"},"createdAt":"2026-01-29T20:32:22.004Z"}';

my ($f, $api) = with_api(qq(    url = "$HOOK"\n), api => { tls => 1 });
$api->load(webhooks => [webhook(url => $HOOK)], checks => [check(1, 120, 'complete', 'clear')]);
record($f, $BODY);

# The API's port takes anything: a path that it does not know is answered too.
my $elsewhere = $api->url . '/elsewhere';
my @ASK = (
    ['webhooks', [qw(webhooks)], 12],
    ['webhooks check', [qw(webhooks check)], 12],
    ['watch --api', [qw(watch --api --oldest 9000d)], 1],
    ['reconcile', [qw(reconcile --since 4h --dry-run)], 12],
    ['fetch', [qw(fetch 1)], 12],
    ['work --fetch', [qw(work --fetch --once --endpoint live -- true)], 1],
    ['doctor --url', ['doctor', '--url', $elsewhere], 1],
    ['forward', [qw(forward --once --endpoint live), $elsewhere], 1],
    ['send', [qw(send --endpoint live --live), $elsewhere], 1],
);

sub ask {
    my ($env, $args) = @_;
    change($f, 'UPDATE inbox SET state = 0, attempts = 0, due_ms = 1');
    return tool_out($f, @$args, { env => $env, limit => 60 });
}

for my $ask (@ASK) {
    my ($name, $args, $fails) = @$ask;
    $api->forget_requests;
    my ($code, $out, $err) = ask({}, $args);
    is $code, $fails, "$name: an authority that is in no list is refused" or diag "$out$err";
    like "$out$err" =~ s/\s+/ /gr, qr/certificate/, '... in words';
    is scalar($api->requests), 0, '... and gets no request';
    for my $by (qw(SSL_CERT_FILE CURL_CA_BUNDLE)) {
        $api->forget_requests;
        ($code, $out, $err) = ask({ $by => $f->path('conf/api-root.pem') }, $args);
        cmp_ok scalar($api->requests), '>', 0, "... with $by there are requests" or diag "$code $out $err";
    }
    $api->forget_requests;
    ($code, $out, $err) = ask({ SSL_CERT_FILE => $f->path('conf/none.pem') }, $args);
    like "$out$err" =~ s/\s+/ /gr, qr/cannot read the CA bundle \S+none\.pem: No such file/, '... a file that is not there is named';
    is scalar($api->requests), 0, '... and nothing is asked';
}
$f->finish;
done_testing;
