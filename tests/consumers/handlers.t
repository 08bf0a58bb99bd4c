#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A PHP handler made for a web server goes on working unchanged: under work as a CGI, and behind lighttpd by forward.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Event;
use Fixture;
use Tool;

my @examples = examples();
my @bodies = map { $_->[2] } @examples;
my @expected = sort map { my ($type) = $_->[0] =~ /^(.*)\.json$/; "$type " . sha256_hex($_->[2]) } @examples;

# A fixture with the examples in its inbox, and the handler in www/.
sub application {
    my $f = Fixture->new;
    $f->write('www/handler.php', Fixture::slurp("$FindBin::Bin/handler.php"));
    $f->write('www/secret', "$SECRET{live}\n");
    record($f, @bodies);
    return $f;
}

sub seen { my ($f) = @_; return [sort split /\n/, -e $f->path('www/seen') ? Fixture::slurp($f->path('www/seen')) : ''] }

sub waiting { my ($f) = @_; return $f->value('SELECT count(*) FROM inbox WHERE state <> 1') }

sub lighttpd {
    my ($f) = @_;
    my $port = $f->port;
    my $www = $f->path('www');
    my $conf = $f->write('conf/app.conf', <<"CONF");
server.modules = ("mod_cgi")
server.document-root = "$www"
server.bind = "127.0.0.1"
server.port = $port
cgi.assign = (".php" => "/usr/bin/php-cgi")
CONF
    $f->start('lighttpd', sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) },
        cmd => ['/usr/sbin/lighttpd', '-D', '-f', $conf]) or die 'lighttpd does not start';
    return "http://127.0.0.1:$port/handler.php";
}

for my $way (
    ['work -- php-cgi handler.php', sub { ('work', '-w', 2, '--', 'php-cgi', $_[0]->path('www/handler.php')) }],
    ['forward to it behind lighttpd', sub { ('forward', '-w', 2, lighttpd($_[0])) }],
) {
    my ($name, $args) = @$way;
    subtest $name => sub {
        my $f = application();
        my ($command, @rest) = $args->($f);
        my ($code, $err) = tool($f, $command, qw(-e live --once), @rest);
        is("$code$err", '0', 'all 26 examples are handed on');
        is_deeply(seen($f), \@expected, 'the handler has verified each, once, to the byte');
        is(waiting($f), 0, 'and all are done');

        $f->write('www/secret', "another secret\n");
        record($f, event());
        ($code, $err) = tool($f, $command, qw(-e live --once), @rest);
        is($code, 1, 'where it refuses');
        like($err, qr/failed: status 400; again at/, 'its status is told');
        is(waiting($f), 1, 'and the event comes again');
        $f->finish;
    };
}
done_testing;
