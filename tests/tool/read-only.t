#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A database in WAL mode on a read-only medium: what only reads works, and what writes says why it cannot.
use strict;
use warnings;
use Test::More;
use Event;
use Fixture;
use Tool;

plan skip_all => 'mounting needs root' if $> != 0;
my @mounted;
END { local $?; system 'umount', $_ for @mounted }

# A fixture with three events, whose database lies alone on a read-only medium; before => what happens to its folder first.
sub frozen {
    my ($before) = @_;
    my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample") =~ s{^#?(\s*database\s*=\s*)"[^"]*"}{$1"../../medium/a%b?c#d.db"}mr;
    my $f = Fixture->new(conf => $conf);
    my $medium = $f->folder('home/medium', 0700);
    record($f, map { resource_event("e$_", 'r', $_) } 1 .. 3);
    $before->("$medium/a%b?c#d.db") if $before;
    system('mount', '--bind', $medium, $medium) == 0 && system('mount', '-o', 'remount,bind,ro', $medium) == 0
        or plan skip_all => 'a folder cannot be mounted read-only here';
    push @mounted, $medium;
    $f->write('run/elsewhere.conf', Fixture::slurp($f->config) =~ s{medium/[^"]*}{private/inbox.db}r =~ s{"\.\./\.\./}{"../home/}gr);
    return ($f, "$medium/a%b?c#d.db");
}

sub done { my ($f) = @_; $f->stop; system 'umount', pop @mounted; $f->finish }

subtest 'nothing has it open' => sub {
    my ($f, $database) = frozen();
    my ($code, $out, $err) = tool_out($f, 'export');
    is_deeply([$code, scalar(() = $out =~ /\n/g), $err], [0, 3, ''], 'export');
    is((tool_out($f, 'verify', '--stored'))[0], 0, 'verify');
    my ($saved, $why) = tool($f, 'backup', $f->path('run/backup.db'));
    is_deeply([$saved, $why], [0, ''], 'backup');
    for my $command (['ack', 1], ['erase', 1, '--reason', 'x']) {
        ($code, $out, $err) = tool_out($f, @$command);
        isnt($code, 0, "$command->[0] fails");
        like($err, qr/readonly database|read-only/i, 'and says that it cannot be written');
    }
    my $body = event();
    my ($answer) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] });
    is($answer->{status}, 503, 'a receiver stores nothing there');
    ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), '-c', $f->path('run/elsewhere.conf'), 'restore', $database);
    is($code, 0, 'restore') or diag $err;
    ($code, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $f->path('run/elsewhere.conf'), 'export');
    is(scalar(() = $out =~ /\n/g), 3, 'brings its events elsewhere');
    done($f);
};

subtest 'its log has what the file has not' => sub {
    my ($f, $database) = frozen(sub {
        my ($path) = @_;
        my $pid = fork // die;
        if (!$pid) {
            my $db = DBI->connect("dbi:SQLite:dbname=$path", '', '', { RaiseError => 1 });
            $db->do('PRAGMA wal_autocheckpoint = 0');
            $db->do('UPDATE inbox SET state = 1');
            kill KILL => $$;
        }
        waitpid $pid, 0;
        unlink "$path-shm";
    });
    for my $command (['export'], ['backup', $f->path('run/backup.db')]) {
        my ($code, $out, $err) = tool_out($f, @$command);
        isnt($code, 0, "$command->[0] fails, and leaves nothing out in silence");
        like($err, qr/its log .*-wal can be read from a copy: cp /s, 'but says how to read it');
    }
    done($f);
};
done_testing;
