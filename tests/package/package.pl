#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The Debian package in a Debian of its own, by the commands that its README.Debian gives: installed until events are
# stored, upgraded while 200 requests a second arrive, removed, purged. Under systemd with lighttpd and with Apache;
# without systemd (spawn-fcgi and multiwatch) with Apache and with lighttpd.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time sleep);
use Chroot;
use Event;
use Proc qw(wait_until);
use Source;

plan skip_all => 'a chroot needs root' if $> != 0;
my ($RATE, $SECONDS) = (200, $ENV{LOAD_SECONDS} // 90);
my ($version) = slurp("$ROOT/src/base/version.h") =~ /VERSION "([^"]+)"/;
my %deb = map { $_ => "/mnt/complycube-inbox_${_}_amd64.deb" } $version, "$version+1";
for (values %deb) { my $here = s{^/mnt}{$ROOT/build}r; -e $here or BAIL_OUT("$here is missing: make check-deb builds it") }
my $GUIDE = slurp("$ROOT/packaging/debian/README.Debian");
my %OTHER = (lighttpd => 'apache2', apache2 => 'lighttpd');

# The commands of the guide that stand below a word, as this system has them.
sub commands {
    my ($c, $server) = @_;
    my ($part) = $GUIDE =~ ($server eq 'lighttpd' ? qr/With lighttpd:\n\n(.*?)\n\n/s : qr/With Apache:\n\n(.*?)\n\n/s);
    my @lines = map { s/^ +//r } split /\n/, $part;
    if ($c->{kind} eq 'sysv') { s/systemctl (\S+) (\S+)/service $2 $1/ for @lines }
    return @lines;
}

sub service { my ($c, $name, $verb) = @_; return $c->{kind} eq 'sysv' ? "service $name $verb" : "systemctl $verb $name" }

sub ok_run {
    my ($c, $script, $name) = @_;
    my $code = $c->run($script);
    return is($code, 0, $name // $script) || do { diag $c->{out}; 0 };
}

sub get { my ($c) = @_; return $c->said('curl -s http://localhost/complycube') }

# A server that was here before the package.
sub server_up {
    my ($c, $server) = @_;
    my $head = sub { $c->said('curl -s -I http://localhost/') };
    # init may still be starting either of them
    wait_until(sub { $c->run(service($c, $_, 'stop')) for $OTHER{$server}, $server; $head->() eq '' }, 30);
    ok_run($c, service($c, $server, 'start'), "$server starts");
    my $name = $server =~ s/\d//r;
    ok wait_until(sub { $head->() =~ /^Server: $name/mi }, 10), "it is $server that answers" or diag $head->();
}

sub send_examples {
    my ($c, $name) = @_;
    my %seen;
    for my $example (examples()) {
        my ($file, $signature) = @$example;
        my $status = $c->said("curl -s -o /dev/null -w '%{http_code}' -H 'ComplyCube-Signature: $signature' "
            . "--data-binary \@/mnt/vectors/$file http://localhost/complycube");
        $seen{$status}++;
    }
    return is_deeply(\%seen, { 200 => scalar(my @all = examples()) }, $name);
}

sub events { my ($c) = @_; return scalar grep { /"seq"/ } split /\n/, $c->said('sudo -u complycube complycube-inbox list --limit 100000 --json') }

sub installs {
    my ($c) = @_;
    ok_run($c, "apt install -y $deb{$version}", 'apt installs it');
    like $c->{out}, qr{put the webhook's secret into /etc/complycube-inbox/secrets}, 'it says what is left to do';
    is $c->said('stat -c "%a %U %G" /etc/complycube-inbox/secrets /var/lib/complycube-inbox /var/backups/complycube-inbox'),
        "640 root complycube\n3770 complycube complycube-app\n700 complycube complycube", 'modes and owners';
    is $c->said('stat -c "%a %G" /run/complycube-inbox/webhook.sock'), '660 www-data', 'the socket is the web server\'s alone';
    isnt $c->run('sudo -u complycube complycube-inbox doctor'), 0, 'doctor is not content yet';
    like $c->{out} =~ s/\s+/ /gr, qr{in /etc/complycube-inbox/secrets add: main SECRET}, 'it says where the secret goes';
    ok_run($c, "echo 'main $SECRET{live}' >>/etc/complycube-inbox/secrets", 'the secret is put in');
    ok_run($c, $_) for $GUIDE =~ /^ +(sudo -u complycube complycube-inbox init)$/m;
}

sub switched_on {
    my ($c, $server) = @_;
    ok_run($c, $_) for commands($c, $server);
    ok wait_until(sub { get($c) eq 'ready' }, 10), "$server: the receiver is ready" or diag get($c), $c->said('journalctl -n 50');
}

sub stores_events {
    my ($c, $server) = @_;
    my $before = events($c);
    doctor_is_content($c, "$server, before any event") if !$before;
    send_examples($c, "$server: every example event is answered 200");
    is events($c), $before || scalar(my @all = examples()), "$server: and all are stored, once";
    doctor_is_content($c, $server);
    like $c->{out} =~ s/\s+/ /gr, qr/ok sandbox process \d+: no new privileges/, "$server: the receiver has confined itself as well";
}

# What it may warn of: this file system is an overlay, and this URL has no TLS.
sub doctor_is_content {
    my ($c, $when) = @_;
    ok_run($c, 'sudo -u complycube complycube-inbox doctor --url http://localhost/complycube', "$when: doctor is content");
    is join(' ', $c->{out} =~ /^warning +(.*?)  /mg), 'file system certificate', "$when: it warns of nothing that the package made"
        or diag $c->{out};
}

sub applications_read {
    my ($c) = @_;
    ok_run($c, 'adduser --quiet --system app && sudo adduser --quiet app complycube-app', 'an application\'s user joins the group');
    isnt $c->run('runuser -u app -- cat /etc/complycube-inbox/secrets'), 0, 'it cannot read the secret';
    my $at = '/var/lib/complycube-inbox/inbox.db';
    is $c->said("runuser -u app -- php -r 'require \"ComplyCubeInbox.php\"; \$i = new ComplyCubeInbox(\"$at\", array(\"endpoint\" => "
        . "\"live\")); \$n = 0; \$i->each(function (\$e) use (&\$n) { \$n++; }); echo \$n > 0 ? \"some\" : \"none\";'"), 'some', 'PHP finds the library and reads';
    is $c->said("runuser -u app -- perl -MComplyCubeInbox -e 'my \$n = 0; ComplyCubeInbox->new(q($at), endpoint => q(live))"
        . "->each(sub { \$n++ }); print \$n >= 0 ? q(read) : q(no)'"), 'read', 'so does Perl';
    like $c->said("runuser -u app -- php /usr/share/complycube-inbox/consumers/php/cron.php $at live; echo \$?"), qr/^0$/m, 'a shipped program runs from its place';
    ok_run($c, 'deluser --quiet --system app', 'the application goes');
}

sub timers {
    my ($c) = @_;
    like $c->said('systemctl list-timers --all'), qr/complycube-inbox-$_\.timer/, "the timer of $_ waits" for qw(watch prune backup);
    ok_run($c, "systemctl start complycube-inbox-$_.service", "$_ runs") for qw(watch prune backup);
    like $c->said('ls /var/backups/complycube-inbox'), qr/^inbox-\w+\.db$/, 'a backup is there';
    ok_run($c, 'cd /var/backups/complycube-inbox; rm *; for i in 1 2 3; do touch inbox-2020010${i}T000000Z.db; done;'
        . ' sed -i s/^KEEP=.*/KEEP=3/ /etc/default/complycube-inbox; systemctl start complycube-inbox-backup.service', 'another backup');
    my @kept = split /\n/, $c->said('ls /var/backups/complycube-inbox');
    is scalar @kept, 3, 'KEEP=3 keeps three' or diag "@kept";
    is scalar(grep { /-20200101/ } @kept), 0, 'the newest of them';
    ok_run($c, q(sed -i 's/^retain.*//; $a retain = "1d"' /etc/complycube-inbox/complycube-webhook.conf; systemctl start complycube-inbox-prune.service), 'prune runs with retain, too');
    ok_run($c, q(sed -i '/^retain/d' /etc/complycube-inbox/complycube-webhook.conf), 'retain goes again');
}

sub alarms {
    my ($c) = @_;
    my $body = event(id => 'waits-for-ever');
    $c->run("curl -s -H 'ComplyCube-Signature: " . sign($body) . "' --data-binary '$body' http://localhost/complycube");
    # it stands for an MTA
    my $mail = '/var/lib/complycube-inbox/mail';
    ok_run($c, "printf '#!/bin/sh\\ncat >$mail\\n' >/usr/sbin/sendmail; chmod 755 /usr/sbin/sendmail", 'a mailer is there');
    ok_run($c, 'sed -i "s/^WATCH_OPTIONS=.*/WATCH_OPTIONS=\"--oldest 1s\"/" /etc/default/complycube-inbox', 'nothing may wait for long');
    wait_until(sub { $c->run('sudo -u complycube complycube-inbox watch --oldest 1s') == 1 }, 10);
    isnt $c->run('systemctl start complycube-inbox-watch.service'), 0, 'watch fails then';
    wait_until(sub { $c->run("test -s $mail") == 0 }, 10);
    my $said = $c->said("cat $mail");
    like $said, qr/^To: root\nSubject: complycube-inbox-watch\.service failed/, 'root gets a mail' or diag $c->said('journalctl -n 40 --no-pager');
    like $said, qr/wait/, 'it says what watch said' or diag $said;
    ok_run($c, "rm $mail /usr/sbin/sendmail; sed -i 's/^WATCH_OPTIONS=.*/WATCH_OPTIONS=/' /etc/default/complycube-inbox", 'all is as before');
}

# The filter of the service lets the receiver shut itself in: the system calls for it do not fail by EPERM.
sub may_shut_in {
    my ($c) = @_;
    my $perl = q(for ([444, 0, 0, 1], [317, 2, 0, 0]) { print "$_->[0] ", syscall($_->[0], $_->[1], $_->[2], $_->[3]) < 0 ? $!+0 : 0, "\n" }
        print "mount ", syscall(165, 0, 0, 0, 0, 0) < 0 ? $!+0 : 0, "\n");
    $c->run("cat >/run/try.pl <<'END'\n$perl\nEND\nchmod 644 /run/try.pl");
    my $edit = 's|^ExecStart=.*|ExecStart=/usr/bin/perl /run/try.pl|; s|^Restart=.*|Type=oneshot|; /^Requires=/d; /^RestartSec/d; '
        . 's|^StandardOutput=.*|StandardOutput=file:/run/tried|';
    ok_run($c, "sed '$edit' /lib/systemd/system/complycube-webhook.service >/run/systemd/system/try.service && "
        . 'systemctl daemon-reload && systemctl start try.service', 'a program runs as shut in as the receiver');
    my %errno = $c->said('cat /run/tried') =~ /^(\w+) (\d+)$/mg;
    isnt $errno{444} // 1, 1, 'it may ask for Landlock';
    isnt $errno{317} // 1, 1, 'and for seccomp';
    is $errno{mount}, 1, 'it may not mount';
    $c->run('rm /run/systemd/system/try.service /run/try.pl /run/tried; systemctl daemon-reload');
}

# Without systemd: the lines of cron.d, as cron would run them.
sub cron {
    my ($c) = @_;
    my $table = $c->said('cat /etc/cron.d/complycube-inbox');
    my $env = join ' ', map { "export $_;" } $table =~ /^(\w+=\S+)$/mg;
    my @lines = $table =~ /^\S+ \S+ \S+ \S+ \S+ +complycube (.*)$/mg;
    is scalar @lines, 3, 'cron has three lines';
    for my $line (@lines) {
        ok_run($c, "cat >/tmp/line <<'END'\n$env cd /; $line\nEND\nrunuser -u complycube -- sh /tmp/line", (split ' ', $line)[-2]);
        is $c->{out}, '', 'it prints nothing';
    }
    like $c->said('ls /var/backups/complycube-inbox'), qr/^inbox-\w+\.db$/, 'a backup is there';
    $c->run('rm /tmp/line');
}

# 200 requests a second while something is done; every event answered with a 2xx, and stored exactly once.
sub under_load {
    my ($c, $what, $script) = @_;
    my $folder = "$c->{dir}/load";
    mkdir $folder;
    unlink glob "$folder/*";
    my $before = events($c);
    my $pid = $c->beside($^X, "$FindBin::Bin/load.pl", 80, $RATE, $SECONDS, $folder);
    sleep 3;
    my $start = time;
    ok_run($c, $script, $what);
    my $took = time - $start;
    sleep 3;
    open my $enough, '>', "$folder/enough";
    waitpid $pid, 0;
    my (%status, %of);
    for (glob "$folder/sent-*") { for (split /\n/, slurp($_)) { my ($id, $status) = split / /; $status{$status}++; $of{$id} = $status } }
    note sprintf '%d requests, %.1f s of them during: %s', scalar keys %of, $took, join ', ', map { "$_: $status{$_}" } sort keys %status;
    cmp_ok scalar keys %of, '>', $RATE * ($took + 3) / 2, 'the load went on all the while';    # a busy machine sends fewer
    is_deeply [grep { $_ !~ /^2/ } sort keys %status], [], "$what: every authentic event was answered with a 2xx" or diag explain \%status;
    my %stored;
    my $list = $c->said('sudo -u complycube complycube-inbox list --limit 100000 --json');
    $stored{$_}++ for $list =~ /"event_id":"(load-\d+)"/g;
    is_deeply [grep { !$stored{$_} } grep { $of{$_} =~ /^2/ } sort keys %of], [], 'none is lost';
    is_deeply [grep { $stored{$_} > 1 } keys %stored], [], 'none is there twice';
    return scalar keys %of;
}

sub upgrades {
    my ($c) = @_;
    my $receiver = 'pgrep -x complycube-webh || for p in /proc/[0-9]*; do case $(readlink $p/exe) in */complycube-webhook*) echo ${p#/proc/};; esac; done';
    my $was = $c->said($receiver);
    my $inode = $c->said('stat -c %i /run/complycube-inbox/webhook.sock');
    under_load($c, 'an upgrade under load', "apt install -y $deb{\"$version+1\"}");
    is $c->said('complycube-inbox --version'), "complycube-inbox $version+1", 'it is the new version';
    my $is = $c->said($receiver);
    isnt $is, $was, 'another receiver runs';
    is $c->said("readlink /proc/$is/exe"), '/usr/bin/complycube-webhook', 'it is the new one';
    is $c->said('stat -c %i /run/complycube-inbox/webhook.sock'), $inode, 'the socket stayed';
    doctor_is_content($c, 'upgraded');
}

sub removes {
    my ($c, $server) = @_;
    my $before = events($c);
    ok_run($c, 'apt remove -y complycube-inbox', 'it is removed');
    is $c->said('ls /var/lib/complycube-inbox/inbox.db /etc/complycube-inbox/secrets | wc -l'), 2, 'events and secret stay';
    is $c->said('ls /etc/apache2/conf-enabled /etc/lighttpd/conf-enabled | grep complycube'), '', 'no server has its snippet any more';
    ok wait_until(sub { $c->said('curl -s -o /dev/null -w "%{http_code}" http://localhost/complycube') eq '404' }, 10), 'the server goes on without it';
    ok_run($c, "apt install -y $deb{\"$version+1\"}", 'it is installed again');
    switched_on($c, $server);
    is events($c), $before, 'the events are all there';
}

sub packages { my ($c) = @_; return $c->said(q(dpkg-query -W -f='${Package} ')) }

sub nothing_left {
    my ($c, $before, $name) = @_;
    $c->run('a2dismod -f -q proxy_fcgi proxy; lighty-disable-mod fastcgi');    # an administrator enabled them
    my %had = map { $_ => 1 } split ' ', $before->{packages};
    my $came = join ' ', grep { !$had{$_} } split ' ', packages($c);
    ok_run($c, "apt purge -y $came", 'what came with it goes');
    my %was = map { $_ => 1 } @{ $before->{files} };
    is_deeply [grep { !$was{$_} && !m{^/etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-$|^/var/lib/apache2/(?:module/.*|conf/(?:en|dis)abled_by_\w+)$} } @{ $c->files }], [], $name;
    is $c->said('getent passwd complycube; getent group complycube complycube-app; echo .'), '.', 'no user, no group';
}

sub follow_advice {
    my ($c) = @_;
    ok_run($c, 'apt purge -y complycube-inbox', 'it is purged');
    like $c->{out}, qr/the events are kept, with their user/, 'it says that events are kept';
    my @advice = $c->{out} =~ /^  ((?:rm|deluser|delgroup) .*)$/mg;
    ok_run($c, 'test ! -e /etc/complycube-inbox', 'configuration and secret are gone');
    ok_run($c, 'test -s /var/lib/complycube-inbox/inbox.db', 'the events are there');
    is scalar @advice, 3, 'it says how they are removed';
    ok_run($c, $_) for @advice;
}

for my $kind (grep { !$ENV{ONLY} || /$ENV{ONLY}/ } qw(systemd sysv)) {
    my ($first, $second) = $kind eq 'systemd' ? qw(lighttpd apache2) : qw(apache2 lighttpd);
    subtest "$kind" => sub {
        my $packages = "$ROOT/build/chroot/packages";
        system('rm', '-rf', $packages) == 0 && system('mkdir', '-p', $packages) == 0 or die;
        system('cp', '-R', listed("$ROOT/build", 'complycube-inbox_*.deb'), "$ROOT/tests/vectors", $packages) == 0 or die;
        my $c = Chroot->new($kind, packages => $packages);
        my $before = { files => $c->files, packages => packages($c) };
        server_up($c, $first);
        installs($c);
        switched_on($c, $first);
        stores_events($c, $first);
        applications_read($c);
        if ($kind eq 'systemd') { may_shut_in($c); timers($c); alarms($c) } else { cron($c) }
        upgrades($c);
        removes($c, $first);
        server_up($c, $second);
        switched_on($c, $second);
        stores_events($c, $second);
        follow_advice($c);
        ok_run($c, "apt install -y --allow-downgrades $deb{$version} && apt purge -y complycube-inbox", 'one that never got an event is installed and purged');
        unlike $c->{out}, qr/are kept/, 'nothing is kept';
        nothing_left($c, $before, 'no file is left');
        $c->stop;
    };
}
done_testing;
