#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Whatever an event, a worker, a person or a request holds, an HTML parser finds in the page only elements and attributes of ours.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Event;
use Fixture;
use PageData;

eval { require HTML::Parser; 1 } or plan skip_all => 'libhtml-parser-perl is not installed';

my %ELEMENT = map { $_ => 1 } qw(html head meta title style body a header form div label input button nav ul li main h1 h2 p strong dl dt dd
    span small svg desc g rect line text circle details summary table caption thead tbody tr th td time code pre ol select option footer);
my %ATTRIBUTE = map { $_ => 1 } qw(lang charset name content http-equiv class href method action role for id type maxlength autocomplete
    spellcheck aria-label aria-current aria-hidden aria-labelledby tabindex viewBox viewbox x y x1 x2 y1 y2 cx cy r width height text-anchor
    datetime data-h scope value selected required rel);

# What is wrong with a page: elements and attributes that are not ours, and addresses that lead elsewhere.
sub faults {
    my ($html) = @_;
    my @wrong;
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub {
        my ($tag, $attr) = @_;
        push @wrong, "<$tag>" if !$ELEMENT{$tag};
        for my $name (sort keys %$attr) {
            push @wrong, "<$tag $name=$attr->{$name}>" if !$ATTRIBUTE{$name} || $name =~ /^(?:on|style)/
                || ($name =~ /^(?:href|action)$/ && $attr->{$name} !~ /^[?#]/)
                || $attr->{$name} =~ /hostile/ && $name !~ /^(?:href|value)$/;
        }
    }, 'tagname,attr'], comment_h => [sub { push @wrong, 'a comment' }, '']);
    $parser->empty_element_tags(1);    # of SVG
    $parser->parse($html);
    $parser->eof;
    push @wrong, 'bytes that are no UTF-8' if !utf8::decode(my $copy = $html);
    push @wrong, 'a control' if $html =~ /[\x00-\x08\x0b-\x1f\x7f]/;
    return @wrong;
}

is_deeply([faults('<p>fine</p>')], [], 'the parser finds nothing in a sound page');
is(scalar(my @found = faults('<script>1</script><p onclick=1><a href="//x"><p style="x"><!-- c -->')), 5, 'and finds what it is to find');

my @HOSTILE = (
    q(<script>alert("hostile")</script>), q("><img src=x onerror=hostile>), q(' onmouseover='hostile), '</style><script>hostile</script>',
    '</title><h1>hostile', '--><!-- hostile', '&lt;script&gt;hostile', "\x{2028}hostile\x{2029}", "\x{202e}hostile\x{2066}", "hostile\t\e[31m\x{9b}",
    'javascript:hostile', '</textarea></pre></svg><script>hostile', '{{hostile}}', "\x{feff}hostile", 'hostile' x 36, "\x{1f600}\x{fffe}hostile",
    '%3Cscript%3Ehostile', ']]><script>hostile</script>',
);

my $f = page_fixture();
my $json = JSON::PP->new->utf8;
my @bodies = map {
    my $text = substr $_, 0, 200;
    $json->encode({ id => "evt-$text", type => $text, resourceType => $text, payload => { id => $text, clientId => $text, status => $text,
        outcome => $text, note => $text, $text => [$text, { $text => $text }] }, createdAt => '2026-01-29T20:32:22.004Z' });
} @HOSTILE;
my @wild = map { my $h = $_; $json->encode({ id => $h, type => 'check.completed', payload => 'none' }) } map { substr $_, 0, 200 } @HOSTILE;
for my $body (@bodies, @wild, '<script>hostile</script>', "\xff\xfe\x00hostile<b>", '[' x 4000) {
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
    $answer->{status} =~ /^2/ or diag "$answer->{status} for $body";
}
my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1, PrintError => 0, sqlite_unicode => 0 });
$db->sqlite_busy_timeout(10_000);
my ($n) = $db->selectrow_array('SELECT max(seq) FROM event_log');
cmp_ok($n, '>=', scalar @HOSTILE, 'events of every kind are recorded');
for my $i (0 .. $#HOSTILE) {
    utf8::encode(my $text = $HOSTILE[$i]);
    $db->do('UPDATE inbox SET owner = ?, error = ?, state = ?, token = ?, attempts = 3, due_ms = due_ms + ? WHERE seq = ?', undef,
        $text, $text, $i % 3, $i % 3 ? undef : $text, $i % 2 ? 9_000_000 : 0, $i + 1);
    $db->do(q(INSERT INTO history (at_ms, action, seq, os_user, sudo_user, host, reason, detail) VALUES (1, ?, ?, ?, ?, ?, ?, ?)), undef,
        $text, $i + 1, ($text) x 5);
    $db->do(q(UPDATE quarantine SET reason = ? WHERE id = ?), undef, $text, $i + 1);
}
$db->do(q(UPDATE secret SET name = '"><script>hostile</script>'));
$db->do(q(UPDATE event_log SET client_id = CAST(x'ff3c623e00' AS TEXT), type = CAST(x'3c00ff' AS TEXT) WHERE seq = 2));
$db->disconnect;
$f->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($f->config)
    =~ s/^page \{/page {\n    title = "<script>hostile<\/script>"/mr =~ s/"anna"/"anna", "<b>hostile"/gr);

sub sound {
    my ($name, $answer) = @_;
    my @wrong = $answer->{status} == 500 || !defined $answer->{code} || $answer->{code} != 0 ? "$answer->{status} $answer->{log}" : faults($answer->{body});
    ok(!@wrong, $name) or diag join "\n", @wrong[0 .. ($#wrong < 5 ? $#wrong : 5)];
    return $answer;
}

for my $query ('', 'refresh=60', 'view=events', 'view=events&state=waiting', 'view=events&state=claimed', 'view=events&state=delayed',
    'view=events&state=dead', 'view=quarantine', 'view=refused', 'view=keys', 'view=history', 'view=find') {
    is(sound("sound: $query", page($f, $query))->{status}, 200, "and shown: $query");
}
is(sound('sound for a user with a hostile name', page($f, '', env => { REMOTE_USER => '<b>hostile' }))->{status}, 200, 'and shown');
for my $seq (1 .. $n) {
    sound("sound: $_ of $seq", page($f, "view=$_&seq=$seq")) for qw(event client resource contents);
}
sound("sound: quarantine $_", page($f, "view=quarantine&number=$_")) for 1 .. 6;
sound("sound: what is in quarantine $_", page($f, "view=contents&number=$_")) for 1 .. 21;
for my $text (@HOSTILE) {
    utf8::encode(my $bytes = substr $text, 0, 200);
    my $coded = $bytes =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
    sound('sound: found by what is hostile', page($f, '', find => $bytes));
    sound("sound: a parameter $_", page($f, "$_=$coded")) for qw(view type seq day endpoint before state x);
    sound('sound: a type to list', page($f, "view=events&type=$coded"));
}
# Nothing of a request that was refused is shown again.
unlike(page($f, 'view=hostile<script>')->{body}, qr/hostile/, 'a query that is refused is not repeated');
unlike(page($f, '', env => { PATH_INFO => '/hostile' })->{body}, qr/hostile/, 'nor is a path');
srand(my $seed = $ENV{SEED} // time);
diag "SEED=$seed";
for my $i (1 .. $ENV{ROUNDS} // 60) {
    my $query = join '', map { chr(rand() < 0.6 ? ord(substr 'view=events&seq=1&type=find<>"\'%&=;', rand 34, 1) : 1 + rand 255) } 1 .. rand 80;
    sound("sound: random query $i", page($f, $query));
}
$f->finish;
done_testing;
