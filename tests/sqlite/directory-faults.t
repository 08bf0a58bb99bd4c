#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The directory form when somebody has been at its folders: what is acknowledged is never lost, one endpoint's trouble is
# not another's, and nothing that is not ours is touched.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Deploy;
use Doctor;
use Event;
use File::Basename qw(basename);
use Fixture;
use Proc qw(wait_until);
use Test::More;
use Tool qw(resource_event);

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

sub fixture {
    my $f = Fixture->new(conf => qq(inbox = "directory"\ndirectory = "../../private/inbox.d/"\nretain = "1d"\n$sample)
        . qq(endpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n));
    $f->install('home/complycube-inbox', 'complycube-inbox');
    tool($f, 'init');
    return $f;
}

sub tool { my ($f, @args) = @_; return $f->run($f->path('home/complycube-inbox'), '-c', $f->config, @args) }

sub request { my ($body, $secret) = @_; return { method => 'POST', path => '/', body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] } }

sub files { my ($f, $folder) = @_; my @names = sort map { basename($_) } grep { -f } glob $f->path("home/private/inbox.d/$folder/*"); return @names }

sub finished { my ($f) = @_; $f->finish }

subtest 'a receiver that stays, and folders that go' => sub {
    my $f = fixture();
    my $d = deploy($f, 'spawn-fcgi alone');
    my $post = sub { $d->{client}->(request(@_))->{status} };
    is $post->(event()), 200, 'an event is stored';
    rename $f->path('home/private/inbox.d'), $f->path('home/private/away') or die;
    is $post->(event()), 200, 'the folder was moved away: it is made again';
    is scalar(files($f, 'live/new')), 1, 'and has the event';
    ok -e $f->path('home/private/inbox.d/setting'), 'and the settings';
    rmdir $f->path('home/private/inbox.d/sandbox/new') or die;
    $f->write('home/private/inbox.d/sandbox/new', '');
    is $post->(event(), $SECRET{sandbox}), 200, 'an event of an endpoint whose new/ is none is kept';
    is $post->(event(), $SECRET{sandbox}), 503, 'the next of this endpoint is refused';
    is $post->(event()), 200, 'but not those of another';
    unlink $f->path('home/private/inbox.d/sandbox/new');
    is $post->(event(), $SECRET{sandbox}), 200, 'once new/ may be made, all goes on';
    is scalar(files($f, 'sandbox/new')), 2, 'with the one that was kept';
    finished($f);
};

subtest 'what is not ours' => sub {
    my $f = fixture();
    my $box = $f->path('home/private/inbox.d');
    mkdir "$box/lost+found", 0700 or die;
    mkdir "$box/lost+found/tmp", 0000 or die;
    my ($answer) = $f->cgi(request(event()));
    is $answer->{status}, 200, 'a foreign folder that nobody may read stops nothing';
    $f->folder('home/private/victim');
    $f->write("home/private/victim/$_", 'precious') for 'secrets', '1769718742004.000000000001.json';
    symlink '../../../victim', "$box/live/done/20200101" or die;
    mkdir "$box/live/done/20200102" or die;
    $f->_own("$box/live/done/20200102", 0700);
    $f->write("home/private/inbox.d/live/done/20200102/$_", '{}') for 'notes.txt', '1769718742004.000000000001.json';
    my ($code, $out, $err) = tool($f, 'prune');
    is $code, 0, "prune goes through" or diag $err;
    like $out, qr{^0 events emptied, 1 files removed from .*/inbox\.d$}, "and removes old files";
    is scalar(my @left = glob $f->path('home/private/victim/*')), 2, 'but follows no link';
    is_deeply [files($f, 'live/done/20200102')], ['notes.txt'], 'and leaves what is no event';
    my ($name) = files($f, 'live/new');
    symlink '../../../victim/secrets', "$box/live/dead/$name.txt" or die;
    rename "$box/live/new/$name", "$box/live/cur/$name,a=10,l=1" or die;
    tool($f, 'work', '-e', 'live', '--once', '--', '/bin/true');
    is_deeply [grep { /json$/ } files($f, 'live/dead')], [$name], 'an event is given up';
    is Fixture::slurp($f->path('home/private/victim/secrets')), 'precious', 'and its reason is written through no link';
    chmod 0700, "$box/lost+found/tmp" or die;                     # so that the fixture can remove it
    finished($f);
};

