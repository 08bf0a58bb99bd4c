# SPDX-License-Identifier: MIT
# For prove: -PSkips=FILE fails the run when a test skips and FILE has no line "TEST reason" for it. With "-PSkips=", of no
# file, any test may skip.
package App::Prove::Plugin::Skips;
use strict;
use warnings;

our ($any, %allowed) = (1);

sub load {
    my ($class, $prove) = @_;
    for my $file (@{ $prove->{args} }) {
        $any = 0;
        open my $f, '<', $file or die "$file: $!\n";
        /^([^#\s]\S*)\s+\S/ and $allowed{$1} = 1 while <$f>;
    }
    $prove->{app_prove}->harness('App::Prove::Plugin::Skips::Harness');
    return 1;
}

package App::Prove::Plugin::Skips::Harness;
use parent 'TAP::Harness';

$INC{'App/Prove/Plugin/Skips/Harness.pm'} = __FILE__;    # prove requires it by this name

# A skip of the whole program or of one test in it.
sub _skips {
    my ($parser) = @_;
    my $whole = $parser->skip_all;
    return $whole if $whole;
    my @tests = $parser->skipped;
    return @tests ? 'test ' . join ', ', @tests : ();
}

sub new {
    my ($class, $args) = @_;
    # A program that is not Perl is begun by env: by itself its name would be split at blanks, since prove 3.48.
    $args->{exec} //= sub { my (undef, $test) = @_; return $test =~ /\.(?:t|pl)$/ ? undef : ['env', $test] };
    my $self = $class->SUPER::new($args);
    my @unlisted;
    $self->callback(after_test => sub {
        my ($job, $parser) = @_;
        my ($why) = _skips($parser) or return;
        my ($test) = ref $job eq 'ARRAY' ? $job->[0] : $job;
        push @unlisted, "$test skipped: $why" if !$any && !$allowed{$test};
    });
    $self->{unlisted} = \@unlisted;
    return $self;
}

# Before prove's own summary, which then says FAIL: it goes by the aggregate's exit status too.
sub summary {
    my ($self, $aggregate) = @_;
    if (my @unlisted = @{ $self->{unlisted} }) {
        print "\nSkips that tests/skips.txt does not list:\n", map { "    $_\n" } @unlisted;
        $aggregate->{exit} ||= 1;
    }
    return $self->SUPER::summary($aggregate);
}

1;
