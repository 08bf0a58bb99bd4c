#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How tests/upgrade/0.1.0 was made: the programs and libraries of 0.1.0, built from its commit, fill each layout that its
# README documents with every kind of row or file, and say what they made of it. As root, in a checkout with history:
#
#     perl -Itests/lib tests/upgrade/make-0.1.0.pl [LAYOUT...]
#
# What it writes is committed and not made again: ids and times differ each time. For each layout:
#
#     LAYOUT.tar.gz           its files, just as a crash left them: SQLite's log is not folded back
#     LAYOUT/tree             their names, modes and groups, to be read
#     LAYOUT/export.jsonl     what the tools of 0.1.0 say of a copy: export --quarantine,
#     LAYOUT/list.jsonl       list, history and quarantine with --json
#     LAYOUT/history.jsonl
#     LAYOUT/quarantine.jsonl
#     LAYOUT/again.jsonl      each event that was posted, its signature, and what 0.1.0 answers when it comes again
#     LAYOUT/after.jsonl      export --quarantine after that: what lay in the spool is recorded
#     LAYOUT/output.jsonl     what each subcommand prints with --json, its name as the member "of"
#
# and options.tsv, the options of each subcommand.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(hmac_sha256_hex);
use File::Path qw(make_path);
use JSON::PP;
use MIME::Base64;
use Upgrade;

my $json = JSON::PP->new->utf8->canonical;
my ($source, $why) = Upgrade::released();
die "$why\n" if !$source;
die "as root only: it needs two users\n" if $>;

my %VALUE = (
    main => 'akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH', former => 'former00123456789abcdef012345678',
    older => 'older000123456789abcdef012345678', sandbox => 'sandbox0123456789abcdef012345678',
    narrow => 'narrow00123456789abcdef012345678',
);
my $SECRETS = "# the live webhook\nmain $VALUE{main}\nformer $VALUE{former}\nolder $VALUE{older} retired\n";

# ---- what happens in a layout ----

my ($u, @posted);

sub owner { return (getpwnam($u->{users} ? $Upgrade::RECEIVER : 'www-data'))[2, 3] }

# One that is there keeps its owner and mode.
sub put {
    my ($name, $text, $mode) = @_;
    my $there = -e $u->path($name);
    open my $out, '>:raw', $u->path($name) or die "$name: $!";
    print $out $text;
    close $out or die "$name: $!";
    return if $there;
    chown owner(), $u->path($name);
    chmod $mode, $u->path($name);
}

sub folder {
    my ($name, $mode, $group) = @_;
    make_path($u->path($name));
    my ($uid, $gid) = owner();
    chown $uid, $group ? scalar getgrnam $group : $gid, $u->path($name);
    chmod $mode, $u->path($name);
}

sub event {
    my ($id, $type, $resource, $seconds, %payload) = @_;
    my ($kind) = $type =~ /^(workflow)/ ? 'workflowSession' : $type =~ /^(\w+)/;
    my $payload = $json->encode({ id => $resource, clientId => 'client-1', %payload });
    return sprintf '{"id":"%s","type":"%s","resourceType":"%s","payload":%s,"createdAt":"2026-01-29T20:32:%02d.004Z"}',
        $id, $type, $kind, $payload, $seconds;
}

# As ComplyCube would.
sub post {
    my ($secret, $body, %o) = @_;
    my $signature = hmac_sha256_hex($body, $VALUE{$secret});
    push @posted, [$body, $signature] if !grep { $_->[1] eq $signature } @posted;
    my $answer = $u->post($body, $signature, %o);
    return $answer->{status} ? "$answer->{status} $answer->{body}" : 'none';
}

sub must { my ($is, $want) = @_; $is =~ $want or die "$u->{layout}: $is instead of $want" }
sub stored { my ($secret, @body) = @_; must(post($secret => $_), qr/^200 \{"received":true\}$/) for @body }

sub tool { my ($code, $out, $err) = $u->tool(@_); $code == 0 or die "$u->{layout}: @_: $code $err" }

# A few lines of an application's, in Perl or PHP with the library of 0.1.0; $inbox claims events of a type.
sub perl {
    my ($type, $code) = @_;
    my $new = qq(my \$inbox = ComplyCubeInbox->new(shift, endpoint => "live", owner => "perl-app", types => ["$type"]););
    my ($result, undef, $err) = $u->as('application', 'perl', "-I$source/consumers/perl", '-MComplyCubeInbox', '-e', "$new $code", $u->inbox);
    $result == 0 or die "perl: $err";
}

