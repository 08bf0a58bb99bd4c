#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# inbox = "directory": one file for one event, durable before the answer, under concurrency and after a crash at any
# step (promises 2 and 3), with the modes that readers of another user need.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Deploy;
use Doctor;
use Event;
use File::Basename qw(basename);
use Fixture;
use JSON::PP;
use Proc qw(wait_until unprivileged);
use Test::More;

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");

# A fixture whose inbox is files, in home/private/inbox.d. more => lines of configuration.
sub fixture {
    my ($more) = @_;
    my $f = Fixture->new(conf => qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n) . ($more // '')
        . $sample =~ s/^\s*(?:inbox|directory|group)\s*=.*\n//mgr . qq(endpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n));
    $f->install('home/complycube-inbox', 'complycube-inbox');
    return $f;
}

sub tool { my ($f, @args) = @_; return $f->run($f->path('home/complycube-inbox'), '-c', $f->config, @args) }

sub files { my ($f, $folder) = @_; my @names = sort map { basename($_) } grep { -f } glob $f->path("home/private/inbox.d/$folder/*"); return @names }

sub request { my ($body, $secret) = @_; return { body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] } }

sub seq_of { return map { /^\d{13,}\.0*(\d+)\.json/ ? $1 : "odd name $_" } @_ }

# ---- one by one ----
my $f = fixture();
my ($code, $out, $err) = tool($f, 'init');
is $code, 0, 'init makes the folders' or diag $err;
like $out, qr{^made +0700 +\S+ +\S+/inbox\.d$}m, 'and says so';
is_deeply [map { basename($_) } sort glob $f->path('home/private/inbox.d/live/*')], [qw(cur dead done lock new tmp)], 'of each endpoint';
is Fixture::slurp($f->path('home/private/inbox.d/setting')), "max_attempts 10\nlease_ms 300000\nbackoff_ms 60000\n", 'and the settings';
my @examples = examples();
for my $e (@examples) {
    my ($answer) = $f->cgi({ body => $e->[2], headers => ['ComplyCube-Signature' => $e->[1]] });
    is $answer->{status}, 200, "$e->[0] is stored";
}
my @new = files($f, 'live/new');
is scalar @new, 26, 'each is a file';
is_deeply [map { Fixture::slurp($f->path("home/private/inbox.d/live/new/$_")) } @new], [map { $_->[2] } @examples], 'with the exact body, in the order of events';
is_deeply [seq_of(@new)], [1 .. 26], 'whose name has the number';
like $new[0], qr/^1769718742004\.0{11}1\.json$/, 'and when the event was made';
is_deeply [files($f, 'live/tmp')], [], 'and nothing is left in tmp';
is $f->counts, '26 0 0', 'the log has them, the table inbox nothing';
my ($mtime) = (stat $f->path("home/private/inbox.d/live/new/$new[3]"))[9];
is $mtime, int($f->value('SELECT received_ms FROM event_log WHERE seq = 4') / 1000), 'its time is when it came';

my ($again) = $f->cgi({ body => $examples[2][2], headers => ['ComplyCube-Signature' => $examples[2][1]] });
like $again->{body}, qr/"duplicate":true/, 'a second delivery is a duplicate';
($again) = $f->cgi(request(event(id => 's1'), $SECRET{sandbox}));
is $again->{status}, 200, 'an event of the sandbox';
is scalar(files($f, 'live/new')), 26, 'makes no file among the live ones';
is scalar(files($f, 'sandbox/new')), 1, 'but one of its own';

