# SPDX-License-Identifier: MIT
# What complycube-inbox doctor prints, and its cures, applied literally by the grammar of src/doctor/finding.h.
package Doctor;
use strict;
use warnings;
use File::Spec;
use JSON::PP;
use Test::More;
use Exporter 'import';
our @EXPORT = qw(told flat doctor only cure mended needs_no_message);

# The findings of its text: { verdict, what, finding, why, cures => [...] }. Lines that were wrapped are joined.
sub told {
    my ($text) = @_;
    my (@findings, $to);
    for my $line (split /\n/, $text) {
        if ($line =~ /^(ok|warning|wrong) +(\S.{13}) (.*)$/) {
            my ($verdict, $what, $finding) = ($1, $2, $3);
            $what =~ s/ +$//;
            push @findings, { verdict => $verdict, what => $what, finding => $finding, why => '', cures => [] };
            $to = \$findings[-1]{finding};
        } elsif ($line =~ /^ {24}why: (.*)$/) {
            $to = \($findings[-1]{why} = $1);
        } elsif ($line =~ /^ {24}-> (.*)$/) {
            push @{ $findings[-1]{cures} }, $1;
            $to = \$findings[-1]{cures}[-1];
        } elsif ($line =~ /^ {24,29}(\S.*)$/ && $to) {
            my $more = $1;
            $$to .= ' ' if $$to !~ m{/$};
            $$to .= $more;
        } else {
            fail("doctor prints nothing else: $line");
        }
    }
    return @findings;
}

# The same as text: a line for a finding, and one for each step of its cure.
sub flat {
    my ($text) = @_;
    return join '', map { join("\n", "$_->{verdict} $_->{what} $_->{finding}", map { "-> $_" } @{ $_->{cures} }) . "\n" } told($text);
}

