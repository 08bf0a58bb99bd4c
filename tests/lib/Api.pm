# SPDX-License-Identifier: MIT
# ComplyCube's API as its pages describe it, on a free port of the loopback: for the tests of what calls it. Its habits are
# of docs.complycube.com/api-reference, each with its page; tests/oracle/api.t shows them to the vendor's own SDK.
#
#   my $api = Api->new($f);                      # a process of its own, which ends with the fixture
#   $api->load(checks => [{ id => ..., ... }]);  # objects of the live world; webhooks too
#   $api->fault({ what => 'status', status => 500, path => 'webhooks', times => 2 });
#   $api->requests                               # what was asked: { at, method, path, query, body, key, agent, status }
package Api;
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(strftime floor);
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time sleep);
use Fixture;
use Http;
use Proc qw(wait_until);
use Exporter 'import';
our @EXPORT_OK = qw(stamp object_id webhook);

our %KEY = (live => 'live_0123456789abcdef0123456789abcdef', test => 'test_0123456789abcdef0123456789abcdef');
my %RATE = (live => 10, test => 5);                                    # rate-limits
my @LISTS = qw(checks clients documents addresses workflowSessions auditLogs webhooks);
my %NAME = (checks => 'check', clients => 'client', documents => 'document', addresses => 'address',
    workflowSessions => 'workflow session', auditLogs => 'audit log', webhooks => 'webhook');
my %FILTER = map { my $l = $_; $l => { map { $_ => 1 } qw(page pageSize createdAfter createdBefore updatedAfter updatedBefore) } } @LISTS;
$FILTER{$_}{clientId} = 1 for qw(checks documents addresses workflowSessions auditLogs);
$FILTER{auditLogs}{$_} = 1 for qw(memberId resourceType resourceId trigger action);    # filtering-audit-logs
$FILTER{webhooks}{$_} = 1 for qw(enabled url events);                 # filtering-webhooks
$FILTER{workflowSessions}{workflowTemplateId} = 1;
$FILTER{$_}{status} = $FILTER{$_}{type} = 1 for qw(checks clients documents workflowSessions);
our @TYPES = (qw(check.pending check.completed check.completed.clear check.completed.attention check.completed.rejected
    check.completed.match_confirmed check.monitoring.attention check.failed check.updated client.created client.updated
    client.deleted document.created document.updated document.updated.image_uploaded document.updated.image_deleted
    document.deleted address.created address.updated address.deleted),
    map { "workflow.session.$_" } qw(started cancelled processing completed updated));
my $JSON = JSON::PP->new->canonical->utf8;

# A time as the API writes it; ms since the Epoch.
sub stamp { my ($ms) = @_; return strftime('%Y-%m-%dT%H:%M:%S', gmtime floor($ms / 1000)) . sprintf '.%03dZ', $ms % 1000 }

sub object_id { my ($n) = @_; return substr sha256_hex("object $n"), 0, 24 }

# The documents' example of a webhook, changed.
sub webhook {
    my (%o) = @_;
    return { id => object_id('webhook'), description => 'A webhook', url => 'https://www.example.org/complycube',
        enabled => JSON::PP::true, events => ['*'], createdAt => '2026-01-02T10:00:00.000Z', updatedAt => '2026-01-29T20:32:22.004Z', %o };
}

# ---- the test's side ----

# tls => behind lighttpd, with a certificate of an own authority: conf/api-root.pem
sub new {
    my ($class, $f, %o) = @_;
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64, ReuseAddr => 1) or die "listen: $!";
    my $self = bless { f => $f, port => $socket->sockport }, $class;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        POSIX::setsid();
        $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
        $SIG{PIPE} = $SIG{CHLD} = 'IGNORE';
        eval { bless({ world => {}, faults => [], log => [], offset => 0 }, $class)->_serve_all($socket); 1 } or warn "Api: $@";
        POSIX::_exit(1);
    }
    push @{ $f->{procs} }, bless { pid => $pid, name => 'api', owner => $$ }, 'Proc';
    $self->_start_tls if $o{tls};
    return $self;
}

sub url { my ($self) = @_; return $self->{tls} ? "https://localhost:$self->{tls}/v1" : "http://127.0.0.1:$self->{port}/v1" }

