#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What takes longer than a page may read is no fault of the database; and what the page cannot try it does not claim.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Fixture;
use Http;
use PageData;

my $f = page_fixture();
page_data($f, clients => 2, well => 1);
my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, PrintError => 0 });

# ---- a lock ----

my $metrics = page($f, '', env => { PATH_INFO => '/metrics' });
like($metrics->{body}, qr/^complycube_inbox_wrong\{alarm="database"\} 0$/m, 'the database can be read, and the figures say so');
unlike($metrics->{body}, qr/alarm="lock"/, 'of its lock, which the page does not try, they say nothing');
$db->do('BEGIN IMMEDIATE');
unlike(page($f, '', env => { PATH_INFO => '/metrics' })->{body}, qr/alarm="lock"/, 'nor if another program holds it');
my (undef, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, 'metrics');
like($out, qr/^complycube_inbox_wrong\{alarm="lock"\} 1$/m, 'but the tool, which tries it, does');
$db->do('ROLLBACK');
(undef, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, 'metrics');
like($out, qr/^complycube_inbox_wrong\{alarm="lock"\} 0$/m, 'and says when it is free');

# ---- a deadline ----

SKIP: {
    skip 'strace is not installed', 7 if system('command -v strace >/dev/null 2>&1') != 0;
    $db->do(q(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO counter(hour_ms, endpoint, secret, outcome, n, last_ms) SELECT i, 1, 1, 'stored', 1, 1 FROM n));
    $db->disconnect;
    my $slowly = sub {    # each read of the disk takes 0.1 s
        my (%env) = @_;
        my ($code, $answer, $log) = $f->run(qw(strace -f -qq -o /dev/null -e trace=pread64 -e inject=pread64:delay_enter=100000),
            $f->path('home/public_html/cgi-bin/complycube-page.cgi'), { limit => 60, env => { %{ page_env($f, '') }, %env } });
        return { %{ Http::parse($answer) }, log => $log };
    };
    my $late = $slowly->();
    is($late->{status}, 200, 'the first page is there if time is short') or diag $late->{log};
    like($late->{body}, qr/There is too much to look through here/, 'and says that there is too much');
    unlike($late->{body}, qr/The database cannot be read|things? (?:is|are) wrong/, 'not that anything is wrong with the database');
    unlike($late->{body}, qr/All is well/, 'nor that all is well, which it has not seen');
    $late = $slowly->(PATH_INFO => '/metrics');
    is($late->{status}, 503, 'the figures are not there');
    unlike($late->{body}, qr/complycube_inbox_/, 'not even some of them');
    like($late->{body}, qr/too much to count/, 'and the answer says why');
}
$f->finish;
done_testing;
