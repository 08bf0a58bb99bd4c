#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The hosting kit is the same bytes whoever makes it and when; it has these files and no other, with these modes.
use strict;
use warnings;
use Digest::SHA;
use Fixture;
use Host;
use Source qw(quoted);
use Test::More;

plan skip_all => 'make check-kit runs it' if !Fixture::static();
my $root = $Fixture::ROOT;
my ($make_kit, $kit) = map { quoted($_) } "$root/packaging/kit.sh", $Host::KIT;
my @digest = map {
    my ($umask, $zone) = @$_;
    utime time, time - 86400 * $umask, "$root/LICENSE", "$root/build/static/bin/complycube-webhook";
    is system("umask $umask && TZ=$zone $make_kit >/dev/null"), 0, 'make hosting-kit';
    Digest::SHA->new(256)->addfile($Host::KIT)->hexdigest;
} ['022', 'UTC'], ['077', 'America/Lima'], ['002', 'Asia/Tokyo'];
is $digest[1], $digest[0], 'it is the same bytes with other dates of files, another umask and time zone';
is $digest[2], $digest[0], '... and with others again';

my %mode = map { /^(\S{10}) +\S+ +unx +\d+ \w- +\w+ +\S+ 00:00 (\S+)$/ ? ($2 => $1) : () } `unzip -Z $kit`;
is_deeply \%mode, {
    (map { $_ => '-rw-r--r--' } qw(LICENSE guide.html cgi-bin/.htaccess cgi-bin/complycube-webhook.conf),
        map { "private/$_" } qw(.htaccess ComplyCubeInbox.php poll.php work-sample.php)),
    'cgi-bin/' => 'drwxr-xr-x', 'cgi-bin/complycube-webhook.cgi' => '-rwxr-xr-x',
    'private/' => 'drwx------', 'private/complycube-inbox' => '-rwxr-xr-x', 'private/secrets' => '-rw-------',
}, 'it has these files, with these modes, no time of day, and nothing of who made it';

my %same = ('cgi-bin/complycube-webhook.cgi' => 'build/static/bin/complycube-webhook', 'private/complycube-inbox' => 'build/static/bin/complycube-inbox',
    'cgi-bin/.htaccess' => 'cgi-bin/.htaccess', 'private/ComplyCubeInbox.php' => 'consumers/php/ComplyCubeInbox.php');
for my $name (sort keys %same) {
    ok scalar(`unzip -p $kit '$name'`) eq Fixture::slurp("$root/$same{$name}"), "$name is $same{$name}";
}
my ($conf, $sample) = (scalar `unzip -p $kit cgi-bin/complycube-webhook.conf`, Fixture::slurp("$root/cgi-bin/complycube-webhook.conf.sample"));
s/^#.*\n//mg for $conf, $sample;
is $conf, $sample, 'the configuration says what the sample says';
done_testing;
