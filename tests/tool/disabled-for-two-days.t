#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A webhook was disabled for two days. From the line of watch one gets to enabled and to the missed events as one who pastes only
# what the tool prints, though the paths of program and configuration have blanks and quotes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id stamp webhook);
use Event;
use Fixture;
use Test::More;
use Tool;
use Vendor;

my $f = Fixture->new;
my $api = Api->new($f);
my ($url, $old_ms) = ('https://www.example.org/complycube', int(1000 * time) - 2 * 86_400_000);
$f->write('home/private/api-key', "$Api::KEY{live}\n", 0600);
$f->folder(q(home/it's my site));
my $config = $f->write(q(home/it's my site/complycube webhook.conf), qq(database = "../private/inbox.db"\napi = "@{[$api->url]}"\n)
    . qq(endpoint live {\n    secret_file = "../private/secrets"\n    api_key_file = "../private/api-key"\n    url = "$url"\n}\n));
my $tool = $f->install(q(home/it's my site/complycube-inbox), 'complycube-inbox');

# What a person sees of one command: exit code, and all that it prints.
sub sees {
    my (@cmd) = @_;
    my ($code, $out, $err) = $f->run(@cmd);
    return ($code, "$out$err");
}
sub paste { return sees('sh', '-c', $_[0]) }

my $body = event();
my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)], env => { COMPLYCUBE_WEBHOOK_CONFIG => $config } });
is $answer->{status}, 200, 'an event is delivered';
my $trigger = $f->value(q(SELECT sql FROM sqlite_master WHERE name = 'event_log_update'));
change($f, 'DROP TRIGGER event_log_update', "UPDATE event_log SET received_ms = $old_ms", $trigger, "UPDATE counter SET hour_ms = $old_ms / 3600000 * 3600000, last_ms = $old_ms");
$api->load(webhooks => [webhook(enabled => JSON::PP::false, updatedAt => stamp($old_ms + 3_600_000))],
    checks => [map { check($_, 60 * $_, 'complete', 'clear') } 1 .. 40]);
sees($tool, '-c', $config, qw(ack 1 --reason), 'it was worked on');

my ($code, $said) = sees($tool, '-c', $config, qw(watch --api));
is $code, 1, 'two days later watch is an alarm';
is scalar(() = $said =~ /\n/g), 1, 'of one line';
my ($enable) = $said =~ /is disabled, since .* at the latest: (.*)$/m;
($code, $said) = paste($enable // 'false');
is $code, 0, 'what follows its colon is pasted' or diag $said;
like $said, qr/^webhook @{[object_id('webhook')]} of endpoint live, \Q$url\E: enabled$/m, 'and enables the webhook';
my ($reconcile) = $said =~ /^-> (.*)$/m;
($code, $said) = paste($reconcile // 'false');
is $code, 0, 'what follows the arrow is pasted' or diag $said;
like $said, qr/^40 events recorded, which wait;/m, 'and records what was missed in two days';
is(($api->objects('webhooks'))[0]{enabled}, JSON::PP::true, 'the API has the webhook enabled');
is $f->value('SELECT count(*) FROM inbox WHERE state = 0'), 40, 'and the events wait';
is((sees($tool, '-c', $config, qw(watch --api)))[1], '', 'watch is silent again');
unlike $said, qr/$Api::KEY{live}/, 'the key is nowhere';
$f->finish;
done_testing;