sub php {
    my ($type, $code) = @_;
    my $new = qq(require "$source/consumers/php/ComplyCubeInbox.php"; \$inbox = new ComplyCubeInbox(\$argv[1],
        array("endpoint" => "live", "owner" => "php-app", "types" => array("$type"), "log" => function () {})););
    my ($result, $out, $err) = $u->as('application', 'php', '-d', 'display_errors=stderr', '-r', "$new $code", '--', $u->inbox);
    $result == 0 or die "php: $out $err";
}

sub set_up {
    folder('', 0755);
    folder($_, 0755) for $u->{users} ? qw(bin etc var var/lib var/log var/spool) : qw(home home/bin home/public_html home/public_html/cgi-bin);
    folder('home/backups', 0700) if !$u->{users};
    folder($u->{folder}, $u->{users} ? (02770, 'users') : 0700);
    $u->programs("$source/build/bin");
    put("$u->{folder}/secrets", $SECRETS, 0600);
    put("$u->{folder}/secrets.$_", "$VALUE{$_}\n", 0600) for qw(sandbox narrow);
    my $conf = Upgrade::slurp("$RELEASED/conf/$u->{layout}.conf");
    if ($u->{layout} eq 'kit') {
        put("$u->{folder}/secrets", "# The secret of your webhook.\nmain $VALUE{main}\n", 0600);
        unlink map { $u->path("$u->{folder}/secrets.$_") } qw(sandbox narrow);
        put("$u->{folder}/ComplyCubeInbox.php", Upgrade::slurp("$source/consumers/php/ComplyCubeInbox.php"), 0644);
        put("$u->{folder}/$_", Upgrade::slurp("$source/packaging/kit/private/$_"), 0644) for qw(.htaccess poll.php work-sample.php);
    }
    put($u->{config}, $conf, 0644);
    put('home/public_html/cgi-bin/.htaccess', Upgrade::slurp("$source/cgi-bin/.htaccess"), 0644) if !$u->{users};
}

