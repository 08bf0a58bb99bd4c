# SPDX-License-Identifier: MIT
# What holds of a layout that 0.1.0 left, once this version's programs are in it: nothing is lost, nothing refused.
package Upgraded;
use strict;
use warnings;
use File::Basename qw(basename);
use JSON::PP;
use MIME::Base64;
use Test::More;
use Digest::SHA qw(hmac_sha256_hex);
use Source qw(listed);
use Upgrade;
use Exporter 'import';
our @EXPORT = qw(taken_over cron_runs consumers);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $LIVE = 'akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH';

sub recorded { my ($u, $name) = @_; return lines_of("$RELEASED/$u->{layout}/$name.jsonl") }

# Whether each object is there again, in its place, with every member that it had; but => members that may differ.
sub covered {
    my ($is, $was, $name, %o) = @_;
    my @wrong;
    for my $i (0 .. $#$was) {
        my ($old, $new) = ($was->[$i], $is->[$i]);
        my @other = grep { $_ ne ($o{but} // '') && $json->encode($old->{$_}) ne $json->encode(exists $new->{$_} ? $new->{$_} : 'is not there') } sort keys %$old;
        push @wrong, 'row ' . ($i + 1) . ": " . join ', ', map { "$_ was " . _short($old->{$_}) . ', is ' . _short($new->{$_}) } @other if @other;
    }
    push @wrong, @$is . ' instead of ' . @$was if @$is != @$was;
    is(scalar @wrong, 0, $name) or diag join "\n", @wrong[0 .. ($#wrong > 4 ? 4 : $#wrong)];
}

sub _short { return substr $json->encode($_[0]), 0, 60 }

my %PRINT = (export => ['export', '--quarantine'], list => [qw(list --json --limit 1000)], history => [qw(history --json --limit 1000)],
    quarantine => [qw(quarantine --json)]);

sub events_are_the_same { my ($u) = @_; covered([lines_of($u->told(@{ $PRINT{$_} }))], [recorded($u, $_)], "$_ prints what 0.1.0 printed") for sort keys %PRINT }

# What doctor finds wrong in it was wrong by 0.1.0, too; a warning may be new.
sub set_up_is_accepted {
    my ($u) = @_;
    my ($code, $out, $err) = $u->as('receiver', $u->path($u->{receiver}[0]), '-n');
    is $code, 0, 'the receiver accepts the configuration' or diag $out, $err;
    ($code, $out, $err) = $u->tool('init');
    is $code, 0, 'init accepts all that is there' or diag $out, $err;
    ($code, $out, $err) = $u->tool('doctor', '--json');
    my %was = map { $_->{what} => 1 } grep { $_->{of} eq 'doctor' && $_->{verdict} eq 'wrong' } recorded($u, 'output');
    my @wrong = grep { $_->{verdict} eq 'wrong' && !$was{ $_->{what} } } lines_of($out);
    ok $code <= 1 && !@wrong, 'doctor finds nothing wrong that 0.1.0 did not' or diag $err, map { "$_->{what}: $_->{finding}\n" } @wrong;
    my $answer = $u->ask({ method => 'GET', path => '/' });
    is "$answer->{status} $answer->{body}" =~ s/\s+\z//r, '200 ready', 'a GET says ready' or diag $answer->{log};
}

sub answers_are_the_same {
    my ($u) = @_;
    my @wrong;
    my @again = recorded($u, 'again');
    for (@again) {
        my $body = decode_base64($_->{body_base64});
        my $answer = $u->post($body, $_->{signature});
        push @wrong, substr($body, 0, 60) . ": $answer->{status} $answer->{body} instead of $_->{status} $_->{answer}"
            if "$answer->{status} $answer->{body}" ne "$_->{status} $_->{answer}";
    }
    is scalar @wrong, 0, 'each event that comes again is answered as by 0.1.0: ' . @again or diag join "\n", @wrong;
    covered(_after($u->told(@{ $PRINT{export} })), _after("$RELEASED/$u->{layout}/after.jsonl"), 'and stored as by 0.1.0, what lay in the spool included', but => 'last_ms');
}

# What a crash took out, or a person dropped, came at another time now.
sub _after {
    my ($text) = @_;
    return [map { delete $_->{received_ms} if $_->{kind} eq 'quarantine' || $_->{event_id} eq 'unseen-1'; $_ } lines_of($text)];
}

sub is_tidy {
    my ($u) = @_;
    is_deeply [glob $u->path("$u->{spool}/*.event")], [], 'nothing waits in the spool';
    my $directory = $u->directory // return;
    is_deeply [glob "$directory/*/tmp/*"], [], 'nothing lies in tmp/';
    my ($seq) = map { $_->{seq} } grep { $_->{event_id} eq 'unseen-1' } lines_of($u->told(@{ $PRINT{list} }));
    is scalar(my @shown = glob sprintf "$directory/live/new/*.%012d.json", $seq), 1, 'what a crash had left in tmp/ is shown once';
}

sub new_events_are_stored {
    my ($u, $name) = @_;
    my ($last) = map { $_->{seq} } lines_of($u->told(qw(list --json --limit 1)));
    my $body = qq({"id":"$name","type":"check.completed","resourceType":"check","payload":{"id":"$name","clientId":"c"},"createdAt":"2026-12-01T00:00:00.000Z"});
    my $answer = $u->post($body, hmac_sha256_hex($body, $LIVE));
    is "$answer->{status} $answer->{body}", '200 {"received":true}', 'a new event is stored' or diag $answer->{log};
    my ($row) = lines_of($u->told(qw(list --json --limit 1)));
    ok $row->{event_id} eq $name && $row->{seq} > $last, 'with a number above all others';
}

sub migrates {
    my ($u) = @_;
    my $before = $u->told(@{ $PRINT{export} });
    my ($code, $out, $err) = $u->tool('migrate', '--reason', 'a new version');
    is $code, 0, 'migrate brings it up to date' or diag $err;
    is_deeply [lines_of($u->told(@{ $PRINT{export} }))], [lines_of($before)], 'and changes no event';
    ($code, $out) = $u->tool(qw(verify --stored --json));
    my ($is, $was) = ((lines_of($out))[-1], grep { $_->{of} eq 'verify --stored' } recorded($u, 'output'));
    $is->{erased} += delete $is->{pruned};    # 0.1.0 knew no difference
    ok $is->{verified} > $was->{verified} && !grep({ $is->{$_} != $was->{$_} } qw(unknown altered missing unsigned erased)),
        'verify --stored finds each event as it was signed' or diag $out;
    is $u->opened->selectrow_array('PRAGMA integrity_check'), 'ok', 'the database is sound';
}

# Of each subcommand: every member that 0.1.0 printed with --json, and of its type.
sub output_has_all_members {
    my ($u) = @_;
    my (%was, %is, @wrong);
    for (recorded($u, 'output')) {
        my $of = delete $_->{of};
        _kinds($was{$of} //= {}, $_);
    }
    for my $of (sort keys %was) {
        my ($code, $out) = $u->tool(split(' ', $of), '--json', { dir => $u->path($u->{folder}) });
        _kinds($is{$of} //= {}, $_) for lines_of($out);
        push @wrong, map { "$of: $_" } grep { !defined $is{$of}{$_} || ($is{$of}{$_} || $was{$of}{$_}) ne ($was{$of}{$_} || $is{$of}{$_}) } sort keys %{ $was{$of} };
    }
    is_deeply \@wrong, [], 'the JSON of ' . (keys %was) . ' subcommands has each member that it had';
}

# "what.member" => text, number, bool or "" for a null.
sub _kinds {
    my ($into, $object) = @_;
    for (keys %$object) {
        my $value = $object->{$_};
        my $kind = !defined $value ? '' : JSON::PP::is_bool($value) ? 'bool' : $json->encode($value) =~ /^"/ ? 'text' : 'number';
        $into->{ ($object->{what} // '') =~ s/ /-/gr =~ s/^(?!endpoint|type|hour|secret|refused).*//r . ".$_" } ||= $kind;
    }
}

# An application's programs, of a version, where its user can read them.
sub consumers {
    my ($u, $from) = @_;
    my $to = $u->path($u->{home} || 'home');
    mkdir $to;
    chmod 0755, $to;
    for my $path (listed($from, "php/*.php", "perl/*")) {
        my $copy = "$to/" . basename($path);
        open my $out, '>:raw', $copy or die "$copy: $!";
        print $out Upgrade::slurp($path);
        close $out;
        chmod 0644, $copy;
    }
    return $to;
}

# The lines of cron that the documents of 0.1.0 have: each ends with 0, but watch, which says what is dead or waits.
sub cron_runs {
    my ($u) = @_;
    my $home = consumers($u, "$RELEASED/consumers");
    my $handler = "$home/webhook.php";
    open my $php, '>', $handler or die "$handler: $!";
    print $php "<?php echo strlen(file_get_contents('php://input')) ? 'ok' : exit(1);\n";
    close $php;
    mkdir $u->path($_) for my @backups = $u->{users} ? ('var/backups', 'var/backups/complycube') : ();
    chown +(getpwnam $Upgrade::RECEIVER)[2], -1, $u->path($_) for @backups;
    unlink glob $u->path("$u->{spool}/*.aside");    # a person has looked at it
    my $file = $u->{layout} =~ s/-directory$//r;
    for my $line (grep { !/^#/ } split /\n/, Upgrade::slurp("$RELEASED/cron/$file")) {
        my ($user, $command) = $line =~ /^(?:\S+ ){5}(?:(www-data|APPUSER) )?(.*)$/;
        $command =~ s{/usr/local/bin}{$u->{dir}/bin}g;
        $command =~ s{/var/(lib|backups)}{$u->{dir}/var/$1}g;
        $command =~ s{/home/(?:me|YOU)}{$home}g;
        $command =~ s{inbox\.db\b}{inbox.d}g if $u->directory;
        my ($code, $out, $err) = $u->as(($user // '') eq 'APPUSER' ? 'application' : 'receiver', 'sh', '-c', "cd '$home' && $command", { env => { PATH => $ENV{PATH} } });
        my $watch = $line =~ / watch$/;
        ok($code == ($watch && $err =~ /\d (?:dead|wait)/ ? 1 : 0), "cron: " . $line =~ s/^(?:\S+ ){5}//r) or diag "$code $out $err";
    }
}

sub taken_over {
    my ($layout) = @_;
    my $looked_at = Upgrade->new($layout);    # another copy, since to export takes in what lies in the spool
    events_are_the_same($looked_at);
    new_events_are_stored($looked_at, 'new-0');    # so that there is something of this hour
    output_has_all_members($looked_at);
    $looked_at->finish;
    my $u = Upgrade->new($layout);
    set_up_is_accepted($u);
    answers_are_the_same($u);
    is_tidy($u);
    new_events_are_stored($u, 'new-1');
    migrates($u);
    new_events_are_stored($u, 'new-2');
    cron_runs($u);
    return $u;
}

1;
