#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The mutator of databases (make mutate) runs for an hour, and is stopped early more often than not.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Fixture;
use Proc qw(wait_until);
use Test::More;

my $target = dirname(abs_path($ENV{BIN} // "$Fixture::ROOT/build/bin")) . '/target/database';
my $f = Fixture->new;

sub folders { my ($pid) = @_; my @found = glob "/dev/shm/complycube-fuzz-$pid-* /tmp/complycube-fuzz-$pid-*"; return "@found" }

for my $signal (qw(TERM KILL)) {
    my $p = Proc->start(cmd => [$target, '--cases', 1000000, 1], root => $> == 0, stdout => $f->path("log/$signal"), stderr => $f->path("log/$signal"));
    ok wait_until(sub { length folders($p->pid) }, 20), 'it works in a folder of its own';
    $p->signal($signal);
    ok $p->ended(20), "$signal ends it";
    ok wait_until(sub { !length folders($p->pid) }, 20), '... and its folder is gone' or diag folders($p->pid);
}
$f->finish;
done_testing;
