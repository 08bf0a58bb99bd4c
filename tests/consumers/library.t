#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The PHP and the Perl library over each form of the inbox: the same scenarios, by complycube-inbox(5).
use strict;
use warnings;
use Fcntl qw(:flock);
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/../lib";
use Consumer;
use HandMade;
use IO::Socket::UNIX;
use MIME::Base64 qw(decode_base64);
use POSIX qw(mkfifo strftime);
use Proc qw(unprivileged wait_until);
use Source;
use Test::More;
use Time::HiRes qw(time);

my $tmp = tempdir('cc-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0777, $tmp;
my ($c, $language, $form, $count);    # the consumer at work, its language, and the form it works on

sub directory { return $form eq 'directory' }
sub fresh { return "$tmp/inbox-" . ++$count . (directory() ? '' : '.db') }
sub inbox { my (%o) = @_; my $i = HandMade->new(fresh(), form => $form, %o); return $i }
sub opened { my ($i, %option) = @_; $c->get(new => path => $i->path, options => \%option); return $i }
sub ids { return join ' ', map { $_->{event_id} } @{ $_[0] } }
sub claimed { my ($on, $limit) = @_; return ids($c->get(claim => on => $on // 'a', limit => $limit)) }
# Those that one call of each worked on. Unlike claimed(), it passes on no bodies.
sub worked { return join ' ', @{ $c->get('each')->[1] } }
sub about { my ($ms, $expected) = @_; return abs($ms - HandMade::now() - $expected) < 8000 }

# In a second inbox object, as another worker has one.
sub other { my ($i, %option) = @_; $c->get(new => on => 'b', path => $i->path, options => \%option) }

my @SCENARIO = (
    ['an event has all that is known of it' => sub {
        my $i = opened(inbox());
        $i->add(type => 'client.created', note => 'caf\u00e9 \ud83d\ude00');
        my ($e) = @{ $c->get('claim') };
        my $body = decode_base64(delete $e->{body});
        ok length delete $e->{lease}, 'it has a lease';
        my @known = directory() ? map { $_ => undef } qw(superseded change_seq signature secret source)
            : (superseded => 0, change_seq => 1, signature => 'ab' x 32, secret => 'main', source => 'received');
        is_deeply $e, { seq => 1, endpoint => 'live', event_id => 'e1', type => 'client.created', resource_type => 'check', resource_id => 'r1', client_id => 'c1',
            status => 'complete', outcome => 'clear', created_at => '2026-01-29T20:32:22.005Z', created_ms => 1769718742005, received_ms => 1700000000000,
            attempts => 1, payload => { id => 'r1', clientId => 'c1', status => 'complete', outcome => 'clear', note => "caf\x{e9} \x{1f600}" }, @known }, 'each member';
        is(JSON::PP->new->utf8->decode($body)->{id}, 'e1', 'the body is what was received');
    }],
    ['the oldest come first, as many as are wanted' => sub {
        my $i = opened(inbox(), limit => 3);
        $i->add(id => "old$_", at => directory() ? 10 - $_ : $_) for 1 .. 5;
        is claimed('a', 2), directory() ? 'old5 old4' : 'old1 old2', 'two of them';
        is claimed(), directory() ? 'old3 old2 old1' : 'old3 old4 old5', 'the limit of the options';
        is claimed(), '', 'then none';
    }],
    ['what whoever may write the database puts there holds up no other event' => sub {
        my $i = opened(inbox());
        $i->add for 1, 2;
        if (directory()) {
            for my $name ('abc.000000000001.json', "1769718742005.x.json,\e[2J") {
                open my $file, '>', $i->path . "/live/new/$name" or die "$name: $!";
            }
            is claimed(), 'e1 e2', 'a name that is none is passed over';
            return;
        }
        $i->db->do(q(UPDATE event_log SET created_ms = 'abc', received_ms = x'ff' WHERE seq = 1));
        my %by = map { $_->{event_id} => $_ } @{ $c->get('claim') };
        is_deeply [map { $by{$_} && "$by{$_}{created_ms}" } 'e1', 'e2'], [0, 1769718742006], 'a text is no number, and none is 0';
        $i = opened(inbox());
        $i->add;
        $i->db->do(q(CREATE TRIGGER again AFTER UPDATE OF token ON inbox WHEN NEW.token IS NOT NULL
            BEGIN UPDATE inbox SET state = 0, token = NULL, attempts = 0, due_ms = 0 WHERE seq = NEW.seq; END));
        is claimed(), '', 'a claim ends that a trigger undoes again and again';
    }],
    ['an event that is acknowledged is done' => sub {
        my $i = opened(inbox());
        $i->add;
        claimed();
        is $i->state(1)->{state}, 'claimed', 'it is claimed before';
        is $c->get(ack => seq => 1), 1, 'ack gives true';
        is $i->state(1)->{state}, 'done', 'it is done';
        is $c->get(ack => seq => 1), 0, 'a second ack gives false';
        is $i->states, 'done', 'and changes nothing';
        is claimed(), '', 'it does not come again';
    }],
    ['what failed is tried again, later each time, and given up at last' => sub {
        my $i = opened(inbox());
        $i->add;
        for my $attempt (1 .. 2) {
            is claimed(), 'e1', "attempt $attempt";
            is $c->get(nack => seq => 1, arguments => ["no luck $attempt"]), 1, 'nack gives true';
            my $state = $i->state(1);
            is "$state->{state} $state->{attempts}", "waiting $attempt", 'it waits';
            ok about($state->{due_ms}, 60_000 * 2 ** ($attempt - 1)), "for $attempt minutes" or diag $state->{due_ms};
            is claimed(), '', 'and not less';
            $i->due(1);
        }
        claimed();
        is $c->get(nack => seq => 1, arguments => ['no luck at all']), 1, 'nack of the last attempt';
        is "@{ $i->state(1) }{qw(state why)}", 'dead no luck at all', 'it is dead, and says why';
        is claimed(), '', 'and does not come again';
    }],
    ['the delay of a nack can be given' => sub {
        my $i = opened(inbox());
        $i->add for 1 .. 2;
        claimed();
        $c->get(nack => seq => 1, arguments => ['not yet', 3600]);
        $c->get(nack => seq => 2, arguments => ['at once', 0]);
        ok about($i->state(1)->{due_ms}, 3_600_000), 'an hour';
        ok wait_until(sub { claimed() eq 'e2' }), 'nothing';
    }],
    ['a delay has its limit' => sub {
        my $i = opened(inbox(setting => { backoff_ms => 15_000_000 }));
        $i->add;
        claimed();
        $c->get(nack => seq => 1, arguments => ['no']);
        $i->due(1);
        claimed();
        $c->get(nack => seq => 1, arguments => ['no']);
        ok about($i->state(1)->{due_ms}, 21_600_000), '6 hours';
    }],
    ['what was done under a lost lease counts for nothing' => sub {
        my $i = opened(inbox());
        other($i);
        $i->add;
        claimed();
        is claimed('b'), '', 'nobody else gets it while it is claimed';
        $i->due(1);
        is claimed('b'), 'e1', 'when the lease is over another one does';
        is $c->get($_ => seq => 1, arguments => $_ eq 'nack' ? ['why'] : []), 0, "$_ of the first gives false" for qw(ack nack extend release);
        is $i->state(1)->{state}, 'claimed', 'and changes nothing';
        is $c->get(ack => on => 'b', seq => 1), 1, 'ack of the second gives true';
        is $i->state(1)->{state}, 'done', 'it is done';
    }],
    ['a lease can be made longer' => sub {
        my $i = opened(inbox(), lease => 5);
        $i->add;
        claimed();
        ok $i->state(1)->{due_ms} < HandMade::now() + 6000, 'the lease is what was asked for';
        is $c->get(extend => seq => 1, arguments => [1000]), 1, 'extend gives true';
        ok about($i->state(1)->{due_ms}, 1_000_000), 'it is longer';
        is $c->get(extend => seq => 1), 1, 'again';
        ok $i->state(1)->{due_ms} < HandMade::now() + 6000, 'by the lease of the options';
        is $c->get(ack => seq => 1), 1, 'the event can be acknowledged under its new lease';
        is $i->state(1)->{state}, 'done', 'and is done';
    }],
    ['an event that is released is there at once, and no attempt is counted' => sub {
        my $i = opened(inbox());
        other($i);
        $i->add;
        claimed();
        is $c->get(release => seq => 1), 1, 'release gives true';
        is "@{ $i->state(1) }{qw(state attempts)}", 'waiting 0', 'it waits';
        ok wait_until(sub { claimed('b') eq 'e1' }), 'another worker has it';
        is $i->state(1)->{attempts}, 1, 'by one attempt';
    }],
    ['what workers die of is given up, and holds nothing up' => sub {
        my $i = opened(inbox());
        $i->add;
        for (1 .. 3) { claimed(); $i->due(1) }
        $i->add(at => 100);
        is claimed('a', 1), 'e2', 'the next event comes instead';
        is $i->states, 'dead claimed', 'the first is dead';
        is claimed(), '', 'nothing more';
    }],
    ['only the types that are wanted' => sub {
        my $i = opened(inbox(), types => ['check.completed', 'client.deleted']);
        $i->add(type => $_) for qw(check.pending check.completed client.created client.deleted check.completed.clear);
        is claimed(), 'e2 e4', 'are claimed';
        is $i->states, 'waiting claimed waiting claimed waiting', 'others are left alone';
    }],
    ['one event of a resource at a time, the oldest first' => sub {
        my $i = opened(inbox(), ordered => \1);
        other($i, ordered => \1);
        $i->add(id => "a$_", resource => 'a', at => 10 - $_) for 1 .. 3;
        $i->add(id => 'b', resource => 'b', at => 50);
        $i->add(id => 'same', resource => 'a', resource_type => 'document', at => 60);
        is claimed('b', 9), 'a3 b same', 'the oldest of each';
        is claimed(), '', 'no more of the same while it is claimed';
        $i->add(id => 'a0', resource => 'a', at => 1);
        is claimed(), '', 'not even an older one';
        $c->get(nack => on => 'b', seq => 3, arguments => ['later']);
        is claimed(), 'a0', 'which comes next';
        $c->get(ack => seq => 6);
        is claimed(), '', 'what is to be tried again holds up the younger ones';
        $i->due(3);
        is claimed(), 'a3', 'it comes before them';
        $c->get(extend => seq => 3);
        is claimed('b'), '', 'they wait while its lease is extended';
        $c->get(ack => seq => 3);
        is claimed('b'), 'a2', 'then the next one';
        $c->get(nack => on => 'b', seq => 2, arguments => ['later']);
        for (1 .. 2) { $i->due(2); claimed(); $c->get(nack => seq => 2, arguments => ['later']) }
        is claimed('b'), 'a1', 'what is dead holds nothing up';
    }],
    ['with types, only a claimed event of another type holds anything up' => sub {
        my $i = opened(inbox(), ordered => \1, types => ['check.completed']);
        other($i, ordered => \1, types => ['check.pending']);
        $i->add(resource => 'a', type => 'check.pending');
        $i->add(resource => 'a');
        $i->add(resource => 'a');
        is claimed(), 'e2', 'one that waits does not';
        is claimed('b'), '', 'one that is claimed does';
        $c->get(ack => seq => 2);
        is claimed('b'), 'e1', 'until it is done';
        is claimed(), '', 'and so the other way round';
    }],
    ['superseded events are left out' => sub {
        my $i = inbox();
        if (directory()) {
            like $c->error(new => path => $i->path, options => { skip_superseded => \1 }), qr/needs the table/, 'a directory cannot know';
            return;
        }
        opened($i, skip_superseded => \1, ordered => \1);
        $i->add(resource => 'a', at => $_) for 5, 1, 9;
        is claimed(), 'e3', 'the newest is read';
        is "@{ $i->state(1) }{qw(state why)}", 'done superseded', 'the others are done';
        is $i->states, 'done done claimed', 'all of them';
        $c->get(nack => seq => 3, arguments => ['why', 0]);
        $i->db->do('UPDATE inbox SET state = 2 WHERE seq = 3');
        $i->add(resource => 'a', at => 7);
        is claimed(), 'e4', 'not for one that is dead';
        $i = opened(inbox(), skip_superseded => \1, types => ['check.completed']);
        $i->add(resource => 'a', at => 1);
        $i->add(resource => 'a', at => 9, type => 'check.pending');
        is claimed(), 'e1', 'nor for one whose type is not wanted';
    }],
    ['an endpoint is chosen only where there is one' => sub {
        my $i = inbox(endpoints => [qw(live sandbox)]);
        like $c->error(new => path => $i->path), qr/name an endpoint; there are: live, sandbox/, 'several are refused and listed';
        like $c->error(new => path => $i->path, options => { endpoint => 'prod' }), qr/no endpoint prod; there are: live, sandbox/, 'so is an unknown one';
        opened($i, endpoint => 'sandbox');
        $i->add(endpoint => 'sandbox');
        $i->add;
        is claimed(), 'e1', 'the events are those of the endpoint';
        $c->get(ack => seq => 1);
        is $i->states, 'done waiting', 'and only those';
    }],
    ['what is not created is not created by a worker' => sub {
        my $path = fresh();
        my $error = qr/\Q$path\E: inbox not created yet, run complycube-inbox init/;
        like $c->error(new => path => $path), $error, 'nothing there';
        ok !-e $path, 'and so it stays';
        if (directory()) { mkdir $path or die } else { open my $f, '>', $path or die }
        chmod 0777, $path;
        like $c->error(new => path => $path), $error, 'something empty';
        is_deeply [directory() ? glob("$path/*") : -s $path || ()], [], 'and so it stays';
    }],
    ['the file of another program is left alone' => sub {
        return pass 'there is no such file' if directory();
        my $path = fresh();
        my $db = DBI->connect("dbi:SQLite:dbname=$path", '', '', { RaiseError => 1 });
        $db->do('CREATE TABLE t (a)');
        chmod 0666, $path;
        like $c->error(new => path => $path), qr/\Q$path\E: this database is not an inbox/, 'a database';
        open my $f, '>', $path or die;
        print $f 'no database at all' x 100;
        close $f;
        like $c->error(new => path => $path), qr/\Q$path\E: .*not a database/, 'or none';
    }],
    ['wrong options are errors' => sub {
        my $i = inbox();
        like $c->error(new => path => $i->path, options => { type => ['a'] }), qr/no such option: type/, 'an unknown one';
        like $c->error(new => path => $i->path, options => { types => [] }), qr/types is no list, or an empty one/, 'no types';
        like $c->error(new => path => $i->path, options => { limit => $_ }), qr/limit must be an integer, 1 or more/, "limit $_" for 0, -1, 1.5, 'x';
        like $c->error(new => path => $i->path, options => { lease => $_ }), qr/lease must be a number of seconds, more than 0/, "lease $_" for 0, -1, 'x';
        like $c->error(new => path => $i->path, options => { log => 'nonsense' }), qr/log cannot be called/, 'a log that is none';
        opened($i, limit => '3', lease => '0.5');
        like $c->error(claim => limit => $_), qr/limit must be an integer, 1 or more/, "a claim of $_" for 0, 1.5, 'x';
        $i->add;
        like $c->error(each => callback => 'nonsense'), qr/the callback cannot be called/, 'a callback that is none';
        is $i->state(1)->{state} . $i->state(1)->{attempts}, 'waiting0', 'and no event is claimed for it';
    }],
    ['a lock is waited for' => sub {
        my $i = opened(inbox(), ordered => directory() ? \1 : \0);
        $i->add;
        my $file;
        if (directory()) { open $file, '+<', $i->path . '/live/lock' or die; flock $file, LOCK_EX or die }
        else { $i->db->do('BEGIN IMMEDIATE') }
        $c->send('claim');
        is $c->answer(0.2), undef, 'while another holds it';
        if (directory()) { close $file } else { $i->db->do('COMMIT') }
        is ids($c->answer->{value} // []), 'e1', 'and the claim made then';
    }],
    ['a body that cannot be decoded stops nobody' => sub {
        my $i = opened(inbox());
        my $body = '{"id":"e1","type":"t","payload":{"id":"\x"}}';
        $i->add(body => $body);
        my $deep = '{"id":"e2","type":"t","payload":' . '{"a":' x 600 . '1' . '}' x 601;
        $i->add(body => $deep);
        $i->add;
        if (!directory()) {
            my $events = $c->get('claim');
            is_deeply [map { decode_base64($_->{body}) } @$events[0, 1]], [$body, $deep], 'it comes as it is';
            is_deeply [map { $_->{payload} } @$events[0, 1]], [undef, undef], 'without a payload';
            return;
        }
        for (1 .. 3) {
            is claimed(), $_ == 1 ? 'e3' : '', "attempt $_ leaves it out";
            like $c->log, qr/0001\.json: the body cannot be decoded/, 'and tells of it';
            $_ == 3 or $i->due(1), $i->due(2);
        }
        is $i->states, 'dead dead claimed', 'at last it is dead';
        is $i->state(1)->{why}, 'the body cannot be decoded', 'and says why';
    }],
    ['each acknowledges what was worked on, and goes on after a failure' => sub {
        my $i = opened(inbox(), limit => 2);
        $i->add(note => 'private') for 1 .. 5;
        my $steps = { e2 => [[throw => "bad\nthing"]] };
        is_deeply $c->get(each => steps => $steps), [2, [qw(e1 e2)]], 'both were called';
        is $c->log, 'complycube-inbox: live check.completed e2: bad thing', 'the failure is told of, in a line, without the payload';
        is "@{ $i->state(2) }{qw(state attempts)}", 'waiting 1', 'it waits';
        is_deeply $c->get('each', limit => 3), [3, [qw(e3 e4 e5)]], 'a limit can be given';
        is_deeply $c->get('each'), [0, []], 'at the end nothing is left';
        is $i->states, 'done waiting done done done', 'all but one are done';
    }],
    ['each can be stopped' => sub {
        my $i = opened(inbox());
        $i->add for 1 .. 3;
        is_deeply $c->get(each => steps => { e1 => [['stop']] }), [3, ['e1']], 'after the event at hand';
        is $i->states, 'done waiting waiting', 'the others are released';
        is $i->state(2)->{attempts}, 0, 'without an attempt';
        is_deeply $c->get('each'), [0, []], 'and stays stopped';
        opened($i);
        is_deeply $c->get(each => steps => { e2 => [['signal']] }), [2, ['e2']], 'a signal does it too';
    }],
    ['each extends the leases of the events behind slow ones' => sub {
        my $i = opened(inbox(), lease => 0.5);
        $i->add for 1 .. 2;
        $c->send(each => steps => { all => [[sleep => 0.28]] });
        ok wait_until(sub { $i->state(2)->{due_ms} > 0 }), 'claimed';
        my $due = $i->state(2)->{due_ms};
        ok wait_until(sub { my $s = $i->state(2); $s->{state} eq 'claimed' && $s->{due_ms} > $due }), 'the second lease is extended';
        is_deeply $c->answer->{value}, [2, [qw(e1 e2)]], 'both are worked on';
        is $i->states, 'done done', 'and done';
    }],
    ['each leaves out an event whose lease is lost' => sub {
        my $i = opened(inbox(), lease => 0.4);
        $i->add for 1 .. 3;
        my $begun = $i->path . '.begun';
        $c->send(each => steps => { e1 => [[touch => $begun], [sleep => 0.22]] });
        ok wait_until(sub { -e $begun }), 'the first is being worked on';
        $i->steal(2);
        my $answer = $c->answer;
        is_deeply $answer->{value}, [3, [qw(e1 e3)]], 'it is not worked on';
        is $i->state(2)->{owner}, 'another', 'and left to the other';
        like $answer->{log}[0], qr/e2: the lease ended before its turn/, 'it is told of';
    }],
    ['what is logged is printable' => sub {
        my $i = opened(inbox());
        $i->add(id => "e\xc2\x9b31m\xe2\x80\xae\xc3\xbc");
        my $answer = $c->call(each => steps => { all => [[throw => "why\e[1m\nforged: line"]] });
        my $line = $answer->{log}[0] // '';
        utf8::decode($line) if !utf8::is_utf8($line);
        like $line, qr/e 31m (?:\xfc|\xc3\xbc): why \[1m forged: line/, 'whatever an id and an error hold';
    }],
    ['what kills workers is given up alone' => sub {
        my $i = inbox();
        $i->add for 1 .. 4;
        for (1 .. 4) {
            my $victim = Consumer->start($language, $tmp);
            $victim->get(new => path => $i->path);
            $victim->send(each => steps => { e2 => [['kill']] });
            $victim->answer;
            $i->state($_)->{state} eq 'claimed' and $i->due($_) for 1 .. 4;
        }
        opened($i);
        1 while $c->get('each')->[0];
        is $i->states, 'done dead done done', 'the others are done';
    }],
    map({ my $verb = $_; ["what takes all memory is given up alone, by $verb" => sub {
        my $i = inbox();
        my %option = (types => ['t'], ordered => 1);    # for which a directory has to look into bodies beforehand
        my $nested = '[' . join(',', ('[' x 400 . ']' x 400) x 1200) . ']';
        for my $n (1 .. 5) {
            my $payload = sprintf '{"id":"r%d"%s}', $n, $n == 2 || $n == 3 ? qq(,"x":$nested) : '';
            my $before = qq({"id":"e$n","type":"t","payload":);
            $i->add(type => 't', body => "$before$payload}");
            $i->db->do('UPDATE event_log SET payload_at = ?, payload_len = ? WHERE seq = ?', undef, length $before, length $payload, $n) if !directory();
        }
        for (1 .. 12) {
            last if $i->states !~ /waiting/;
            my $worker = Consumer->start($language, $tmp, memory => $language eq 'php' ? 40 : directory() ? 55 : 80);
            $worker->get(new => path => $i->path, options => $verb eq 'each' ? \%option : {});
            for (1 .. 8) {
                my $answer = $worker->call($verb);
                last if $answer->{error} || !@{ $answer->{value} } || ($verb eq 'each' && !$answer->{value}[0]);
                if ($verb eq 'claim') { $worker->get(ack => seq => $_->{seq}) for @{ $answer->{value} } }
            }
            $worker->stop;
            $i->state($_)->{state} eq 'claimed' and $i->due($_) for 1 .. 5;
        }
        is $i->states, 'done dead dead done done', 'those that it waits with are done';
        is $i->state($_)->{why}, 'the worker ended without a result, 3 times', "event $_ says why it is dead" for 2, 3;
    }] } 'each', 'claim'),
    ['the bodies of a claim have 4 MB at most, or it is of one event' => sub {
        my $i = opened(inbox());
        $i->add(note => 'x' x $_) for 1_500_000, 1_500_000, 1_500_000, 5_000_000, 10, 10;
        is worked(), 'e1 e2', 'two of 1.5 MB';
        is worked(), 'e3', 'one, since the next is large';
        is worked(), 'e4', 'the large one alone';
        is worked(), 'e5 e6', 'then the small ones';
        is worked(), '', 'none is left out';
    }],
    # Many hosts give PHP 128 MB. Perl decodes slowly: fewer members, in less memory.
    ['twenty events of 1 MB pass with a third of the memory that hosts give' => sub {
        my $i = inbox();
        my $members = join ',', map { qq({"n":$_,"t":"pep","s":[1,2,3],"m":{"a":1,"b":"x"}}) } 1 .. ($language eq 'php' ? 18_000 : 1);
        my $note = qq(","matches":[$members],"x":");
        $i->add(note => $note . 'x' x (1_000_000 - length $note)) for 1 .. 20;
        my $worker = Consumer->start($language, $tmp, memory => $language eq 'php' ? (directory() ? 36 : 44) : directory() ? 34 : 65);
        $worker->get(new => path => $i->path);
        1 while $worker->get('each')->[0];
        is $i->states, join(' ', ('done') x 20), 'all are done';
    }],
    ['a time that a wrong clock has set is not waited for' => sub {
        my $i = opened(inbox());
        $i->add for 1 .. 3;
        is claimed(), 'e1 e2 e3', 'three are claimed';
        $i->due(1, HandMade::now() + 10 * 86_400_000);
        $i->due(2, HandMade::now() + 86_000_000);
        is claimed(), 'e1', 'a lease that ends in ten days is over, one of less than a day is not';
        like $c->call(nack => seq => 1, arguments => ['why', 86_401])->{error}, qr/a delay has 24 hours at most/, 'a longer delay is refused';
        like $c->call(extend => seq => 1, arguments => [86_401])->{error}, qr/a lease has 24 hours at most/, 'so is a longer lease';
        like $c->call(new => on => 'b', path => $i->path, options => { lease => 86_401 })->{error}, qr/a lease has 24 hours at most/, 'also as an option';
        is $c->get(nack => seq => 1, arguments => ['why', 86_400]), 1, '24 hours are not too long';
        is claimed(), '', 'and are waited for';
    }],
    ['a worker that dies without a word leaves a reason' => sub {
        my $i = opened(inbox(setting => { max_attempts => 2 }));
        $i->add;
        for my $attempt (1 .. 2) {
            is claimed(), 'e1', "claim $attempt ends without a result";
            $i->due(1);
        }
        is claimed(), '', 'it is given up';
        is $i->state(1)->{why}, 'the worker ended without a result, 2 times', 'and says why';
    }],
    ['where there is one attempt only nobody shares it' => sub {
        my $i = inbox(setting => { max_attempts => 1 });
        $i->add for 1 .. 3;
        my $victim = Consumer->start($language, $tmp);
        $victim->get(new => path => $i->path);
        $victim->send(each => steps => { e1 => [['kill']] });
        $victim->answer;
        is $i->states, 'claimed waiting waiting', 'what kills a worker takes nothing with it';
    }],
    ['what a large payload says is decoded' => sub {
        my $i = opened(inbox(), types => ['check.completed'], ordered => 1);
        $i->add(type => 'check.completed', note => 'x' x 6000 . '","a":{"b":[1,{"c":"]}\\\\"}]},"z":"\\"{[');
        my ($e) = @{ $c->get('claim') };
        is "$e->{event_id} $e->{type} $e->{resource_id} $e->{status}", 'e1 check.completed r1 complete', 'its members are known';
        is_deeply [@{ $e->{payload} }{qw(a z)}], [{ b => [1, { c => ']}\\' }] }, '"{['], 'and what is nested in it';
    }],
    ['an event whose ack fails is not released' => sub {
        my $i = opened(inbox());
        $i->add for 1 .. 3;
        if (directory()) { chmod 02550, $i->path . '/live/done' or die }
        else { $i->db->do(q(CREATE TRIGGER no_ack BEFORE UPDATE ON inbox WHEN new.state = 1 BEGIN SELECT RAISE(ABORT, 'no ack'); END)) }
        like $c->error('each'), directory() ? qr{done/\d{8} cannot be made: .*Permission denied} : qr/no ack/, 'each throws';
        is $i->states, 'claimed waiting waiting', 'the lease just ends';
        is join(' ', map { $i->state($_)->{attempts} } 1 .. 3), '1 0 0', 'and its attempt counts';
    }],
    ['a date in the far future' => sub {
        my $i = opened(inbox());
        $i->add(at => 10_000_000_000_000);
        my ($e) = @{ $c->get('claim') };
        is "$e->{event_id} $e->{created_ms} $e->{created_at}", 'e1 11769718742004 2342-12-20T14:19:02.004Z', 'is worked on';
        is $c->get(ack => seq => 1), 1, 'and acknowledged';
    }],
    ['half a surrogate pair is decoded' => sub {
        my $i = opened(inbox());
        $i->add(note => 'a\ud83d b\\\\ud83d c\ud83d\ude00 d\udc00\ud83d\ud83d\ude00 e\ud83d\\\\ude00');
        is $c->get('claim')->[0]{payload}{note}, "a\x{fffd} b\\ud83d c\x{1f600} d\x{fffd}\x{fffd}\x{1f600} e\x{fffd}\\ude00", 'as U+FFFD';
    }],
    ['as many levels as the receiver takes' => sub {
        my $i = opened(inbox());
        my $deep = '{"a":' x 511 . '1' . '}' x 511;
        my $before = '{"id":"e1","type":"t","payload":';
        $i->add(body => "$before$deep}");
        $i->db->do('UPDATE event_log SET payload_at = ?, payload_len = ?', undef, length $before, length $deep) if !directory();
        my ($e) = @{ $c->get('claim') };
        ok ref $e->{payload}{a}{a}, 'are decoded';
    }],
    ['a log that fails stops no work' => sub {
        my $i = opened(inbox(), log => 'fails');
        $i->add(body => '{}') if directory();
        $i->add;
        is $c->get(each => steps => { all => [[throw => 'bad']] })->[0], 1, 'the event is worked on';
        is $i->states, directory() ? 'waiting waiting' : 'waiting', 'and put off';
    }],
    ['the reason is cut at a character' => sub {
        my $i = opened(inbox(setting => { max_attempts => 1 }));
        $i->add;
        claimed();
        $c->get(nack => seq => 1, arguments => ['a' . "\x{e9}" x 1200]);
        is $i->state(1)->{why}, 'a' . "\xc3\xa9" x 999, 'behind 1000 of them';
    }],
    ['a setting must have its numbers' => sub {
        for my $bad (0, -1, 'soon', '1e300', 99999999999999) {
            my $i = inbox(setting => { lease_ms => $bad });
            like $c->error(new => path => $i->path), qr/setting: lease_ms is missing, or no number from 1/, "not $bad";
        }
    }],
    ['an event can be extended in a callback' => sub {
        my $i = opened(inbox());
        $i->add;
        is_deeply $c->get(each => steps => { all => [[extend => 1000]] }), [1, ['e1']], 'called';
        is $i->states, 'done', 'and acknowledged under its new lease';
    }],
);

# Only a directory has these.
my @DIRECTORY = (
    ['what is made belongs to the group, whatever the umask' => sub {
        my $i = opened(inbox(setting => { max_attempts => 1 }));
        $i->add for 1 .. 2;
        claimed();
        $c->get(ack => seq => 1);
        claimed();
        $c->get(nack => seq => 2, arguments => ['why']);
        my ($day) = glob $i->path . '/live/done/*';
        like $day, qr{/20\d{6}$}, 'a folder for the day';
        is sprintf('%o', (stat $day)[2] & 07777), '2770', 'with mode 02770';
        my ($why) = glob $i->path . '/live/dead/*.txt';
        is sprintf('%o', (stat $why)[2] & 07777), '640', 'the reason can be read by the group';
    }],
    ['names are read once for many claims' => sub {
        for (1 .. 3) {
            my $i = opened(inbox());
            $i->add for 1 .. 4;
            my $began = time;
            my $first = claimed('a', 1);
            chmod 02730, $i->path . '/live/new';
            my $answer = $c->call(claim => limit => 1);
            next if time - $began > 0.9;
            is $first . ' ' . ids($answer->{value} // []), 'e1 e2', 'a folder that cannot be read any more is not needed' or diag $answer->{error};
            return;
        }
        pass 'this machine is too busy to tell';
    }],
    ['tmp/ is never looked into, and other files are left alone' => sub {
        my $i = opened(inbox());
        $i->add;
        my ($file) = glob $i->path . '/live/new/*';
        rename $file, $file =~ s{/new/}{/tmp/}r or die;
        open my $f, '>', $i->path . '/live/new/README' or die;
        is claimed(), '', 'nothing is claimed';
    }],
);

push @DIRECTORY, (
    ['a setting must be whole' => sub {
        my $i = inbox();
        open my $out, '>', $i->path . '/setting' or die;
        print $out "max_attempts 3\nbackoff_ms 1000\n";
        close $out;
        like $c->error(new => path => $i->path), qr/setting: lease_ms is missing, or no number from 1/, 'else it is refused';
    }],
    ['a file that cannot be read is no fault of the event' => sub {
        my $i = opened(inbox());
        $i->add for 1 .. 3;
        my $file = (sort glob $i->path . '/live/new/*')[1];
        chmod 0, $file;
        is claimed(), 'e1', 'what comes before it is claimed';
        like $c->error('claim'), qr/new.*[Pp]ermission denied/, 'then it is told of';
        is "@{ $i->state(2) }{qw(state attempts)}", 'waiting 0', 'it still waits';
        chmod 0640, $file;
        is claimed(), 'e2 e3', 'until it can be read';
    }],
    ['a folder that cannot be searched is an error' => sub {
        my $i = opened(inbox());
        $i->add;
        chmod 02660, $i->path . '/live/new';
        like $c->error('claim'), qr/new.*[Pp]ermission denied/, 'and not nothing';
        chmod 02770, $i->path . '/live/new';
        is claimed(), 'e1', 'when it can be all is well';
        chmod 02660, $i->path . '/live/cur';
        like $c->error(ack => seq => 1), qr/cur.*[Pp]ermission denied/, 'so in an ack';
        chmod 02770, $i->path . '/live/cur';
    }],
    ['only texts are ids and the like' => sub {
        my $i = opened(inbox());
        $i->add(body => '{"id":"e1","type":"client.","resourceType":7,"payload":{"id":"x","status":true,"outcome":1.5}}');
        $i->add(body => '{"id":1234,"type":"t"}');
        my ($e, @more) = @{ $c->get('claim') };
        is_deeply [@$e{qw(event_id resource_type status outcome client_id)}], ['e1', (undef) x 4], 'others are left out';
        is @more, 0, 'without one there is no event';
    }],
);

# Another user of the folder's group plants names in it.
my %PLANT = (
    'a link' => sub { symlink $_[1], $_[0] or die "$_[0]: $!" },
    'a dangling link' => sub { symlink "$_[1].none", $_[0] or die "$_[0]: $!" },
    'a FIFO' => sub { mkfifo($_[0], 0666) or die "$_[0]: $!"; chmod 0666, $_[0] },
    'a socket' => sub { IO::Socket::UNIX->new(Local => $_[0], Listen => 1) or die "$_[0]: $!" },
    'a folder' => sub { mkdir $_[0] or die "$_[0]: $!" },
);

# A folder of the consumer's own user that is not to be touched, with a file in it.
sub elsewhere {
    my $dir = "$tmp/elsewhere-" . ++$count;
    mkdir $dir or die;
    open my $out, '>', "$dir/keys" or die;
    print $out "mine\n";
    close $out;
    chmod 0600, "$dir/keys";
    chmod 0700, $dir;
    chown unprivileged(), $dir, "$dir/keys" if $> == 0;
    return $dir;
}

sub picture { return join "\n", map { join ' ', $_, (map { sprintf '%o', $_ } (lstat)[2, 3, 4, 5]), -f _ ? HandMade::slurp($_) : '' } $_[0], sort glob "$_[0]/*" }

push @DIRECTORY, map {
    my $kind = $_;
    ["$kind in place of an event is passed over" => sub {
        for my $option ({}, { ordered => \1 }, { types => ['check.completed'] }) {
            my $i = opened(inbox(), %$option);
            my $dir = elsewhere();
            my $before = picture($dir);
            my @held = map { $PLANT{$kind}->($i->path . "/live/$_", "$dir/keys") }
                'new/0000000000001.000000000091.json', 'cur/0000000000002.000000000092.json,a=1,l=5', 'cur/0000000000003.000000000093.json,a=1,l=5,w=x';
            $i->add;
            is claimed(), 'e1', 'the event is claimed';
            like $c->log, qr/000000000091\.json is no file of the receiver: look at it, then remove it/, 'what is none is reported' if $kind ne 'a dangling link';
            is_deeply $c->get('claim'), [], 'then there is none';
            unlike $c->log, qr/no file of the receiver/, 'and no second report';
            is picture($dir), $before, 'nothing elsewhere changes';
        }
    }],
    ["$kind in place of the reason of a dead event is left" => sub {
        my $i = opened(inbox(setting => { max_attempts => 1 }));
        my $dir = elsewhere();
        $i->add;
        my ($name) = map { m{([^/]+)$} } glob $i->path . '/live/new/*';
        my @held = $PLANT{$kind}->($i->path . "/live/dead/$name.txt", "$dir/keys");
        my $before = picture($dir);
        claimed();
        is $c->get(nack => seq => 1, arguments => ['why']), 1, 'it is given up';
        ok -e $i->path . "/live/dead/$name", 'its file is in dead/';
        is picture($dir), $before, 'nothing elsewhere changes';
    }],
    ["$kind in place of the lock or of the settings is refused" => sub {
        my $i = inbox();
        my $dir = elsewhere();
        my $before = picture($dir);
        opened($i, ordered => \1);
        rename $i->path . '/live/lock', $i->path . '/live/was';
        my @held = $PLANT{$kind}->($i->path . '/live/lock', "$dir/keys");
        like $c->error('claim'), qr/lock/, 'the lock';
        rename $i->path . '/setting', $i->path . '/was';
        push @held, $PLANT{$kind}->($i->path . '/setting', "$dir/keys");
        like $c->error(new => path => $i->path), qr/setting|not created/, 'the settings';
        is picture($dir), $before, 'nothing elsewhere changes';
    }];
} sort keys %PLANT;

push @DIRECTORY, ['another user\'s link in place of a folder is refused' => sub {
    for my $folder ('live', 'live/new', 'live/cur', 'live/dead', 'live/done', 'live/done/' . strftime('%Y%m%d', gmtime)) {
        my $i = opened(inbox(setting => { max_attempts => 1 }));
        $i->add for 1 .. 2;
        my $dir = elsewhere();
        $folder =~ /\d$/ or rename $i->path . "/$folder", $i->path . '/was' or die;
        symlink $dir, $i->path . "/$folder" or die;
        system('chown', '-h', 'games', $i->path . "/$folder") == 0 or die;
        my $before = picture($dir);
        my @answers = ($c->call('claim'), $c->call(ack => seq => 1), $c->call(nack => seq => 2, arguments => ['why']));
        like join(' ', map { $_->{error} // '' } @answers), qr{\Q$folder\E is a link of user \d+: look at it, then remove it}, $folder;
        is picture($dir), $before, 'nothing elsewhere changes';
    }
}] if $> == 0;

# Only a table has these.
my @TABLE = (
    ['a database that is replaced is told of' => sub {
        my $i = opened(inbox());
        is claimed(), '', 'nothing is there';
        rename inbox()->path, $i->path or die;
        like $c->error('claim'), qr/the database was replaced; start again/, 'instead of waiting for ever';
    }],
    ['a semicolon in the path' => sub {
        my $i = inbox();
        $i->add;
        $i->db->disconnect;
        my $path = $i->path =~ s/inbox/in;b%25x/r;
        rename $i->path, $path or die;
        $c->get(new => path => $path);
        is claimed(), 'e1', 'does no harm';
    }],
);

my @PERL = (
    ['a callback that is left by next or last' => sub {
        my $i = opened(inbox());
        $i->add for 1 .. 3;
        is_deeply $c->get(each => steps => { e1 => [[leave => 'next']], e2 => [[leave => 'last']] }), [3, [qw(e1 e2 e3)]], 'stops nothing';
        is $i->states, 'waiting waiting done', 'and has failed';
        like $c->log, qr/e1: left by next or last/, 'it is told of';
    }],
);

for my $l (qw(php perl)) {
    $language = $l;
    $c = Consumer->start($language, $tmp);
    for my $f (qw(wal delete directory)) {
        $form = $f;
        for (@SCENARIO, directory() ? @DIRECTORY : @TABLE, $language eq 'perl' ? @PERL : ()) {
            my ($name, $test) = @$_;
            subtest "$language, $form: $name" => sub { eval { $test->(); 1 } or fail("it ran to its end: $@") };
        }
    }
    $c->stop;
    undef $c;
}

# Workers of both languages at once.
for ([wal => 1], [delete => 0], [directory => 0], [directory => 1]) {
    my $ordered = $_->[1];
    $form = $_->[0];
    my $i = inbox();
    my $n = 40;
    $i->add(resource => 'r' . $_ % 4) for 1 .. $n;
    my @workers = map { Consumer->start($_, $tmp) } qw(php perl php perl);
    $_->get(new => path => $i->path, options => { ordered => $ordered ? \1 : \0, limit => 3 }) for @workers;
    my (@seen, @failed);
    my $end = time + 20;
    while (@seen < $n && time < $end && !@failed) {
        $_->send('each') for @workers;
        for my $answer (map { $_->answer } @workers) {
            push @failed, grep { defined } $answer->{error}, @{ $answer->{log} };
            push @seen, @{ $answer->{value}[1] // [] };
        }
    }
    is_deeply [sort @seen], [sort map { "e$_" } 1 .. $n], "$form: four workers of both languages work on each event once" . ($ordered ? ', ordered' : '')
        or diag "@failed";
    $_->stop for @workers;
}

# The examples for cron. Copies, since another user runs them, who may not look into this folder.
mkdir "$tmp/examples" or die;
chmod 0755, "$tmp/examples";
for my $file (listed("$ROOT/consumers", "php/*", "perl/*")) { copy($file, "$tmp/examples") or die "$file: $!" }
for my $cron (['php', "$tmp/examples/cron.php"], ['perl', "$tmp/examples/cron.pl"]) {
    my $run = sub { Proc->run(cmd => [@$cron, @_], tmp => $tmp) };
    for my $f (qw(wal directory)) {
        $form = $f;
        my $i = inbox();
        $i->add for 1 .. 30;
        my ($code, $out, $err) = $run->($i->path);
        is "$code $err", '0 ', "$cron->[0], $form: the example for cron succeeds";
        like $out, qr/^2026-01-29T20:32:22\.005Z check r1 of client c1: clear\n(?:.*\n){29}\z/, 'a line for each event';
        is join(' ', map { $i->state($_)->{state} } 1 .. 30), join(' ', ('done') x 30), 'all are done';
        $i->add(resource => "r\xc2\x9b31m\xe2\x80\xae\xc3\xbc");
        ($code, $out) = $run->($i->path);
        like $out, qr/^2026-\S+ check r 31m \xc3\xbc of client c1: clear\n\z/, 'and what it prints is printable';
    }
    is_deeply [$run->("$tmp/none")], [1, '', ($cron->[0] eq 'php' ? 'cron.php' : 'cron.pl') . ": $tmp/none: inbox not created yet, run complycube-inbox init\n"], 'what is missing is told of';
    is +($run->())[0], 2, 'without arguments it tells its usage';
}

# The decoder of the Perl library against another one.
require "$ROOT/consumers/perl/ComplyCubeInbox.pm";
my @texts = ('{}', ' { } ', '{"a":[]}', '{"a":[1,-2.5e3,0,true,false,null,"x"]}', '{"a":{"b":{"c":"\u00e9\ud83d\ude00\n\/"}}}', '{"\u0061":1,"a":2}', "{\"a\":\"\xc3\xa9\"}",
    '{"a":12345678901234567890}', '{"":""}');
my $other = JSON::PP->new->utf8->boolean_values(0, 1)->allow_nonref(0);
is_deeply ComplyCubeInbox::Json::decode($_), $other->decode($_), "$_ is decoded" for map { s/\s+\z//r } @texts;
my @bad = ('', '[]', '"a"', '1', '{', '{}x', '{"a"}', '{"a":}', '{"a":1,}', '{a:1}', "{'a':1}", '{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":[1,]}', '{"a":[1 2]}',
    '{"a":tru}', '{"a":"\x"}', '{"a":"\u12"}', "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "{\"a\":1}\0", "\xef\xbb\xbf{}", '{"a":NaN}', '{"a":"',
    '{"a":' x 513 . '1' . '}' x 513);
is ComplyCubeInbox::Json::decode($_), undef, substr($_, 0, 20) . ' is no JSON' for @bad;
is ComplyCubeInbox::Directory::_word(ComplyCubeInbox::Json::decode("{\"a\":$_}"), 'a'), undef, "$_ is no text" for 5, '12345678901234567890', 'true', 'null';
is ComplyCubeInbox::Directory::_word(ComplyCubeInbox::Json::decode('{"a":"12345678901234567890"}'), 'a'), '12345678901234567890', 'digits in quotes are';
my $long = '{"a":"' . '\"x' x 200_000 . '"}';
is length ComplyCubeInbox::Json::decode($long)->{a}, 400_000, 'a long text with many escapes is decoded';
done_testing;
