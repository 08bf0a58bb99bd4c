#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Whoever has the group of the directory inbox puts there what it likes. Our programs follow nothing of it, wait for nobody,
# and go on without it.
use strict;
use warnings;
use File::Find qw(find);
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use Doctor;
use Event;
use Fixture;
use IO::Socket::UNIX;
use POSIX qw(mkfifo);
use Test::More;
use Tool;

my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample") =~ s/^\s*(?:inbox|directory|group)\s*=.*\n//mgr;
my $events = 0;

# Three events as files, the third dead, and a file of the receiver's user that is not to be touched.
sub fixture {
    my $f = Fixture->new(conf => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$conf));
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 3);
    is +(tool_out($f, 'dead', 'e3', '--reason', 'no luck'))[0], 0, 'an event is given up';
    $f->folder('elsewhere', 0700);
    $f->write('elsewhere/keys', "mine\n", 0600);
    return $f;
}

sub inbox { my ($f, $name) = @_; return $f->path("home/private/inbox.d/$name") }
sub elsewhere {
    my ($f) = @_;
    my @is;
    find({ no_chdir => 1, wanted => sub { push @is, join ' ', $_, (map { sprintf '%o', $_ } (lstat)[2, 3, 4, 5]), -f _ ? Fixture::slurp($_) : '' } }, $f->path('elsewhere'));
    return join "\n", sort @is;
}

my %PLANT = (
    'a link' => sub { symlink $_[1], $_[0] or die "$_[0]: $!" },
    'a link to nothing' => sub { symlink "$_[1].none", $_[0] or die "$_[0]: $!" },
    'a FIFO' => sub { mkfifo($_[0], 0666) or die "$_[0]: $!"; chmod 0666, $_[0] },
    'a socket' => sub { IO::Socket::UNIX->new(Local => $_[0], Listen => 1) or die "$_[0]: $!" },
    'a folder' => sub { mkdir $_[0] or die "$_[0]: $!"; chmod 0777, $_[0] },
);
my @COMMANDS = (['list'], [show => 'e3'], ['stats'], ['watch'], ['doctor'], ['verify', '--stored'], ['spool'], [qw(work --once --max-time 2 true)], [qw(prune --older-than 1)],
    [qw(requeue e3 --reason x)], [qw(erase e3 --reason x)], ['export'], ['init'], ['migrate'], ['history']);

sub in_place {
    my ($f, $kind, $name) = @_;
    my $path = inbox($f, $name);
    -d $path && !-l $path ? rename($path, $f->path('run/was-' . ++(our $moved))) : unlink $path;
    return $PLANT{$kind}->($path, $f->path('elsewhere/keys'));
}

for my $kind (sort keys %PLANT) {
    my $f = fixture();
    my ($dead) = map { m{([^/]+)$} } glob inbox($f, 'live/dead/*.json');
    my ($new) = map { m{([^/]+)$} } glob inbox($f, 'live/new/*');
    my @events = ("live/dead/$dead.txt", "live/new/$new", 'live/cur/0000000000001.000000000091.json,a=1,l=5', 'live/done/20200101', "live/tmp/$new");
    for my $names (\@events, ['live/lock', 'setting', 'setting.new']) {
        my @held = map { in_place($f, $kind, $_) } @$names;
        my $before = elsewhere($f);
        my %cure = map { ($_->{finding} => join "\n", @{ $_->{cures} }) } grep { $_->{what} eq 'planted' } told((tool_out($f, 'doctor'))[1]);
        for my $name (grep { !/20200101/ || $kind !~ /folder|link/ } @$names) {    # a folder is right there, and so is a link of its user's own
            my ($told) = grep { m{/inbox\.d/\Q$name\E is } } keys %cure;
            like $told // '', qr/, planted$/, "doctor reports $name";
            like $cure{ $told // '' } // '', qr{^by hand: look at it.*\nrm(?:dir)? -- \S*/inbox\.d/\Q$name\E'?$}, 'and how it is removed';
        }
        my %code = map { ("@$_" => (tool_out($f, @$_, { limit => 10 }))[0]) } @COMMANDS;
        is_deeply [grep { !defined $code{$_} } sort keys %code], [], "$kind in place of @$names: each command ends";
        is_deeply [grep { !defined $code{$_} } sort keys %code], [], "$kind in place of @$names: each command ends";
        my ($answer) = $f->cgi(do { my $body = event(id => 'while-' . ++$events); +{ body => $body, headers => ['ComplyCube-Signature' => sign($body)] } });
        like $answer->{status}, qr/^(?:200|503)$/, 'so does a receiver';
        is elsewhere($f), $before, 'and nothing elsewhere changes';
        system('rm', '-rf', map { inbox($f, $_) } @$names) == 0 or die;
    }
    is +(tool_out($f, 'init'))[0], 0, 'without it all is well';
    $f->finish;
}

# A database that others may write names endpoints, too.
{
    my $f = fixture();
    $f->folder("elsewhere/$_", 0700) for qw(new cur tmp done dead done/20200101);
    $f->write("elsewhere/$_/0000000000001.000000000001.json", "{}\n", 0600) for qw(new cur tmp dead done/20200101);
    DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 })->do("INSERT INTO endpoint (id, name) VALUES (77, '../../../elsewhere')");
    my $before = elsewhere($f);
    tool_out($f, @$_, { limit => 10 }) for @COMMANDS;
    is elsewhere($f), $before, 'an endpoint whose name leads out of the folder is not followed';
    $f->finish;
}

done_testing;
