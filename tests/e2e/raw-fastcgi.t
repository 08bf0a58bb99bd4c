#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 5, and that whoever reaches the socket can do no more than ask: records that no web server sends, and peers that
# behave as none does. After each the same process answers a good event on another connection, and nothing is stored
# that was not rightly signed; in the end descriptors and memory are as before. SEED=n repeats the random part.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SHUT_WR);
use Test::More;
use Deploy;
use Event;
use FastCgi;
use Fixture;
use Proc qw(look_into wait_until);
use Requests;

my $seed = $ENV{SEED} // int rand 1e9;
diag "SEED=$seed";
my $ROUNDS = $ENV{ROUNDS} // 400;    # connections of random records
my $MOST = 1 << 20;                  # max_body, in bytes
my $SAN = Fixture::sanitized();
$SIG{PIPE} = 'IGNORE';
look_into();

# ---- a receiver, and what is asked of it ----

my ($f, $receiver, $socket, $open, %good);

sub start {
    my (%o) = @_;
    $f = Fixture->new;
    $socket = $f->path('run/receiver.sock');
    $open = sub { FastCgi::connect_to($socket) // die "$socket: $!" };
    $receiver = $o{limit} ? limited($o{limit}) : $o{tcp} ? on_tcp() : backend($f, 'spawn-fcgi');
    %good = ();
    good('first');
}

sub limited {
    my ($descriptors) = @_;
    my @cmd = ('spawn-fcgi', '-n', '-M', '0660', '-s', $socket, '--', $f->program);
    return $f->start('receiver', sub { -S $socket && FastCgi::connect_to($socket) }, env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config },
        cmd => ['sh', '-c', "ulimit -n $descriptors && exec \"\$@\"", 'sh', @cmd]) // die 'it did not start';
}

sub on_tcp {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128) // die "listen: $!";
    my $port = $listen->sockport;
    $open = sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) // die "port $port: $!" };
    return $f->start('receiver', sub { 1 }, stdin => $listen, cmd => [$f->program],
        env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config }) // die 'it did not start';
}

# A good event, sent at once: its status.
sub good {
    my ($why) = @_;
    my $body = event(id => 'good-' . keys %good);
    my $peer = $open->();
    $peer->syswrite(FastCgi::bytes(signed($body, method => 'POST', path => '/')));
    my $answer = FastCgi::answer($peer, 10);
    $good{ event_id($body) } = 1 if $answer->{status} == 200;
    return $answer->{status};
}

# What must hold after whatever happened.
sub holds {
    my ($after) = @_;
    my $status = good($after);
    is $status, 200, "$after: a good event on another connection is stored";
    ok !$receiver->ended(0), '... by the same process' or BAIL_OUT('the receiver has ended');
}

# What is stored is what was rightly signed, and nothing else.
sub only {
    my @rows = @{ $f->rows('SELECT event_id, body, lower(hex(signature)) FROM event_log ORDER BY seq') };
    my @wrong = grep { my ($id, $body, $signature) = @$_; $signature ne sign($body) } @rows;
    is scalar @wrong, 0, 'each event that is stored was rightly signed' or diag explain \@wrong;
    my @odd = grep { !$good{ $_->[0] } } @rows;
    is join(' ', map { $_->[0] } @odd), '', 'and no other is';
    is scalar(@rows), keys %good, 'none of them is missing';
    is $f->value('SELECT count(*) FROM quarantine') // 0, 0, 'and nothing is in quarantine';
}

sub descriptors {
    my @fds = glob '/proc/' . $receiver->pid . '/fd/*';
    return scalar(@fds) || die 'the descriptors of the receiver cannot be counted';
}

sub memory {
    my ($what) = @_;
    return Fixture::slurp('/proc/' . $receiver->pid . '/status') =~ /^$what:\s+(\d+) kB/m ? $1 : die "no $what";
}

