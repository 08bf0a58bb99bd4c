#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The unit files are sound, and say what the tests of the sockets run.
use strict;
use warnings;
use Test::More;
use Fixture;

my $folder = "$Fixture::ROOT/lighttpd/systemd";
my $f = Fixture->new;
for my $unit (qw(complycube-webhook.socket complycube-webhook.service)) {
    my $text = Fixture::slurp("$folder/$unit");
    my $program = $f->program;
    $text =~ s{^ExecStart=\S+$}{ExecStart=$program}m;
    $f->write("conf/$unit", $text);
}
for my $unit (qw(complycube-webhook.socket complycube-webhook.service)) {
    my ($code, $out, $err) = $f->run('systemd-analyze', 'verify', $f->path("conf/$unit"));
    is("$code$out$err", '0', "systemd-analyze finds nothing wrong with $unit");
}
my $socket = Fixture::slurp("$folder/complycube-webhook.socket");
like($socket, qr/^SocketMode=0660$/m, 'the socket is closed to others');
like($socket, qr/^Accept=no$/m, 'one receiver takes all connections');
like($socket, qr/^TriggerLimitIntervalSec=0$/m, 'the socket never gives up');
my $service = Fixture::slurp("$folder/complycube-webhook.service");
like($service, qr/^Restart=always$/m, 'the receiver is started again when it ends');
like($service, qr/^StartLimitIntervalSec=0$/m, 'however often');
$f->finish;

done_testing;