# Run it as the fixture's user, or with user => 'root' as this test's own: (exit code, findings).
sub doctor {
    my ($f, @args) = @_;
    my %o = ref $args[-1] ? %{ pop @args } : ();
    my $tool = $f->path('run/complycube-inbox');
    $f->install('run/complycube-inbox', 'complycube-inbox') if !-e $tool;
    my @cmd = ($tool, '-c', $f->config, 'doctor', @args);
    my ($code, $out, $err) = $o{root} ? _as_self($f, @cmd) : $f->run(@cmd, { limit => 120, %o });
    $f->{cgi_log} .= $err;
    $f->{said} = $out;
    _check_text($out);
    like $err, qr/ wrong; do what/, 'the end tells how to go on' if ($code // 1) == 1 && $out =~ /^wrong/m;
    return ($code, told($out));
}

# The tool whose error messages are noise comes to the same findings and cures: none of them hangs on a message. After
# doctor() with the same arguments, whose exit code and findings these are. A URL is not probed a second time.
sub needs_no_message {
    my ($f, $code, $findings, @args) = @_;
    my %o = ref $args[-1] ? %{ pop @args } : ();
    return if grep { $_ eq '--url' } @args;
    my $tool = $f->path('run/garbled/complycube-inbox');
    if (!-e $tool) {
        $f->folder('run/garbled');
        $f->install('run/garbled/complycube-inbox', Fixture::garbled_tool());
    }
    my @cmd = ($tool, '-c', $f->config, 'doctor', @args);
    my ($its_code, $out, $err) = $o{root} ? _as_self($f, @cmd) : $f->run(@cmd, { limit => 120, %o });
    $f->{cgi_log} .= $err;
    my $its = _cures($its_code, told($out =~ s{run/garbled/}{run/}gr));
    my $same = _cures($code, @$findings);
    $same = _cures(doctor($f, @args, \%o)) if $its ne $same;    # the run before may have written a log back
    is $its, $same, 'no finding and no cure hangs on a message';
}

# What is not well, with its cure and the exit code; receivers come and go.
sub _cures {
    my ($code, @findings) = @_;
    my @seen = grep { $_->{verdict} ne 'ok' && $_->{what} !~ /^(?:receiver|sandbox)$/ } @findings;
    return join '', "exit $code\n", map { join("\n-> ", "$_->{verdict} $_->{what}: $_->{why}", @{ $_->{cures} }) . "\n" } @seen;
}

sub _as_self {
    my ($f, @cmd) = @_;
    no warnings 'redefine';
    local *Proc::unprivileged = sub { () };
    return $f->run(@cmd, { limit => 120 });
}

# 80 columns for a person, but for what is pasted; no colour where no terminal is.
sub _check_text {
    my ($out) = @_;
    my @wide = grep { length > 80 && !/^ {24}-> (?!by hand: )/ } split /\n/, $out;
    @wide and fail("80 columns: $_") for @wide;
    $out =~ /\033/ and fail('no colour into a pipe');
}

# The findings of one subject that are not ok.
sub only { my ($what, @findings) = @_; return grep { $_->{what} eq $what && $_->{verdict} ne 'ok' } @findings }

sub _lines { my ($file) = @_; open my $in, '<', $file or die "$file: $!"; return <$in> }

# A file as it was but for its text: owner and mode stay, as with an editor that writes in place.
sub _write { my ($file, @lines) = @_; open my $out, '>', $file or die "$file: $!"; print $out @lines; close $out }

# What a cure would change outside of any test's folder: a wrong one must not mend the machine that it is tried on.
sub _foreign {
    my ($cure) = @_;
    return if $cure !~ /^in |\b(?:chmod|chown|chgrp|rm|mv|install|ln|setfacl)\b/;
    my ($places) = $cure =~ /^(in [^\s:]+)/ ? $1 : $cure;    # the text of a line may name anything
    my $tmp = File::Spec->tmpdir;
    return grep { -e && !m{^\Q$tmp\E/cw-[^/]+/.} && !m{^(?:(?:/usr)?/s?bin/|/dev/null$)} } $places =~ m{(?<![\w.:=-])(/[^\s'";&|]+)}g;
}

# Apply the cures of a finding. hand => a function of the words, for what a person does; skip => commands that are for
# another case than this; restore => its exit code, 1 where what is replaced cannot be read.
sub cure {
    my ($finding, %o) = @_;
    for my $cure (@{ $finding->{cures} }) {
        next if $o{skip} && $cure =~ $o{skip};
        if ($cure =~ /^by hand: (.*)$/s) {
            my $words = $1;
            $o{hand} ? $o{hand}->($words) : fail("nothing is left to a person: $words");
        } elsif (my @foreign = _foreign($cure)) {
            fail("a cure leaves the test's own folder, and is not applied: $cure (@foreign)");
        } elsif ($cure =~ /^in (\S+?):(\d+) write: (.*)$/) {
            my ($file, $n, $text, @lines) = ($1, $2, $3, _lines($1));
            $n <= @lines or fail("$file has a line $n");
            $lines[$n - 1] = "$text\n";
            _write($file, @lines);
        } elsif ($cure =~ /^in (\S+?):(\d+) add: (.*)$/) {
            my ($file, $n, $text, @lines) = ($1, $2, $3, _lines($1));
            splice @lines, $n, 0, "$text\n";
            _write($file, @lines);
        } elsif ($cure =~ /^in (\S+) add: (.*)$/) {
            my ($file, $text, @lines) = ($1, $2, _lines($1));
            _write($file, @lines, "$text\n");
        } else {
            my $code = $cure =~ / restore / ? $o{restore} // 0 : 0;
            is system('/bin/sh', '-c', "($cure\n) >/dev/null") >> 8, $code, "the shell takes: $cure";
        }
    }
    @{ $finding->{cures} } or fail("there is a cure: $finding->{finding}");
}

# Do what it says until no finding of this subject is left: the first time there is one, of this verdict, and the exit
# code goes with it. Other wrong ones that come up on the way are mended as well. args => of doctor, hand => see cure,
# after => what is done between, the start of a server say.
sub mended {
    my ($f, $verdict, $what, %o) = @_;
    my @args = @{ $o{args} // [] };
    my ($code, @findings) = doctor($f, @args, { root => $o{root} });
    my @seen = grep { $_->{verdict} eq $verdict } only($what, @findings);
    ok scalar @seen, "$what is $verdict: " . ($seen[0] ? $seen[0]{finding} : '') or diag $f->{said};
    is $code, 1, 'and the exit code says so' if $verdict eq 'wrong';
    needs_no_message($f, $code, \@findings, @args, { root => $o{root} });
    like $seen[0]{finding}, $o{finding}, 'in these words' if $o{finding};
    ok length $seen[0]{why}, 'it says why it matters' if @seen;
    for my $round (1 .. 8) {
        my @left = grep { $_->{verdict} eq 'wrong' || $_->{what} eq $what } grep { $_->{verdict} ne 'ok' } @findings;
        @left = grep { $_->{finding} =~ $o{finding} || $_->{verdict} eq 'wrong' } @left if $o{finding};
        last if !@left;
        cure($left[0], hand => $o{hand}, skip => $o{skip}, restore => $o{restore});
        $o{after}->() if $o{after};
        ($code, @findings) = doctor($f, @args, { root => $o{root} });
    }
    is $code, 0, 'what it printed mends it' or diag $f->{said};
    is_deeply [map { $_->{finding} } grep { !$o{finding} || $_->{finding} =~ $o{finding} } only($what, @findings)], [], 'the finding is gone';
    return @findings;
}

1;
