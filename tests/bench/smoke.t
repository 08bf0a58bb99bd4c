#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The benchmark, for some seconds and without a look at speed: each contender answers under load, nothing that was
# acknowledged is missing, also beside trickling clients and in a database that holds events already.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Fixture;
use Source qw(quoted);
use Test::More;

my $bench = "$Fixture::ROOT/tests/bench/bench.pl";
my $out = `@{[quoted($bench)]} --smoke --only 'FastCGI|mod_|PHP-FPM' 2>&1`;
is($?, 0, 'it ends well') or diag $out;
unlike($out, qr/^WRONG/m, 'and finds nothing wrong');
for my $name ('receiver, lighttpd FastCGI', 'receiver, Apache mod_proxy_fcgi', 'receiver, Apache mod_fcgid',
    'no-op, lighttpd FastCGI', 'PHP-FPM, lighttpd')
{
    my ($requests, $missing) = $out =~ /^\| \Q$name\E +\| +([\d ]+?) \|.*\| +(\d+) \|$/m;
    ok(($requests // '') =~ /[1-9]/ && $missing eq '0', "$name: " . ($requests // 'no') . ' requests/s, none missing');
}
like($out, qr/^\| requests\/s with 10 000 events stored already +\| +[\d ]*[1-9]/m, 'a database that holds events is measured');
like($out, qr/^\| requests\/s and p99 ms beside 4 trickling clients, Apache +\| +[\d ]*[1-9]/m, 'so are trickling clients');
like($out, qr/^\| \Q$_\E +\| +\d+ \| +\d+ \|$/m, "so is what $_ takes") for 'list --limit 100', 'stats', 'watch', 'metrics';
like($out, qr/^\| 1 000 done +\|(?: +[\d ]*[1-9][\d ]* \|){4}$/m, 'so are ordered claims of a hot resource, by PHP and Perl');
like($out, qr/^\| the receiver as CGI, a new event stored, ms +\| +\d*\.\d/m, 'and CGI');

# That a lost event would be seen.
require Report;
my $report = Report->new(smoke => 1);
$report->add('receiver, lighttpd FastCGI', 16, { requests => 10, errors => 0, missing => 1 });
ok(!$report->correct, 'a missing event is an error');
done_testing;
