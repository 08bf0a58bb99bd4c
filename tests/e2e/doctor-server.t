#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox doctor finds what is wrong with a web server, under the real servers with the shipped configurations: a
# fault is seeded, shown to do harm, mended by nothing but the printed cure, and a real signed event is stored then.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Deploy;
use Doctor;
use Event;
use Fixture;
use Proc qw(wait_until);
use Tool;

sub edit {
    my ($f, $file, $change) = @_;
    local $_ = Fixture::slurp($f->path($file));
    my $before = $_;
    $change->();
    $_ ne $before or die "$file: nothing to change";
    $f->write($file, $_);
}

sub post {
    my ($d, $body, $secret) = @_;
    return $d->{client}->({ method => 'POST', path => $d->{url}, body => $body,
        headers => ['ComplyCube-Signature' => sign($body, $secret)] })->{status};
}

sub restarts {
    my ($f, $d) = @_;
    return sub { $_[0] =~ /^restart (?:Apache|lighttpd|nginx), / ? again($f, $d) : fail("it says what to do by hand: $_[0]") };
}

# size => of an event that does not get through before, 0: any does
sub fault {
    my ($name, $verdict, $deployment, $finding, $seed, %o) = @_;
    subtest $name => sub {
        my $f = Fixture->new;
        tool($f, 'init');
        my $d = deploy($f, $deployment);
        my $conf = $f->path("conf/$d->{front}[1]");
        $seed->($f, "conf/$d->{front}[1]");
        again($f, $d);
        my $size = $o{size} // 0;
        isnt post($d, event($size ? (size => $size) : ())), 200, 'an event is lost' if $verdict eq 'wrong' && !$o{harmless};
        mended($f, $verdict, 'web server', finding => $finding, args => ['--server', $conf], hand => restarts($f, $d));
        is post($d, event($size ? (size => $size) : ())), 200, 'it is stored then';
        is post($d, event(size => 1000000)), 200, 'and a long one';
        $f->finish;
    };
}

for my $deployment ('lighttpd mod_fastcgi', 'lighttpd to spawn-fcgi', 'lighttpd mod_cgi', 'Apache mod_fcgid', 'Apache mod_proxy_fcgi',
    'Apache mod_cgid', 'nginx') {
    subtest "$deployment as it is shipped" => sub {
        my $f = Fixture->new;
        tool($f, 'init');
        my $d = deploy($f, $deployment);
        my ($code, @findings) = doctor($f, '--server', $f->path("conf/$d->{front}[1]"));
        is $code, 0, 'is sound';
        is_deeply [map { $_->{finding} } only('web server', @findings)], [], 'and nothing of it is to be warned of' or diag $f->{said};
        my ($server) = $deployment =~ /^(\w+)/;
        like join(' ', map { $_->{finding} } @findings), qr/\b\Q$server\E leads to the receiver in/, 'it is found';
        $f->finish;
    };
}

