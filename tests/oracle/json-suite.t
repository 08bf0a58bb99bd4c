#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The JSON Parsing Test Suite (json-test-suite.tsv): y_ must be accepted, n_ refused, i_ may be either. Where the suite itself
# is at hand, in ../shared/data, its cases must be these.
use strict;
use warnings;
use Deploy;
use Event;
use Fixture;
use Requests;
use Source qw(listed);
use Test::More;

my %case = cases();
is scalar(keys %case), 318, 'there are the cases';
my ($suite) = listed("$Fixture::ROOT/../shared/data", "json-test-suite/test_parsing");
if (-d ($suite // '')) {
    my %same = map { m{([^/]+)$} ? ($1 => Fixture::slurp($_)) : () } glob "$suite/*.json";
    is_deeply \%case, \%same, 'which are those of the suite, byte for byte';
}

# Of an event the value of a member that is passed over: so also what is no object is read.
my $count = 0;
sub inside { my ($text) = @_; return sprintf '{"id":"suite-%d","type":"a","other":%s,"payload":{}}', ++$count, $text }

my $f = Fixture->new;
my $post = deploy($f, 'spawn-fcgi alone')->{client};
my (@y, @n, @i, @kept, @bare);
for my $name (sort keys %case) {
    my $body = inside($case{$name});
    my $status = $post->(signed($body, method => 'POST', path => '/'))->{status};
    push @y, "$name: $status" if $name =~ /^y_/ && $status != 200;
    push @n, "$name: $status" if $name =~ /^n_/ && $status != 202;
    push @i, "$name: $status" if $name =~ /^i_/ && $status !~ /^20[02]$/;
    my $table = $status == 200 ? 'event_log' : 'quarantine';
    push @kept, $name if $f->value("SELECT count(*) FROM $table WHERE hex(body) = ?", uc unpack 'H*', $body) != 1;
    my $alone = $post->(signed($case{$name}, method => 'POST', path => '/'))->{status}; # none of them is an event
    push @bare, "$name: $alone" if $alone != 202;
}
is join(', ', @y), '', 'what is JSON is stored';
is join(', ', @n), '', 'what is not is quarantined';
is join(', ', @i), '', 'what may be either is one of the two';
is join(', ', @bare), '', 'and each as a body of its own is quarantined';
is join(', ', @kept), '', 'all of it byte for byte';

# The scanner itself, by the fuzz target's own reader of RFC 8259 and cJSON.
my $target = ($ENV{BIN} // 'build/bin') =~ s{bin/?$}{target/json}r;
$target = "$Fixture::ROOT/$target" if $target !~ m{^/};
my @files;
for my $name (sort keys %case) {
    push @files, $f->write("run/$name", $case{$name}), $f->write("run/in-$name", inside($case{$name}));
}
my ($code, $out, $err) = $f->run($f->install('run/target', $target), @files);
is $code, 0, 'the scanner agrees on each with a reader that is written as the grammar is' or diag $err;
$f->finish;
done_testing;

sub cases {
    my %case;
    for my $line (split /\n/, Fixture::slurp("$Fixture::ROOT/tests/oracle/json-test-suite.tsv")) {
        next if $line =~ /^#/;
        my ($name, $times, $text, $tail) = split /\t/, $line;
        $case{$name} = join '', map { s/\\x([0-9a-f]{2})/chr hex $1/ger } ($text // '') x $times, $tail // '';
    }
    return %case;
}
