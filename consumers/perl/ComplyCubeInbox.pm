# SPDX-License-Identifier: MIT
#
# Works on the events that complycube-webhook has received; complycube-inbox(5) is the contract. Perl 5.10 or later.
# The path is the database (needs DBI and DBD::SQLite), or the folder of directory = (needs nothing).
#
#     my $inbox = ComplyCubeInbox->new('/home/me/private/inbox.db', endpoint => 'live');
#     1 while $inbox->each(sub { my ($event) = @_; your_work($event->{type}, $event->{payload}) });
#
# Options: endpoint; types (only these); ordered (one event of a resource at a time, the oldest first; in a directory
# this reads its names at each claim); skip_superseded (not what a newer event has overtaken; table only); owner (who
# claims, for people to read); lease (seconds); limit (events in a claim, 20); log (called with a line; warn).
#
#     claim($limit)             lock some events for a time, the lease, and return them; none: nothing waits
#     ack($event)               the work is done
#     nack($event, $why, $sec)  it failed: try again later; after the last attempt the event is dead, given up
#     extend($event, $seconds)  the work takes longer
#     release($event)           not worked on: another worker may have it at once
#     each($callback, $limit)   claim, call, and ack; or nack where it dies. How many were claimed
#     once($dbh, $table, $callback, $limit)    each, with an effect in your own database exactly once: $callback->($event,
#                               $dbh) works inside a transaction that also inserts the event's key into $table
#     stop()                    for signal handlers: each and once return after the event at hand
#
# ack, nack, extend and release give false when the lease was lost: another worker has the event then. A worker may
# die between its work and the ack, and then the event comes again. Make the object after a fork, not before.
# The text of an event is characters, its body bytes.
package ComplyCubeInbox;
use 5.010;
use strict;
use warnings;

my %DEFAULT = (endpoint => undef, types => undef, ordered => 0, skip_superseded => 0, owner => undef, lease => undef,
    limit => 20, log => sub { warn "$_[0]\n" });

sub new {
    my ($class, $path, %given) = @_;
    my @unknown = grep { !exists $DEFAULT{$_} } sort keys %given;
    die "no such option: @unknown\n" if @unknown;
    my %option = (%DEFAULT, %given);
    die "types is no list, or an empty one\n" if defined $option{types} && !(ref $option{types} eq 'ARRAY' && @{ $option{types} });
    die "limit and lease must be more than 0\n" if $option{limit} < 1 || defined $option{lease} && $option{lease} <= 0;
    my $form = -d $path ? 'ComplyCubeInbox::Directory' : 'ComplyCubeInbox::Table';
    return bless { limit => $option{limit}, store => $form->new($path, \%option) }, $class;
}