fault 'mod_fcgid without FcgidMaxRequestLen', wrong => 'Apache mod_fcgid', qr/FcgidMaxRequestLen is 131072 by default/,
    sub { edit($_[0], $_[1], sub { s/^FcgidMaxRequestLen.*\n//m }) }, size => 200000;
fault 'FcgidMaxRequestLen too small', wrong => 'Apache mod_fcgid', qr/FcgidMaxRequestLen is 65536 in/,
    sub { edit($_[0], $_[1], sub { s/^(FcgidMaxRequestLen +).*/${1}65536/m }) }, size => 100000;
fault 'LimitRequestBody with mod_fcgid', wrong => 'Apache mod_fcgid', qr/LimitRequestBody is 50000/,
    sub { edit($_[0], $_[1], sub { $_ .= "LimitRequestBody 50000\n" }) }, size => 60000;
fault 'Mutex file: with mod_fcgid', warning => 'Apache mod_fcgid', qr/Mutex file:/,
    sub { my $run = $_[0]->path('run'); edit($_[0], $_[1], sub { s/^(LoadModule)/Mutex file:$run default\n$1/m }) };
fault 'LimitRequestBody too small', wrong => 'Apache mod_cgid', qr/LimitRequestBody is 50000/,
    sub { edit($_[0], $_[1], sub { s/^LimitRequestBody.*/LimitRequestBody 50000/m }) }, size => 60000;
fault 'LimitRequestBody before a proxy', warning => 'Apache mod_proxy_fcgi', qr/LimitRequestBody is 50000/,
    sub { edit($_[0], $_[1], sub { s/^LimitRequestBody.*/LimitRequestBody 50000/m }) };
fault 'enablereuse=on', warning => 'Apache enablereuse=on', qr/enablereuse=on/, sub { };
fault 'a header that is taken away', wrong => 'Apache mod_cgid', qr/RequestHeader changes ComplyCube-Signature/,
    sub { edit($_[0], $_[1], sub { $_ .= "LoadModule headers_module \${MODULES}/mod_headers.so\nRequestHeader unset complycube-signature\n" }) };
fault 'server.max-request-size too small', wrong => 'lighttpd mod_fastcgi', qr/max-request-size is 64 KiB/,
    sub { edit($_[0], 'conf/server.conf', sub { s/^(server.max-request-size *= *)\d+/${1}64/m }) }, size => 100000;
fault 'server.stream-request-body', wrong => 'lighttpd mod_cgi', qr/stream-request-body is not 0/,
    sub { edit($_[0], 'conf/server.conf', sub { s/^(server\.stream-request-body *= *)0$/${1}2/m }) }, harmless => 1;
fault 'client_max_body_size too small', wrong => 'nginx', qr/client_max_body_size is 65536 in/,
    sub { edit($_[0], 'conf/receiver.conf', sub { s/client_max_body_size \S+;/client_max_body_size 64k;/ }) }, size => 100000;
fault 'fastcgi_keep_conn', warning => 'nginx keep-alive', qr/fastcgi_keep_conn is on/, sub { };
fault 'fastcgi_request_buffering', warning => 'nginx unbuffered', qr/fastcgi_request_buffering is off/, sub { };

subtest 'the value that counts' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'nginx');
    edit($f, 'conf/nginx.conf', sub { s/^(http \{)/$1\n    client_max_body_size 64k;/m });
    again($f, $d);
    is post($d, event(size => 100000)), 200, 'a long event is stored';
    my (undef, @findings) = doctor($f, '--server', $f->path('conf/nginx.conf'));
    is_deeply [map { $_->{finding} } only('web server', @findings)], [], 'since the inner one counts';
    edit($f, 'conf/receiver.conf', sub {  s/^ *(client_max_body_size \S+;).*\n//m and $_ = "location /other { $1 }\n$_" });
    again($f, $d);
    is post($d, event(size => 100000)), 413, 'a long event is refused';
    (undef, @findings) = doctor($f, '--server', $f->path('conf/nginx.conf'));
    like join(' ', map { $_->{finding} } only('web server', @findings)), qr/client_max_body_size is 65536 in/, 'and the one of another place does not';
    $f->finish;
};

subtest 'nginx by default, and a larger max_body' => sub {
    my $f = Fixture->new;
    edit($f, 'home/public_html/cgi-bin/complycube-webhook.conf', sub { s/^#?\s*max_body.*\n//mg; s/\A/max_body = "3M"\n/ });
    tool($f, 'init');
    my $d = deploy($f, 'nginx');
    edit($f, 'conf/receiver.conf', sub { s/^.*client_max_body_size.*\n//m });
    again($f, $d);
    is post($d, event(size => 2000000)), 413, 'a long event is refused';
    mended($f, wrong => 'web server', finding => qr/client_max_body_size is 1048576 by default/, args => ['--server', $f->path('conf/nginx.conf')],
        hand => restarts($f, $d));
    is post($d, event(size => 2000000)), 200, 'it is stored then';
    $f->finish;
};

subtest 'shared hosting: only .htaccess can be read' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'Apache shared hosting, FastCGI');
    edit($f, 'home/public_html/cgi-bin/.htaccess', sub { $_ .= "LimitRequestBody 50000\n" });
    isnt post($d, event(size => 60000)), 200, 'an event is lost';
    mended($f, wrong => 'web server', finding => qr/LimitRequestBody is 50000/, hand => sub { });
    is post($d, event(size => 60000)), 200, 'it is stored then';
    $f->finish;
};

subtest 'the Apache of the machine counts if it serves the folder' => sub {
    plan skip_all => 'another /etc/apache2/apache2.conf takes root and a mount namespace' if $> || system('unshare -m true 2>/dev/null');
    my $f = Fixture->new;
    tool($f, 'init');
    my $tool = $f->install('run/complycube-inbox', 'complycube-inbox');
    my $folder = $f->path('home/public_html');
    for my $try (['its document root', "DocumentRoot \"$folder\"", 1], ['an alias', "ScriptAlias /cgi-bin/ $folder/cgi-bin/", 1], ['a pattern', 'VirtualDocumentRoot /home/%0', 1],
        ['users\' folders', 'UserDir public_html', 1], ['another folder', "DocumentRoot ${folder}2\nAlias /x /usr/share", 0]) {
        my ($name, $lines, $serves) = @$try;
        $f->write('conf/apache2.conf', "LoadModule alias_module mod_alias.so\nLoadModule fcgid_module mod_fcgid.so\n$lines\n");
        my $conf = $f->path('conf/apache2.conf');
        my $out = qx(unshare -m sh -c 'mount --bind $conf /etc/apache2/apache2.conf && exec "\$@"' sh $tool -c @{[$f->config]} doctor 2>&1);
        is $out =~ /FcgidMaxRequestLen/ ? 1 : 0, $serves, $name or diag $out;
    }
    $f->finish;
};

subtest 'an older receiver that still runs' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    is post($d, event()), 200, 'an event comes';
    my (undef, @findings) = doctor($f);
    my ($before) = map { $_->{finding} =~ /^process (\d+) runs / ? $1 : () } @findings;
    ok $before, 'the receiver is seen';
    my $program = $f->program;
    $f->install('home/public_html/cgi-bin/new.fcgi');
    rename $f->path('home/public_html/cgi-bin/new.fcgi'), $program or die;
    mended($f, warning => 'receiver', finding => qr/still runs a former \Q$program\E$/,
        after => sub { wait_until(sub { !kill 0, $before }, 10) });
    ok wait_until(sub { post($d, event()) == 200 }, 10), 'the web server starts the new one';
    (undef, @findings) = doctor($f);
    my ($after) = map { $_->{finding} =~ /^process (\d+) runs / ? $1 : () } @findings;
    isnt $after, $before, 'which is another process';
    $f->finish;
};

subtest 'the secret of another webhook' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    $f->secrets('secrets', "main 0123456789abcdef0123456789abcdef\n");
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    is post($d, event(), $SECRET{sandbox}), 200, 'an event of another endpoint comes';
    my (undef, @early) = doctor($f);
    ok !only('secrets', @early), 'a secret that has not matched yet is nothing to be warned of';
    is post($d, event()), 400, 'and one that is refused';
    ok wait_until(sub { -s $f->database . '.refused' }, 10), 'which is counted';
    mended($f, warning => 'secrets', finding => qr/endpoint live: the secret main has never matched, and 1 requests were refused/,
        hand => sub {
            my ($file, $name) = $_[0] =~ /^in (\S+), compare the line (\S+) with the secret that ComplyCube showed/ or return fail("it names the line: $_[0]");
            $f->write('run/new', Fixture::slurp($file) =~ s/^\Q$name\E .*/$name $SECRET{live}/mr, 0600);
            rename $f->path('run/new'), $file or die;
            ok wait_until(sub { post($d, event()) == 200 }, 10), 'events are stored then';
        });
    $f->finish;
};

subtest 'what is no configuration' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my @hostile = ("include \"*\"\n" x 100, "Include hostile*\n" x 1000, "{" x 100000, "<a\n" x 50000, "\$" x 10000, "a = (" x 10000,
        "</x>\n" x 1000, "\\\n" x 10000, "\"" x 4000, "Define a \${a}\${a}\n" x 500, "server.x = " . "\"y\" + " x 5000, "http {\n" . "include *;" x 1000,
        join('', map { chr int rand 255 } 1 .. 100000), "x" x 900000, "Mutex", "ProxyPass", "<", "\$HTTP[", "include \"");
    for my $n (0 .. $#hostile) {
        $f->write('conf/hostile', $hostile[$n]);
        my ($code, @findings) = doctor($f, '--server', $f->path('conf/hostile'));
        is $code, 0, "ends as it should, $n";
    }
    is +(doctor($f, '--server', $f->path('conf/none')))[0], 1, 'a file that is not there is wrong';
    $f->finish;
};
done_testing;
