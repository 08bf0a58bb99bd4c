#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# list --csv and history --csv: RFC 4180 to the byte, what --json says, and nothing that a spreadsheet would compute.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Encode qw(decode_utf8 encode_utf8);
use Fixture;
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Tool;

# Lines of fields; dies of what RFC 4180 does not know.
sub parsed {
    my ($text) = @_;
    my (@lines, @fields);
    while (length $text) {
        $text =~ s/\A(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)// or die 'no CSV: ' . substr $text, 0, 60;
        my ($quoted, $plain, $end) = ($1, $2, $3);
        push @fields, defined $quoted ? $quoted =~ s/""/"/gr : $plain;
        next if $end eq ',';
        push @lines, [splice @fields];
    }
    return @lines;
}

# The cells that a spreadsheet makes of it by a delimiter: a quote is one only where a cell begins, and what follows the closing
# one belongs to the cell.
sub cells {
    my ($text, $delimiter) = @_;
    my @cells;
    while (length $text) {
        $text =~ s/\A(?:"((?:[^"]|"")*+)(?:"|\z))?([^$delimiter\r\n]*)(?:[$delimiter]|\r\n|\z)// or die 'no cell: ' . substr $text, 0, 60;
        my ($quoted, $plain) = ($1 // '', $2);
        push @cells, ($quoted =~ s/""/"/gr) . $plain;
    }
    return @cells;
}

# What a spreadsheet would compute, whatever it divides at.
sub formulas {
    my ($text) = @_;
    return grep { /^\s*[=+\-\@＝＋－＠]/ && !/^-?\d+$/ } map { cells($text, $_) } ',', ';', '|', "\t";
}

my @hostile = ('=1+1', '=cmd|\' /C calc\'!A0', '+1', '-1+2', '@SUM(A1)', "\t=1", "\r=1", ' =1', 'a;=1', 'a,=1', 'a;  @x', 'a;"=1+1;b', 'a|"=1+1|b', 'a;""  "=1', '＝1', '＋1',
    'say "hi"', "two\nlines", "a\x{202e}b", 'plain', 'Zürich, Ausweis');
my $json = JSON::PP->new->utf8;

for my $form ('table', 'directory') {
    my $f = Fixture->new(conf => ($form eq 'table' ? '' : qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n))
        . Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample"));
    tool($f, 'init');
    my $names = "seq,endpoint,event_id,type,resource_type,resource_id,created_at,received_at,state,attempts,due_at,done_at,superseded\r\n";
    is_deeply [tool_out($f, qw(list --csv))], [0, $names, ''], "$form: an empty inbox has the names all the same";
    record($f, map { $json->encode({ id => "e$_", type => $hostile[$_], payload => { id => $hostile[-1 - $_] }, resourceType => $hostile[$_] }) } 0 .. $#hostile);
    tool($f, 'ack', 2);
    tool($f, 'dead', 3);

    my ($code, $out, $err) = tool_out($f, qw(list --csv --limit 100));
    is_deeply [$code, $err], [0, ''], "$form: list --csv";
    my $text = decode_utf8($out, Encode::FB_CROAK);
    my ($head, @lines) = parsed($text);
    is join(',', @$head) . "\r\n", $names, "$form: the first line has the names";
    is_deeply [grep { @$_ != @$head } @lines], [], "$form: each line has as many fields";
    is_deeply [formulas($text)], [], "$form: no field is a formula";
    unlike $text, qr/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\x{202e}]/, "$form: no hidden character";
    my @rows = map { decode_json($_) } split /\n/, (tool_out($f, qw(list --json --limit 100)))[1];
    is scalar @lines, scalar @rows, "$form: a line for each event";
    my $time = sub { my ($ms) = @_; return $ms ? strftime('%Y-%m-%dT%H:%M:%S', gmtime($ms / 1000)) . sprintf('.%03dZ', $ms % 1000) : '' };
    my @wrong;
    for my $n (0 .. $#rows) {
        my %line;
        @line{@$head} = @{ $lines[$n] };
        my $row = $rows[$n];
        my %expected = (map({ $_ => $row->{$_} // '' } qw(seq endpoint event_id type resource_type resource_id created_at state attempts)),
            received_at => $time->($row->{received_ms}), due_at => $time->($row->{due_ms}), done_at => $time->($row->{done_ms}),
            superseded => $row->{superseded} ? 'yes' : 'no');
        for (keys %expected) {
            my $is = $line{$_} =~ s/(^[\s"]*|[;,|][\s"]*)'(?=[=+\-\@＝＋－＠])/$1/gr;
            my $is_to_be = $expected{$_} =~ s/([\x00-\x1f\x{202e}])/$1 eq "\n" ? '\\n' : $1 eq "\t" ? '\\t' : join '', map { sprintf '\\x%02x', ord } split m{}, encode_utf8($1)/ger;
            push @wrong, encode_utf8("$row->{seq} $_: <$is> for <$is_to_be>") if $is ne $is_to_be;
        }
    }
    is_deeply \@wrong, [], "$form: with what --json says, but for apostrophes and escapes";
    is_deeply [tool_out($f, qw(list --csv --json))], [2, '', "complycube-inbox: list prints one form: give --json or --csv\n"], "$form: one form at a time";

    for (@hostile) { tool($f, 'requeue', 2, '--reason', encode_utf8($_)); tool($f, 'ack', 2, '--reason', 'again') }
    ($code, $out, $err) = tool_out($f, qw(history --csv --limit 100));
    is_deeply [$code, $err], [0, ''], "$form: history --csv";
    $text = decode_utf8($out, Encode::FB_CROAK);
    ($head, @lines) = parsed($text);
    is "@$head", 'id at action seq endpoint event_id type from_state to_state events os_user sudo_user host reason detail', "$form: its names";
    @rows = map { decode_json($_) } split /\n/, (tool_out($f, qw(history --json --limit 100)))[1];
    is_deeply [map { "@$_[0, 1, 2, 3, 7, 8]" } @lines], [map { "$_->{id} @{[$time->($_->{at_ms})]} $_->{action} $_->{seq} $_->{from_state} $_->{to_state}" } @rows],
        "$form: who changed what, and when, as --json says";
    is_deeply [formulas($text)], [], "$form: no reason is a formula";
    is scalar(grep { $_->[13] eq 'say "hi"' } @lines), 1, "$form: a quote in a field is doubled";
    $f->finish;
}
done_testing;
