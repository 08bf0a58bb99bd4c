#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The guide's steps for an API key, on a shared host: the alarm of a webhook that is disabled, its cure, and what was missed.
# The kit's tool speaks TLS to the API, and finds the host's CA bundle.
use strict;
use warnings;
use Api qw(webhook);
use Event;
use Fixture;
use Guide;
use Host;
use JSON::PP ();
use Test::More;
use Customer;
use Vendor qw(check);

Host::enter();
my $h = Host->new->install_kit;
my $f = Fixture->new;
my $api = Api->new($f, tls => 1);
my $c = Customer->new($h);
cmp_ok $c->follow('api'), '<', 5, 'these are all, fewer than five';
my $conf = 'public_html/cgi-bin/complycube-webhook.conf';
$h->write($conf, qq(api = "@{[$api->url]}"\n) . $h->read($conf));
my ($url) = $h->read($conf) =~ /^\s*url = "(.*)"/m;
$c->{webhook} = { url => $url, secret => $SECRET{live} };
is $c->call(event())->{status}, 200, 'an event comes';

$h->trust;
is scalar($h->cron("$c->{watch} --oldest 9d")) =~ s/\n.*//sr,
    'complycube-inbox: endpoint live: no CA bundle on this host: install the package ca-certificates, or set SSL_CERT_FILE to a file of CA certificates',
    'on a host without a CA bundle the alarm says so';
my $root = $f->path('conf/api-root.pem');
is scalar($api->requests), 0, '... and nothing was asked';
$api->load(webhooks => [webhook(url => $url, enabled => JSON::PP::true)], checks => [check(1, 30, 'complete', 'clear')]);
is_deeply [$h->cron("SSL_CERT_FILE=$root $c->{watch} --oldest 9d")], ['', 0], '... with SSL_CERT_FILE before it the job is silent';
$h->trust(Fixture::slurp($root));
is_deeply [$h->cron("$c->{watch} --oldest 9d")], ['', 0], '... and with the host\'s bundle alone';

$api->load(webhooks => [webhook(url => $url, enabled => JSON::PP::false)]);
my $alarm = $h->cron("$c->{watch} --oldest 9d");
my ($cure) = $alarm =~ /its webhook \S+ is disabled, .*: (complycube-inbox .*)$/m;
ok $cure, 'a webhook that is disabled is an alarm' or diag $alarm;
my ($said, $code) = $h->cron($h->home('private/') . $cure);
is $code, 0, '... whose last words enable it' or diag $said;
is_deeply [$h->cron("$c->{watch} --oldest 9d")], ['', 0], '... and then it is silent';

my @ends = map { $_->[0] =~ /^`(.*)`$/ } @{ guide_table($c->{guide}, 'api-jobs') };
my %job = map { my $end = $_; ($end => $c->{watch} =~ s/watch --api$/$end/r) } @ends;
is_deeply [sort keys %job], ['doctor', 'reconcile', 'webhooks enable'], 'the guide has these jobs';
($said, $code) = $h->cron($job{'webhooks enable'});
is $code, 0, 'one enables' or diag $said;
($said, $code) = $h->cron($job{reconcile});
is $code, 0, 'one reconciles' or diag $said;
is $h->value(q(SELECT count(*) FROM events WHERE source = 'reconciled')), 1, '... what was missed is recorded';
($said) = $h->cron($job{doctor});
like $said, qr{^ok +webhook +endpoint live: enabled}m, 'one examines the key and the webhook' or diag $said;
unlike $said, qr/api key/, '... which the receiver cannot reach';
$f->finish;
$h->finish;
done_testing;
