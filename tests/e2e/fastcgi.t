#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The receiver on a socket, without a web server: spawn-fcgi, multiwatch, systemd.
use strict;
use warnings;
use Requests;

ask_each(
    'spawn-fcgi alone',
    'multiwatch',
    'systemd socket',
    'systemd StandardInput=socket',
);
