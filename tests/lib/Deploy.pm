# SPDX-License-Identifier: MIT
# The deployments: the shipped configurations, started as they are with other values in their vars.conf.
package Deploy;
use strict;
use warnings;
use FastCgi;
use Fixture;
use Http;
use IO::Socket::INET;
use Proc qw(wait_until);
use Source qw(listed);
use Exporter 'import';
our @EXPORT = qw(deploy backend again);

# front: server and its configuration; backend: who starts the receiver, where the front does not;
# via: how requests are sent (http, curl, fcgi)
our %DEPLOYMENT = (
    'lighttpd mod_fastcgi'       => { front => [lighttpd => 'fastcgi.conf'] },
    'lighttpd to spawn-fcgi'     => { front => [lighttpd => 'spawn-fcgi.conf'], backend => 'spawn-fcgi' },
    'lighttpd mod_cgi'           => { front => [lighttpd => 'cgi.conf'] },
    'lighttpd TLS'               => { front => [lighttpd => 'tls.conf'], via => 'curl' },
    'Apache mod_fcgid'           => { front => [apache => 'fcgid.conf'] },
    'Apache mod_proxy_fcgi'      => { front => [apache => 'proxy-fcgi.conf'], backend => 'spawn-fcgi' },
    'Apache mod_cgid'            => { front => [apache => 'cgid.conf'] },
    'Apache TLS'                 => { front => [apache => 'tls.conf'], backend => 'spawn-fcgi', via => 'curl' },
    'Apache shared hosting, CGI' =>
        { front => [apache => 'shared.conf'], url => '/cgi-bin/complycube-webhook.cgi' },
    'Apache shared hosting, FastCGI' =>
        { front => [apache => 'shared-fcgid.conf'], url => '/cgi-bin/complycube-webhook.fcgi' },
    'Apache enablereuse=on'      => { front => [apache => 'reuse.conf'], backend => 'spawn-fcgi' },
    'nginx'                      => { front => [nginx => 'nginx.conf'], backend => 'spawn-fcgi' },
    'nginx keep-alive'           => { front => [nginx => 'nginx-keep.conf'], backend => 'spawn-fcgi' },
    'nginx unbuffered'           => { front => [nginx => 'nginx-unbuffered.conf'], backend => 'spawn-fcgi' },
    'lighttpd page'              => { front => [lighttpd => 'page.conf'], via => 'curl', url => '/inbox' },
    'Apache page'                => { front => [apache => 'page.conf'], via => 'curl', url => '/inbox' },
    'nginx page'                 => { front => [nginx => 'nginx-page.conf'], backend => 'page', via => 'curl', url => '/inbox' },
    'spawn-fcgi alone'           => { backend => 'spawn-fcgi', via => 'fcgi' },
    'multiwatch'                 => { backend => 'multiwatch', via => 'fcgi' },
    'systemd socket'             => { backend => 'systemd', via => 'fcgi' },
    'systemd StandardInput=socket' => { backend => 'systemd-inetd', via => 'fcgi' },
);

my @SPAWN = ('spawn-fcgi', '-n', '-M', '0660');
my ($MULTIWATCH) = Fixture::slurp("$Fixture::ROOT/lighttpd/spawn-fcgi.conf") =~ m{/usr/bin/multiwatch (-f 1\b.*?) --};
my @ACTIVATE = ('systemd-socket-activate', '-E', 'COMPLYCUBE_WEBHOOK_CONFIG');
my %BACKEND = (
    'page'          => sub { (@SPAWN, '-s', $_[0], '--', _wrap(), $_[1] =~ s{[^/]+$}{complycube-page.cgi}r) },
    'spawn-fcgi'    => sub { (@SPAWN, '-s', $_[0], '--', _wrap(), $_[1]) },
    'multiwatch'    => sub { (@SPAWN, '-s', $_[0], '--', '/usr/bin/multiwatch', split(' ', $MULTIWATCH), '--', _wrap(), $_[1]) },
    'multiwatch of two' => sub { (@SPAWN, '-s', $_[0], '--', '/usr/bin/multiwatch', '-f', 2, '--', _wrap(), $_[1]) },
    'systemd'       => sub { (@ACTIVATE, '-l', $_[0], _wrap(), $_[1]) },
    'systemd-inetd' => sub { (@ACTIVATE, '--inetd', '-l', $_[0], _wrap(), $_[1]) },
);

my %FRONT = (
    lighttpd => sub { ('/usr/sbin/lighttpd', '-D', '-f', "$_[0]/$_[1]") },
    apache   => sub { ('/usr/sbin/apache2', '-D', 'FOREGROUND', '-d', $_[0], '-f', $_[1]) },
    nginx    => sub { ('/usr/sbin/nginx', '-c', "$_[0]/$_[1]", '-e', "$_[0]/../log/nginx-start.log") },
);

