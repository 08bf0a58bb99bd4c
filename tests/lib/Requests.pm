# SPDX-License-Identifier: MIT
# What every deployment is asked, and what it has to answer and to store.
package Requests;
use strict;
use warnings;
use Test::More;
use Deploy;
use Event;
use Fixture;
use Exporter 'import';
our @EXPORT = qw(post signed ask_each);

my $HEADER = 'ComplyCube-Signature';
my $MAX_BODY = 1024 * 1024;    # bytes, the default
my $REFUSED = qr/\A\{"received":false,"error":"[^"]+"\}\z/;

# What comes back: status, body, and rows added to log, inbox and quarantine.
my %OUTCOME = (
    stored      => [200, qq({"received":true}), '1 1 0'],
    duplicate   => [200, qq({"received":true,"duplicate":true}), '0 0 0'],
    ignored     => [200, qq({"received":true,"ignored":true}), '1 1 0'],
    probe       => [200, qq({"received":true,"probe":true}), '0 0 0'],
    quarantined => [202, qq({"received":true,"quarantined":true}), '0 0 1'],
    quarantined_again => [202, qq({"received":true,"quarantined":true}), '0 0 0'],
    refused     => [400, $REFUSED, '0 0 0'],
    wrong_method => [405, $REFUSED, '0 0 0'],
    too_long    => [413, $REFUSED, '0 0 0'],
    ready       => [200, 'ready', '0 0 0'],
    ready_head  => [200, '', '0 0 0'],
    unanswered  => [0, undef, '0 0 0'],
);

sub post { my ($body, $signature, %o) = @_; return { body => $body, headers => [$HEADER => $signature], %o } }

sub signed { my ($body, %o) = @_; return post($body, sign($body), %o) }

# Of the right form, and nobody's.
sub forged { my (%o) = @_; return post(event(), 'a1' x 32, %o) }

# A new event with its signature put into a form.
sub shaped { my ($form) = @_; my $body = event(); return post($body, sprintf $form, sign($body)) }

sub signed_by { my ($endpoint) = @_; my $body = event(); return post($body, sign($body, $SECRET{$endpoint})) }

sub sized { my ($bytes, %o) = @_; return signed(event(size => $bytes), %o) }

# A right signature, and Content-Length five bytes short.
sub understated { my $body = event(); return signed($body, length => length($body) - 5) }

sub doubled { my (@headers) = @_; my $r = shaped('%s'); return { %$r, headers => [@headers, @{ $r->{headers} }] } }

my $twice = event();
my $broken = '{"id":"evt-broken", "type":';
my @other = ($HEADER => 'b2' x 32);

# name, outcome, request; then via => only where requests are sent so, unless => not in deployments named so
my @TABLE = (
    ['a signed event is stored', stored => sub { signed($twice) }],
    ['a second delivery is a 200 and one row', duplicate => sub { signed($twice) }],
    ['a GET says ready', ready => sub { +{ method => 'GET' } }],
    ['a HEAD says ready without a body', ready_head => sub { +{ method => 'HEAD' } }],
    ['a query string is no argument', ready => sub { +{ method => 'GET', query => '-n' } }],
    ['a forged signature is refused', refused => sub { forged() }],
    ['a changed body is refused', refused => sub { my $r = shaped('%s'); $r->{body} .= ' '; $r }],
    ['no signature is refused', refused => sub { +{ body => event() } }],
    ['an empty signature is refused', refused => sub { shaped('%.0s') }],
    ['63 digits are refused', refused => sub { shaped('%.63s') }],
    ['65 digits are refused', refused => sub { shaped('%s0') }],
    ['a prefix before the digits is refused', refused => sub { shaped('sha256=%s') }],
    ['a digit that is none is refused', refused => sub { shaped('%.63sg') }],
    ['a blank within is refused',
        refused => sub { my $r = shaped('%s'); substr($r->{headers}[1], 32, 0) = ' '; $r }],
    ['two signatures, the right one last, are refused', refused => sub { doubled(@other) }],
    ['two signatures, the right one first, are refused',
        refused => sub { my $r = shaped('%s'); push @{ $r->{headers} }, @other; $r }],
    ['an empty body with a forged signature is refused', refused => sub { forged(body => '') }],
    ['a retired secret accepts nothing', refused => sub { signed_by('retired') }],
    ['mixed case digits are accepted',
        stored => sub { my $r = shaped('%s'); $r->{headers}[1] =~ s/([a-f])([^a-f]*)/\U$1\E$2/; $r }],
    ['upper case digits are accepted', stored => sub { my $r = shaped('%s'); $_ = uc for $r->{headers}[1]; $r }],
    ['blanks around the digits are accepted', stored => sub { shaped("  %s \t ") }],
    ['another endpoint has its own secret', stored => sub { signed_by('sandbox') }],
    ['a type outside the list is kept as ignored', ignored => sub { signed_by('narrow') }],
    ['the probe is answered and not stored', probe => sub { signed(event(type => 'complycube-inbox.probe')) }],
    ['signed bytes that are no JSON are kept in quarantine', quarantined => sub { signed($broken) }],
    ['and once only', quarantined_again => sub { signed($broken) }],
    ['a known id with another payload is kept in quarantine',
        quarantined => sub { signed($twice =~ s/"clear"/"attention"/r) }],
    ['a PUT is refused', wrong_method => sub { +{ method => 'PUT' } }],
    ['a DELETE is refused', wrong_method => sub { +{ method => 'DELETE' } }],
    ['a PATCH is refused', wrong_method => sub { +{ method => 'PATCH' } }],
    ['a PUT of a signed event is refused', wrong_method => sub { signed(event(), method => 'PUT') }],
    ['a PUT of a long body is refused', wrong_method => sub { sized(300_000, method => 'PUT') }],
    ['200 KB are stored', stored => sub { sized(200_000) }],
    ['900 KB are stored', stored => sub { sized(900_000) }],
    ['max_body bytes are stored', stored => sub { sized($MAX_BODY) }],
    ['a byte more is a 413', too_long => sub { sized($MAX_BODY + 1) }],
    ['half as much again is a 413', too_long => sub { sized($MAX_BODY * 3 / 2) }],
    ['a small body in chunks is stored',
        stored => sub { signed(event(), chunked => 64) }, unless => qr/lighttpd TLS/],
    ['200 KB in chunks are stored', stored => sub { sized(200_000, chunked => 7000) }, unless => qr/lighttpd TLS/],
    ['a forged body in chunks is refused', refused => sub { forged(chunked => 100) }, unless => qr/lighttpd TLS/],
    ['a body cut at its Content-Length is refused', refused => \&understated, via => qr/http/],
    ['a right signature counts, whatever CONTENT_LENGTH says', stored => \&understated, via => qr/fcgi/],
    (map { my $cut = $_;
        ["a client that goes away after $cut of 100000 bytes stores nothing",
            unanswered => sub { sized(100_000, cut => $cut) }, unless => qr/TLS/] } 0, 1, 50_000, 99_999),
    ['a client that goes away amid chunks stores nothing',
        unanswered => sub { sized(100_000, chunked => 1000, cut => 50_000) }, via => qr/http/],
    ['and afterwards all is well', stored => sub { signed(event()) }],
);

