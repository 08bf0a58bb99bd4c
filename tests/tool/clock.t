#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The clock was wrong for a while: what it left is found, reported and worked on, and prune does not believe it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Fixture;
use Test::More;
use Tool;

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my $DAY = 86_400_000;
my $now = time * 1000;

my $f = Fixture->new(conf => qq(retain = "30d"\n$sample));
record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 3);
sub set { change($f, 'DROP TRIGGER IF EXISTS event_log_update', @_) }
sub said_by { my %is; @is{qw(exit stdout stderr)} = tool_out($f, @_); return \%is }

set('UPDATE inbox SET due_ms = ' . ($now + 10 * $DAY) . ' WHERE seq = 1', 'UPDATE inbox SET due_ms = ' . ($now + $DAY / 2) . ", token = 'of a worker' WHERE seq = 2");
like said_by('watch')->{stderr}, qr/the clock was wrong: 1 are due more than 24 h ahead/, 'watch reports an event that is due in ten days';
like said_by('doctor')->{stdout}, qr/^warning +clock +the clock was wrong: 1 events are due/m, 'so does doctor';
is said_by('requeue', 1, '--reason', 'clock')->{exit}, 0, 'requeue heals it';
isnt said_by('requeue', 2, '--reason', 'clock')->{exit}, 0, 'and takes no event from a worker that has it for half a day';
unlike said_by('watch')->{stderr}, qr/clock/, 'then watch has nothing to say of it';
set('UPDATE inbox SET due_ms = ' . ($now + 10 * $DAY) . ", token = 'of a dead worker' WHERE seq = 1");
tool($f, 'work', '--once', '--', '/bin/true');
is settled($f), '1/1 0/0 1/1', 'work takes it too, and leaves what another has for half a day';

# The oldest is the one that has waited longest.
record($f, map { resource_event("e$_", "r$_", $_) } 4 .. 5);
set('UPDATE event_log SET received_ms = ' . ($now + 5 * $DAY) . ' WHERE seq = 2', 'UPDATE event_log SET received_ms = ' . ($now - 3 * $DAY) . ' WHERE seq = 4');
like said_by('watch')->{stderr}, qr/the oldest for 72h/, 'an event that was received in the future hides no older one';
set('UPDATE event_log SET received_ms = ' . ($now + 5 * $DAY) . ' WHERE seq IN (4, 5)');
unlike said_by('stats')->{stdout}, qr/-\d+[smhd]/, 'no age is negative';

# prune
set('UPDATE inbox SET state = 1, token = NULL, done_ms = ' . ($now - 60 * $DAY) . ' WHERE seq = 1',
    'UPDATE inbox SET due_ms = ' . ($now - 60 * $DAY) . ' WHERE seq = 1');
my $pruned = said_by('prune');
isnt $pruned->{exit}, 0, 'prune refuses while the newest event lies in the future';
like $pruned->{stderr}, qr/received in the future/, 'and says so';
set('UPDATE event_log SET received_ms = ' . ($now - 60 * $DAY), 'UPDATE inbox SET state = 1, token = NULL, done_ms = ' . ($now - 60 * $DAY) . ', due_ms = ' . ($now - 60 * $DAY),
    "INSERT INTO history (at_ms, action) VALUES (" . ($now - 32 * $DAY) . ", 'prune')");
$pruned = said_by('prune');
isnt $pruned->{exit}, 0, 'it refuses if the clock is ahead of the last run by more than retain';
is $f->value('SELECT count(*) FROM event_log WHERE erased_ms IS NOT NULL'), 0, 'and empties nothing';
is said_by('prune', '--reason', 'the clock is right')->{exit}, 0, 'unless somebody says that it is right';
is $f->value('SELECT count(*) FROM event_log WHERE erased_ms IS NOT NULL'), 5, 'then all is emptied';
is said_by('prune')->{exit}, 0, 'and the next run needs no word';

# An alarm ends when the clock has been set right and what came by the wrong one has been worked on.
record($f, resource_event('e6', 'r6', 6));
set('UPDATE event_log SET received_ms = ' . ($now + 5 * $DAY) . ' WHERE seq = 6', 'UPDATE counter SET last_ms = ' . ($now + 5 * $DAY));
my $alarm = qr/the clock was wrong, or is: events were received in the future/;
like said_by('watch')->{stderr}, $alarm, 'watch reports that the newest event was received in the future';
like said_by('doctor')->{stdout}, qr/^warning +clock +the clock was wrong, or is/m, 'so does doctor';
record($f, resource_event('e7', 'r7', 7));
like said_by('watch')->{stderr}, $alarm, 'watch still does when another has come and that one waits';
tool($f, 'ack', 6, '--reason', 'clock');
unlike said_by('watch')->{stderr}, qr/clock/, 'and no longer when it is done';
unlike said_by('doctor')->{stdout}, qr/^warning +clock/m, 'nor does doctor';

# A quiet site: an event that is the newest there is becomes old enough, and prune has run each day.
sub runs { return $f->value("SELECT count(*) FROM history WHERE action = 'prune'") }
set('DROP TRIGGER history_update', 'UPDATE history SET at_ms = ' . ($now - 8 * $DAY) . " WHERE action = 'prune'");
my $before = runs();
is said_by('prune')->{exit}, 0, 'a run that empties nothing';
is runs(), $before + 1, 'is noted, since the last is a quarter of retain ago';
is said_by('prune')->{exit}, 0, 'another';
is runs(), $before + 1, 'is not';
record($f, resource_event('e8', 'r8', 8));
set('UPDATE event_log SET received_ms = ' . ($now - 60 * $DAY), 'UPDATE inbox SET state = 1, done_ms = ' . ($now - 60 * $DAY) . ', due_ms = ' . ($now - 60 * $DAY));
is said_by('prune')->{stdout}, "3 events emptied\n", 'so the last events of a quiet site are emptied without a word';
$f->finish;
done_testing;
