#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A handler written with the vendor's own Node SDK accepts what work and forward hand on: all examples, unchanged.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Event;
use Fixture;
use Npm;
use Test::More;
use Tool;

my $modules = Npm::modules('@complycube/api');
my @examples = examples();
my @types = sort map { $_->[0] =~ s/\.json$//r } @examples;

# A fixture with the examples in its inbox, and the handler with its SDK where the fixture's user reads it.
sub application {
    my $f = Fixture->new;
    system('cp', '-R', $modules, $f->path('www/node_modules')) == 0 or die 'cp failed';
    my $handler = $f->write('www/handler.js', Fixture::slurp("$FindBin::Bin/handler.js"));
    record($f, map { $_->[2] } @examples);
    return ($f, $handler, { env => { SECRET => $SECRET{live} } });
}

sub is_accepted {
    my ($f, $code, $err) = @_;
    is("$code$err", '0', 'all 26 examples are handed on');
    is_deeply([sort split /\n/, Fixture::slurp($f->path('www/seen'))], \@types, 'the SDK accepts each, once');
    is($f->value('SELECT count(*) FROM inbox WHERE state <> 1'), 0, 'and all are done');
    $f->finish;
}

subtest 'as an HTTP server, by forward' => sub {
    my ($f, $handler, $o) = application();
    my $log = $f->path('log/node.log');
    my $ready = sub { -e $log && Fixture::slurp($log) =~ /^port (\d+)$/m && $1 };
    $f->start('node', $ready, cmd => ['node', $handler], %$o) or die 'node does not start';
    is_accepted($f, tool($f, qw(forward -e live --once), 'http://127.0.0.1:' . $ready->() . '/webhook'));
};

subtest 'as a CGI program, by work' => sub {
    my ($f, $handler, $o) = application();
    is_accepted($f, tool($f, qw(work -e live --once -w 2 -- node), $handler, { %$o, limit => 60 }));
};

done_testing;
