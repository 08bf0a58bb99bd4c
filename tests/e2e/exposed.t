#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A receiver runs, confined, while others may write the folder of its secrets: an application's user signs no event, and once the
# secrets are moved it is ready without a restart.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Crash qw(fixture request hold receiver end_receiver ask);
use Event;
use Fixture;
use POSIX ();
use Proc qw(wait_until unprivileged);
use Test::More;
use Time::HiRes qw(stat time);

Crash::in_memory();
my $NEW = 'brandnew123456789abcdef012345678';
my $THEIRS = 'theirs00123456789abcdef012345678';
plan skip_all => 'the group of this user is root\'s, whom everybody trusts' if $> && (split ' ', $))[0] == 0;

sub log_of { my ($f) = @_; return Fixture::slurp($f->path('log/receiver.log')) }
sub state_of { my ($f) = @_; return (ask($f, { method => 'GET', path => '/' }))[0]{body} }
sub signed_by { my ($secret) = @_; my $body = event(); return { %{ request($body) }, headers => ['ComplyCube-Signature' => sign($body, $secret)] } }
sub post { my ($f, $secret) = @_; return (ask($f, signed_by($secret // $SECRET{live})))[0]{status} }

# Asked for as long as it takes: a receiver looks at its files when a request comes.
sub becomes { my ($is, $what) = @_; ok(wait_until($is, 5), $what) }

# Name another secret file in the configuration.
sub name_secrets {
    my ($f, $file) = @_;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', Fixture::slurp($f->config) =~ s{(secret_file\s*=\s*)"[^"]*"}{$1"$file"}r);
}

# Gives the fixture and its receiver, which has confined itself. setup: what is done before its start
sub running {
    my ($more, $setup) = @_;
    my $f = fixture('table, WAL', $more);
    $setup->($f);
    hold($f);
    my $p = receiver($f);
    state_of($f);
    ok(wait_until(sub { Fixture::slurp('/proc/' . $p->pid . '/status') =~ /^Seccomp:\s+2$/m }, 5), 'a receiver runs, and has confined itself');
    return ($f, $p);
}

sub ends { my ($f, $p) = @_; ok(!$p->ended(0), 'the receiver ran all the while'); end_receiver($p); $f->finish }

# ---- a new layout ----

sub refused {
    my ($f) = @_;
    is(state_of($f), 'not ready: secrets', 'it is not ready');
    is(post($f), 500, 'it stores no event');
    like(log_of($f), qr/code=secrets .*could be replaced: group \d+ may change/, 'it logs why');
    is_deeply([glob $f->database . '*'], [], 'it leaves nothing that an older layout would have');
}

subtest 'a new layout is refused until the secrets are moved' => sub {
    my ($f, $p) = running('', sub { chmod 0770, $_[0]->path('home/private') });
    refused($f);
    $f->folder('home/secrets', 0700);
    $f->write('home/secrets/live', "main $SECRET{live}\n", 0600);
    name_secrets($f, '../../secrets/live');
    becomes(sub { state_of($f) eq 'ready' }, 'it becomes ready');
    is(post($f), 200, 'it stores an event');
    unlike(log_of($f), qr/code=secrets-exposed/, 'it has nothing to warn of');
    ends($f, $p);
};

# A file that has just changed is read twice, whatever else changes.
sub at_rest {
    my ($f) = @_;
    my @files = ($f->config, glob $f->path('home/private/secrets*'));
    wait_until(sub { !grep { time - (stat)[10] < 1 } @files }, 5);
}

subtest 'a new layout is refused until the folder is closed, though no file changed' => sub {
    my ($f, $p) = running('', sub { my ($f) = @_; chmod 0770, $f->path('home/private'); at_rest($f) });
    refused($f);
    chmod 0700, $f->path('home/private');
    becomes(sub { state_of($f) eq 'ready' }, 'it becomes ready');
    is(post($f), 200, 'it stores an event');
    ends($f, $p);
};

# ---- an older layout ----

# There is a database, then the folder is opened.
sub older {
    my ($more) = @_;
    return running($more, sub {
        my ($f) = @_;
        my ($answer) = $f->cgi(request(event()));
        is($answer->{status}, 200, 'there is a database');
        chmod 02770, $f->path('home/private');
    });
}

sub warnings_of { my ($f) = @_; return scalar(() = log_of($f) =~ /code=secrets-exposed/g) }

subtest 'an older layout works on, and warns with each configuration until the secrets are moved' => sub {
    my ($f, $p) = older('');
    is(warnings_of($f), 1, 'it warns at its start');
    $f->secrets('secrets', "main $SECRET{live}\nnew $NEW\n");
    becomes(sub { post($f, $NEW) == 200 }, 'it takes up a new secret');
    is(warnings_of($f), 2, 'it warns again');
    $f->write('home/public_html/cgi-bin/secrets', "main $SECRET{live}\nnewest $THEIRS\nnew $NEW\n", 0600);
    name_secrets($f, 'secrets');
    becomes(sub { post($f, $THEIRS) == 200 }, 'it takes them up beside the configuration');
    is(warnings_of($f), 2, 'it warns no more');
    is(post($f), 200, 'it stores events');
    ends($f, $p);
};

subtest 'secrets that are moved to a folder that it cannot reach wait for a restart, and no event is refused' => sub {
    my ($f, $p) = older('');
    $f->folder('home/secrets', 0700);
    $f->write('home/secrets/live', "main $SECRET{live}\nnew $NEW\n", 0600);
    name_secrets($f, '../../secrets/live');
    unlink $f->path('home/private/secrets');
    if (Fixture::sanitized() || log_of($f) =~ /code=sandbox without=landlock/) {    # with sanitizers it may read all
        becomes(sub { post($f, $NEW) == 200 }, 'without Landlock to that folder it reaches them all the same');
    } else {
        becomes(sub { post($f) == 200 && log_of($f) =~ /restart it:/ }, 'it logs that it is to be restarted');
    }
    is(state_of($f), 'ready', 'it is ready');
    is(post($f), 200, 'it stores events');
    ends($f, $p);
    my $new = receiver($f);
    is(post($f, $NEW), 200, 'a new process takes up the new secret');
    end_receiver($new);
};

# ---- an application's user ----

my %PLANT = (
    'a file of its own' => ["printf 'main $THEIRS\\n' >secrets; chmod 640 secrets", qr/belongs to user \d+, who could sign events/],
    'a file of its own that anybody may read' => ["printf 'main $THEIRS\\n' >secrets; chmod 644 secrets", qr/belongs to user \d+, who could sign events/],
    'a link to a file of its own' => ["printf 'main $THEIRS\\n' >mine; chmod 640 mine; ln -s mine secrets", qr/belongs to user \d+, who could sign events/],
    'a file of the receiver that it may read' => ['mv known secrets', qr/the group that may replace \S+ may read it, too/],
    'a link to a file of the receiver that it may read' => ['ln -s known secrets', qr/the group that may replace \S+ may read it, too/],
    'a link to a file of the receiver that anybody may read' => ['ln -s ../other secrets', qr/others may read or change \S+, and it is not ours to narrow/],
    'a link to a file of root that anybody may read' => ['ln -s ../of-root secrets', qr/others may read or change \S+, and it is not ours to narrow/],
    'a FIFO' => ['mkfifo -m 666 secrets', qr/secrets/],
    'a link to nothing' => ['ln -s nowhere secrets', qr/leads to nowhere, which does not exist/],
);

# As nobody with the group of the receiver's user.
sub as_application {
    my ($f, $script) = @_;
    my ($nobody, $group) = ((getpwnam 'nobody')[2], (unprivileged())[1]);
    return system('setpriv', "--reuid=$nobody", "--regid=$nobody", "--groups=$group", 'sh', '-c', "cd \"\$1\" && $script", 'sh', $f->path('home/private')) == 0;
}

sub shared { return older('group = "' . getgrgid((unprivileged())[1]) . qq("\n)) }
sub posted_to_another { my ($f, $secret) = @_; return ($f->cgi(signed_by($secret)))[0] }

subtest 'an application\'s user puts secrets of its own in the place of the receiver\'s' => sub {
    plan skip_all => 'the files of two users are put there by root' if $>;
    my ($f, $p) = shared();
    $f->write("home/$_", "main $THEIRS\n", 0644) for qw(other of-root);
    chown -1, 0, $f->path('home/other');
    chown 0, 0, $f->path('home/of-root');
    for my $what (sort keys %PLANT) {
        my ($script, $why) = @{ $PLANT{$what} };
        $f->write('home/private/known', "main $THEIRS\n", 0640);
        ok(as_application($f, "mv secrets .old && { $script; }"), "there is $what");
        my $answer = posted_to_another($f, $THEIRS);
        is($answer->{status}, 500, 'a receiver that starts has no secrets, and stores no event of this user');
        like($answer->{log}, $why, 'it logs why');
        ok(as_application($f, 'rm -f secrets; mv .old secrets'), 'the file is put back');
        is(posted_to_another($f, $SECRET{live})->{status}, 200, 'it stores those of ComplyCube');
    }
    my $logged = length log_of($f);
    ok(as_application($f, "mv secrets .old && { $PLANT{'a file of its own'}[0]; }"), 'there is a file of its own');
    becomes(sub { post($f) == 200 && substr(log_of($f), $logged) =~ $PLANT{'a file of its own'}[1] }, 'a receiver that runs refuses it, and logs why');
    is(post($f, $THEIRS), 400, 'it stores no event that this user has signed');
    is(post($f), 200, 'it stores those of ComplyCube');
    is(state_of($f), 'ready', 'it is ready');
    ok(as_application($f, 'rm -f secrets; mv .old secrets'), 'the file is put back');
    ends($f, $p);
};

subtest 'in a sticky folder it replaces nothing' => sub {
    plan skip_all => 'the files of two users are put there by root' if $>;
    my ($f, $p) = shared();
    chmod 03770, $f->path('home/private');
    ok(!as_application($f, 'mv secrets .old 2>/dev/null || rm -f secrets 2>/dev/null'), "an application's user cannot move or remove the secrets");
    is(post($f), 200, 'an event is stored');
    ends($f, $p);
};
done_testing;
