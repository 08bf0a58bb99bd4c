#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox: init, list, show, doctor and sign, over a database that the receiver filled.
use strict;
use warnings;
use DBI;
use Digest::SHA qw(hmac_sha256_hex);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Doctor;

my $bin = $ENV{BIN} // 'build/bin';
my $dir = tempdir(CLEANUP => !$ENV{KEEP});
my $secret = 'akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH';
my $db = "$dir/private/inbox.db";
delete @ENV{ grep { /^(COMPLYCUBE|REQUEST_METHOD|GATEWAY)/ } keys %ENV };

sub spew { my ($path, $text, $mode) = @_; open my $f, '>', $path or die; print $f $text; close $f; chmod $mode // 0600, $path }
spew("$dir/inbox.conf", <<'CONF');
database = "private/inbox.db"
endpoint live { secret_file = "secrets" }
endpoint sandbox { secret_file = "secrets.sandbox" }
CONF
spew("$dir/secrets", "main $secret\nold gone-with-the-wind retired\n");
spew("$dir/secrets.sandbox", "sandbox-secret-of-the-tests\n");

# Run the tool: its exit code, what it printed, what it complained of.
sub tool {
    my ($stdin, @args) = @_;
    spew("$dir/in", $stdin);
    my $quoted = join ' ', map { "'$_'" } @args;
    my $out = `$bin/complycube-inbox -c $dir/inbox.conf $quoted <$dir/in 2>$dir/err`;
    my $code = $? >> 8;
    open my $f, '<', "$dir/err" or die;
    return ($code, $out, do { local $/; <$f> } // '');
}

sub post {
    my ($body, $key) = @_;
    local @ENV{qw(COMPLYCUBE_WEBHOOK_CONFIG REQUEST_METHOD HTTP_COMPLYCUBE_SIGNATURE)} =
        ("$dir/inbox.conf", 'POST', hmac_sha256_hex($body, $key));
    spew("$dir/in", $body);
    return `$bin/complycube-webhook <$dir/in 2>/dev/null` =~ /^Status: (\d+)/ ? $1 : 0;
}

my ($code, $out, $err) = tool('', 'list');
is($code, 1, 'before init, list fails');
like($err, qr/complycube-inbox init/, 'and says what to do');

($code, $out) = tool('', 'init');
is($code, 0, 'init makes the database');
like($out, qr/^made +0700 +\S+ +\Q$dir\E\/private$/m, 'its folder, with its mode');
like($out, qr/^made +0600 +\S+ +\Q$db\E$/m, 'and the file, with its mode');
($code, $out) = tool('', 'init', '--json');
is_deeply([map { decode_json($_)->{made} ? 1 : 0 } split /\n/, $out], [0, 0], 'a second init leaves all as it is');

is((tool('', 'list'))[1], "no events\n", 'list works on an empty inbox');
my $payload = '{"id":"c1","status":"complete", "n":12345678901234567890}';
is(post(qq({"id":"e1","type":"check.completed","payload":$payload}), $secret), 200, 'an event comes');
is(post('{"id":"e2","type":"client.created"}', 'sandbox-secret-of-the-tests'), 200, 'and one of the sandbox');
is(post('{"id":"e3"', $secret), 202, 'and one that is none');

($code, $out) = tool('', 'list', '--json');
my @rows = map { decode_json($_) } split /\n/, $out;
is_deeply([map { "$_->{endpoint} $_->{event_id} $_->{state}" } @rows], ['sandbox e2 waiting', 'live e1 waiting'],
    'list shows the newest first');
unlike($out, qr/12345678901234567890/, 'and no payload');
($code, $out) = tool('', 'list', '--wide', '--endpoint', 'live');
like($out, qr/check\.completed +e1 +c1$/m, 'it can show one endpoint');
unlike($out, qr/e2/, 'and leave the other out');
($code, $out) = tool('', 'list', '--state', 'done');
is($out, "no events\n", 'and one state');
is((tool('', 'list', '-j', '-e', 'live', '-n', 1))[2], '', 'the short forms that stay are taken in silence');
($code, $out, $err) = tool('', 'list', '-W', '-r', 'c1');
like($out, qr/check\.completed +e1 +c1$/m, 'those that go are still taken');
is($err, join('', map { "complycube-inbox: $_; the short form goes in the next version\n" } '-W is --wide', '-r is --resource'), 'with a warning');
is((tool('', 'list', '--wide', '--resource', 'c1'))[2], '', 'and their long forms without one');
is((tool('', 'list', '--state', 'odd'))[0], 2, 'an unknown state is a usage error');
my @untaken;
for my $command (`$bin/complycube-inbox --help` =~ /^  ([a-z]+) /mg) {
    for (split /\n/, `$bin/complycube-inbox $command --help`) {
        my ($letter, $name, $value) = /^ +(-\w), --(\S+) ([A-Z]*)/ or next;
        my $given = $value eq '' ? '' : $name eq 'state' ? 'done' : 1;
        push @untaken, "$command $letter" if system("$bin/complycube-inbox $command $letter $given --help >/dev/null 2>&1");
    }
}
is_deeply(\@untaken, [], 'each command takes the short forms that its help has');
for (['wacth', 'did you mean watch?'], ['frobnicate', 'complycube-inbox --help lists them']) {
    my ($typed, $help) = @$_;
    my @is = (system("$bin/complycube-inbox $typed >$dir/out 2>$dir/err") >> 8, map { scalar `cat $dir/$_` } qw(out err));
    is_deeply(\@is, [2, '', "complycube-inbox: there is no command $typed; $help\n"], "$typed is no command, and it says what helps");
}
is((tool('', 'list', '--limit', '0'))[0], 2, 'so is a limit of nothing');

for my $key ('1', 'e1') {
    ($code, $out) = tool('', 'show', $key, '--json');
    is($code, 0, "show finds $key");
    like($out, qr/"payload":\Q$payload\E/, 'with the exact text of its payload');
    is(decode_json($out)->{signature}, hmac_sha256_hex(decode_json($out)->{body}, $secret), 'body and signature fit');
}
($code, $out, $err) = tool('', 'show', 'none');
is($code, 1, 'what is not there is not found');

($code, $out) = tool('body', 'sign');
is($out, hmac_sha256_hex('body', $secret) . "\n", 'sign uses the first secret in force');
($code, $out) = tool('body', 'sign', '--endpoint', 'sandbox');
is($out, hmac_sha256_hex('body', 'sandbox-secret-of-the-tests') . "\n", 'or that of an endpoint');
is((tool('body', 'sign', '--secret', 'old'))[0], 1, 'a retired secret signs nothing');

($code, $out) = tool('', 'doctor');
is($code, 0, 'doctor finds nothing wrong');
like($out, qr/^warning +quarantine/m, 'and warns of what is in quarantine');
unlike($out, qr/\Q$secret\E/, 'it never shows a secret');
chmod 0666, $db;
($code, $out) = tool('', 'doctor');
is($code, 1, 'doctor finds a database that anyone reads');
my ($cure) = $out =~ /-> (chmod .*)/;
is(system($cure), 0, 'its cure is a command');
is((tool('', 'doctor'))[0], 0, 'that mends it');

# A group that is configured after the database was made, and what root makes.
my $config = do { open my $f, '<', "$dir/inbox.conf" or die; local $/; <$f> };
chmod 0600, $db;
my ($group) = getgrgid((split ' ', $))[0]);
spew("$dir/inbox.conf", "group = \"$group\"\n$config");
($code, $out) = tool('', 'doctor');
is($code, 1, 'doctor finds files that the group cannot use');
my @cures = map { $_->{what} eq 'group' ? @{ $_->{cures} } : () } told($out);
like($cures[0], qr/^chgrp \S+ '\Q$dir\E\/private' && chmod 3770/, 'and says what to do with the folder');
is(system(shift @cures), 0, 'which is a command');
like($cures[0], qr/complycube-inbox'? -c \Q$dir\E\/inbox.conf init$/, 'and with the files');
($code, $out) = tool('', 'init');
like($out, qr/^changed +0660 +\S+:\Q$group\E +\Q$db\E$/m, 'init gives them to the group');
is((tool('', 'doctor'))[0], 0, 'then all is well');
spew("$dir/inbox.conf", $config);
if ($> == 0) {
    mkdir "$dir/theirs", 0700;
    spew("$dir/theirs/secrets", "main " . 's' x 32 . "\n");
    chmod 0600, "$dir/theirs/secrets";
    chown 12345, 23456, "$dir/theirs", "$dir/theirs/secrets";
    chmod 0711, $dir;
    spew("$dir/theirs.conf", "database = \"theirs/inbox.db\"\nendpoint live { secret_file = \"theirs/secrets\" }\n");
    chmod 0644, "$dir/theirs.conf";
    system("$bin/complycube-inbox -c $dir/theirs.conf init >/dev/null");
    is(join(' ', map { join ':', (stat "$dir/theirs/inbox.db$_")[4, 5] } '', '.lock'), '12345:23456 12345:23456',
        'what root makes belongs to the owner of its folder');
}

# A newer schema, and a damaged terminal.
my $change = sub { DBI->connect("dbi:SQLite:dbname=$db", '', '', { RaiseError => 1 })->do($_[0]) };
$change->('PRAGMA user_version = 2');
like((tool('', 'doctor'))[1], qr/^ok +schema +version 2$/m, 'the next schema version is fine: it only adds');
$change->('PRAGMA user_version = 3');
is((tool('', 'list'))[0], 6, 'one further is refused');
$change->('PRAGMA user_version = 1');
is(post(qq({"id":"x\xc2\x9b31m\xe2\x80\xaey","type":"t"}), $secret), 200, 'an id with characters that a terminal obeys');
like((tool('', 'list', '--wide'))[1], qr/ x\\xc2\\x9b31m\\xe2\\x80\\xae +-$/m, 'is listed without them');

spew("$dir/secrets", "\n");
($code, $out) = tool('', 'doctor', '--json');
is($code, 1, 'doctor finds a secret file without a secret');
is(join(' ', map { $_->{what} } grep { $_->{verdict} eq 'wrong' } map { decode_json($_) } split /\n/, $out), 'secrets', 'and says so');

# what the contract says of the file
my $h = DBI->connect("dbi:SQLite:dbname=$db", '', '', { RaiseError => 1 });
is($h->selectrow_array('PRAGMA user_version'), 1, 'schema version 1');
is($h->selectrow_array('PRAGMA application_id'), 0x43434958, 'and the application id');

# order: superseded and resource_state
sub event {
    my ($id, $type, $at, $payload) = @_;
    $h->do('INSERT INTO event_log(endpoint,event_id,type,resource_type,resource_id,status,created_ms,received_ms,body)
            VALUES(1,?,?,?,?,?,?,0,?)', undef, $id, $type, @$payload, $at, '{}');
    $h->do('INSERT INTO inbox(seq,endpoint,due_ms) VALUES(last_insert_rowid(),1,0)');
}
event('s1', 'check.pending', 10, ['check', 'r1', 'pending']);
event('s2', 'check.completed', 20, ['check', 'r1', 'complete']);
event('s3', 'check.completed.clear', 20, ['check', 'r1', 'complete']);
event('s4', 'client.created', 10, ['client', 'r2', undef]);
event('s5', 'client.updated', 20, ['client', 'r2', undef]);
event('s6', 'document.created', 10, ['document', 'r3', undef]);
event('s7', 'document.deleted', 20, ['document', 'r3', undef]);
event('s8', 'check.completed', 10, ['check', 'r4', 'complete']);
event('s9', 'check.updated', 20, ['check', 'r4', 'complete']);
is(join(' ', @{ $h->selectcol_arrayref("SELECT event_id FROM pending WHERE superseded AND event_id LIKE 's_'") }),
    's1 s6', 'superseded: by a newer status or a deletion; never by a tie or a partial update');
event('t1', 'check.pending', 10, ['check', 'r5', 'pending']);
event('t2', 'check.completed', 20, ['check', 'r5', 'complete']);
$h->do("UPDATE event_log SET received_ms = 20 WHERE event_id = 't2'");
is($h->selectrow_array("SELECT superseded FROM pending WHERE event_id = 't1'"), 0,
    'nor by one whose createdAt could not be read, so that it has the time of its arrival');
is(join(' ', map { "$_->[0]=$_->[1]" } @{ $h->selectall_arrayref(
        "SELECT resource_id, event_id FROM resource_state WHERE resource_id LIKE 'r_' ORDER BY 1") }),
    'r1=s3 r2=s5 r3=s7 r4=s9 r5=t2', 'resource_state: the newest of each resource');
done_testing();
