# SPDX-License-Identifier: MIT
# The program's own text, for the lint tests.
package Source;
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find;
use File::Glob qw(bsd_glob);
use Exporter 'import';
our @EXPORT = qw($ROOT slurp listed quoted sources objects code make_lines compile_lines error_table);

our $ROOT = abs_path(dirname(__FILE__) . '/../..');

sub slurp { my ($path) = @_; open my $f, '<:raw', $path or die "$path: $!"; local $/; return <$f> // '' }

# The files below a folder that match these patterns; the folder's own name may have blanks and more in it.
sub listed {
    my ($folder, @patterns) = @_;
    $folder =~ s/([\\\[\]{}*?~])/\\$1/g;
    return map { bsd_glob("$folder/$_") } @patterns;
}

# Words for a shell, whatever is in them.
sub quoted { return join ' ', map { "'" . s/'/'\\''/gr . "'" } @_ }

# Files below src/ with one of these endings, as "base/err.c": sources('c', 'h').
sub sources {
    my %ending = map { $_ => 1 } @_;
    my @files;
    find({ no_chdir => 1, wanted => sub { push @files, s{^\Q$ROOT\E/src/}{}r if /\.(\w+)$/ && $ending{$1} && -f } }, "$ROOT/src");
    return sort @files;
}

# Our objects below a folder of them: "base/err.c" => path of its object.
sub objects {
    my ($folder) = @_;
    $folder = "$ROOT/$folder" if $folder !~ m{^/};
    return map { ($_ => "$folder/" . s/\.c$/.o/r) } grep { -e "$folder/" . s/\.c$/.o/r } sources('c');
}

# C text without its comments and without what stands in strings; lines stay where they are.
sub code {
    my ($text) = @_;
    $text =~ s{(/\*.*?\*/|//[^\n]*)|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}
              {defined $1 ? $1 =~ s/[^\n]//gr : '""'}gse;
    return $text;
}

# The commands by which make would make these targets anew.
sub make_lines {
    my ($targets) = @_;
    local %ENV = %ENV;
    delete @ENV{ grep { /^(MAKE|MFLAGS)/ } keys %ENV };
    return map { s/^@//r =~ s/\s*\n//r } `make -C @{[quoted($ROOT)]} --no-print-directory -B -n V=1 $targets 2>/dev/null`;
}

# How make compiles each file of src/: "base/err.c" => command without "-o X" and "-c".
sub compile_lines {
    my %line;
    for (make_lines('all')) {
        next if !/\s-c\s/ || !m{\bsrc/([\w/-]+\.c)(?:\s|$)};
        $line{$1} //= s/\s-o\s+\S+//r =~ s/\s--coverage\b//r =~ s/\s-c\b//r =~ s/\s-M\w+\b//gr;
    }
    return %line;
}

# The error table of err.h: word => { http, exit, text }.
sub error_table {
    my %table;
    my $row = qr/^\s*X\(ERR_\w+,\s*"([^"]*)",\s*(\d+),\s*(\d+),\s*LEVEL_\w+,\s*"([^"]*)"\)/m;
    my $text = slurp("$ROOT/src/base/err.h");
    $table{$1} = { http => $2, exit => $3, text => $4 } while $text =~ /$row/g;
    return %table;
}

1;
