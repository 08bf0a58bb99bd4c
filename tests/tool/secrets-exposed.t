#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Secrets below a folder that others may write: an older layout works on with a warning, a new one is refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Doctor;
use Event;
use Fixture;
use Proc qw(unprivileged);

my $tool = 'complycube-inbox';
sub tool { my ($f, @args) = @_; return $f->run($f->path("run/$tool"), '-c', $f->config, @args) }
sub fixture { my $f = Fixture->new; $f->install("run/$tool", $tool); return $f }
sub post { my ($f) = @_; my $body = event(); my ($a) = $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => sign($body)] }); return $a->{status} }

subtest 'a new layout below a folder that the group may write is refused' => sub {
    my $f = fixture();
    chmod 0770, $f->path('home/private');
    my ($code, undef, $err) = tool($f, 'init');
    is $code, 10, 'init refuses';
    like $err, qr/could be replaced: group \d+ may change/, 'and says why';
    is post($f), 500, 'the receiver begins no database';
    my ($a) = $f->cgi({ method => 'GET' });
    is $a->{body}, 'not ready: secrets', 'and is not ready';
    is_deeply [glob $f->database . '*'], [], 'nothing is left that an older layout would have';
    chmod 0700, $f->path('home/private');
    is post($f), 200, 'in a closed folder it does';
    $f->finish;
};

subtest 'an older layout works on, with a warning' => sub {
    my $f = fixture();
    is post($f), 200, 'there is a database';
    is((tool($f, 'watch'))[0], 0, 'watch has nothing to say');
    chmod 0770, $f->path('home/private');
    is post($f), 200, 'an event is stored';
    like $f->{cgi_log}, qr/code=secrets-exposed .*could be replaced/, 'the log warns';
    my ($code, undef, $err) = tool($f, 'watch');
    is $code, 1, 'watch is an alarm';
    like $err, qr/secrets could be replaced/, 'that names the file';
    like +(tool($f, 'config'))[1], qr{^live +exposed +secret_file +group \d+ may change \S+/private$}m, 'config shows who could';
    like +(tool($f, 'secrets'))[2], qr{endpoint live: the secret file \S+/private/secrets could be replaced: group \d+ may change \S+/private; complycube-inbox doctor prints}, 'secrets names the file, and who prints the cure';
    like +(tool($f, 'secrets', '--json'))[1], qr/"exposed":"group \d+ may change/, 'as JSON, too';
    like +(tool($f, 'config', '--json'))[1], qr/"endpoint":"live","key":"exposed","value":"group \d+ may change/, 'as JSON, too';
    mended($f, warning => 'secret folder');
    is post($f), 200, 'and goes on';
    $f->finish;
};

subtest 'where a group is set, doctor moves the secrets, and no event is refused meanwhile' => sub {
    my $f = fixture();
    is post($f), 200, 'there is a database';
    my $group = getgrgid((unprivileged())[1] // (split ' ', $))[0]);
    my $conf = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(group = "$group"\n$conf));
    chmod 0770, $f->path('home/private');
    my (undef, @told) = doctor($f);
    my @seen = only('secret folder', @told);
    is scalar @seen, 3, 'each file is named';
    my @by_hand;
    for my $step (map { @{ $_->{cures} } } @seen) {
        cure({ finding => 'a step', cures => [$step] }, hand => sub { push @by_hand, @_ });
        is post($f), 200, 'an event is accepted';
    }
    is scalar(grep { /^restart the receiver/ } @by_hand), 3, 'a receiver that has confined itself is to be restarted';
    my ($code, @findings) = doctor($f);
    is scalar(only('secret folder', @findings)), 0, 'the warning is gone';
    unlike join(' ', map { $_->{finding} } grep { $_->{what} eq 'secrets' && $_->{verdict} eq 'wrong' } @findings), qr/./, 'and the secrets are in force';
    $f->finish;
};

subtest 'a file of a third owner holds no secrets' => sub {
    plan skip_all => 'the files of two users are put there by root' if $>;
    my $f = fixture();
    is post($f), 200, 'there is a database';
    chown 12345, (unprivileged())[1], $f->path('home/private/secrets');
    chmod 0640, $f->path('home/private/secrets');
    is post($f), 500, 'no event is accepted';
    like $f->{cgi_log}, qr/belongs to user 12345/, 'the log names the owner';
    $f->finish;
};

subtest 'a file that the group of its folder may read holds no secrets there' => sub {
    plan skip_all => 'the group of this user is root\'s, whom everybody trusts' if $> && (split ' ', $))[0] == 0;
    my $f = fixture();
    is post($f), 200, 'there is a database';
    chmod 0640, $f->path('home/private/secrets');
    is post($f), 200, 'in a closed folder it does';
    chmod 0770, $f->path('home/private');
    is post($f), 500, 'in one that the group may write no event is accepted';
    like $f->{cgi_log}, qr/the group that may replace \S+ may read it, too; chmod 600 it/, 'the log names the cure';
    chmod 0600, $f->path('home/private/secrets');
    is post($f), 200, 'with that it goes on';
    $f->finish;
};