sub _wrap { return split ' ', $ENV{WRAP} // '' }

# Start the receiver on a unix socket. Gives the process.
sub backend {
    my ($f, $kind) = @_;
    my $socket = $f->path('run/receiver.sock');
    return $f->start('receiver', sub { -S $socket && FastCgi::connect_to($socket) }, wrap => 0,
        cmd => [$BACKEND{$kind}->($socket, $f->program)], env => { COMPLYCUBE_WEBHOOK_CONFIG => $f->config })
        // die "$kind did not start";
}

# Start a deployment in a fixture: { name, client => a function of a request, url, port, front, backend, via }
# backend => undef: it is started already. edit => a function of a configuration's text, which gives another.
sub deploy {
    my ($f, $name, %o) = @_;
    my $known = $DEPLOYMENT{$name} // die "no deployment $name";
    my $d = { via => 'http', url => '/complycube', %$known, name => $name, %o };
    $d->{receiver} = backend($f, $d->{backend}) if $d->{backend};
    _front($f, $d) if $d->{front};
    $d->{client} = $d->{via} eq 'fcgi' ? FastCgi::client($f->path('run/receiver.sock'))
                 : $d->{via} eq 'curl' ? Http::curl_client($d->{tls_port})
                 : Http::client($d->{port});
    return $d;
}

# A port can be lost between finding it and listening on it: try again with others.
sub _front {
    my ($f, $d) = @_;
    my ($server, $file) = @{ $d->{front} };
    _certificate($f) if $d->{via} eq 'curl';
    for my $try (1 .. 3) {
        $d->{$_} = $f->port for qw(port tls_port);
        my $folder = _configure($f, $server, $d);
        my $ready = sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $d->{port}) };
        $d->{server} = $f->start($server, $ready, cmd => [$FRONT{$server}->($folder, $file)]) and return;
    }
    die "$server with $file did not start";
}

# Stop the web server and start it once more, with its files as they are now.
sub again {
    my ($f, $d) = @_;
    my ($server, $file) = @{ $d->{front} };
    $d->{server}->stop;
    my $ready = sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $d->{port}) };
    wait_until(sub { !$ready->() }, 5);    # a child may listen for a moment more
    $d->{server} = $f->start($server, $ready, cmd => [$FRONT{$server}->($f->path('conf'), $file)])
        // die "$server with $file did not start again";
    return $d;
}

# Copy the shipped configurations and those of the tests, with this fixture's values in vars.conf.
sub _configure {
    my ($f, $server, $d) = @_;
    my $folder = $f->folder('conf');
    my %value = (
        address => '127.0.0.1', port => $d->{port}, tls_port => $d->{tls_port}, url => $d->{url},
        tls_cert => $f->path('conf/cert.pem'), tls_key => $f->path('conf/key.pem'), program => $f->program,
        config => $f->config, socket => $f->path('run/receiver.sock'), www => $f->path('www'),
        page => $f->path('home/public_html/cgi-bin/complycube-page.cgi'), page_url => '/inbox',
        page_socket => $f->path('run/page.sock'), page_users => $f->path('conf/page.users'),
        run => $f->path('run'), uploads => $f->path('run'), log => $f->path('log'), home => $f->path('home'),
    );
    for my $path (listed($Fixture::ROOT, "$server/*.conf", "tests/e2e/$server/*.conf")) {
        my ($file) = $path =~ m{([^/]+)$};
        my $text = Fixture::slurp($path);
        $text = _set($text, \%value) if $file eq 'vars.conf';
        $text =~ s/\@(\w+)\@/$value{$1}/g if $path =~ m{/tests/};
        $text =~ s{/run/complycube/webhook\.sock}{$value{socket}} if $file eq 'receiver.conf';
        $text = $d->{edit}->($text) if $d->{edit};
        $f->write("conf/$file", $text);
    }
    return $folder;
}

# Give the variables of a vars.conf, lighttpd's or Apache's, their values; any other line stays.
sub _set {
    my ($text, $value) = @_;
    $text =~ s{^(var\.(\w+)\s*=\s*)("?)[^"\s]*"?}{ exists $value->{$2} ? "$1$3$value->{$2}$3" : $& }gme;
    $text =~ s{^(Define (\w+)\s+)\S+}{ exists $value->{lc $2} ? "$1$value->{lc $2}" : $& }gme;
    return $text;
}

sub _certificate {
    my ($f) = @_;
    my ($code, undef, $err) = $f->run(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost),
        '-keyout', $f->path('conf/key.pem'), '-out', $f->path('conf/cert.pem'));
    die "openssl: $err" if ($code // 1) != 0;
}

1;
