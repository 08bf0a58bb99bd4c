# SPDX-License-Identifier: MIT
#
# Works on the events that complycube-webhook has received; complycube-inbox(5) is the contract. Perl 5.10 or later.
# The path is the database (needs DBI and DBD::SQLite), or the folder of directory = (needs nothing). perl -T takes it as it is.
#
#     my $inbox = ComplyCubeInbox->new('/home/me/private/inbox.db', endpoint => 'live');
#     1 while $inbox->each(sub { my ($event) = @_; your_work($event->{type}, $event->{payload}) });
#
# Options: endpoint; types (only these); ordered (one event of a resource at a time, the oldest first; in a directory
# this reads its names at each claim); skip_superseded (not what a newer event has overtaken; table only); owner (who
# claims, for people to read); lease (seconds, a day at most); limit (events in a claim, 20); log (called with a line; warn);
# api_key_file (for object: the API key alone, on one line), api (its URL), ca_file (the authorities that are trusted).
#
#     claim($limit)             lock some events for a time, the lease, and return them; none: nothing waits
#     ack($event)               the work is done
#     nack($event, $why, $sec)  it failed: try again later; after the last attempt the event is dead, given up
#     extend($event, $seconds)  the work takes longer
#     release($event)           not worked on: another worker may have it at once
#     each($callback, $limit)   claim, call, and ack; or nack if it dies. How many were claimed; 0 too if the run was ended
#                               by ComplyCubeInboxLater
#     once($dbh, $table, $callback, $limit)    each, with an effect in your own database exactly once: $callback->($event,
#                               $dbh) works inside a transaction that also inserts the event's key into $table. $dbh has
#                               AutoCommit on, and no transaction is open. Let errors of the database pass: after a
#                               deadlock that $callback caught and tried again, nothing holds effect and key together
#     object($event)            its object, as ComplyCube has it now, by one request: act on this state, and not on the
#                               event, which may be old. undef: it is no more. Dies when the API cannot be asked. Needs
#                               HTTP::Tiny, and for TLS IO::Socket::SSL
#     stop()                    for signal handlers: each and once return after the event at hand
#
# ack, nack, extend and release give false when the lease was lost: another worker has the event then. A worker may
# die between its work and the ack, and then the event comes again. Make the object after a fork, not before.
# When your application is down, a mail server for example, call ComplyCubeInboxLater->throw('why'): what is claimed is
# released, no attempt is counted, the log has one line, and the next call tries again. A lost connection of DBI is one too;
# if it stays lost the next call dies, since only a new process connects again.
# The words of what $callback dies of go to the log and, with the event, into the inbox; of an error of DBI those before
# its first quoted value. So does an exit in $callback. An event on its second attempt is claimed alone, should it be what kills workers;
# new ones together as long as their bodies have 4 MB at most.
# The text of an event is characters, its body bytes. In a payload half a surrogate pair is U+FFFD, true and false are 1
# and 0.
package ComplyCubeInbox;
use 5.010;
use strict;
use warnings;

use Scalar::Util ();

my $AT_HAND;    # what a callback works on: the event, its inbox, and what else is claimed

my %DEFAULT = (endpoint => undef, types => undef, ordered => 0, skip_superseded => 0, owner => undef, lease => undef,
    limit => 20, log => sub { warn "$_[0]\n" }, api_key_file => undef, api => 'https://api.complycube.com/v1', ca_file => undef);

sub new {
    my ($class, $path, %given) = @_;
    my @unknown = grep { !exists $DEFAULT{$_} } sort keys %given;
    die "no such option: @unknown\n" if @unknown;
    my %option = (%DEFAULT, %given);
    die "types is no list, or an empty one\n" if defined $option{types} && !(ref $option{types} eq 'ARRAY' && @{ $option{types} });
    die "lease must be a number of seconds, more than 0\n"
        if defined $option{lease} && !($option{lease} =~ /\A[0-9]*\.?[0-9]+\z/ && $option{lease} > 0);
    _whole($option{limit});
    _callback($option{log}, 'log');
    my $form = -d $path ? 'ComplyCubeInbox::Directory' : 'ComplyCubeInbox::Table';
    my $api = ComplyCubeInbox::Api->new(\%option);
    return bless { limit => $option{limit}, api => $api, store => $form->new($path, \%option) }, $class;
}

sub claim {
    my ($self, $limit) = @_;
    my (@open, @events);
    do {
        @open = $self->_open($limit);
        @events = grep { defined } map { $self->{store}->decoded($_) } @open;
    } while (@open && !@events);    # none could be decoded
    return @events;
}

