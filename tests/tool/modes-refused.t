#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A file system that keeps modes of its own (FAT, a share) is used if others cannot reach its files, and nothing half-made stays.
use strict;
use warnings;
use Test::More;
use Event;
use Fixture;
use Proc qw(wait_until);
use Requests;
use Tool;

plan skip_all => 'mounting needs root' if $> != 0;
plan skip_all => 'needs bindfs' if !grep { -x "$_/bindfs" } split /:/, $ENV{PATH};

my @mounted;
END { local $?; system 'umount', $_ for @mounted }

# A folder of the fixture on which chmod and chown are refused; more => options of bindfs
sub share {
    my ($f, @more) = @_;
    my ($back, $share) = map { $f->folder("home/$_", 0777) } qw(back share);
    system('bindfs', '-o', 'allow_other', qw(--chmod-deny --chown-deny --chgrp-deny), @more, $back, $share) == 0
        or plan skip_all => 'bindfs cannot mount here';
    push @mounted, $share;
    return $share;
}

sub done { my ($f) = @_; $f->stop; system 'umount', pop @mounted; $f->finish }

subtest 'modes that are right already are left alone' => sub {
    my $f = Fixture->new;
    my $share = share($f);
    record($f, event());
    my ($code, $err) = tool($f, 'backup', "$share/b.db");
    is_deeply([$code, $err], [0, ''], 'a backup is made, without a word');
    is((tool($f, 'export', '--file', "$share/x"))[0], 0, 'so is an export');
    ok(-s "$share/x", 'which has the event');
    done($f);
};

subtest 'a spool there takes events' => sub {
    my $f = Fixture->new;
    my $share = share($f);
    my $conf = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(spool = "$share/spool"\n$conf));
    mkdir $f->database;
    my ($answer) = $f->cgi(signed(event()));
    like($answer->{body}, qr/"spooled":true/, 'it does') or diag $answer->{log};
    done($f);
};

subtest 'a mode that lets others in is refused, and leaves no file' => sub {
    my $f = Fixture->new;
    my $share = share($f, '--perms=a+rX');
    record($f, event());
    for my $try (1, 2) {
        my ($code, $err) = tool($f, 'export', '--file', "$share/x");
        isnt($code, 0, "export ends with an error, try $try");
        like($err, qr/Operation not permitted/, 'which says why');
        ($code, $err) = tool($f, 'backup', "$share/b.db");
        isnt($code, 0, "so does a backup, try $try");
        unlike($err, qr/already/, 'of the first try nothing is in the way');
    }
    is_deeply([glob "$share/*"], [], 'and nothing lies there');
    done($f);
};

subtest 'it is used if its folder lets nobody else in' => sub {
    my $f = Fixture->new;
    my $share = share($f, '--perms=fa+r:dgo-rwx');
    record($f, event());
    $f->folder('home/back/own', 0700);
    my ($code, $err) = tool($f, 'export', '--file', "$share/own/x");
    is($code, 0, 'an export is made');
    my @lines = split /\n/, $err;
    is(scalar(grep { /keeps the mode that its file system gives it/ } @lines), 1, 'and one line says with which mode') or diag $err;
    done($f);
};

done_testing;
