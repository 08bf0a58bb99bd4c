# SPDX-License-Identifier: MIT
# The documents for users as programs read them: their fenced blocks, with the marks that say what runs each.
package Documents;
use strict;
use warnings;
use Source;
use Exporter 'import';
our @EXPORT = qw(documents blocks run_by);

# In the order in which a new user would read them; with what is installed first, since the others use it.
sub documents {
    my @known = qw(INSTALL.md README.md docs/consumers.md docs/operating.md docs/answers.md docs/after-an-outage.md);
    my %known = map { $_ => 1 } @known;
    return @known, grep { !$known{$_} } map { s{^\Q$ROOT\E/}{}r } listed($ROOT, 'docs/*.md');
}

# The blocks of a document: { file, section, mark (the comment above it, or ''), language, text }
sub blocks {
    my ($file) = @_;
    my ($section, @blocks) = '';
    my $text = slurp("$ROOT/$file");
    while ($text =~ /^#+ ([^\n]*)\n|^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$/msg) {
        if (defined $1) { $section = $1 }
        else { push @blocks, { file => $file, section => $section, mark => $2 // '', language => $3, text => $4 } }
    }
    return @blocks;
}

# Those that this test runs; '' for the ones that nothing is said of, which tests/readme.t runs.
sub run_by {
    my ($test) = @_;
    return grep { $_->{language} =~ /^(?:sh|cron|php|perl|nginx)$/ && $_->{mark} eq ($test eq '' ? '' : "run by $test") } map { blocks($_) } documents();
}

1;
