#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Numbers that no program of ours writes, but an application's user may, neither end the page nor leave its drawings.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Fixture;
use PageData;

my ($LEAST, $MOST) = ('-9223372036854775808', '9223372036854775807');
my $f = page_fixture();
page_data($f, clients => 2);
my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, PrintError => 0 });
$db->do("DROP TRIGGER $_->[0]") for @{ $db->selectall_arrayref(q(SELECT name FROM sqlite_master WHERE type = 'trigger')) };

sub is_sound {
    my ($name, $query, %env) = @_;
    my $answer = page($f, $query, env => \%env);
    ok(($answer->{code} // 1) == 0 && ($answer->{status} // 0) == 200, $name) or diag $answer->{code} // 'a signal', " $answer->{log}";
    return $answer->{body} // '';
}

# ---- counts ----

for my $n (-5, $LEAST, $MOST) {
    $db->do('UPDATE counter SET n = 0');
    $db->do("UPDATE counter SET n = $n WHERE rowid = (SELECT max(rowid) FROM counter)");
    like(is_sound("a count of $n: the first page is there", ''), qr/>3 in all, 3 in the busiest hour</, 'and counts what was refused alone');
    is_sound("a count of $n: $_ is there", "view=$_") for 'keys', 'refused';
    my (undef, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, 'stats', '--json');
    unlike($out, qr/"what":"hour".*"(?:stored|duplicate|quarantined)":(?:-|[1-9])/, 'and so does the tool');
}
$db->do('UPDATE counter SET n = ' . 10**9);
is_sound('as many as can be in each hour: the first page is there', '');

# ---- times ----

my ($first, $second, $third) = map { $_->[0] } @{ $db->selectall_arrayref('SELECT seq FROM event_log WHERE client_id =
    (SELECT client_id FROM event_log GROUP BY 1 ORDER BY count(*) DESC LIMIT 1) ORDER BY seq LIMIT 3') };
my $dots = sub {
    my ($html) = @_;
    return $html =~ /<circle r="7"[^>]* cx="(-?\d+)"/g;
};
my $all = $dots->(is_sound('a client is there', "view=client&seq=$third"));
$db->do("UPDATE event_log SET created_ms = $MOST, received_ms = $MOST WHERE seq = $first");
$db->do("UPDATE event_log SET created_ms = $LEAST, received_ms = $LEAST WHERE seq = $second");
my $html = is_sound('times that are in no calendar: the client is there', "view=client&seq=$third");
my @cx = $dots->($html);
is_deeply([grep { $_ < 190 || $_ > 920 } @cx], [], 'each dot is on its line');
cmp_ok(scalar(my @between = grep { $_ > 210 && $_ < 900 } @cx), '>', 2, 'and the others are still told apart');
is_sound("the event is there: $_", "view=event&seq=$_") for $first, $second;
is_sound('the list is there', 'view=events');
$db->do(q(UPDATE inbox SET state = 0, token = NULL, done_ms = NULL));
$db->do("UPDATE event_log SET received_ms = -1500 WHERE received_ms = $LEAST");
my $metrics = is_sound('the figures are there', '', PATH_INFO => '/metrics');
is_deeply([grep { !/^#|^\w+(?:\{[^}]*\})? \d+(?:\.\d+)?$/ } split /\n/, $metrics], [], 'and each line is one that Prometheus reads');
like($metrics, qr/^complycube_inbox_oldest_waiting_timestamp_seconds\{[^}]*\} 0\.001$/m, 'a time before 1970 is its first millisecond');
like(is_sound('the first page is there', ''), qr/Events wait for too long/, 'and such an event has waited for too long');
$db->disconnect;
$f->finish;
done_testing;
