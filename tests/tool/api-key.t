#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Root's API key: it is opened before root becomes the owner of the database's folder, who cannot read it; but only if root
# alone says, by the configuration, which file it is and to which host it goes. So it is with a secret that is added to a file
# of root's. games is the receiver's user.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(webhook);
use Cwd qw(abs_path);
use Event;
use Fixture;
use Test::More;

plan skip_all => 'only root becomes another user' if $> != 0;
my $bin = abs_path($ENV{BIN} // 'build/bin');
my ($games, $lp) = map { (getpwnam $_)[2] } qw(games lp);
my $f = Fixture->new;
my $api = Api->new($f);
$api->load(webhooks => [webhook()]);

sub spew {
    my ($name, $text, $owner, $mode) = @_;
    my $path = $f->write("run/$name", $text, $mode);
    chown $owner, $owner, $path;
    return $path;
}

mkdir $f->path('run/lib');
chown $games, $games, $f->path('run/lib');
chown 0, 0, $f->path(), $f->path('run');
system('cp', "$bin/complycube-inbox", $f->path('run')) == 0 or die;
chown 0, 0, $f->path('run/complycube-inbox');
spew('secrets', "main $SECRET{live}\n", $games, 0600);
my $key = spew('key', "$Api::KEY{live}\n", 0, 0600);
my $url = $api->url;

# Root runs webhooks with a configuration of this owner and mode: its exit code and what it printed.
sub webhooks {
    my ($owner, $mode, @args) = @_;
    my $conf = spew('inbox.conf', qq(database = "lib/inbox.db"\napi = "$url"\nendpoint main { secret_file = "secrets"\n api_key_file = "key" }\n), $owner, $mode);
    my ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), '-c', $conf, 'webhooks', @args, { root => 1 });
    return ($code, $out . $err);
}

my ($code, $text) = webhooks(0, 0644);
is $code, 0, 'a key that only root may read is used' or diag $text;
is scalar($api->requests), 1, 'by one request';
for (['the user whom root becomes', $games, 0644], ['a third user', $lp, 0644]) {
    my ($who, $owner, $mode) = @$_;
    $api->forget_requests;
    ($code, $text) = webhooks($owner, $mode);
    is $code, 10, "a configuration of $who names no file of root's";
    like $text, qr/opening \S+key: Permission denied/, 'it says so';
    is scalar($api->requests), 0, 'and nothing leaves the host';
}
spew('key', "$Api::KEY{live}\n", $games, 0600);
is((webhooks($games, 0644))[0], 0, 'a key of the user whom root becomes is that user\'s');
spew('key', "$Api::KEY{live}\n", $lp, 0644);
($code, $text) = webhooks(0, 0644);
is $code, 10, 'a key of a third user is refused';
like $text, qr/belongs to user $lp, who could make the tool use another account/, 'and it says why';
spew('key', "$Api::KEY{live}\n", 0, 0644);
($code, $text) = webhooks(0, 0644);
is $code, 10, 'so is one of root that others may read';

# A secret file of root's, which the receiver's group may read, as packages have it.
spew('key', "$Api::KEY{live}\n", 0, 0600);
my $file = spew('secrets', "main $SECRET{live}\n", 0, 0640);
chown 0, (getpwnam 'games')[3], $file;
my @before = (stat $file)[2, 4, 5];
my @create = qw(create --secret next --url https://new.example.org/);
$api->fault({ what => 'status', status => 400, method => 'POST' });
($code, $text) = webhooks(0, 0644, @create);
is $code, 2, 'a webhook that is refused';
is_deeply [glob "$file*"], [$file], 'leaves the secret file alone';
($code, $text) = webhooks(0, 0644, @create);
is $code, 0, 'a new secret is added to a file that only root may change' or diag $text;
my ($made) = $api->objects('webhooks');
is Fixture::slurp($file), "main $SECRET{live}\nnext " . substr(Digest::SHA::sha256_hex("secret $made->{id}"), 0, 32) . "\n", 'as its last line';
is_deeply [(stat $file)[2, 4, 5]], \@before, 'and its owner, group and mode stay';
is_deeply [glob "$file*"], [$file], 'nothing else is left';
my $text_before = Fixture::slurp($file);
spew('key', "$Api::KEY{live}\n", $games, 0600);
($code, $text) = webhooks($games, 0644, qw(create --secret third --url https://third.example.org/));
is $code, 5, 'a configuration of another user has root add nothing';
is Fixture::slurp($file), $text_before, 'indeed';
is scalar($api->objects('webhooks')), 2, 'and no webhook is made';
$f->finish;
done_testing;
