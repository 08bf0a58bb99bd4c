# SPDX-License-Identifier: MIT
# An inbox made by hand as complycube-inbox(5) has it: a database, in WAL or with a rollback journal, or a directory.
package HandMade;
use strict;
use warnings;
use DBI;
use JSON::PP;
use POSIX qw(strftime);
use Proc qw(unprivileged);
use Source;
use Time::HiRes qw(time);

my %SETTING = (max_attempts => 3, lease_ms => 60_000, backoff_ms => 60_000);
my $CREATED = 1_769_718_742_004;

sub now { return int(time * 1000) }

# path, form => 'wal', 'delete' or 'directory', endpoints => [...], setting => {...}
sub new {
    my ($class, $path, %o) = @_;
    my $self = bless { path => $path, seq => 0, form => $o{form}, setting => { %SETTING, %{ $o{setting} // {} } }, time => {} }, $class;
    my @endpoints = @{ $o{endpoints} // ['live'] };
    $self->{id} = { map { $endpoints[$_] => $_ + 1 } 0 .. $#endpoints };
    if ($o{form} eq 'directory') { $self->_directory(@endpoints) }
    else { $self->_database(@endpoints) }
    return $self;
}

sub path { $_[0]{path} }
sub db { $_[0]{db} }

sub _database {
    my ($self, @endpoints) = @_;
    my $db = $self->{db} = DBI->connect("dbi:SQLite:dbname=$self->{path}", '', '', { RaiseError => 1, PrintError => 0, sqlite_allow_multiple_statements => 1 });
    $db->do("PRAGMA journal_mode = $self->{form}");
    $db->do('PRAGMA synchronous = OFF');
    $db->begin_work;
    $db->do('PRAGMA application_id = 1128483160');
    $db->do('PRAGMA user_version = 1');
    $db->do(slurp("$ROOT/src/store/sqlite/schema.sql"));
    $db->do('UPDATE setting SET max_attempts = ?, lease_ms = ?, backoff_ms = ?', undef, @{ $self->{setting} }{qw(max_attempts lease_ms backoff_ms)});
    $db->do('INSERT INTO endpoint (id, name) VALUES (?, ?)', undef, $self->{id}{$_}, $_) for @endpoints;
    $db->do(q(INSERT INTO secret (id, endpoint, name) VALUES (1, 1, 'main')));
    $db->commit;
    chmod 0666, glob "$self->{path}*";
}

# Folders and files belong to this user and the workers' group.
sub _own {
    my ($path, $mode) = @_;
    my (undef, $group) = unprivileged();
    chown -1, $group, $path if defined $group;
    chmod $mode, $path;
}

sub _folder { my ($path) = @_; mkdir $path or die "$path: $!"; _own($path, 02770) }

sub _file {
    my ($path, $text, $mode) = @_;
    open my $out, '>:raw', $path or die "$path: $!";
    print $out $text;
    close $out;
    _own($path, $mode);
}

sub _directory {
    my ($self, @endpoints) = @_;
    _folder($self->{path});
    _file("$self->{path}/setting", join('', map { "$_ $self->{setting}{$_}\n" } sort keys %{ $self->{setting} }), 0640);
    for my $endpoint (@endpoints) {
        _folder("$self->{path}/$endpoint");
        _folder("$self->{path}/$endpoint/$_") for qw(tmp new cur done dead);
        _file("$self->{path}/$endpoint/lock", '', 0660);
    }
}

# An event: id, type, resource, resource_type, status, at (ms after the others), endpoint, or its whole body.
sub add {
    my ($self, %e) = @_;
    my $seq = ++$self->{seq};
    %e = (id => "e$seq", type => 'check.completed', resource => "r$seq", resource_type => 'check', status => 'complete', outcome => 'clear', at => $seq, endpoint => 'live', %e);
    my $ms = $CREATED + $e{at};
    my $payload = sprintf '{"id":"%s","clientId":"c1","status":"%s","outcome":"%s","note":"%s"}', @e{qw(resource status outcome)}, $e{note} // '';
    my $body = $e{body} // sprintf '{"id":"%s","type":"%s","resourceType":"%s","payload":%s,"createdAt":"%s.%03dZ"}', @e{qw(id type resource_type)},
        $payload, strftime('%Y-%m-%dT%H:%M:%S', gmtime $ms / 1000), $ms % 1000;
    return $self->{db} ? $self->_row($seq, $ms, $body, $payload, %e) : $self->_event_file($seq, $ms, $body, %e);
}

sub _row {
    my ($self, $seq, $ms, $body, $payload, %e) = @_;
    my $id = $self->{id}{ $e{endpoint} };
    my $insert = $self->{db}->prepare('INSERT INTO event_log (seq, endpoint, event_id, type, resource_type, resource_id, client_id, status, outcome, created_ms,
        received_ms, secret, signature, payload_at, payload_len, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)');
    my $at = index $body, $payload;
    my @values = ($seq, $id, @e{qw(id type resource_type resource)}, 'c1', $e{status}, $e{outcome}, $ms, 1_700_000_000_000, "\xab" x 32, $at < 0 ? undef : $at, length $payload, $body);
    $insert->bind_param($_ + 1, $values[$_], $_ == 11 || $_ == 14 ? DBI::SQL_BLOB() : ()) for 0 .. $#values;
    $insert->execute;
    $self->{db}->do('INSERT INTO inbox (seq, endpoint, due_ms) VALUES (?, ?, ?)', undef, $seq, $id, 1000 + $seq);
    return $seq;
}

sub _event_file {
    my ($self, $seq, $ms, $body, %e) = @_;
    my $name = sprintf '%013d.%012d.json', $ms, $seq;
    my $folder = "$self->{path}/$e{endpoint}";
    _file("$folder/tmp/$name", $body, 0640);
    utime 1_700_000_000, 1_700_000_000, "$folder/tmp/$name";
    rename "$folder/tmp/$name", "$folder/new/$name" or die "rename: $!";
    return $seq;
}

sub _find {
    my ($self, $seq) = @_;
    my $pattern = sprintf '*.%012d.json', $seq;
    my ($path) = map { glob "$self->{path}/*/$_" } "new/$pattern", "cur/$pattern*", "done/*/$pattern", "dead/$pattern";
    return $path;
}

# What became of an event: { state => waiting, claimed, done or dead; attempts, due_ms, why }.
sub state {
    my ($self, $seq) = @_;
    if ($self->{db}) {
        my $row = $self->{db}->selectrow_hashref('SELECT * FROM inbox WHERE seq = ?', undef, $seq);
        my $claimed = $row->{state} == 0 && defined $row->{token} && $row->{due_ms} > now();
        return { state => $claimed ? 'claimed' : (qw(waiting done dead ignored))[$row->{state}], why => $row->{error}, map { $_ => $row->{$_} } qw(attempts due_ms owner) };
    }
    my $path = $self->_find($seq) // return { state => 'lost' };
    my ($folder) = $path =~ m{/(new|cur|done|dead)/};
    my ($attempts, $due, $owner) = $path =~ /,a=(\d+),l=(\d+)(?:,w=(.*))?$/;
    my %is = (attempts => $attempts // 0, due_ms => $due // 0, owner => $owner);
    my $state = { new => 'waiting', cur => defined $is{owner} && $is{due_ms} > now() ? 'claimed' : 'waiting' }->{$folder} // $folder;
    return { %is, state => $state, why => -e "$path.txt" ? slurp("$path.txt") =~ s/\n\z//r : undef };
}

sub states { my ($self) = @_; return join ' ', map { $self->state($_)->{state} } 1 .. $self->{seq} }

# Let a lease, or a delay, end.
sub due {
    my ($self, $seq, $ms) = @_;
    return $self->{db}->do('UPDATE inbox SET due_ms = CAST(? AS INTEGER) WHERE seq = ?', undef, $ms // 1000 + $seq, $seq) if $self->{db};
    $ms //= 1000;
    my $path = $self->_find($seq);
    rename $path, $path =~ s/,l=\d+/,l=$ms/r or die "$path: $!";
}

# Another worker has it now.
sub steal {
    my ($self, $seq) = @_;
    return $self->{db}->do(q(UPDATE inbox SET token = 'another', owner = 'another' WHERE seq = ?), undef, $seq) if $self->{db};
    my $path = $self->_find($seq);
    rename $path, $path =~ s/,w=.*/,w=another/r or die "$path: $!";
}

1;
