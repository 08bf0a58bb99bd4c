#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A value of the database has the form that its use needs, or is not used: as a folder, a header, a variable, a word for a shell.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Event;
use Fixture;
use Tool;

subtest 'a name of an endpoint in the database is no path' => sub {
    my $f = Fixture->new;
    my $conf = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(retain = "30d"\ninbox = "directory"\ndirectory = "../../private/inbox.d"\n$conf));
    tool($f, 'init');
    record($f, event());
    my ($outside, @other) = ('home/private/outside', map { "outside/$_/0000000000001.000000000009.json" } qw(tmp new dead));
    $f->folder($_) for $outside, map { "$outside/$_" } qw(tmp new cur dead done);
    $f->write("home/private/$_", '{}') for @other;
    my $db = DBI->connect('dbi:SQLite:dbname=' . $f->database, '', '', { RaiseError => 1 });
    $db->do('INSERT INTO endpoint(name) VALUES(?)', undef, $_) for '../outside', '..', '.', '', '../made', 'a/../../made', 'live/new', "l\e[1m", '/etc', 'x' x 64;
    for my $command (['list'], ['stats'], ['prune'], ['doctor'], ['init'], ['work', '--once', '-e', 'live', 'true'], ['follow', '--help']) {
        my ($code) = tool($f, @$command);
        ok $code == 0 || $command->[0] eq 'doctor', "$command->[0] goes on";
    }
    record($f, event());
    is_deeply [grep { !-e $f->path("home/private/$_") } @other], [], 'nothing outside is removed';
    my ($code, $out) = tool_out($f, qw(list --json));
    unlike $out, qr/"seq":9\b/, 'or taken for an event';
    ok !-e $f->path('home/private/made'), 'nothing is made there';
    is join(' ', sort map { s{.*/}{}r } glob $f->path('home/private/inbox.d') . '/*'), 'live narrow sandbox setting', 'and beside the endpoints of the configuration there is none';
    $f->finish;
};

subtest 'an endpoint is no folder but its own' => sub {
    for my $name ('.', '..') {
        my $f = Fixture->new;
        my $conf = Fixture::slurp($f->config);
        $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf =~ s/^endpoint sandbox/endpoint "$name"/mr);
        my ($code, $err) = tool($f, 'list');
        is $code, 9, "an endpoint $name is refused";
        like $err, qr/name may hold/, 'by its name';
        $f->finish;
    }
};

subtest 'what cannot be in a header or a variable is not handed on' => sub {
    my ($f, $handler) = with_handler("touch started-\$n", map { event() } 1 .. 3);
    tool($f, 'list');
    change($f, q{UPDATE event_log SET signature = CAST('x' || char(13,10) || 'Evil: 1' AS BLOB) WHERE seq = 1},
               q{UPDATE event_log SET signature = zeroblob(200) WHERE seq = 2});
    my @seen;
    my $log = $f->path('run/seen');
    my $port = server($f, sub { my ($r) = @_; open my $to, '>>', $log or die; print $to "$r->{headers}{'complycube-signature'}\n"; close $to; return '200 OK' });
    my ($code, $err) = tool($f, 'forward', '--once', '-e', 'live', "http://127.0.0.1:$port/");
    is $code, 1, 'forward says that something failed';
    is scalar(() = $err =~ /its signature has not 64 hexadecimal digits/g), 2, 'and what';
    like Fixture::slurp($log), qr/\A[0-9a-f]{64}\n\z/, 'only what is sound is sent';
    is settled($f), '0/1 0/1 1/1', 'the others wait as failed ones';
    change($f, 'UPDATE inbox SET due_ms = 1 WHERE state = 0', q{UPDATE endpoint SET name = 'a' || char(10) || 'b=c' WHERE id = (SELECT endpoint FROM inbox WHERE seq = 1)});
    ($code, $err) = tool($f, 'work', '--once', '-e', "a\nb=c", $handler);
    isnt $code, 0, 'work fails, too';
    like $err, qr/its endpoint has a name that no configuration can have/, 'and says of an endpoint\'s name what is wrong';
    is_deeply [glob $f->path('run') . '/started-*'], [], 'and starts nothing for them';
    $f->finish;
};

subtest 'a command that is printed can be copied, whatever it names' => sub {
    my $f = Fixture->new;
    my $odd = "it's \e[1m \xe2\x80\xae\n\\x";
    $f->folder("home/$odd", 0700);
    my $conf = Fixture::slurp($f->config);
    my $cut = $f->path("home/$odd");
    $f->write("home/$odd/webhook.conf", $conf =~ s{"\.\./\.\./private/}{"../private/}gr, 0666);
    tool($f, '-c', "$cut/webhook.conf", 'init');
    chmod 0666, "$cut/webhook.conf";
    my ($code, $out) = $f->run('true');
    $f->install('run/complycube-inbox', 'complycube-inbox') if !-e $f->path('run/complycube-inbox');
    ($code, $out) = $f->run($f->path('run/complycube-inbox'), '-c', "$cut/webhook.conf", 'doctor');
    my ($cure) = $out =~ /-> (chmod o-w .*)$/m;
    ok $cure, 'doctor prints a command for a file with an odd name' or diag $out;
    unlike $cure // '', qr/[^ -~]/, 'in printable characters';
    is system('bash', '-c', $cure // 'false'), 0, 'which a shell runs as it stands';
    is +(stat "$cut/webhook.conf")[2] & 07777, 0664, 'and which does what it says';
    $f->finish;
};
subtest 'a shell that does not know $\'...\' runs nothing of a name' => sub {
    my $f = Fixture->new;
    my $made = $f->folder('run/made', 0777);
    my $cut = $f->folder("home/it's ;>executed; #\n", 0700);
    my $conf = Fixture::slurp($f->config);
    $f->write("home/it's ;>executed; #\n/webhook.conf", $conf =~ s{"\.\./\.\./private/}{"../private/}gr, 0666);
    chmod 0666, "$cut/webhook.conf";
    $f->install('run/complycube-inbox', 'complycube-inbox') if !-e $f->path('run/complycube-inbox');
    my (undef, $out) = $f->run($f->path('run/complycube-inbox'), '-c', "$cut/webhook.conf", 'doctor');
    my ($cure) = $out =~ /-> (chmod o-w .*)$/m;
    ok $cure, 'doctor prints a command' or diag $out;
    for my $shell ('sh', 'bash') {
        system($shell, '-c', 'cd "$1" && eval "$2" 2>/dev/null', $shell, $made, $cure // '');
        is_deeply [glob "$made/*"], [], "$shell executes nothing of the name";
    }
    is +(stat "$cut/webhook.conf")[2] & 07777, 0664, 'bash does what it says';
    $f->finish;
};
done_testing;