# Claimed, and not decoded yet.
sub _open { my ($self, $limit) = @_; return $self->{store}->claim(_whole($limit // $self->{limit})) }
sub ack { my ($self, $event) = @_; return $self->{store}->ack($event) }
sub nack { my ($self, $event, $why, $seconds) = @_; return $self->{store}->nack($event, substr($why // '', 0, 1000), $seconds) }
sub extend { my ($self, $event, $seconds) = @_; return $self->{store}->extend($event, $self->{store}->lease($seconds)) }
sub release { my ($self, $event) = @_; return $self->{store}->release($event) }
sub object { my ($self, $event) = @_; return $self->{api}->object($event) }
sub stop { $_[0]{stopped} = 1; return }

sub each {
    my ($self, $callback, $limit) = @_;
    _callback($callback, 'the callback');
    return $self->_work(sub { _verdict($callback, $_[0]) }, $callback, $limit);
}

sub once {
    my ($self, $dbh, $table, $callback, $limit) = @_;
    _callback($callback, 'the callback');
    local @$dbh{qw(RaiseError PrintError HandleError)};
    my $effect = ComplyCubeInbox::Effect->new($self, $dbh, $table, $callback);
    my $count = $self->_work(sub { $effect->apply($_[0]) }, $callback, $limit);
    return $effect->alive($count);
}

sub _callback { my ($value, $what) = @_; die "$what cannot be called\n" if ref $value ne 'CODE'; return }

sub _whole {
    my ($limit) = @_;
    die "limit must be an integer, 1 or more\n" if ($limit // '') !~ /\A[1-9][0-9]{0,8}\z/;
    return int $limit;
}

# For a terminal, a mail or a log, in bytes: without controls, what turns a text or has no width; in ASCII where it is no UTF-8.
sub printable {
    my ($text) = @_;
    if (utf8::is_utf8($text) || utf8::decode($text)) { $text =~ s/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/ /g }
    else { $text =~ s/[^ -~]+/ /g }
    utf8::encode($text);
    return $text;
}

# A name in quotes says what is wrong; a value in quotes is somebody's.
my $KIND = join '|', map { "(?<=$_ )" } qw(column field table relation index constraint function);
my $QUOTED = qr/(?:$KIND)(['"])[\w.\$]+\g{-1}|`[\w\$]+`|(?<=in )'\w+ (?:list|clause|statement)'|(?<=n)'(?=t\b)/i;

# Call it: undef, or what it died of, in words.
sub attempt {
    my ($why) = _verdict(@_);
    return $why;
}

# The same, and whether the application is down: 'told', or 'lost' if it is a connection.
sub _verdict {
    my ($code, @arguments) = @_;
    local $@;
    my ($done, $left) = (0, 1);
    { $done = eval { $code->(@arguments); 1 }; $left = 0 }    # a loop, that next and last would leave
    return $left ? 'left by next or last' : undef if $left || $done;
    my $down = Scalar::Util::blessed($@) && $@->isa('ComplyCubeInboxLater') ? 'told' : _disconnected("$@") ? 'lost' : undef;
    my $why = "$@";
    $why =~ s/(DBD::[\w:]+ \w+ failed: (?:[^'"`\n]|$QUOTED)*+).*/$1/s;
    $why =~ s/\s+\z//;
    return (length $why ? $why : 'died without a word', $down);
}

# Whether the connection to a database was lost, or cannot be made. Numbers of MariaDB and MySQL, states of the others, and
# words of both, since a handle that is destroyed takes the former with it.
my $GONE = join '|', 'server has gone away', 'lost connection', "can't connect", 'too many connections', 'shutdown in progress',
    'connection was killed', 'server closed the connection', 'could not connect', 'terminating connection';
my %LOST = map { $_ => 1 } 1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031;

sub _disconnected {
    my ($why) = @_;
    no warnings 'once';
    return $why =~ /DBD::|DBI connect/ && ($LOST{ $DBI::err || 0 } || ($DBI::state || '') =~ /^(?:08|57P0)/ || $why =~ /$GONE/i);
}

# $run gives nothing, or why an event failed and whether the application is down; what it dies of is no event's fault.
sub _work {
    my ($self, $run, $callback, $limit) = @_;
    return 0 if $self->{stopped};
    my $half = ComplyCubeInbox::Store::now() + $self->{store}->lease / 2;
    my @open = $self->_open($limit);
    my $count = @open;
    my $outer = $AT_HAND;    # of a callback that calls each itself
    my $good = eval {
        while (@open && !$self->{stopped}) {
            my $mine = ComplyCubeInbox::Store::now() < $half || $self->extend($open[0]);
            my $event = shift @open;    # released no more, whatever fails: its work may be done
            if (!$mine) { $self->{store}->report($event, 'the lease ended before its turn came') }
            elsif ($event = $self->{store}->decoded($event)) {
                $AT_HAND = { inbox => $self, event => $event, open => \@open, callback => $callback, pid => $$ };
                my ($error, $down) = $run->($event);
                $AT_HAND = $outer;
                if ($down) { push @open, $event; $count = 0; $self->_later($event, $error, $down); last }
                $self->_settle($event, $error);
            }
        }
        1;
    };
    my $error = $@;
    $AT_HAND = $outer;
    $self->_give_back(\@open);
    die $error if !$good;
    return $count;
}

# The application is down: that event comes after the others, and the log has a line when it begins.
sub _later {
    my ($self, $event, $why, $down) = @_;
    my $before = $self->{down};
    $self->{store}->report($event, "$why; this run ends, and counts no attempt") if ($before // '') ne $why;
    $self->{down} = $why;
    die "the connection is gone: $why\n" if defined $before && $down eq 'lost';
    return;
}

# exit in the callback: the event's error, as what it dies of is. Not in a child that was forked.
sub _ended {
    my $is = $AT_HAND or return;
    undef $AT_HAND;
    return if $is->{pid} != $$;
    require B;
    my $at = B::svref_2object($is->{callback})->START;
    my $place = $at->can('line') ? ' at ' . $at->file . ' line ' . $at->line : '';
    attempt(sub { $is->{inbox}->_settle($is->{event}, "exit was called in the function$place") });
    $is->{inbox}->_give_back($is->{open});
    return;
}

END { local ($?, $@, $!); _ended() }

# Until one fails; then their leases just end.
sub _give_back {
    my ($self, $open) = @_;
    while (my $event = shift @$open) { @$open = () if defined attempt(sub { $self->release($event) }) }
    return;
}

sub _settle {
    my ($self, $event, $error) = @_;
    delete $self->{down};
    my $kept = defined $error ? $self->nack($event, $error) : $self->ack($event);
    $self->{store}->report($event, $error) if defined $error;
    $self->{store}->report($event, 'the lease ended before the work did') if !$kept;
    return;
}

# Thrown by a callback: the event is not at fault, and comes again without an attempt counted.
package ComplyCubeInboxLater;
use overload '""' => sub { $_[0]{why} }, fallback => 1;

sub new { my ($class, $why) = @_; return bless { why => $why // 'the application is down' }, $class }
sub throw { my ($class, $why) = @_; die $class->new($why) }

# What both forms share.
package ComplyCubeInbox::Store;
use Sys::Hostname ();
use Time::HiRes ();

my $BACKOFF_MAX_MS = 21_600_000;    # 6 hours
my $DAY_MS = 86_400_000;            # of a lease and of a delay
my $BYTES_MAX = 4_194_304;          # of the bodies of a claim, unless it is of one event
my $LOST = 'the worker ended without a result';

sub _new {
    my ($class, $path, $option) = @_;
    return bless { path => $path, option => $option, owner => $option->{owner} // Sys::Hostname::hostname() . "-$$" }, $class;
}

sub now { return int(Time::HiRes::time() * 1000) }
sub text { return sprintf '%.0f', $_[0] }    # milliseconds; an integer of 32 bits is too small for them
sub lease { my ($self, $seconds) = @_; return defined $seconds ? _soon($seconds * 1000, 'a lease') : $self->{setting}{lease_ms} }

# A time that lies further ahead is taken for that of a wrong clock.
sub _soon { my ($ms, $what) = @_; die "$what has 24 hours at most\n" if $ms > $DAY_MS; return $ms }
sub due { my ($until, $now) = @_; return $until <= $now || $until > $now + $DAY_MS }

sub set {
    my ($self, %setting) = @_;
    for my $name (qw(max_attempts lease_ms backoff_ms)) {
        $self->refuse("setting: $name is missing, or no number from 1") if ($setting{$name} // '') !~ /\A[1-9][0-9]{0,12}\z/;
    }
    $setting{lease_ms} = $DAY_MS if $setting{lease_ms} > $DAY_MS;
    $setting{lease_ms} = _soon($self->{option}{lease} * 1000, 'a lease') if defined $self->{option}{lease};
    $self->{setting} = \%setting;
    return;
}

sub backoff {
    my ($self, $attempts, $seconds) = @_;
    return _soon($seconds * 1000, 'a delay') if defined $seconds;
    my $ms = $self->{setting}{backoff_ms} * 2 ** ($attempts > 30 ? 30 : $attempts - 1);
    return $ms < $BACKOFF_MAX_MS ? $ms : $BACKOFF_MAX_MS;
}

sub token {
    open my $random, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    my $got = sysread $random, my $bytes, 16;
    die "/dev/urandom gives nothing\n" if ($got // 0) != 16;
    return unpack 'H*', $bytes;
}

# The endpoint that was asked for, or the only one.
sub choose {
    my ($self, @names) = @_;
    my $name = $self->{option}{endpoint};
    my $list = @names ? join ', ', @names : 'none';
    $self->refuse("no endpoint $name; there are: $list") if defined $name && !grep { $_ eq $name } @names;
    $self->refuse("name an endpoint; there are: $list") if !defined $name && @names != 1;
    return $name // $names[0];
}

# How many of these events, each [ATTEMPTS, BYTES], in the order of work: as many as are new and not too large together, or
# one that may be what kills workers. If there is one attempt only it cannot be shared.
sub together {
    my ($self, @events) = @_;
    my ($n, $bytes) = (0, 0);
    my $most = $self->{setting}{max_attempts} > 1 || @events < 1 ? @events : 1;
    $n++ while $n < $most && $events[$n][0] < 2 && ($bytes += $events[$n][1] // 0) <= $BYTES_MAX;
    return $n || (@events ? 1 : 0);
}

# Why an event is dead that so many workers claimed and none settled.
sub lost { my ($attempts) = @_; return $LOST . ($attempts > 1 ? ", $attempts times" : '') }

sub refuse { my ($self, $why) = @_; die "$self->{path}: $why\n" }
sub missing { $_[0]->refuse('inbox not created yet, run complycube-inbox init') }

# A line for people; never anything of the payload. A log that fails stops no work.
sub report {
    my ($self, $event, $message) = @_;
    my $line = "complycube-inbox: $event->{endpoint} $event->{type} $event->{event_id}: $message";
    ComplyCubeInbox::attempt($self->{option}{log}, ComplyCubeInbox::printable($line));
    return;
}

# The vendor's API: one request at a time. No redirect is followed, so that the key goes to one host.
package ComplyCubeInbox::Api;

my %PATH = (check => 'checks', client => 'clients', document => 'documents', address => 'addresses', workflowSession => 'workflowSessions');
my ($SECONDS, $API_BYTES_MAX) = (30, 33_554_432);

sub new {
    my ($class, $option) = @_;
    (my $url = $option->{api}) =~ s{/+\z}{};
    die "the key is not sent there: api is no https:// URL\n"
        if $url !~ m{\A(?:https://[^/@?#]+|http://(?:127\.[0-9.]+|\[::1\])(?::[0-9]+)?)(?:/[^?#]*)?\z};
    return bless { url => $url, key_file => $option->{api_key_file}, ca_file => $option->{ca_file} }, $class;
}

sub object {
    my ($self, $event) = @_;
    my ($path, $id) = ($PATH{ $event->{resource_type} // '' }, $event->{resource_id} // '');
    die "the event names no object that the API has\n" if !$path || $id =~ /\A\.{0,2}\z/;
    utf8::encode($id);
    $id =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    my $answer = $self->_client->get("$self->{url}/$path/$id", { headers => { Authorization => $self->_key, Accept => 'application/json' } });
    my $content = $answer->{content} // '';
    die 'the API cannot be asked: ' . ComplyCubeInbox::printable(substr $content, 0, 200) . "\n" if $answer->{status} == 599;
    utf8::decode($content);
    my $object = eval { ComplyCubeInbox::Json::decode($content) };
    return $object if $answer->{status} == 200 && ref $object eq 'HASH';
    my $type = ref $object eq 'HASH' && defined $object->{type} && !ref $object->{type} ? $object->{type} : 'no answer of the API';
    return if $answer->{status} == 404 && $type eq 'resource_not_found';
    die "the API answers $answer->{status}: " . ComplyCubeInbox::printable(substr $type, 0, 100) . "\n";
}

sub _key {
    my ($self) = @_;
    die "object needs the option api_key_file\n" if !defined $self->{key_file};
    open my $file, '<:raw', $self->{key_file} or die "api_key_file cannot be read: $!\n";
    my $text = do { local $/; <$file> } // '';
    $text =~ tr/\0//d;    # UTF-16 too
    $text =~ /\A(?:\xEF\xBB\xBF|\xFF\xFE|\xFE\xFF)?\s*(?:\w+\s*=\s*)?(["']?)([!-~]{20,200}?)\1[;,]?\s*\z/
        or die "api_key_file is not one API key\n";
    return $2;
}

sub _client {
    my ($self) = @_;
    my $secure = $self->{url} =~ /\Ahttps:/;
    eval { require HTTP::Tiny; !$secure || HTTP::Tiny->can_ssl } or die "object needs HTTP::Tiny and IO::Socket::SSL: apt-get install libio-socket-ssl-perl\n";
    my %ca = defined $self->{ca_file} ? (SSL_options => { SSL_ca_file => $self->{ca_file} }) : ();
    return HTTP::Tiny->new(verify_SSL => 1, max_redirect => 0, timeout => $SECONDS, max_size => $API_BYTES_MAX, agent => 'complycube-inbox', %ca,
        $secure ? () : (proxy => undef, http_proxy => undef));
}

# The database.
package ComplyCubeInbox::Table;
use File::Spec ();
use Scalar::Util ();
our @ISA = ('ComplyCubeInbox::Store');

my $APPLICATION = 0x43434958;
my $ROUNDS = 1000;    # of a claim; a trigger might make what was claimed wait again, for ever
my %STATEMENT = (
    application => 'PRAGMA application_id',
    version   => 'PRAGMA user_version',
    objects   => 'SELECT count(*) FROM sqlite_master',
    journal   => 'PRAGMA journal_mode',
    manual    => 'PRAGMA wal_autocheckpoint = 0',    # checkpoints are the receiver's work
    normal    => 'PRAGMA synchronous = NORMAL',      # a lost ack only means once more
    full      => 'PRAGMA synchronous = FULL',
    setting   => 'SELECT max_attempts, lease_ms, backoff_ms FROM setting WHERE id = 1',
    endpoint  => 'SELECT id FROM endpoint WHERE name = :name',
    endpoints => 'SELECT name FROM endpoint ORDER BY name',
    claim     => q(UPDATE inbox SET state = CASE WHEN attempts >= :max THEN 2 ELSE 0 END,
        error = CASE WHEN token IS NULL THEN error ELSE '{lost}' || CASE WHEN attempts > 1 THEN ', ' || attempts || ' times' ELSE '' END END,
        attempts = attempts + 1, token = :t, owner = :w, due_ms = :d
        WHERE seq IN (SELECT i.seq FROM inbox i WHERE i.state = 0 AND i.endpoint = :e AND i.due_ms <= {now}
            {types} {ordered} ORDER BY i.due_ms, i.seq LIMIT :n)),
    lost      => $LOST,
    over      => 'EXISTS (SELECT 1 FROM newer n CROSS JOIN inbox b ON b.seq = n.newer_seq AND b.state < 2
        WHERE n.seq = i.seq {newer})',
    newer     => 'AND n.newer_type IN ({list})',
    types     => 'AND (SELECT e.type FROM event_log e WHERE e.seq = i.seq) IN ({list})',
    ordered   => 'AND CASE WHEN {one is hot} OR {hot} THEN {of what waits} ELSE {of the log} END',
    # Asked once, of those that are due first.
    'one is hot' => '(SELECT 1 FROM (SELECT f.seq FROM inbox f WHERE f.state = 0 AND f.endpoint = :e AND f.due_ms <= {now}
        ORDER BY f.due_ms, f.seq LIMIT :n) i WHERE {hot} LIMIT 1)',
    # A resource with many events in the log: what waits is read instead, once for all candidates.
    hot       => '(SELECT 1 FROM event_log e CROSS JOIN event_log o ON o.resource_id = e.resource_id
        WHERE e.seq = i.seq LIMIT 1 OFFSET 16)',
    'of what waits' => 'i.seq IN (SELECT substr(min({mine}), 20) - 1000000000000000000
        FROM inbox b CROSS JOIN event_log e ON e.seq = b.seq WHERE b.state = 0 AND b.endpoint = :e
        GROUP BY e.resource_type, e.resource_id, CASE WHEN e.resource_id IS NULL THEN e.seq END HAVING NOT max(b.token IS NOT NULL AND b.due_ms > {now}))',
    'of the log' => 'NOT EXISTS (SELECT 1 FROM event_log e
        CROSS JOIN event_log o ON o.resource_id = e.resource_id AND o.endpoint = e.endpoint
            AND o.resource_type IS e.resource_type AND o.seq <> e.seq
        CROSS JOIN inbox b ON b.seq = o.seq AND b.state = 0
        WHERE e.seq = i.seq AND ((b.token IS NOT NULL AND b.due_ms > {now}) OR ({among}
            (o.created_ms < e.created_ms OR (o.created_ms = e.created_ms AND o.seq < e.seq)))))',
    # Sorts by time, then by number: both are raised to 19 digits.
    age       => '(e.created_ms + 1000000000000000000) || (e.seq + 1000000000000000000)',
    mine      => 'CASE WHEN e.type IN ({list}) THEN {age} END',
    among     => 'o.type IN ({list}) AND',
    now       => q(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1),
    ahead     => 'SELECT 1 FROM inbox i WHERE i.state = 0 AND i.endpoint = :e AND i.due_ms > {now} + 86400000 LIMIT 1',
    heal      => 'UPDATE inbox SET due_ms = {now} WHERE state = 0 AND endpoint = :e AND due_ms > {now} + 86400000',
    order     => 'SELECT i.seq AS seq, i.attempts AS attempts, length(e.body) AS size, {over} AS superseded
        FROM inbox i JOIN event_log e ON e.seq = i.seq
        WHERE i.state = 0 AND i.endpoint = :e AND i.due_ms = :d AND i.token = :t ORDER BY e.created_ms, i.seq',
    'read'    => 'SELECT seq, endpoint, event_id, type, resource_type, resource_id, client_id, status, outcome, created_at,
        created_ms, received_ms, superseded, change_seq, attempts, signature, secret, source, payload, body
        FROM events WHERE seq IN (SELECT seq FROM inbox WHERE state = 0 AND endpoint = :e AND due_ms = :d AND token = :t)
        ORDER BY created_ms, seq',
    pass      => q(UPDATE inbox SET state = 1, token = NULL, done_ms = {now}, error = 'superseded' WHERE {held}),
    ack       => 'UPDATE inbox SET state = 1, token = NULL, done_ms = {now} WHERE {held}',
    nack      => 'UPDATE inbox SET state = CASE WHEN attempts >= :max THEN 2 ELSE 0 END, token = NULL,
        due_ms = {now} + :backoff, error = :m WHERE {held}',
    extend    => 'UPDATE inbox SET due_ms = {now} + :lease WHERE {held}',
    release   => 'UPDATE inbox SET attempts = attempts - 1, token = NULL, due_ms = {now} WHERE {held}',
    held      => 'seq = :s AND token = :t AND state = 0',
);

sub new {
    my ($class, $path, $option) = @_;
    my $self = $class->_new($path, $option);
    $self->missing if !-f $path || !-s _;
    $self->{file} = File::Spec->rel2abs($path);
    $self->{inode} = $self->_inode;
    $self->_compose;
    my $error = ComplyCubeInbox::attempt(sub { $self->_open });
    die index($error, $path) == 0 ? "$error\n" : "$path: $error\n" if defined $error;
    return $self;
}

sub _inode { my ($self) = @_; return join '/', (stat $self->{file})[0, 1] }

# Put the statements together.
sub _compose {
    my ($self) = @_;
    my @types = @{ $self->{option}{types} || [] };
    $self->{types} = { map { ("type$_" => $types[$_]) } 0 .. $#types };
    my %in = (%STATEMENT, list => join ', ', map { ":type$_" } 0 .. $#types);
    $in{over} = '0' if !$self->{option}{skip_superseded};
    $in{ordered} = '' if !$self->{option}{ordered};
    @in{qw(types among newer mine)} = ('', '', '', $in{age}) if !@types;
    for my $name (qw(list age mine among newer), 'one is hot', 'hot', 'of what waits', 'of the log', qw(types ordered over lost held now)) {
        s/\{$name\}/$in{$name}/g for values %in;
    }
    $self->{sql} = \%in;
    return;
}

sub _open {
    my ($self) = @_;
    require DBI;
    require DBD::SQLite;
    my $existing = DBD::SQLite->can('OPEN_READWRITE');    # never create
    (my $uri = $self->{file}) =~ s{([^\w/.-])}{sprintf '%%%02x', ord $1}ge;
    my $name = $self->{file} =~ /;/ ? "uri=file:$uri" : "dbname=$self->{file}";
    $self->{db} = DBI->connect("dbi:SQLite:$name", '', '', { RaiseError => 1, PrintError => 0, AutoCommit => 1,
        AutoInactiveDestroy => 1, $existing ? (sqlite_open_flags => $existing->()) : () });
    $self->{db}->func(30_000, 'busy_timeout');            # milliseconds
    $self->missing if !$self->_value('objects');
    $self->refuse('this database is not an inbox of complycube-webhook')
        if ($self->_value('application') // 0) != $APPLICATION || $self->_value('version') < 1;
    $self->_run('manual');
    $self->_run($self->_value('journal') eq 'wal' ? 'normal' : 'full');
    my ($setting) = @{ $self->_run('setting')->fetchall_arrayref({}) } or $self->refuse('the table setting is empty');
    $self->set(%$setting);
    my $endpoint = $self->choose(map { $_->[0] } @{ $self->_run('endpoints')->fetchall_arrayref });
    $self->{endpoint} = $self->_value('endpoint', name => $endpoint);
    return;
}

sub _run {
    my ($self, $name, %value) = @_;
    my $statement = $self->{db}->prepare($self->{sql}{$name});
    for my $key (keys %value) {
        my $value = $value{$key};
        utf8::encode($value) if defined $value && utf8::is_utf8($value);
        $statement->bind_param(":$key", $value);
    }
    $statement->execute;
    return $statement;
}

sub _value { my ($self, @query) = @_; my $rows = $self->_run(@query)->fetchall_arrayref; return @$rows ? $rows->[0][0] : undef }

sub claim {
    my ($self, $limit) = @_;
    my ($changed, $rows, %key);
    my $rounds = 0;
    my %here = (e => $self->{endpoint});
    $self->_run('heal', %here) if $self->_value('ahead', %here);    # set by a clock that was wrong
    do {
        %key = (e => $self->{endpoint}, t => $self->token, d => ComplyCubeInbox::Store::text($self->now + $self->lease));
        $changed = $self->_run('claim', %key, %{ $self->{types} }, w => $self->{owner}, n => $limit,
            max => $self->{setting}{max_attempts})->rows;
        $rows = $changed > 0 ? $self->_read(%key) : [];
    } while ($changed > 0 && !@$rows && ++$rounds < $ROUNDS);    # all were given up, or superseded
    $self->refuse('the database was replaced; start again') if !@$rows && $self->_inode ne $self->{inode};
    return map { _event($_, $key{t}) } @$rows;
}

# What is superseded is passed over: a statement that locks nothing finds it, since it may read a resource's history.
sub _held {
    my ($self, %key) = @_;
    my $held = $self->_run('order', %key, $self->{option}{skip_superseded} ? %{ $self->{types} } : ())->fetchall_arrayref;
    $self->_settle('pass', { seq => $_->[0], lease => $key{t} }) for grep { $_->[3] } @$held;
    return grep { !$_->[3] } @$held;
}

# What is not to be worked together is released before a body is read.
sub _read {
    my ($self, %key) = @_;
    my @held = $self->_held(%key);
    my $n = $self->together(map { [@$_[1, 2]] } @held);
    $self->release({ seq => $_->[0], lease => $key{t} }) for @held[$n .. $#held];
    return @held ? $self->_run('read', %key)->fetchall_arrayref({}) : [];
}

# Whoever may write the database may put a text where a number belongs; it is 0 then.
sub _event {
    my ($row, $token) = @_;
    for my $name (grep { !/\A(?:body|payload)\z/ && defined $row->{$_} } keys %$row) { utf8::decode($row->{$name}) }
    $row->{$_} = Scalar::Util::looks_like_number($row->{$_}) ? $row->{$_} + 0 : 0 for qw(seq created_ms received_ms superseded change_seq attempts);
    return { %$row, lease => $token };
}

sub decoded { my ($self, $event) = @_; return { %$event, payload => ComplyCubeInbox::Json::decode($event->{payload}) } }

sub _settle {
    my ($self, $name, $event, %value) = @_;
    return $self->_run($name, s => ComplyCubeInbox::Store::text($event->{seq}), t => $event->{lease}, %value)->rows == 1;
}

sub ack { my ($self, $event) = @_; return $self->_settle('ack', $event) }
sub release { my ($self, $event) = @_; return $self->_settle('release', $event) }
sub extend { my ($self, $event, $ms) = @_; return $self->_settle('extend', $event, lease => ComplyCubeInbox::Store::text($ms)) }

sub nack {
    my ($self, $event, $why, $seconds) = @_;
    return $self->_settle('nack', $event, m => $why, max => $self->{setting}{max_attempts},
        backoff => ComplyCubeInbox::Store::text($self->backoff($event->{attempts}, $seconds)));
}

# The folder: a file's name says all, and rename() is what only one worker can do.
package ComplyCubeInbox::Directory;
use B ();
use Cwd ();
use File::Basename ();
use Fcntl qw(:flock O_CREAT O_EXCL O_NOFOLLOW O_NONBLOCK O_RDONLY O_RDWR O_WRONLY);
use POSIX ();
our @ISA = ('ComplyCubeInbox::Store');

my $LISTED_MS = 1000;       # how long a list of names is good
my $SIZE_MAX = 67108864;    # bytes: no receiver takes a larger body
my $SMALL = 4096;           # bytes of a body that is decoded at once
my $NAME = qr/\A((\d{13,})\.(\d{12})\.json)(?:,a=(\d+),l=(\d+)(?:,w=[\w.-]+)?)?\z/;

sub new {
    my ($class, $path, $option) = @_;
    my $self = $class->_new(Cwd::abs_path($path), $option);
    $self->refuse('skip_superseded needs the table: a directory does not know what is superseded') if $option->{skip_superseded};
    $self->missing if !-e "$self->{path}/setting";
    my $setting = _slurp("$self->{path}/setting") // $self->refuse("setting: $!");
    $self->set($setting =~ /^(\w+) (\d+)\s*$/mg);
    $self->{endpoint} = $self->choose(grep { -d "$self->{path}/$_/new" } sort grep { !/^\./ } $self->_names($self->{path}));
    $self->{owner} =~ s/[^A-Za-z0-9.-]+/-/g;
    $self->{owner} = substr $self->{owner}, 0, 60;
    # names: the oldest last; about: NAME => [its type and resource]; moved: the name a claim began with => the one it has;
    # planted: names of what is no file, reported once
    @$self{qw(names listed_ms about moved planted)} = ([], 0, {}, {}, {});
    return $self;
}

# Open a file of ours. Others may put a link or a FIFO in its place, which is not followed, and not waited for.
sub _open_file {
    my ($path, $how) = @_;
    sysopen my $file, $path, $how | O_NOFOLLOW | O_NONBLOCK or return undef;
    binmode $file;
    return $file if -f $file && -s _ <= $SIZE_MAX;
    $! = POSIX::EINVAL();
    return undef;
}

sub _slurp { my $file = _open_file($_[0], O_RDONLY) or return undef; local $/; return readline($file) // '' }

# perl -T takes no name that came from a folder or from /dev/urandom; these are of files that are ours by their form.
sub _path { my ($self, $name) = @_; return "$self->{path}/$self->{endpoint}/$name" =~ /\A(.*)\z/s ? $1 : die }


sub _names {
    my ($self, $path) = @_;
    opendir my $folder, $path or $self->refuse("$path cannot be read: $!");
    return readdir $folder;
}

sub _parse {
    my ($name) = @_;
    my ($plain, $created, $seq, $attempts, $until) = $name =~ $NAME or return;
    return { name => $plain, created => $created, seq => $seq + 0, attempts => $attempts // 0, until => $until // 0,
        at => ($plain eq $name ? 'new/' : 'cur/') . $name };
}

# Moving a file through another user's link would put it anywhere. Links of root and of the folder's owner are followed.
sub _check_folder {
    my ($self, $path) = @_;
    my $user = (lstat $path)[4];
    return if !defined $user || !-l _;
    my $owner = (stat File::Basename::dirname($path))[4] // 0;
    $self->refuse("$path is a link of user $user: look at it, then remove it") if !grep { $user == $_ } 0, $owner, $>;
    return;
}

# Is something there that is no file? Then it is reported once, and left.
sub _skipped {
    my ($self, $file) = @_;
    local $!;
    return 0 if !lstat $self->_path($file->{at}) or -f _ && -s _ <= $SIZE_MAX;
    $self->report({ endpoint => $self->{endpoint}, type => '-', event_id => $file->{name} },
        "$file->{at} is no file of the receiver: look at it, then remove it") if !$self->{planted}{ $file->{name} }++;
    return 1;
}

# False when another was first.
sub _move {
    my ($self, $from, $to) = @_;
    $self->_check_folder(File::Basename::dirname($self->_path($to)));
    return rename($self->_path($from), $self->_path($to)) || $self->_gone($from);
}

# False when the file that could not be used is not there any more; anything else is an error.
sub _gone {
    my ($self, $at) = @_;
    my ($why, $missing) = ("$!", $!{ENOENT});
    $self->refuse("$at: $why") if !$missing || -e $self->_path($at);
    return 0;
}

sub claim {
    my ($self, $limit) = @_;
    my $lock = $self->_lock;
    my $look = $self->{option}{ordered};
    my ($fresh, $changed, @events);
    do {
        $fresh = $self->_look($look);
        $changed = 0;
        @events = $self->_take($limit, \$changed);
        $look = 1;
    } while (!@events && ($changed || !$fresh));
    return @events;
}

# With ordered: held until the caller returns. Whoever changes names in cur/ needs it, else a reader may miss one.
sub _lock {
    my ($self) = @_;
    return if !$self->{option}{ordered};
    my $file = _open_file($self->_path('lock'), O_RDWR) or $self->refuse("$self->{endpoint}/lock: $!");
    my $end = $self->now + 30_000;
    until (flock $file, LOCK_EX | LOCK_NB) {
        $self->refuse("$self->{endpoint}/lock was locked for 30 seconds") if $self->now > $end;
        Time::HiRes::sleep(0.005);
    }
    return $file;
}

# Read the names, unless that was just done.
sub _look {
    my ($self, $always) = @_;
    my $age = $self->now - $self->{listed_ms};
    return 0 if !$always && $age >= 0 && $age < $LISTED_MS;
    $self->_check_folder($_) for "$self->{path}/$self->{endpoint}", map { $self->_path($_) } qw(new cur);
    $self->{names} = [sort { $b cmp $a } map { $self->_names($self->_path($_)) } qw(new cur)];
    $self->{about} = {} if keys %{ $self->{about} } > @{ $self->{names} } + 1000;
    $self->{listed_ms} = $self->now;
    return 1;
}

sub _take {
    my ($self, $limit, $changed) = @_;
    my ($now, @events, @kept) = ($self->now);
    my $busy = $self->{option}{ordered} ? $self->_busy($now) : {};
    while (@events < $limit && @{ $self->{names} }) {
        my $name = pop @{ $self->{names} };
        my $file = _parse($name) or next;
        if (!$self->_wanted($file, $now, $busy)) { push @kept, $name }
        elsif (@events && !$self->_fits(\@events, $file)) { push @{ $self->{names} }, $name; last }
        else { push @events, $self->_try_lease($file, $changed, scalar @events) }
    }
    push @{ $self->{names} }, reverse @kept;
    return @events;
}

sub _fits {
    my ($self, $events, $file) = @_;
    my $bytes = 0;
    $bytes += length $_->{body} for @$events;
    return $self->together([$events->[0]{attempts}, $bytes], [$file->{attempts} + 1, -s $self->_path($file->{at}) || 0]) > 1;
}

# What fails for one ends the claim; with others claimed already, the next claim tells of it.
sub _try_lease {
    my ($self, $file, $changed, $others) = @_;
    my @event;
    return @event if eval { @event = $self->_lease($file, $changed); 1 };
    @$self{qw(names listed_ms)} = ([], 0);
    die $@ if !$others;
    return;
}

# The resources that somebody works on.
sub _busy {
    my ($self, $now) = @_;
    my %busy;
    for my $name (grep { /,w=/ } @{ $self->{names} }) {
        my $file = _parse($name) or next;
        my $resource = ComplyCubeInbox::Store::due($file->{until}, $now) ? undef : $self->_about($file)->[1];
        $busy{$resource} = 1 if defined $resource;
    }
    return \%busy;
}

sub _wanted {
    my ($self, $file, $now, $busy) = @_;
    my ($types, $ordered, $due) = (@{ $self->{option} }{qw(types ordered)}, ComplyCubeInbox::Store::due($file->{until}, $now));
    return $due if !$types && !$ordered;
    my ($type, $resource) = @{ $self->_about($file) };
    return 0 if defined $type && $types && !grep { $_ eq $type } @$types;
    return $due if !$ordered || !defined $resource;
    return 0 if $busy->{$resource}++;    # whether it is taken now or later, what is younger has to wait
    return $due;
}

sub _about {
    my ($self, $file) = @_;
    my $about = $self->{about}{ $file->{name} };
    return $about if $about;
    my $body = _slurp($self->_path($file->{at})) // return [];
    my $event = $self->_event($file, $body);
    my $resource = $event && defined $event->{resource_id} ? join ' ', $event->{resource_type} // '', $event->{resource_id} : undef;
    return $self->{about}{ $file->{name} } = [$event ? $event->{type} : undef, $resource];
}

# Claim a file: its event; none when another was first, or when it is given up.
sub _lease {
    my ($self, $file, $changed) = @_;
    if ($file->{attempts} >= $self->{setting}{max_attempts}) {
        $$changed = 1 if $self->_bury($file, ComplyCubeInbox::Store::lost($file->{attempts}));
        return;
    }
    my $from = _open_file($self->_path($file->{at}), O_RDONLY);
    if (!$from) {
        $self->_skipped($file) or $self->_gone($file->{at});
        return;
    }
    $file->{attempts}++;    # before its body is read, should that be what kills workers
    my $name = "$file->{name},a=$file->{attempts},l=" . ComplyCubeInbox::Store::text($self->now + $self->lease) . ",w=$self->{owner}-" . $self->token;
    return if !$self->_move($file->{at}, "cur/$name");
    $$changed = 1;
    $file->{at} = "cur/$name";
    my $event = $self->_event($file, do { local $/; readline $from } // '');
    return $event ? { %$event, lease => $name } : $self->_undecodable($file);
}

sub _undecodable {
    my ($self, $file) = @_;
    $self->_later($file, 'the body cannot be decoded');
    $self->report({ endpoint => $self->{endpoint}, type => '-', event_id => $file->{name} }, 'the body cannot be decoded');
    return;
}

# A payload that is still the body's text becomes what it says.
sub decoded {
    my ($self, $event) = @_;
    return $event if ref($event->{payload} // {});
    my $top = ComplyCubeInbox::Json::decode($event->{body}) // return $self->_undecodable(_parse($self->_name($event))) // undef;
    return { %$event, payload => ref $top->{payload} eq 'HASH' ? $top->{payload} : undef };
}

# By the receiver's own rules, from the body. Undef when it cannot be decoded. The payload of a large one is its text: what
# is nested there may be so much that it is decoded for the event's own turn alone.
sub _event {
    my ($self, $file, $body) = @_;
    my $large = length $body > $SMALL;
    my $top = ComplyCubeInbox::Json::decode($body, $large ? 2 : undef);    # levels: the body and its payload
    my ($id, $type) = (_word($top, 'id'), _word($top, 'type'));
    return undef if !defined $id || !defined $type;
    my $payload = ref $top->{payload} eq 'HASH' ? $top->{payload} : undef;
    my ($seconds, $ms) = $file->{created} =~ /(.*)(...)/;
    my $received = (stat $self->_path($file->{at}))[9];
    return { seq => $file->{seq}, endpoint => $self->{endpoint}, event_id => $id, type => $type,
        resource_type => _word($top, 'resourceType'), resource_id => _word($payload, 'id'),
        client_id => _word($payload, 'clientId') // ($type =~ /^client\../s ? _word($payload, 'id') : undef),
        status => _word($payload, 'status'), outcome => _word($payload, 'outcome'),
        created_at => POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime $seconds) . ".${ms}Z",
        created_ms => $file->{created} + 0, received_ms => ($received // 0) * 1000, superseded => undef, change_seq => undef,
        attempts => $file->{attempts}, signature => undef, secret => undef, source => undef, payload => $large ? $body : $payload, body => $body };
}

sub _word {
    my ($object, $name) = @_;
    my $value = ref $object eq 'HASH' ? $object->{$name} : undef;
    return undef if !defined $value || ref $value || B::svref_2object(\$value)->FLAGS & (B::SVf_IOK() | B::SVf_NOK());
    my $bytes = $value;
    utf8::encode($bytes);
    return length $bytes <= 255 ? $value : undef;
}

sub _name { my ($self, $event) = @_; return $self->{moved}{ $event->{lease} } // $event->{lease} }
sub _settled { my ($self, $event, $kept) = @_; delete $self->{moved}{ $event->{lease} }; return $kept }

sub ack {
    my ($self, $event) = @_;
    my $day = 'done/' . POSIX::strftime('%Y%m%d', gmtime);
    $self->_check_folder($self->_path('done'));
    if (!-d $self->_path($day)) {
        my $mask = umask 0;
        my ($made, $why) = (mkdir($self->_path($day), 0770), "$!");    # and done/ hands its group and setgid bit on
        umask $mask;
        $self->refuse("$day cannot be made: $why") if !$made && !-d $self->_path($day);
    }
    my $file = _parse($self->_name($event));
    return $self->_settled($event, $self->_move($file->{at}, "$day/$file->{name}"));
}

sub nack {
    my ($self, $event, $why, $seconds) = @_;
    my $lock = $self->_lock;
    return $self->_settled($event, $self->_later(_parse($self->_name($event)), $why, $seconds));
}

sub release {
    my ($self, $event) = @_;
    my $lock = $self->_lock;
    my $file = _parse($self->_name($event));
    return $self->_settled($event, $self->_move($file->{at}, $self->_waiting($file, $file->{attempts} - 1, 0)));
}

sub extend {
    my ($self, $event, $ms) = @_;
    my $lock = $self->_lock;
    my ($old, $until) = ($self->_name($event), ComplyCubeInbox::Store::text($self->now + $ms));
    (my $new = $old) =~ s/,l=\d+/,l=$until/;
    return $self->_settled($event, 0) if !$self->_move("cur/$old", "cur/$new");
    $self->{moved}{ $event->{lease} } = $new;
    return 1;
}

sub _waiting {
    my ($self, $file, $attempts, $ms) = @_;
    return "cur/$file->{name},a=$attempts,l=" . ComplyCubeInbox::Store::text($self->now + $ms);
}

sub _later {
    my ($self, $file, $why, $seconds) = @_;
    return $self->_bury($file, $why) if $file->{attempts} >= $self->{setting}{max_attempts};
    return $self->_move($file->{at}, $self->_waiting($file, $file->{attempts}, $self->backoff($file->{attempts}, $seconds)));
}

# Give up; the reason is a comfort, the move is what counts.
sub _bury {
    my ($self, $file, $why) = @_;
    my $text = $self->_path("dead/$file->{name}.txt");
    return 0 if !$self->_move($file->{at}, "dead/$file->{name}");
    utf8::encode($why) if utf8::is_utf8($why);
    my $mask = umask 027;
    my $made = sysopen my $out, $text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0640;    # what stands there already is not ours
    umask $mask;
    if ($made) {
        binmode $out;
        print $out "$why\n";
        close $out;
    }
    return 1;
}

# JSON, strictly; true and false are 1 and 0. Perl 5.10 comes without a decoder.
package ComplyCubeInbox::Json;
use Scalar::Util ();
no warnings 'recursion';

my $DEPTH_MAX = 512;    # as the receiver's
my %ESCAPE = ('"' => '"', '\\' => '\\', '/' => '/', b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");

our $kept = $DEPTH_MAX;    # levels; what is nested deeper is read and left out

# The object that these bytes are, or its outermost levels; undef when they are none.
sub decode {
    my ($bytes, $levels) = @_;
    return undef if !defined $bytes;
    local $kept = $levels // $DEPTH_MAX;
    local ($@, $_) = (undef, $bytes);
    my $value = eval { my $top = _value(0); /\G[ \t\r\n]*\z/gc ? $top : undef };
    return ref $value eq 'HASH' ? $value : undef;
}

sub _bad { die "no JSON\n" }

# The value at pos of $_, moving on.
sub _value {
    my ($depth) = @_;
    /\G[ \t\r\n]+/gc;
    return _string() if /\G"/gc;
    return _object($depth + 1) if /\G\{/gc;
    return _array($depth + 1) if /\G\[/gc;
    return +{ true => 1, false => 0, null => undef }->{$1} if /\G(true|false|null)/gc;
    # Digits that a number of Perl cannot hold are kept as text too.
    return length $1 > 15 ? Scalar::Util::dualvar($1 + 0, "$1") : $1 + 0 if /\G(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/gc;
    _bad();
}

sub _object {
    my ($depth) = @_;
    _bad() if $depth > $DEPTH_MAX;
    my %object;
    return \%object if /\G[ \t\r\n]*\}/gc;
    do {
        /\G[ \t\r\n]*"/gc or _bad();
        my $name = _string();
        /\G[ \t\r\n]*:/gc or _bad();
        my $value = _value($depth);
        $object{$name} = $value if $depth <= $kept;
    } while (/\G[ \t\r\n]*,/gc);
    /\G[ \t\r\n]*\}/gc or _bad();
    return \%object;
}

sub _array {
    my ($depth) = @_;
    _bad() if $depth > $DEPTH_MAX;
    my @array;
    return \@array if /\G[ \t\r\n]*\]/gc;
    do {
        my $value = _value($depth);
        push @array, $value if $depth <= $kept;
    } while (/\G[ \t\r\n]*,/gc);
    /\G[ \t\r\n]*\]/gc or _bad();
    return \@array;
}

# From behind the first quote to behind the last.
sub _string {
    my $text = '';
    until (/\G"/gc) {
        my $part;
        if (/\G([^"\\\x00-\x1f]+)/gc) { utf8::decode($part = $1) or _bad() }
        elsif (/\G\\(["\\\/bfnrt])/gc) { $part = $ESCAPE{$1} }
        elsif (/\G\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/gc) {
            $part = chr(0x10000 + ((hex($1) - 0xd800) << 10) + hex($2) - 0xdc00);
        }
        elsif (/\G\\u[dD][89a-fA-F][0-9a-fA-F]{2}/gc) { $part = "\x{fffd}" }    # half a pair
        elsif (/\G\\u([0-9a-fA-F]{4})/gc) { $part = chr hex $1 }
        else { _bad() }
        $text .= $part;
    }
    return $text;
}

# An effect in the application's own database exactly once: its transaction also holds the event's key.
package ComplyCubeInbox::Effect;

my %EFFECT = (
    probe  => 'SELECT endpoint, event_id, type FROM {table} WHERE 1 = 0',
    insert => 'INSERT INTO {table} (endpoint, event_id, type) VALUES (?, ?, ?)',
    find   => 'SELECT endpoint, event_id, type FROM {table} WHERE endpoint = ? AND event_id = ? AND type = ?',
    forget => 'DELETE FROM {table} WHERE endpoint = ? AND event_id = ? AND type = ?',
    unfit  => q(SELECT COALESCE(CONCAT('the engine ', t.ENGINE, ' knows no transactions; use InnoDB'), 'a view; name its table')
        FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
        WHERE t.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND t.TABLE_NAME = ? AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'
        UNION ALL SELECT CONCAT('the collation of ', COLUMN_NAME, ' does not compare bytes; use VARBINARY(255)')
        FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?
        AND COLUMN_NAME IN ('endpoint', 'event_id', 'type') AND COLLATION_NAME NOT LIKE '%bin'),
    create => 'CREATE TABLE {table} (endpoint {text} NOT NULL, event_id {text} NOT NULL, type {text} NOT NULL,
        PRIMARY KEY (endpoint, event_id, type)){engine}',
    mark   => 'SAVEPOINT complycube_inbox',
    whole  => 'RELEASE SAVEPOINT complycube_inbox',
    back   => 'ROLLBACK TO SAVEPOINT complycube_inbox',
);

sub new {
    my ($class, $inbox, $dbh, $table, $callback) = @_;
    die "no name of a table: $table\n" if $table !~ /\A[A-Za-z_][A-Za-z0-9_.]*\z/;
    die "a transaction is open already on the handle, or its AutoCommit is off\n" if !$dbh->{AutoCommit};
    my $mysql = $dbh->{Driver}{Name} =~ /^(?:mysql|MariaDB)$/;
    my $self = bless { inbox => $inbox, dbh => $dbh, table => $table, callback => $callback, mysql => $mysql, sql => {%EFFECT} }, $class;
    my %in = (table => $table, text => $mysql ? 'VARBINARY(255)' : 'TEXT', engine => $mysql ? ' ENGINE=InnoDB' : '');
    s/\{(\w+)\}/$in{$1}/g for values %{ $self->{sql} };
    $self->_loud;
    $self->_check;
    return $self;
}

# Again and again, since the handle is the callback's too.
sub _loud { my ($self) = @_; @{ $self->{dbh} }{qw(RaiseError PrintError HandleError)} = (1, 0, undef); return }

sub _sure { my ($done) = @_; return $done || die "the database failed without a word\n" }

# The keys are bytes, which a driver might take for characters.
sub _run {
    my ($self, $name, @key) = @_;
    my $statement = _sure($self->{dbh}->prepare($self->{sql}{$name}));
    $statement->bind_param($_ + 1, $key[$_], $self->{mysql} ? DBI::SQL_VARBINARY() : ()) for 0 .. $#key;
    _sure($statement->execute);
    return $statement;
}

sub _do { my ($self, $name) = @_; return _sure($self->{dbh}->do($self->{sql}{$name})) }

# The table is there, and can do what is wanted of it.
sub _check {
    my ($self) = @_;
    if (!eval { $self->_run('probe')->finish; 1 }) {
        (my $error = $@) =~ s/\s+\z//;
        (my $make = $self->{sql}{create}) =~ s/\s+/ /g;
        die $error . ($error =~ /doesn't exist|does not exist|no such table/ ? "; make it: $make\n" : "\n");
    }
    return if !$self->{mysql};
    my @name = $self->{table} =~ /^(?:(.*?)\.)?(.*)$/;
    my ($unfit) = @{ $self->{dbh}->selectcol_arrayref($self->{sql}{unfit}, undef, @name, @name) };
    die "$self->{table}: $unfit\n" if defined $unfit;
    return;
}

# Undef when the work is done, now or before; else why it failed. What it dies of is no event's fault.
sub apply {
    my ($self, $event) = @_;
    my @key = @$event{qw(endpoint event_id type)};
    utf8::encode($_) for @key;
    my $begun = eval { $self->_begin(@key) };
    if (!defined $begun) {
        my $error = $@;
        ComplyCubeInbox::attempt(sub { $self->{inbox}->release($event) });    # it was not worked on
        die $error;
    }
    return if !$begun;
    my ($error, $down) = ComplyCubeInbox::_verdict($self->{callback}, $event, $self->{dbh});
    $self->_loud;
    my $lost = ComplyCubeInbox::attempt(sub { $self->_do(defined $error ? 'back' : 'whole') });
    $self->_undo($event, defined $lost ? @key : ()) if defined $error;
    $error //= $self->_commit($event, $lost);
    ComplyCubeInbox::attempt(sub { $self->{inbox}->release($event) }) if $self->{gone};    # nor is it at fault
    $self->alive;
    return ($error, $down);
}

# Begin the transaction that holds the key. False when the key is there already: the work was done before.
sub _begin {
    my ($self, @key) = @_;
    $self->alive;
    $self->_loud;
    _sure($self->{dbh}->begin_work);
    return 1 if eval { $self->_run('insert', @key); $self->_do('mark'); 1 };
    my $error = $@;
    $self->_abandon;
    my $wanted = join "\0", @key;
    return 0 if grep { $wanted eq join "\0", @$_ } @{ $self->_run('find', @key)->fetchall_arrayref };
    die $error;
}

sub _abandon { my ($self) = @_; $self->{dbh}->rollback if !$self->{dbh}{AutoCommit}; return }

sub _commit {
    my ($self, $event, $lost) = @_;
    my $error = ComplyCubeInbox::attempt(sub { _sure($self->{dbh}->commit) });
    return "the transaction ended before the callback did (by a deadlock, or as by CREATE, ALTER or TRUNCATE in MySQL): $lost"
        if defined $lost;
    $self->_undo($event) if defined $error;
    return $error;
}

# With a key: the transaction ended before the work failed, and something may have committed the key, if it is still ours.
sub _undo {
    my ($self, $event, @key) = @_;
    my $error = ComplyCubeInbox::attempt(sub { $self->_abandon });
    $error = ComplyCubeInbox::attempt(sub { $self->_run('forget', @key) }) if !defined $error && @key && $self->{inbox}->extend($event);
    $self->{gone} = "the connection is gone: $error\n" if defined $error;
    return;
}

# Pass a value on, unless the connection is gone.
sub alive { my ($self, $value) = @_; die $self->{gone} if $self->{gone}; return $value }

1;
