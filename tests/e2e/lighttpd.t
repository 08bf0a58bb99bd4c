#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The shipped lighttpd configurations answer and store as they should.
use strict;
use warnings;
use Requests;

ask_each(
    'lighttpd mod_fastcgi',
    'lighttpd to spawn-fcgi',
    'lighttpd mod_cgi',
    'lighttpd TLS',
);
