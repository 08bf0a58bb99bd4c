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

# Rewriting is forbidden to a folder that has neither of the first two, and all else with it.
for my $options ('FollowSymLinks', 'SymLinksIfOwnerMatch', 'None') {
    subtest "shared hosting with Options $options" => sub {
        my $f = Fixture->new;
        my $d = deploy($f, 'Apache shared hosting, CGI', edit => sub { $_[0] =~ s/^(\s*Options) FollowSymLinks$/$1 $options/mr });
        like Fixture::slurp($f->path('conf/shared.conf')), qr/^\s*Options $options$/m, 'the server has these Options';
        $f->write('home/public_html/cgi-bin/complycube-webhook.cgi.old', 'secret_file');
        my $get = sub { return $d->{client}->({ method => 'GET', path => "/cgi-bin/$_[0]" }) };
        is $get->($_)->{body}, 'ready', "$_: the program answers" for 'complycube-webhook.cgi', 'complycube-webhook.cgi/more?x=y';
        for my $file ('complycube-webhook.conf', 'complycube-webhook.conf/complycube-webhook.cgi', '.htaccess', '', 'complycube-webhook.cgi.old') {
            my $answer = $get->($file);
            cmp_ok $answer->{status}, '>=', 400, "/cgi-bin/$file is refused";
            unlike $answer->{body}, qr/secret_file|RedirectMatch|ELF/, '... and hands nothing out';
        }
        $f->finish;
    };
}

done_testing;
