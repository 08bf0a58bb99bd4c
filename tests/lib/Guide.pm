# SPDX-License-Identifier: MIT
# The hosting kit's guide as a program reads it: its lists of steps, each with its heading, and its tables.
package Guide;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(guide_steps guide_table guide_codes);

sub _text {
    my ($html) = @_;
    $html =~ s{<code[^>]*>(.*?)</code>}{`$1`}gs;
    $html =~ s/<[^>]*>//g;
    $html =~ s/\s+/ /g;
    $html =~ s/&lt;/</g;
    $html =~ s/&gt;/>/g;
    $html =~ s/&amp;/&/g;
    return $html =~ s/^ | $//gr;
}

# The steps of the list with this id, in order: { text => the heading, what was <code> in `...`; rows => of its table }
sub guide_steps {
    my ($html, $id) = @_;
    my ($list) = $html =~ m{<ol id="\Q$id\E">(.*?)</ol>}s or die "the guide has no list $id\n";
    my @steps;
    while ($list =~ m{<li>(.*?)</li>}gs) {
        my $step = $1;
        my @heads = $step =~ m{<h3>(.*?)</h3>}gs;
        @heads == 1 or die "a step has no heading of its own: $step\n";
        push @steps, { text => _text($heads[0]), rows => _rows($step) };
    }
    return @steps;
}

# The rows of a table, without its head: arrays of texts.
sub guide_table {
    my ($html, $id) = @_;
    my ($table) = $html =~ m{<table[^>]* id="\Q$id\E">(.*?)</table>}s or die "the guide has no table $id\n";
    return _rows($table);
}

sub _rows {
    my ($html) = @_;
    return [grep { @$_ } map { [map { _text($_) } m{<td>(.*?)</td>}gs] } $html =~ m{<tr>(.*?)</tr>}gs];
}

# All that stands in <code>, in order.
sub guide_codes { my ($html) = @_; return map { _text($_) } $html =~ m{<code[^>]*>(.*?)</code>}gs }

1;
