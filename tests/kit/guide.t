#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# From the zip to the first stored event on a shared host, by nothing but the steps of the guide. Then what it says of the
# rest: work.php, alarms, other jobs, another domain.
use strict;
use warnings;
use Event;
use Fcntl ':flock';
use Fixture;
use Guide;
use Host;
use Proc qw(wait_until);
use Test::More;
use Customer;
use Tool qw(change);

Host::enter();
my $h = Host->new;
my $c = Customer->new($h);
unlike $c->{guide}, qr/\@\w+\@/, 'nothing is left open in the guide';
cmp_ok $c->follow('steps'), '<', 10, 'these are all, fewer than ten';
is $c->call(event())->{body}, '{"received":true}', 'the first event is stored';
is $h->counts, '1 1 0', '... and waits';
my ($poll, $watch) = $c->jobs;

# ---- before there is code ----

like $h->cron($poll), qr/\A\S+Z check\.completed\.clear chk-evt-\S+: complete clear\nThey wait until your code is in work\.php: .*\n\z/,
    'without work.php cron mails what came';
is_deeply [$h->cron($poll)], ['', 0], '... once';
is $h->value('SELECT count(*) FROM inbox WHERE state = 0 AND attempts = 0'), 1, '... and it goes on waiting, as if nothing had been';
$c->call(event());
is scalar(() = $h->cron($poll) =~ /^\S+Z /mg), 1, '... the next is told of alone';
$c->call(event());
like $h->cron($poll =~ s/^php /php-cgi /r), qr/\A\S+Z check.*\nThey wait.*\n\z/, '... a PHP that is made for the web does as well';
like $h->cron('REQUEST_METHOD=GET GATEWAY_INTERFACE=CGI/1.1 REDIRECT_STATUS=1 SCRIPT_FILENAME=' . $h->home('private/poll.php') . ' php-cgi'),
    qr/\AStatus: 403.*\n\r?\nThis is for cron\.\n\z/s, 'called from the web it does nothing';
is_deeply [$h->cron("$poll " . $h->home('private/none.db'))],
    ['poll.php: ' . $h->home('private/none.db') . ": inbox not created yet, run complycube-inbox init\n", 1], 'a database that is named and not there is told';

is scalar $h->cron($poll =~ s/-q/-n -q/r), "poll.php: this PHP has no pdo_sqlite: switch it on in the panel, or name another PHP in the cron job\n",
    'a PHP without pdo_sqlite is told';

# ---- work.php ----

my $sample = $h->read('private/work-sample.php');
$h->write('private/work.php', $sample);
my ($said, $code) = $h->cron($poll);
is scalar(() = $said =~ /: work\.php does nothing yet$/mg), 3, 'the sample, renamed as it is, says that nothing is done';
is $code, 0, '... which is no failure of poll.php';
is $h->value('SELECT count(*) FROM inbox WHERE state = 0 AND attempts = 1'), 3, '... and nothing is';
$h->write('private/work.php', $sample =~ s/throw new/throw (new/r);
like scalar $h->cron($poll), qr/syntax error/, 'a mistake in it is told';
$h->write('private/work.php', $sample =~ s/throw .*;/file_put_contents(__DIR__ . '\/done', "\$event[event_id]\\n", FILE_APPEND);/r);
change($h, 'UPDATE inbox SET due_ms = 1');
is_deeply [$h->cron($poll)], ['', 0], 'with code in it there is nothing to say';
is scalar(() = $h->read('private/done') =~ /^evt-/mg), 3, '... all that waited was worked off';
$c->call(event());
open my $running, '<', $h->home('private/poll.php') or die $!;
flock $running, LOCK_EX or die $!;
is_deeply [$h->cron($poll)], ['', 0], 'while another one runs it ends at once';
is $h->value('SELECT count(*) FROM inbox WHERE state = 0 AND attempts = 0'), 1, '... and takes nothing';
close $running;
$h->cron($poll);
is $h->value('SELECT count(*) FROM inbox WHERE state = 0'), 0, '... which the next one does';
is $h->value('SELECT count(*) FROM inbox WHERE state = 1'), 4, '... and is done';

# ---- alarms, and other jobs ----

is_deeply [$h->cron($watch)], ['', 0], 'watch is silent while all is well';
wait_until(sub { $h->value('SELECT max(last_ms) FROM counter') < time * 1000 - 1000 }, 5);
is scalar $h->cron("$watch " . $c->code('--silence')), "complycube-inbox: nothing came for 1s\n", '... and speaks when that is tried';
$c->call(event(), 'f' x 64) for 1 .. 20;
is_deeply [$h->cron($watch)], ["complycube-inbox: 20 signatures refused within 10m\n", 1], '... of twenty forged events';
$h->remove('private/inbox.db.refused');
change($h, 'UPDATE inbox SET state = 0, done_ms = NULL WHERE seq = 1', 'UPDATE event_log SET received_ms = received_ms - 3600000 WHERE seq = 1');
is scalar $h->cron($watch), "complycube-inbox: 1 wait, the oldest for 60m\n", '... of one that waits for long';
is scalar $h->cron("$watch " . $c->code('--oldest')), '', '... unless that is allowed';
change($h, 'UPDATE inbox SET state = 2 WHERE seq = 1');
is scalar $h->cron($watch), "complycube-inbox: 1 dead (list --state dead)\n", '... of one that was given up';
$h->cron($c->code(qr/ requeue /));
is scalar $h->cron($poll) . $h->cron($watch), '', '... which is worked off after the job that the guide names';
my ($backup) = $h->cron($watch =~ s/watch$/$c->code('backup')/er) =~ m{/private/(inbox-\d+T\d+Z\.db)\b};
ok $backup && -s $h->home("private/$backup"), 'backup tells of the copy that it made';
$h->write('private/inbox.db', 'damaged ' x 1000);
$h->remove(map { "private/inbox.db-$_" } qw(wal shm));
is $h->browse, '503 not ready: database', 'where the file of events is damaged the browser says so';
$h->cron($watch =~ s/watch$/$c->code('restore') =~ s{inbox-….db}{$backup}r/er);
is $h->browse . $h->counts, '200 ready4 4 0', '... until the job that the guide names has put the copy in its place';
my $conf = 'public_html/cgi-bin/complycube-webhook.conf';
$h->write($conf, $h->read($conf) =~ s/^(database = .*\n)/$1 . $c->code('retain') . "\n"/mer);
is +($h->cron($watch =~ s/watch$/prune/r))[1], 0, 'prune runs with the line that the guide has for it';
is $h->browse, '200 ready', '... the receiver too';

# ---- another domain ----

my $other = 'public_html/shop/www';
$h->mkdir($_) for 'public_html/shop', $other;
$h->upload("$c->{kit}/cgi-bin", "$other/cgi-bin");
$h->chmod(0755, "$other/cgi-bin/complycube-webhook.cgi");
is $h->browse('/shop/www/cgi-bin/complycube-webhook.cgi'), '503 not ready: secrets', 'in the folder of another domain the secret is not found';
my $text = $h->read("$other/cgi-bin/complycube-webhook.conf");
for my $row (map { [map { /^`(.*)`$/ } @$_] } @{ guide_table($c->{guide}, 'paths') }) {
    my $path = $c->mine($row->[1]);
    ok $text =~ s/\Q$row->[0]\E/$path/, "... $row->[0] is in the configuration";
}
$h->write("$other/cgi-bin/complycube-webhook.conf", $text);
is $h->browse('/shop/www/cgi-bin/complycube-webhook.cgi'), '200 ready', '... with the paths of the guide it is';

$h->finish;
done_testing;