# Does a connection end without a byte of an answer?
sub ends {
    my ($peer, $limit) = @_;
    return IO::Select->new($peer)->can_read($limit // 5) && !sysread $peer, my $byte, 1;
}

# Send bytes, which are all: what comes back, "" for an end without an answer, else the status.
sub ask {
    my ($bytes, %o) = @_;
    my $peer = $open->();
    $peer->syswrite($bytes);
    $peer->shutdown(SHUT_WR) if $o{half};
    my $status = FastCgi::answer($peer, 5);
    return $status->{status} || ($status->{error} eq "connection ended\n" ? '' : $status->{error});
}

# ---- what requests consist of ----

my $BEGIN = FastCgi::raw(begin => pack 'nCx5', 1, 0);
my $KEPT = FastCgi::raw(begin => pack 'nCx5', 1, 1);
my $NO_MORE = FastCgi::raw(params => '');
my $END = FastCgi::raw(stdin => '');

sub params { return FastCgi::params(REQUEST_METHOD => 'POST', REMOTE_ADDR => '127.0.0.1', @_) }

# A signed event: its variables and its body.
sub parts {
    my (%o) = @_;
    my $body = event(%o);
    return (params(HTTP_COMPLYCUBE_SIGNATURE => sign($body), CONTENT_LENGTH => length $body), $body);
}

sub request {
    my ($params, $body, %o) = @_;
    return ($o{keep} ? $KEPT : $BEGIN) . FastCgi::stream(params => $params) . FastCgi::stream(stdin => $body);
}

# Each case is [what, bytes]; the connection ends without an answer, though its peer has not closed it.
sub refused {
    my ($what, @cases) = @_;
    my @answered = map { my ($case, $bytes) = @$_; my $got = ask($bytes); $got eq '' ? () : "$case: $got" } @cases;
    is join(', ', @answered), '', sprintf '%s (%d): the connection is closed', $what, scalar @cases;
    holds($what);
}

# ---- the cases ----

start();
my ($params, $body) = parts(id => 'never');
my $whole = request($params, $body);
my ($fds, $rss) = (descriptors(), memory('VmRSS'));
my @open;
my @slow = map { my $peer = $open->(); $peer->syswrite($_); $peer }
    '', substr($BEGIN, 0, 7), $BEGIN, $BEGIN . FastCgi::raw(params => $params), substr $whole, 0, -8;

{
    my $peer = $open->();    # half a request behind one that was answered
    $peer->syswrite(request(parts(id => 'kept'), keep => 1));
    $good{kept} = 1 if FastCgi::answer($peer, 5)->{status} == 200;
    $peer->syswrite(substr $whole, 0, 100);
    push @slow, $peer;
}

subtest 'cut' => sub {
    my @left = grep { ask(substr($whole, 0, $_), half => 1) ne '' } 0 .. length($whole) - 1;
    is "@left", '', 'at each offset, by a peer that then only listens: closed without an answer';
    for my $n (0 .. length($whole) - 1) { my $peer = $open->(); $peer->syswrite(substr $whole, 0, $n); close $peer }
    holds('cut at each offset by a peer that is gone');
    only();
};

subtest 'in pieces' => sub {
    my ($params, $body) = parts(id => 'pieces');
    my $bytes = request($params, $body, keep => 1);
    my %status;
    my $peer = $open->();    # one connection, so that each piece may be seen by itself
    for my $n (1 .. length($bytes) - 1) {
        $peer->syswrite(substr $bytes, 0, $n);
        $peer->syswrite(substr $bytes, $n);
        $status{ FastCgi::answer($peer, 5)->{status} }++;
    }
    is_deeply \%status, { 200 => length($bytes) - 1 }, 'in two, cut at each offset: answered';
    my $bytewise = $open->();
    $bytewise->syswrite($_) for split //, $bytes;
    is FastCgi::answer($bytewise, 5)->{status}, 200, 'a byte at a time: answered';
    my $records = $BEGIN . join('', map { FastCgi::raw(params => $_, padding => 3) } split //, $params) . $NO_MORE
        . join('', map { FastCgi::raw(stdin => $_, padding => 255) } split //, $body) . $END;
    is ask($records), 200, 'a record a byte, padded: answered';
    $good{pieces} = 1;
    holds('pieces');
};

subtest 'lengths' => sub {
    my @lengths = ([0x7fffffff, 0x7fffffff], [0x7ffffffe, 0x7ffffffe], [0x7fffffff, 0], [0, 0x7fffffff], [0x40000000, 0x40000000],
        [0x10000000, 0], [262144, 0], [0, 262144], [65536, 65536], [0x7fffffff, 1], [1, 0x7fffffff], [20, 0], [0, 20], [9, 10]);
    my @cases = map { my ($name, $value) = @$_;
        my $bytes = pack('NN', $name | 0x80000000, $value | 0x80000000) . 'x' x 18;
        ["$name and $value", $BEGIN . FastCgi::stream(params => $bytes) . $END] } @lengths;
    my $peak = memory('VmPeak');
    refused('variables that are longer than what there is', @cases,
        map { ["a length that is cut: " . unpack('H*', $_), $BEGIN . FastCgi::stream(params => $_) . $END] }
        "\x80", "\x80\0", "\x80\0\0", "\x80\0\0\0", "\1", "\1\x80", "\1\x80\0\0\0", "\x80\0\0\1\x80\0\0");
    refused('variables behind good ones', map { ["$_->[0]", request($params . pack('NN', map { $_ | 0x80000000 } @$_), $body)] } @lengths);
    cmp_ok memory('VmPeak') - $peak, '<', 8192, 'nothing is allocated for what is only said';
    is join(' ', map { ask($BEGIN . FastCgi::raw($_ => 'x', length => 65535, padding => 200), half => 1) } qw(params stdin begin)), '  ',
        'records that say they are longer than they are: closed';
    refused('more variables than 256 KB', ['in large records', $BEGIN . FastCgi::raw(params => 'x' x 65000) x 5],
        ['in small ones', $BEGIN . FastCgi::raw(params => 'x' x 100) x 3000]);
    refused('a BEGIN of another length', map { ["$_", FastCgi::raw(begin => substr("\0\1\0\0\0\0\0\0\0", 0, $_)) . substr $whole, 16] } 0 .. 7, 9);
    holds('lengths');
    only();
};

subtest 'bodies' => sub {
    my $long = event(id => 'long', size => $MOST + 1);
    my %signed = (HTTP_COMPLYCUBE_SIGNATURE => sign($long));
    is ask(request(params(%signed, CONTENT_LENGTH => 10), $long)), 413, 'a byte more than max_body, whatever CONTENT_LENGTH says: 413';
    is ask(request(params(%signed), $long x 8)), 413, 'eight times as much: 413';
    my $tiny = $BEGIN . FastCgi::stream(params => params()) . FastCgi::raw(stdin => 'x') x 300_000;
    ok +(ask($tiny, half => 1) eq ''), 'more records of a byte than can be kept: closed';
    my ($params, $body) = parts(id => 'lied');
    for my $length (0, 1, length($body) - 1, length($body) + 1, '', '-1', '99999999999999999999', 'x', '+5', "1\0") {
        my $v = params(HTTP_COMPLYCUBE_SIGNATURE => sign($body), CONTENT_LENGTH => $length);
        my $status = ask(request($v, $body));
        like $status, qr/^200$/, "a forged CONTENT_LENGTH '" . $length =~ s/\0/NUL/r . "' changes nothing: the signature decides";
    }
    $good{lied} = 1;
    is ask(request(params(%signed, CONTENT_LENGTH => length $long), substr $long, 0, 400)), 400, 'a body that is shorter than what was signed: 400';
    holds('bodies');
    only();
};

subtest 'records' => sub {
    my ($p, $s) = (FastCgi::raw(params => $params), FastCgi::raw(stdin => $body));
    my %phase = ('at first' => '', 'after BEGIN' => $BEGIN, 'among the variables' => "$BEGIN$p",
        'after the variables' => "$BEGIN$p$NO_MORE", 'in the body' => "$BEGIN$p$NO_MORE$s");
    for my $phase (sort keys %phase) {
        my %legal = $phase eq 'at first' ? (1 => 1) : $phase =~ /BEGIN|among/ ? (4 => 1) : (5 => 1);
        refused("a record of any other type $phase", map { ["$_", $phase{$phase} . FastCgi::raw($_, "\0\1\0\0\0\0\0\0") . "$p$NO_MORE$s$END"] }
            grep { !$legal{$_} } 0 .. 12, 127, 255);
        refused("ABORT_REQUEST $phase", ['empty', $phase{$phase} . FastCgi::raw(abort => '')], ['not empty', $phase{$phase} . FastCgi::raw(abort => 'xx')]);
        refused("GET_VALUES $phase", map { [$_, $phase{$phase} . FastCgi::raw(get_values => FastCgi::params(FCGI_MAX_CONNS => '') x $_, id => 0)] } 0, 1, 30, 3000);
        my ($type) = $phase eq 'at first' ? () : $phase =~ /BEGIN|among/ ? ('params') : ('stdin');
        refused("another version $phase", map { [$_, $phase{$phase} . FastCgi::raw($type // 'begin', "\0\1\0\0\0\0\0\0", version => $_)] } 0, 2, 71, 255);
        refused("another request $phase", map { my $id = $_; map { [$id, $phase{$phase} . $_] } FastCgi::raw($type, 'xx', id => $id),
            FastCgi::raw($type, '', id => $id), FastCgi::raw(begin => "\0\1\0\0\0\0\0\0", id => $id) } 0, 2, 256, 65535) if $type;
    }
    refused('another role', map { [$_, FastCgi::raw(begin => pack 'nCx5', $_, 0) . substr $whole, 16] } 0, 2, 3, 4, 257, 65535);
    refused('no request', ['id 0', FastCgi::raw(begin => "\0\1\0\0\0\0\0\0", id => 0)], ['HTTP', "POST / HTTP/1.1\r\nHost: x\r\n\r\n"],
        ['TLS', "\x16\x03\1\2\0\1\0\1\xfc\3\3" . 'x' x 500], ['zeroes', "\0" x 70000], ['ones', "\xff" x 70000]);
    refused('padding behind the end of the variables', ['which libfcgi does not pass over', $BEGIN . $p . FastCgi::raw(params => '', padding => 8) . "$s$END"]);
    is ask(request($params, $body) =~ s/^(.{2})\x00\x01/$1\xff\xff/sr), '', 'one with two ids: closed';
    only();
};

subtest 'requests with another id, and two that are woven together' => sub {
    my ($params, $body) = parts(id => 'id-65535');
    my $bytes = join '', FastCgi::raw(begin => "\0\1\0\0\0\0\0\0", id => 65535), map { FastCgi::raw(@$_, id => 65535) }
        [params => $params], [params => ''], [stdin => $body], [stdin => ''];
    my $peer = $open->();
    $peer->syswrite($bytes);
    is FastCgi::answer($peer, 5)->{status}, 200, 'any id is as good as 1';
    $good{'id-65535'} = 1;
    my @one = map { FastCgi::raw(@$_) } [begin => "\0\1\1\0\0\0\0\0"], [params => $params], [params => ''], [stdin => $body], [stdin => ''];
    my @two = map { FastCgi::raw(@$_, id => 2) } [begin => "\0\1\1\0\0\0\0\0"], [params => $params], [params => ''], [stdin => $body], [stdin => ''];
    refused('woven requests', map { my $at = $_; ["at $at", join '', @one[0 .. $at], @two, @one[$at + 1 .. $#one]] } 0 .. 3);
    refused('woven by turns', ['by turns', join '', map { ($one[$_], $two[$_]) } 0 .. 4]);
    only();
};

subtest 'variables' => sub {
    my ($params, $body) = parts(id => 'variables');
    is ask(request($params . FastCgi::params(map { ("HTTP_X_$_" => 'v' x ($_ % 40)) } 1 .. 5000), $body)), 200, '5000 variables: answered';
    is ask(request(FastCgi::params('N' x 100_000 => 'v', 'M' => 'v' x 100_000) . $params, $body)), 200, 'a name and a value of 100 KB: answered';
    is ask(request("\0\0" x 60_000 . $params, $body)), 200, '60000 without a name: answered';
    is ask(request(FastCgi::params("A\0B" => "C\0D", '=' => '=', "\xff\n" => "\r\n%s%n") . $params, $body)), 200, 'odd bytes in names: answered';
    $good{variables} = 1;
    my $two = event(id => 'two');
    my $signature = sub { FastCgi::params(HTTP_COMPLYCUBE_SIGNATURE => $_[0]) };
    for my $pair ([sign($two), 'b2' x 32], ['b2' x 32, sign($two)], [sign($two), sign($two)], [sign($two), '']) {
        is ask(request(params() . join('', map { $signature->($_) } @$pair), $two)), 400, 'two signatures: 400';
    }
    is ask(request(FastCgi::params('HTTP_COMPLYCUBE_SIGNATURE=' . sign($two) => '') . params(), $two)), 400, 'one in the name of a variable: 400';
    is ask(request(params(HTTP_COMPLYCUBE_SIGNATURE => sign($two) . "\0x"), $two)), 200, 'what stands behind a NUL is not there';
    is ask(request(FastCgi::params(REMOTE_ADDR => '1.1.1.1'), $two)), 405, 'no method: 405';
    is ask(request('', '')), 405, 'no variable at all: 405';
    is ask(request(FastCgi::params(REQUEST_METHOD => 'GET') . params(HTTP_COMPLYCUBE_SIGNATURE => sign($two)), $two)), 405, 'of two methods the first counts: a GET, which carries no signature';
    $good{two} = 1;
    my $forged = 'level=info code=stored remote=127.0.0.1';
    is ask(request(params(REMOTE_ADDR => "1.1.1.1\n2026-01-01T00:00:00Z $forged"), '{}')), 400, 'an address of two lines: 400';
    unlike $f->logs, qr/^\S+ $forged/m, 'makes no second line in the log';
    holds('variables');
    only();
};

subtest 'bytes behind the end' => sub {
    my @kinds = ([garbage => 'x' x 100], ['a second request', request(parts(id => 'behind'), keep => 1)], ['an ABORT_REQUEST', FastCgi::raw(abort => '')],
        ['much' => "\0" x 60_000], ['half a record', substr $BEGIN, 0, 5]);
    for my $keep (0, 1) {
        for my $kind (@kinds) {
            my ($what, $bytes) = @$kind;
            my $peer = $open->();
            $peer->syswrite(request(parts(id => 'before'), keep => $keep) . $bytes);
            my $status = FastCgi::answer($peer, 5)->{status};
            is $status, 200, "$what: the request itself is answered";
            ok ends($peer), '... and the connection closed' if !$keep || $what ne 'half a record';
        }
    }
    $good{before} = 1;
    my ($params, $body) = parts(id => 'padded');
    my @left;
    for my $to (8100 .. 8300) {    # libfcgi reads 8192 bytes at a time: what it leaves must not be the next request
        my $rest = $to - length request($params, $body, keep => 1);
        my $filler = FastCgi::params(X => 'x' x ($rest - 6));
        my $bytes = $KEPT . FastCgi::raw(params => $filler . $params) . $NO_MORE . FastCgi::raw(stdin => $body) . FastCgi::raw(stdin => '', padding => 255);
        my $peer = $open->();
        $peer->syswrite($bytes);
        push @left, $to if FastCgi::answer($peer, 5)->{status} != 200;
        $peer->syswrite(request($params, $body, keep => 1));
        my $second = FastCgi::answer($peer, 5);
        push @left, "$to again" if $second->{status} != 200 && $second->{error} ne "connection ended\n";
    }
    is "@left", '', 'padding behind the end, wherever a read of libfcgi ends';
    $good{padded} = 1;
    holds('bytes behind the end');
    ok !$f->events('behind'), 'what stands behind a request is not run';
};

subtest 'a peer that never reads its answers' => sub {
    my $peer = $open->();
    $peer->blocking(0);
    my $get = $KEPT . FastCgi::stream(params => FastCgi::params(REQUEST_METHOD => 'GET')) . $END;
    my $unread = sub { my $n = pack 'i', 0; ioctl($peer, 0x5411, $n) // return -1; return unpack 'i', $n };    # SIOCOUTQ
    my $n = 0;
    while ($n < 5000) {
        my $sent = syswrite $peer, $get or last;
        $n++;
        wait_until(sub { $unread->() == 0 }, 5) or last;
    }
    cmp_ok $n, '>', 10, "is answered ($n times)";
    cmp_ok $n, '<', 5000, 'and cut once its buffer is full';
    holds('never reads');
};

subtest 'a peer that never closes' => sub {
    my $peer = $open->();
    $peer->syswrite(request(parts(id => 'stays')));
    is FastCgi::answer($peer, 5)->{status}, 200, 'is answered';
    ok ends($peer), 'and the receiver closes';
    $good{stays} = 1;
    my @kept = map { my $peer = $open->(); $peer->syswrite(request(parts(id => 'stays'), keep => 1)); $peer } 1 .. 50;
    is join(' ', map { FastCgi::answer($_, 5)->{status} } @kept), join(' ', (200) x 50), 'connections to be kept are';
    holds('kept connections');
};

subtest 'a peer that is gone when it is answered' => sub {
    for (1 .. 20) { my $peer = $open->(); $peer->syswrite(request(parts(id => 'gone'), keep => $_ % 2)); close $peer }
    ok wait_until(sub { $f->events('gone') }, 5), 'its event is stored: it will send it again';
    $good{gone} = 1;
    holds('peers that are gone');
};

subtest 'good and hostile requests that are found together' => sub {
    my @hostile = (substr($whole, 0, 100), "$BEGIN$BEGIN", $BEGIN . FastCgi::raw(get_values => ''), "$BEGIN$NO_MORE$END$BEGIN",
        request(FastCgi::raw(params => pack 'NN', 0xfffffffe, 0xfffffffe), ''), 'x' x 5000, request($params, $body . ' '), '');
    $receiver->signal('STOP');
    my @good = map {
        my $hostile = $open->();
        $hostile->syswrite($hostile[$_ % @hostile]);
        push @open, $hostile;
        my $peer = $open->();
        $peer->syswrite(request(parts(id => "beside-$_"), keep => $_ % 2));
        $peer;
    } 1 .. 60;
    $receiver->signal('CONT');
    is join(' ', map { FastCgi::answer($_, 5)->{status} } @good), join(' ', (200) x @good), 'the good ones are answered';
    $good{"beside-$_"} = 1 for 1 .. 60;
    holds('good and hostile together');
    only();
};

subtest 'random records' => sub {
    srand $seed;
    my (@names, %odd);
    for my $round (1 .. $ROUNDS) {
        my $id = "soup-$round";
        push @names, $id;
        my $peer = $open->();
        $peer->blocking(0);
        $peer->syswrite($_) for soup($id);
        $peer->shutdown(SHUT_WR) if rand() < 0.8;
        if (rand() < 0.5) { close $peer; next }
        if (rand() < 0.2) { push @open, $peer; next }
        $peer->blocking(1);
        FastCgi::answer($peer, 1) if rand() < 0.7;
    }
    holds("random records (SEED=$seed)");
    $good{$_} = 1 for grep { $f->events($_) } @names;
    my $stored = grep { $good{$_} } @names;
    cmp_ok $stored, '>', $ROUNDS / 50, "those that were legal all the same are stored ($stored)";
    cmp_ok $stored, '<', $ROUNDS * 0.9, 'and the others are not';
    only();
};

# Records of one or two signed requests, mutated; in a few pieces.
sub soup {
    my ($id) = @_;
    my ($params, $body) = parts(id => $id);
    my @records = map { FastCgi::raw(@$_, padding => rand() < 0.2 ? int rand 256 : 0) } [begin => pack 'nCx5', 1, rand() < 0.5 ? 1 : 0],
        (map { [params => $_] } unpack '(a' . (1 + int rand 300) . ')*', $params), [params => ''],
        (map { [stdin => $_] } unpack '(a' . (1 + int rand 300) . ')*', $body), [stdin => ''];
    my @mutations = (
        sub { splice @records, rand @records, 1 },
        sub { splice @records, rand @records, 0, $records[rand @records] },
        sub { my ($i, $k) = (rand @records, rand @records); @records[$i, $k] = @records[$k, $i] },
        sub { splice @records, rand @records, 0, FastCgi::raw(int rand 12, join('', map { chr rand 256 } 1 .. rand 40), id => int rand 3) },
        sub { my $i = rand @records; substr($records[$i], rand length $records[$i], 1) = chr rand 256 if length $records[$i] },
        sub { my $i = rand @records; substr($records[$i], rand length $records[$i]) = '' },
        sub { push @records, @records },
        sub { my $i = rand @records; vec($records[$i], int rand 64, 1) ^= 1 },
    );
    my $times = int rand 4;
    for (1 .. $times) { $mutations[rand @mutations]->() if @records }
    return grep { length } unpack '(a' . (1 + int rand 2000) . ')*', join '', @records;
}

subtest 'hundreds of connections that say nothing' => sub {
    my @silent = map { $open->() } 1 .. 700;
    holds('700 silent connections');
    is join(' ', map { good('again') } 1 .. 5), '200 200 200 200 200', 'and so are the next';
    my @begun = map { my $peer = $open->(); $peer->syswrite($BEGIN); $peer } 1 .. 700;
    holds('700 that only began');
    my $left = () = grep { !ends($_, 12) } @slow, @silent, @begun;
    is $left, 0, 'all are closed by their deadline, and with them what was left of before';
    holds('afterwards');
};

@open = ();
ok wait_until(sub { descriptors() <= $fds + 1 }, 12), 'descriptors are given back' or diag descriptors() . " for $fds";
# Pages of the database in SQLite's memory, for the most part. The static one has less to begin with, and as much in the end.
cmp_ok memory('VmRSS') - $rss, '<', $SAN ? 600 << 10 : Fixture::static() ? 8 << 10 : 6 << 10, 'and memory' or diag memory('VmRSS') . " for $rss KiB";
is scalar(() = glob '/proc/' . $receiver->pid . '/task/*'), 1, 'it has made no thread';
only();
my @told = grep { my $file = $_; grep { index(Fixture::slurp($file), $_) >= 0 } values %SECRET }
    glob($f->database . '*'), glob $f->path('log/*');
is "@told", '', 'no file of the store holds a secret, nor does the log';
$f->finish;

subtest 'descriptors run out' => sub {
    start(limit => 96);
    my $fds = descriptors();
    my @silent = map { $open->() } 1 .. 150;
    holds('150 connections where 96 descriptors are all');
    is ask(request(parts(id => 'large', size => 300_000))), 200, 'a large event needs one more, and is stored';
    $good{large} = 1;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($f->config) . "# changed\n");
    ok wait_until(sub { good('configured'); $f->logs =~ /code=configured/ }, 5), 'a changed configuration is read';
    close $_ for @silent;
    ok wait_until(sub { good('back'); descriptors() <= $fds + 1 }, 12), 'once they are gone descriptors come back' or diag descriptors() . " for $fds";
    holds('afterwards');
    only();
    $f->finish;
};

subtest 'over TCP: connections that are reset' => sub {
    start(tcp => 1);
    my $fds = descriptors();
    for my $n (0 .. length($whole)) {
        my $peer = $open->();
        $peer->syswrite(substr $whole, 0, $n);
        setsockopt $peer, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) or die "linger: $!";
        close $peer;
    }
    holds('reset at each offset');
    $good{never} = 1 if $f->events('never');    # it was whole at the last one
    only();
    ok wait_until(sub { descriptors() <= $fds + 1 }, 12), 'descriptors are given back';
    $f->finish;
};

done_testing;
