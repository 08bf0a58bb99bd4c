#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The shipped Apache configurations answer and store as they should.
use strict;
use warnings;
use Requests;

ask_each(
    'Apache mod_fcgid',
    'Apache mod_proxy_fcgi',
    'Apache mod_cgid',
    'Apache TLS',
);