# Emptied by age, before anything else is done.
sub pruned {
    stored(main => event('pruned-1', 'document.deleted', 'document-0', 1));
    must(post(narrow => event('pruned-2', 'check.created', 'check-0', 1)), qr/ignored/);
    perl('document.deleted', '$inbox->each(sub {})');
    my $db = $u->opened;
    my $when = 1_769_800_000_000;
    $db->do("UPDATE event_log SET received_ms = $when");
    $db->do("UPDATE inbox SET due_ms = $when, done_ms = CASE WHEN state = 1 THEN $when END");
    $db->disconnect;
    rename $_, s/\d{8}$/20260130/r for glob(($u->directory // 'none') . '/*/done/*');
    my $conf = Upgrade::slurp($u->config);
    put($u->{config}, $conf =~ s/^retain.*/retain = "90d"/mr, 0644);
    tool('prune');
    put($u->{config}, $conf, 0644);
}

sub consumed {
    stored(main => event('done-1', 'document.created', 'document-1', 2), event('done-2', 'address.created', 'address-1', 3));
    perl('document.created', '$inbox->each(sub {})');
    php('address.created', '$inbox->each(function ($e) {});');
    stored(main => event('tried-1', 'check.completed.attention', 'check-6', 4, status => 'complete'),
        event('dead-1', 'check.failed', 'check-7', 5, status => 'failed'));
    perl('check.completed.attention', '$inbox->nack($inbox->claim(1), "the mail server was down")');
    php('check.failed', 'for ($i = 0; $i < 3; $i++) { $e = $inbox->claim(1); $inbox->nack($e[0], "no such client: \u{e9}", 0.001); usleep(5000); }');
    stored(main => event('leased-1', 'check.completed.clear', 'check-2', 6, status => 'complete', outcome => 'clear'),
        event('leased-2', 'check.completed.rejected', 'check-3', 7, status => 'complete', outcome => 'rejected'));
    perl('check.completed.clear', '$inbox->claim(1)');
    php('check.completed.rejected', '$inbox->claim(1);');
}

sub waiting {
    stored(main => event('older-1', 'check.pending', 'check-1', 8, status => 'pending'),
        event('newer-1', 'check.completed', 'check-1', 9, status => 'complete', outcome => 'clear'),
        event('gone-1', 'client.created', 'client-9', 10, clientId => 'client-9'), event('gone-2', 'client.deleted', 'client-9', 11, clientId => 'client-9'),
        event('same-1', 'check.completed.clear', 'check-4', 12, status => 'complete'), event('same-1', 'check.completed', 'check-4', 12, status => 'complete'));
    stored(sandbox => event('older-1', 'check.pending', 'check-1', 8, status => 'pending'));
    stored(narrow => event('narrow-1', 'check.pending', 'check-8', 13));
    must(post(narrow => event('narrow-2', 'client.updated', 'client-1', 14)), qr/ignored/);
    must(post(main => event('newer-1', 'check.completed', 'check-1', 9, status => 'complete', outcome => 'clear')), qr/duplicate/);
    stored(main => qq({\r\n "id" : "odd-\xc3\xa9\\u0001", "type":"of.no.kind" , "payload":{"id":"\xe2\x82\xac","note":"\\u0000\\ud83d"}}\r\n),
        qq({"type":"check.updated","id":"bare-1"}), event('long-1', 'document.updated', 'document-2', 15, note => 'x' x 20_000));
    stored(former => event('former-1', 'address.updated', 'address-2', 16));
}

sub by_hand {
    stored(main => map { event("hand-$_", 'document.updated', "document-$_", 20 + $_) } 3 .. 6);
    tool('ack', 'hand-3', '--reason', 'handled on paper');
    tool('dead', 'hand-4', '--reason', 'no such client');
    tool('dead', 'hand-5');
    tool('requeue', 'hand-5', '--reason', 'the client is there');
    $u->opened->do(q(UPDATE inbox SET state = 2 WHERE seq = (SELECT seq FROM event_log WHERE event_id = 'hand-6'))) if !$u->directory;
    stored(main => event('erased-1', 'client.updated', 'client-7', 30, clientId => 'client-7'));
    tool('erase', '--client', 'client-7', '--reason', 'ticket 4711');
    must(post(main => '{"no event": true}'), qr/quarantined/) for 1 .. 2;
    must(post(main => "\xff\x00 no text"), qr/quarantined/);
    must(post(main => event('newer-1', 'check.completed', 'check-1', 9, status => 'other')), qr/quarantined/);
    must(post(main => event('hand-3', 'document.updated', 'document-3', 23, note => 'corrected')), qr/quarantined/);
    tool('quarantine', 'accept', 4, '--reason', 'confirmed by support');
    tool('quarantine', 'drop', 1, '--reason', 'seen');
    my ($known, $unknown) = map { event("imported-$_", 'client.created', "client-2$_", 35 + $_) } 1 .. 2;
    my $line = sub { $json->encode({ schema => 1, body => $_[0], signature => $_[1], @_[2 .. $#_] }) . "\n" };
    my $retired = hmac_sha256_hex($known, $VALUE{older});
    $u->as('receiver', $u->path($u->{tool}), 'import', '-', { input => $line->($known, $retired, state => 'done', received_ms => 1_769_718_742_004) });
    $u->as('receiver', $u->path($u->{tool}), 'import', '--unverified', '--endpoint', 'live', '-', { input => $line->($unknown, 'ab' x 32) });
    push @posted, [$known, $retired];
    $u->post('{}', 'ab' x 32) for 1 .. 3;    # refused
}

# Before a receiver: it cannot record.
sub locked { return (before => ['flock', $u->database . '.lock']) }

# Recorded from the spool, and set aside in it.
sub spooled {
    must(post(main => event('spooled-1', 'client.updated', 'client-30', 40), locked()), qr/spooled/);
    my ($file) = glob $u->path("$u->{spool}/*.event");
    my $torn = substr Upgrade::slurp($file), 0, 300;
    stored(main => event('beside-1', 'client.updated', 'client-31', 41));
    my ($name) = $file =~ m{([^/]+)$};
    put("$u->{spool}/$name.aside", $torn, $u->{users} ? 0660 : 0600);
    chown -1, scalar getgrnam('users'), $u->path("$u->{spool}/$name.aside") if $u->{users};
}

# A receiver is killed at a call of its own.
sub killed {
    my ($body, $call) = @_;
    my @strace = ($u->{users} ? '/usr/bin/strace' : 'strace', '-f', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=1");
    must(post(main => $body, traced => \@strace), qr/^none$/);
}

# What a crash leaves: a file that was committed and is not shown, or one that was not; a log that nobody folded back.
sub crashed {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        ($>, $)) = (0, 0);
        my $db = $u->opened;
        $db->selectrow_array('SELECT count(*) FROM event_log');
        sleep 600;
    }
    select undef, undef, undef, 0.5;
    stored(main => event('late-1', 'check.completed', 'check-60', 55, status => 'complete'), event('late-2', 'document.created', 'document-61', 56));
    perl('document.created', '$inbox->each(sub {})');
    killed(event('unseen-1', 'check.updated', 'check-50', 50), $u->{users} ? 'renameat2' : 'fsync') if $u->directory;
    must(post(main => event('spooled-2', 'client.updated', 'client-32', 42), locked()), qr/spooled/);
    kill KILL => $pid;
    waitpid $pid, 0;
}

sub kit {
    stored(main => map { event("kit-$_", 'check.completed', "check-$_", $_, status => 'complete') } 1 .. 3);
    my ($code, $out) = $u->as('application', 'php', '-q', $u->path('home/private/poll.php'));
    must($out, qr/They wait until your code/);
    stored(main => event('kit-4', 'client.created', 'client-4', 4));
    perl('client.created', '$inbox->each(sub {})');
}

sub fill {
    my ($layout) = @_;
    $u = Upgrade->empty($layout);
    @posted = ();
    set_up();
    tool('init');
    return kit() if $layout eq 'kit';
    if ($u->directory) { put("$u->{inbox}/setting", Upgrade::slurp($u->inbox . '/setting') =~ s/^max_attempts .*/max_attempts 3/mr) }
    else { $u->opened->do('UPDATE setting SET max_attempts = 3, lease_ms = 600000, backoff_ms = 120000') }
    pruned();
    consumed();
    waiting();
    by_hand();
    if ($layout eq 'one-user') {
        my $file = $u->path('home/backups/inbox-20261130T031500Z.db');
        tool('backup', $file);
        tool('restore', $file, '--reason', 'a trial');
    }
    spooled();
    put("$u->{folder}/secrets", $SECRETS =~ s/^former.*\K$/ retired/mr, 0600);
    crashed();
}

# ---- what is written of it ----

sub write_text { my ($name, $text) = @_; open my $out, '>:raw', "$RELEASED/$name" or die "$name: $!"; print $out $text; close $out or die "$name: $!" }

sub packed {
    my ($layout) = @_;
    unlink map { $u->path($_) } @{ $u->{receiver} }, $u->{tool};
    mkdir "$RELEASED/$layout";
    write_text("$layout/tree", $u->tree);
    my $tar = "$RELEASED/$layout.tar.gz";
    system("tar -C '$u->{dir}' --format=ustar --sort=name -cf - . | gzip -n9 >'$tar'") == 0 or die "tar: $?";
}

# By the tools of 0.1.0, of a copy.
sub examined {
    my ($layout) = @_;
    $u = Upgrade->new($layout, bin => "$source/build/bin");
    my %print = (export => ['export', '--quarantine'], list => [qw(list --json --limit 1000)], history => [qw(history --json --limit 1000)],
        quarantine => [qw(quarantine --json)]);
    write_text("$layout/$_.jsonl", $u->told(@{ $print{$_} })) for sort keys %print;
    my $output = '';
    for my $command ('list', 'stats', 'watch', 'show 10', 'secrets', 'config', 'doctor', 'spool', 'history', 'verify --stored', 'quarantine', 'init',
        'quarantine show 2', 'prune --dry-run', 'ack 12', 'requeue 12', 'dead 12', 'erase 12 --reason x', 'backup b.db', 'migrate') {
        next if $layout eq 'kit' && $command =~ /spool|prune|quarantine|show 10|12/;
        my ($code, $out) = $u->tool(split(' ', $command), '--json', { dir => $u->path($u->{folder}) });
        $output .= $json->encode({ of => $command, %{ $json->decode($_) } }) . "\n" for map { s/\Q$u->{dir}\E/\@DIR\@/gr } split /\n/, $out;
    }
    write_text("$layout/output.jsonl", $output);
    $u = Upgrade->new($layout, bin => "$source/build/bin");
    my $again = '';
    for (@posted) {
        my ($body, $signature) = @$_;
        my $answer = $u->post($body, $signature);
        $again .= $json->encode({ body_base64 => encode_base64($body, ''), signature => $signature, status => 0 + $answer->{status}, answer => $answer->{body} }) . "\n";
    }
    write_text("$layout/again.jsonl", $again);
    write_text("$layout/after.jsonl", $u->told('export', '--quarantine'));
}

# The options of each subcommand, from its --help: name, short, long, whether a value follows.
sub options {
    my $text = '';
    my $inbox = "$source/build/bin/complycube-inbox";
    for my $command (`$inbox --help` =~ /^  (\w+)  /mg) {
        $text .= join("\t", $command, $1, $2, $3 // '') . "\n" while `$inbox $command --help` =~ /^  (-\w), (--[\w-]+)(?: ([A-Z]+))?/mg;
    }
    return $text;
}

for my $layout (@ARGV ? @ARGV : sort keys %Upgrade::LAYOUT) {
    fill($layout);
    packed($layout);
    examined($layout);
    print "$layout\n";
}
write_text('options.tsv', options());
