#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# nginx, and servers that keep their connections to the receiver open, get the same answers.
use strict;
use warnings;
use Requests;

ask_each(
    'nginx',
    'nginx keep-alive',
    'nginx unbuffered',
    'Apache enablereuse=on',
);
