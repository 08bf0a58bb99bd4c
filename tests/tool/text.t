#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Whatever stands in rows, names of files, arguments and answers of others: a terminal, a mail and a program that reads JSON get
# printable text of it, from each command.
use strict;
use warnings;
use DBI;
use Encode qw(decode encode FB_CROAK);
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use POSIX ();
use Test::More;
use Event;
use Fixture;
use Tool;

# A title that is set, a screen that is cleared, C1 as a character and as a byte, a turned text, no width, lines, a mark, a tag.
my $TEXT = join '', "\e]0;pwned\a\e[2J", "\r\x7f", map { encode('UTF-8', chr hex) } qw(9b 61c 200f 202e 2066 200b 2028 2029 feff e0041);
my $HOSTILE = "a$TEXT\x9b2J\xff";
my $NAME = $HOSTILE =~ tr{/\0}{}dr;    # of a file

# Controls, what turns a text or has no width, and bytes that are no text. A bar's own \r and \e[K are on a terminal only.
sub raw {
    my ($bytes) = @_;
    my $text = eval { decode('UTF-8', my $copy = $bytes, FB_CROAK) };
    return 'no UTF-8' if !defined $text;
    return sprintf 'U+%04X', ord $1
        if $text =~ /([\x00-\x08\x0b-\x1f\x7f-\x9f\xad\x{61c}\x{180e}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{e0000}-\x{e0fff}])/;
    return '';
}

my (%ran, %shown, @commands);

sub is_printable {
    my ($f, $what, @cmd) = @_;
    my %o = ref $cmd[-1] ? %{ pop @cmd } : ();
    my ($code, $out, $err) = tool_out($f, @cmd, { limit => 60, %o });
    my $printed = raw($out) || raw($err) || ($out =~ /pwned/ && $out =~ /^pwned/m ? 'a line of its own' : '');
    is $printed, '', "$what: " . join ' ', map { s/[^ -~]/?/gr } @cmd;
    $ran{ $cmd[0] }++;
    $shown{ $cmd[0] }++ if "$out$err" =~ /(?:\\x1b|\\u001b)\]0;pwned/;
    if (grep { $_ eq '--json' } @cmd) {
        my @bad = grep { !eval { JSON::PP->new->utf8->decode($_) } } split /\n/, $out;
        is "@bad", '', 'and each line is JSON';
    }
    return ($code, $out, $err);
}

# Every column of every table that takes a text.
sub poison {
    my ($f) = @_;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do('PRAGMA ignore_check_constraints=ON');
    $db->do("DROP TRIGGER $_->[0]") for @{ $db->selectall_arrayref("SELECT name FROM sqlite_master WHERE type='trigger'") };
    for my $table (map { $_->[0] } @{ $db->selectall_arrayref("SELECT name FROM sqlite_master WHERE type='table'") }) {
        my %keep = map { $_ => 1 } $table eq 'endpoint' ? 'name' : ();
        for my $c (@{ $db->selectall_arrayref("PRAGMA table_info($table)") }) {
            my ($name, $type) = @$c[1, 2];
            next if $type ne 'TEXT' || $keep{$name};
            $db->do("UPDATE $table SET $name = CAST(? AS TEXT) || rowid", undef, $HOSTILE);
        }
    }
    $db->do('UPDATE endpoint SET name = CAST(? AS TEXT) || id WHERE id > 1', undef, $HOSTILE);
    $db->do('UPDATE event_log SET body = CAST(? AS BLOB), payload_at = 0, payload_len = 3 WHERE seq = 2', undef, $HOSTILE);
    $db->do('UPDATE quarantine SET body = CAST(? AS BLOB)', undef, $HOSTILE);
    return $db;
}

# A folder, with events of each state, one in quarantine, one in the spool, and hostile text in all rows.
sub installation {
    my (%o) = @_;
    my $f = Fixture->new;
    my $conf = Fixture::slurp($f->config);
    $f->folder('home/private/spool', 0700);
    my $more = 'spool = "../../private/spool"' . ($o{files} ? "\ninbox = \"directory\"\ndirectory = \"../../private/inbox.d\"" : '');
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', "$more\n$conf");
    tool($f, 'init');
    record($f, map { event() } 1 .. 4);
    $f->cgi({ body => "x$HOSTILE", headers => ['ComplyCube-Signature' => sign("x$HOSTILE")] });
    change($f, 'UPDATE inbox SET state=2 WHERE seq=2', 'UPDATE inbox SET state=1 WHERE seq=3') if !$o{files};
    $f->cgi({ body => event(endpoint => 'sandbox'), headers => ['ComplyCube-Signature' => sign(event(), 'sandbox')] });
    return $f;
}

