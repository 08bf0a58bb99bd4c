#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Connections that a web server keeps, and requests that arrive in pieces: no descriptor and no request is lost.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Proc qw(look_into wait_until);
use Requests;

look_into();
my $f = Fixture->new;
my $d = deploy($f, 'spawn-fcgi alone');
my $open = sub { FastCgi::connect_to($f->path('run/receiver.sock')) // die 'no connection' };
my $descriptors = sub { my @fds = glob '/proc/' . $d->{receiver}->pid . '/fd/*'; scalar @fds };

# Send requests one after another over one connection that is kept: the statuses.
sub over_one {
    my ($socket, @bodies) = @_;
    return join ' ', map {
        print $socket FastCgi::bytes(signed($_, method => 'POST', path => '/'), 1);
        $socket->flush;
        FastCgi::answer($socket)->{status};
    } @bodies;
}

my $socket = $open->();
is over_one($socket, event()), '200', 'an event is stored';
my $before = $descriptors->(); # the database and one connection
is over_one($socket, map { event(size => $_) } 800, 200_000, 800, 900_000, 100_000), '200 200 200 200 200',
    'small and large requests are answered over one kept connection';
over_one($socket, map { event(size => 100_000) } 1 .. 20);
is $descriptors->(), $before, 'and one descriptor is open for it';
close $socket;
ok wait_until(sub { $descriptors->() == $before - 1 }), 'and none when it has ended';

# Written byte by byte the sender's side of the socket is full after some 280 bytes.
my $body = event(size => 1500);
my $bytes = FastCgi::bytes(signed($body, method => 'POST', path => '/'));
$socket = $open->();
defined(my $pid = fork) or die;
if (!$pid) { syswrite $socket, $_, 1 for split //, $bytes; require POSIX; POSIX::_exit(0) }
is FastCgi::answer($socket)->{status}, 200, 'a request written byte by byte is answered';
waitpid $pid, 0;

# A consumer that holds a transaction: others wait, but nobody waits to be told that all is well.
my $h = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, AutoCommit => 1 });
$h->do('BEGIN IMMEDIATE');
is $d->{client}->({ method => 'GET', path => '/' })->{status}, 200, 'a GET is answered while a consumer holds a lock';
$socket = $open->();
print $socket FastCgi::bytes(signed(event(), method => 'POST', path => '/'));
$socket->flush;
sleep 0.5; # the time that the consumer takes, not a wait for something
$h->do('COMMIT');
is FastCgi::answer($socket)->{status}, 200, 'and an event is stored when it has let go';
$f->finish;
done_testing;
