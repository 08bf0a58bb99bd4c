#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A page that has waited for a request since before its configuration or its token changed answers by the new ones.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(time);
use FastCgi;
use Fixture;
use PageData;
use Proc qw(wait_until);

my ($OLD, $NEW) = ('f' x 32, 'g' x 32);
my $f = page_fixture(conf => qq(page {\n    users = {"anna", "ben"}\n    metrics = "../../private/token"\n}\n));
$f->write('home/private/token', "$OLD\n", 0600);
my $path = $f->path('run/page.sock');
my $listening = IO::Socket::UNIX->new(Local => $path, Listen => 20) or die "$path: $!";
chmod 0660, $path;
my @user = Proc::unprivileged();
chown @user, $path if @user;

my $page;
sub start_page {
    return $page = Proc->start(cmd => [$f->path('home/public_html/cgi-bin/complycube-page.cgi')], stdin => $listening,
        stderr => $f->path('run/page.err'), env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config });
}

# The status of an answer. Where the process ends and leaves the request to the next one, that one is started, as a
# supervisor does.
sub ask {
    my (%env) = @_;
    my $socket = FastCgi::connect_to($path) // die "$path: $!";
    print $socket FastCgi::record('begin', pack 'nCx5', 1, 0)
        . FastCgi::stream('params', FastCgi::params(REQUEST_METHOD => 'GET', QUERY_STRING => '', REMOTE_ADDR => '127.0.0.1', %env))
        . FastCgi::stream('stdin', '');
    $socket->flush;
    my $waiting = '';
    vec($waiting, fileno $socket, 1) = 1;
    wait_until(sub { $page->ended(0) || select(my $ready = $waiting, undef, undef, 0) }, 10) or die 'neither answer nor end';
    start_page() if $page->ended(0);
    return FastCgi::answer($socket)->{status};
}

# A configuration is at rest half a second after its last change.
sub at_rest {
    my ($file) = @_;
    return wait_until(sub { time > (stat $file)[10] + 2 }, 10);
}

my %ben = (REMOTE_USER => 'ben', AUTH_TYPE => 'Basic');
my $metrics = sub { return ask(PATH_INFO => '/metrics', HTTP_AUTHORIZATION => "Bearer $_[0]") };
start_page();
is(ask(%ben), 200, 'a user who is named sees the page');
is($metrics->($OLD), 200, 'and whoever has the token the figures');

$f->write('home/private/token', "$NEW\n", 0600);
is($metrics->($OLD), 401, 'the first request with a token that was replaced is refused');
is($metrics->($NEW), 200, 'the new one is accepted');
is(ask(%ben), 200, 'and the page goes on');

$f->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($f->config) =~ s/"anna", "ben"/"anna"/r);
at_rest($f->config);
is(ask(%ben), 403, 'the first request of a user who was taken out is refused');
is(ask(%ben, REMOTE_USER => 'anna'), 200, 'one who stays is let in');

unlink $f->path('home/private/token');
is($metrics->($NEW), 403, 'a token that was removed opens nothing');
$page->stop;
$f->finish;
done_testing;
