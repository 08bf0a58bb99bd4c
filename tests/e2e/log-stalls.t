#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A log whose reader stands still costs lines, which are counted, and no event.
use strict;
use warnings;
use Fcntl;
use IO::Socket::UNIX;
use POSIX ();
use Socket;
use Test::More;
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Requests;

my $FILL = 900;    # lines of more than 100 bytes fill a pipe of 64 KiB, or a socket's buffer

# A receiver over a FastCGI socket, its standard error one end of a channel, and a configuration with this log.
sub receiver {
    my ($log, $stderr) = @_;
    my $f = Fixture->new;
    my $conf = Fixture::slurp($f->config);
    $conf =~ s/^#?\s*log\s*=.*\n//m;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(log = "$log"\n$conf));
    my $socket = IO::Socket::UNIX->new(Local => $f->path('run/r.sock'), Listen => 64) or die "socket: $!";
    chmod 0666, $f->path('run/r.sock');
    my $proc = Proc->start(cmd => [$f->program], env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config }, stdin => $socket,
        stderr => $stderr);
    push @{ $f->{procs} }, $proc;
    return ($f, $proc, FastCgi::client($f->path('run/r.sock')));
}

sub drain {
    my ($from) = @_;
    my ($text, $part) = ('');
    fcntl $from, F_SETFL, O_NONBLOCK;
    $text .= $part while sysread $from, $part, 65536;
    return $text;
}

sub ask { my ($client, $request) = @_; return $client->({ method => 'POST', path => '/', %$request })->{status} }

# What holds of each: the reader stands still, reads at last, and is told how much it missed.
sub outlasts {
    my ($f, $proc, $client, $reader) = @_;
    my $refused = 0;
    $refused++ while $refused < $FILL && ask($client, Requests::forged()) == 400;
    is($refused, $FILL, 'each forged request is refused') or return $proc->signal('KILL');
    is(ask($client, signed(event())), 200, 'an event is stored');
    my $kept = () = drain($reader) =~ /code=signature/g;
    cmp_ok($kept, '>', 50, 'the reader has what fitted');
    cmp_ok($kept, '<', $FILL, 'and not all of it');
    is(ask($client, Requests::forged()), 400, 'now there is room');
    my $lost = wait_until(sub { drain($reader) =~ /level=warning code=log-lost lines=(\d+)\n.*code=signature/s && $1 }, 5);
    my $more = $lost - ($FILL + 1 - $kept);    # 1: its configuration is so new that it was read once more
    ok($more == 0 || $more == 1, 'what was lost is counted, before the line that comes next') or diag "$lost, $kept";
    ask($client, Requests::forged()) for 1 .. $FILL;
    $proc->signal('TERM');
    ok($proc->ended(5), 'TERM ends it while the reader stands still again');
    $f->finish;
}

subtest 'standard error is a pipe' => sub {
    pipe my $reader, my $writer or die "pipe: $!";
    outlasts(receiver(stderr => $writer), $reader);
};

subtest 'standard error is a pipe of its own user' => sub {
    plan skip_all => 'needs root' if $> != 0;
    pipe my $reader, my $writer or die "pipe: $!";
    chown +(Proc::unprivileged())[0, 1], $writer;
    outlasts(receiver(stderr => $writer), $reader);
    ok(!(fcntl($writer, F_GETFL, 0) & O_NONBLOCK), 'whoever shares the pipe finds its flags as they were');
};

subtest 'standard error is a socket' => sub {
    socketpair my $reader, my $writer, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    outlasts(receiver(stderr => $writer), $reader);
};

subtest 'the log is a FIFO' => sub {
    my $f = Fixture->new;
    POSIX::mkfifo($f->path('run/fifo'), 0666) or die "mkfifo: $!";
    chmod 0666, $f->path('run/fifo');
    sysopen my $reader, $f->path('run/fifo'), O_RDONLY | O_NONBLOCK or die "fifo: $!";
    outlasts(receiver($f->path('run/fifo')), $reader);
};

subtest 'a CGI whose log is full answers' => sub {
    my $f = Fixture->new;
    POSIX::mkfifo($f->path('run/fifo'), 0666) or die "mkfifo: $!";
    chmod 0666, $f->path('run/fifo');
    my $conf = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', 'log = "' . $f->path('run/fifo') . qq("\n$conf));
    sysopen my $reader, $f->path('run/fifo'), O_RDWR | O_NONBLOCK or die "fifo: $!";
    1 while syswrite $reader, 'x' x 4096;
    my ($answer) = $f->cgi(signed(event()));
    is($answer->{status}, 200, 'and the event is stored');
    $f->finish;
};

done_testing;
