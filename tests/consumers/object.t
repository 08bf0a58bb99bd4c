#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The libraries' object($event): the object behind an event over TLS, in PHP by curl and without it, and in Perl. A certificate
# must be valid, no redirect is followed, and no error has the key.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id);
use Fixture;
use JSON::PP;
use Test::More;
use Tool;
use Vendor;
use Encode ();

my ($f, $api) = with_api(api => { tls => 1 });
$f->run('openssl', qw(req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Nobody -keyout none.key -out none-root.pem), { dir => $f->path('conf') });
my ($here, $gone) = map { object_id("check $_") } 1, 2;
$api->load(checks => [check(1, 5, 'complete', 'clear')]);
my $php = $f->write('run/object.php', <<'PHP');
<?php // SPDX-License-Identifier: MIT
require $argv[1];
try {
    $inbox = new ComplyCubeInbox($argv[2], json_decode($argv[3], true));
    echo json_encode(array('object' => $inbox->object(json_decode($argv[4], true)), 'curl' => extension_loaded('curl')));
} catch (ComplyCubeInboxException $e) { echo json_encode(array('error' => (string) $e)); }
PHP
my $perl = $f->write('run/object.pl', <<'PERL');
require $ARGV[0];
use JSON::PP;
my $o = eval { my $i = ComplyCubeInbox->new($ARGV[1], %{ decode_json($ARGV[2]) }); [scalar $i->object(decode_json($ARGV[3]))] };
print encode_json($o ? { object => $o->[0] } : { error => $@ });
PERL
my %library = map { $_->[0] => $f->copy("consumers/$_->[0]/ComplyCubeInbox.$_->[1]", "run/ComplyCubeInbox.$_->[1]") } ['php', 'php'], ['perl', 'pm'];
my %run = (
    'PHP' => ['php', $php, $library{php}],
    'PHP without curl' => ['php', '-n', '-d', 'extension=pdo', '-d', 'extension=pdo_sqlite', $php, $library{php}],
    'Perl' => ['perl', $perl, $library{perl}],
);
my %good = (endpoint => 'live', api => $api->url, api_key_file => $f->path('home/private/api-key'), ca_file => $f->path('conf/api-root.pem'));
my $run;
sub ask {
    my ($event, %option) = @_;
    my ($code, $out, $err) = $f->run(@{ $run{$run} }, $f->database, encode_json({ %good, %option }), encode_json($event));
    return eval { decode_json($out) } // { error => "broken: $out $err" };
}
my $event = { resource_type => 'check', resource_id => $here };
for (sort keys %run) {
    $run = $_;
    my $answer = ask($event);
    is($answer->{object}{result}{outcome}, 'clear', "$run: the object") or diag $answer->{error};
    is_deeply([sort keys %{ ask({ %$event, resource_id => $gone }) }], $run eq 'Perl' ? ['object'] : ['curl', 'object'], 'null if it is no more');
    is(ask({ %$event, resource_id => $gone })->{object}, undef, 'without an error');
    my $utf16 = $f->write('home/private/key-utf16', Encode::encode('UTF-16', "API_KEY=\"$Api::KEY{live}\"\r\n"), 0600);
    is(ask($event, api_key_file => $utf16)->{object}{result}{outcome}, 'clear', 'the key in UTF-16, as NAME=VALUE, in quotes');
    my $most = $api->requests;
    like(ask($event, ca_file => $f->write('conf/none.pem', Fixture::slurp($f->path('conf/none-root.pem'))))->{error}, qr/API cannot be asked.*certificate/si, 'a certificate of somebody else');
    is(scalar $api->requests, $most, 'gets no request');
    $api->fault({ what => 'redirect', to => $api->url . "/checks/$here" });
    like(ask($event)->{error}, qr/the API answers 302/, 'a redirect is not followed');
    is(scalar $api->requests, $most + 1, 'the key goes nowhere else');
    $api->fault({ what => 'echo' });
    my $error = ask($event)->{error};
    like($error, qr/the API answers 403: unauthorized/, 'an error is an exception');
    unlike($error, qr/$Api::KEY{live}/, 'without the key');
    like(ask($event, api_key_file => undef)->{error}, qr/needs the option api_key_file/, 'no key');
    like(ask($event, api => 'http://www.example.org/')->{error}, qr/not sent there/, 'no TLS');
    like(ask({ resource_type => 'member', resource_id => 'x' })->{error}, qr/names no object/, 'a resource without a path');
    like(ask({ %$event, resource_id => '..' })->{error}, qr/names no object/, 'an id that is no name');
    sleep 1;
}
$f->finish;
done_testing;
