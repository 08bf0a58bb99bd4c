#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What is in an event is shown to those who are named for it, after a line on the disk says that they looked; else nothing is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Fixture;
use PageData;

my $f = page_fixture();
page_data($f, clients => 2);
my $log = $f->path('home/private/page.log');
my ($seq) = $f->value(q(SELECT seq FROM event_log WHERE type = 'client.created' LIMIT 1));
my $lines = sub { return -e $log ? grep { length } split /\n/, Fixture::slurp($log) : () };
my $secret = qr/person\d\@example\.org/;

my $answer = page($f, "view=contents&seq=$seq", env => { REMOTE_USER => 'ben' });
ok($answer->{status} == 403 && $answer->{body} !~ $secret, 'one who is not named for it sees nothing of it');
is(scalar(() = $lines->()), 0, 'and nothing is recorded');
page($f, $_) for '', 'view=events', "view=event&seq=$seq", "view=client&seq=$seq", 'view=quarantine', 'view=quarantine&number=1';
is(scalar(() = $lines->()), 0, 'lists and events without their contents are not recorded');
$answer = page($f, "view=contents&seq=$seq", env => { REMOTE_ADDR => '192.0.2.7', HTTPS => 'on' });
ok($answer->{status} == 200 && $answer->{body} =~ $secret, 'one who is named sees it') or diag $answer->{body};
my ($line) = $lines->();
like($line, qr/^time=\S+ .*\bseq=$seq user=anna address=192\.0\.2\.7 type=client\.created event_id=\S+$/, 'and a line says who looked at what');
is(scalar(my @all = $lines->()), 1, 'one line');
unlike($line, $secret, 'and nothing of the contents is in it');
ok(((stat $log)[2] & 07) == 0, 'others may not read the record');
$answer = page($f, 'view=contents&number=1');
ok($answer->{body} =~ /none/ && ($lines->())[-1] =~ /quarantine=1 user=anna/, 'what was set aside likewise');
is(page($f, 'view=contents&seq=999999')->{body} =~ /There is nothing with this number/, 1, 'of an unknown number nothing');

# ---- no record, no contents ----

my $denied = sub {
    my ($name) = @_;
    my $answer = page($f, "view=contents&seq=$seq");
    ok($answer->{status} == 503 && $answer->{body} !~ $secret, "$name: nothing is shown") or diag $answer->{body};
};
unlink $log;
mkdir $log or die $!;
$denied->('a folder in the place of the record');
rmdir $log;
SKIP: {
    skip '/dev/full is not there', 1 if !-c '/dev/full';
    symlink '/dev/full', $log or die $!;
    $denied->('a device that is full');
    unlink $log;
}
my $conf = Fixture::slurp($f->config);
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf =~ s{"../../private/page\.log"}{"../../nowhere/page.log"}r);
$denied->('its folder is gone');
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf);
is(page($f, "view=contents&seq=$seq")->{status}, 200, 'and with the record back it is shown again');

# ---- the record, printed ----

my ($code, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, 'page-log');
is($code, 0, 'page-log prints it');
like($out, qr/\banna\b.*$seq/, 'who, and what');

# ---- a line that the disk had no room for ----

my $torn = 'time=2026-01-01T00:00:00Z level=info code=loo';
open my $end, '>>', $log or die "$log: $!";
print $end $torn;
close $end;
my $answer_after = page($f, "view=contents&seq=$seq", env => { REMOTE_USER => 'anna', REMOTE_ADDR => '192.0.2.9' });
is($answer_after->{status}, 200, 'after half a line the contents are shown');
($code, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, 'page-log');
like($out, qr/^time=\S+ .*\baddress=192\.0\.2\.9\b.*$/m, 'and the look has a line');
unlike($out, qr/\Q$torn\E.*192\.0\.2\.9/, 'which the half does not swallow');
unlike($out, qr/^$/m, 'page-log prints no empty line');

# ---- a record that is not there yet, in a folder of its own ----

my $folder = $f->folder('home/looks');
chown((getpwnam 'www-data')[2, 3], $folder) if $> == 0;
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf =~ s{"../../private/page\.log"}{"../../looks/page.log"}r);
is(page($f, "view=contents&seq=$seq")->{status}, 200, 'a record that is not there yet is made, outside of the database\'s folder');
like(Fixture::slurp("$folder/page.log"), qr/user=anna/, 'and has the look');
$f->finish;
done_testing;
