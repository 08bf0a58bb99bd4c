#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The tool leaves alone what is not ours, refuses what may be meant otherwise, and prints nothing that a program cannot read.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Test::More;
use Event;
use Fixture;
use Tool;

sub post { my ($f, $body) = @_; my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] }); return $answer->{status} }

my $f = Fixture->new;
my $program = 'home/private/inbox.db';
my %other = (
    'a text'                   => sub { $f->write($program, "root:x:0:0\n" x 50, 0644) },
    "another program's database" => sub {
        my $db = DBI->connect('dbi:SQLite:dbname=' . $f->path($program), '', '', { RaiseError => 1 });
        $db->do('CREATE TABLE other (a)');
        $db->disconnect;
        $f->_own($f->path($program), 0644);
    },
);
for my $what (sort keys %other) {
    unlink $f->path($program);
    $other{$what}->();
    my @before = (stat $f->path($program))[2, 4, 5, 7];
    my ($group) = getgrgid($> == 0 ? (Proc::unprivileged())[1] : (split ' ', $()[0]);
    my $config = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', "group = \"$group\"\n$config");
    my ($code, $out) = tool_out($f, 'init');
    like $code, qr/^[67]$/, "init refuses $what in the database's place";
    is_deeply [(stat $f->path($program))[2, 4, 5, 7]], \@before, 'and leaves its mode, owner and content';
    unlike $out, qr/changed/, 'as it says';
    ok !-e $f->path("$program.lock"), 'nothing is put beside it';
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $config);
    my ($get) = $f->cgi({ method => 'GET' });
    like $get->{body}, qr/^not ready: (?:schema|database)$/, 'a GET does not call it ready';
}
unlink $f->path($program), $f->path("$program.lock");

my $binary = "abc\0secret \xff\xfe tail";
is post($f, $_), 202, 'a body that is no text is put aside' for $binary, "\xf0\x80\x80\x80";
is post($f, event()), 200, 'and an event comes';
for my $id (1, 2) {
    my (undef, $out) = tool_out($f, 'quarantine', 'show', $id, '--json');
    my $row = decode_json($out);
    is decode_base64($row->{body_base64} // ''), $id == 1 ? $binary : "\xf0\x80\x80\x80", 'shown to a program it is whole';
}
is +(tool($f, 'export', '-e', 'live', '--client', 'a', '--client', 'b'))[0], 2, 'two clients where one can be meant are refused';
my ($code, $err) = tool($f, 'export', '--client', 'nobody', '--file', $f->path('run/person'));
is $code, 1, 'a person who is not here is told of';
ok !-e $f->path('run/person'), 'and has no file';
like +(tool_out($f, 'erase', '--client', 'nobody', '--reason', 'x'))[1], qr/^nothing here names that id/m, 'so it is where nothing was erased';
($code, $err) = tool($f, 'requeue', '--endpoint', 'nope', '--state', 'dead');
is $code, 1, 'an endpoint that is none is told of';
like $err, qr/there is no endpoint nope/, 'by its name';

my $tool = $f->path('run/complycube-inbox') . ' -c ' . $f->config;
($code, undef, $err) = $f->run('sh', '-c', "$tool list >/dev/full");
is $code, 11, 'what could not be written is a failure';
like $err, qr/could not be written/, 'and said';
($code, undef, $err) = $f->run('sh', '-c', "{ $tool follow --since 1d; echo \$? >&2; } | head -n 1");
is $err, "0\n", 'follow ends well when its reader has seen enough';

# Root's sqlite3 makes the log's files, and gives them to the database's owner a moment later: here, five milliseconds.
if ($> == 0 && Proc::unprivileged()) {
    tool($f, 'list');
    my @root = qw(strace -qq -o /dev/null -e trace=fchown -e inject=fchown:delay_enter=5000 sqlite3);
    my $again = sprintf 'while :; do %s %s "SELECT count(*) FROM event_log" >/dev/null; done', "@root", $f->database;
    my $p = Proc->start(cmd => ['sh', '-c', $again], root => 1);
    my %codes;
    $codes{ (tool($f, 'list'))[0] }++ for 1 .. 25;
    $p->stop;
    is_deeply \%codes, { 0 => 25 }, 'root may read it at any moment';
}
$f->finish;
done_testing;
