#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The page is closed until the web server has authenticated a user whom the configuration names; and nothing of the database is
# opened before that.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use MIME::Base64 qw(encode_base64);
use Test::More;
use Deploy;
use Fixture;
use PageData;
use Proc qw(look_into);

my @FORGED = qw(Remote-User Remote_User REMOTE_USER remote_user X-Remote-User X-Forwarded-User Auth-Type AUTH_TYPE Auth_Type
    HTTP_REMOTE_USER);

my $f = page_fixture();
my ($client) = page_data($f, clients => 2, well => 1);

sub is_closed {
    my ($answer, $status, $name) = @_;
    ok($answer->{status} == $status && $answer->{body} !~ /<|$client/, $name)
        or diag "$answer->{status} $answer->{body}";
}

# ---- by the environment alone ----

is(page($f, '')->{status}, 200, 'a user who is named sees the page');
my @refused = (
    [403, 'no user', REMOTE_USER => undef], [403, 'an empty user', REMOTE_USER => ''],
    [403, 'no kind of authentication', AUTH_TYPE => undef], [403, 'an empty kind of authentication', AUTH_TYPE => ''],
    [403, 'a user who is not named', REMOTE_USER => 'carol'], [403, 'a longer name', REMOTE_USER => 'annab'],
    [403, 'the name in other letters', REMOTE_USER => 'Anna'], [403, 'a blank after the name', REMOTE_USER => 'anna '],
    [403, 'the word for all, as a user', REMOTE_USER => '*'], [403, 'a list of users', REMOTE_USER => 'anna, ben'],
    [403, 'a name of 1000 bytes', REMOTE_USER => 'a' x 1000], [403, 'a name with a newline', REMOTE_USER => "anna\n"],
    [405, 'POST to the first page', REQUEST_METHOD => 'POST'], [405, 'PUT', REQUEST_METHOD => 'PUT'],
    [405, 'no method', REQUEST_METHOD => ''], [403, 'a user in a variable of the receiver', REMOTE_USER => undef, HTTP_REMOTE_USER => 'anna'],
    (map { my $name = uc "HTTP_$_" =~ tr/-/_/r; [403, "the header $_", REMOTE_USER => undef, AUTH_TYPE => undef, $name => 'anna'] } @FORGED),
);
for my $case (@refused) {
    my ($status, $name, %env) = @$case;
    is_closed(page($f, '', env => \%env), $status, "closed for $name");
}
is(page($f, '', env => { REQUEST_METHOD => 'POST' })->{headers}{allow}, 'GET, HEAD', 'a 405 names the methods');

# ---- by the configuration ----

my $base = Fixture::slurp($f->config) =~ s/^page \{.*?^\}\n//msr;
for my $case (
    [403, 'no block', ''],
    [403, 'a block without users', 'page { log = "x.log" }'],
    [403, 'an empty list of users', 'page { users = {} }'],
    [500, 'a user without a name', 'page { users = {""} }'],
    [500, 'payloads for all', 'page { users = {"anna"} payload = {"*"} log = "../../private/page.log" }'],
    [500, 'payloads, and no record of who looks', 'page { users = {"anna"} payload = {"anna"} }'],
    [500, 'an unknown key', 'page { users = {"anna"} user = {"*"} }'],
    [500, 'a block that is not closed', 'page { users = {"anna"}'],
) {
    my ($status, $name, $block) = @$case;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', "$base\n$block\n");
    is_closed(page($f, ''), $status, "closed with $name");
}
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq($base\npage { users = {"*"} }\n));
is(page($f, '', env => { REMOTE_USER => 'carol' })->{status}, 200, '{"*"}: whoever the web server has authenticated');
is_closed(page($f, '', env => { REMOTE_USER => undef }), 403, 'but nobody else');

# ---- the figures ----

my $token = 'f' x 32;
$f->write('home/private/token', "$token\n", 0600);
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq($base\npage { users = {"anna"} metrics = "../../private/token" }\n));
my $metrics = sub { my (%env) = @_; return page($f, '', env => { PATH_INFO => '/metrics', REMOTE_USER => undef, AUTH_TYPE => undef, %env }) };
my $figures = $metrics->(HTTP_AUTHORIZATION => "Bearer $token");
ok($figures->{status} == 200 && $figures->{body} =~ /^complycube_inbox_up 1$/m, 'with the token the figures are there') or diag $figures->{body};
like($figures->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4}, 'as Prometheus wants them');
is_closed($metrics->(%{ $_->[1] }), 401, "closed with $_->[0]") for ['no token', {}], ['another token', { HTTP_AUTHORIZATION => 'Bearer ' . 'g' x 32 }],
    ['half a token', { HTTP_AUTHORIZATION => 'Bearer ' . 'f' x 16 }], ['a longer one', { HTTP_AUTHORIZATION => "Bearer ${token}f" }],
    ['a password', { HTTP_AUTHORIZATION => "Basic $token" }];
is($metrics->(REMOTE_USER => 'anna', AUTH_TYPE => 'Basic')->{status}, 200, 'a user gets them as well');
is_closed(page($f, '', env => { REMOTE_USER => undef, HTTP_AUTHORIZATION => "Bearer $token" }), 403, 'the token opens the figures alone');
chmod 0644, $f->path('home/private/token');
is_closed($metrics->(HTTP_AUTHORIZATION => "Bearer $token"), 403, 'closed with a token that others may read');
$f->write('home/private/token', "short\n", 0600);
is_closed($metrics->(HTTP_AUTHORIZATION => 'Bearer short'), 403, 'closed with a token that is short');