# What each command of --help is run with; one that is missing here runs without arguments, with 1, and with a hostile word.
sub arguments {
    my ($f) = @_;
    my ($line, $folder) = ($f->path("run/lines"), $f->path("run/$NAME"));
    return (
        list       => [[], ['--wide'], [qw(--state dead)]],
        follow     => [[qw(--since 365d), 'FOLLOW']],
        stats      => [[], [qw(--before 2027-01-01)]],
        show       => [[1], [2]],
        history    => [[], [1]],
        quarantine => [[], [qw(show 1)], [qw(accept 1 --reason x)], [qw(drop 1 --reason), $HOSTILE]],
        verify     => [['--stored'], [{ input => $HOSTILE }]],
        work       => [['--once', 'sh', '-c', 'printf "%s" "$1" >&2; exit 1', 'x', $HOSTILE], ['--once', "/$HOSTILE"]],
        forward    => [['--once', 'http://127.0.0.1:9/'], ['--once', "http://127.0.0.1:9/$HOSTILE"], ['--once', $HOSTILE]],
        doctor     => [[], ['--url', "http://127.0.0.1:9/$HOSTILE"], ['--server', $f->path("run/$NAME")]],
        spool      => [[], ['record'], ["show$HOSTILE"]],
        send       => [['http://127.0.0.1:9/'], [$HOSTILE], ['--type', $HOSTILE, 'http://127.0.0.1:9/']],
        sign       => [[{ input => $HOSTILE }]],
        requeue    => [[2, qw(--reason x)], [qw(--state dead --dry-run)]],
        ack        => [[qw(4 --reason), $HOSTILE]],
        dead       => [[qw(1 --reason), $HOSTILE], [qw(3 --reason x --dry-run)]],
        backup     => [[$f->path("run/$NAME.db")], [$f->path("run/none/$NAME.db")]],
        restore    => [[$f->path("run/$NAME.db"), qw(--reason x)], [$f->path("run/none$NAME")]],
        prune      => [[qw(--dry-run)]],
        erase      => [[qw(4 --dry-run)], ['--client', $HOSTILE, qw(--reason x)], [qw(4 --reason), $HOSTILE]],
        export     => [[], ['--quarantine'], ['--file', $f->path("run/$NAME.jsonl")], ['--database', $f->path("run/$NAME.no")]],
        import     => [[$folder], [$f->path("run/$NAME.lines")], ['--unverified', $f->path("run/$NAME.lines")]],
    );
}

sub commands {
    my ($f) = @_;
    my (undef, $help) = tool_out($f, '--help');
    return grep { $_ ne '--help' } $help =~ /^  (\w[\w-]*) /mg;
}

# The same row by row: --json says what stands there, to the letter.
sub says_the_same {
    my ($f, $db) = @_;
    my (undef, $out) = tool_out($f, qw(show 1 --json));
    my $row = eval { JSON::PP->new->utf8->decode($out) } // { status => 'no JSON' };
    my ($stored) = $db->selectrow_array('SELECT CAST(status AS BLOB) FROM event_log WHERE seq = 1');
    is encode('UTF-8', $row->{status}), decode_broken($stored), 'JSON has the same text';
    unlike $out, qr/[^\n -~]/, 'in ASCII' if $stored !~ /[^\x00-\x7f]/;
}

