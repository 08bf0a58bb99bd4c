#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What is refused is counted, all of it, in a file of a fixed size beside the database, and never in it.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Deploy;
use Event;
use Fixture;
use Http;
use Proc qw(wait_until);
use Requests;

# What watch tells: { refused_signature => ..., ... }. It needs no database for that.
sub counted {
    my ($f) = @_;
    my $tool = $f->path('run/complycube-inbox');
    $f->install('run/complycube-inbox', 'complycube-inbox') if !-e $tool;
    my ($code, $out, $err) = $f->run($tool, '-c', $f->config, 'watch', '--json');
    return decode_json($out);
}

sub signatures { my ($f) = @_; return counted($f)->{refused_signature} }

# The responder writes a moment later.
sub counts { my ($f, $n, $name) = @_; wait_until(sub { signatures($f) == $n }, 10); is(signatures($f), $n, $name) }

sub sizes { my ($f) = @_; return join ' ', map { $_ . ':' . (-s $f->database . $_ // 'none') } '', '-wal', '-shm', '.lock' }

sub digest { my ($f) = @_; return join '', map { Fixture::slurp($f->database . $_) } grep { -e $f->database . $_ } '', '-wal' }

# A request for a deployment, whose URL and method a request of the table of Requests.pm leaves out.
sub to { my ($d, $request) = @_; return { method => 'POST', path => $d->{via} eq 'fcgi' ? '/' : $d->{url}, %$request } }
sub forged { return Requests::forged(@_) }
sub status { my ($d, $request) = @_; return $d->{client}->(to($d, $request))->{status} }

# So many at once, over connections of their own.
sub forge_at_once {
    my ($d, $n) = @_;
    my %r = %{ to($d, forged()) };
    my @sockets = map { Http::connect_to($d->{port}) } 1 .. $n;
    for my $socket (@sockets) { print $socket Http::head(\%r), Http::body(\%r); $socket->flush }
    return join ' ', sort { $a <=> $b } keys %{ { map { (Http::answer($_, 30)->{status} => 1) } @sockets } };
}

subtest '1 000 forged requests leave no trace in the database' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    is(status($d, signed(event())), 200, 'an event is stored') for 1 .. 3;
    my ($before, $bytes) = (sizes($f), digest($f));
    my %status;
    $status{ status($d, forged()) }++ for 1 .. 1000;
    is_deeply(\%status, { 400 => 1000 }, 'each is refused');
    counts($f, 1000, 'each is counted');
    is(sizes($f), $before, 'neither the database nor its log is a byte longer');
    ok(digest($f) eq $bytes, 'nor another');
    is(-s $f->database . '.refused', 64544, 'the file has its size');
    is((stat $f->database . '.refused')[2] & 07777, 0600, 'and the mode of the others');
    is($f->value(q(SELECT count(*) FROM counter WHERE outcome = 'refused')), 0, 'no figure of it is in there');

    truncate $f->database . '.refused', 100 or die;
    is(status($d, forged()), 400, 'it is cut off: a forgery is refused as before');
    counts($f, 1, 'and the count begins anew');
    unlink $f->database . '.refused' or die;
    is(status($d, forged()), 400, 'it is removed: likewise');
    counts($f, 1, 'it is made anew');
    $f->finish;
};

subtest 'other kinds' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    is(status($d, { method => 'PUT', body => 'x' }), 405, 'a PUT');
    is(status($d, Requests::sized(2 << 20)), 413, 'a body that is too large') for 1 .. 2;
    is(status($d, { %{ forged() }, length => 5 }), 400, 'one that is cut') for 1 .. 3;
    is(status($d, { method => 'GET', body => '' }), 200, 'a GET');
    $f->stop;
    is_deeply([@{ counted($f) }{qw(refused_method refused_too_large refused_incomplete refused_signature answered_5xx)}], [1, 2, 3, 0, 0],
        'what was counted is written before it ends');
    $f->finish;
};

for my $name ('lighttpd mod_cgi', 'Apache mod_cgid', 'Apache mod_fcgid', 'Apache mod_proxy_fcgi') {
    subtest "$name: 40 at once are 40" => sub {
        my $f = Fixture->new;
        my $d = deploy($f, $name);
        is(forge_at_once($d, 40), 400, 'each is refused');
        counts($f, 40, 'and counted');
        is(-e $f->database ? 'made' : 'none', $name =~ /_cgid?$/ ? 'none' : 'made', 'a CGI makes no database for it');
        $f->finish;
    };
}

subtest 'answers of 5xx are counted while the database cannot be opened' => sub {
    my $f = Fixture->new;
    $f->write('home/private/inbox.db', 'another program has written this' x 10);
    my ($answer) = $f->cgi(signed(event()));
    is($answer->{status}, 503, 'an event cannot be stored');
    ($answer) = $f->cgi(forged());
    is($answer->{status}, 400, 'and a forgery is refused');
    my $counted = counted($f);
    is("@$counted{qw(answered_5xx refused_signature)}", '1 1', 'both are counted');
    $f->finish;
};

subtest 'a file that cannot be written fails no request' => sub {
    my $f = Fixture->new;
    my $d = deploy($f, 'spawn-fcgi alone');
    mkdir $f->database . '.refused' or die;
    is(status($d, forged()), 400, 'a forgery is refused') for 1 .. 3;
    is(status($d, signed(event())), 200, 'an event is stored');
    ok(wait_until(sub { $f->logs =~ /inbox\.db\.refused/ }, 10), 'and it is said');
    my ($answer) = $f->cgi(forged());
    is($answer->{status}, 400, 'under CGI too');
    rmdir $f->database . '.refused' or die;
    counts($f, 3, 'what it has counted meanwhile is written when it can be');
    is(scalar(() = $f->logs =~ /inbox\.db\.refused/g), 1, 'it was said once') or diag $f->logs;
    $f->finish;
};
done_testing;
