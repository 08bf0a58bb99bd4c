# SPDX-License-Identifier: MIT
# The tool over a fixture, handing events on: to a command, or to a small HTTP server of the test's own.
package Tool;
use strict;
use warnings;
use DBI;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use Event;
use Fixture;
use Proc qw(wait_until);
use Source ();
use Exporter 'import';
our @EXPORT = qw(with_handler record settled change tool tool_out on_terminal begin said rows_of server resource_event);

# Events by their texts, through the receiver, one after the other.
sub record {
    my ($f, @bodies) = @_;
    for my $body (@bodies) {
        my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
        $answer->{status} == 200 or die "not recorded: $answer->{status} $answer->{log}";
    }
}

# A fixture with events and a handler in sh, in which $n is the event's number. Gives both.
sub with_handler {
    my ($script, @bodies) = @_;
    my $f = Fixture->new;
    my $folder = $f->path('run');
    my $handler = $f->write('run/handler', "#!/bin/sh\ncd $folder\nn=\$COMPLYCUBE_INBOX_SEQ\n$script\n", 0755);
    record($f, @bodies);
    return ($f, $handler);
}

# One of a resource, made so many seconds after some time.
sub resource_event {
    my ($id, $resource, $seconds, $type) = @_;
    $type //= 'check.pending';
    return sprintf '{"id":"%s","type":"%s","resourceType":"check","payload":{"id":"%s","clientId":"c","status":"pending"},'
        . '"createdAt":"2026-01-29T20:32:%02d.004Z"}', $id, $type, $resource, $seconds;
}

sub _arguments {
    my ($f, @args) = @_;
    my %o = ref $args[-1] ? %{ pop @args } : ();
    my $tool = $f->path('run/complycube-inbox');
    $f->install('run/complycube-inbox', 'complycube-inbox') if !-e $tool;
    return (\%o, $tool, '-c', $f->config, @args);
}

# Run the tool to its end: exit code and standard error. Its output is kept, so that finish sees a sanitizer's report.
sub tool {
    my ($f, @args) = @_;
    my ($o, @cmd) = _arguments($f, @args);
    my ($code, $out, $err) = $f->run(@cmd, $o);
    $f->{cgi_log} .= $err;
    return ($code, $err);
}

# The same, with what it printed: exit code, standard output, standard error.
sub tool_out {
    my ($f, @args) = @_;
    my ($o, @cmd) = _arguments($f, @args);
    my ($code, $out, $err) = $f->run(@cmd, $o);
    $f->{cgi_log} .= $err;
    return ($code, $out, $err);
}

# What it prints to a terminal, which is one of script(1), without that one's ends of lines.
sub on_terminal {
    my ($f, @args) = @_;
    my ($o, @cmd) = _arguments($f, @args);
    my ($code, $out, $err) = $f->run('script', '-qec', join(' ', map { Source::quoted($_) } @cmd), '/dev/null', $o);
    $f->{cgi_log} .= $err;
    return $out =~ s/\r\n/\n/gr;
}

# Start it, and go on; said() is what it has told so far.
sub begin {
    my ($f, @args) = @_;
    my ($o, @cmd) = _arguments($f, @args);
    our $count;
    my $log = $f->path('log/tool-' . ++$count . '.log');
    my $p = Proc->start(cmd => \@cmd, stdout => $log, stderr => $log, wrap => 1, %$o);
    $p->{log} = $log;
    push @{ $f->{procs} }, $p;
    return $p;
}

sub said { my ($p) = @_; return -e $p->{log} ? Fixture::slurp($p->{log}) : '' }

# "state/attempts" of each event in the order of arrival.
sub settled { my ($f) = @_; return join ' ', map { "$_->[0]/$_->[1]" } @{ rows_of($f, 'state, attempts') } }

sub rows_of { my ($f, $columns) = @_; return $f->rows("SELECT $columns FROM inbox ORDER BY seq") }

# Change the database as an operator would.
sub change {
    my ($f, @sql) = @_;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do($_) for @sql;
}

# A server in a process of its own, one more for each connection: answer->({ method, path, headers, body }, number of
# the connection) gives the text of the answer, or nothing to say nothing. Gives its port; ends with the fixture.
sub server {
    my ($f, $answer, %o) = @_;
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $o{port} // 0, Listen => 64, ReuseAddr => 1)
        or die "listen: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        POSIX::setsid();
        local $SIG{CHLD} = 'IGNORE';
        $SIG{TERM} = 'DEFAULT';
        my $count = 0;
        while (1) {
            my $client = $socket->accept or next;
            $count++;
            my $child = fork // POSIX::_exit(1);
            next if $child;
            _serve($client, $answer, $count);
            POSIX::_exit(0);
        }
    }
    push @{ $f->{procs} }, bless { pid => $pid, name => 'server', owner => $$ }, 'Proc';
    return $socket->sockport;
}

sub _serve {
    my ($client, $answer, $count) = @_;
    while (my $line = <$client>) {
        my ($method, $path) = $line =~ /^(\S+) (\S+) HTTP/ or return;
        my %headers;
        while (defined(my $header = <$client>)) {
            last if $header =~ /^\r?\n$/;
            $headers{ lc $1 } = $2 if $header =~ /^([^:]+):\s*(.*?)\r?\n$/;
        }
        my ($body, $length) = ('', $headers{'content-length'} // 0);
        while (length $body < $length) {
            read($client, $body, $length - length $body, length $body) or return;
        }
        my $text = $answer->({ method => $method, path => $path, headers => \%headers, body => $body }, $count);
        sleep 60 if !defined $text;
        print $client "HTTP/1.1 $text\r\n" . ($text =~ /\n\r?\n/ ? '' : "Content-Length: 0\r\n\r\n");
        $client->flush;
        return if $text =~ /^Connection: close/m;
    }
}

1;