sub decode_broken { my ($bytes) = @_; return encode('UTF-8', join '', map { length == 1 && ord > 0x7f ? "\x{fffd}" : decode('UTF-8', $_) } $bytes =~ /([\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|.)/gs) }

for my $files (0, 1) {
    my $what = $files ? 'the directory form' : 'the table';
    my $f = installation(files => $files);
    my $db = poison($f);
    @commands = commands($f);
    says_the_same($f, $db);
    mkdir $f->path("run/$NAME");
    $f->write("run/$NAME/$NAME.json", event());
    $f->write("run/$NAME/$NAME.sig", "$HOSTILE\n");
    $f->write("run/$NAME.lines", qq({"schema":1,"kind":"event","endpoint":"e\\u001b]0;x\\u0007","event_id":"\\u009b","type":"t","body":"{}","signature":"00"}\n$HOSTILE\n));
    $f->_own($f->path("run/$NAME"), 0755);
    if ($files) {
        my $cur = $f->path('home/private/inbox.d/live/cur');
        $f->write("home/private/inbox.d/live/cur/0000000000001.000000000009.json,a=1,l=1,w=$NAME", '{}');
        $f->write("home/private/inbox.d/live/new/$NAME", '{}');
        $f->write("home/private/spool/$NAME", 'x');
    }
    my %with = arguments($f);
    for my $command ((grep { $_ ne 'restore' } @commands), 'restore') {
        for my $args (@{ $with{$command} // [[], [1], [$HOSTILE]] }) {
            my @args = grep { !ref } @$args;
            my ($o) = grep { ref } @$args;
            if (grep { $_ eq 'FOLLOW' } @args) {
                @args = grep { $_ ne 'FOLLOW' } @args;
                is_printable_following($f, $what, $command, @args, $_) for ([], ['--json']);
                next;
            }
            is_printable($f, $what, $command, @args, $o // ());
            my (undef, $help) = tool_out($f, $command, '--help');
            is_printable($f, $what, $command, '--json', @args, $o // ()) if $help =~ /--json/ && $command !~ /^(?:work|restore)$/;
        }
        is_printable($f, $what, $command, "--$HOSTILE");
        is_printable($f, $what, $command, '-c', $f->path("run/$NAME.conf"));
    }
    is_printable($f, $what, $HOSTILE);
    is_deeply [grep { !$ran{$_} } @commands], [], 'each command of --help was run';

    is_deeply [grep { !$shown{$_} } qw(list stats show history secrets quarantine verify doctor work forward import backup restore export)], [], 'and shows that text escaped';

    # A schema with such a name: SQLite puts it into its message.
    $db->do('PRAGMA writable_schema=ON');
    $db->do("INSERT INTO sqlite_master VALUES('view', CAST(? AS TEXT), 'x', 0, 'CREATE VIEW y AS')", undef, $HOSTILE);
    $db->disconnect;
    is_printable($f, "$what, its schema", $_, @{ { show => [1], verify => ['--stored'], work => [qw(--once true)], forward => ['--once', 'http://127.0.0.1:9/'], backup => [$f->path('run/again')] }->{$_} // [] })
        for grep { !/^(?:follow|send|sign|import)$/ } @commands;
    my ($answer) = $f->cgi({ method => 'GET' });
    is raw($answer->{log}), '', 'the receiver logs it printable';
    is raw($answer->{body}), '', 'and answers so';
    $f->finish;
}

sub is_printable_following {
    my ($f, $what, $command, @args) = @_;
    my $more = pop @args;
    my $p = begin($f, $command, @args, @$more);
    my $lines = sub { return scalar(() = said($p) =~ /\n/g) };
    ok Proc::wait_until(sub { $lines->() >= 3 }, 20), "$what: $command shows events";
    $p->stop;
    is raw(said($p)), '', "$what: $command @$more";
    $ran{$command}++;
}

# Names in the configuration, and a configuration that is wrong.
my $f = Fixture->new;
my $conf = Fixture::slurp($f->config);
for my $wrong (qq(endpoint "$HOSTILE" { secret_file = "x" }\n), qq(database = "$NAME/x.db"\n), qq($HOSTILE = "1"\n), qq(max_body = "$HOSTILE"\n), qq(group = "$HOSTILE"\n), qq(log = "/$NAME/x"\n), qq(directory = "$NAME"\ninbox = "directory"\n), qq(spool = "$NAME"\n)) {
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', "$wrong$conf");
    is_printable($f, 'a configuration', $_) for qw(config doctor list init secrets);
    is_printable($f, 'a configuration', $_, '--json') for qw(config doctor);
    my (undef, $out, $err) = $f->run($f->path('home/public_html/cgi-bin/complycube-webhook.cgi'), '-n');
    is raw($out) || raw($err), '', 'the receiver tests it, and prints it safely';
    my ($answer) = $f->cgi({ method => 'GET' });
    is raw($answer->{log}) || raw($answer->{body}), '', 'and says so to a server safely';
}
$f->finish;
done_testing;
