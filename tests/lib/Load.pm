# SPDX-License-Identifier: MIT
# Load for a running server: prepared requests by wrk, and what they cost whom.
package Load;
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use Time::HiRes qw(time sleep);
use Event;
use Exporter 'import';
our @EXPORT_OK = qw(prepare run);

our $BODY = 800;    # bytes
my $HEAD = "POST /complycube HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    . "Content-Length: %d\r\nComplyCube-Signature: %s\r\n\r\n";
our $SIGNATURE_AT = index($HEAD, '%s') - 2 + length $BODY;    # of a request, in bytes
our $SIZE = $SIGNATURE_AT + 64 + 4 + $BODY;
my ($TOOLS) = __FILE__ =~ m{^(.*)/lib/};

# A new check of a new client, 800 bytes; ids ascend with n.
sub event_of {
    my ($n) = @_;
    my $text = sprintf '{"id":"66%022x","type":"check.completed.clear","resourceType":"check","payload":{"id":"67%022x",'
        . '"clientId":"68%022x","status":"complete","outcome":"clear","note":"', $n, $n, $n;
    my $end = '"},"createdAt":"2026-01-29T20:32:22.004Z"}';
    return $text . 'x' x ($BODY - length($text) - length $end) . $end;
}

# Write n requests, from the one numbered first on, into a file; each has the same length.
sub prepare {
    my ($path, $first, $n, $tick) = @_;
    open my $out, '>:raw', $path or die "$path: $!";
    for my $i ($first .. $first + $n - 1) {
        my $body = event_of($i);
        printf $out $HEAD, $BODY, hmac_sha256_hex($body, $SECRET{live});
        print $out $body;
        $tick->($i - $first) if $tick && $i % 20_000 == 0;
    }
    close $out or die "$path: $!";
    -s $path == $n * $SIZE or die "$path: a request is not $SIZE bytes long";
}

# Microseconds of processor time of live processes with all their threads, and of children they have waited for.
sub cpu_us {
    my ($pids, $parents) = @_;
    my $us = 0;
    for my $file (map { glob "/proc/$_/task/*/schedstat" } @$pids) {
        open my $in, '<', $file or next;
        $us += (split ' ', <$in> // 0)[0] / 1000;
    }
    for my $pid (@{ $parents // [] }) {
        open my $in, '<', "/proc/$pid/stat" or next;
        my @stat = split ' ', <$in> =~ s/^.*\) //sr;
        $us += ($stat[13] + $stat[14]) * 10_000;    # ticks of 10 ms
    }
    return $us;
}

sub pss_kb {
    my $kb = 0;
    for my $pid (@_) {
        open my $in, '<', "/proc/$pid/smaps_rollup" or next;
        while (<$in>) { $kb += $1 if /^Pss:\s+(\d+)/ }
    }
    return $kb;
}

# Processes below one, of a name (its first 15 characters) where one is given.
sub descendants {
    my ($pid, $name) = @_;
    my (%children, %name, @found);
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        my ($child, $its_name, $parent) = (<$in> // '') =~ /^(\d+) \((.*)\) \S (\d+)/s or next;
        push @{ $children{$parent} }, $child;
        $name{$child} = $its_name;
    }
    my @left = @{ $children{$pid} // [] };
    while (defined(my $next = shift @left)) {
        push @found, $next if !defined $name || $name{$next} eq $name;
        push @left, @{ $children{$next} // [] };
    }
    return @found;
}

# Send requests of a file for some seconds. port, connections, seconds, file, first: the place of the first one;
# pids: the backend's processes now, parents: whose finished children count too. Gives requests, errors (answers other
# than 2xx), broken (connections), rate, p50 and p99 in ms, cpu in us a request, pss in MB, share: the generator's part
# of all processors.
sub run {
    my (%o) = @_;
    my @wrk = ('wrk', '-t1', "-c$o{connections}", "-d$o{seconds}s", '--timeout', '20s', '-s', "$TOOLS/bench/load.lua",
        "http://127.0.0.1:$o{port}/complycube", '--', $o{file}, $SIZE, $o{first} // 0);
    my ($own, $cpu, $start) = ((times)[2] + (times)[3], cpu_us([$o{pids}->()], $o{parents}), time);
    my $pid = open my $out, '-|', @wrk or die "wrk: $!";
    sleep $o{seconds} * 0.6;
    my $pss = pss_kb($o{pids}->());
    my $text = do { local $/; <$out> };
    close $out or die "wrk failed: $text";
    my $seconds = time - $start;
    my ($n, $status, $broken, $us, $p50, $p99) = $text =~ /^counted (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m
        or die "wrk said: $text";
    return {
        requests => $n, errors => $status, broken => $broken, rate => $n / $us * 1e6, p50 => $p50 / 1000, p99 => $p99 / 1000,
        cpu => $n ? (cpu_us([$o{pids}->()], $o{parents}) - $cpu) / $n : 0, pss => $pss / 1024,
        share => ((times)[2] + (times)[3] - $own) / $seconds / ($o{processors} // 2),
    };
}

1;
