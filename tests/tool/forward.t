#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox forward: each event is posted as it came to an application's own endpoint.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Event;
use Fixture;
use Proc qw(wait_until);
use Tool;

my ($version) = Fixture::slurp("$FindBin::Bin/../../src/base/version.h") =~ /VERSION "([^"]+)"/;

my @FORWARD = qw(forward -e live);

# A fixture with events, and a server that keeps what it gets as run/got-N before it answers. Gives both.
sub with_server {
    my ($answer, @bodies) = @_;
    my $f = Fixture->new;
    record($f, @bodies);
    return ($f, 'http://127.0.0.1:' . start_server($f, $answer));
}

sub start_server {
    my ($f, $answer, %o) = @_;
    my $folder = $f->path('run');
    return server($f, sub {
        my ($request, $connection) = @_;
        my $n = () = glob "$folder/got-*";
        my $name = sprintf '%s/got-%03d-%d', $folder, $n + 1, $connection;
        $f->write(substr($name, length($f->path) + 1) . '.new', join "\n", "$request->{method} $request->{path}",
            (map { "$_: $request->{headers}{$_}" } sort keys %{ $request->{headers} }), '', $request->{body});
        rename "$name.new", $name;
        return $answer->($request, $f);
    }, %o);
}

sub count { my ($f) = @_; return scalar(my @all = grep { !/new$/ } glob $f->path('run/got-*')) }

sub got { my ($f) = @_; return map { Fixture::slurp($_) } glob $f->path('run/got-*') }

subtest 'the exact body and signature' => sub {
    my $odd = qq({"id":"odd","type":"t",\r\n "payload":{"note":"\xc3\xab \\u0000 }"}\t}\n);
    my @bodies = ($odd, event(size => 900 * 1024), event());
    my ($f, $url) = with_server(sub { '204 No Content' }, @bodies);
    my ($code, $err) = tool($f, @FORWARD, '--once', "$url/hooks/complycube?a=b&c#none");
    is("$code$err " . settled($f), '0 1/1 1/1 1/1', 'a 2xx acks');
    my @got = got($f);
    for my $i (0 .. $#bodies) {
        my ($head, $body) = split /\n\n/, $got[$i], 2;
        ok($body eq $bodies[$i], "the body of event ${\($i + 1)} is the same to the byte");
        my ($first, %header) = ((split /\n/, $head)[0], $head =~ /^([\w-]+): (.*)$/mg);
        delete @header{qw(host accept)};
        is($first, 'POST /hooks/complycube?a=b&c', 'it goes to the very URL');
        is_deeply(\%header, { 'content-type' => 'application/json', 'complycube-signature' => sign($bodies[$i]),
            'content-length' => length $bodies[$i], 'user-agent' => "complycube-inbox/$version" }, 'with no header but these');
    }
    is(scalar(my @connections = glob $f->path('run/got-*-1')), 3, 'by one connection');
    $f->finish;
};

subtest 'what each answer means' => sub {
    my %answer = (
        ok => '200 OK', accepted => '202 Accepted', bad => "400 Bad\r\nContent-Length: 6\r\n\r\nsecret",
        error => "500 Oops\r\nContent-Length: 6\r\n\r\nsecret", auth => '401 No',
        moved => "302 Found\r\nLocation: /login?token=secret\r\nContent-Length: 0\r\n\r\n", cut => "200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nshort",
    );
    my %why = (bad => 'status 400', error => 'status 500', auth => 'status 401', cut => qr/(?:transfer closed|bytes missing)/, slow => 'took longer than 1 s');
    my @names = sort(keys %answer, 'slow');
    my ($f, $url) = with_server(sub { my ($id) = $_[0]{body} =~ /"id":"(\w+)"/; $answer{$id} }, map { event(id => $_) } @names);
    $why{moved} = "status 302, a redirect to $url/login: redirects are not followed";
    my ($code, $err) = tool($f, @FORWARD, '--once', '--timeout', 1, '-w', 3, "$url/");
    is($code, 1, 'with --once it tells that something failed');
    like($err, qr/^complycube-inbox: 2 done, 6 failed$/m, 'and how much');
    my $rows = rows_of($f, 'state, attempts, error');
    for my $i (0 .. $#names) {
        my ($name, $row) = ($names[$i], $rows->[$i]);
        is("$row->[0]/$row->[1]", $why{$name} ? '0/1' : '1/1', "$name: " . ($why{$name} ? 'fails' : 'acks'));
        ref $why{$name} ? like($row->[2], $why{$name}, 'and it is kept why') : is($row->[2], $why{$name}, 'and it is kept why');
    }
    unlike($err, qr/secret|"payload"/, 'nothing of a body or an answer is told');
    is(scalar(grep { /^GET/ } got($f)), 0, 'no redirect is followed');
    $f->finish;
};

