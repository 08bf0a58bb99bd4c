#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A shared host, where only cgi-bin and its .htaccess can be put, answers and stores as it should.
use strict;
use warnings;
use Requests;

ask_each(
    'Apache shared hosting, CGI',
    'Apache shared hosting, FastCGI',
);
