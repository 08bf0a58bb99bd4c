#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The program as other compilers, another C library and other processors have it, for prove; make check-ports builds them:
# its unit tests, the seeds of its fuzz targets, and events by CGI and FastCGI that the tool then reads. Those of another
# processor run under qemu. The database is read by this machine's SQLite too: it is one format, whatever made it.
use strict;
use warnings;
use Test::More;
use Crash;
use Event;
use Fixture;
use Requests;
use Source qw(quoted);
use Tool;

# folder below build => [what it is, what runs it]
my %PORT = (
    'port/clang'               => ['clang'],
    'static'                   => ['musl'],
    'port/s390x-linux-gnu'     => ['big-endian', 'qemu-s390x-static'],
    'port/arm-linux-gnueabihf' => ['32 bits', 'qemu-arm-static'],
);

for my $port (sort keys %PORT) {
    my ($name, @by) = @{ $PORT{$port} };
    my $build = "$Fixture::ROOT/build/$port";
    my @programs = grep { -x && !/\.d$/ } glob "$build/unit/* $build/target/*";
    cmp_ok scalar @programs, '>', 15, "$name: the unit tests and fuzz targets are built";
    for my $program (@programs) {
        my $text = `cd @{[quoted($Fixture::ROOT)]} && @by '$program' 2>&1`;
        ok $? == 0 && $text =~ /^ok/m && $text !~ /^not ok/m, "$name: " . ($program =~ m{([^/]+/[^/]+)$})[0] or diag $text;
    }

    my $f = Fixture->new;
    my $install = sub {
        my ($as, $program) = @_;
        $f->install(@by ? "$as.bin" : $as, "$build/bin/$program");
        $f->write($as, "#!/bin/sh\nexec @by " . $f->path("$as.bin") . ' "$@"' . "\n", 0755) if @by;
    };
    $install->("home/public_html/cgi-bin/complycube-webhook.$_", 'complycube-webhook') for qw(cgi fcgi);
    $install->('run/complycube-inbox', 'complycube-inbox');
    my $again = signed(event());
    is join(' ', map { $_->{status} } $f->cgi(signed(event())), $f->cgi($again), $f->cgi($again)), '200 200 200', "$name: events by CGI";
    Crash::hold($f);
    my $p = Crash::receiver($f);
    is join(' ', map { $_->{status} } Crash::ask($f, map { Crash::request(event(size => $_)) } 800, 100_000, 900_000)), '200 200 200',
        "$name: and by FastCGI";
    Crash::end_receiver($p);
    is $f->counts, '5 5 0', "$name: each is stored once";
    my ($code, $err) = tool($f, qw(verify --stored));
    is $code, 0, "$name: their signatures verify again" or diag $err;
    ($code, $err) = tool($f, qw(work --once --endpoint live --), '/bin/sh', '-c', 'cat >/dev/null; printf "Status: 200\n\n"');
    is $code, 0, "$name: a command works them off" or diag $err;
    is $f->value('SELECT count(*) FROM inbox WHERE state = 1'), 5, "$name: all are done";
    $f->finish;
}
done_testing;
