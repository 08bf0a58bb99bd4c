#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A resource with a long history: what a claim of the PHP and the Perl library holds the writers' lock for does not grow
# with what is done, nor with the square of what waits. Measured in steps of SQLite's machine, of the statements
# that the libraries put together.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../consumers/perl";
use Contract;
use ComplyCubeInbox;
use HandMade;
use Source;
use Test::More;

my $tmp = tempdir('cc-XXXXXX', TMPDIR => 1, CLEANUP => 1);

# An inbox with so many events of a resource that are done, and so many that wait. late: what waits is older.
my $count = 0;
sub inbox {
    my ($done, $waiting, $late) = @_;
    my $i = HandMade->new("$tmp/inbox-" . ++$count . '.db', form => 'wal');
    my $last = $done + $waiting;
    $i->db->do("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $last)
        INSERT INTO event_log (seq, endpoint, event_id, type, resource_type, resource_id, created_ms, received_ms, payload_at, payload_len, body)
        SELECT i, 1, 'h' || i, 'client.updated', 'client', 'hot', i * 1000, i, 0, 2, '{}' FROM n");
    my $is_done = $late ? "seq > $waiting" : "seq <= $done";
    $i->db->do("INSERT INTO inbox (seq, endpoint, state, due_ms) SELECT seq, 1, $is_done, 1 FROM event_log");
    return $i;
}

# The text of the claim, as an object of the library has it.
my %TEXT = (
    perl => sub { my ($path, %o) = @_; return ComplyCubeInbox->new($path, %o)->{store}{sql}{claim} },
    php => sub {
        my ($path, %o) = @_;
        my $options = join ', ', map { "'$_' => " . (ref $o{$_} ? "array('@{$o{$_}}')" : 'true') } sort keys %o;
        open my $out, '-|', 'php', '-r', <<'PHP' =~ s/OPTIONS/$options/r, '--', "$ROOT/consumers/php/ComplyCubeInbox.php", $path or die "php: $!";
require $argv[1];
$object = new ComplyCubeInbox($argv[2], array(OPTIONS));
$read = function ($name) { return $this->$name; };
$store = Closure::bind($read, $object, 'ComplyCubeInbox');
$sql = Closure::bind($read, $store('store'), 'ComplyCubeInboxTable');
echo $sql('sql')['claim'];
PHP
        local $/;
        return scalar readline $out;
    },
);

# The steps of a claim, and the numbers that it claimed.
sub claim {
    my ($language, $i, %o) = @_;
    my ($text, @values) = Contract::bind($TEXT{$language}->($i->path, %o), e => 1, t => 'token', w => 'w', d => 9e15, n => 20, max => 10,
        type0 => 'client.updated');
    my $steps = 0;
    $i->db->sqlite_progress_handler(1, sub { $steps++; 0 });
    $i->db->do($text, undef, @values);
    $i->db->sqlite_progress_handler(0, undef);
    return ($steps, join ' ', @{ $i->db->selectcol_arrayref("SELECT seq FROM inbox WHERE token = 'token' ORDER BY seq") });
}

for my $language (sort keys %TEXT) {
    for my $case ([ordered => ordered => 1], ['ordered, of some types' => ordered => 1, types => ['client.updated']]) {
        my ($name, %o) = @$case;
        for my $waiting (10, 100) {
            my ($none) = claim($language, inbox(0, $waiting), %o);
            my ($many, $claimed) = claim($language, inbox(10_000, $waiting), %o);
            is $claimed, 10_001, "$language, $name: with $waiting waiting the first of them is claimed";
            cmp_ok $many, '<=', 1.5 * $none, "$language, $name: with 10 000 done in the steps of none, half as many more at most: $none and $many";
        }
        my ($hundred, $thousand) = map { (claim($language, inbox(1000, $_), %o))[0] } 100, 1000;
        cmp_ok $thousand, '<=', 11 * $hundred, "$language, $name: ten times as many waiting are ten times the steps: $hundred and $thousand";
        cmp_ok $thousand, '<=', 100 * 1000, "$language, $name: that a resource has many events is asked once, not of each that waits: 100 steps for one at most";
        my $beside = inbox(1000, 10);
        $beside->db->do("INSERT INTO event_log (seq, endpoint, event_id, type, created_ms, received_ms, payload_at, payload_len, body)
            SELECT seq + 100, 1, 'of none ' || seq, type, created_ms, received_ms, 0, 2, '{}' FROM event_log WHERE seq IN (1001, 1002)");
        $beside->db->do('INSERT INTO inbox (seq, endpoint, due_ms) VALUES (1101, 1, 1), (1102, 1, 1)');
        is +(claim($language, $beside, %o))[1], '1001 1101 1102', "$language, $name: beside it whatever has no resource";
    }
    my %o = (ordered => 1, skip_superseded => 1);
    my ($none) = claim($language, inbox(0, 10, 'late'), %o);
    my ($many, $claimed) = claim($language, inbox(10_000, 10, 'late'), %o);
    is $claimed, 1, "$language, skipping what is superseded: an event is claimed that came after 10 000 newer ones";
    cmp_ok $many, '<=', 1.5 * $none, "$language: in the steps of one without these, half as many more at most: $none and $many";
}
done_testing;
