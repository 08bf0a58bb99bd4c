# SPDX-License-Identifier: MIT
# The statements of complycube-inbox(5), as a reader of the page would take them from it.
package Contract;
use strict;
use warnings;
use Source;
use Exporter 'import';
our @EXPORT_OK = qw(page statements bind);

sub page { return slurp("$ROOT/src/man/complycube-inbox.5") }

# name => text: poll, done, claim, read, ack, nack, extend, release, and the clauses types, ordered, over, skip.
sub statements {
    my $page = page();
    my ($now_ms) = $page =~ /^NOW_MS stands for\n\.Ql (.*) ,$/m or die 'NOW_MS is not explained';
    my %sql;
    for my $display ($page =~ /^\.Bd -literal\n(.*?)^\.Ed/msg) {
        $sql{$1} = $2 while $display =~ /^(\w+) +(\S.*?\n(?:^ .*\n)*)/mg;
    }
    s/\bNOW_MS\b/$now_ms/g, s/\s+/ /g for values %sql;
    return (%sql, NOW_MS => $now_ms);
}

# A statement with ":name" as one with "?", and its values in their order.
sub bind {
    my ($text, %value) = @_;
    my @order;
    $text =~ s/:(\w+)/push @order, $value{$1} \/\/ die "no value for $1"; '?'/ge;
    return ($text, @order);
}

1;
