#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox doctor: faults of the configuration, the secrets, the files and the database are seeded one by one, and
# mended by nothing but what it prints, applied literally (tests/lib/Doctor.pm). Servers: tests/e2e/doctor-*.t.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cwd ();
use DBI;
use File::Temp qw(tempdir);
use JSON::PP;
use POSIX ();
use Test::More;
use Doctor;
use Event;
use Fixture;
use Proc qw(unprivileged wait_until);
use Tool;

my $EVENTS = qr/^ *events *=.*$/m;

# The sample's lines with their own values, and events of any type.
sub fixture {
    my (%o) = @_;
    my $f = Fixture->new(%o);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($f->config) =~ s/$EVENTS/    events = {"*"}/mr) if !$o{conf};
    tool($f, 'init');
    return $f;
}

sub config { my ($f, $change) = @_; local $_ = Fixture::slurp($f->config); $change->(); $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $_); return }

sub works {
    my ($f, $secret) = @_;
    my $body = event();
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] });
    is $answer->{status}, 200, 'a signed event is stored then' or diag $answer->{log};
}

sub fault {
    my ($name, $verdict, $what, $seed, %o) = @_;
    subtest $name => sub {
        my $f = fixture(%{ $o{fixture} // {} });
        my %more = $seed->($f);
        mended($f, $verdict, $what, %o, %more);
        works($f, $o{secret});
        $more{end}->() if $more{end};
        $f->finish;
    };
}

# What a person writes who has the webhook's secret before him.
sub write_secret {
    my ($value) = @_;
    return sub {
        my ($words) = @_;
        my ($file, $line) = $words =~ /^in (\S+) add: (main SECRET) / or return fail("it names the file and the line: $words");
        open my $out, '>>', $file or die "$file: $!";
        print $out $line =~ s/SECRET/$value/r, "\n";
    };
}

# ---- nothing wrong ----

# Of receivers it tells whatever runs on this machine: those of other tests too, which come and go.
sub not_of_receivers { my (@findings) = @_; return grep { $_->{what} !~ /^(?:receiver|sandbox)$/ } @findings }

subtest 'a sound set-up' => sub {
    my $f = fixture();
    works($f);
    my ($code, @findings) = doctor($f);
    @findings = not_of_receivers(@findings);
    is $code, 0, 'nothing is wrong with it';
    is_deeply [map { $_->{finding} } grep { $_->{verdict} ne 'ok' } @findings], [], 'nor anything to be warned of';
    my ($seen) = grep { $_->{what} eq 'user' } @findings;
    my $name = getpwuid((unprivileged())[0] // $>);
    like $seen->{finding}, qr/judged for \Q$name\E\b/, 'it says for whom it speaks';
    my ($json) = (tool($f, 'doctor', '--json'))[0];
    is $json, 0, 'as JSON too';
    my (undef, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $f->config, 'doctor', '--json');
    my @rows = not_of_receivers(map { decode_json($_) } split /\n/, $out);
    is_deeply [sort keys %{ $rows[0] }], [qw(cure finding schema verdict what why)], 'with these members';
    is_deeply [map { $_->{what} } @rows], [map { $_->{what} } @findings], 'and the same findings';
    is $f->counts, '1 1 0', 'it has changed nothing';
    $f->finish;
};

subtest 'colour' => sub {
    my $f = fixture();
    my ($tool, $conf) = ($f->path('run/complycube-inbox'), $f->config);
    for my $try (['', 1], ['NO_COLOR=1', 0], ['NO_COLOR=', 1]) {
        my $out = `script -qec "env -u NO_COLOR $try->[0] $tool -c $conf doctor" /dev/null </dev/null`;
        like $out, qr/configuration/, 'on a terminal';
        is $out =~ /\033\[/ ? 1 : 0, $try->[1], "colour only there: $try->[0]";
    }
    $f->finish;
};

# ---- the configuration ----

fault 'a value that is none', wrong => 'config', sub { config($_[0], sub { s/^#?\s*journal.*\n//mg; s/\A/journal = "wall"\n/ }) };
fault 'max_body is no size', wrong => 'config', sub { config($_[0], sub { s/^#?\s*max_body.*\n//mg; s/\A/max_body = "lots"\n/ }) };
fault 'the directory form without its folder', wrong => 'config', sub { config($_[0], sub { s/^#?\s*(?:inbox|directory) .*\n//mg; s/\A/inbox = "directory"\n/ }) };
fault 'a time without a unit', wrong => 'config', sub { config($_[0], sub { s/^#?\s*retain.*\n//mg; s/\A/retain = "90"\n/ }) };
fault 'an unknown key', wrong => 'config', sub { config($_[0], sub { s/\A/backup = "x"\n/ }) };
fault 'a key with a letter missing', wrong => 'config', sub { config($_[0], sub { s/^database/databse/m }) }, finding => qr/did you mean database\?$/;
fault 'two letters swapped, in a section', wrong => 'config', sub { config($_[0], sub { s/secret_file/secret_flie/ }) };
fault 'the name of a section', wrong => 'config', sub { config($_[0], sub { s/^endpoint/endpiont/m }) };
fault 'a log that is nowhere', wrong => 'config', sub { config($_[0], sub { s/^#?\s*log .*\n//mg; s/\A/log = "somewhere"\n/ }) };
fault 'a key without its equals sign', wrong => 'config', sub { config($_[0], sub { s/^#?\s*journal.*\n//mg; s/\A/journal "wal"\n/ }) },
    hand => sub {
        my ($line, $file) = $_[0] =~ /^mend line (\d+) of (\S+), or a quote/ or return fail("it names the line: $_[0]");
        Doctor::cure({ cures => ["in $file:$line write: journal = \"wal\""] });
    };
fault 'a configuration that anyone may write', wrong => 'config', sub { chmod 0666, $_[0]->config; () };
fault 'a group that does not exist', wrong => 'config', sub { config($_[0], sub { s/^#?\s*group.*\n//mg; s/\A/group = "no-such-group"\n/ }) };

# ---- secrets ----

fault 'a missing secret file', wrong => 'secrets', sub { unlink $_[0]->path('home/private/secrets'); () },
    hand => write_secret($SECRET{live});
fault 'an empty secret file', wrong => 'secrets', sub { $_[0]->secrets('secrets', ''); () }, hand => write_secret($SECRET{live});
fault 'a secret file that anyone may write', wrong => 'secrets', sub { chmod 0666, $_[0]->path('home/private/secrets'); () };
fault 'the secret of the manual', wrong => 'secrets', sub { $_[0]->secrets('secrets', "# mine\nmain PASTE_THE_SECRET_HERE\n"); () },
    hand => sub {
        my ($line, $file) = $_[0] =~ /^in line (\d+) of (\S+), put .* in place of PASTE_THE_SECRET_HERE$/ or return fail("it names the line: $_[0]");
        Doctor::cure({ cures => ["in $file:$line write: main $SECRET{live}"] });
    };

fault 'a secret in quotes', wrong => 'secrets', sub { $_[0]->secrets('secrets', "# mine\nmain \"$SECRET{live}\"\n"); () },
    hand => sub {
        my ($line, $file) = $_[0] =~ /^mend line (\d+) of (\S+)$/ or return fail("it names the line: $_[0]");
        Doctor::cure({ cures => ["in $file:$line write: main $SECRET{live}"] });
    };

subtest 'a secret that matched, and has another value now' => sub {
    my $f = fixture();
    my $wrong = '0123456789abcdef0123456789abcdef';
    my $refused = sub {
        for (1 .. $_[0]) {
            my $body = event();
            my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
            is $answer->{status}, $_[1], 'a signed event is answered ' . $_[1];
        }
    };
    my $warned = sub { my ($code, @findings) = doctor($f); is $code, 0, 'nothing is wrong'; return grep { $_->{finding} =~ /none was accepted since/ } only('secrets', @findings) };
    works($f);
    change($f, 'UPDATE counter SET last_ms = last_ms - 600000');    # ten minutes ago
    $f->secrets('secrets', "main $wrong\n");
    $refused->(4, 400);
    is_deeply [$warned->()], [], 'four that are refused are none to be warned of';
    $refused->(1, 400);
    my @seen = $warned->();
    is scalar @seen, 1, 'five are' or diag $f->{said};
    like $seen[0]{finding}, qr/^5 requests were refused for their signature since \d{4}-\d\d-\d\d \S+ \S+, and none was accepted since$/, 'in these words';
    my $file = Cwd::realpath($f->path('home/private/secrets'));
    is_deeply [map { s{ in (\S+),}{' in ' . Cwd::realpath($1) . ','}er } @{ $seen[0]{cures} }], ["by hand: in $file, compare the line main with the webhook's secret"], 'the line is named';
    $f->secrets('secrets', "main $SECRET{live}\n");
    $refused->(1, 200);
    is_deeply [$warned->()], [], 'one that is accepted ends it';
    $f->finish;
};

# ---- files ----

# Who has no backup moves away what is there, if anything is.
sub without_backup {
    my ($f) = @_;
    my $hand = sub {
        my ($words) = @_;
        return if $words !~ /^without a backup/;
        for my $suffix ($words =~ /the file away/ ? '' : (), $words =~ /-wal/ ? '-wal' : (), $words =~ /-shm/ ? '-shm' : ()) {
            rename $f->database . $suffix, $f->path("run/away$suffix");
        }
    };
    return (hand => $hand, skip => qr/ restore "\$BACKUP"$/);
}

# Who has one gives its path to the shell.
sub with_backup {
    my ($f, $file, %more) = @_;
    $ENV{BACKUP} = $file;
    return (
        %more,
        hand => sub { like $_[0], qr/\bback|^with/, 'it speaks of a backup' },
        skip => qr/ init$/,
        end => sub {
            delete $ENV{BACKUP};
            is $f->value(q(SELECT count(*) FROM event_log)), 2, 'what the backup holds is there, and what came after';
        },
    );
}

# One event, in a backup.
sub backed_up {
    my ($f) = @_;
    record($f, event());
    my $file = $f->path('run/saved.db');
    is +(tool($f, 'backup', $file))[0], 0, 'a backup';
    return $file;
}

fault 'no database yet', wrong => 'not-found', sub { unlink glob $_[0]->database . '*'; without_backup($_[0]) };
fault 'no folder', wrong => 'database', sub { config($_[0], sub { s/inbox\.db/none\/inbox.db/ }); without_backup($_[0]) };
fault 'a database that is gone, and a backup', wrong => 'not-found', sub {
    my ($f) = @_;
    my $file = backed_up($f);
    unlink glob $f->database . '*';
    return with_backup($f, $file);
};
fault 'a damaged database with its log, and a backup', wrong => 'database', sub {
    my ($f) = @_;
    my $file = backed_up($f);
    $f->write('home/private/inbox.db', "no database\n" x 1000, 0600);
    $f->write('home/private/inbox.db-wal', "no log\n" x 1000, 0600);
    return with_backup($f, $file, restore => 1);
};
for my $backup (1, 0) {
    fault 'a log without its database' . ($backup ? ', and a backup' : ''), wrong => 'database', sub {
        my ($f) = @_;
        my $file = backed_up($f);
        my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
        $db->do('UPDATE setting SET lease_ms = lease_ms');
        record($f, event());
        my $log = Fixture::slurp($f->database . '-wal');
        $db->disconnect;
        unlink glob $f->database . '*';
        $f->write('home/private/inbox.db-wal', $log, 0600);
        return $backup ? with_backup($f, $file, restore => 1) : without_backup($f);
    };
}
fault 'a database that anyone may read', wrong => 'permissions', sub { chmod 0666, $_[0]->database; () };
fault 'a database that its owner may not write', wrong => 'database', sub { chmod 0400, $_[0]->database; () };
fault 'no database but a file', wrong => 'database', sub { unlink $_[0]->database; $_[0]->write('home/private/inbox.db', "no database\n" x 100, 0600); without_backup($_[0]) };
fault 'a database of another program', wrong => 'schema', sub {
    my ($f) = @_;
    unlink glob $f->database . '*';
    $f->write('home/private/inbox.db', '', 0600);
    DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 })->do('CREATE TABLE theirs(x)');
    DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 })->do('PRAGMA user_version = 7');
    my $before = Fixture::slurp($f->database);
    return end => sub { is Fixture::slurp($f->path('home/private/inbox.db')), $before, 'what belongs to the other is left alone' };
};

subtest 'a database of a newer version' => sub {
    my $f = fixture();
    change($f, 'PRAGMA user_version = 3');
    my ($code, @findings) = doctor($f);
    is $code, 1, 'is wrong';
    my ($seen) = only('schema', @findings);
    like $seen->{cures}[0], qr/^by hand: install the newer version/, 'and it says what helps';
    needs_no_message($f, $code, \@findings);
    change($f, 'PRAGMA user_version = 1');
    $f->finish;
};

subtest 'a database of an older version' => sub {
    my $f = fixture();
    change($f, 'DROP TRIGGER inbox_state', 'DROP TABLE history');
    my ($code, @findings) = doctor($f);
    is $code, 0, 'events are stored all the same';
    my ($seen) = only('schema', @findings);
    like $seen->{finding}, qr/without .*\bhistory\b/, 'it names what is not there';
    like $seen->{cures}[0], qr/complycube-inbox -c \S+ migrate$/, 'and the command';
    needs_no_message($f, $code, \@findings);
    cure($seen);
    my (undef, @after) = doctor($f);
    is_deeply [only('schema', @after)], [], 'which mends it';
    works($f);
    $f->finish;
};

fault 'a folder of the directory form is gone', wrong => 'directory', sub { system('rm', '-r', $_[0]->path('home/private/inbox.d/live/cur')); () },
    fixture => { conf => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\ndatabase = "../../private/inbox.db"\nendpoint live { secret_file = "../../private/secrets" }\n) };
fault 'a folder of the directory form that cannot be used', wrong => 'directory', sub { chmod 0500, $_[0]->path('home/private/inbox.d/live/new'); () },
    fixture => { conf => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\ndatabase = "../../private/inbox.db"\nendpoint live { secret_file = "../../private/secrets" }\n) };

fault 'a configuration below a folder that cannot be passed', wrong => 'config', sub { chmod 0000, $_[0]->path('home/public_html'); () };
fault 'a secret below a folder that cannot be passed', wrong => 'secrets', sub {
    my ($f) = @_;
    $f->folder('home/private/deep');
    $f->secrets('deep/secrets', "main $SECRET{live}\n");
    config($f, sub { s{private/secrets"}{private/deep/secrets"} });
    chmod 0000, $f->path('home/private/deep');
    return;
};
fault 'a database below a folder that cannot be passed', wrong => 'database', sub {
    my ($f) = @_;
    $f->folder('home/private/deep');
    $f->folder('home/private/deep/er', 0700);
    config($f, sub { s{private/inbox.db"}{private/deep/er/inbox.db"} });
    tool($f, 'init');
    chmod 0600, $f->path('home/private/deep');
    return;
};
fault 'a path with an odd name', wrong => 'permissions', sub {
    my ($f) = @_;
    my $odd = q(it's; `x` $HOME);
    $f->folder("home/private/$odd", 0700);
    config($f, sub { s{private/inbox.db"}{private/it's; `x` \\\$HOME/inbox.db"} });
    tool($f, 'init');
    ok -e $f->path("home/private/$odd/inbox.db"), 'the database is there';
    chmod 0666, $f->path("home/private/$odd/inbox.db");
    return;
};

# ---- older copies ----

subtest 'older copies beside the database' => sub {
    my $f = fixture();
    my $db = Cwd::realpath($f->path('home/private')) . '/inbox.db';
    my $file = backed_up($f);
    is +(tool($f, 'restore', $file))[0], 0, 'restore leaves one';
    change($f, 'DROP TRIGGER inbox_state');
    is +(tool($f, 'migrate'))[0], 0, 'migrate another';
    my @left = glob "$db.before-*";
    is scalar(grep { /\.before-(?:migrate-)?\d{8}T\d{6}Z$/ } @left), 2, 'both are there' or diag "@left";
    my @named = map { $f->write("home/private/$_", 'x') } 'inbox.db.damaged', 'inbox.db-wal.damaged', 'inbox.db.restoring', "inbox.db.before-it's";
    my @others = map { $f->write("home/private/$_", 'x') } 'inbox.db.bak', 'other.db.before-1', 'inbox.database';
    $f->folder('home/private/inbox.db.before-folder');
    my ($code, @findings) = doctor($f);
    is $code, 0, 'they are not wrong';
    my ($seen) = only('copies', @findings);
    like $seen->{why}, qr/^an older copy of the database still holds what was erased since$/, 'it says why' or diag $f->{said};
    is scalar(grep { /restoring/ } @{ $seen->{cures} }), 0, 'one that is being written belongs to a restore that runs';
    utime 1, 1, "$db.restoring";
    mended($f, warning => 'copies', finding => qr/^\d+ files beside the database/, hand => sub { like $_[0], qr/nothing is missed of them/, 'a look first' });
    is_deeply [grep { -e } @left, @named], [], 'they are gone';
    is_deeply [grep { !-e } @others, $f->path('home/private/inbox.db.before-folder'), $f->database], [], 'and nothing else';
    works($f);
    $f->finish;
};

fault 'a database that was deleted while in use, and saved', warning => 'copies', sub {
    my ($f) = @_;
    my $file = backed_up($f);
    unlink glob $f->database . '*';
    tool($f, 'init');
    my $saved = $f->write('home/private/inbox.db.deleted-20260101T000000Z', Fixture::slurp($file), 0600);
    return (
        hand => sub { like $_[0], qr/nothing is missed of them/, 'of what restore left aside' },
        end => sub {
            ok !-e $saved, 'the file is gone';
            is $f->value('SELECT count(*) FROM event_log'), 2, 'and what it held is in the database, with what came later';
        },
    );
};

# ---- types ----

subtest 'types that are ignored' => sub {
    my $f = fixture();
    config($f, sub { s/events = .*$/events = {"check.completed"}/m });
    my $body = event(type => 'check.pending');
    $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
    is $f->value('SELECT state FROM inbox'), 3, 'an event is ignored';
    mended($f, warning => 'ignored', finding => qr/check\.pending/);
    like Fixture::slurp($f->config), qr/^events = \{"check.completed", "check.pending"\}$/m, 'the line is in the configuration';
    $f->finish;
};

# ---- file systems ----

subtest 'a tmpfs' => sub {
    my $f = fixture();
    my $shm = tempdir('cw-XXXXXX', DIR => '/dev/shm', CLEANUP => 1);
    my @user = unprivileged();
    chown @user, $shm if @user;
    config($f, sub { s{^database.*$}{database = "$shm/inbox.db"}m });
    tool($f, 'init');
    my ($code, @findings) = doctor($f);
    is $code, 0, 'works';
    my ($seen) = only('file system', @findings);
    like $seen->{finding}, qr/tmpfs: it is gone after a reboot/, 'and is warned of';
    $f->finish;
};

subtest 'an overlay' => sub {    # statfs is made to say so: see below; but nothing can be loaded into a static tool
    my $f = fixture();
    my $overlay = $f->folder('overlay', 0700);
    my ($env, @mounted) = ({});
    if (!Fixture::static()) {
        $env = shim($f);
    } elsif ($> == 0) {
        my %part = map { $_ => $f->folder("run/$_", 0700) } qw(lower upper work);
        @mounted = $overlay if system('mount', '-t', 'overlay', 'overlay', '-o', join(',', map { $_ . "dir=$part{$_}" } sort keys %part), $overlay) == 0;
    }
    plan skip_all => 'an overlay cannot be mounted here' if !@mounted && Fixture::static();
    config($f, sub { s{^database.*$}{database = "../../../overlay/inbox.db"}m });
    tool($f, 'init');
    my ($code, @findings) = doctor($f, { env => $env });
    is $code, 0, 'works';
    my ($seen) = only('file system', @findings);
    like $seen->{finding}, qr/overlay: in a container it is gone with the container/, 'and is warned of' or diag $f->{said};
    $f->finish;
    system('umount', @mounted) == 0 or diag "umount @mounted" if @mounted;
};

# A network file system: bindfs is FUSE, which counts as one and needs root here. Where it cannot be mounted, statfs is
# made to say NFS by a library of this test; the rest is real.
use constant SHIM => <<'C';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/vfs.h>
static void played(const char *path, struct statfs64 *out)
{
    if (strstr(path, "/remote"))
        out->f_type = 0x6969;
    if (strstr(path, "/overlay"))
        out->f_type = 0x794c7630;
}
int statfs64(const char *path, struct statfs64 *out)
{
    int (*real)(const char *, struct statfs64 *) = (int (*)(const char *, struct statfs64 *))dlsym(RTLD_NEXT, "statfs64");
    int result = real(path, out);
    if (result == 0)
        played(path, out);
    return result;
}
C

sub network {
    my ($f) = @_;
    my $mount = $f->folder('remote', 0700);
    my $backing = $f->folder('backing', 0700);
    if ($> == 0 && -w '/dev/fuse' && system("bindfs -o suid '$backing' '$mount' 2>/dev/null") == 0) {
        return (end => sub { system("umount '$mount'") == 0 or diag "umount $mount" });
    }
    return (env => shim($f), end => sub { });
}

sub shim {
    my ($f) = @_;
    $f->write('run/shim.c', SHIM);
    my $shim = $f->path('run/shim.so');
    system('gcc', '-shared', '-fPIC', '-o', $shim, $f->path('run/shim.c'), '-ldl') == 0 or die 'gcc';
    return { LD_PRELOAD => $shim };
}

subtest 'WAL on a network file system' => sub {
    my $f = fixture();
    my %n = network($f);
    note $n{env} ? 'statfs says so' : 'bindfs';
    config($f, sub { s{^database.*$}{database = "../../../remote/inbox.db"}m; s/\A/journal = "wal"\n/ });
    my $run = \&Fixture::run;
    no warnings 'redefine';
    local *Fixture::run = sub { my ($self, @cmd) = @_; my %o = ref $cmd[-1] ? %{ pop @cmd } : (); $run->($self, @cmd, { %o, env => { %{ $o{env} // {} }, %{ $n{env} // {} } } }) };
    tool($f, 'init');
    mended($f, wrong => 'journal', finding => qr/wal, but \S+ lies on a network file system/);
    like Fixture::slurp($f->config), qr/^journal = "auto"$/m, 'the configuration lets the program choose';
    my $db = $f->path('remote/inbox.db');
    is unpack('C', substr Fixture::slurp($db), 18, 1), 1, 'and the file is in its old format, with a rollback journal';
    works($f) if !$n{env};
    $n{end}->();
    $f->finish;
};

# ---- what needs two users ----

if ($> == 0 && unprivileged()) {
    my ($user) = getpwuid((unprivileged())[0]);
    fault 'a database of another owner', wrong => 'database', sub { chown 0, 0, $_[0]->database; () };
    fault 'a log of another owner', wrong => 'database', sub {
        my ($f) = @_;
        my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
        $db->do("UPDATE setting SET lease_ms = lease_ms");
        chown 0, 0, map { $f->database . $_ } qw(-wal -shm);
        return end => sub { $db->disconnect };
    };
    fault 'a secret file of another owner', wrong => 'secrets', sub { chown 0, 0, $_[0]->path('home/private/secrets'); () };
    fault 'files of root, as root sees them', wrong => 'database', sub { chown 0, 0, $_[0]->database; () }, root => 1;
    subtest 'root' => sub {
        my $f = fixture();
        my ($code, @findings) = doctor($f, { root => 1 });
        is $code, 0, 'all is well';
        my ($seen) = grep { $_->{what} eq 'user' } @findings;
        like $seen->{finding}, qr/judged for $user, the owner of/, 'as far as the owner of the folder goes';
        $f->finish;
    };

    subtest 'somebody else' => sub {
        my $f = fixture();
        my $as = sub {
            my ($name) = @_;
            no warnings 'redefine';
            my @other = getpwnam $name;
            local *Proc::unprivileged = sub { @other[2, 3] };
            chmod 01777, $f->path('run');
            return doctor($f);
        };
        my $config = $f->config;
        for my $way ('the folder of the database', 'a folder above it') {
            if ($way =~ /above/) {
                $f->folder('home/private/deep', 0755);
                chmod 0711, $f->path('home/private');
                config($f, sub { s{private/inbox.db"}{private/deep/inbox.db"} });
                tool($f, 'init');
                chmod 0700, $f->path('home/private');
            }
            my ($code, @findings) = $as->('daemon');
            is $code, 1, "$way: it is wrong";
            my ($seen, @more) = grep { $_->{verdict} ne 'ok' } @findings;
            is $seen->{what}, 'user', 'to run it as this user';
            is $seen->{finding}, "you are daemon; the receiver's files belong to $user", 'which it says';
            is scalar @more, 0, 'and nothing else' or diag $f->{said};
            my $tool = $f->path('run/complycube-inbox') . " -c $config";
            is_deeply [grep { !/^by hand/ } @{ $seen->{cures} }], ["sudo -u $user $tool doctor", "sudo $tool doctor --as daemon"], 'the commands to run instead';
        }
        chown 0, 0, $f->path('home/private');
        chmod 0755, $f->path('home/private');
        chown 0, 0, $f->path('home/private/deep');
        my (undef, @findings) = $as->('daemon');
        is_deeply [map { $_->{what} } grep { $_->{verdict} ne 'ok' } @findings], ['user'], 'in a folder of root the file tells whose it is';
        chown 0, 0, glob $f->path('home/private/deep/*');
        (undef, @findings) = $as->('daemon');
        like join(' ', map { @{ $_->{cures} } } only('database', @findings)), qr/\bchown -h daemon /, 'where it is of root, whoever runs this may be the receiver';
        $f->finish;
    };

    # daemon is a user and a group of any Debian, and no member of the web server's
    my @daemon = getpwnam 'daemon';
    my $shared = sub {
        my ($f) = @_;
        chown -1, $daemon[3], $f->path('home/private');
        chmod 03770, $f->path('home/private');
        config($f, sub { s/\A/group = "daemon"\n/ });
        chown +(unprivileged())[0], 0, $f->config;
        my $tool = $f->path('run/complycube-inbox');
        system("setpriv --reuid @{[(unprivileged())[0]]} --regid @{[(unprivileged())[0]]} --groups $daemon[3] $tool -c @{[$f->config]} init >/dev/null") == 0 or die 'init';
    };
    subtest 'a consumer of another user' => sub {
        my $f = fixture();
        my ($code, $err) = tool($f, 'doctor', '--as', 'daemon');
        is $code, 2, '--as needs root';
        like $err, qr/only root can try/, 'and says so';
        is +(doctor($f, '--as', 'no-such-user', { root => 1 }))[0], 2, 'there must be such a user';
        my (undef, @findings) = doctor($f, '--as', 'daemon', { root => 1 });
        my ($seen) = only('consumer', @findings);
        like $seen->{finding}, qr/^daemon cannot use \S+: Permission denied/, 'who cannot go there is told so';
        $shared->($f);
        ($code, @findings) = doctor($f, '--as', 'daemon', { root => 1 });
        is $code, 0, 'in the group of the configuration' or diag $f->{said};
        like join(' ', map { $_->{finding} } grep { $_->{what} eq 'consumer' } @findings), qr/daemon can use the inbox/, 'it can';
        chmod 0640, $f->database;
        chmod 0700, $f->path('home/private');
        mended($f, wrong => 'consumer', args => ['--as', 'daemon'], root => 1);
        chmod 0700, $f->path('home');
        mended($f, wrong => 'consumer', args => ['--as', 'daemon'], root => 1, finding => qr{/home: Permission});
        my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
        $db->do('UPDATE setting SET lease_ms = lease_ms');
        ok -e $f->database . '-shm', 'side files are there';
        chmod 0600, map { $f->database . $_ } qw(-wal -shm);
        mended($f, wrong => 'consumer', args => ['--as', 'daemon'], root => 1, finding => qr{-(?:wal|shm): Permission});
        $db->disconnect;
        chown $daemon[2], $daemon[3], $f->path('home/private/secrets');
        mended($f, warning => 'consumer', args => ['--as', 'daemon'], root => 1, finding => qr{can read the secrets});
        works($f);
        $f->finish;
    };
    subtest 'no group' => sub {
        my $f = fixture();
        chmod 0711, $f->path('home/private');
        my (undef, @findings) = doctor($f, '--as', 'daemon', { root => 1 });
        my ($seen) = only('consumer', @findings);
        is_deeply [map { s/ .*//r } @{ $seen->{cures} }], ['groupadd', 'usermod', 'usermod', 'chgrp', 'in', $f->path('run/complycube-inbox')], 'the cure has each step'
            or diag explain $seen;
        like $seen->{cures}[4], qr/^in \S+(?: add|:\d+ write): group = "complycube-app"$/, 'and the line';
        $f->finish;
    };
}
# Whoever keeps the others from writing is found with what it prints, and ended.
my %KEEP = (
    "a transaction that is never ended" => ["begin immediate;\n.shell sleep 300\n", 'sqlite3'],
    "the writers' lock, held for ever" => ['', 'flock', 'sleep', 300],
);
for my $name (sort keys %KEEP) {
    fault($name, 'wrong', 'busy', sub {
        my ($f) = @_;
        my ($script, $program, @rest) = @{ $KEEP{$name} };
        my $file = $f->database . ($program eq 'flock' ? '.lock' : '');
        my $p = Proc->start(cmd => [$program, $file, @rest], stdin => $f->write('run/script', $script), stdout => $f->path('log/keep.log'));
        wait_until(sub { (doctor($f))[0] }, 20) or fail('it keeps others from writing');
        return hand => sub {
            my ($words) = @_;
            my ($look) = $words =~ /: fuser -v (.*)$/ or return fail("it says how to look: $words");
            my @pids = map { m{^/proc/(\d+)/} } grep { my $to = readlink; defined $to && grep { $to eq $_ } split ' ', $look } glob '/proc/[0-9]*/fd/*';
            ok scalar(grep { $_ == $p->pid } @pids), 'it is one of those who have these files open';
            $p->stop;
        };
    });
}

done_testing;
