#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The vendor's own Node SDK as an oracle: over the raw bytes, for each well-formed signature (64 hex digits), it and
# the receiver agree. Where the SDK takes more, the receiver refuses. Promise 7: an empty secret opens nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use MIME::Base64 qw(encode_base64);
use Npm;
use Source qw(quoted);
use Test::More;

my $modules = Npm::modules('@complycube/api');

my @bodies = (
    (map { $_->[2] } (examples())[0, 4, 20]),
    '{"id":"value"}',
    qq({\n  "id": "pretty",\n  "type": "check.completed"\n}\n),
    qq(\xef\xbb\xbf{"id":"bom","type":"t"}),
    qq({"id":"latin1 \xeb","type":"t"}),
    qq({"id":"nul \0","type":"t"}),
    '{"id":"n","type":"t","payload":{"n":[1.0,1E2,-0,12345678901234567890,0.10]}}',
    '{"id":"d","id":"e","type":"t"}',
    'not JSON at all', '[]', '', '0' x 100_000,
);
my @signatures = (
    ['the right one', sub { $_[0] }],
    ['in upper case', sub { uc $_[0] }],
    ['in mixed case', sub { join '', map { $_ % 2 ? uc substr $_[0], $_, 1 : substr $_[0], $_, 1 } 0 .. 63 }],
    ['the first digit changed', sub { substr($_[0], 0, 1) =~ tr/0-9a-f/1-9a-f0/r . substr $_[0], 1 }],
    ['the last digit changed', sub { substr($_[0], 0, 63) . substr($_[0], 63) =~ tr/0-9a-f/1-9a-f0/r }],
    ['two digits exchanged', sub { join '', reverse split //, $_[0] }],
    ['of another body', sub { sign("$_[1] ") }],
    ['under another secret', sub { sign($_[1], 'another secret') }],
    ['all zero', sub { '0' x 64 }],
);

my $f = Fixture->new;

sub ask_sdk {
    my @lines = map { join(' ', map { 'b' . encode_base64($_, '') } @$_) . "\n" } @_;
    my $file = $f->write('run/oracle', join '', @lines);
    my @answers = split /\n/, `NODE_PATH=@{[quoted($modules)]} node @{[quoted("$FindBin::Bin/sdk.js")]} <'$file'`;
    return @answers;
}

sub ask_receiver {
    my @all = @_;
    my @said;
    while (my @some = splice @all, 0, 16) {
        my @requests = map { { method => 'POST', path => '/', body => $_->[1], headers => ['ComplyCube-Signature' => $_->[2]] } } @some;
        push @said, map { $_->{status} =~ /^20[02]$/ ? 'accepted' : $_->{status} == 400 ? 'refused' : "status $_->{status}" }
            $f->cgi(@requests);
    }
    return @said;
}

my @table;
for my $body (@bodies) {
    push @table, map { [$SECRET{live}, $body, $_->[1]->(sign($body), $body), $_->[0]] } @signatures;
}
my (@sdk, @receiver) = ask_sdk(@table);
@receiver = ask_receiver(@table);
is scalar @sdk, scalar @table, 'the SDK answers each';
cmp_ok scalar(grep { $_ eq 'accepted' } @sdk), '>=', 3 * @bodies, 'and accepts the right ones';
for my $i (0 .. $#table) {
    my $what = sprintf 'body of %d bytes, %s', length $table[$i][1], $table[$i][3];
    is $receiver[$i], $sdk[$i], "$what: both say " . ($sdk[$i] // 'nothing');
}

# Where the SDK is lax. Buffer.from(text, "hex") stops at the first character that is no digit.
my $body = event();
my $right = sign($body);
my @lax = (
    ['letters behind the digits', "${right}zzzz"], ['an odd digit behind them', "${right}0"],
    ['a second value behind a comma', "$right, $right"], ['text behind a blank', "$right x"],
);
my @lax_sdk = ask_sdk(map { [$SECRET{live}, $body, $_->[1]] } @lax);
my @lax_receiver = ask_receiver(map { [$SECRET{live}, $body, $_->[1]] } @lax);
for my $i (0 .. $#lax) {
    is $lax_sdk[$i], 'accepted', "the SDK accepts $lax[$i][0]";
    is $lax_receiver[$i], 'refused', "the receiver refuses $lax[$i][0]";
}
my $empty = Digest::SHA::hmac_sha256_hex($body, '');
is_deeply [ask_sdk(['', $body, $empty])], ['accepted'], 'the SDK accepts a signature under an empty secret';
is_deeply [ask_receiver(['', $body, $empty])], ['refused'], 'the receiver refuses it';
my $config = qq(database = "inbox.db"\nendpoint live {\n secret_file = "empty"\n events = {"*"}\n}\n);
$f->write('conf/empty.conf', $config);
for my $text ("\n", "main \n", "# none\n") {
    $f->write('conf/empty', $text, 0600);
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => $empty],
        env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->path('conf/empty.conf') } });
    my $name = $text =~ s/\n/\\n/r;
    ok $answer->{status} >= 400, "and with a secret file of \"$name\" nothing gets in: $answer->{status}";
}
done_testing;
