#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Who can connect to the socket can forge every variable of a request and meets libfcgi's faults: one that is open to others
# is told of in the log when the receiver starts, and by doctor with its cure; events come all the same.
use strict;
use warnings;
use IO::Socket::INET;
use Test::More;
use Deploy;
use Doctor;
use Event;
use FastCgi;
use Fixture;
use Proc qw(wait_until);
use Requests;
use Tool;

my $WARNING = qr/^(.*level=warning code=socket .*)$/m;

# A receiver on a socket of this mode; the line of its log about it.
sub warned {
    my ($f, $mode, $name) = @_;
    my $path = $f->path($name // 'run/receiver.sock');
    my $proc = $f->start('receiver', sub { -S $path && FastCgi::connect_to($path) },
        cmd => ['spawn-fcgi', '-n', '-M', $mode, '-s', $path, '--', $f->program], env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config })
        // die 'it did not start';
    is FastCgi::client($path)->(signed(event(), method => 'POST', path => '/'))->{status}, 200, "mode $mode: an event is stored";
    my ($line) = $f->logs =~ $WARNING;
    $proc->stop;
    return $line // '';
}

subtest 'a unix socket' => sub {
    my $f = Fixture->new;
    is warned($f, $_), '', "mode $_ is not told of" for '0600', '0660', '0664';
    like warned($f, '0666'), qr/any user of this machine can connect to \S+receiver\.sock\b.*0660/, 'mode 0666 is, with what to do';
    is scalar(() = $f->logs =~ /$WARNING/g), 1, 'once';
    $f->finish;
    my $closed = Fixture->new;
    $closed->folder('closed', 0700);
    is warned($closed, '0666', 'closed/receiver.sock'), '', 'nor is it in a folder that others cannot pass through';
    $closed->finish;
};

subtest 'a TCP socket' => sub {
    my $f = Fixture->new;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) // die "listen: $!";
    my $port = $listen->sockport;
    $f->start('receiver', sub { 1 }, stdin => $listen, cmd => [$f->program], env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config }) // die;
    my $peer = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) // die "connect: $!";
    $peer->syswrite(FastCgi::bytes(signed(event(), method => 'POST', path => '/')));
    is FastCgi::answer($peer)->{status}, 200, 'an event is stored';
    like $f->logs, qr/code=socket .*any user of this machine can connect to 127\.0\.0\.1:$port\b/, 'and the socket told of';
    $f->finish;
};

sub sends {
    my ($d) = @_;
    return $d->{client}->(signed(event(), method => 'POST', path => $d->{url}))->{status};
}

for my $name ('lighttpd to spawn-fcgi', 'Apache mod_proxy_fcgi', 'nginx', 'nginx keep-alive') {
    subtest "doctor, $name" => sub {
        my $f = Fixture->new;
        tool($f, 'init');
        my $d = deploy($f, $name);
        my @args = ('--server', $f->path("conf/$d->{front}[1]"));
        my (undef, @findings) = doctor($f, @args);
        is_deeply [map { "$_->{verdict} $_->{finding}" } grep { $_->{what} eq 'socket' } @findings],
            ['ok ' . $f->path('run/receiver.sock') . ' is closed to others'], 'says that the socket is closed';
        chmod 0666, $f->path('run/receiver.sock') or die;
        mended($f, warning => 'socket', finding => qr/receiver\.sock: any user of this machine can connect to it/, args => \@args,
            hand => sub { like $_[0], qr/spawn-fcgi -M 0660/, 'says how it is to be made' });
        is +(stat $f->path('run/receiver.sock'))[2] & 07777, 0660, 'the socket has the mode';
        is sends($d), 200, 'and the web server still gets through';
        $f->finish;
    };
}

my %TCP = (
    'lighttpd to spawn-fcgi' => sub { s{"socket" => var.socket}{"host" => "127.0.0.1", "port" => 9} },
    'Apache mod_proxy_fcgi' => sub { s{unix:\$\{SOCKET\}\|fcgi://localhost}{fcgi://127.0.0.1:9} },
    'nginx' => sub { s{fastcgi_pass +\S+;}{fastcgi_pass 127.0.0.1:9;} },
);
for my $name (sort keys %TCP) {
    subtest "doctor, $name over TCP" => sub {
        my $f = Fixture->new;
        tool($f, 'init');
        my $d = deploy($f, $name);
        my ($file, $front) = ($name eq 'nginx' ? 'conf/receiver.conf' : "conf/$d->{front}[1]", "conf/$d->{front}[1]");
        my $shipped = Fixture::slurp($f->path($file));
        local $_ = $shipped;
        $TCP{$name}->() or die 'nothing to change';
        $f->write($file, $_);
        my @args = ('--server', $f->path($front));
        mended($f, warning => 'socket', finding => qr/127\.0\.0\.1:9 in \S+: any user of this machine can connect to it/, args => \@args,
            hand => sub { like $_[0], qr/-M 0660.*\Q$file\E, line \d+/, 'says what to change where'; $f->write($file, $shipped); again($f, $d) });
        is sends($d), 200, 'an event is stored then';
        $f->finish;
    };
}
done_testing;
