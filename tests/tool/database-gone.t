#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A database that was there before and is not is missed, even if its folder is empty; a path with a slip is recognised.
use strict;
use warnings;
use Test::More;
use Deploy;
use Event;
use Fixture;
use Requests;
use Tool;

# Secrets stay where they are, the database lies in a folder of its own: a volume.
sub apart {
    my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
    $conf =~ s{^#?(\s*database\s*=\s*)"[^"]*"}{$1"../../volume/inbox.db"}m or die 'no database in the sample';
    my $f = Fixture->new(conf => $conf);
    $f->folder('home/volume', 0700);
    return $f;
}

sub doctor { my ($f) = @_; my (undef, $out) = tool_out($f, 'doctor'); return $out =~ s/\s+/ /gr }

sub point_at {
    my ($f, $path) = @_;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf',
        Fixture::slurp($f->config) =~ s{^(\s*database\s*=\s*)"[^"]*"}{$1"$path"}mr);
}

subtest 'a fresh installation' => sub {
    my $f = apart();
    my ($code, $err) = tool($f, 'watch');
    is_deeply([$code, $err], [0, ''], 'watch is silent');
    my $said = doctor($f);
    like($said, qr/\binit\b/, 'doctor says init');
    unlike($said, qr/restore "\$BACKUP"/, 'and has nothing to restore');
    my ($answer) = $f->cgi(signed(event()));
    unlike($answer->{log}, qr/begun anew/, 'the first event begins it, without a word');
    $f->finish;
};

subtest 'begun by a running receiver, which may make nothing beside the secrets' => sub {
    my $f = apart();
    my $d = deploy($f, 'spawn-fcgi alone');
    my $body = event();
    is($d->{client}->({ method => 'POST', path => '/', body => $body, headers => ['ComplyCube-Signature' => sign($body)] })->{status}, 200, 'an event');
    $f->stop;
    is_deeply([tool($f, 'watch')], [0, ''], 'watch is silent');
    rename $f->path('home/volume'), $f->path('home/unmounted') or die $!;
    $f->folder('home/volume', 0700);
    isnt((tool($f, 'watch'))[0], 0, 'and from then on misses the database');
    $f->finish;
};

subtest 'its volume is not mounted: the folder is there, and empty' => sub {
    my $f = apart();
    is((tool($f, 'init'))[0], 0, 'a database was begun');
    $f->cgi(signed(event()));
    rename $f->path('home/volume'), $f->path('home/unmounted') or die $!;
    $f->folder('home/volume', 0700);
    my ($code, $err) = tool($f, 'watch');
    isnt($code, 0, 'watch reports it') or diag $err;
    like(doctor($f), qr{database was \S+/volume/ ?inbox\.db: mount its volume}, 'doctor asks for the volume');
    my ($answer) = $f->cgi(signed(event()));
    is($answer->{status}, 200, 'an event is stored all the same');
    like($answer->{log}, qr/was gone, and is begun anew/, 'and the log says that the database is a new one');
    like((tool($f, 'watch'))[1], qr/the database was gone, and was begun anew/, 'watch too, until somebody looked');
    $f->finish;
};

for my $case (['the file', 'volume/inbx.db'], ['a folder', 'voulme/inbox.db']) {
    my ($part, $wrong) = @$case;
    subtest "a slip in the name of $part" => sub {
        my $f = apart();
        $f->cgi(signed(event()));    # no init: the receiver's own mark is not there yet
        unlink glob $f->path('home/private/*.database');
        point_at($f, "../../$wrong");
        my $said = doctor($f);
        like($said, qr{did you mean \S+/volume/ ?inbox\.db\?}, 'doctor asks whether the other was meant');
        unlike($said, qr/restore "\$BACKUP"/, 'before it speaks of a backup');
        $f->finish;
    };
}

subtest 'a receiver that has just begun its database, and is not confined' => sub {
    my $f = apart();
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(sandbox = "off"\n) . Fixture::slurp($f->config));
    $f->cgi(signed(event()));
    is(scalar(my @marks = glob $f->path('home/private/*.database')), 1, 'leaves the mark');
    $f->finish;
};

subtest 'another path' => sub {
    my $f = apart();
    $f->cgi(signed(event())) for 1, 2;    # the second start finds it
    point_at($f, '../../volume/other.db');
    my ($answer) = $f->cgi(signed(event()));
    like($answer->{log}, qr{other\.db is begun anew; until now the database was \S+/inbox\.db: did you mean that one\?}, 'the log asks');
    $f->finish;
};

done_testing;
