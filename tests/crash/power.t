#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 2, when the power goes: the calls of a receiver are recorded, and before each flush and after each answer what
# a cut would leave is made, with all, some or none of what was not flushed. A fresh receiver works on it: each event that
# had been answered is there once, what is sent again is there once, and the database is sound. From no database on, as
# CGI and as FastCGI with batches, in each form of the inbox; and while events are spooled and recorded from there. By itself
# it tries one of three of these disks, others each time; CRASH=all (make soak-crash): each.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(%FORM fixture request hold receiver end_receiver ask found each_at_once);
use Digest::SHA qw(sha256_hex);
use Event;
use FastCgi;
use Fixture;
use Http;
use PowerCut;
use Proc qw(look_into);
use Test::More;

Crash::in_memory();
look_into();
my $seed = $ENV{SEED} // time;
my $stride = $ENV{CRASH} ? 1 : Fixture::sanitized() ? 9 : 3;

sub cgi {
    my ($f, $body, @before) = @_;
    my %env = (FastCgi::variables(request($body)), COMPLYCUBE_WEBHOOK_CONFIG => $f->config, ASAN_OPTIONS => 'detect_leaks=0');
    my ($code, $out, $err) = $f->run(@before, $f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), { env => \%env, input => $body });
    return { %{ Http::parse($out) }, log => $err };
}

# Runs that are recorded: their traces, one after another.
my %RECORD = (
    'CGI' => sub {
        my ($f, $strace, $bodies) = @_;
        cgi($f, $_, @$strace) for @$bodies;
    },
    'CGI, spool' => sub {
        my ($f, $strace, $bodies) = @_;
        my ($first, @spooled) = @$bodies;
        my $last = pop @spooled;
        cgi($f, $first, @$strace);
        chmod 0400, $f->database;    # it can be read, and not written
        cgi($f, $_, @$strace) for @spooled;
        chmod 0600, $f->database;
        cgi($f, $last, @$strace);
    },
    'FastCGI' => sub {
        my ($f, $strace, $bodies) = @_;
        hold($f);
        my @rest = @$bodies;
        while (@rest) {    # a receiver for each five, which get it as a batch of three and one of two
            my @sockets = map { Crash::connection($f, request($_)) } splice @rest, 0, 3;
            my $p = receiver($f, @$strace);
            FastCgi::answer($_, 20) for @sockets;
            ask($f, map { request($_) } splice @rest, 0, 2);
            end_receiver($p);
        }
    },
);

sub more { my ($way) = @_; return $way =~ /spool/ ? qq(spool = "../../private/inbox.spool"\n) : '' }

sub record {
    my ($way, $form, $bodies) = @_;
    my $f = fixture($form, more($way));
    my $log = $f->write('log/calls', '', 0666);
    $RECORD{$way}->($f, ['strace', '-D', '-qq', '-A', '-o', $log, @PowerCut::STRACE], $bodies);
    return ($f->path('home/private'), Fixture::slurp($log));
}

# Make a disk in the fixture.
sub put {
    my ($f, $disk) = @_;
    system 'rm', '-rf', glob $f->path('home/private/inbox.*');
    for my $name (sort keys %$disk) {
        defined $disk->{$name} ? $f->write("home/private/$name", $disk->{$name}, 0600) : $f->folder("home/private/$name", 0700);
    }
}

# What is wrong with it: a fresh receiver is sent one of the events that were not answered yet.
sub faults {
    my ($f, $acked, $bodies) = @_;
    my ($again) = grep { !$acked->{ event_id($_) } } @$bodies;
    my $answer = cgi($f, $again // event());
    my @wrong = $answer->{status} == 200 ? () : "answered $answer->{status}: $answer->{log}";
    my @there = grep { $acked->{ event_id($_) } || defined $again && $_ eq $again } @$bodies;
    my @found = found($f, @$bodies);
    for my $i (0 .. $#$bodies) {
        my $must = grep { $_ eq $bodies->[$i] } @there;
        push @wrong, event_id($bodies->[$i]) . ": $found[$i]" if $found[$i] ne '1 1' && ($must || $found[$i] ne '0 0');
    }
    my $sound = Crash::sound($f->database);
    push @wrong, $sound if $sound ne 'ok';
    push @wrong, 'left in tmp' if glob $f->path('home/private/inbox.d/live/tmp/*');
    return @wrong;
}

sub one {
    my ($name) = @_;
    my ($way, $form) = split / \| /, $name;
    srand $seed;
    my @bodies = map { event(id => "power-$_") } 1 .. ($way eq 'CGI' ? 3 : $way eq 'FastCGI' ? 10 : 4);
    my ($root, $trace) = record($way, $form, \@bodies);
    my $f = fixture($form, more($way));
    my $disk = PowerCut->new($root);
    my (%seen, %tried, @wrong);
    my $points = 0;
    $disk->replay($trace, sub {
        my ($why) = @_;
        $points++;
        for my $variant (@PowerCut::VARIANTS) {
            my $left = $disk->cut(@$variant);
            my $key = sha256_hex(join "\0", (map { $_, $left->{$_} // '' } sort keys %$left), sort keys %{ $disk->{acked} });
            next if $tried{$key}++ || @wrong > 5 || ($seed + keys %tried) % $stride;
            put($f, $left);
            push @wrong, map { "point $points, $why, names @$variant[0], writes @$variant[1]: $_" }
                eval { faults($f, $disk->{acked}, \@bodies) }, $@ ? $@ : ();
        }
    });
    return { points => $points, states => scalar keys %tried, acked => scalar keys %{ $disk->{acked} }, events => scalar @bodies, wrong => \@wrong };
}

note "SEED=$seed";
my @names = map { my $way = $_; map { "$way | $_" } sort keys %FORM } sort keys %RECORD;
@names = grep { !/spool.*rollback/ } @names;    # the files of the spool are the same
@names = grep { /$ENV{ONLY}/ } @names if $ENV{ONLY};
my %result = each_at_once(\&one, @names);
for my $name (@names) {
    my $r = $result{$name};
    ok(!$r->{died}, "$name: all was tried") or diag($r->{died}), next;
    note "$name: $r->{states} states of the disk at $r->{points} points";
    is($r->{acked}, $r->{events}, "$name: the answers are seen");
    cmp_ok($r->{states}, '>', 40, "$name: cuts leave different disks");
    is(scalar @{ $r->{wrong} }, 0, "$name: whatever is left, what was answered is there once") or diag map { "$_\n" } @{ $r->{wrong} };
}
done_testing;
