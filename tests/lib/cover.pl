#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Coverage of src/ by lines, and whether it is enough:
#     cover.pl check       what make check reached under COV=1, by the counters in OBJ: 90 % of all rooms above sandbox
#                          in src/layers
#     cover.pl fuzz        what the seeds of tests/fuzz (and build/fuzz/corpus) reach of decode, verify and the request
#                          reader: 95 %
# cover.pl prepare makes the counters' files, so that programs of any user can write them.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use File::Find;
use File::Path qw(make_path remove_tree);
use FindBin;
use JSON::PP;
use lib $FindBin::Bin;
use Source;

my ($what) = @ARGV;
my $obj = $ENV{OBJ} // 'build/cov/obj';
chdir $ROOT or die "$ROOT: $!";
if (($what // '') eq 'prepare') { prepare() }
elsif (($what // '') eq 'check') { exit verdict(90, 'above sandbox', by_check()) }
elsif (($what // '') eq 'fuzz') { exit verdict(95, 'by fuzzing', by_fuzzing()) }
else { die "usage: cover.pl prepare|check|fuzz\n" }

# An empty file is a new one for gcc's counters; without it the first user to come would own it.
sub prepare {
    system('setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'test', '-x', "$ROOT/$obj") == 0
        or die "$ROOT: other users cannot reach it, and programs of theirs count there; use a folder that is open\n" if $> == 0;
    for my $notes (notes("$obj/..")) {
        my $file = $notes =~ s/\.gcno$/.gcda/r;
        open my $f, '>', $file or die "$file: $!";
        chmod 0666, $file;
    }
}

sub notes {
    my ($folder) = @_;
    my @notes;
    find({ no_chdir => 1, wanted => sub { push @notes, $_ if /\.gcno$/ } }, $folder);
    return @notes;
}

# NAME => [lines, lines reached, does it count]
sub by_check {
    my $json = `gcovr --root . --filter src/ --object-directory $obj --json-summary - $obj`;
    die "gcovr failed\n" if $?;
    my %above;
    for (split /\n/, slurp('src/layers')) {
        my ($room) = /^([^#\s]+)/ or next;
        last if $room eq 'sandbox';
        $above{$room} = 1;
    }
    return map { my $name = $_->{filename} =~ s{^src/}{}r; ($name => [@$_{qw(line_total line_covered)}, $above{ dirname($name) }]) }
        @{ decode_json($json)->{files} };
}

sub by_fuzzing {
    my $folder = 'build/fuzz-cover/profile';
    remove_tree($folder);
    make_path($folder);
    my @targets = glob 'build/fuzz-cover/target/*';
    for my $target (@targets) {
        my $name = basename($target);
        my @files = glob "tests/fuzz/seeds/$name/*";
        push @files, glob "build/fuzz/corpus/$name/*";
        local $ENV{LLVM_PROFILE_FILE} = "$folder/$name-%p.profraw";
        while (my @some = splice @files, 0, 500) {
            system("'$target' @some >/dev/null") == 0 or die "$target failed\n";
        }
    }
    my @sources = map { "src/$_.c" } qw(base/json event/decode event/verify base/hex web/fcgi_record web/fcgi_gather web/cgi);
    my $objects = join ' ', $targets[0], map { "-object $_" } @targets[1 .. $#targets];
    system("llvm-profdata-14 merge -o $folder/all $folder/*.profraw") == 0 or die "llvm-profdata-14 failed\n";
    my $json = `llvm-cov-14 export -summary-only -instr-profile $folder/all $objects @sources 2>/dev/null`;
    die "llvm-cov-14 failed\n" if $?;
    return map { (basename($_->{filename}) => [@{ $_->{summary}{lines} }{qw(count covered)}, 1]) } @{ decode_json($json)->{data}[0]{files} };
}

sub verdict {
    my ($wanted, $which, %file) = @_;
    my ($lines, $reached) = (0, 0);
    for my $name (sort keys %file) {
        my ($all, $some, $counts) = @{ $file{$name} };
        next if !$all;
        printf "%6.1f %%  %5d of %5d lines  %s%s\n", 100 * $some / $all, $some, $all, $name, $counts ? '' : '  (not counted)';
        ($lines, $reached) = ($lines + $all, $reached + $some) if $counts;
    }
    my $percent = $lines ? 100 * $reached / $lines : 0;
    printf "%6.1f %%  %5d of %5d lines %s; %d %% are wanted\n", $percent, $reached, $lines, $which, $wanted;
    return $percent >= $wanted ? 0 : 1;
}
