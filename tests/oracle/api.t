#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The API of the tests (tests/lib/Api.pm) is one that the vendor's own Node SDK works with: webhooks, the five resources and
# the audit log, by id and by pages, and its errors. The filters by time are in no SDK: they are by the documentation alone.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id stamp);
use Fixture;
use JSON::PP;
use Npm;
use Source qw(quoted);
use Test::More;

my $modules = Npm::modules('@complycube/api');
my $f = Fixture->new;
my $api = Api->new($f);
my $client = object_id('client 0');
my $object = sub {
    my ($kind, $n, %more) = @_;
    my $at = stamp(1769718742375 + 1000 * $n);
    return { id => object_id("$kind $n"), createdAt => $at, updatedAt => $at, %more };
};
$api->load(
    clients => [map { $object->('client', $_, type => 'person', email => "p$_\@example.org") } 0 .. 4],
    (map { my $kind = $_; $kind => [map { $object->($kind, $_, clientId => $client) } 0 .. 4] } qw(checks workflowSessions documents addresses)),
    auditLogs => [map { $object->('log', $_, resourceType => 'document', resourceId => object_id("documents $_"), action => 'update', trigger => 'updateDocument') } 0 .. 4],
);

my $script = join ' ', map { quoted($_) } "$FindBin::Bin/api.js", $api->url, $Api::KEY{live}, $Api::KEY{test}, $client;
my (%result, @order);
for (split /\n/, `NODE_PATH=@{[quoted($modules)]} node $script`) {
    my ($step, $result) = @{ decode_json($_) };
    $result{$step} = $result;
    push @order, $step;
}
my $made = $result{create};
like $made->{id}, qr/^[0-9a-f]{24}$/, 'a webhook is created';
like $made->{secret}, qr/^[0-9a-f]{32}$/, 'and has a secret';
is_deeply [map { $_->{secret} } $result{get}, @{ $result{list} }, @result{'update', 'update events'}], [(undef) x 4], 'which no later answer has';
is_deeply [@{ $result{update} }{qw(url enabled events description)}], ['https://a.example.org/', JSON::PP::false, ['check.completed'], 'd'],
    'an update leaves what it does not name';
is_deeply [@{ $result{'update events'} }{qw(enabled events)}], [JSON::PP::false, ['check.pending', 'client.created']], 'and replaces the events as a whole';
is_deeply $result{'unknown type'}, { error => 'ComplyCubeApiError', status => 400, type => 'invalid_request', param => 'events' }, 'an unknown type is refused';
is_deeply $result{'get what is deleted'}, { error => 'ComplyCubeApiError', status => 404, type => 'resource_not_found' }, 'a webhook is deleted';
for my $list (qw(checks clients workflowSessions auditLogs)) {
    my @pages = map { [map { $_->{id} } @{ $result{"$list $_"} }] } 1 .. 3;
    is_deeply [map { scalar @$_ } @pages], [2, 2, 1], "$list come by pages";
    is_deeply [map { @$_ } @pages], [map { object_id(($list =~ /^(?:check|workflow)/ ? $list : $list eq 'clients' ? 'client' : 'log') . " $_") } reverse 0 .. 4],
        'the newest first';
    is $result{"get of $list"}{id}, $pages[0][0], 'and one by its id';
}
is scalar @{ $result{$_} }, 5, "$_ of a client" for qw(documents addresses);
is $result{'get of documents'}{id}, $result{documents}[0]{id}, 'and one by its id';
is_deeply $result{'page of none'}, { error => 'ComplyCubeApiError', status => 400, type => 'invalid_request', param => 'pageSize' }, 'a page has 1000 items at most';
is_deeply $result{'unknown check'}, { error => 'ComplyCubeApiError', status => 404, type => 'resource_not_found' }, 'an id that nobody has';
is_deeply $result{'wrong key'}, { error => 'ComplyCubeApiError', status => 401, type => 'unauthorized' }, 'a wrong key';
is_deeply $result{'the other world'}, [], 'the sandbox has objects of its own';
my @quick = map { $result{$_} } grep { /^quick/ } @order;
is_deeply [grep { ref eq 'HASH' && $_->{status} == 429 && $_->{type} eq 'rate_limit_exceeded' } @quick], [grep { ref eq 'HASH' } @quick], 'a request too many is a 429';
cmp_ok scalar(grep { ref eq 'HASH' } @quick), '>=', 1, 'and there is one';
my @asked = $api->requests;
is_deeply [grep { $_->{key} !~ /^(?:live|test)_/ } @asked], [], 'the key stands in Authorization, bare';
ok scalar(grep { $_->{path} eq '/v1/webhooks/' } @asked), 'the SDK asks for a collection with a slash at its end';
$f->finish;
done_testing;
