#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A path of the configuration leads to a volume that is not mounted: an authentic event goes to the spool or is answered
# 503, every program names the link, and nothing is begun elsewhere.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Event;
use Fixture;
use Requests;
use Tool qw(tool_out);

# A part of the home is on a volume, and a link leads there.
sub on_volume {
    my ($f, $part) = @_;
    rename $f->path("home/private/$part"), $f->path("volume/$part") or die "$part: $!";
    symlink "../../volume/$part", $f->path("home/private/$part") or die "$part: $!";
}


my $FILES = qq(inbox = "directory"\ndirectory = "../../private/inbox.d");
my $SPOOL = 'spool = "../../private/spool"';
for my $case (
    ['the database', 'inbox.db', '', 503],
    ['the database, with a spool', 'inbox.db', $SPOOL, 200],
    ['the folder of the inbox', 'inbox.d', $FILES, 503],
    ['the folder of the inbox, with a spool', 'inbox.d', "$FILES\n$SPOOL", 200],
) {
    my ($name, $part, $more, $status) = @$case;
    subtest "$name is on a volume" => sub {
        my $f = Fixture->new(conf => "$more\n" . Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample"));
        $f->folder($_) for 'volume', $more =~ /spool/ ? 'home/private/spool' : ();
        my ($began, undef, $why) = tool_out($f, q(init)); is $began, 0, q(init) or diag $why;
        on_volume($f, $part);
        my ($answer) = $f->cgi(signed(event()));
        is $answer->{body}, '{"received":true}', 'mounted: an event is stored';
        rename $f->path('volume'), $f->path('elsewhere') or die $!;
        $f->folder('volume');
        ($answer) = $f->cgi(signed(event()));
        is $answer->{status}, $status, 'not mounted: the answer';
        like $answer->{body}, $status == 200 ? qr/"spooled":true/ : qr/"error":"try again"/, '... says so';
        my $link = qr{private/\Q$part\Eleadsto[./]*volume/\Q$part\E,whichdoesnotexist};
        like $answer->{log} =~ s/\s+//gr, $link, '... and the log names the link' if $status != 200;
        my ($state) = $f->cgi({ method => 'GET' });
        is "$state->{status} $state->{body}", '503 not ready: database', 'GET is not ready';
        for my $command (['init'], ['watch'], ['doctor'], ['stats']) {
            my ($code, $out, $err) = tool_out($f, @$command);
            isnt $code, 0, "@$command ends otherwise than with 0";
            like "$out$err" =~ s/\s+//gr, $link, '... and names the link';    # doctor breaks its lines
            unlike "$out$err", qr/\binit\b/, '... and does not advise init';
        }
        is_deeply [glob $f->path('volume/*')], [], 'nothing is begun where the volume would be';
        rmdir $f->path('volume');
        rename $f->path('elsewhere'), $f->path('volume') or die $!;
        ($answer) = $f->cgi(signed(event()));
        is $answer->{body}, '{"received":true}', 'mounted again: the next event is stored';
        is $f->counts, join(' ', (2 + ($status == 200)) x 2, 0), 'and so is what waited in the spool' if $part eq 'inbox.db';
        $f->finish;
    };
}

# What else the configuration names, and a link further up: the link is named by each who needs it.
for my $case (
    ['the folder of the database', [qw(init watch doctor stats)], 'vol', qq(database = "../../private/vol/inbox.db")],
    ['the spool', [qw(init watch doctor)], 'spool', qq(database = "../../private/inbox.db"\n$SPOOL)],
    ['the secret file', [qw(init watch doctor)], 'secrets', qq(database = "../../private/inbox.db")],
) {
    my ($name, $commands, $part, $conf) = @$case;
    subtest "$name is on a volume that is not mounted" => sub {
        my $f = Fixture->new(conf => qq($conf\nendpoint live { secret_file = "../../private/secrets" }\n));
        unlink $f->path("home/private/$part");
        symlink "../../volume/$part", $f->path("home/private/$part") or die $!;
        my $link = qr{private/\Q$part\Eleadsto[./]*volume/\Q$part\E,whichdoesnotexist};
        for my $command (@$commands) {
            my ($code, $out, $err) = tool_out($f, $command);
            isnt $code, 0, "$command ends otherwise than with 0";
            like "$out$err" =~ s/\s+//gr, $link, '... and names the link';
        }
        $f->finish;
    };
}
done_testing;
