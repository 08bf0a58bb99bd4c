# SPDX-License-Identifier: MIT
# Events to send: new ones, the shipped examples, and their signatures.
package Event;
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use Exporter 'import';
our @EXPORT = qw(event event_id sign examples %SECRET);

# What the fixtures write into the secrets files, by endpoint.
our %SECRET = (
    live    => 'akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH',
    sandbox => 'sandbox0123456789abcdef012345678',
    narrow  => 'narrow00123456789abcdef012345678',
    retired => 'retired0123456789abcdef012345678',
);

my $count = 0;

# The text of an event with an id of its own. size => bytes in all, type, id.
sub event {
    my (%o) = @_;
    my $id = $o{id} // sprintf 'evt-%d-%d', $$, ++$count;
    my $type = $o{type} // 'check.completed.clear';
    my $form = '{"id":"%s","type":"%s","resourceType":"check","payload":{"id":"chk-%s","clientId":"cli-1",'
        . '"status":"complete","outcome":"clear","note":"%s"},"createdAt":"2026-01-29T20:32:22.004Z"}';
    my $short = length sprintf $form, $id, $type, $id, '';
    return sprintf $form, $id, $type, $id, 'x' x (($o{size} // $short) - $short);
}

sub event_id { my ($body) = @_; return $body =~ /^\{"id":"([^"]+)"/ ? $1 : undef }

sub sign { my ($body, $secret) = @_; return hmac_sha256_hex($body, $secret // $SECRET{live}) }

# [file, signature, body] of each shipped example; they are signed with the secret of "live".
sub examples {
    my ($dir) = __FILE__ =~ m{^(.*)/lib/};
    my $read = sub { open my $f, '<:raw', "$dir/vectors/$_[0]" or die "$_[0]: $!"; local $/; return <$f> };
    my @lines = grep { /^[^#\s]/ } split /\n/, $read->('SIGNATURES.tsv');
    return map { my ($file, $signature) = split /\t/; [$file, $signature, $read->($file)] } @lines;
}

1;
