#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox work: a command for each event, as a web server runs a CGI; and what its end means.
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

my @WORK = qw(work -e live);

subtest 'what a command answers and how it ends' => sub {
    my @table = (
        ['nothing at all acks', '', 1],
        ['a 2xx acks', q(printf 'Content-Type: text/plain\r\nstatus:201 Created\r\n\r\nStatus: 500\n'), 1],
        ['a header without Status acks', q(printf 'X: y\n\nStatus: 500\n'), 1],
        ['so does output that is no header', 'echo well done', 1],
        ['much output does not block it', 'head -c 300000 /dev/zero', 1],
        ['an exit code', q(printf 'Status: 200 OK\n\n'; exit 3), 0, 'exit code 3'],
        ['status 500', q(printf 'Status: 500 Internal Server Error\r\n\r\n'), 0, 'status 500'],
        ['status 500 behind which nothing comes', q(printf 'Status: 500'), 0, 'status 500'],
        ['status 302', q(printf 'Location: /login\nStatus: 302 Found\n\n'), 0, 'status 302'],
        ['a Status that is none', q(printf 'Status: fine\n\n'), 0, 'answered a Status that is no number'],
        ['a signal', 'kill -9 $$', 0, 'ended by signal 9, Killed'],
        ['time', 'echo $$ >late; sleep 30', 0, 'took longer than 1 s'],
    );
    my $script = join "\n", 'cat >/dev/null', 'case $n in', (map { ($_ + 1) . ") $table[$_][1];;" } 0 .. $#table), 'esac';
    my ($f, $handler) = with_handler($script, map { event(size => 400) } @table);
    my $start = time * 1000;
    my ($code, $err) = tool($f, @WORK, '-w', 4, '--once', '--timeout', 1, $handler);
    my $rows = rows_of($f, 'state, attempts, error, due_ms, token');
    is($code, 1, 'with --once it tells that something failed');
    like($err, qr/^complycube-inbox: 5 done, 7 failed$/m, 'and how much');
    for my $i (0 .. $#table) {
        my ($name, undef, $good, $why) = @{ $table[$i] };
        my ($state, $attempts, $error, $due_ms, $token) = @{ $rows->[$i] };
        is_deeply([$state, $attempts, $error, $token], [$good ? 1 : 0, 1, $why, undef], $name);
        next if $good;
        cmp_ok($due_ms - $start, '>', 50_000, "$name: again later");
        like($err, qr/^complycube-inbox: event ${\($i + 1)} \(evt-\S+ check\.completed\.clear\) failed: \Q$why\E; again at \d/m, "$name is told");
    }
    unlike($err, qr/xxx|"payload"/, 'nothing of a body is told');
    my $late = Fixture::slurp($f->path('run/late')) + 0;
    ok(!kill(0, $late), 'what took too long is gone');
    $f->finish;
};

subtest 'the exact body and signature, and an environment like that of a CGI' => sub {
    my $odd = qq({"id":"odd","type":"t",\r\n "payload":{"note":"\xc3\xab \\u0000 }"}\t}\n);
    my $long = event(size => 900 * 1024);
    my ($f, $handler) = with_handler('cat >body.$n; env >env.$n; ls -l /proc/self/fd >fd.$n',
        $odd, $long);
    my %env = (COMPLYCUBE_WEBHOOK_SECRET => 'never-shown', COMPLYCUBE_WEBHOOK_CONFIG => '/nowhere', HTTP_COMPLYCUBE_SIGNATURE => 'no',
        OWN => 'kept');
    my ($code, $err) = tool($f, @WORK, '--once', '--', $handler, 'argument', { env => \%env });
    is("$code$err", '0', 'all went well, and a cron job has nothing to mail');
    my %body = (1 => $odd, 2 => $long);
    my %mine = map { (readlink($_) // '') => 1 } glob '/proc/self/fd/*';    # what the test was given itself
    for my $n (1, 2) {
        ok(Fixture::slurp($f->path("run/body.$n")) eq $body{$n}, "the body of event $n is the same to the byte");
        my %got = map { /^(\w+)=(.*)/ } split /\n/, Fixture::slurp($f->path("run/env.$n"));
        my %want = (GATEWAY_INTERFACE => 'CGI/1.1', REQUEST_METHOD => 'POST', CONTENT_TYPE => 'application/json', QUERY_STRING => '',
            CONTENT_LENGTH => length $body{$n}, HTTP_COMPLYCUBE_SIGNATURE => sign($body{$n}), REDIRECT_STATUS => 200,
            SERVER_PROTOCOL => 'HTTP/1.1', SERVER_NAME => 'localhost', REMOTE_ADDR => '127.0.0.1', SCRIPT_FILENAME => $handler,
            SCRIPT_NAME => '/handler', REQUEST_URI => '/handler', COMPLYCUBE_INBOX_ENDPOINT => 'live', COMPLYCUBE_INBOX_SEQ => $n,
            COMPLYCUBE_INBOX_ATTEMPT => 1, OWN => 'kept');
        is_deeply({ map { $_ => $got{$_} } keys %want }, \%want, 'its variables are those of a CGI');
        is_deeply([grep { /^COMPLYCUBE_WEBHOOK_/ } keys %got], [], 'and none of the receiver');
        my $fds = Fixture::slurp($f->path("run/fd.$n"));
        my @leaked = grep { !m{^/proc/\d+/fd$} && !$mine{$_} } $fds =~ / (?:[3-9]|\d\d+) -> (.*)/g;
        is_deeply(\@leaked, [], 'no descriptor leaks into it');
    }
    record($f, event());
    ($code) = tool($f, @WORK, '--once', 'dd', 'if=/proc/self/status', 'of=' . $f->path('run/status'));    # a shell has its own way
    my %sig = Fixture::slurp($f->path('run/status')) =~ /^(Sig\w+):\s*(\w+)$/mg;
    is(hex(substr $sig{$_}, -8) & 0x7fffffff, 0, "no signal is left in $_") for qw(SigBlk SigIgn);
    $f->finish;
};

subtest 'how it is called' => sub {
    my ($f, $handler) = with_handler('cat >/dev/null', event(), event(type => 'client.created'), event(type => 'client.updated'));
    my %wrong = ('no command' => [], 'one that is not there' => ['none-such'], 'or not here' => ["$handler.none"],
        'one that is no program' => [$f->config], 'a folder' => [$f->path('run')]);
    for my $name (sort keys %wrong) {
        my ($code, $err) = tool($f, @WORK, '--once', '--', @{ $wrong{$name} });
        is($code, 2, "$name is an error") or diag $err;
    }
    is((tool($f, @WORK, '--workers', $_, $handler))[0], 2, "$_ workers are an error") for 0, 65, 'x';
    my ($code, $err) = tool($f, 'work', '--once', $handler);
    is($code, 1, 'where there are several endpoints one must be named');
    like($err, qr/live, narrow, sandbox/, 'and is told which there are');
    is(settled($f), '0/0 0/0 0/0', 'nothing was claimed by any of it');
    ($code, $err) = tool($f, @WORK, '--once', '-t', 'client.created', '--type', 'client.updated', $handler, '--once', '-e', 'x');
    is("$code$err " . settled($f), '0 0/0 1/1 1/1', 'types: those only; and the options of the command are its own');
    ($code) = tool($f, qw(work -e sandbox --once), $handler);
    is("$code " . settled($f), '0 0/0 1/1 1/1', 'another endpoint gets none of them');
    $f->finish;
};

subtest 'a command that cannot be run costs no attempt' => sub {
    my ($f, $handler) = with_handler('echo $n >>done', event());
    my $good = Fixture::slurp($handler);
    $f->write('run/handler', "#!/nonexistent\n", 0755);
    my ($code, $err) = tool($f, @WORK, '--once', $handler);
    is($code, 1, 'with --once it gives up');
    like($err, qr/the application is down, its events are kept: \S+handler: No such file or directory$/m, 'and says why');
    is(settled($f), '0/0', 'the event waits');
    my $p = begin($f, @WORK, $handler);
    ok(wait_until(sub { said($p) =~ /is down/ }), 'without it says so, too');
    record($f, event());
    $f->write('run/handler', $good, 0755);
    ok(wait_until(sub { settled($f) eq '1/1 1/1' }, 8), 'and goes on when it can');
    ok(wait_until(sub { said($p) =~ /the application is up again, after \d s$/m }), 'which is told');
    is(scalar(my @down = said($p) =~ /is down/g), 1, 'once');
    $f->finish;
};

subtest 'what a person is likely to mistype' => sub {
    my ($f, $handler) = with_handler('cat >/dev/null', event());
    my $script = $f->write('run/script.sh', "exit 0\n");
    for my $try ([['php', $script], qr/use php-cgi/], [['/usr/bin/php8.2', $script], qr/use php-cgi/],
        [['php-cgi', '/nonexistent/webhook.php'], qr{/nonexistent/webhook\.php: no such script}], [['php-cgi'], qr/its path comes last/],
        [[$script], qr/not executable/], [['/nonexistent/handler'], qr/no such program/])
    {
        my ($code, $err) = tool($f, @WORK, '--once', '--', @{ $try->[0] });
        is($code, 2, "@{ $try->[0] } is refused");
        like($err, $try->[1], 'with the reason');
    }
    is(settled($f), '0/0', 'and the event waits');
    $f->finish;
};

subtest 'a user who can read no secret may work' => sub {
    my ($f, $handler) = with_handler('cat >/dev/null', event());
    unlink $f->path('home/private/secrets') or die;
    my ($code, $err) = tool($f, @WORK, '--once', $handler);
    is("$code$err", '0', 'work needs none');
    is(settled($f), '1/1', 'and does its work');
    is((tool($f, $_))[0], 0, "nor does $_") for 'list';
    is((tool($f, 'doctor'))[0] ? 1 : 0, 1, 'but doctor looks for them');
    $f->finish;
};

done_testing;