# ---- what the person sees ----
my $box = $f->path('home/private/inbox.d/live');
rename "$box/new/$new[0]", "$box/done/$new[0]" or die;
rename "$box/new/$new[1]", "$box/dead/$new[1]" or die;
rename "$box/new/$new[2]", "$box/cur/$new[2],a=3,l=9999999999999,w=somebody-1" or die;
my %state = map { my $e = decode_json($_); ($e->{seq} => $e->{state}) } split /\n/, (tool($f, 'list', '--json', '--limit', 100))[1];
is_deeply [@state{1 .. 4, 27}], [qw(done dead waiting waiting waiting)], 'list knows each state by the files';
is_deeply [map { decode_json($_)->{seq} } split /\n/, (tool($f, 'list', '--json', '--state', 'dead'))[1]], [2], 'list --state dead';
is_deeply [map { decode_json($_)->{seq} } split /\n/, (tool($f, 'list', '--json', '--state', 'waiting', '--limit', 3))[1]], [27, 26, 25], 'list --state waiting, newest first';
is_deeply [map { decode_json($_)->{seq} } split /\n/, (tool($f, 'list', '--json', '--state', 'done'))[1]], [1], 'list --state done';
is decode_json((tool($f, 'show', '--json', 3))[1])->{attempts}, 3, 'show tells of attempts';
like flat((tool($f, 'doctor'))[1]), qr/25 waiting, 1 dead/, 'doctor counts';

