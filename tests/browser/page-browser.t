#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Each page of a filled inbox in Chromium, under lighttpd with TLS: at five widths, light and dark, at 200 %, by the keyboard alone.
# make check-page runs it. KEEP=1 keeps the pictures.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Deploy;
use Fixture;
use Npm;
use PageData;
use Source qw(quoted);

plan skip_all => 'chromium is not installed' if !-x '/usr/bin/chromium';
my $modules = Npm::modules('puppeteer-core');
my $axe = Npm::modules('axe-core');

my $f = page_fixture();
my ($client) = page_data($f);
my $d = deploy($f, 'lighttpd page');
my $folder = $ENV{KEEP} ? $f->folder('pictures', 0777) : '';
local $ENV{NODE_PATH} = "$modules:$axe";
local $ENV{PAGE_USER} = 'anna:the password of anna';
my @queries = ('', 'view=events', 'view=events&state=dead', 'view=event&seq=100', 'view=client&seq=100', 'view=resource&seq=100', 'view=contents&seq=100',
    'view=quarantine', 'view=quarantine&number=1', 'view=refused', 'view=keys', 'view=history', 'view=find', "find=$client");
my $out = `node @{[quoted("$FindBin::Bin/look.js", $folder, "https://127.0.0.1:$d->{tls_port}/inbox", @queries)]} 2>&1`;
my ($looked) = $out =~ /^looked: (\d+)$/m;
is($looked, 10 * @queries, 'each page is looked at in each way') or diag $out;
is(join("\n", $out =~ /^(wrong: .*)$/mg), '', 'axe-core finds nothing, the policy reports nothing, nothing scrolls sideways, all is reached by Tab');
note "pictures: $folder" if $folder;
$f->finish;
done_testing;
