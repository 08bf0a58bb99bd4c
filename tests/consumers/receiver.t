#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the receiver stored is what PHP and Perl read: the examples by CGI, each event by one of them once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use Test::More;

my $f = Fixture->new;
my @examples = examples();
for my $example (@examples) {
    my ($file, $signature, $body) = @$example;
    my ($answer) = $f->cgi({ method => 'POST', path => '/complycube', body => $body,
        headers => ['ComplyCube-Signature' => $signature] });
    is $answer->{status}, 200, "$file is stored" or diag explain $answer;
}

my %read;
for my $consumer (['php', 'php/poll.php'], ['perl', 'perl/poll.pl']) {
    $consumer->[1] = $f->write('run/poll', Fixture::slurp("$Fixture::ROOT/consumers/$consumer->[1]"));
    my ($code, $out, $err) = $f->run(@$consumer, $f->database, 'live', 13);
    is "$code$err", '0', "$consumer->[0] reads the inbox";
    is scalar(my @lines = split /\n/, $out), 13, "$consumer->[0] takes 13 events";
    push @{ $read{ (split /\t/)[2] } }, $_ for @lines;
}
is_deeply [sort keys %read], [sort map { $_->[0] =~ s/\.json$//r } @examples], 'together they read every type';
is_deeply [grep { @{ $read{$_} } != 1 } sort keys %read], [], 'each once';
like $read{'check.completed.attention'}[0],
    qr/^\d+\t2026-01-29T20:32:22\.004Z\tcheck\.completed\.attention\t5eb2b61e02df0a0008f1cf2a\tcomplete\tattention$/,
    'with what the event says';
is $f->value("SELECT count(*) FROM inbox WHERE state <> 1"), 0, 'and all are done';
done_testing;
