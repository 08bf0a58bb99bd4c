#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# webhooks: the account's webhooks are shown, checked and changed as the API has them. The secret of a new one is in the
# secret file or nobody's, wherever its making is broken off; neither it nor the key is in any output, argument or child.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(object_id webhook);
use Doctor;
use Event;
use Fixture;
use JSON::PP;
use Proc qw(wait_until);
use Test::More;
use Tool;

my $URL = 'https://www.example.org/complycube';

# A fixture whose endpoint live has a key and a URL; more => lines of the endpoint.
sub with_api {
    my (%o) = @_;
    my $f = Fixture->new;
    my $api = Api->new($f, %{ $o{api} // {} });
    my ($url, $more) = ($api->url, $o{more} // '');
    $f->folder('home/keys', 0700);
    $f->write('home/keys/live', "$Api::KEY{live}\n", 0600);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(database = "../../private/inbox.db"\napi = "$url"\n)
        . qq(endpoint live {\n    secret_file = "../../private/secrets"\n    api_key_file = "../../keys/live"\n    url = "$URL"\n$more}\n));
    return ($f, $api);
}

# Run it; a key or a secret in what it prints is a fault.
sub webhooks {
    my ($f, @args) = @_;
    my ($code, $out, $err) = tool_out($f, 'webhooks', @args);
    my @told = grep { index("$out$err", $_) >= 0 } values %Api::KEY, values %SECRET;
    fail("the output has a key or a secret: @told") if @told;
    return ($code, $out, $err);
}

sub changes { my ($api) = @_; return map { "$_->{method} $_->{path} $_->{body}" } grep { $_->{method} ne 'GET' } $api->requests }
sub history { my ($f) = @_; return map { $_->[0] } @{ $f->rows("SELECT detail FROM history WHERE action = 'webhook' ORDER BY id") } }

subtest 'list, show and check say what the API has' => sub {
    my ($f, $api) = with_api(more => qq(    events = {"check.completed", "check.failed", "client.created"}\n));
    $api->load(webhooks => [webhook(), webhook(id => object_id('old'), url => 'https://old.example.org/hook', enabled => JSON::PP::false,
        events => ['check.pending', 'check.completed'], createdAt => '2025-01-01T00:00:00.000Z')]);
    my ($code, $out) = webhooks($f);
    is $code, 0, 'webhooks';
    like $out, qr{^live +@{[object_id('webhook')]}  yes +all +2026-01-29 \d\d:\d\d  \Q$URL\E   <- this endpoint's$}m, 'the endpoint\'s own is marked';
    like $out, qr{^live +@{[object_id('old')]}  NO +2 types +2026-01-29 \d\d:\d\d  https://old\.example\.org/hook$}m, 'and another is not';
    ($code, $out) = webhooks($f, 'show', object_id('old'));
    like $out, qr/^events +check\.pending, check\.completed$/m, 'one of them whole';
    my @json = map { decode_json($_) } split /\n/, (webhooks($f, '--json'))[1];
    is_deeply [map { [@$_{qw(schema endpoint id url enabled events ours)}] } @json],
        [[1, 'live', object_id('webhook'), $URL, JSON::PP::true, ['*'], JSON::PP::true],
         [1, 'live', object_id('old'), 'https://old.example.org/hook', JSON::PP::false, ['check.pending', 'check.completed'], JSON::PP::false]], 'as JSON';
    is_deeply [webhooks($f, 'check')], [0, '', ''], 'check is silent';
    is((webhooks($f, 'show', 'nobody'))[0], 1, 'one that is not there');
    is_deeply [changes($api)], [], 'nothing was changed';
    is_deeply [grep { $_->{key} ne $Api::KEY{live} } $api->requests], [], 'and each request had the key';
    $f->finish;
};

subtest 'check says what is wrong' => sub {
    my ($f, $api) = with_api(more => qq(    events = {"check.completed", "check.failed"}\n));
    my $wrong = sub {
        my ($webhooks, $said, $name) = @_;
        $api->load(webhooks => $webhooks);
        my ($code, $out, $err) = webhooks($f, 'check');
        is $code, 1, "$name: an alarm";
        like $out, $said, 'that says it';
        my ($json) = map { decode_json($_) } (webhooks($f, 'check', '--json'))[1];
        is $json->{wrong}, $name, 'as JSON, too';
        return $out;
    };
    $wrong->([], qr/^endpoint live: no webhook of its account has the URL \Q$URL\E$/m, 'missing');
    my $out = $wrong->([webhook(enabled => JSON::PP::false)], qr/^endpoint live: its webhook @{[object_id('webhook')]} is disabled, since 2026-01-29 .* at the latest$/m, 'disabled');
    like $out, qr/^-> \S*complycube-inbox -c \S+ webhooks enable -e live$/m, 'with what mends it';
    $wrong->([webhook(events => ['check.failed'])], qr/does not send check\.completed$/m, 'lacks-types');
    $wrong->([webhook(), webhook(id => object_id('other'), url => "$URL/")], qr/each event comes twice/, 'twice');
    $wrong->([webhook(), map { webhook(id => object_id("w$_"), url => "https://e$_.example.org") } 1 .. 18], qr/19 of 20/, 'full');
    $api->load(webhooks => [webhook(enabled => JSON::PP::false), webhook(id => object_id('other'))]);
    is_deeply [webhooks($f, 'check')], [0, '', ''], 'a disabled one beside an enabled one is nothing wrong';
    $api->load(webhooks => [webhook(), webhook(id => object_id('other'), createdAt => Api::stamp(1000 * time))]);
    is_deeply [webhooks($f, 'check')], [0, '', ''], 'nor is a second one that is new: a secret is being exchanged';
    $f->finish;
};

subtest 'enable and disable believe what the API says afterwards' => sub {
    my ($f, $api) = with_api();
    record($f, event());
    $api->load(webhooks => [webhook(enabled => JSON::PP::false)]);
    my ($code, $out) = webhooks($f, 'enable', '--dry-run');
    is $out, "POST @{[$api->url]}/webhooks/@{[object_id('webhook')]} {\"enabled\":true}\n", '--dry-run prints the request';
    is_deeply [changes($api)], [], 'and sends none';
    ($code, $out) = webhooks($f, 'enable', '--reason', 'after the move');
    is $code, 0, 'without an id it is the one of the endpoint\'s URL';
    like $out, qr/: enabled$/m, 'and is said to be enabled';
    like $out, qr/^-> \S*complycube-inbox -c \S+ reconcile -e live --since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m, 'with what finds the missed events';
    ok +($api->objects('webhooks'))[0]{enabled}, 'the API has it enabled';
    like((webhooks($f, 'enable'))[1], qr/enabled already/, 'once more: nothing is changed');
    is_deeply [changes($api)], ["POST /v1/webhooks/@{[object_id('webhook')]} {\"enabled\":true}"], 'it was one request';
    is((webhooks($f, 'disable', object_id('webhook')))[0], 0, 'disable');
    is_deeply [history($f)], [map { "$_ @{[object_id('webhook')]} of endpoint live, $URL" } qw(enable disable)], 'both are in the history';
    is $f->value("SELECT reason FROM history WHERE action = 'webhook'"), 'after the move', 'with the reason';
    $api->fault({ what => 'redirect', to => 'https://elsewhere.example/', times => 1 });
    my ($status, undef, $err) = webhooks($f, 'enable');
    is $status, 12, 'a redirect is not followed';
    like $err, qr{points to https://elsewhere\.example/}, 'and is told';
    $f->finish;
};

subtest 'update sends whole lists, and tells what somebody else changed' => sub {
    my ($f, $api) = with_api();
    my $id = object_id('webhook');
    $api->load(webhooks => [webhook(events => ['check.completed', 'check.failed'])]);
    is((webhooks($f, 'update', $id, qw(--add client.created --remove check.failed)))[0], 0, '--add and --remove');
    is_deeply +($api->objects('webhooks'))[0]{events}, ['check.completed', 'client.created'], 'change the list that is there';
    is((webhooks($f, 'update', $id, '--url', 'https://new.example.org/', '--description', 'a "b"'))[0], 0, 'the URL and the description');
    is_deeply [@{ ($api->objects('webhooks'))[0] }{qw(url description enabled)}], ['https://new.example.org/', 'a "b"', JSON::PP::true], 'and the rest stays';
    my ($code, undef, $err) = webhooks($f, 'update', $id, '--type', 'check.vanished');
    is $code, 2, 'a type that is none';
    like $err, qr/invalid_request: 'check\.vanished' is not one of the allowed values.*\)$/, 'in the API\'s words';
    is((webhooks($f, 'update', $id, '--remove', 'check.completed', '--remove', 'client.created'))[0], 2, 'none would be left');
    $api->load(webhooks => [webhook()]);
    is((webhooks($f, 'update', $id, '--remove', 'check.failed'))[0], 2, 'of all types none is taken away');
    is((webhooks($f, 'update', $id))[0], 2, 'nothing to change');
    $api->load(webhooks => [webhook(events => ['check.failed'])]);
    $api->fault({ what => 'drop', method => 'POST' });
    ($code, undef, $err) = webhooks($f, 'update', $id, '--add', 'check.completed');
    is $code, 12, 'no answer';
    is scalar(grep { /^POST.*check\.completed/ } changes($api)), 1 + 1, 'and it is not sent again';
    $f->finish;
};

subtest 'delete asks first' => sub {
    my ($f, $api) = with_api();
    record($f, event());
    $api->load(webhooks => [webhook()]);
    my ($code, undef, $err) = webhooks($f, 'delete', object_id('webhook'));
    is $code, 2, 'without a terminal';
    like $err, qr/--yes/, 'it wants --yes';
    is scalar($api->objects('webhooks')), 1, 'and deletes nothing';
    is((webhooks($f, 'delete', object_id('webhook'), '--yes'))[0], 0, 'with --yes');
    is scalar($api->objects('webhooks')), 0, 'it is gone';
    is_deeply [history($f)], ["delete @{[object_id('webhook')]} of endpoint live, $URL"], 'on record';
    $f->finish;
};

subtest 'create puts the secret into the file before anything comes with it' => sub {
    my ($f, $api) = with_api();
    record($f, event());
    my $file = $f->path('home/private/secrets');
    my @before = (stat $file)[2, 4, 5];
    my ($code, $out, $err) = webhooks($f, qw(create --secret 2027 --type check.completed));
    is $code, 0, 'create' or diag $err;
    my ($made) = $api->objects('webhooks');
    my $secret = substr Digest::SHA::sha256_hex("secret $made->{id}"), 0, 32;
    unlike "$out$err", qr/$secret/, 'the secret is not printed';
    like Fixture::slurp($file), qr/^main .*\nformer .* retired\n2027 $secret\n\z/m, 'it is the last line of the file';
    is_deeply [(stat $file)[2, 4, 5]], \@before, 'whose owner and mode are what they were';
    my @changes = changes($api);
    like $changes[0], qr/"enabled":false/, 'it is made disabled';
    like $changes[1], qr/^POST .* \{"enabled":true\}$/, 'and then enabled';
    my ($asked) = grep { $_->{method} eq 'POST' && $_->{body} =~ /true/ } $api->requests;
    cmp_ok $asked->{at} - (stat $file)[10], '>=', 1.5, 'once receivers have read the file';
    is_deeply [@$made{qw(url events)}], [$URL, ['check.completed']], 'with the URL and these types';
    like $made->{description}, qr/^\[complycube-inbox \S+ 2027\]$/, 'and says what made it';
    my $body = event(id => 'with-the-new-one');
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] });
    is $answer->{status}, 200, 'the receiver accepts what it signs';
    is_deeply [glob "$file.*"], [map { "$file.$_" } qw(database narrow sandbox)], 'no other file is left';
    is((webhooks($f, qw(create --secret 2027)))[0], 10, 'a name that is taken');
    is scalar(changes($api)), 2, 'ends before anything is asked';
    $f->finish;
};

subtest 'a create that is broken off loses no secret' => sub {
    for my $at (1 .. 4) {
        my ($f, $api) = with_api();
        my $file = $f->path('home/private/secrets');
        my $old = Fixture::slurp($file);
        $api->fault({ what => 'hang', skip => $at - 1 });
        my $p = begin($f, qw(webhooks create --secret next));
        ok wait_until(sub { scalar($api->requests) >= $at }, 10), "request $at";
        $p->signal('KILL');
        $p->ended(5);
        $api->mend;
        my ($made) = $api->objects('webhooks');
        my $secret = $made ? substr(Digest::SHA::sha256_hex("secret $made->{id}"), 0, 32) : 'none';
        my $kept = Fixture::slurp($file) =~ /^next $secret$/m;
        ok $kept || Fixture::slurp($file) eq $old, 'the file is the old one or the new one';
        ok !$made || $kept || !$made->{enabled}, 'a webhook whose secret nobody has sends nothing';
        my ($code, undef, $err) = webhooks($f, qw(create --secret next));
        if ($kept) { is $code, 10, 'it is not made again' }
        elsif ($made) {
            like $err, qr/webhook $made->{id} was made .*webhooks delete -e live $made->{id}$/ms, 'it is named, and how to remove it';
            is((webhooks($f, 'delete', $made->{id}, '--yes'))[0], 0, 'it is removed');
            is((webhooks($f, qw(create --secret next)))[0], 0, 'and made again');
        } else { is $code, 0, 'it is made by the next run' }
        $f->finish;
    }
    my ($f, $api) = with_api();
    $api->fault({ what => 'drop', method => 'POST' });
    my ($code, undef, $err) = webhooks($f, qw(create --secret next));
    is $code, 12, 'no answer';
    like $err, qr/webhook @{[($api->objects('webhooks'))[0]{id}]} was made, and nobody knows its secret/, 'the one that was made is told';
    $f->finish;
};

subtest 'a secret file that cannot be replaced ends it before anything is made' => sub {
    my ($f, $api) = with_api();
    chmod 0500, $f->path('home/private');
    my ($code, undef, $err) = webhooks($f, qw(create --secret next));
    is $code, 5, 'create ends';
    is_deeply [changes($api)], [], 'and nothing was asked for';
    chmod 0700, $f->path('home/private');
    $f->write('home/private/secrets.new', Fixture::slurp($f->path('home/private/secrets')) . "next 0123456789abcdef0123456789abcdef\n", 0600);
    ($code, undef, $err) = webhooks($f, qw(create --secret next));
    is $code, 5, 'a file that another run has left';
    like $err, qr/secrets\.new is there/, 'is named';
    ok -e $f->path('home/private/secrets.new'), 'and stays';
    $f->finish;
};

subtest 'the key is refused where others may write it, and in the wrong world' => sub {
    my ($f, $api) = with_api();
    my $refused = sub {
        my ($text, $mode, $code, $says, $name) = @_;
        $f->write('home/keys/live', $text, $mode);
        my ($got, undef, $err) = webhooks($f);
        is $got, $code, $name;
        like $err, $says, 'and says why';
    };
    $refused->("$Api::KEY{live}\n", 0606, 10, qr/anyone may write .*keys\/live/, 'anyone may write it');
    $refused->("", 0600, 10, qr/holds no API key: it is empty/, 'it is empty');
    $refused->("$Api::KEY{live} $Api::KEY{test}\n", 0600, 10, qr/more than one word/, 'it is two words');
    $refused->("$Api::KEY{test}\n", 0600, 9, qr/begins with test_, and its name says live/, 'it is of the sandbox');
    $refused->("live_unknown0123456789abcdef\n", 0600, 10, qr/does not know the key of endpoint live \(\S+keys\/live\) \(unauthorized: /, 'the API does not know it');
    $f->write('home/keys/live', "\xef\xbb\xbf$Api::KEY{live}\r\n", 0644);
    is((webhooks($f))[0], 0, 'a mark and a carriage return are forgiven');
    is((stat $f->path('home/keys/live'))[2] & 0777, 0600, 'and the mode is narrowed');
    unlink $f->path('home/keys/live');
    is((webhooks($f))[0], 10, 'no file');
    $f->finish;
};

subtest 'the environment may have the key, and no child has' => sub {
    my ($f, $api) = with_api();
    my $config = Fixture::slurp($f->config) =~ s/^ *api_key_file.*\n//mr;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $config);
    is((webhooks($f))[0], 9, 'without a key');
    is((tool_out($f, 'webhooks', { env => { COMPLYCUBE_API_KEY => $Api::KEY{live} } }))[0], 0, 'with COMPLYCUBE_API_KEY');
    record($f, event());
    my $out = $f->path('run/seen');
    $f->write('run/handler', "#!/bin/sh\nenv >'$out'\n", 0755);
    my ($code) = tool($f, qw(work --once --), $f->path('run/handler'), { env => { COMPLYCUBE_API_KEY => $Api::KEY{live} } });
    is $code, 0, 'a handler is run';
    unlike Fixture::slurp($out), qr/\Q$Api::KEY{live}/, 'without the key in its environment';
    $api->forget_requests;
    $api->fault({ what => 'hang' });
    my $p = begin($f, 'webhooks', { env => { COMPLYCUBE_API_KEY => $Api::KEY{live} } });
    ok wait_until(sub { scalar($api->requests) }, 10), 'a request is under way';
    my $pid = $p->pid;
    unlike Fixture::slurp("/proc/$pid/$_"), qr/\Q$Api::KEY{live}/, "and not in /proc/PID/$_" for $> == 0 ? qw(cmdline environ) : 'cmdline';
    $p->stop;
    $f->finish;
};

subtest 'TLS is verified' => sub {
    my ($f, $api) = with_api(api => { tls => 1 });
    my ($code, undef, $err) = webhooks($f);
    is $code, 12, 'an authority that nobody knows';
    like $err, qr/cannot be reached: SSL/, 'is none';
    is scalar($api->requests), 0, 'and gets no request';
    is((tool_out($f, 'webhooks', { env => { SSL_CERT_FILE => $f->path('conf/api-root.pem') } }))[0], 0, 'one that SSL_CERT_FILE names is');
    $f->finish;
};
subtest 'watch --api is an alarm for a webhook that sends nothing' => sub {
    my ($f, $api) = with_api(more => qq(    events = {"check.completed", "check.failed"}\n));
    record($f, event(type => 'check.failed'));
    my $watch = sub { tool_out($f, qw(watch --oldest 9d), @_) };
    $api->load(webhooks => [webhook(enabled => JSON::PP::false)]);
    is_deeply [$watch->()], [0, '', ''], 'without --api nothing is asked';
    is scalar($api->requests), 0, 'indeed';
    my ($code, $out, $err) = $watch->('--api');
    is $code, 1, 'disabled';
    my ($cure) = $err =~ /^complycube-inbox: endpoint live: its webhook \S+ is disabled, since 2026-01-29 .* at the latest: \S*complycube-inbox -c \S+ (.*)$/m;
    is $cure, 'webhooks enable -e live', 'the line ends in what mends it';
    my (undef, @enable) = split ' ', $cure;
    is((webhooks($f, @enable))[0], 0, 'which does');
    is_deeply [$watch->('--api')], [0, '', ''], 'and then it is silent';
    $api->load(webhooks => [webhook(url => 'https://elsewhere.example.org/')]);
    like(($watch->('--api'))[2], qr/no webhook of its account has the URL/, 'it points elsewhere');
    $api->load(webhooks => [webhook(events => ['check.failed'])]);
    like(($watch->('--api'))[2], qr/does not send check\.completed/, 'it lacks a type');
    $api->fault({ what => 'status', status => 429, retry_after => 3000, times => -1 });
    my $before = time;
    like(($watch->('--api'))[2], qr/the API takes no more requests now/, 'an API that wants to be left alone is told');
    cmp_ok time - $before, '<', 30, 'and not waited for';
    $f->finish;
};

subtest 'doctor examines the key and the webhook, and what it prints mends them' => sub {
    my ($f, $api) = with_api(more => qq(    events = {"check.completed", "check.failed"}\n));
    my $config = Fixture::slurp($f->config) =~ s/^    url = .*\n/    url = "http:\/\/127.0.0.1:1\/hook"\n/mr;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $config);
    my $here = 'http://127.0.0.1:1/hook';
    tool($f, 'init');
    my $subjects = sub { my (undef, @told) = doctor($f); return grep { $_->{what} =~ /^(?:api|api key|webhook)$/ } @told };
    $api->load(webhooks => [webhook(url => $here)]);
    is_deeply [map { "$_->{verdict} $_->{what}" } $subjects->()], ['ok webhook'], 'all is well';
    my $mends = sub {
        my ($webhook, $name) = @_;
        wait_until(sub { time - ($api->requests)[-1]{at} > 1 }, 5);    # processes that follow each other know nothing of the rate
        $api->load(webhooks => [$webhook]);
        my ($found) = $subjects->();
        is $found->{verdict}, 'wrong', $name;
        cure($found);
        is_deeply [map { "$_->{verdict} $_->{what}" } $subjects->()], ['ok webhook'], 'its cure mends it' or diag $f->{said};
    };
    $mends->(webhook(url => $here, enabled => JSON::PP::false), 'a disabled webhook');
    $mends->(webhook(url => $here, events => ['client.created']), 'one without types that are asked for');
    my (undef, @told) = doctor($f);
    my ($url) = grep { $_->{what} eq 'connection' } @told;
    like $url->{finding}, qr{^http://127\.0\.0\.1:1/hook: }, 'url is tried without being asked';
    my $conf = Fixture::slurp($f->config);
    $f->folder('home/private/keys', 0700);
    for my $key ('private/key', 'private/keys/live') {
        $f->write("home/$key", $Api::KEY{live}, 0600);
        $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf =~ s{keys/live}{$key}r);
        is_deeply [map { "$_->{verdict} $_->{what}" } $subjects->()], ['warning api key', 'ok webhook'], "a key within the receiver's reach: $key";
    }
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf);
    $f->write('home/keys/live', 'short', 0600);
    my ($found) = $subjects->();
    is "$found->{verdict} $found->{what}", 'wrong api', 'a key that is none';
    $f->finish;
};
done_testing;