sub claim { my ($self, $limit) = @_; return $self->{store}->claim(int($limit // $self->{limit})) }
sub ack { my ($self, $event) = @_; return $self->{store}->ack($event) }
sub nack { my ($self, $event, $why, $seconds) = @_; return $self->{store}->nack($event, substr($why // '', 0, 1000), $seconds) }
sub extend { my ($self, $event, $seconds) = @_; return $self->{store}->extend($event, $self->{store}->lease($seconds)) }
sub release { my ($self, $event) = @_; return $self->{store}->release($event) }
sub stop { $_[0]{stopped} = 1; return }

sub each {
    my ($self, $callback, $limit) = @_;
    return $self->_work(sub { attempt($callback, $_[0]) }, $limit);
}

sub once {
    my ($self, $dbh, $table, $callback, $limit) = @_;
    local $dbh->{RaiseError} = 1;
    local $dbh->{PrintError} = 0;
    local $dbh->{HandleError} = undef;
    my $effect = ComplyCubeInbox::Effect->new($dbh, $table, $callback);
    my $count = $self->_work(sub { $effect->apply($_[0]) }, $limit);
    return $effect->alive($count);
}

# Call it: undef, or what it died of, in words.
sub attempt {
    my ($code, @arguments) = @_;
    local $@;
    return undef if eval { $code->(@arguments); 1 };
    my $why = "$@";
    $why =~ s/\s+\z//;
    return length $why ? $why : 'died without a word';
}

# $run gives undef or why an event failed; what it dies of is no event's fault.
sub _work {
    my ($self, $run, $limit) = @_;
    return 0 if $self->{stopped};
    my $half = ComplyCubeInbox::Store::now() + $self->{store}->lease / 2;
    my @open = $self->claim($limit);
    my $count = @open;
    my $good = eval {
        while (@open && !$self->{stopped}) {
            my $event = $open[0];
            if (ComplyCubeInbox::Store::now() < $half || $self->extend($event)) { $self->_settle($event, $run->($event)) }
            else { $self->{store}->report($event, 'the lease ended before its turn came') }
            shift @open;
        }
        1;
    };
    my $error = $@;
    for my $event (@open) { attempt(sub { $self->release($event) }) }    # or the lease just ends
    die $error if !$good;
    return $count;
}

sub _settle {
    my ($self, $event, $error) = @_;
    my $kept = defined $error ? $self->nack($event, $error) : $self->ack($event);
    $self->{store}->report($event, $error) if defined $error;
    $self->{store}->report($event, 'the lease ended before the work did') if !$kept;
    return;
}

# What both forms share.
package ComplyCubeInbox::Store;
use Sys::Hostname ();
use Time::HiRes ();

my $BACKOFF_MAX_MS = 21_600_000;    # 6 hours

sub _new {
    my ($class, $path, $option) = @_;
    return bless { path => $path, option => $option, owner => $option->{owner} // Sys::Hostname::hostname() . "-$$" }, $class;
}

sub now { return int(Time::HiRes::time() * 1000) }
sub text { return sprintf '%.0f', $_[0] }    # milliseconds; an integer of 32 bits is too small for them
sub lease { my ($self, $seconds) = @_; return defined $seconds ? $seconds * 1000 : $self->{setting}{lease_ms} }

sub set {
    my ($self, %setting) = @_;
    $setting{lease_ms} = $self->{option}{lease} * 1000 if defined $self->{option}{lease};
    $self->{setting} = \%setting;
    return;
}

sub backoff {
    my ($self, $attempts, $seconds) = @_;
    return $seconds * 1000 if defined $seconds;
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

sub refuse { my ($self, $why) = @_; die "$self->{path}: $why\n" }
sub missing { $_[0]->refuse('inbox not created yet, run complycube-inbox init') }

# A line for people; never anything of the payload.
sub report {
    my ($self, $event, $message) = @_;
    my $line = "complycube-inbox: $event->{endpoint} $event->{type} $event->{event_id}: $message";
    $line =~ s/[\x00-\x1f\x7f]+/ /g;
    utf8::encode($line) if utf8::is_utf8($line);
    $self->{option}{log}->($line);
    return;
}

# The database.
package ComplyCubeInbox::Table;
our @ISA = ('ComplyCubeInbox::Store');

my $APPLICATION = 0x43434958;
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
    claim     => 'UPDATE inbox SET {state}, attempts = attempts + 1, token = :t, owner = :w, due_ms = :d
        WHERE seq IN (SELECT i.seq FROM inbox i WHERE i.state = 0 AND i.endpoint = :e AND i.due_ms <= {now}
            {types} {ordered} ORDER BY i.due_ms, i.seq LIMIT :n)',
    state     => 'state = CASE WHEN attempts >= :max THEN 2 ELSE 0 END',
    skip      => q(state = CASE WHEN {over} THEN 1 WHEN attempts >= :max THEN 2 ELSE 0 END,
        done_ms = CASE WHEN {over} THEN {now} END, error = CASE WHEN {over} THEN 'superseded' ELSE error END),
    over      => '(SELECT v.superseded FROM events v WHERE v.seq = inbox.seq)',
    types     => 'AND (SELECT e.type FROM event_log e WHERE e.seq = i.seq) IN ({list})',
    ordered   => 'AND NOT EXISTS (SELECT 1 FROM event_log e
        CROSS JOIN event_log o ON o.resource_id = e.resource_id AND o.endpoint = e.endpoint
            AND o.resource_type IS e.resource_type AND o.seq <> e.seq
        CROSS JOIN inbox b ON b.seq = o.seq AND b.state = 0
        WHERE e.seq = i.seq AND ((b.token IS NOT NULL AND b.due_ms > {now}) OR ({among}
            (o.created_ms < e.created_ms OR (o.created_ms = e.created_ms AND o.seq < e.seq)))))',
    among     => 'o.type IN ({list}) AND',
    now       => q(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1),
    'read'    => 'SELECT seq, endpoint, event_id, type, resource_type, resource_id, client_id, status, outcome, created_at,
        created_ms, received_ms, superseded, change_seq, attempts, signature, secret, source, payload, body
        FROM events WHERE seq IN (SELECT seq FROM inbox WHERE state = 0 AND endpoint = :e AND due_ms = :d AND token = :t)
        ORDER BY created_ms, seq',
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
    $self->_compose;
    my $error = ComplyCubeInbox::attempt(sub { $self->_open });
    die index($error, $path) == 0 ? "$error\n" : "$path: $error\n" if defined $error;
    return $self;
}

# Put the statements together.
sub _compose {
    my ($self) = @_;
    my @types = @{ $self->{option}{types} || [] };
    $self->{types} = { map { ("type$_" => $types[$_]) } 0 .. $#types };
    my %in = (%STATEMENT, list => join ', ', map { ":type$_" } 0 .. $#types);
    $in{state} = $in{skip} if $self->{option}{skip_superseded};
    $in{ordered} = '' if !$self->{option}{ordered};
    $in{types} = $in{among} = '' if !@types;
    for my $name (qw(list among types ordered over state held now)) {
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
    $self->{db} = DBI->connect("dbi:SQLite:dbname=$self->{path}", '', '', { RaiseError => 1, PrintError => 0, AutoCommit => 1,
        AutoInactiveDestroy => 1, $existing ? (sqlite_open_flags => $existing->()) : () });
    $self->{db}->func(30_000, 'busy_timeout');            # milliseconds
    $self->missing if !$self->_value('objects');
    $self->refuse('this database is not an inbox of complycube-webhook')
        if ($self->_value('application') // 0) != $APPLICATION || $self->_value('version') < 1;
    $self->_run('manual');
    $self->_run($self->_value('journal') eq 'wal' ? 'normal' : 'full');
    my ($setting) = @{ $self->_run('setting')->fetchall_arrayref({}) } or $self->refuse('the table setting is empty');
    $self->set(%$setting);
    my $name = $self->choose(map { $_->[0] } @{ $self->_run('endpoints')->fetchall_arrayref });
    $self->{endpoint} = $self->_value('endpoint', name => $name);
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
    do {
        %key = (e => $self->{endpoint}, t => $self->token, d => ComplyCubeInbox::Store::text($self->now + $self->lease));
        $changed = $self->_run('claim', %key, %{ $self->{types} }, w => $self->{owner}, n => $limit,
            max => $self->{setting}{max_attempts})->rows;
        $rows = $changed > 0 ? $self->_run('read', %key)->fetchall_arrayref({}) : [];
    } while ($changed > 0 && !@$rows);    # all were given up, or superseded
    return map { _event($_, $key{t}) } @$rows;
}

sub _event {
    my ($row, $token) = @_;
    my $payload = ComplyCubeInbox::Json::decode(delete $row->{payload});
    for my $name (grep { $_ ne 'body' && defined $row->{$_} } keys %$row) { utf8::decode($row->{$name}) }
    $row->{$_} += 0 for qw(seq created_ms received_ms superseded change_seq attempts);
    return { %$row, payload => $payload, lease => $token };
}

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
use Cwd ();
use Fcntl qw(:flock);
use POSIX ();
our @ISA = ('ComplyCubeInbox::Store');

my $LISTED_MS = 1000;    # how long a list of names is good
my $NAME = qr/\A((\d{13})\.(\d{12})\.json)(?:,a=(\d+),l=(\d+)(?:,w=[\w.-]+)?)?\z/;

sub new {
    my ($class, $path, $option) = @_;
    my $self = $class->_new(Cwd::abs_path($path), $option);
    $self->refuse('skip_superseded needs the table: a directory does not know what is superseded') if $option->{skip_superseded};
    $self->missing if !-f "$self->{path}/setting";
    my $setting = _slurp("$self->{path}/setting") // $self->refuse("setting: $!");
    $self->set(max_attempts => 10, lease_ms => 300_000, backoff_ms => 60_000, $setting =~ /^(\w+) (\d+)\s*$/mg);
    $self->{endpoint} = $self->choose(grep { -d "$self->{path}/$_/new" } sort grep { !/^\./ } $self->_names($self->{path}));
    $self->{owner} =~ s/[^A-Za-z0-9.-]+/-/g;
    $self->{owner} = substr $self->{owner}, 0, 60;
    # names: the oldest last; about: NAME => [its type and resource]
    @$self{qw(names listed_ms about)} = ([], 0, {});
    return $self;
}

sub _slurp { open my $file, '<:raw', $_[0] or return undef; local $/; return readline($file) // '' }
sub _path { my ($self, $name) = @_; return "$self->{path}/$self->{endpoint}/$name" }

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

# False when another was first.
sub _move {
    my ($self, $from, $to) = @_;
    return 1 if rename $self->_path($from), $self->_path($to);
    my $why = $!;
    $self->refuse("$from: $why") if -e $self->_path($from);
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
    open my $file, '+<', $self->_path('lock') or $self->refuse("$self->{endpoint}/lock: $!");
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
        if ($self->_wanted($file, $now, $busy)) { push @events, $self->_lease($file, $changed) }
        else { push @kept, $name }
    }
    push @{ $self->{names} }, reverse @kept;
    return @events;
}

# The resources that somebody works on.
sub _busy {
    my ($self, $now) = @_;
    my %busy;
    for my $name (grep { /,w=/ } @{ $self->{names} }) {
        my $file = _parse($name) or next;
        my $resource = $file->{until} > $now ? $self->_about($file)->[1] : undef;
        $busy{$resource} = 1 if defined $resource;
    }
    return \%busy;
}

sub _wanted {
    my ($self, $file, $now, $busy) = @_;
    my ($types, $ordered, $due) = (@{ $self->{option} }{qw(types ordered)}, $file->{until} <= $now);
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
        $$changed = 1 if $self->_bury($file, "claimed $file->{attempts} times, and never acknowledged");
        return;
    }
    $file->{attempts}++;
    my $name = "$file->{name},a=$file->{attempts},l=" . ComplyCubeInbox::Store::text($self->now + $self->lease) . ",w=$self->{owner}-" . $self->token;
    return if !$self->_move($file->{at}, "cur/$name");
    $$changed = 1;
    $file->{at} = "cur/$name";
    my $body = _slurp($self->_path($file->{at}));
    my $event = defined $body ? $self->_event($file, $body) : undef;
    return { %$event, lease => $name } if $event;
    my $why = defined $body ? 'the body cannot be decoded' : "the file cannot be read: $!";
    $self->report({ endpoint => $self->{endpoint}, type => '-', event_id => $file->{name} }, $why);
    $self->_later($file, $why);
    return;
}

# By the receiver's own rules, from the body. Undef when it cannot be decoded.
sub _event {
    my ($self, $file, $body) = @_;
    my $top = ComplyCubeInbox::Json::decode($body);
    my ($id, $type) = (_word($top, 'id'), _word($top, 'type'));
    return undef if !defined $id || !defined $type;
    my $payload = ref $top->{payload} eq 'HASH' ? $top->{payload} : undef;
    my ($ms) = substr $file->{created}, 10;
    my $received = (stat $self->_path($file->{at}))[9];
    return { seq => $file->{seq}, endpoint => $self->{endpoint}, event_id => $id, type => $type,
        resource_type => _word($top, 'resourceType'), resource_id => _word($payload, 'id'),
        client_id => _word($payload, 'clientId') // ($type =~ /^client\./ ? _word($payload, 'id') : undef),
        status => _word($payload, 'status'), outcome => _word($payload, 'outcome'),
        created_at => POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime substr $file->{created}, 0, 10) . ".${ms}Z",
        created_ms => $file->{created} + 0, received_ms => ($received // 0) * 1000, superseded => undef, change_seq => undef,
        attempts => $file->{attempts}, signature => undef, secret => undef, source => undef, payload => $payload, body => $body };
}

sub _word {
    my ($object, $name) = @_;
    my $value = ref $object eq 'HASH' ? $object->{$name} : undef;
    return undef if !defined $value || ref $value;
    my $bytes = $value;
    utf8::encode($bytes);
    return length $bytes <= 255 ? $value : undef;
}

sub ack {
    my ($self, $event) = @_;
    my $day = 'done/' . POSIX::strftime('%Y%m%d', gmtime);
    if (!-d $self->_path($day)) {
        my $mask = umask 0;
        chmod 02770, $self->_path($day) if mkdir $self->_path($day), 02770;
        umask $mask;
    }
    my $file = _parse($event->{lease});
    return $self->_move($file->{at}, "$day/$file->{name}");
}

sub nack {
    my ($self, $event, $why, $seconds) = @_;
    my $lock = $self->_lock;
    return $self->_later(_parse($event->{lease}), $why, $seconds);
}

sub release {
    my ($self, $event) = @_;
    my $lock = $self->_lock;
    my $file = _parse($event->{lease});
    return $self->_move($file->{at}, $self->_waiting($file, $file->{attempts} - 1, 0));
}

sub extend {
    my ($self, $event, $ms) = @_;
    my $lock = $self->_lock;
    my ($new, $until) = ($event->{lease}, ComplyCubeInbox::Store::text($self->now + $ms));
    $new =~ s/,l=\d+/,l=$until/;
    return 0 if !$self->_move("cur/$event->{lease}", "cur/$new");
    $event->{lease} = $new;
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
    if (open my $out, '>:raw', $text) {
        print $out "$why\n";
        close $out;
        chmod 0640, $text;
    }
    return 1;
}

# JSON, strictly; true and false are 1 and 0. Perl 5.10 comes without a decoder.
package ComplyCubeInbox::Json;
no warnings 'recursion';

my $DEPTH_MAX = 512;    # as the receiver's
my %ESCAPE = ('"' => '"', '\\' => '\\', '/' => '/', b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");

# The object that these bytes are; undef when they are none.
sub decode {
    my ($bytes) = @_;
    return undef if !defined $bytes;
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
    # Digits that a number of Perl cannot hold stay text.
    return length $1 > 15 ? $1 : $1 + 0 if /\G(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/gc;
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
        $object{$name} = _value($depth);
    } while (/\G[ \t\r\n]*,/gc);
    /\G[ \t\r\n]*\}/gc or _bad();
    return \%object;
}

sub _array {
    my ($depth) = @_;
    _bad() if $depth > $DEPTH_MAX;
    my @array;
    return \@array if /\G[ \t\r\n]*\]/gc;
    do { push @array, _value($depth) } while (/\G[ \t\r\n]*,/gc);
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
        elsif (/\G\\u(?![dD][89a-fA-F])([0-9a-fA-F]{4})/gc) { $part = chr hex $1 }
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
    engine => 'SELECT t.ENGINE, e.TRANSACTIONS FROM information_schema.TABLES t
        JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
        WHERE t.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND t.TABLE_NAME = ?',
    create => 'CREATE TABLE {table} (endpoint {text} NOT NULL, event_id {text} NOT NULL, type {text} NOT NULL,
        PRIMARY KEY (endpoint, event_id, type)){engine}',
    mark   => 'SAVEPOINT complycube_inbox',
    whole  => 'RELEASE SAVEPOINT complycube_inbox',
    back   => 'ROLLBACK TO SAVEPOINT complycube_inbox',
);

sub new {
    my ($class, $dbh, $table, $callback) = @_;
    die "no name of a table: $table\n" if $table !~ /\A[A-Za-z_][A-Za-z0-9_.]*\z/;
    die "a transaction is open already on the handle\n" if $dbh->{BegunWork};
    my $mysql = $dbh->{Driver}{Name} =~ /^(?:mysql|MariaDB)$/;
    my $self = bless { dbh => $dbh, table => $table, callback => $callback, mysql => $mysql, sql => {%EFFECT} }, $class;
    my %in = (table => $table, text => $mysql ? 'VARBINARY(255)' : 'TEXT', engine => $mysql ? ' ENGINE=InnoDB' : '');
    s/\{(\w+)\}/$in{$1}/g for values %{ $self->{sql} };
    $self->_check;
    return $self;
}

sub _rows { my ($self, $name, @values) = @_; return @{ $self->{dbh}->selectall_arrayref($self->{sql}{$name}, undef, @values) } }

# The table is there, and knows transactions.
sub _check {
    my ($self) = @_;
    if (defined(my $error = ComplyCubeInbox::attempt(sub { $self->_rows('probe') }))) {
        (my $make = $self->{sql}{create}) =~ s/\s+/ /g;
        die $error . ($error =~ /doesn't exist|does not exist|no such table/ ? "; make it: $make\n" : "\n");
    }
    return if !$self->{mysql};
    my ($schema, $name) = $self->{table} =~ /^(?:(.*?)\.)?(.*)$/;
    for my $row ($self->_rows('engine', $schema, $name)) {
        die "$self->{table}: the engine $row->[0] knows no transactions; use InnoDB\n" if $row->[1] ne 'YES';
    }
    return;
}

sub _bytes { my ($text) = @_; utf8::encode($text) if utf8::is_utf8($text); return $text }

# Undef when the work is done, now or before; else why it failed. What it dies of is no event's fault.
sub apply {
    my ($self, $event) = @_;
    $self->alive;
    my ($dbh, $sql, @key) = (@$self{qw(dbh sql)}, @$event{qw(endpoint event_id type)});
    $dbh->begin_work if $dbh->{AutoCommit};    # else one is always open
    if (defined(my $error = ComplyCubeInbox::attempt(sub { $dbh->do($sql->{insert}, undef, @key) }))) {
        $dbh->rollback;
        return $self->_known(@key) ? undef : $error;
    }
    $dbh->do($sql->{mark});
    my $error = ComplyCubeInbox::attempt($self->{callback}, $event, $dbh);
    my $lost = ComplyCubeInbox::attempt(sub { $dbh->do($sql->{ defined $error ? 'back' : 'whole' }) });
    $self->_undo(defined $lost ? @key : ()) if defined $error;
    return $error // $self->_commit($lost);
}

# By bytes, whatever the table's collation thinks.
sub _known {
    my ($self, @key) = @_;
    my $wanted = join "\0", map { _bytes($_) } @key;
    my $known = grep { $wanted eq join "\0", map { _bytes($_) } @$_ } $self->_rows('find', @key);
    $self->{dbh}->rollback if !$self->{dbh}{AutoCommit};
    return $known;
}

sub _commit {
    my ($self, $lost) = @_;
    my $error = ComplyCubeInbox::attempt(sub { $self->{dbh}->commit });
    return "the transaction ended before the callback did (as by CREATE, ALTER or TRUNCATE in MySQL): $lost" if defined $lost;
    $self->_undo if defined $error;
    return $error;
}

# With a key: something committed it before the work failed.
sub _undo {
    my ($self, @key) = @_;
    my $dbh = $self->{dbh};
    my $error = ComplyCubeInbox::attempt(sub {
        $dbh->rollback if !$dbh->{AutoCommit};
        $dbh->do($self->{sql}{forget}, undef, @key) if @key;
        $dbh->commit if @key && !$dbh->{AutoCommit};
    });
    $self->{gone} = "the connection is gone: $error\n" if defined $error;
    return;
}

# Pass a value on, unless the connection is gone.
sub alive { my ($self, $value) = @_; die $self->{gone} if $self->{gone}; return $value }

1;
