#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# NAME=VALUE and a semicolon or comma behind a secret: it is used as it is, and the log, -n and doctor name the line.
use strict;
use warnings;
use Test::More;
use Event;
use Fixture;
use Tool;

my $f = Fixture->new;
tool($f, 'init');
my $file = Fixture::slurp($f->config) =~ /^endpoint live \{.*?secret_file\s*=\s*"\.\.\/\.\.\/private\/([^"]+)"/ms ? $1 : die 'no secret file';

sub said_by_receiver {
    my (undef, $out) = $f->run($f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), '-n', { env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
    return $out;
}

sub doctor { my (undef, $out) = tool_out($f, 'doctor'); return $out =~ s/\s+/ /gr }

for my $secret ('COMPLYCUBE_SECRET=abcdefghijklmnop', 'abcdefghijklmnopqrstuv;', 'abcdefghijklmnopqrstuv,') {
    for my $line ($secret, "main $secret") {
        $f->secrets($file, "# of the webhook\n$line\n");
        my $body = event();
        my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] });
        is($answer->{status}, 200, "$line: it is the secret as it stands");
        like($answer->{log}, qr/level=warning code=secret-padded .*\Q$file\E, line 2:/, 'the log names the line');
        unlike($answer->{log} . doctor(), qr/abcdefghij/, 'and neither it nor doctor shows the secret');
        like(said_by_receiver(), qr/line 2 .*used as it is/, '-n names it');
        like(doctor(), qr/warning secrets endpoint live: a secret is used as it is.* in line 2 of /, 'doctor too');
    }
}

for my $secret ('c2VjcmV0c2VjcmV0c2VjcmV0==', 'c2VjcmV0c2VjcmV0c2VjcmV=') {
    $f->secrets($file, "main $secret\n");
    my $body = event();
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] });
    is($answer->{status}, 200, 'base64 is a secret');
    unlike($answer->{log}, qr/secret-padded/, 'without a warning');
}
$f->finish;

done_testing;
