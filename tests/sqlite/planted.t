#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An application's user may write the database's folder. Whatever it puts beside the database, SQLite in our programs reads,
# changes and removes nothing elsewhere, and waits for nobody.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use File::Copy qw(copy);
use File::Find qw(find);
use POSIX qw(mkfifo);
use Test::More;
use Deploy;
use Event;
use Fixture;
use Proc qw(unprivileged);
use Requests;
use Tool;

my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample") =~ s/^\s*group\s*=.*\n//mgr;
my @KEPT = ([list => 'list'], [watch => 'watch'], [stats => 'stats'], [doctor => 'doctor'], ['verify --stored' => qw(verify --stored)]);

# As root the application is another user than the receiver's, and root runs the tool, too.
my @APPLICATION = $> == 0 ? ((getpwnam 'nobody')[2], (unprivileged())[1]) : ($>, $) + 0);
my @RUN_BY = $> == 0 ? (['its own user', {}], ['root', { root => 1 }]) : (['its own user', {}]);

sub theirs { my ($path) = @_; chown @APPLICATION, $path or die "$path: $!"; chmod 0660, $path; return $path }
sub written { my ($path, $bytes) = @_; open my $f, '>:raw', $path or die "$path: $!"; print $f $bytes; close $f or die "$path: $!"; return $path }
sub opened { return DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', { RaiseError => 1, PrintError => 0 }) }
sub good { my ($f, @args) = @_; my ($code, $out, $err) = tool_out($f, @args); is($code, 0, "$args[0] succeeds") or diag $err; return $out }

# Three events in a folder that the application may write, and files of others elsewhere.
sub fixture {
    my ($journal) = @_;
    my $f = Fixture->new(conf => qq(journal = "$journal"\n$conf));
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 3);
    chmod 0770, $f->path('home/private');
    chmod 0660, $f->database;
    $f->folder('elsewhere');
    $f->write('elsewhere/owned', "keep\n", 0600);
    mkfifo($f->path('elsewhere/fifo'), 0600) or die $!;    # whoever opens it waits
    chown unprivileged(), $f->path('elsewhere/fifo') if $> == 0;
    $f->folder('elsewhere/folder', 0700);
    if ($> == 0) {
        written($f->path('elsewhere/of-root'), "keep\n");
        chmod 0600, $f->path('elsewhere/of-root');
    }
    return $f;
}

# What is elsewhere: names, kinds, modes, owners, bytes.
sub elsewhere {
    my ($f) = @_;
    my @is;
    find({ no_chdir => 1, wanted => sub {
        my @st = lstat;
        push @is, join ' ', $_, (map { sprintf '%o', $_ } @st[2, 4, 5]), -f _ ? Fixture::slurp($_) : '';
    } }, $f->path('elsewhere'));
    return join '', sort @is;
}

sub version { my ($database) = @_; return unpack 'N', substr Fixture::slurp($database), 60, 4 }

# A program was killed while it changed user_version to 2, and left the journal with the page as it was. super => the name of
# the super-journal that it names. source: sqlite.org/fileformat2.html, section 3
sub hot_journal {
    my ($database, $super) = @_;
    my $size = 4096;
    my $bytes = Fixture::slurp($database);
    my $page = substr $bytes, 0, $size;
    unpack('n', substr $page, 16) == $size or die 'another size of pages';
    my ($magic, $salt, $sum) = (pack('H*', 'd9d505f920a163d7'), 0x12345678, 0x12345678);
    for (my $i = $size - 200; $i > 0; $i -= 200) { $sum = ($sum + ord substr $page, $i, 1) & 0xffffffff }
    my $journal = pack('a512', $magic . pack 'N5', 1, $salt, length($bytes) / $size, 512, $size) . pack('N', 1) . $page . pack('N', $sum);
    $journal .= pack('N', int(0x40000000 / $size) + 1) . $super . pack('N2', length $super, unpack '%32C*', $super) . $magic;
    my @was = stat $database;
    substr $bytes, 60, 4, pack 'N', 2;
    written($database, $bytes);
    theirs(written("$database-journal", $journal));
}