# ---- a group, any umask, ignored types, and a doctor ----
{
    my $g = fixture('group = "' . getgrgid((unprivileged())[1] // (split ' ', $()[0]) . qq("\n));
    $g->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($g->config) =~ s/^ *events *=.*$/    events = {"check.completed"}/mr);
    for my $try ([1, 'check.completed'], [2, 'check.pending']) {
        my ($answer) = $g->cgi(request(event(id => "g$try->[0]", type => $try->[1])));
        is $answer->{status}, 200, "$try->[1] is stored, without init";
    }
    my @files = files($g, 'live/new');
    my $box_of_g = $g->path('home/private/inbox.d');
    is scalar @files, 1, 'only the type that is asked for is a file';
    is $g->value('SELECT state FROM inbox WHERE seq = 2'), 3, 'the other is ignored, in the table';
    my $mode = sub { sprintf '%04o', (stat $g->path("home/private/inbox.d/$_[0]"))[2] & 07777 };
    is_deeply [map { $mode->($_) } '', 'live', map { "live/$_" } qw(tmp new cur done dead)], [('2770') x 7], 'folders are 2770';
    is_deeply [map { $mode->($_) } "live/new/$files[0]", 'setting', 'live/lock'], [qw(0640 0640 0660)], 'files are 0640';
    my ($wrong, $said) = tool($g, 'doctor');
    $said = flat($said);
    like $said, qr/^ok directory .*inbox\.d has mode 2770$/m, 'doctor looks at the folder';
    like $said, qr/^wrong +group +.*private has mode 0700: consumers of the group \S+ cannot reach the inbox in it$/m, 'and at the way to it';
    chmod 0710, $g->path('home/private');
    is +(tool($g, 'doctor'))[0], 0, 'with a way to it all is well';
    if ($> == 0) {    # a consumer of another user, in the same group
        $g->copy('consumers/perl/ComplyCubeInbox.pm', 'run/ComplyCubeInbox.pm');
        $g->write('run/consumer', <<"PERL");
use lib '@{[$g->path('run')]}';
use ComplyCubeInbox;
umask 077;
my \$inbox = ComplyCubeInbox->new('$box_of_g', endpoint => 'live');
print \$inbox->each(sub { print "\$_[0]{event_id} " }), "\n";
PERL
        my (undef, $done, $wrong) = $g->run('perl', $g->path('run/consumer'), { user => [(getpwnam 'nobody')[2], (unprivileged())[1]] });
        is "$done$wrong", "g1 1\n", 'a consumer of another user in the group works on it';
        is_deeply [files($g, 'live/new'), files($g, 'live/cur')], [], 'the event is done';
        my ($day) = glob $g->path('home/private/inbox.d/live/done/*');
        is sprintf('%04o', (stat $day)[2] & 07777), '2770', 'in a folder of the day, which the receiver can clear away in spite of its umask';
        is $g->rows('SELECT state FROM events WHERE event_id = ?', 'g1')->[0][0], undef, 'with no word of it in the database';
        like +(tool($g, 'list', '--state', 'done'))[1], qr/g1|check\.completed/, 'list finds it';
    }
}

# ---- files that root writes ----
SKIP: {
    skip 'needs root', 1 if $> != 0;
    no warnings 'redefine';
    my $as_root = sub { local *Proc::unprivileged = sub { () }; return tool(@_) };
    my $r = fixture();
    $r->cgi(request(event(id => 'r1')));
    my ($name) = files($r, 'live/new');
    my $path = $r->path("home/private/inbox.d/live/new/$name");
    my $owner = sub { sprintf '%d %d %04o', (stat $_[0])[4, 5], (stat _)[2] & 07777 };
    my $was = $owner->($path);
    unlink $path;
    my ($code, undef, $err) = $as_root->($r, 'requeue', 'r1');
    is $code, 0, 'root has a lost file written again' or diag $err;
    is $owner->($path), $was, 'it belongs to the owner of the inbox, so that consumers can read it';
    my @group = getgrnam 'daemon';
    my $h = fixture(qq(group = "daemon"\n));
    my $own = (stat $h->path('home/private'))[4];
    (my $init, undef, $err) = $as_root->($h, 'init');
    is $init, 5, 'root gives no group to a user that is no member of it, where that user wrote it down';
    like $err, qr/make \S+ a member of the group/, 'and says how it is done';
    chown 0, 0, $h->path('.'), $h->path('home'), $h->path('home/public_html'), $h->path('home/public_html/cgi-bin'), $h->config;
    ($init, undef, $err) = $as_root->($h, 'init');
    is $init, 0, 'where root wrote it down it does' or diag $err;
    ($code, undef, $err) = $as_root->($h, 'import', $h->example_folder);
    is $code, 0, 'root imports' or diag $err;
    is $owner->($h->path('home/private/inbox.d/live/new/' . (files($h, 'live/new'))[0])), "$own $group[2] 0640", 'the group of the configuration is the group';
}

# ---- configuration ----
for my $bad (['', qr/without directory/], [qq(directory = "../../private/d"\nretain = "1y"\n), qr/retain is no time/]) {
    my $c = Fixture->new(conf => qq(inbox = "directory"\n$bad->[0]) . $sample =~ s/^\s*(?:inbox|directory|group)\s*=.*\n//mgr);
    my (undef, $said, $complaint) = $c->run($c->path('home/public_html/cgi-bin/complycube-webhook.cgi'), '-n', { env => { COMPLYCUBE_WEBHOOK_CONFIG => $c->config } });
    like "$said$complaint", $bad->[1], 'a configuration that cannot work is refused: ' . $bad->[1];
}

# ---- faults ----
my $broken = fixture();
tool($broken, 'init');
my ($d) = $broken->path('home/private/inbox.d');
rename "$d/live/new", "$d/live/new.away" or die;
$broken->write('home/private/inbox.d/live/new', '');
my ($answer) = $broken->cgi(request(my $body = event()));
is $answer->{status}, 200, 'new/ is none: the event is recorded all the same';
($answer) = $broken->cgi(request(event()));
is $answer->{status}, 503, 'but as it cannot be shown, the next one is refused';
unlink "$d/live/new";
rename "$d/live/new.away", "$d/live/new" or die;
($answer) = $broken->cgi(request($body));
like $answer->{body}, qr/duplicate/, 'once it is back';
is_deeply [seq_of(files($broken, 'live/new'))], [1], 'the first is shown';
unlink glob "$d/live/new/*";
rmdir "$d/live/$_" for qw(tmp new cur done dead);
unlink "$d/live/lock";
rmdir "$d/live" or die $!;
($answer) = $broken->cgi(request(event()));
is $answer->{status}, 200, 'folders that were removed are made again';
is scalar(files($broken, 'live/new')), 1, 'and the event is in them';
if ($> == 0) {
    chmod 0500, "$d/live/tmp";
    ($answer) = $broken->cgi(request(event()));
    is $answer->{status}, 503, 'a folder that is not writable is a 503';
    ($answer) = $broken->cgi({ method => 'GET' });
    like $answer->{body}, qr/not ready: readonly/, 'and GET says so';
    chmod 0700, "$d/live/tmp";
}

# ---- many at once, and FastCGI ----
my $many = fixture();
my @bodies = map { event() } 1 .. 12;
is scalar(grep { $_->{status} == 200 } $many->cgi(map { request($_) } (@bodies) x 3)), 36, '12 events, each by three processes at once';
is_deeply [sort(map { Fixture::slurp($_) } glob $many->path('home/private/inbox.d/live/new/*'))], [sort @bodies], 'are 12 files';
my $run = deploy($many, 'lighttpd to spawn-fcgi');
my %mine;
for my $n (1 .. 5) {
    my $b = event();
    is $run->{client}->({ method => 'POST', path => $run->{url}, %{ request($b) } })->{status}, 200, 'FastCGI stores one' if $n == 1 || !$mine{$b};
    $mine{$b} = 1;
}
is scalar(files($many, 'live/new')), 17, 'and FastCGI makes files too';

$many->finish;

# ---- a crash at each step: at the n-th of each call that writes, flushes, renames or answers ----
my $c = fixture();
tool($c, 'init');
my $wrapped = $c->write('run/crash', <<'SH', 0755);
#!/bin/sh
exec strace -qq -o /dev/null -e trace=$CALL -e inject=$CALL:signal=KILL:when=$STEP "$PROGRAM"
SH
my $program = $c->path('home/public_html/cgi-bin/complycube-webhook.cgi');
my %seen = map { $_ => 0 } qw(crashed lost twice recorded);
my $event = 0;

# Kill the receiver at the step-th of a call, then send the event again. Whether it was killed.
sub crash {
    my ($call, $step) = @_;
    my $b = event(id => 'crash-' . ++$event);
    my %env = (FastCgi::variables({ method => 'POST', path => '/', %{ request($b) } }), COMPLYCUBE_WEBHOOK_CONFIG => $c->config,
        CALL => $call, STEP => $step, PROGRAM => $program, ASAN_OPTIONS => 'detect_leaks=0');
    my (undef, $said) = $c->run($wrapped, { env => \%env, input => $b });
    my $survived = $said =~ /^Status: 200/;
    my @files = map { "home/private/inbox.d/live/$_" } qw(new tmp);
    my $find = sub { my ($folder) = @_; return grep { Fixture::slurp($_) eq $b } glob $c->path("home/private/inbox.d/live/$folder/*") };
    $seen{lost}++ if $survived && !$find->('new');
    my ($second) = $c->cgi(request($b));
    my @found = $find->('new');
    $seen{lost}++ if $second->{status} != 200 || !@found;
    $seen{twice}++ if @found > 1 || $find->('tmp') || $c->events("crash-$event") != 1;
    $seen{recorded}++ if $second->{body} =~ /duplicate/ && !$survived;
    $seen{crashed}++ if !$survived;
    unlink @found;
    return !$survived;
}

for my $call (qw(pwrite64 write fsync fdatasync renameat2 unlink fchmod utimensat ftruncate)) {
    for (my $step = 1; crash($call, $step); $step++) { }
}
note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
cmp_ok $seen{crashed}, '>', 15, 'the receiver was killed at each of its calls';
cmp_ok $seen{recorded}, '>', 1, 'after some of which the event was recorded and not yet answered';
is $seen{lost}, 0, 'a second delivery finds or makes the file, each time';
is $seen{twice}, 0, 'and there is one file and one row';
is_deeply [files($c, 'live/tmp')], [], 'with nothing left in tmp';
$_->finish for $f, $c;
done_testing;
