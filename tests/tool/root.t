#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Root runs the operator's tool over an inbox that others may write: it acts as the owner of the database's folder, and nothing
# outside the inbox changes, whatever an application's user has planted there. The stand-ins for files of the machine lie in
# the test's own folder; games is the receiver's user, news an application's, users their group.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use DBI;
use Fcntl qw(LOCK_EX);
use File::Temp qw(tempdir);
use File::Find ();
use POSIX ();
use Test::More;
use Doctor;
use Event;
use Fixture;

plan skip_all => 'only root can be tricked so' if $> != 0;
my $bin = Cwd::abs_path($ENV{BIN} // 'build/bin');
my ($games, $news, $strangers) = map { (getpwnam $_)[2] } qw(games news lp);
my $users = getgrnam 'users';

# A server of its own: the configuration is root's, the secrets lie apart.
sub server {
    my ($more) = @_;
    my $dir = tempdir('cw-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
    chmod 0755, $dir;
    system('cp', "$bin/complycube-inbox", $dir) == 0 or die;
    for (['lib', $games, $users, 03770], ['etc', $games, $games, 0700], ['spool', $games, $games, 0700], ['victims', 0, 0, 0755]) {
        mkdir "$dir/$_->[0]";
        chown $_->[1], $_->[2], "$dir/$_->[0]";
        chmod $_->[3], "$dir/$_->[0]";
    }
    spew("$dir/etc/secrets", "main $Event::SECRET{live}\n", $games, 0600);
    spew("$dir/inbox.conf", <<~"C", 0, 0644);
        database = "lib/inbox.db"
        group = "users"
        spool = "spool"
        $more
        endpoint live { secret_file = "etc/secrets" }
        C
    is(as($games, "$dir/complycube-inbox", '-c', "$dir/inbox.conf", 'init'), 0, 'the inbox is made');
    return $dir;
}

sub spew {
    my ($path, $text, $owner, $mode) = @_;
    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f;
    chown $owner, -1, $path;
    chmod $mode, $path;
}

sub quietly { open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null' }

# Run as a user with the group: its exit code, 255 after 60 s.
sub as {
    my ($uid, @cmd) = @_;
    my $pid = fork // die;
    if (!$pid) {
        quietly();
        alarm 60;
        exec 'setpriv', "--reuid=$uid", "--regid=$uid", "--groups=$users", @cmd if $uid;
        exec @cmd;
    }
    waitpid $pid, 0;
    return $? & 127 ? 255 : $? >> 8;
}

# Each file below a folder: kind, mode, owner, group, content.
sub picture {
    my ($dir) = @_;
    my %all;
    File::Find::find({ no_chdir => 1, wanted => sub {
        my @st = lstat $_;
        $all{$_} = join ' ', sprintf('%06o', $st[2]), @st[4, 5], -l _ ? readlink $_ : -f _ ? Fixture::slurp($_) : '';
    } }, $dir);
    return \%all;
}

my @commands = (['list'], ['stats'], ['watch'], ['doctor'], [qw(doctor --as news)], [qw(verify --stored)], ['secrets'], ['config'], ['history'], ['quarantine'],
    ['init'], ['migrate'], ['prune'], ['spool'], [qw(requeue 1)], [qw(ack 1)], [qw(dead 1)], [qw(erase --resource nobody)], [qw(import /dev/null)], ['export'],
    [qw(work --once --max-time 2 true)], [qw(show 1)], [qw(send --list-types)]);

my %planted = (
    'links' => sub { my ($path, $victim) = @_; symlink $victim, $path },
    'hard links' => sub { my ($path, $victim) = @_; link $victim, $path },
    'links to folders' => sub { my ($path, $victim) = @_; symlink $victim =~ s!/[^/]*\z!!r, $path },
    'FIFOs' => sub { my ($path) = @_; POSIX::mkfifo($path, 0666) },
    'folders' => sub { my ($path) = @_; mkdir $path, 0777 },
);

for my $form ('table', 'directory') {
    my $dir = server($form eq 'directory' ? "inbox = \"directory\"\ndirectory = \"lib/inbox.d\"" : '');
    my @tool = ("$dir/complycube-inbox", '-c', "$dir/inbox.conf");
    is(as(0, @tool, 'import', 'tests/vectors'), 0, "$form: root imports the examples");
    is((stat "$dir/lib/inbox.db")[4], $games, 'the database is still its owner\'s');
    my $n = 0;
    spew("$dir/victims/$_->[0]", "$_->[0]\n", 0, $_->[1]) for ['passwd', 0644], ['shadow', 0600], ['script', 0755];
    for my $kind (sort keys %planted) {
        my @names = (qw(inbox.db-journal inbox.db.lock inbox.db.refused inbox.db.missed inbox.db.restoring inbox.db.own.new), $form eq 'directory' ? qw(inbox.d/new inbox.d/setting.new) : ());
        my @made = grep { my $path = "$dir/lib/$_"; !-e $path && !-l $path && $planted{$kind}->($path, "$dir/victims/shadow") } @names;
        lchown("$dir/lib/$_") for @made;
        my $before = picture("$dir/victims");
        my %code = map { ("@$_" => as(0, @tool, @$_)) } @commands;
        is_deeply(picture("$dir/victims"), $before, "$form, $kind in place of @{[scalar @made]} names: nothing outside the inbox changes");
        is_deeply([grep { $code{$_} == 255 } sort keys %code], [], 'and no command hangs or crashes');
        system('rm', '-rf', map { "$dir/lib/$_" } @made);
        $n += @made;
    }
    cmp_ok($n, '>', 10, 'something was planted');
    is(as(0, @tool, 'list'), 0, 'without them all is well');
}

sub lchown { my ($path) = @_; system('chown', '-h', "$news:$users", $path) }

# An application's user gives the database's name to a link: before there is a database, or in a folder without the sticky bit.
for my $mode (03770, 02770) {
    my $dir = server('');
    my @tool = ("$dir/complycube-inbox", '-c', "$dir/inbox.conf");
    rename "$dir/lib/inbox.db", "$dir/inbox.db" or die $!;
    chmod $mode, "$dir/lib";
    system('chown', '-R', "0:$games", "$dir/etc");
    chmod 0750, "$dir/etc";
    chmod 0640, "$dir/etc/secrets";
    spew("$dir/victims/empty", '', 0, 0644);
    mkdir "$dir/stranger", 0700;
    spew("$dir/stranger/empty", '', $strangers, 0600);
    chown $strangers, $strangers, "$dir/stranger";
    for my $to (qw(victims stranger)) {
        my $before = picture("$dir/$to");
        is(as($news, 'ln', '-s', "$dir/$to/empty", "$dir/lib/inbox.db"), 0, sprintf 'a link to a file of others stands in its place, mode %04o', $mode);
        as(0, @tool, @$_) for @commands;
        is_deeply(picture("$dir/$to"), $before, 'root does not follow it');
        is(as($games, @tool, 'list'), 7, 'nor does the receiver\'s user') if $to eq 'victims';
        unlink "$dir/lib/inbox.db";
    }
    rename "$dir/inbox.db", "$dir/lib/real.db" or die $!;
    symlink 'real.db', "$dir/lib/inbox.db";
    is(as($_, @tool, 'list'), 0, 'a link of root\'s is followed') for 0, $games;
}

# Root pastes what doctor prints while links stand in the place of what it judges.
for my $form ('table', 'directory') {
    my $dir = server($form eq 'directory' ? "inbox = \"directory\"\ndirectory = \"lib/inbox.d\"" : '');
    my $tool = "$dir/complycube-inbox -c $dir/inbox.conf";
    chmod 02770, "$dir/lib";
    spew("$dir/victims/file", "file\n", 0, 0644);
    mkdir "$dir/victims/folder";
    for my $name (qw(inbox.db inbox.db-journal inbox.db-wal inbox.db-shm inbox.db.own), $form eq 'directory' ? qw(inbox.d inbox.d/setting inbox.d/live inbox.d/live/new inbox.d/live/done/2026-01-01) : ()) {
        for my $to ('file', 'folder') {
            my $path = "$dir/lib/$name";
            my $there = -e $path && rename $path, "$dir/aside";
            symlink "$dir/victims/$to", $path or die "$path: $!";
            lchown($path);
            my $before = picture("$dir/victims");
            my @shell = grep { !/^(?:by hand: |in \S+ \w+: )/ } map { @{ $_->{cures} } } told(scalar `$tool doctor 2>/dev/null </dev/null`);
            is_deeply([grep { /\Q$name\E/ && !/^(?:mv -T|rm --) / } @shell], [], "$form, a link to a $to named $name: no command of doctor's but its removal names it");
            as(0, 'sh', '-c', "cd $dir; $_") for @shell;
            is_deeply(picture("$dir/victims"), $before, 'and what it prints changes nothing outside the inbox');
            system('rm', '-rf', $path, "$path.planted");
            rename "$dir/aside", $path or die $! if $there;
        }
    }
}

# An application's user replaces an endpoint's folder by a link to one of root's.
{
    my $dir = server("inbox = \"directory\"\ndirectory = \"lib/inbox.d\"");
    my @tool = ("$dir/complycube-inbox", '-c', "$dir/inbox.conf");
    is(as($news, 'mv', "$dir/lib/inbox.d/live", "$dir/lib/inbox.d/.live") + as($news, 'ln', '-s', "$dir/victims", "$dir/lib/inbox.d/live"), 0, 'a link stands in the place of an endpoint\'s folder')
        or diag `ls -la $dir/lib/inbox.d`;
    as(0, @tool, @$_) for @commands;
    is_deeply([glob "$dir/victims/*"], [], 'root makes nothing behind it');
    unlink "$dir/lib/inbox.d/live";
    rename "$dir/lib/inbox.d/.live", "$dir/lib/inbox.d/live" or die $!;
    system('cp', '-r', 'tests/vectors', $dir);
    system('chmod', '-R', 'a+rX', "$dir/vectors");
    for (qw(private private/tmp private/new private/cur)) {
        mkdir "$dir/$_", 0700;
        chown $games, $games, "$dir/$_";
    }
    spew("$dir/private/0000000000001.000000000001.json", "keep\n", $games, 0600);
    my $before = picture("$dir/private");
    for my $name ('live', 'live/tmp', 'live/new', 'live/cur') {
        rename "$dir/lib/inbox.d/$name", "$dir/aside" or die $!;
        is(as($news, 'ln', '-s', "$dir/private", "$dir/lib/inbox.d/$name"), 0, "$name is a link to a folder of the receiver's user");
        for my $user (0, $games) {
            as($user, @tool, @$_) for @commands, ['import', "$dir/vectors"];
            is_deeply(picture("$dir/private"), $before, 'nothing changes behind it, whoever runs the tool');
        }
        unlink "$dir/lib/inbox.d/$name";
        rename "$dir/aside", "$dir/lib/inbox.d/$name" or die $!;
    }
    is(as($games, @tool, 'import', "$dir/vectors"), 0, 'without it all is well');
}

# Root's own file in a folder that others may change. The work waits for the writers' lock meanwhile.
sub held {
    my ($dir) = @_;
    open my $lock, '<', (glob "$dir/lib/inbox.db{.own/inbox.db,}.lock")[0] or die $!;
    flock $lock, LOCK_EX or die $!;
    return $lock;
}

sub eventually {
    my ($what) = @_;
    for (1 .. 500) {
        my $is = $what->();
        return $is if $is;
        select undef, undef, undef, 0.01;
    }
    return;
}

sub begun {
    my (@cmd) = @_;
    my $pid = fork // die;
    return $pid if $pid;
    quietly();
    exec @cmd;
}

{
    my $dir = server('');
    my @tool = ("$dir/complycube-inbox", '-c', "$dir/inbox.conf");
    is(as($news, 'mkdir', "$dir/lib/out"), 0, 'an application\'s user has a folder');
    spew("$dir/victims/b.db.tmp", "precious\n", 0, 0600);
    my $before = picture("$dir/victims");
    my $lock = held($dir);
    my $pid = begun(@tool, 'backup', "$dir/lib/out/b.db");
    ok(eventually(sub { -e "$dir/lib/out/b.db.tmp" }), 'root makes a backup there');
    is(as($news, 'mv', "$dir/lib/out", "$dir/lib/was") + as($news, 'ln', '-s', "$dir/victims", "$dir/lib/out"), 0, 'and a link takes the folder\'s place');
    close $lock;
    waitpid $pid, 0;
    is_deeply(picture("$dir/victims"), $before, 'the file gets its name where it is');
    ok(-s "$dir/lib/was/b.db", 'and is whole');
    isnt(as(0, @tool, @$_), 0, "@$_[0]: through such a link root makes none") for ['backup', "$dir/lib/out"], ['backup', "$dir/lib/out/c.db"], ['export', '--file', "$dir/lib/out/e"];
    is_deeply(picture("$dir/victims"), $before, 'nothing is made behind it');

    mkdir "$dir/root", 0700;
    DBI->connect("dbi:SQLite:dbname=$dir/lib/inbox.db", '', '', { RaiseError => 1 })->do('CREATE TABLE large AS SELECT zeroblob(20000000)');
    $lock = held($dir);
    $pid = begun(@tool, 'backup', "$dir/root/b.db");
    my $worker = eventually(sub { my ($child) = Fixture::slurp("/proc/$pid/task/$pid/children") =~ /(\d+)/; $child && (stat "/proc/$child")[4] == $games && $child });
    ok($worker, 'a process of the owner\'s does the work');
    kill 'KILL', $pid;
    waitpid $pid, 0;
    close $lock;
    ok(eventually(sub { !-e "/proc/$worker" || Fixture::slurp("/proc/$worker/stat") =~ /\) Z / }), 'it ends');
    is(-s "$dir/root/b.db.tmp", 0, 'with the one that stays root: it copies nothing any more');
}

# What root names and only root may use.
{
    my $dir = server('');
    my @tool = ("$dir/complycube-inbox", '-c', "$dir/inbox.conf");
    mkdir "$dir/root", 0700;
    system('cp', '-r', 'tests/vectors', "$dir/root/vectors");
    is(as(0, @tool, 'import', "$dir/root/vectors"), 0, 'root imports a folder of its own');
    is(as(0, @tool, 'backup', "$dir/root/b.db"), 0, 'root makes a backup in a folder of its own');
    is(join(' ', map { sprintf '%d %04o', $_->[4], $_->[2] & 07777 } [stat "$dir/root/b.db"]), '0 0600', 'which is root\'s, closed');
    is(as(0, @tool, 'backup', "$dir/root/b.db"), 2, 'it takes no name that is taken');
    is(as(0, @tool, 'export', '--file', "$dir/root/e.jsonl"), 0, 'root exports there');
    is(scalar(() = Fixture::slurp("$dir/root/e.jsonl") =~ /\n/g), 26, 'every event');
    isnt(as(0, @tool, 'export', '--file', "$dir/root/none.jsonl", '--client', 'nobody'), 0, 'an export that fails');
    is_deeply([sort glob "$dir/root/*"], [map { "$dir/root/$_" } qw(b.db e.jsonl vectors)], 'leaves nothing');
    is(as(0, @tool, 'restore', "$dir/root/b.db"), 0, 'root restores from there');
    is_deeply([glob "$dir/lib/*.{restored-from,backup}* $dir/lib/inbox.db.own/*{restored-from,backup-}*"], [], 'with no copy left beside the database');
    is((stat "$dir/lib/inbox.db")[4], $games, 'the database belongs to its owner');
    is(as(0, @tool, 'import', "$dir/root/e.jsonl"), 0, 'and imports a file of its own');
}

# Root acts as root only where nobody else could have arranged it.
{
    my $dir = server('');
    my @tool = ("$dir/complycube-inbox", '-c', "$dir/inbox.conf");
    chown 0, $users, "$dir/lib";
    is(as(0, @tool, 'list'), 5, 'in a folder of root\'s that others may write the tool refuses');
    chown 0, 0, "$dir/lib";
    chmod 01777, "$dir/lib";
    is(as(0, @tool, 'list'), 5, 'a sticky one too');
    chmod 0755, "$dir/lib";
    system("chown", "-R", "0:0", "$dir/lib", "$dir/spool");
    is(as(0, @tool, "list"), 0, 'in one of root\'s alone it acts as root');
    for (['directory', qq(inbox = "directory"\ndirectory = "shared/inbox.d")], ['spool', 'spool = "shared/spool"']) {
        my ($key, $lines) = @$_;
        mkdir "$dir/shared";
        chown 0, $users, "$dir/shared";
        chmod 03770, "$dir/shared";
        spew("$dir/other.conf", qq(database = "lib/inbox.db"\n$lines\nendpoint live { secret_file = "etc/secrets" }\n), 0, 0644);
        my @other = ("$dir/complycube-inbox", '-c', "$dir/other.conf");
        my $path = "$dir/shared/" . ($key eq 'spool' ? 'spool' : 'inbox.d');
        is(as($news, 'ln', '-s', "$dir/victims", $path), 0, "the $key lies where others may write");
        is(as(0, @other, 'list'), 5, 'root acts on no such one as root');
        unlink $path;
    }
    chown $games, -1, "$dir/inbox.conf";
    is(as(0, @tool, 'list'), 5, 'but not by a configuration that another user may change');
}
# As the Debian package lays it out: nobody but root may write the secrets' folder, so nobody else can make the mark there.
subtest 'root leaves a mark beside secrets of its own' => sub {
    my $dir = server('');
    unlink glob "$dir/etc/*.database";
    chown 0, $users, "$dir/etc", "$dir/etc/secrets";
    chmod 0750, "$dir/etc";
    chmod 0640, "$dir/etc/secrets";
    my $mark = "$dir/etc/secrets.database";
    is(as($games, "$dir/complycube-inbox", '-c', "$dir/inbox.conf", 'init'), 0, 'the receiver\'s user runs init');
    ok(!-l $mark, 'and can make no mark');
    chown $games, -1, "$dir/inbox.conf";
    chown 0, (getpwnam 'games')[3], "$dir/etc", "$dir/etc/secrets";
    is(as(0, "$dir/complycube-inbox", '-c', "$dir/inbox.conf", 'init'), 0, 'root runs init over a configuration of another user');
    ok(!-l $mark, 'root makes no file that such a configuration names');
    chown 0, -1, "$dir/inbox.conf";
    chown $games, -1, "$dir/etc";
    chmod 0550, "$dir/etc";
    as(0, "$dir/complycube-inbox", '-c', "$dir/inbox.conf", 'init');
    ok(!-l $mark, 'nor one in a folder of another user');
    chown 0, -1, "$dir/etc";
    rename "$dir/lib/inbox.db", "$dir/lib/kept";
    symlink '/nonexistent', "$dir/lib/inbox.db";
    isnt(as(0, "$dir/complycube-inbox", '-c', "$dir/inbox.conf", 'init'), 0, 'an init of root that fails');
    ok(!-l $mark, 'makes no mark');
    rename "$dir/lib/kept", "$dir/lib/inbox.db";
    is(as(0, "$dir/complycube-inbox", '-c', "$dir/inbox.conf", 'init'), 0, 'one that ends well');
    is(readlink $mark, "$dir/lib/inbox.db", 'does');
    is((stat "$dir/lib/inbox.db")[4], $games, 'and the database is the receiver\'s all the same');
};

done_testing;
