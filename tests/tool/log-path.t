#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A log that cannot be opened costs no event, and -n and doctor report it.
use strict;
use warnings;
use Test::More;
use Doctor;
use Event;
use Fixture;
use Requests;
use Tool;

sub logging_to {
    my ($log) = @_;
    my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample") =~ s/^#?\s*log\s*=.*$/log = "$log"/mr;
    my $f = Fixture->new(conf => $conf);
    tool($f, 'init');
    return $f;
}

sub tested {
    my ($f) = @_;
    my (undef, $said) = $f->run($f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), '-n', { env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
    return $said;
}

sub about_log { my ($f) = @_; my (undef, @found) = doctor($f); return grep { $_->{what} eq 'log' } @found }

for my $case (['in a folder that is not there', '../../logs/events.log'], ['that is a folder', '../../private']) {
    my ($what, $log) = @$case;
    subtest "a log $what" => sub {
        my $f = logging_to($log);
        my ($answer) = $f->cgi(signed(event()));
        is($answer->{status}, 200, 'an event is received');
        like($answer->{log}, qr/opening the log .*; make/, 'and the web server\'s log says why there is no line in the other');
        like(tested($f), qr/^log .*cannot be opened: (?:No such file|Is a directory)/m, '-n reports it');
        my ($found) = about_log($f);
        is($found && $found->{verdict}, 'wrong', 'doctor reports it');
        if ($log !~ /private/) {
            cure($found);
            is_deeply([about_log($f)], [], 'and what it says is the cure');
            $f->cgi(signed(event()));
            ok(-e $f->path('home/logs/events.log'), 'the log is there then');
        }
        $f->finish;
    };
}

subtest 'a relative log' => sub {
    for my $log ('events.log', './events.log') {
        my $f = logging_to($log);
        my ($answer) = $f->cgi(signed(event()));
        is($answer->{status}, 200, "$log: an event is received");
        ok(-e $f->path('home/public_html/cgi-bin/events.log'), 'it lies beside the configuration');
        $f->finish;
    }
    my $f = logging_to('sylsog');
    like((tool($f, 'watch'))[1], qr/log is none of/, 'a slip in a word makes no file');
    $f->finish;
};

done_testing;
