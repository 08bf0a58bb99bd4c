#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 6: what lies beside the program, its configuration first of all, is served by no shipped configuration.
use strict;
use warnings;
use Test::More;
use Deploy;
use Fixture;
use Requests;

for my $name ('lighttpd mod_fastcgi', 'lighttpd mod_cgi', 'Apache mod_fcgid', 'Apache mod_cgid') {
    subtest $name => sub {
        my $f = Fixture->new;
        $f->{program} = $f->path('home/public_html/cgi-bin/complycube-webhook');
        $f->install('home/public_html/cgi-bin/complycube-webhook');
        my $d = deploy($f, $name);
        my $ask = sub { $d->{client}->({ method => 'GET', path => $_[0] })->{status} };
        is($ask->('/complycube'), 200, 'the program answers');
        for my $path (map { ("/complycube$_", "/$_") } '.conf', '%2econf', '.cgi', '/../complycube-webhook.conf') {
            my $answer = $d->{client}->({ method => 'GET', path => $path });
            unlike($answer->{body}, qr/secret_file|ELF/, "$path hands nothing out ($answer->{status})");
        }
        $f->finish;
    };
}

subtest 'shared hosting' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'Apache shared hosting, CGI');
    for my $file ('complycube-webhook.conf', '.htaccess', '', 'complycube-webhook.fcgi.new') {
        my $answer = $d->{client}->({ method => 'GET', path => "/cgi-bin/$file" });
        unlike($answer->{body}, qr/secret_file|RewriteRule|ELF/, "/cgi-bin/$file hands nothing out ($answer->{status})");
    }
    $f->finish;
};

done_testing;
