#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The hosting kit's guide: a few steps, no shell, no network, each CODE of "not ready" and each file by its right name.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Guide;
use Source;
use Test::More;

my $html = slurp("$ROOT/packaging/kit/guide.html");
my @steps = guide_steps($html, 'steps');
cmp_ok scalar @steps, '>', 3, 'the steps are found';
cmp_ok scalar @steps, '<', 10, 'they are fewer than ten';
my $number = (qw(none one two three four five six seven eight nine))[scalar @steps] // "no";
like slurp("$ROOT/INSTALL.md"), qr/\b$number\s+steps\b/, 'as many as INSTALL.md says';
is scalar(() = $html =~ /<ol\b/g), 3, 'there is no other list of steps but those of an API key and of an upgrade';

# A whole line of cron is the one thing that is a command, and it is pasted into a panel.
my $shell = qr/(?:^|[|;&`\$(]\s*|\s)(?:chmod|chown|mkdir|cp|mv|rm|ln|cat|echo|sudo|su|ssh|scp|sftp|curl|wget|tar|unzip|make|apt|bash|sh|cd|ls|touch|crontab)\s+\S/;
my @commands = grep { /$shell/ || /^\$ |&&|\|\|/ } guide_codes($html);
is_deeply \@commands, [], 'no command of a shell';
ok 'chmod 600 x' =~ $shell && 'a | sh -c' =~ $shell, 'one would be seen';
is scalar(() = $html =~ /<(?:pre|kbd|samp)\b/g), 0, 'nor a block of them';

is_deeply [grep { !/^#/ } $html =~ /(?:href|src|action)="([^"]*)"/g], [], 'it leads nowhere but into itself';
is scalar(() = $html =~ /\@import|url\(|<(?:script|link|img|iframe)\b/g), 0, 'and needs nothing else to be shown';
my %id = map { $_ => 1 } $html =~ / id="([^"]+)"/g;
is_deeply [grep { !$id{$_} } $html =~ /href="#([^"]*)"/g], [], 'each link leads somewhere';
like $html, qr/<meta name="viewport"/, 'it fits a phone';
like $html, qr/\@media print/, 'and paper';

my %error = error_table();
my @codes = map { $_->[0] =~ /^`(.*)`$/ } @{ guide_table($html, 'codes') };
is_deeply [sort @codes], [sort grep { $error{$_}{http} =~ /^50[03]$/ && !/^(?:usage|not-found|unverified|remote)$/ } keys %error], 'each CODE of "not ready" has its cure';

my $sample = slurp("$ROOT/cgi-bin/complycube-webhook.conf.sample");
for my $row (@{ guide_table($html, 'paths') }) {
    my ($was) = $row->[0] =~ /^`(.*)`$/;
    like $sample, qr/^\s*\w+\s*=\s*\Q$was\E/m, "the configuration has $was";
}
like slurp("$ROOT/packaging/kit/private/secrets"), qr/^main PASTE_THE_SECRET_HERE$/m, 'the secret file has what is replaced';
like $html, qr/\@VERSION\@-hosting-kit\.zip/, 'the version is filled in';
done_testing;
