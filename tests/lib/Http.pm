# SPDX-License-Identifier: MIT
# HTTP clients: a raw one that can be wrong on purpose, and curl for TLS and HTTP/2.
#
# A request: { method, path, headers => [name, value, ...], body, chunked => bytes a chunk, length => what
# Content-Length says, cut => body bytes sent before going away }. An answer: { status, headers, body }.
package Http;
use strict;
use warnings;
use IO::Socket::INET;
use IO::Select;
use Time::HiRes qw(time);
use File::Temp ();

sub connect_to {
    my ($port) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) // die "port $port: $!";
}

sub client {
    my ($port) = @_;
    return sub {
        my ($request) = @_;
        my $socket = connect_to($port);
        local $SIG{PIPE} = 'IGNORE';
        print $socket head($request), body($request);
        $socket->flush;
        if (defined $request->{cut}) { close $socket; return { status => 0 } }
        return answer($socket);
    };
}

sub head {
    my ($r) = @_;
    my @h = ('Host' => 'localhost', 'Connection' => 'close', @{ $r->{headers} // [] });
    push @h, 'Transfer-Encoding' => 'chunked' if $r->{chunked};
    my $length = $r->{length} // (defined $r->{body} && !$r->{chunked} ? length $r->{body} : undef);
    push @h, 'Content-Length' => $length if defined $length;
    push @h, 'Content-Type' => 'application/json' if defined $r->{body};
    my $text = sprintf "%s %s HTTP/1.1\r\n", $r->{method}, $r->{path};
    while (my ($name, $value) = splice @h, 0, 2) { $text .= "$name: $value\r\n" }
    return "$text\r\n";
}

sub body {
    my ($r) = @_;
    my $body = $r->{body} // '';
    if ($r->{chunked}) {
        my @parts = unpack "(a$r->{chunked})*", $body;
        $body = join('', map { sprintf("%x\r\n", length) . "$_\r\n" } @parts) . "0\r\n\r\n";
    }
    return defined $r->{cut} ? substr $body, 0, $r->{cut} : $body;
}

# Read to the end of the connection, for limit seconds at most.
sub answer {
    my ($socket, $limit) = @_;
    my ($text, $end, $select) = ('', time + ($limit // 15), IO::Select->new($socket));
    while ((my $left = $end - time) > 0) {
        next if !$select->can_read($left);
        my $n = sysread $socket, $text, 65536, length $text;
        last if !$n;
    }
    return parse($text);
}

sub parse {
    my ($text) = @_;
    $text =~ s/^HTTP\S+ 100 .*?\r\n\r\n//s;
    my ($status, $headers, $body) = $text =~ m{^(?:HTTP/\S+|Status:) (\d+)[^\n]*\n(.*?\n)?\r?\n(.*)\z}s;
    return { status => 0, headers => {}, body => '', raw => $text } if !$status;
    my %headers = map { /^([^:]+):\s*(.*?)\r?$/ ? (lc $1, $2) : () } split /\n/, $headers // '';
    $body = _unchunk($body) if lc($headers{'transfer-encoding'} // '') eq 'chunked';
    return { status => $status, headers => \%headers, body => $body };
}

sub _unchunk {
    my ($text) = @_;
    my $body = '';
    while ($text =~ /\G([0-9a-fA-F]+)[^\n]*\n/gc) {
        my $n = hex $1 or last;
        $body .= substr $text, pos $text, $n;
        pos($text) += $n + 2;
    }
    return $body;
}

# Over TLS with HTTP/2, by curl. The answer has {version} too.
sub curl_client {
    my ($port) = @_;
    return sub {
        my ($r) = @_;
        my $file = File::Temp->new;
        binmode $file;
        print $file $r->{body} // '';
        $file->flush;
        my @cmd = (qw(curl -sk --http2 --max-time 20 -H Expect: -w), '\nversion %{http_version}');
        push @cmd, $r->{method} eq 'HEAD' ? '-I' : ('-D', '-', '-X', $r->{method});
        push @cmd, '--data-binary', "\@$file" if defined $r->{body};
        push @cmd, '-H', 'Transfer-Encoding: chunked' if $r->{chunked};
        my @h = @{ $r->{headers} // [] };
        while (my ($name, $value) = splice @h, 0, 2) {
            push @cmd, '-H', length $value ? "$name: $value" : "$name;";
        }
        open my $out, '-|', @cmd, "https://127.0.0.1:$port$r->{path}" or die "curl: $!";
        my $text = do { local $/; <$out> };
        close $out;
        $text =~ s/^transfer-encoding: chunked\r\n//mi;    # curl has taken the chunks apart
        my $version = $text =~ s/\nversion (\S+)\z// ? $1 : '';
        return { %{ parse($text) }, version => $version };
    };
}

1;
