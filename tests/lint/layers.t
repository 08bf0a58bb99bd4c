#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The rooms of src/: who may include whom (src/layers), that a library is known to one room only, and that the receiver
# does without the tool.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

# A room may be one file, which has the place of its line and not of its folder.
my ($count, %place, %public) = (0);
for my $line (split /\n/, slurp("$ROOT/src/layers")) {
    next if $line =~ /^#/;
    my ($room, @headers) = split ' ', $line;
    $place{$room} = ++$count;
    $public{$_} = 1 for map { "$room/$_" } @headers;
}

# The room of a file; a program's main file is in none and stands below all of them.
sub room { my ($file) = @_; return exists $place{$file} ? $file : dirname($file) }

my $in_rooms = qr/^(?:sqlite3|curl)$/;    # libraries with a room of their own
my (%user, %includes, @wrong);
for my $file (sources('c', 'h')) {
    my $text = slurp("$ROOT/src/$file") =~ s{/\*.*?\*/}{}gsr;
    my $room = room($file);
    push @wrong, "$file is in no room of src/layers" if !$place{$room} && $room ne '.';
    while ($text =~ /^\s*#\s*include\s+(["<])([^">]+)[">]/mg) {
        my ($local, $header) = ($1 eq '"', $2);
        if (!$local) {
            my $library = $header =~ m{^(openssl|cjson|curl)/} ? $1 : $header =~ /^(fcg\w+|sqlite3|confuse|cJSON)/ ? $1 : next;
            $user{$library}{ $library =~ $in_rooms ? $room : $file } = 1;
            next;
        }
        next if $header =~ /\.inc$/;
        if ($header !~ m{/}) {
            $header = dirname($file) eq '.' ? $header : dirname($file) . "/$header";
            push @wrong, "$file includes $header, which is not there" if !-e "$ROOT/src/$header";
        } else {
            my $other = dirname($header);
            push @wrong, "$file includes $header, of its own folder, by its long name" if $other eq dirname($file);
            push @wrong, "$file includes $header, which is $other\'s own" if !$public{$header} && !$public{"$other/*"};
            push @wrong, "$file includes $header, of a room below its own"
                if !$place{$other} || $place{$other} > ($place{$room} // $count + 1);
        }
        push @{ $includes{$file} }, $header;
    }
}
is_deeply \@wrong, [], 'a file includes headers of its own room, and what rooms above it show to others';

for my $library (sort keys %user) {
    my @users = sort keys %{ $user{$library} };
    is scalar @users, 1, "$library is known to " . ($library eq 'sqlite3' ? 'one room' : 'one file') . ' only' or diag "@users";
}
for my $library (qw(openssl sqlite3 confuse curl)) {
    ok $user{$library}, "$library is found by this test at all";
}
my @gone = grep { !-e "$ROOT/src/$_" } keys %place, grep { !m{/\*$} } keys %public;
is_deeply [sort @gone], [], 'all that src/layers names is there';

# No circle between files: what is left when files without an open include are taken away, again and again.
my %open = map { $_ => [@{ $includes{$_} }] } keys %includes;
while (my @done = grep { my $f = $_; !grep { exists $open{$_} } @{ $open{$f} } } keys %open) { delete @open{@done} }
is_deeply [sort keys %open], [], 'no headers include each other in a circle';

# The receiver: all headers that its main file reaches, and what is linked (the Makefile gives it no library of the tool).
my %reached;
my @todo = ('complycube-webhook.c');
while (defined(my $file = shift @todo)) { push @todo, grep { !$reached{$_}++ } @{ $includes{$file} // [] } }
cmp_ok scalar keys %reached, '>', 10, 'headers of the receiver are found';
is_deeply [grep { m{^(?:http|api|tool|work|doctor)/} } sort keys %reached], [], 'the receiver includes nothing of the tool, nor the API and its key';

my %named;
push @{ $named{ basename($_) =~ s/\.[ch]$//r } }, $_ for sources('c', 'h');
my @twice = grep { my %folders = map { dirname($_) => 1 } @{ $named{$_} }; keys %folders > 1 } sort keys %named;
is_deeply \@twice, [], 'a name of a file stands once, for a debugger and for grep';
done_testing;
