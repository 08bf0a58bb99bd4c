#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What waits for a person, and grows meanwhile: doctor and watch say how many megabytes dead events and the quarantine take.
use strict;
use warnings;
use Test::More;
use Event;
use Fixture;
use Requests;
use Tool;

my $base = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my %conf = (table => $base, directory => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$base));
my $large = 900_000;

sub watch { my ($f) = @_; return (tool($f, qw(watch --refused 99)))[1] }
sub doctor { my ($f) = @_; my (undef, $out) = tool_out($f, 'doctor'); return $out =~ s/\s+/ /gr }

for my $form (qw(table directory)) {
    my $f = Fixture->new(conf => $conf{$form});
    record($f, map { event(size => $_) } 300, ($large) x 3);
    is((tool($f, 'dead', 1))[0], 0, "$form: a small event is dead");
    like(doctor($f), qr/3 waiting, 1 dead, 4 events/, 'which takes no room worth a word');
    is((tool($f, 'dead', $_))[0], 0, "event $_ is dead, too") for 2, 3, 4;
    like(doctor($f), qr/0 waiting, 4 dead \(2 MB\), 4 events/, 'doctor says what the dead ones take');
    like(watch($f), qr/4 dead \(2 MB\) \(list --state dead\)/, 'so does watch');
    if ($form eq 'directory') {
        unlink((glob $f->path('home/private/inbox.d/live/dead/*.json'))[-1]) or die $!;
        like(doctor($f), qr/3 dead \(1 MB\)/, 'the files that are there, not what the log knows');
    }
    for my $n (1 .. 3) {
        my $body = '{"odd":' . $n . ',"x":"' . ('y' x $large) . '"}';
        is(($f->cgi(signed($body)))[0]{status}, 202, 'no event, and put aside');
    }
    like(doctor($f), qr/quarantine 3 \(2 MB\)/, 'and what the quarantine takes');
    like(watch($f), qr/3 in quarantine \(2 MB\)/, 'so does watch');
    $f->finish;
}

done_testing;