sub _ask {
    my ($d, $request) = @_;
    my $path = $d->{url} . (defined $request->{query} ? "?$request->{query}" : '');
    return $d->{client}->({ method => 'POST', path => $path, %$request });
}

sub _added {
    my ($before, $after) = @_;
    my @b = split / /, $before;
    return join ' ', map { $_ - shift @b } split / /, $after;
}

sub _differences {
    my ($d, $outcome, $answer, $got) = @_;
    my ($status, $body, $added) = @{ $OUTCOME{$outcome} };
    my $h = $answer->{headers};
    chomp(my $got_body = $answer->{body} // '');
    my @wrong;
    push @wrong, "status $answer->{status}, not $status" if $answer->{status} != $status;
    push @wrong, 'body ' . substr $got_body, 0, 80
        if defined $body && !(ref $body ? $got_body =~ $body : $got_body eq $body);
    push @wrong, 'wrong Allow' if $status == 405 && ($h->{allow} // '') ne 'GET, HEAD, POST';
    push @wrong, "HTTP $answer->{version}" if $d->{via} eq 'curl' && $answer->{version} ne '2';
    push @wrong, "rows added $got, not $added" if $got ne $added;
    return @wrong;
}

sub _row {
    my ($f, $d, $name, $outcome, $request, %o) = @_;
    return if $o{via} && $d->{via} !~ $o{via} || $o{unless} && $d->{name} =~ $o{unless};
    my $before = $f->counts;
    my $answer = _ask($d, $request->());
    my @wrong = _differences($d, $outcome, $answer, _added($before, $f->counts));
    ok(!@wrong, $name) or diag "$d->{name}: ", join '; ', @wrong;
}

# Each example is stored under its id, with the bytes that were sent.
sub _examples {
    my ($f, $d) = @_;
    my @lost;
    for my $example (examples()) {
        my ($file, $signature, $body) = @$example;
        my $answer = _ask($d, post($body, $signature));
        my $kept = $f->value('SELECT body FROM event_log WHERE event_id = ?', event_id($body)) // '';
        push @lost, "$file: $answer->{status}" if $answer->{status} != 200 || $kept ne $body;
    }
    is("@lost", '', 'the 26 example events are stored byte for byte');
}

sub ask_everything {
    my ($f, $d) = @_;
    _row($f, $d, @$_) for @TABLE;
    _examples($f, $d);
    my $stored = $f->rows('SELECT endpoint, secret, signature FROM events WHERE event_id = ?', event_id($twice));
    is(join(' ', @{ $stored->[0] // [] }), 'live main ' . sign($twice),
        'so are the endpoint, the name of the secret and the signature');
}

# A whole test: everything is asked of each of these deployments.
sub ask_each {
    for my $name (@_) {
        subtest $name => sub {
            my $f = Fixture->new;
            ask_everything($f, deploy($f, $name));
            $f->finish;
        };
    }
    done_testing;
}

1;
