#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# In the page's room markup is a literal, and every other text is escaped; its policy lets its own style sheet be used and no other;
# what is written on a colour can be read.
use strict;
use warnings;
use Digest::SHA qw(sha256_base64);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Source;

my (@printed, @raw, $views);
for my $file (grep { m{^page/} } sources('c')) {
    my $code = code(slurp("$ROOT/src/$file"));
    $views++;
    # what a chart, a view or a word writes is written by html.h; page.c and page_gate.c make a head and a log's line of ours
    while ($code =~ /\b(\w*printf|strcat|html_lit_)\s*\(/g) {
        my $call = $1;
        push @printed, "$file: $call" if $call ne 'html_lit_' && $file !~ m{^page/(?:html|page|page_gate|page_glance|page_serve)\.c$};
        push @raw, $file if $call eq 'html_lit_' && $file !~ m{^page/(?:html|page|page_frame)\.c$};
    }
}
cmp_ok $views, '>', 10, 'the files of the room are found';
is_deeply \@printed, [], 'no view prints into text of its own';
is_deeply \@raw, [], 'none writes markup but by html_lit';

my $css = join '', grep { !m{^/\*} } map { "$_\n" } split /\n/, slurp("$ROOT/src/page/style.css");
my $digest = sha256_base64($css);
$digest .= '=' while length($digest) % 4;
my $policy = slurp(($ENV{OBJ} // "$ROOT/build/obj") . '/policy.inc');
like $policy, qr/style-src 'sha256-\Q$digest\E'/, 'the policy has the digest of the style sheet';
like $policy, qr/^"default-src 'none'; /, 'and lets nothing else be used';
unlike $css, qr/url\(|\@import|expression|<\//, 'the style sheet loads nothing';

# Contrast by WCAG 2.2, 1.4.3: 4.5 for text, 3 for what is drawn (1.4.11).
sub luminance {
    my ($hex) = @_;
    $hex =~ s/^#(.)(.)(.)$/#$1$1$2$2$3$3/;
    my @c = map { my $c = hex($_) / 255; $c <= 0.04045 ? $c / 12.92 : (($c + 0.055) / 1.055)**2.4 } $hex =~ /^#(..)(..)(..)$/;
    return 0.2126 * $c[0] + 0.7152 * $c[1] + 0.0722 * $c[2];
}
sub contrast { my ($x, $y) = sort { $b <=> $a } map { luminance($_) } @_; return ($x + 0.05) / ($y + 0.05) }
my @schemes = map { { /--(\w+):(#\w+)/g } } $css =~ /:root\{([^}]*)\}/g;
is scalar @schemes, 2, 'there is a light and a dark scheme';
for my $i (0, 1) {
    my $s = $schemes[$i];
    my $name = $i ? 'dark' : 'light';
    for my $ground (qw(bg card)) {
        is_deeply [grep { contrast($s->{$_}, $s->{$ground}) < 4.5 } qw(fg dim ok bad warn a)], [], "$name: text on $ground has a contrast of 4.5";
    }
    is_deeply [grep { contrast($s->{$_}, $s->{bg}) < 2.8 } qw(c1 c2 c3 c4)], [], "$name: bars are seen";
}
done_testing;