sub commands { my ($f) = @_; return (@KEPT, [backup => 'backup', $f->path('run/backup-' . ++(our $backups) . '.db')]) }

# ---- a hot journal ----
my $f = fixture('delete');
for my $run (@RUN_BY) {
    for my $victim (grep { !/fixture|folder$/ } glob $f->path('elsewhere/*')) {
        my $before = elsewhere($f);
        my ($what) = $victim =~ m{([^/]+)$};
        for (commands($f)) {
            my ($name, @args) = @$_;
            hot_journal($f->database, $victim);
            my ($code, undef, $err) = tool_out($f, @args, { %{ $run->[1] }, limit => 3 });
            ok defined $code && $code <= 1, "$name by $run->[0] ends well beside a journal that names the $what" or diag $err;
            is elsewhere($f), $before, 'and leaves that as it is';
            is version($f->database) . (-e $f->database . '-journal' ? ' and a journal' : ''), 1, 'what the journal holds is rolled back';
        }
    }
}
for my $victim (map { $f->path("elsewhere/$_") } qw(owned fifo)) {
    my $before = elsewhere($f);
    hot_journal($f->database, $victim);
    our $n++;
    my ($answer) = $f->cgi(signed(event(id => "beside-$n")));
    is $answer->{status}, 200, "a receiver records beside a journal that names $victim" or diag $answer->{log};
    is $f->events("beside-$n"), 1, 'the event is there';
    is elsewhere($f), $before, 'and that is as it was';
}

# ---- one that an application left ----
{
    my $super = theirs(written($f->path('home/private/inbox.db-mj12345678'), join "\0", $f->database . '-journal', $f->path('home/private/other.db-journal'), ''));
    my $before = Fixture::slurp($super);
    hot_journal($f->database, $super);
    good($f, 'list');
    is version($f->database), 1, 'a transaction over two databases that did not end is rolled back';
    is Fixture::slurp($super), $before, 'the other database still finds the super-journal';
    unlink $super;
    hot_journal($f->database, $super);
    good($f, 'list');
    is version($f->database), 2, 'one that has ended is not';
    ok !-e $f->database . '-journal', 'its journal is gone';
    opened($f->database)->do('PRAGMA user_version = 1');
}

# ---- one that a program left in a sticky folder ----
if ($> == 0) {
    my $g = fixture('delete');
    chown -1, $APPLICATION[1], $g->database, $g->path('home/private');
    chmod 03770, $g->path('home/private');
    my $application = sub {
        local $ENV{PERL5LIB};    # another user may not look into the checkout
        system('setpriv', "--reuid=$APPLICATION[0]", "--regid=$APPLICATION[0]", "--groups=$APPLICATION[1]", 'perl', '-MDBI', '-e',
            'exit !eval { DBI->connect("dbi:SQLite:dbname=$ARGV[0]", "", "", { RaiseError => 1, PrintError => 0 })->do("SELECT count(*) FROM inbox") }', $g->database) == 0;
    };
    my $left_by = sub { hot_journal($g->database, ''); chown $_[0], -1, $g->database . '-journal' };
    $left_by->($APPLICATION[0]);
    ok $application->(), 'an application rolls its own journal back';
    $left_by->($APPLICATION[0]);
    good($g, 'list');
    is version($g->database), 1, 'so does the receiver\'s user';
    $left_by->((unprivileged())[0]);
    ok !$application->(), 'the receiver\'s stops an application';
    my ($answer) = $g->cgi(signed(event(id => 'next')));
    is $answer->{status}, 200, 'the next event is stored';
    ok $application->(), 'the application goes on';
    $g->finish;
}

# ---- the log of the database itself ----
{
    my $g = fixture('wal');
    my $db = opened($g->database);
    $db->do('BEGIN');    # what comes now is not written back before this has ended
    $db->selectrow_array('SELECT count(*) FROM event_log');
    record($g, resource_event('e4', 'r4', 4));
    my %kept = map { $_ => Fixture::slurp($g->database . $_) } '', '-wal';
    unlike $kept{''}, qr/"id":"e4"/, 'an event is in the log alone';
    $db->do('ROLLBACK');
    $db->disconnect;
    for my $name ($g->database, $g->path('home/public_html/cgi-bin/../../private/inbox.db')) {    # the second as the tool calls it
        $g->write("home/private/inbox.db$_", $kept{$_}, 0660) for keys %kept;
        unlink $g->database . '-shm';
        hot_journal($g->database, "$name-wal");
        is scalar(() = good($g, 'list', '--json') =~ /"e\d"/g), 4, 'a journal that names the log beside it makes no event vanish';
    }
    $g->finish;
}