subtest 'a database that was moved away' => sub {
    my $f = fixture();
    my ($old, $new) = map { resource_event($_, "r-$_", 1) } 'old', 'new';    # made at the same moment
    $f->cgi(request($old));
    for my $file (glob $f->database . '*') { rename $file, $file =~ s/inbox/away/r or die }
    my ($answer) = $f->cgi(request($new));
    is $answer->{status}, 200, 'a new one takes events';
    my @names = files($f, 'live/new');
    is scalar @names, 2, 'whose files do not cover up those of the old one';
    my $handler = $f->write('run/handler', "#!/bin/sh\ncat >>@{[$f->path('run/seen')]}\n", 0755);
    tool($f, 'work', '-e', 'live', '--once', '--', $handler);
    is Fixture::slurp($f->path('run/seen')), $new, 'work hands on what the log knows, once';
    is_deeply [files($f, 'live/new')], [$names[0]], 'and leaves the other alone';
    like flat((tool($f, 'doctor'))[1]), qr/^warning +inbox +1 files are of events that the log does not know/m, 'of which doctor tells';
    finished($f);
};

subtest 'an ack that could not be told' => sub {
    my $f = fixture();
    $f->cgi(request(event()));
    chmod 0500, $f->path('home/private/inbox.d/live/done');
    my $handler = $f->write('run/handler', "#!/bin/sh\necho x >>@{[$f->path('run/seen')]}\n", 0755);
    my ($code, undef, $err) = tool($f, 'work', '-e', 'live', '--once', '--max-time', 1, '--', $handler);
    isnt $code, 0, 'work ends with an error';
    ok !-e $f->path('run/seen'), 'before anything is done';
    like flat((tool($f, 'doctor'))[1]), qr{^wrong +directory +\S+/live/done cannot be used by this user}m, 'doctor finds the folder';
    chmod 0700, $f->path('home/private/inbox.d/live/done');
    ($code) = tool($f, 'work', '-e', 'live', '--once', '--', $handler);
    is $code . Fixture::slurp($f->path('run/seen')), "0x\n", 'then it is done';
    finished($f);
};

subtest 'settings' => sub {
    my $f = fixture();
    for my $bad ('', "max_attempts 10\n", "max_attempts 0\nlease_ms 1\nbackoff_ms 1\n", "max_attempts 1\nlease_ms 9223372036854775807\nbackoff_ms 1\n") {
        $f->write('home/private/inbox.d/setting', $bad);
        my ($code, undef, $err) = tool($f, 'work', '-e', 'live', '--once', '--', '/bin/true');
        is $code, 9, 'a damaged file of settings is refused';
    }
    like flat((tool($f, 'doctor'))[1]), qr/^wrong +setting/m, 'and doctor tells of it';
    finished($f);
};

subtest 'why an event is dead' => sub {
    my $f = fixture();
    $f->write('home/private/inbox.d/setting', "max_attempts 1\nlease_ms 300000\nbackoff_ms 60000\n");
    $f->cgi(request(event()));
    tool($f, 'work', '-e', 'live', '--once', '--', '/bin/false');
    like +(tool($f, 'show', 1))[1], qr/^error +exit code 1$/m, 'show tells';
    my ($code, undef, $err) = tool($f, 'list', '-e', 'nowhere');
    is $code, 1, 'list of an endpoint that is not there is an error';
    like $err, qr/no endpoint nowhere/, 'which says so';
    finished($f);
};

subtest 'events of a later century' => sub {
    my $f = fixture();
    my $body = event() =~ s/"createdAt":"2026/"createdAt":"2999/r;
    my ($answer) = $f->cgi(request($body));
    is $answer->{status}, 200, 'are stored';
    like +(files($f, 'live/new'))[0], qr/^\d{13}\.\d{12}\.json$/, 'under a name like all others';
    finished($f);
};
done_testing;
