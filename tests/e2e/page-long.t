#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Where the page shows less than there is, it says so.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use PageData;

my $f = page_fixture();
my ($n, $client) = (0, '697abc12020007b9a3d60000');
sub tool { my (@args) = @_; my ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, @args); is($code, 0, "$args[0]") or diag $err; return $out }
sub shown { my ($html) = @_; $html =~ s/<[^>]*>/ /g; $html =~ s/\xe2\x80\xaf//g; $html =~ s/\s+/ /g; return $html }

# Import these bodies, the last as the newest.
sub import_bodies {
    my (@bodies) = @_;
    $f->folder('run/saved');
    for my $body (@bodies) {
        my $name = sprintf 'run/saved/%04d', $n++;
        $f->write("$name.json", $body);
        $f->write("$name.sig", sign($body));
    }
    tool('import', $f->path('run/saved'));
}

# So many events of so many documents of the client.
sub events {
    my ($events, $documents) = @_;
    return map {
        encode_json({ id => "e$n-$_", type => 'document.updated', resourceType => 'document', payload => { id => 'document ' . $_ % $documents, clientId => $client },
            createdAt => sprintf '2026-01-01T%02d:%02d:00.000Z', $_ / 60, $_ % 60 })
    } 1 .. $events;
}

tool('init');
import_bodies(map { "[$_]" } 1 .. 100);
unlike(shown(page($f, 'view=quarantine')->{body}), qr/These are the newest/, 'all that was set aside is shown while it has room');
import_bodies(map { "[$_]" } 101 .. 120);
like(shown(page($f, 'view=quarantine')->{body}), qr/These are the newest 100 of 120\./, 'of more it says how many there are');

import_bodies(events(24, 24));
my ($seq) = $f->value('SELECT max(seq) FROM event_log');
unlike(shown(page($f, "view=client&seq=$seq")->{body}), qr/There are/, 'all of a client is shown while it has room');
import_bodies(events(500, 101));
my $page = shown(page($f, "view=client&seq=$seq")->{body});
like($page, qr/There are 524 events of this client\. This page shows what the newest 500 say\./, 'of more events it says how many there are');
like($page, qr/How it stands .* There are more\. These are the 100 with the latest events\. When it happened/, 'of more documents it says which these are');
like($page, qr/When it happened .* There are more\. These are the 24 with the latest events\. Its events/, 'of more lanes than the time line has, too');
$f->finish;
done_testing;
