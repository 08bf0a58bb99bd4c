# SPDX-License-Identifier: MIT
# Packages from npm. Kept under build/, so that each is fetched once; what cannot be reached is the one reason to skip a
# test.
package Npm;
use strict;
use warnings;
use Fcntl qw(LOCK_EX);
use File::Path qw(make_path);
use Test::More;
use Fixture;
use Source qw(quoted);

our %VERSION = ('@complycube/api' => '1.1.13', 'sql.js' => '0.2.21', 'puppeteer-core' => '24.43.1',
    'axe-core' => '4.14.1');

# The folder for NODE_PATH with this package in it; skips the whole test where it cannot be had.
sub modules {
    my ($name) = @_;
    my $dir = "$Fixture::ROOT/build/npm/" . $name =~ s/\W+/-/gr;
    my $npm = join ' ', 'npm --no-audit --no-fund --ignore-scripts --no-update-notifier --fetch-retries=1',
        '--fetch-timeout=20000', quoted("--cache=$dir/cache", "--prefix=$dir");
    make_path($dir);
    open my $lock, '>', "$dir/lock" or die "$dir/lock: $!";
    flock $lock, LOCK_EX or die "$dir/lock: $!";    # several tests want it
    return "$dir/node_modules" if -d "$dir/node_modules/$name";
    plan skip_all => 'npm or node is not installed' if grep { system("command -v $_ >/dev/null 2>&1") } qw(npm node);
    plan skip_all => 'npm cannot reach its registry' if system "timeout 60 $npm ping >/dev/null 2>&1";
    my $log = quoted("$dir/log");
    system("timeout 120 $npm install '$name\@$VERSION{$name}' >$log 2>&1") == 0
        or BAIL_OUT("installing $name failed: " . Fixture::slurp("$dir/log"));
    return "$dir/node_modules";
}

1;
