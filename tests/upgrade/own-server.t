#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An upgrade from 0.1.0 of a server of one's own, as its README sets it up: the secrets beside the database, in a folder of
# mode 2770 that the application's user may write, too. Nothing is lost, nothing is refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Upgrade;
use Upgraded;

plan skip_all => 'the files of two users are put there by root' if $>;
for my $layout ('own-server', 'own-server-directory') {
    subtest $layout => sub {
        taken_over($layout)->finish;
    };
}
done_testing;