sub _ask {
    my ($self, $what, $value) = @_;
    my $answer = Http::client($self->{port})->({ method => 'POST', path => "/_/$what", body => $JSON->encode($value // {}) });
    $answer->{status} == 200 or die "$what: $answer->{status} $answer->{body}";
    return $JSON->decode($answer->{body});
}

# Lists of objects, in the place of what was there; world => 'test' for the other.
sub load { my ($self, %lists) = @_; $self->_ask(load => \%lists) }
# Some members of an object; updatedAt is now unless it is among them.
sub change { my ($self, $list, $id, $members, $world) = @_; $self->_ask(change => [$list, $id, $members, $world // 'live']) }
# All objects of a list, as they are.
sub objects { my ($self, $list, $world) = @_; return @{ $self->_ask(objects => [$list, $world // 'live']) } }
sub requests { my ($self) = @_; return @{ $self->_ask('requests') } }
sub forget_requests { my ($self) = @_; $self->_ask('forget') }
# The API's clock is ahead by so many ms.
sub clock { my ($self, $ms) = @_; $self->_ask(clock => { ms => $ms }) }

# The next `times` requests (1; -1: all) whose path and method match go wrong. what =>
#   status (status, retry_after, message, type)  an error of the API;  echo: its message has the key
#   html | redirect (to) | cut | drop | slow | long | hang      drop: obeyed, and no answer
#   ignored (filter) | empty (filter)            a filter counts for nothing; or finds nothing
#   drift (list, share, seed)                    before the answer so many of its items change
#   secret                                       each webhook in an answer has a secret
sub fault { my ($self, $fault) = @_; $self->_ask(fault => $fault) }
sub mend { my ($self) = @_; $self->_ask('mend') }

# The most requests that came within a second.
sub most {
    my ($self, @requests) = @_;
    my ($most, $first) = (0, 0);
    for my $i (0 .. $#requests) {
        $first++ while $requests[$first]{at} <= $requests[$i]{at} - 1;
        $most = $i - $first + 1 if $i - $first + 1 > $most;
    }
    return $most;
}

sub _start_tls {
    my ($self) = @_;
    my $f = $self->{f};
    my $openssl = sub {
        my ($code, undef, $err) = $f->run('openssl', @_, { dir => $f->path('conf') });
        die "openssl @_: $err" if ($code // 1) != 0;
    };
    $f->write('conf/api.cnf', "[v3]\nsubjectAltName=DNS:localhost\nbasicConstraints=CA:false\n");
    $openssl->(qw(req -x509 -newkey rsa:2048 -nodes -days 2), -subj => '/CN=Authority of the tests', qw(-keyout api-root.key -out api-root.pem));
    $openssl->(qw(req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout api.key -out api.csr));
    $openssl->(qw(x509 -req -in api.csr -CA api-root.pem -CAkey api-root.key -CAcreateserial -days 2 -extfile api.cnf -extensions v3 -out api.pem));
    $f->write('conf/api-both.pem', Fixture::slurp($f->path('conf/api.key')) . Fixture::slurp($f->path('conf/api.pem')), 0600);
    $self->{tls} = $f->port;
    my $conf = $f->write('conf/api.conf', qq(server.modules = ("mod_openssl", "mod_proxy")\nserver.bind = "127.0.0.1"\nserver.port = $self->{tls}\n)
        . qq(server.document-root = "@{[$f->path('www')]}"\nssl.engine = "enable"\nssl.pemfile = "@{[$f->path('conf/api-both.pem')]}"\n)
        . qq(proxy.server = ("" => (("host" => "127.0.0.1", "port" => $self->{port})))\n));
    my $ready = sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{tls}) };
    $f->start('api-tls', $ready, cmd => ['lighttpd', '-D', '-f', $conf]) or die 'no TLS for the API';
}

# ---- the server: one process, a request at a time ----

sub _serve_all {
    my ($s, $listen) = @_;
    my ($select, %text) = (IO::Select->new($listen));
    while (1) {
        for my $socket ($select->can_read(60)) {
            if ($socket == $listen) {
                my $client = $listen->accept or next;
                setsockopt $client, IPPROTO_TCP, TCP_NODELAY, 1;
                $select->add($client);
                $text{$client} = '';
            } elsif (!sysread $socket, $text{$socket}, 65536, length $text{$socket}) {
                $select->remove($socket);
                delete $text{$socket};
                close $socket;
            } else {
                while (my $request = _request(\$text{$socket})) {
                    next if $s->_serve_one($socket, $request);
                    $select->remove($socket);
                    delete $text{$socket};
                    close $socket;
                    last;
                }
            }
        }
    }
}

# The first whole request of a text, which is taken out of it.
sub _request {
    my ($text) = @_;
    return if !defined $$text;
    my ($method, $target, $head) = $$text =~ m{\A(\S+) (\S+) HTTP/1\.[01]\r\n(.*?\r\n)\r\n}s or return;
    my $start = $+[0];
    my %header = map { /^([^:]+):\s*(.*?)\s*$/ ? (lc $1, $2) : () } split /\r\n/, $head;
    my $length = $header{'content-length'} // 0;
    return if length $$text < $start + $length;
    my $body = substr $$text, $start, $length;
    substr $$text, 0, $start + $length, '';
    my ($path, $query) = split /\?/, $target, 2;
    my @query = map { [map { s/\+/ /gr =~ s/%([0-9a-fA-F]{2})/chr hex $1/ger } split /=/, $_, 2] } split /&/, $query // '';
    return { at => time, method => $method, path => $path, query => { map { $_->[0] => $_->[1] // '' } @query }, body => $body, header => \%header };
}

# False: the connection is to be closed.
sub _serve_one {
    my ($s, $socket, $r) = @_;
    if ($r->{path} =~ m{^/_/(\w+)$}) {
        my $answer = $s->can("_do_$1")->($s, $JSON->decode($r->{body}));
        my $text = $JSON->encode($answer // {});
        _put($socket, "HTTP/1.1 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text");
        return lc($r->{header}{connection} // '') ne 'close';
    }
    my $fault = $s->_fault_of($r);
    my ($status, $body, @headers) = $s->_answer($r, $fault);
    push @{ $s->{log} }, { at => $r->{at}, method => $r->{method}, path => $r->{path}, query => $r->{query}, body => $r->{body},
        key => $r->{header}{authorization}, agent => $r->{header}{'user-agent'}, status => $status + 0 };
    return $s->_spoil($socket, $fault->{what}) if $fault->{what} && $fault->{what} =~ /^(?:drop|slow|long|hang)$/;
    my $date = strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime floor($s->_now / 1000));
    my $text = "HTTP/1.1 $status Status\r\nDate: $date\r\nContent-Type: application/json\r\n" . join('', map { "$_\r\n" } @headers);
    $text .= 'Content-Length: ' . length($body) . "\r\n" if $status != 204;
    $text .= "\r\n$body";
    if (($fault->{what} // '') eq 'cut') {
        _put($socket, substr $text, 0, length($text) - 1 - int(length($body) / 2));
        return 0;
    }
    _put($socket, $text);
    return 1;
}

sub _put {
    my ($socket, $text) = @_;
    for (my $at = 0; $at < length $text;) { $at += syswrite($socket, $text, length($text) - $at, $at) // return }
}

sub _spoil {
    my ($s, $socket, $what) = @_;
    return 0 if $what eq 'drop';
    my $pid = fork;
    return 0 if $pid || !defined $pid;
    if ($what eq 'long') {
        _put($socket, "HTTP/1.1 200 OK\r\nContent-Length: 41943040\r\n\r\n[");
        _put($socket, ' ' x 65536) for 1 .. 640;
    } else {
        _put($socket, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n") if $what eq 'slow';
        for (1 .. 200) { sleep 0.3; $what eq 'slow' and (syswrite($socket, ' ') or last) }
    }
    POSIX::_exit(0);
}

sub _now { my ($s) = @_; return floor(1000 * time) + $s->{offset} }

# ---- what the test tells it ----

sub _do_load {
    my ($s, $lists) = @_;
    my $world = delete $lists->{world} // 'live';
    for my $list (keys %$lists) {
        my @sorted = sort { $b->{createdAt} cmp $a->{createdAt} || $b->{id} cmp $a->{id} } @{ $lists->{$list} };
        $s->{world}{$world}{$list} = [map { { o => $_, json => $JSON->encode($_) } } @sorted];
    }
    return {};
}

sub _do_change {
    my ($s, $change) = @_;
    my ($list, $id, $members, $world) = @$change;
    my ($item) = grep { $_->{o}{id} eq $id } @{ $s->{world}{$world}{$list} } or return {};
    $item->{o} = { %{ $item->{o} }, updatedAt => stamp($s->_now), %$members };
    $item->{json} = $JSON->encode($item->{o});
    return {};
}

sub _do_objects { my ($s, $which) = @_; return [map { $_->{o} } @{ $s->{world}{ $which->[1] }{ $which->[0] } // [] }] }
sub _do_requests { my ($s) = @_; return $s->{log} }
sub _do_forget { my ($s) = @_; $s->{log} = []; return {} }
sub _do_clock { my ($s, $o) = @_; $s->{offset} = $o->{ms}; return {} }
sub _do_fault { my ($s, $fault) = @_; srand $fault->{seed} if defined $fault->{seed}; push @{ $s->{faults} }, { times => 1, %$fault }; return {} }
sub _do_mend { my ($s) = @_; $s->{faults} = []; return {} }

sub _fault_of {
    my ($s, $r) = @_;
    for my $fault (@{ $s->{faults} }) {
        next if $fault->{times} == 0 || (defined $fault->{path} && $r->{path} !~ /$fault->{path}/);
        next if defined $fault->{method} && $r->{method} ne $fault->{method};
        next if defined $fault->{body} && $r->{body} !~ /$fault->{body}/;
        if (defined $fault->{skip} && $fault->{skip} > 0) { $fault->{skip}--; next }
        $fault->{times}--;
        return $fault;
    }
    return {};
}

# ---- its answers: (status, body, headers) ----

# errors
sub _error {
    my ($status, $type, $message, $param) = @_;
    return ($status, $JSON->encode({ type => $type, message => $message, defined $param ? (param => $param) : () }));
}

sub _answer {
    my ($s, $r, $fault) = @_;
    my $what = $fault->{what} // '';
    my $key = $r->{header}{authorization} // '';
    if ($what eq 'status') {
        my @headers = defined $fault->{retry_after} ? "Retry-After: $fault->{retry_after}" : ();
        return (_error($fault->{status}, $fault->{type} // 'internal_server_error', $fault->{message} // 'Something went wrong'), @headers);
    }
    return _error(403, 'unauthorized', "The key $key may not") if $what eq 'echo';
    return (200, '<!DOCTYPE html><title>A portal</title>') if $what eq 'html';
    return (302, '', "Location: $fault->{to}") if $what eq 'redirect';
    my ($world) = grep { $KEY{$_} eq $key } keys %KEY;                 # authentication
    return _error(401, 'unauthorized', q(The 'Authorization' header is invalid)) if !$world;
    my @recent = grep { $_ > $r->{at} - 1 } @{ $s->{recent}{$world} // [] };
    $s->{recent}{$world} = [@recent, $r->{at}];
    return _error(429, 'rate_limit_exceeded', 'Too many requests') if @recent >= $RATE{$world};    # rate-limits
    my ($list, $id) = $r->{path} =~ m{^/v1/(\w+)(?:/([^/]*))?$};
    return _error(404, 'resource_not_found', 'Invalid URL') if !defined $list || !$NAME{$list};
    my $items = $s->{world}{$world}{$list} //= [];
    $s->_drift($world, $fault) if $what eq 'drift';
    return $s->_change_webhook($r, $items, $id // '', $fault) if $list eq 'webhooks' && $r->{method} ne 'GET';
    return _error(404, 'resource_not_found', 'Invalid URL') if $r->{method} ne 'GET';
    return _list($r, $list, $items, $fault) if !length($id // '');    # with and without a slash at the end
    my ($item) = grep { $_->{o}{id} eq $id } @$items;
    return (200, _shown($item, $fault)) if $item;
    return _error(404, 'resource_not_found', "Invalid $NAME{$list} id '$id'");
}

sub _shown {
    my ($item, $fault) = @_;
    return $item->{json} if ($fault->{what} // '') ne 'secret';
    return $JSON->encode({ %{ $item->{o} }, secret => 'f' x 32 });
}

sub _drift {
    my ($s, $world, $fault) = @_;
    for my $item (@{ $s->{world}{$world}{ $fault->{list} } }) {
        next if rand() >= $fault->{share};
        $item->{o}{updatedAt} = stamp($s->_now);
        $item->{json} = $JSON->encode($item->{o});
    }
}

# pagination, filtering
sub _list {
    my ($r, $list, $items, $fault) = @_;
    my %q = %{ $r->{query} };
    my ($page, $size) = ($q{page} // 1, $q{pageSize} // 100);
    return _error(400, 'invalid_request', "'page' is invalid", 'page') if $page !~ /^[1-9]\d*$/;
    return _error(400, 'invalid_request', "'pageSize' must be from 1 to 1000", 'pageSize') if $size !~ /^\d+$/ || $size < 1 || $size > 1000;
    return _error(400, 'invalid_request', "'clientId' is required", 'clientId')    # list-documents, list-addresses
        if $list =~ /^(?:documents|addresses)$/ && !defined $q{clientId};
    my ($what, $of) = ($fault->{what} // '', $fault->{filter} // '');
    my @found = @$items;
    for my $filter (grep { !/^page(?:Size)?$/ } keys %q) {
        next if $what eq 'ignored' && $of eq $filter;
        @found = () if !$FILTER{$list}{$filter} || ($what eq 'empty' && $of eq $filter);    # filtering: 200, no items
        if ($filter =~ /^(created|updated)(After|Before)$/) {
            my ($member, $after, $time) = ("$1At", $2 eq 'After', $q{$filter});
            @found = () if $time !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
            @found = grep { my $at = $_->{o}{$member} // ''; $after ? $at gt $time : $at lt $time } @found;
        } else {
            @found = grep { my $v = $_->{o}{$filter}; defined $v && (ref $v eq 'ARRAY' ? grep { $_ eq $q{$filter} } @$v : _said($v) eq $q{$filter}) } @found;
        }
    }
    my $from = ($page - 1) * $size;
    my @shown = $from < @found ? @found[$from .. ($from + $size - 1 < $#found ? $from + $size - 1 : $#found)] : ();
    my $pages = int((@found + $size - 1) / $size);
    return (200, sprintf '{"page":%d,"pageSize":%d,"totalItems":%d,"pages":%d,"items":[%s]}', $page, $size, scalar @found, $pages,
        join ',', map { _shown($_, $fault) } @shown);
}

sub _said { my ($value) = @_; return ref $value ? ($value ? 'true' : 'false') : $value }

# create-a-webhook, update-a-webhook, delete-a-webhook
sub _change_webhook {
    my ($s, $r, $items, $id, $fault) = @_;
    my ($item) = grep { $_->{o}{id} eq $id } @$items;
    return _error(404, 'resource_not_found', "Invalid webhook id '$id'") if length $id && !$item;
    if ($r->{method} eq 'DELETE') {
        return _error(404, 'resource_not_found', 'Invalid URL') if !$item;
        @$items = grep { $_ != $item } @$items;
        return (204, '');
    }
    return _error(404, 'resource_not_found', 'Invalid URL') if $r->{method} ne 'POST';
    my $new = eval { $JSON->decode($r->{body}) } or return _error(400, 'invalid_request', 'The body is no JSON');
    my %known = map { $_ => 1 } @TYPES, '*';
    my ($unknown) = grep { !$known{$_} } @{ $new->{events} // [] };
    return _error(400, 'invalid_request', "'$unknown' is not one of the allowed values: " . join(', ', @TYPES), 'events') if defined $unknown;
    my %given = map { $_ => $new->{$_} } grep { exists $new->{$_} } qw(description url enabled events);
    if ($item) {    # parameters that are not provided stay
        $item->{o} = { %{ $item->{o} }, %given, updatedAt => stamp($s->_now) };
        $item->{json} = $JSON->encode($item->{o});
        return (200, _shown($item, $fault));
    }
    for my $needed (qw(url enabled events)) {
        return _error(400, 'invalid_request', "'$needed' is required", $needed) if !exists $given{$needed};
    }
    return _error(400, 'invalid_request', 'No more than 20 webhooks are allowed') if @$items >= 20;
    my $now = stamp($s->_now);
    my $made = { id => object_id('new ' . ++$s->{made}), %given, createdAt => $now, updatedAt => $now };
    unshift @$items, { o => $made, json => $JSON->encode($made) };
    return (200, $JSON->encode({ %$made, secret => substr sha256_hex("secret $made->{id}"), 0, 32 }));
}

1;
