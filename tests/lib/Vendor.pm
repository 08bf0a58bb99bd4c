# SPDX-License-Identifier: MIT
# A fixture whose endpoint live has a key of the API of the tests, and objects of that which changed some minutes ago.
package Vendor;
use strict;
use warnings;
use Time::HiRes qw(time);
use Api qw(object_id stamp);
use Fixture;
use Tool;
use Exporter 'import';
our @EXPORT = qw(with_api object check entry);

our $now = int(1000 * time);
our $client = object_id('client');

sub with_api {
    my ($conf, %o) = @_ % 2 ? @_ : (undef, @_);
    my $f = Fixture->new;
    my $api = Api->new($f, %{ $o{api} // {} });
    $f->write('home/private/api-key', "$Api::KEY{live}\n", 0600);
    my $text = Fixture::slurp($f->config);
    $text =~ s/^ *events *=.*\n//m if $conf;
    $text =~ s/(endpoint live \{)/$1\n    api_key_file = "..\/..\/private\/api-key"\n@{[$conf \/\/ '']}/ or die 'no endpoint live';
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(api = "@{[$api->url]}"\n$text));
    tool($f, 'init');
    return ($f, $api);
}

# An object that changed so many minutes ago.
sub object {
    my ($kind, $n, $minutes, %more) = @_;
    return { id => object_id("$kind $n"), clientId => $client, createdAt => stamp($now - 86_400_000 * 3), updatedAt => stamp($now - 60_000 * $minutes), %more };
}
sub check { my ($n, $minutes, $status, $outcome, %more) = @_; return object('check', $n, $minutes, status => $status, defined $outcome ? (result => { outcome => $outcome }) : (), %more) }
sub entry {
    my ($n, $minutes, $type, $id, $action) = @_;
    return { id => object_id("entry $n"), createdAt => stamp($now - 60_000 * $minutes), resourceType => $type, resourceId => $id, action => $action // 'update', clientId => $client };
}

1;
