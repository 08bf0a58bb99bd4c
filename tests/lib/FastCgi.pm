# SPDX-License-Identifier: MIT
# A FastCGI client on a unix socket: the web server's part, so that a receiver is tested without one.
package FastCgi;
use strict;
use warnings;
use IO::Socket::UNIX;
use Http;

my %TYPE = (begin => 1, abort => 2, end => 3, params => 4, stdin => 5, stdout => 6, stderr => 7, data => 8, get_values => 9);

sub connect_to { my ($path) = @_; return IO::Socket::UNIX->new(Peer => $path) }

sub record {
    my ($type, $content) = @_;
    return pack('CCnnCC', 1, $TYPE{$type}, 1, length $content, 0, 0) . $content;
}

# A record that no web server need have made. type: a name or a number; version, id; length => what its header says, where
# that is not so; padding => bytes of it.
sub raw {
    my ($type, $content, %o) = @_;
    my $padding = $o{padding} // 0;
    return pack('CCnnCC', $o{version} // 1, $TYPE{$type} // $type, $o{id} // 1, $o{length} // length $content, $padding, 0)
        . $content . "\xa5" x $padding;
}

# Content in records, and the empty one that ends it.
sub stream {
    my ($type, $content) = @_;
    return join '', map { record($type, $_) } unpack('(a32768)*', $content), '';
}

sub params {
    my (%p) = @_;
    my $length = sub { $_[0] < 128 ? pack 'C', $_[0] : pack 'N', $_[0] | 0x80000000 };
    return join '', map { $length->(length) . $length->(length $p{$_}) . $_ . $p{$_} } sort keys %p;
}

# The variables of a request as a web server makes them (CGI/1.1); equal headers are joined by ", ".
sub variables {
    my ($r) = @_;
    my ($path, $query) = split /\?/, $r->{path}, 2;
    my %v = (
        REQUEST_METHOD => $r->{method}, REQUEST_URI => $r->{path},
        SCRIPT_NAME => $path, QUERY_STRING => $query // '',
        SERVER_PROTOCOL => 'HTTP/1.1', GATEWAY_INTERFACE => 'CGI/1.1', REMOTE_ADDR => '127.0.0.1',
        SERVER_NAME => 'localhost', SERVER_PORT => 80, SERVER_SOFTWARE => 'test',
    );
    my $length = $r->{length} // (defined $r->{body} && !$r->{chunked} ? length $r->{body} : undef);
    $v{CONTENT_LENGTH} = $length if defined $length;
    my @h = @{ $r->{headers} // [] };
    while (my ($name, $value) = splice @h, 0, 2) {
        (my $key = 'HTTP_' . uc $name) =~ tr/-/_/;
        $v{$key} = defined $v{$key} ? "$v{$key}, $value" : $value;
    }
    return %v;
}

# What comes before the body of a request.
sub beginning {
    my ($r, $keep) = @_;
    return record('begin', pack 'nCx5', 1, $keep ? 1 : 0) . stream('params', params(variables($r)));
}

# The bytes of a request. cut => after so many bytes of the body, without the end of it.
sub bytes {
    my ($r, $keep) = @_;
    my $begin = beginning($r, $keep);
    return $begin . stream('stdin', $r->{body} // '') if !defined $r->{cut};
    return $begin . record('stdin', substr $r->{body}, 0, $r->{cut});
}

sub client {
    my ($path) = @_;
    return sub {
        my ($r) = @_;
        my $socket = connect_to($path) // die "$path: $!";
        local $SIG{PIPE} = 'IGNORE';
        print $socket bytes($r);
        $socket->flush;
        if (defined $r->{cut}) { close $socket; return { status => 0 } }
        return answer($socket);
    };
}

# One answer, up to its END_REQUEST; status 0 when the connection ended without one.
sub answer {
    my ($socket, $limit) = @_;
    my ($out, $err) = ('', '');
    local $SIG{ALRM} = sub { die "timeout\n" };
    alarm($limit // 15);
    my $whole = eval {
        while (1) {
            my ($version, $type, $id, $length, $padding) = unpack 'CCnnC', _take($socket, 8);
            my $content = _take($socket, $length);
            _take($socket, $padding);
            $out .= $content if $type == $TYPE{stdout};
            $err .= $content if $type == $TYPE{stderr};
            return 1 if $type == $TYPE{end};
        }
    };
    alarm 0;
    return { status => 0, headers => {}, body => '', error => $@ } if !$whole;
    $out = "Status: 200 OK\r\n$out" if $out !~ /^Status:/i;
    return { %{ Http::parse($out) }, log => $err };
}

sub _take {
    my ($socket, $n) = @_;
    my $bytes = '';
    while (length $bytes < $n) {
        sysread($socket, $bytes, $n - length $bytes, length $bytes) or die "connection ended\n";
    }
    return $bytes;
}

1;
