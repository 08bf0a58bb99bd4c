#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The examples and the libraries open the database and the folder that a path names, whatever characters it has; perl -T too.
use strict;
use warnings;
use Test::More;
use Event;
use Fixture;
use Tool;

# An inbox with four events, and the consumers.
sub inbox {
    my ($form) = @_;
    my $conf = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
    $conf = qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n$conf) if $form eq 'directory';
    my $f = Fixture->new(conf => $conf);
    $f->copy("consumers/php/$_.php", "run/$_.php") for qw(ComplyCubeInbox cron poll);
    $f->copy("consumers/perl/$_", "run/$_") for qw(ComplyCubeInbox.pm cron.pl poll.pl worker.pl);
    $f->folder('run/odd');
    record($f, map { resource_event("e$_", "r$_", $_, 'check.completed') } 1 .. 4);
    return $f;
}

# In run/odd: exit code, how many lines were printed, standard error.
sub ran {
    my ($f, @command) = @_;
    my ($code, $out, $err) = $f->run('sh', '-c', 'cd "$0" && exec "$@"', $f->path('run/odd'), @command);
    return ($code, scalar(() = $out =~ /\n/g), $err);
}

my @names = ('in box.db', 'a;b.db', 'a;dbname=b?c#d%41&e=f.db', "new\nline.db", 'file:inbox.db', "caf\xc3\xa9 '\".db", ':memory:', ' blank ');
my %command = (perl => ['perl'], 'perl -T' => ['perl', '-T'], php => ['php']);
my ($table, $directory) = map { inbox($_) } qw(table directory);
my $database = Fixture::slurp($table->database);
rename $directory->path('home/private/inbox.d'), $directory->path('run/odd/in;box d') or die $!;

for my $how (sort keys %command) {
    my $suffix = $how eq 'php' ? 'php' : 'pl';
    for my $script ("poll.$suffix", "cron.$suffix") {
        my @wrong;
        for my $name (@names) {
            for my $given ($name, $table->path("run/odd/$name")) {
                $table->write("run/odd/$name", $database, 0600);
                my ($code, $lines, $err) = ran($table, @{ $command{$how} }, "../$script", $given, 'live');
                push @wrong, "$given: $code, $lines lines: $err" if "$code $lines $err" ne '0 4 ';
            }
        }
        is_deeply(\@wrong, [], "$how $script works off a database of any name") or diag @wrong;
    }
}
opendir my $odd, $table->path('run/odd') or die $!;
is_deeply([sort grep { !/\A\.|-(?:wal|shm)\z/ } readdir $odd], [sort @names], 'and makes no other');

# Each call of the library changes a name in the directory.
my $calls = <<'PERL';
use ComplyCubeInbox;
for my $ordered (0, 1) {
    my $inbox = ComplyCubeInbox->new($ARGV[0], endpoint => $ARGV[1], ordered => $ordered, log => sub {});
    my ($event) = $inbox->claim(1) or die "nothing waits\n";
    $inbox->extend($event, 60) or die "extend\n";
    $inbox->release($event) or die "release\n";
    $inbox->each(sub { die "no\n" }, 1) or die "each\n";
    ($event) = $inbox->claim(1);
    $inbox->nack($event, 'no', 0) or die "nack\n";
    for (2 .. 10) { ($event) = $inbox->claim(1); $inbox->nack($event, 'no', 0) or die "nack again\n" }
}
print "good\n";
PERL
for my $over ([$table, 'a;b.db'], [$directory, 'in;box d']) {
    my ($f, $name) = @$over;
    $table->write("run/odd/$name", $database, 0600) if $f == $table;
    $f->write('run/calls.pl', $calls);
    my ($code, $lines, $err) = ran($f, 'perl', '-T', '-I..', '../calls.pl', $name, 'live');
    is_deeply([$code, $lines], [0, 1], "perl -T: each call of the library over $name") or diag $err;
}
is_deeply([ran($directory, 'perl', '-T', '../cron.pl', 'in;box d', 'live')], [0, 1, ''], 'perl -T cron.pl works off what waits still');
like((ran($table, 'perl', '-T', '../worker.pl', 'a;b.db', 'dbi:SQLite:dbname=app.db', 'me', 'live'))[2], qr/\Aworker\.pl: .*make it: CREATE TABLE complycube_handled/, 'perl -T worker.pl');
$_->finish for $table, $directory;
done_testing;