# ---- a thousand requests, and what they open ----

look_into();
SKIP: {
    skip 'strace is not installed', 2 if system('command -v strace >/dev/null 2>&1') != 0;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq($base\npage { users = {"anna"} }\n));
    my $opened = sub {
        my ($n, %env) = @_;
        my $trace = $f->path('run/strace');
        my $program = $f->path('home/public_html/cgi-bin/complycube-page.cgi');
        my $loop = 'for (1 .. shift) { system { $ARGV[0] } @ARGV }';
        my ($code, $out, $err) = $f->run(qw(strace -f -qq -e), 'trace=open,openat,stat,newfstatat,access,faccessat,faccessat2', '-o', $trace,
            'perl', '-e', $loop, $n, $program, { limit => 300, env => { %{ page_env($f, '') }, %env } });
        my @lines = grep { /inbox\.db/ } split /\n/, Fixture::slurp($trace);
        my $answers = () = $out =~ /^Status: (?:403|200) /mg;
        # O_PATH: whether the name is a link, of which nothing can be read
        return ($answers, scalar grep { !/O_PATH| (?:new)?f?stat(?:at)?\(| f?access(?:at2?)?\(/ } @lines);
    };
    my ($answers, $n) = $opened->(1, REMOTE_USER => 'anna');
    ok($answers == 1 && $n > 0, 'a request of a named user opens the database, and strace sees it');
    is_deeply([$opened->(1000, REMOTE_USER => 'mallory')], [1000, 0], 'of 1000 requests without a named user none opens it');
}

# ---- by the servers ----

$f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq($base\npage { users = {"anna", "ben"} metrics = "../../private/token" }\n));
$f->write('home/private/token', "$token\n", 0600);
sub basic { my ($user, $password) = @_; return (Authorization => 'Basic ' . encode_base64("$user:" . ($password // "the password of $user"), '')) }

my %edit = ('nginx page' => sub {
    my ($text) = @_;
    $text =~ s{/run/complycube/page\.sock}{$f->path('run/receiver.sock')}ge;
    $text =~ s{/usr/local/etc/complycube-page\.users}{$f->path('conf/page.users')}ge;
    return $text;
});
my %open = (
    'lighttpd page' => sub { $_[0] =~ s/^ *auth\.require.*?^ *\) \)\n//msr },
    'Apache page'   => sub { $_[0] =~ s/^ *(?:AuthType|AuthName|AuthBasic|AuthUserFile).*\n//mgr =~ s/Require valid-user/Require all granted/r },
    'nginx page'    => sub { $edit{'nginx page'}->($_[0]) =~ s/^ *auth_basic.*\n//mgr =~ s/AUTH_TYPE\s+Basic/AUTH_TYPE ""/r },
);
for my $name ('lighttpd page', 'Apache page', 'nginx page') {
    my $d = deploy($f, $name, $edit{$name} ? (edit => $edit{$name}) : ());
    my $get = sub { $d->{client}->({ method => 'GET', path => $_[0], headers => $_[1] // [] }) };
    is($get->('/inbox', [basic('anna')])->{status}, 200, "$name: a named user with her password sees it");
    is($get->('/inbox', [basic('carol')])->{status}, 403, "$name: one who has a password and is not named does not");
    is($get->('/inbox', [basic('anna', 'guess')])->{status}, 401, "$name: a wrong password");
    is($get->('/inbox')->{status}, 401, "$name: no password");
    is($get->('/inbox', [map { $_ => 'anna' } @FORGED])->{status}, 401, "$name: forged headers are no password");
    my $found = $d->{client}->({ method => 'POST', path => '/inbox?view=find', headers => [basic('anna')], body => "find=$client" });
    ok($found->{status} == 200 && $found->{body} =~ /How it stands/, "$name: a client is found by the form") or diag "$found->{status} $found->{body}";
    is($get->('/inbox/metrics', [Authorization => "Bearer $token"])->{status}, 200, "$name: the figures are there for the token");
    is($get->('/inbox/metrics', $_)->{status}, 401, "$name: and for nobody else")
        for [], [Authorization => 'Bearer ' . 'g' x 32], [basic('anna')], [map { $_ => 'anna' } @FORGED];
    is($get->($_, [Authorization => "Bearer $token"])->{status}, 401, "$name: the token does not open $_") for '/inbox', '/inbox?view=events';
    unlike($get->('/inbox', [basic('anna')])->{body}, qr/Not encrypted/, "$name: TLS is seen");
    $f->stop;
    $d = deploy($f, $name, edit => $open{$name});
    $get = sub { $d->{client}->({ method => 'GET', path => $_[0], headers => $_[1] // [] }) };
    is_closed($get->('/inbox', $_->[1]), 403, "$name, its authentication taken out: closed with $_->[0]")
        for ['nothing', []], ['forged headers', [map { $_ => 'anna' } @FORGED]], ['a password that nobody looks at', [basic('anna')]];
    $f->stop;
}

# ---- the socket ----

my $socket = $f->path('run/wide.sock');
my ($code, undef, $err) = $f->run(qw(spawn-fcgi -n -M 0777 -s), $socket, '--',
    $f->path('home/public_html/cgi-bin/complycube-page.cgi'), { env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config } });
is($code, 9, 'a socket that others can connect to is refused, since they could claim to be any user');
like($err, qr/claim to be any user/, 'and the message says so');
$f->finish;
done_testing;
