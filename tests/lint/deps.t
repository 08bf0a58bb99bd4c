#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# tests/lib/deps.sh says what it installs, and how to prevent it, before it does. The package manager and sudo are others here.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my $folder = tempdir('deps-XXXXXX', TMPDIR => 1, CLEANUP => 1);
program('id', 'echo 1000');
program('apt-get', 'echo "apt-get is called"; exit 1');
program('sudo', '[ "$2" = true ] || echo "sudo is called: $*"');
missing('none');
is_deeply [deps()], [0, ''], 'nothing is said when nothing is missing';

missing('mandoc');
my ($code, $said) = deps();
is $code, 0, 'packages are installed through sudo';
like $said, qr/^About to install.*: mandoc\n.*\bDEPS=no\b.*^sudo is called: -n \S+deps\.sh check/ms,
    'they are named first, with the way to prevent it, and no others are';
is_deeply [deps('DEPS=no')], [0, "Missing, and not installed because of DEPS=no: mandoc\n"], 'DEPS=no goes on without them';

program('sudo', 'exit 1');
($code, $said) = deps();
isnt $code, 0, 'a user who may not install stops';
like $said, qr/^Packages are missing.*\bDEPS=no\b.*^  apt-get .* install .* mandoc\n/ms, 'and sees the command, and the way around it';
unlike $said, qr/is called/, 'with nothing done';
done_testing;

sub program { my ($name, $text) = @_; write_file("$folder/$name", "#!/bin/sh\n$text\n"); chmod 0755, "$folder/$name" or die "$folder/$name: $!" }

sub missing { program('dpkg-query', "for package; do case \$package in $_[0]|-*) ;; *) printf 'installed:%s ' \$package ;; esac; done") }

# The exit code of "make deps", with these variables, and what it says.
sub deps {
    my ($variables) = @_;
    local %ENV = (%ENV, PATH => "$folder:$ENV{PATH}");
    delete @ENV{ grep { /^(?:MAKE|MFLAGS|DEPS)/ } keys %ENV };
    my $text = `make -s -C @{[quoted($ROOT)]} deps @{[$variables // '']} 2>&1`;
    return ($? >> 8, $text);
}

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f or die "$path: $!" }
