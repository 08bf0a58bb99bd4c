#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An application that is down, and a function that ends the program, in PHP and Perl over each form of the inbox: an event
# that is not at fault keeps its attempts, one that is has its reason.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use HandMade;
use Source qw($ROOT quoted);
use Test::More;

my $tmp = tempdir('cc-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($language, $form, $count);

# Two runs of each, whose callback is this text of the language and gets $event; the exit code, and what was printed.
my %START = (
    php => <<'PHP',
<?php
require 'LIBRARY';
class LostPDO extends PDOException {
    public function __construct($state, $number) { parent::__construct("SQLSTATE[$state]: $number gone"); $this->errorInfo = array($state, $number, 'gone'); }
}
$inbox = new ComplyCubeInbox('INBOX', array('log' => function ($line) { echo "$line\n"; }));
foreach (array(1, 2) as $run) echo $inbox->each(function (array $event) {
    CODE
}), " in run $run\n";
PHP
    perl => <<'PERL',
require 'LIBRARY';
$| = 1;
my $inbox = ComplyCubeInbox->new('INBOX', log => sub { print "$_[0]\n" });
for my $run (1, 2) { print $inbox->each(sub { my ($event) = @_;
    CODE
}), " in run $run\n" }
PERL
);
my %LIBRARY = (php => 'php/ComplyCubeInbox.php', perl => 'perl/ComplyCubeInbox.pm');
my $script;

sub run {
    my ($i, $code, @options) = @_;
    my %in = (LIBRARY => "$ROOT/consumers/$LIBRARY{$language}", INBOX => $i->path, CODE => $code);
    (my $text = $START{$language}) =~ s/(LIBRARY|INBOX|CODE)/$in{$1}/g;
    $script = "$tmp/script-" . ++$count;
    open my $out, '>', $script or die "$script: $!";
    print $out $text;
    close $out;
    open my $said, '-|', "exec $language @{[quoted(@options, $script)]} 2>&1" or die "$language: $!";
    local $/;
    my $printed = readline($said) // '';
    close $said;
    return ($? >> 8, $printed);
}

sub inbox {
    my $i = HandMade->new("$tmp/inbox-" . ++$count . ($form eq 'directory' ? '' : '.db'), form => $form);
    $i->add for 1 .. 3;
    return $i;
}

# State and attempts of each event.
sub stand { my ($i) = @_; return join ' ', map { my $is = $i->state($_); $is->{state} . ($is->{state} eq 'done' ? '' : "/$is->{attempts}") } 1 .. 3 }
sub code { my (%of) = @_; return $of{$language} }

sub later {
    my $i = inbox();
    my $first = code(php => q(if ($event['event_id'] !== 'e1') throw new ComplyCubeInboxLater('the mail server is down');),
        perl => q(ComplyCubeInboxLater->throw('the mail server is down') if $event->{event_id} ne 'e1';));
    my ($exit, $printed) = run($i, $first);
    is $printed, "complycube-inbox: live check.completed e2: the mail server is down; this run ends, and counts no attempt\n0 in run 1\n0 in run 2\n",
        'ComplyCubeInboxLater ends the run with a line, and the next run with none of the same words';
    is $exit, 0, 'the program goes on';
    is stand($i), 'done waiting/0 waiting/0', 'what is claimed is released, and no attempt is counted';
    ($exit, $printed) = run($i, '');
    is $printed, "2 in run 1\n0 in run 2\n", 'the next run has them at once';
    is stand($i), 'done done done', 'and they are done';
}

sub lost {
    my $wrapped = code(php => q(throw new RuntimeException('saving failed', 0, new LostPDO('HY000', 2006));),
        perl => q(die "DBD::MariaDB::st execute failed: Server has gone away at x line 1.\n"));
    my $i = inbox();
    my ($exit, $printed) = run($i, $wrapped);
    like $printed, qr/^complycube-inbox: live check\.completed e1: .*gone.*; this run ends, and counts no attempt\n0 in run 1\n/, 'so does a connection that is lost';
    isnt $exit, 0, 'and if it stays lost the program ends: it does not come back in this process';
    is stand($i), 'waiting/0 waiting/0 waiting/0', 'no attempt is counted';
    my $refused = code(php => q(new PDO('mysql:host=127.0.0.1;port=1', 'a', 'b');), perl => q(require DBI; DBI->connect('dbi:MariaDB:host=127.0.0.1;port=1', 'a', 'b', { RaiseError => 1, PrintError => 0 });));
    SKIP: {
        skip 'no driver for MariaDB', 1 if code(php => system(q(php -r 'exit(in_array("mysql", PDO::getAvailableDrivers()) ? 0 : 1);')), perl => system(q(perl -MDBD::MariaDB -e1 2>/dev/null)));
        $i = inbox();
        (undef, $printed) = run($i, $refused);
        is stand($i), 'waiting/0 waiting/0 waiting/0', 'nor if none can be made' or diag $printed;
    }
    if ($language eq 'perl') {
        $i = inbox();
        run($i, q(require DBI; our $h = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', { RaiseError => 1, PrintError => 0 }); $h->set_err(2013, 'weg', 'HY000');));
        is stand($i), 'waiting/0 waiting/0 waiting/0', 'whatever language the server speaks';
    }
    my $other = code(php => q(throw new LostPDO('23000', 1062);), perl => q(die "DBD::MariaDB::st execute failed: Duplicate entry\n"));
    $i = inbox();
    run($i, $other);
    is stand($i), 'waiting/1 waiting/1 waiting/1', 'another error of a database is the event\'s';
}

# What a callback does, options, and the reason that the event then has: FILE is the script.
sub ends {
    my @case = $language eq 'perl' ? (['exit' => 'exit 3 if $event->{event_id} eq "e1";', qr/^exit was called in the function at FILE line \d+$/, 3]) : (
        ['exit' => 'if ($event["event_id"] === "e1") exit(3);', qr/^exit or die was called in the function at FILE:\d+$/, 3],
        ['die with words' => 'if ($event["event_id"] === "e1") die("bye\n");', qr/^exit or die was called in the function at FILE:\d+$/, 0],
        ['exit without error_get_last' => 'exit(3);', qr/^exit or die was called in the function at FILE:\d+$/, 3, '-d', 'disable_functions=error_get_last'],
        ['the limit of memory' => 'for ($all = array(); ; ) $all[] = str_repeat("x", 999) . mt_rand();', qr/^Allowed memory size of \d+ bytes exhausted .* in FILE:\d+$/, 255, '-d', 'memory_limit=32M'],
        ['the limit of time' => 'set_time_limit(1); for (;;) {}', qr/^Maximum execution time of 1 second exceeded in FILE:\d+$/, 255],
        ['a class that cannot be' => 'eval("class A implements Countable {}");', qr/^Class A contains 1 abstract method .* in FILE\(\d+\) : eval\(\)'d code:1$/, 255],
        ['E_USER_ERROR' => 'trigger_error("no", E_USER_ERROR);', qr/^no in FILE:\d+$/, 255]);
    for my $case (@case) {
        my ($name, $code, $why, $code_of_exit, @options) = @$case;
        my $i = inbox();
        my ($exit, $printed) = run($i, $code, @options);
        is $exit, $code_of_exit, "$name: the program ends as it would";
        my $is = $i->state(1);
        is stand($i), 'waiting/1 waiting/0 waiting/0', "$name: the event has used an attempt, the others were released" or diag $printed;
        (my $pattern = "$why") =~ s/FILE/$script/g;
        like $printed, qr/^complycube-inbox: live check\.completed e1: /m, "$name: the log names the event";
        my ($said) = $printed =~ /^complycube-inbox: live check\.completed e1: (.*)$/m;
        like $said // '', qr/$pattern/, "$name: with file and line";
        is $is->{why}, $said, "$name: and the event has it as its error" if $form ne 'directory';
    }
    my $i = inbox();
    my $fork = code(php => 'if (!($pid = pcntl_fork())) exit(0); pcntl_waitpid($pid, $status);', perl => 'my $pid = fork; exit 0 if !$pid; waitpid $pid, 0;');
    my (undef, $printed) = run($i, $fork);
    is stand($i), 'done done done', 'a child that exits is no end of the program' or diag $printed;
}

sub bugs {
    my $i = inbox();
    my (undef, $printed) = run($i, 'if ($event["event_id"] === "e1") require "' . "$tmp/broken.php" . '"; if ($event["event_id"] === "e2") nowhere();');
    like $printed, qr{^complycube-inbox: live check\.completed e1: syntax error, .* in \Q$tmp\E/broken\.php:2$}m, 'an error of parsing has its file and line';
    like $printed, qr{e2: Call to undefined function nowhere\(\) in \Q$script\E:\d+$}m, 'so has any other Error';
    is stand($i), 'waiting/1 waiting/1 done', 'and they are the events\' own';
}

sub false {
    my $i = inbox();
    my (undef, $printed) = run($i, 'return false;');
    is $printed, "complycube-inbox: live check.completed e1: the function returned false, which counts as done: return nothing, or throw an exception"
        . " if the event is to come again\n3 in run 1\n0 in run 2\n", 'false is done, with a notice once';
    is stand($i), 'done done done', 'as before';
    (undef, $printed) = run(inbox(), 'return 0;');
    is $printed, "3 in run 1\n0 in run 2\n", 'nothing is said of another value';
}

sub words {
    my $i = inbox();
    my $of = code(php => q(throw new PDOException("SQLSTATE[42S22]: TEXT");), perl => q(die "DBD::MariaDB::st execute failed: TEXT at x line 1.\n";));
    for my $case (["1054 Unknown column 'outcom' in 'field list'", "1054 Unknown column 'outcom' in 'field list'"],
        ["Table 'app.outcome' doesn't exist", "Table 'app.outcome' doesn't exist"],
        ["Data too long for column 'note' at row 1", "Data too long for column 'note' at row 1"],
        ["Column 'note' cannot be null", "Column 'note' cannot be null"],
        ["Duplicate entry 'a\@b.c' for key 'mail'", 'Duplicate entry'],
        ["Incorrect string value: 'Jo' for column 'n'", 'Incorrect string value:'],
        ["Unknown column 'Jo Doe' in 'field list'", 'Unknown column'],
        ["syntax near 'Jo'", 'syntax near'])
    {
        my ($text, $kept) = @$case;
        $i = inbox();
        (my $code = $of) =~ s/TEXT/$text =~ s{\@}{\\\@}r/e;
        run($i, $code);
        my $why = $i->state(1)->{why} =~ s/^SQLSTATE\[42S22\]: |^DBD::MariaDB::st execute failed: | at x line 1\.$//gr;
        is $why, $kept, "of \"$text\" no value is kept";
    }
}

open my $broken, '>', "$tmp/broken.php" or die $!;
print $broken "<?php\nif (;\n";
close $broken;
for (qw(php perl)) {
    $language = $_;
    for (qw(wal directory)) {
        $form = $_;
        subtest "$language, $form: an application that is down" => sub { later(); lost() };
        subtest "$language, $form: a function that ends the program" => \&ends;
        subtest "$language, $form: an error of the function itself" => \&bugs if $language eq 'php';
        subtest "$language, $form: a function that returns false" => \&false if $language eq 'php';
    }
    $form = 'wal';
    subtest "$language: the words of a database" => \&words;
}
done_testing;