# ---- in place of a file of SQLite's ----
my %plant = (
    'a symbolic link' => sub { symlink $_[1], $_[0] or die $! },
    'a second name' => sub { link $_[1], $_[0] or die $! },
    'a FIFO' => sub { mkfifo($_[0], 0666) or die $!; chmod 0666, $_[0] },
    'a folder' => sub { mkdir $_[0] or die $!; chmod 0777, $_[0] },
);
for my $suffix (qw(journal wal shm)) {
    for my $kind (sort keys %plant) {
        my $g = fixture($suffix eq 'journal' ? 'delete' : 'wal');
        my $name = $g->database . "-$suffix";
        $plant{$kind}->($name, $g->path('elsewhere/owned'));
        my $before = elsewhere($g);
        for my $run (@RUN_BY) {
            for (grep { $_->[0] ne 'doctor' } commands($g)) {
                my ($label, @args) = @$_;
                my ($code, undef, $err) = tool_out($g, @args, $run->[1]);
                is $code, 7, "$label by $run->[0] refuses $kind in place of -$suffix" or diag $err;
                like $err, qr{/inbox\.db-$suffix (?:is|has) \Q$kind\E, and is refused}, 'and names it';
            }
            my (undef, $said) = tool_out($g, 'doctor', '--json', $run->[1]);
            like $said, qr{/inbox\.db-$suffix (?:is|has) \Q$kind\E}, 'so does doctor';
            unlike $said, qr/ restore \\/, 'which asks for no backup';
        }
        my ($answer) = $g->cgi(signed(event(id => 'meanwhile')));
        like $answer->{status}, qr/^(?:200|503)$/, 'a receiver records it elsewhere, or does not acknowledge it';
        is elsewhere($g), $before, 'and what is elsewhere is as it was';
        $kind eq 'a folder' ? rmdir $name : unlink $name;
        my ($after) = $g->cgi(signed(event(id => 'afterwards')));
        is $after->{status}, 200, 'without it all is well' or diag $after->{log};
        is $g->events('afterwards'), 1, 'the next event is there';
        is $g->events('meanwhile'), 1, 'and the one before' if $answer->{status} == 200;
        $g->finish;
    }
}

# ---- a backup that somebody else made ----
for my $run (@RUN_BY) {
    my $g = fixture('delete');
    my $backup = $g->path('run/theirs.db');
    good($g, 'backup', $backup);
    theirs($backup);
    chmod 0666, $backup;
    my $before = elsewhere($g);
    hot_journal($backup, $g->path('elsewhere/owned'));
    chmod 0666, "$backup-journal";
    my ($code, undef, $err) = tool_out($g, 'restore', $backup, '--reason', 'a test', $run->[1]);
    is $code, 0, "restore by $run->[0] takes a backup with a journal beside it" or diag $err;
    is elsewhere($g), $before, 'and leaves the file that it names';
    symlink $g->path('elsewhere/owned'), "$backup-journal" or die;
    ($code, undef, $err) = tool_out($g, 'restore', $backup, '--reason', 'a test', $run->[1]);
    is $code, 7, 'it refuses one with a link beside it' or diag $err;
    like $err, qr/\Q$backup-journal\E is a symbolic link/, 'and names it';
    is elsewhere($g), $before, 'and leaves the file that it leads to';
    unlink "$backup-journal";
    symlink 'theirs.db', $g->path('run/latest.db') or die;
    ($code, undef, $err) = tool_out($g, 'restore', $g->path('run/latest.db'), '--reason', 'a test', $run->[1]);
    is $code, 0, 'the backup itself may be named by a link' or diag $err;
    $g->finish;
}
$f->finish;
done_testing;