subtest 'an application that is down costs no attempt' => sub {
    my ($f, $url) = with_server(sub { "503 Soon\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n" }, event());
    my ($code, $err) = tool($f, @FORWARD, '--once', $url);
    is($code, 1, '503: with --once it gives up');
    like($err, qr/the application is down, its events are kept: status 503$/m, 'and says why');
    is(settled($f), '0/0', 'the event waits');
    my $p = begin($f, @FORWARD, '--max-time', 9, $url);
    my $start = time;
    ok(wait_until(sub { count($f) == 3 }, 6), 'it is tried again');
    cmp_ok(time - $start, '>', 1.7, 'when the application has asked for it');
    is(settled($f) =~ m{^0/[01]$} ? 1 : 0, 1, 'still without an attempt');
    $p->signal('TERM');
    ok($p->ended(5), 'TERM ends its pause at once');
    is($p->exit_code . ' ' . settled($f), '0 0/0', 'and the event waits');

    my $port = $f->port;
    for my $none ("http://127.0.0.1:$port/", 'http://none.invalid/') {
        ($code, $err) = tool($f, @FORWARD, '--once', $none);
        is("$code " . settled($f), '1 0/0', "$none: nobody is there");
        like($err, qr/the application is down, its events are kept: \w/, 'which is told');
    }
    $p = begin($f, @FORWARD, "http://127.0.0.1:$port/");
    ok(wait_until(sub { said($p) =~ /is down/ }), 'it says so');
    start_server($f, sub { '200 OK' }, port => $port);
    ok(wait_until(sub { settled($f) eq '1/1' }, 6), 'and hands the event on when it is there');
    ok(wait_until(sub { said($p) =~ /the application is up again, after \d+ s$/m }), 'which is told');
    $f->finish;
};

for my $form ('table', 'directory') {
    subtest "events that alone make it say 503 do not hold up the others: $form" => sub {
        my $answer = sub { $_[0]{body} =~ /poison/ ? '503 Never' : '200 OK' };
        my @events = ((map { resource_event("poison-$_", "p$_", $_) } 1, 2), map { resource_event("good-$_", "g$_", 9) } 1 .. 3);
        my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
        $conf = qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$conf) if $form eq 'directory';
        for my $once (0, 1) {
            my $f = Fixture->new(conf => $conf);
            my $port = $f->port;
            start_server($f, $answer, port => $port);
            record($f, @events);
            my $done = sub { scalar(my @names = $form eq 'table' ? @{ $f->rows('SELECT 1 FROM inbox WHERE state = 1') } : glob $f->path('home/private/inbox.d/live/done/*/*')) };
            my $counted = sub { scalar(my @names = $form eq 'table' ? @{ $f->rows("SELECT 1 FROM inbox WHERE attempts = 1 AND token IS NULL AND error = 'status 503'") } : glob $f->path('home/private/inbox.d/live/cur/*,a=1,l=*[0-9]')) };
            my @cmd = ($f, @FORWARD, $once ? '--once' : (), "http://127.0.0.1:$port/");
            if ($once) {
                my ($code, $err) = tool(@cmd);
                is($code, 1, 'from cron: it ends, and says that some failed') or diag $err;
            } else {
                begin(@cmd);
            }
            ok(wait_until(sub { $done->() == 3 }, 15), 'the others are done');
            ok(wait_until(sub { $counted->() == 2 }, 15), 'and each of these has failed once, to be tried later');
            $f->finish;
        }
    };
}

subtest 'several at a time, and the end' => sub {
    my ($f, $url) = with_server(sub {
        my (undef, $here) = @_;
        return wait_until(sub { count($here) == 2 }, 5) ? '200 OK' : '500 Alone';
    }, event(), event());
    my ($code, $err) = tool($f, @FORWARD, '-w', 2, '--once', $url);
    is("$code$err " . settled($f), '0 1/1 1/1', 'two that wait for each other come through');

    record($f, event(), event());
    my $silent = server($f, sub { $f->write('run/heard', ''); return });
    my $p = begin($f, @FORWARD, "http://127.0.0.1:$silent");
    ok(wait_until(sub { -e $f->path('run/heard') }), 'one that hangs');
    $p->signal('TERM');
    ok(!$p->ended(0.3), 'is waited for after TERM');
    $p->signal('TERM');
    ok($p->ended(5), 'and no longer after the second');
    is($p->exit_code . ' ' . settled($f), '0 1/1 1/1 0/0 0/0', 'its event waits as if it had never been claimed');
    $f->finish;
};

subtest 'how it is called' => sub {
    my $f = Fixture->new;
    record($f, event());
    for my $url ('', 'localhost:8080', 'ftp://127.0.0.1/', 'file:///etc/passwd', 'http://', 'http://a b/') {
        my ($code, $err) = tool($f, @FORWARD, '--once', $url);
        is($code, 2, "\"$url\" is no URL to forward to") or diag $err;
    }
    is((tool($f, @FORWARD, '--once'))[0], 2, 'nor is none');
    my @openssl = qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost);
    $f->run(@openssl, '-keyout', $f->path('conf/key.pem'), '-out', $f->path('conf/cert.pem'));
    my $port = $f->port;
    my @server = (qw(openssl s_server -quiet -www -accept), "127.0.0.1:$port", '-key', $f->path('conf/key.pem'), '-cert', $f->path('conf/cert.pem'));
    $f->start('s_server', sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }, cmd => \@server) or die;
    my ($code, $err) = tool($f, @FORWARD, '--once', "https://localhost:$port/");
    is("$code " . settled($f), '1 0/0', 'a certificate that nobody trusts gets nothing');
    like($err, qr/its events are kept: .*certificate/, 'and is told');
    $f->finish;
};

done_testing;