subtest 'a file of root\'s that anybody may read holds secrets if its folder lets nobody in' => sub {
    plan skip_all => 'the files of two users are put there by root' if $>;
    my $f = fixture();
    my ($folder, $file) = ($f->folder('home/etc'), $f->write('home/etc/secrets', "main $SECRET{live}\n"));
    my $set = sub { my ($mode, $of_file) = @_; chown 0, (unprivileged())[1], $folder, $file; chmod $mode, $folder; chmod $of_file // 0644, $file };
    my $conf = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf =~ s{private/secrets"}{etc/secrets"}r);
    $set->(0750);
    is post($f), 200, 'root and the receiver\'s group may enter: it does';
    is sprintf('%04o', (stat $file)[2] & 07777), '0644', 'and keeps its mode';
    $set->(0751);
    is post($f), 500, 'anybody may enter: no event is accepted';
    like $f->{cgi_log}, qr/others may read or change \S+, and it is not ours to narrow/, 'the log says why';
    $set->(0770);
    is post($f), 500, 'the group may write the folder: neither';
    $set->(0750, 0664);
    is post($f), 500, 'the group may write the file: neither';
    $f->folder('home/open');
    symlink $file, $f->path('home/open/secrets');
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf =~ s{private/secrets"}{open/secrets"}r);
    $set->(0750);
    is post($f), 200, 'a link from an open folder leads there: it does';
    $set->(0755);
    is post($f), 500, 'the folder of the file itself counts';
    $f->finish;
};

subtest 'init widens no mode while secrets could be replaced' => sub {
    my $f = fixture();
    is post($f), 200, 'there is a database';
    my $group = getgrgid((unprivileged())[1] // (split ' ', $))[0]);
    my $conf = Fixture::slurp($f->config);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(group = "$group"\n$conf));
    chmod 0770, $f->path('home/private');
    my ($code, undef, $err) = tool($f, 'init');
    is $code, 0, 'init runs';
    like $err, qr/files keep their modes/, 'and says what it leaves';
    is sprintf('%04o', (stat $f->database)[2] & 07777), '0600', 'the database keeps its mode';
    ok !-e $f->database . '.own', 'and nothing is moved';
    $f->finish;
};

subtest 'no mode is narrowed through a folder that others may write' => sub {
    my $f = fixture();
    is post($f), 200, 'there is a database';
    my $other = $f->write('home/other', "main $SECRET{live}\n", 0644);
    unlink $f->path('home/private/secrets');
    symlink $other, $f->path('home/private/secrets');
    chmod 0770, $f->path('home/private');
    is post($f), 500, 'the file is refused';
    is sprintf('%04o', (stat $other)[2] & 07777), '0644', 'and keeps its mode';
    $f->finish;
};

subtest 'links and sticky folders of the trusted are accepted' => sub {
    my $f = fixture();
    $f->folder('home/private/..1', 0700);
    rename $f->path('home/private/secrets'), $f->path('home/private/..1/secrets');
    symlink '..1', $f->path('home/private/..data');
    symlink '..data/secrets', $f->path('home/private/secrets');
    my @user = unprivileged();
    system('chown', '-h', "$user[0]:$user[1]", map { $f->path("home/private/$_") } '..data', 'secrets') if @user;
    is((tool($f, 'init'))[0], 0, 'a mount with links, as Kubernetes makes it');
    is post($f), 200, 'an event is stored';
    chmod 01777, $f->path('home/private');
    is((tool($f, 'watch'))[0], 0, 'in a sticky folder names stay whose they are');
    $f->finish;
};

subtest 'a secret of root that all may read, on a read-only mount as containers have it' => sub {
    plan skip_all => 'the files of two users are put there by root' if $>;
    my $f = fixture();
    my $conf = Fixture::slurp($f->config) =~ s{private/secrets"}{mounted/secrets"}r;
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', $conf);
    my ($folder, $secret) = ($f->folder('home/mounted'), $f->path('home/mounted/secrets'));
    rename $f->path('home/private/secrets'), $secret;
    chown 0, (unprivileged())[1], $folder;
    chown 0, 0, $secret;
    chmod 0444, $secret;
    chmod 0750, $folder;
    my $mounted = system('mount', '--bind', $folder, $folder) == 0;
    system('mount', '-o', 'remount,bind,ro', $folder) if $mounted;
    my @tried = (post($f), (tool($f, 'secrets'))[0], [stat $secret]->[2] & 0777);
    system('umount', $folder) if $mounted;
    is_deeply \@tried, [200, 0, 0444], 'is accepted if its folder lets nobody else in';
    chmod 0755, $folder;
    is post($f), 500, 'and refused if it does';
    like $f->{cgi_log}, qr/others may read or change \S+secrets/, 'which the log says';
    $f->finish;
};
done_testing;
