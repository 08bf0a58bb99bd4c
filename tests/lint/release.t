#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What is released: one version everywhere, NEWS with its cautions first, "make install" and "make uninstall" to the
# last file, and a source release that is the same bytes twice.
use strict;
use warnings;
use Digest::SHA;
use File::Find;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my ($version) = slurp("$ROOT/src/base/version.h") =~ /^#define VERSION "(\d+\.\d+\.\d+)"$/m;
ok $version, 'src/base/version.h has the version';
my $news = slurp("$ROOT/NEWS");
like $news, qr/\Acomplycube-inbox \Q$version\E  \d{4}-\d\d-\d\d\n/, 'NEWS begins with it and its date';
my @first = $news =~ /^([A-Z][a-z ]+):$/mg;
is $first[0], 'Cautions', 'NEWS has what one must be careful with first';
my @elsewhere = grep { -f && !m{/(?:NEWS|version\.h)$} && slurp($_) =~ /(?<![\d.])\Q$version\E(?![\d.])/ }
    listed($ROOT, qw(src/* src/*/* src/*/*/* packaging/* packaging/*/* Makefile tests/rules.mk README.md INSTALL.md docs/*));
is_deeply \@elsewhere, [], 'the version stands in no other place';

my $bin = $ENV{BIN} // 'build/bin';
my ($flavour) = $bin =~ m{build/(san|cov)/bin};
my $root = tempdir('release of-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $make = 'env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u PREFIX -u SYSCONFDIR -u INSTANCE -u UNITDIR '
    . "make -s -C " . quoted($ROOT) . " DESTDIR='$root' " . ($flavour ? uc($flavour) . '=1 ' : '');
is system("$make install >'$root.log' 2>&1"), 0, 'make install' or diag slurp("$root.log");
my %there = map { $_ => 1 } files($root);
my $share = 'usr/local/share';
my @wanted = (
    (map { "usr/local/bin/$_" } qw(complycube-inbox complycube-webhook)), 'usr/local/lib/complycube-inbox/job',
    (map { "$share/man/man$_" } qw(1/complycube-inbox.1 5/complycube-inbox.5 5/complycube-webhook.conf.5 8/complycube-webhook.8)),
    "$share/bash-completion/completions/complycube-inbox", "$share/zsh/site-functions/_complycube-inbox",
    "$share/complycube-inbox/sysv/complycube-webhook",
    (map { "$share/doc/complycube-inbox/examples/$_" } qw(complycube-inbox.json rules.yml)),
    (map { s{^\Q$ROOT\E/}{$share/doc/complycube-inbox/}r } listed($ROOT, qw(README.md INSTALL.md SECURITY.md docs/*))),
    (map { "$share/complycube-inbox/cgi-bin/$_" } qw(.htaccess complycube-webhook.conf.sample)),
    (map { s{^\Q$ROOT\E/packaging/systemd/(.*)\.in$}{usr/local/lib/systemd/system/$1}r } listed("$ROOT/packaging/systemd", "*.in")),
    (map { s{^\Q$ROOT\E/}{$share/complycube-inbox/}r } grep { -f } listed($ROOT, qw(apache/* lighttpd/* nginx/* consumers/*/*))),
);
is_deeply [sort keys %there], [sort @wanted], 'it installs these files and no other';
for my $program (qw(complycube-inbox complycube-webhook)) {
    is scalar `'$root/usr/local/bin/$program' --version`, "$program $version\n", "$program says its version";
}
for my $page (grep { m{/man/} } sort keys %there) {
    like slurp("$root/$page"), qr/^\.Os complycube-inbox \Q$version\E$/m, "$page names it at its foot";
}
my @open = grep { slurp("$root/$_") =~ /\@[A-Z]+\@/ } grep { !m{/bin/} } sort keys %there;
is_deeply \@open, [], 'no template is left open';
is system('sh', '-n', "$root/usr/local/$_"), 0, "$_ is shell" for 'lib/complycube-inbox/job', 'share/complycube-inbox/sysv/complycube-webhook';
my ($mode) = map { sprintf '%o', (stat "$root/usr/local/lib/complycube-inbox/job")[2] & 0777 } 1;
is $mode, '755', 'the job can be run';

is system("$make install-page >'$root.log' 2>&1"), 0, 'make install-page' or diag slurp("$root.log");
my @more = grep { !$there{$_} } files($root);
is_deeply [sort @more],
    [sort 'usr/local/bin/complycube-page', "$share/man/man8/complycube-page.8"], 'the page is installed by itself';

write_file("$root/usr/local/etc/complycube-webhook.conf", "# mine\n");
is system("$make uninstall >'$root.log' 2>&1"), 0, 'make uninstall' or diag slurp("$root.log");
is_deeply [files($root)], ['usr/local/etc/complycube-webhook.conf'], 'it leaves the configuration, and nothing else';
unlink "$root.log";

my @digest = map {
    utime time, time - 86400 * $_, "$ROOT/NEWS" if $_;    # dates of files play no part
    chomp(my $tarball = `@{[quoted("$ROOT/packaging/dist.sh")]} 2>/dev/null`);
    Digest::SHA->new(256)->addfile("$ROOT/$tarball")->hexdigest;
} 0, 1;
is $digest[0], $digest[1], 'make dist gives the same bytes twice';
my @listed = `tar -tvzf @{[quoted("$ROOT/build/complycube-inbox-$version.tar.gz")]}`;
is scalar(grep { !m{^-rw[xr-]r-[x-]r-[x-] 0/0 .* complycube-inbox-\Q$version\E/\S} } @listed), 0, 'of nobody, below one folder';
for my $file (qw(src/base/version.h packaging/debian/control tests/lint/release.t .ci/run)) {
    is scalar(grep { m{ complycube-inbox-\Q$version/$file\E$} } @listed), 1, "$file is in it";
}
is scalar(grep { m{/build/|\.f?cgi$|/\.git/} } @listed), 0, 'and nothing that was built';
done_testing;

sub files {
    my ($in) = @_;
    my @found;
    find({ no_chdir => 1, wanted => sub { push @found, substr $_, 1 + length $in if !-d || -l } }, $in);
    return sort @found;
}

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f }
