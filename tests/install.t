#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# INSTALL.md for a server of one's own, followed to the letter, and what docs/ say of such a server: until events are
# answered by lighttpd, by Apache, and by a receiver on a socket, with lighttpd and with nginx. On this machine, in namespaces of its own: what is changed
# lies in memory over the file system, and is gone with the test.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Documents;
use Event qw(%SECRET);
use Source;
use Test::More;

plan skip_all => 'a server is set up by root' if $>;
my $work = tempdir('install-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $root = quoted($ROOT);

# The file system of this machine with a layer over it, as a process of a new mount, process and network namespace sees it.
my $inside = <<"SH";
set -eu
mount --make-rprivate /
mount -t tmpfs layer $work
mkdir $work/upper $work/work $work/root $work/tree $work/tree-upper $work/tree-work
mount --bind $root $work/tree
mount -t overlay overlay -o lowerdir=/,upperdir=$work/upper,workdir=$work/work $work/root
mkdir -p $work/root/srv/inbox
mount -t overlay overlay -o lowerdir=$work/tree,upperdir=$work/tree-upper,workdir=$work/tree-work $work/root/srv/inbox
mount -t proc proc $work/root/proc
mount --rbind /dev $work/root/dev
for folder in run tmp var/log var/cache/lighttpd; do mkdir -p $work/root/\$folder && mount -t tmpfs -o mode=1777 tmpfs $work/root/\$folder; done
ip link set lo up
cat >$work/root/srv/followed.sh
exec chroot $work/root env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 bash /srv/followed.sh
SH
my @namespaces = qw(unshare --mount --pid --fork --kill-child --net sh -c);
my $probe = "mount -t tmpfs layer $work && cd $work && mkdir u w r && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r"
    . ' && ls r/usr/sbin/lighttpd r/usr/sbin/apache2 r/usr/sbin/nginx r/usr/bin/multiwatch';
plan skip_all => 'no layer over this file system, or no servers in it' if system(@namespaces, "{ $probe; } >/dev/null 2>&1");

# Root needs no sudo. No systemd runs here: it switches units on as for the next start, and servers are started by their scripts.
my $before = <<'SH';
shopt -s expand_aliases
set -eEuo pipefail
trap 'echo "FAILED: $BASH_COMMAND"; cat /var/log/lighttpd/*.log /var/log/apache2/error.log 2>/dev/null || :' ERR
sudo() { if [ "$1" = -u ]; then setpriv --reuid="$2" --regid="$(id -g "$2")" --init-groups -- "${@:3}"; else env "$@"; fi; }
install -m 755 /dev/stdin /usr/local/sbin/systemctl <<'OFFLINE'
#!/bin/sh
case $1$2 in
restart* | reload*) service "$2" "$1" ;;
enable--now) shift 2; SYSTEMD_OFFLINE=1 /usr/bin/systemctl enable "$@" ;;
daemon-reload) ;;
esac
OFFLINE
at_port_80() { [ "$(curl -sS --retry 20 --retry-connrefused --retry-delay 1 http://localhost/complycube)" = ready ] && echo "ready: $1"; }
install -d -o www-data -g www-data /var/log/lighttpd /var/cache/lighttpd/uploads /var/cache/lighttpd/compress /run/lighttpd
install -d /var/log/apache2 /var/log/nginx /run/lock
useradd app
cd /srv/inbox
SH

# What the text around a block has its reader do, before the block that has this line.
my $conf = '/usr/local/etc/complycube-webhook.conf';
my @first = (
    [qr/^complycube-inbox init\ncomplycube-inbox doctor$/m, <<"SH"],
echo 'main $SECRET{live}' >/usr/local/etc/complycube/secrets
sed -i 's|^database .*|database = "/var/lib/complycube/inbox.db"|; s|secret_file = .*|secret_file = "/usr/local/etc/complycube/secrets"|' $conf
SH
    [qr{^sudo cp apache/vars\.conf}m, "at_port_80 lighttpd\nservice lighttpd stop\nservice apache2 start\n"],
    [qr/^sudo chown -R complycube:complycube/m, "at_port_80 Apache\nservice apache2 stop\nadduser --system --group complycube\nreceiver=complycube\n"
        . "alias complycube-inbox='sudo -u complycube complycube-inbox'\n"],
    [qr/^sudo groupadd complycube-app/m, <<"SH"],
cp lighttpd/vars.conf /etc/lighttpd/
sed '/server.conf/d' lighttpd/spawn-fcgi.conf >/etc/lighttpd/conf-available/60-complycube.conf
service lighttpd start
at_port_80 'lighttpd and multiwatch'
service lighttpd stop
{ echo 'server { listen 80;'; cat /srv/site; echo '}'; } >/etc/nginx/sites-enabled/default
service nginx start
at_port_80 'nginx and multiwatch'
sed -i '1i group = "complycube-app"' $conf
SH
    [qr/complycube-inbox\.probe/, 'kill $(pidof multiwatch); while pidof complycube-webhook; do sleep 0.1; done' . "\n\@SPAWN\@\n"],
);
my @his = (
    ['docs/operating.md', 'www-data' => 'complycube'],
    ['docs/consumers.md', 'APPUSER' => 'app'],
    ['INSTALL.md', 'APPUSER' => 'app'],
);

my ($script, %used, $spawn) = ($before);
for my $block (run_by('tests/install.t')) {
    my $text = $block->{text};
    for my $his (@his) { my ($file, $ours, $theirs) = @$his; $text =~ s/$ours/$theirs/g if $file eq $block->{file} }
    $spawn = $text if $text =~ /spawn-fcgi -s/;
    for my $n (0 .. $#first) {
        next if $text !~ $first[$n][0];
        $used{$n} = 1;
        $script .= $first[$n][1] =~ s/\@SPAWN\@/$spawn/r;
    }
    $script .= "cd /srv/inbox\n" . { sh => sub { $text }, cron => \&cron, nginx => \&site }->{$block->{language}}->($text);
}
is_deeply [grep { !$used{$_} } 0 .. $#first], [], 'each block that something is done before is there';

# A line of /etc/cron.d has its user in it.
sub cron {
    my ($text) = @_;
    return join '', map { /^(?:\S+ ){5}(\S+) (.*)$/ ? "sudo -u $1 env -i PATH=/usr/bin:/bin sh -c " . quoted($2) . "\n" : '' } split /\n/, $text;
}

sub site { my ($text) = @_; return "cat >/srv/site <<'SITE'\n${text}SITE\n" }

open my $to, '|-', 'timeout', 240, @namespaces, "exec >$work.log 2>&1; $inside" or BAIL_OUT("unshare: $!");
print $to $script, "echo FOLLOWED\n";
close $to;
my $out = slurp("$work.log");
unlink "$work.log";
like $out, qr/^FOLLOWED$/m, 'the commands run' or diag $out;
like $out, qr/^ready: $_$/m, "ready: $_" for 'lighttpd', 'Apache', 'lighttpd and multiwatch', 'nginx and multiwatch';
like $out, qr/^\Q{"received":true,"probe":true}\E$/m, 'the event that is signed by hand is answered';
done_testing;
