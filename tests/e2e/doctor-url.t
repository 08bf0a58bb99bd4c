#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox doctor --url: the webhook as ComplyCube meets it, through real servers with real certificates of an
# authority that is made here (SSL_CERT_FILE names it to the tool). What is wrong is mended by what it prints.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use POSIX qw(strftime);
use Test::More;
use Deploy;
use Doctor;
use Event;
use Fixture;
use Proc qw(wait_until);
use Tool;

my $URL = 'url|name|connection|time|certificate|redirect|answer|receiver|signature|body|probe|clock';

sub openssl {
    my ($f, @args) = @_;
    my ($code, $out, $err) = $f->run('openssl', @args, { dir => $f->path('conf') });
    die "openssl @args: $err" if ($code // 1) != 0;
}

# An authority, and one below it that signs.
sub authority {
    my ($f) = @_;
    $f->write('conf/ca.cnf', "[v3]\nbasicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n");
    openssl($f, qw(req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Root -keyout root.key -out root.pem));
    openssl($f, qw(req -newkey rsa:2048 -nodes -subj /CN=Issuing -keyout issuing.key -out issuing.csr));
    openssl($f, qw(x509 -req -in issuing.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ca.cnf -extensions v3 -out issuing.pem));
    $f->write('conf/empty.pem', Fixture::slurp($f->path('conf/root.pem')));
}

# A certificate for the web server. name, start and end in days from now, chain => whether the issuing one is sent.
sub certify {
    my ($f, %o) = (@_);
    my $day = sub { strftime('%Y%m%d%H%M%SZ', gmtime(time + 86400 * $_[0])) };
    my $name = $o{name} // 'localhost';
    $f->write('conf/leaf.cnf', "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
        . "unique_subject=no\n[p]\ncommonName=supplied\n[v3]\nsubjectAltName=DNS:$name\nbasicConstraints=CA:false\n");
    $f->write('conf/index', '');
    $f->write('conf/serial', sprintf "%08X\n", 1 + int rand 1 << 30);
    openssl($f, qw(req -newkey rsa:2048 -nodes -subj), "/CN=$name", qw(-keyout key.pem -out leaf.csr));
    openssl($f, qw(ca -batch -notext -config leaf.cnf -extensions v3 -in leaf.csr -cert issuing.pem -keyfile issuing.key -out leaf.pem),
        -startdate => $day->($o{start} // -60), -enddate => $day->($o{end} // 60));
    my $chain = $o{chain} // 1;
    $f->write('conf/cert.pem', Fixture::slurp($f->path('conf/leaf.pem')) . ($chain ? Fixture::slurp($f->path('conf/issuing.pem')) : ''));
}

sub post {
    my ($d, $body, $secret) = @_;
    return $d->{client}->({ method => 'POST', path => $d->{url}, body => $body, headers => ['ComplyCube-Signature' => sign($body, $secret)] })->{status};
}

# A fixture behind TLS: ($f, $d, arguments, options of doctor).
sub behind_tls {
    my ($deployment, %o) = @_;
    my $f = Fixture->new;
    $f->install('run/complycube-inbox', 'complycube-inbox');
    tool($f, 'init');
    my $d = deploy($f, $deployment);
    authority($f);
    certify($f, %o);
    again($f, $d);
    return ($f, $d, ['--url', "https://localhost:$d->{tls_port}/complycube"], { SSL_CERT_FILE => $f->path('conf/root.pem') });
}

sub with_env {
    my ($env, $do) = @_;
    my $run = \&Fixture::run;
    no warnings 'redefine';
    local *Fixture::run = sub {
        my ($self, @cmd) = @_;
        my %o = ref $cmd[-1] ? %{ pop @cmd } : ();
        return $run->($self, @cmd, { %o, env => { %{ $o{env} // {} }, %$env } });
    };
    return $do->();
}

sub none { my ($what, @findings) = @_; return !grep { $_->{what} =~ /^(?:$what)$/ && $_->{verdict} ne 'ok' } @findings }

for my $deployment ('lighttpd TLS', 'Apache TLS') {
    subtest $deployment => sub {
        my ($f, $d, $args, $env) = behind_tls($deployment);
        my ($code, @findings) = with_env($env, sub { doctor($f, @$args) });
        is $code, 0, 'is sound' or diag $f->{said};
        ok none($URL, @findings), 'nothing is to be warned of' or diag $f->{said};
        my @probes = grep { $_->{what} eq 'probe' } @findings;
        is scalar @probes, 3 + 4, 'a probe with each secret in force, and four bodies' or diag $f->{said};
        like join(' ', map { $_->{finding} } @findings), qr/valid for 59 days more/, 'the days of the certificate are told';
        is $f->counts, '0 0 0', 'nothing is stored';
        $f->finish;
    };
}

my $renew = sub { my ($f, $d, %o) = @_; certify($f, %o); again($f, $d) };
for my $try (
    ['an expired certificate', wrong => 'lighttpd TLS', qr/has expired .*CN.*localhost/, { end => -1 }, qr/^renew the certificate/],
    ['a certificate that ends soon', warning => 'Apache TLS', qr/valid for [12]\d? days more/, { end => 20.5 }, qr/^renew the certificate/],
    ['a certificate of tomorrow', wrong => 'lighttpd TLS', qr/not valid yet/, { start => 1 }, qr/clock/],
    ['an incomplete chain', wrong => 'Apache TLS', qr/the chain is incomplete/, { chain => 0 }, qr/fullchain\.pem and not cert\.pem/],
    ['a certificate of another host', wrong => 'lighttpd TLS', qr/of another host .*other\.example/, { name => 'other.example' }, qr/or get one for this name/],
) {
    my ($name, $verdict, $deployment, $finding, $certificate, $words) = @$try;
    subtest $name => sub {
        my ($f, $d, $args, $env) = behind_tls($deployment, %$certificate);
        with_env($env, sub { mended($f, $verdict, 'certificate', finding => $finding, args => $args,
            hand => sub { like $_[0], $words, 'it says so'; $renew->($f, $d) }) });
        is post($d, event()), 200, 'an event is stored';
        $f->finish;
    };
}

subtest 'a certificate of nobody' => sub {
    my ($f, $d, $args, $env) = behind_tls('lighttpd TLS');
    openssl($f, qw(req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem));
    again($f, $d);
    with_env($env, sub { mended($f, wrong => 'certificate', finding => qr/signed by nobody but itself/, args => $args,
        hand => sub { like $_[0], qr/of a known authority/, 'it says so'; $renew->($f, $d) }) });
    certify($f);
    again($f, $d);
    my (undef, @findings) = doctor($f, @$args);
    my ($seen) = only('certificate', @findings);
    like $seen->{finding}, qr/authority of its certificate is not a known one/, 'an authority that is none' or diag $f->{said};
    $f->finish;
};

subtest 'http' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    my $url = "http://127.0.0.1:$d->{port}/complycube";
    my ($code, @findings) = doctor($f, '--url', $url);
    is $code, 0, 'works' or diag $f->{said};
    is join(' ', map { $_->{finding} } only('certificate', @findings)), 'http:// is not encrypted', 'but is warned of';
    my $words;

    # another secret file than the running receiver's
    my $other = $f->write('run/other.conf', Fixture::slurp($f->config) =~ s{\.\./\.\./private}{@{[$f->path('home/private')]}}gr =~ s{private/secrets"}{private/others"}r);
    $f->secrets('others', "main $SECRET{live}\nnext 0123456789abcdef0123456789abcdef\n");
    my ($wrong, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $other, 'doctor', '--url', $url, { limit => 60 });
    @findings = told($out);
    is $wrong, 1, 'a secret that the receiver does not know is wrong';
    is join(' ', map { $_->{finding} } only('signature', @findings)), 'endpoint live: the receiver does not know the secret next', 'and named';
    $f->secrets('others', "next 0123456789abcdef0123456789abcdef\n");
    $f->write('run/other.conf', 'database = "' . $f->database . qq("\nendpoint live { secret_file = "../home/private/others" }\n));
    ($wrong, $out) = $f->run($f->path('run/complycube-inbox'), '-c', $other, 'doctor', '--url', $url, { limit => 60 });
    my ($seen) = only('signature', told($out));
    like $seen->{finding}, qr/takes no probe: the header is lost on the way, or the receiver has other secrets/, 'all of them too' or diag $out;

    # where nothing answers
    for my $try (["http://127.0.0.1:@{[$f->port]}/complycube", 'connection', qr/start the web server/],
                 ['http://no-such-host.invalid/complycube', 'name', qr/make a DNS record/],
                 ["http://127.0.0.1:$d->{port}/elsewhere", 'answer', qr/compare the URL/]) {
        my ($url, $what, $cure) = @$try;
        ($code, @findings) = doctor($f, '--url', $url);
        is $code, 1, "$url is wrong";
        ($seen) = only($what, @findings);
        like $seen->{cures}[0], $cure, "the $what" or diag $f->{said};
    }
    is +(doctor($f, '--url', 'ftp://localhost/'))[0], 1, 'no URL for a webhook';
    $f->finish;
};

subtest 'the limits of a server, without its configuration' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'Apache mod_fcgid');
    my $conf = $f->path('conf/fcgid.conf');
    $f->write('conf/fcgid.conf', Fixture::slurp($conf) =~ s/^FcgidMaxRequestLen.*\n//mr);
    again($f, $d);
    my (undef, @findings) = doctor($f, '--url', "http://127.0.0.1:$d->{port}/complycube");
    my @seen = only('answer', @findings);
    like $seen[0]{finding}, qr/^a body of 200000 bytes: 500, not from the receiver/, 'a long probe is lost' or diag $f->{said};
    like $seen[0]{cures}[0], qr/raise FcgidMaxRequestLen/, 'and it says what to raise';
    mended($f, wrong => 'web server', args => ['--server', $conf, '--url', "http://127.0.0.1:$d->{port}/complycube"],
        hand => sub { again($f, $d) });
    $f->finish;
};

subtest 'a header that Apache takes away' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'Apache mod_cgid');
    my $conf = $f->path('conf/cgid.conf');
    $f->write('conf/cgid.conf', Fixture::slurp($conf) . "LoadModule headers_module \${MODULES}/mod_headers.so\nRequestHeader unset ComplyCube-Signature\n");
    again($f, $d);
    mended($f, wrong => 'signature', finding => qr/takes no probe/, args => ['--url', "http://127.0.0.1:$d->{port}/complycube"],
        hand => sub {
            return if $_[0] !~ /^look for a line that removes or renames request headers \(Apache: RequestHeader/;
            $f->write('conf/cgid.conf', Fixture::slurp($conf) =~ s/^RequestHeader.*\n//mr);
            again($f, $d);
        });
    is post($d, event()), 200, 'an event is stored';
    $f->finish;
};

subtest 'redirects, and what answers in the receiver\'s place' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    $f->write('conf/fastcgi.conf', Fixture::slurp($f->path('conf/fastcgi.conf'))
        . qq(server.modules += ( "mod_redirect" )\nurl.redirect = ( "^/old" => "http://127.0.0.1:$d->{port}/complycube" )\n));
    again($f, $d);
    my ($wrong, @findings) = doctor($f, '--url', "http://127.0.0.1:$d->{port}/old");
    my ($seen) = only('redirect', @findings);
    my ($to) = $seen->{cures}[0] =~ /^by hand: in ComplyCube's dashboard, register (\S+)$/ or diag $f->{said};
    is $to, "http://127.0.0.1:$d->{port}/complycube", 'it says which URL to register';
    is +(doctor($f, '--url', $to))[0], 0, 'and that one works';
    $f->finish;
};

# What stands between: a process that passes requests on to a real receiver, and changes them as some do.
sub between {
    my ($f, $port, $change) = @_;
    my $proxy = server($f, sub {
        my ($r) = @_;
        my $made = $change->($r);
        return $made if $made;
        my $answer = Http::client($port)->({ method => $r->{method}, path => $r->{path}, $r->{method} eq 'POST' ? (body => $r->{body}) : (),
            headers => ['ComplyCube-Signature' => $r->{headers}{'complycube-signature'} // ''] });
        return "$answer->{status} x\r\nContent-Length: " . length($answer->{body}) . "\r\nDate: " . Http::date(time + ($r->{skew} // 0)) . "\r\n\r\n$answer->{body}";
    });
    return "http://127.0.0.1:$proxy/complycube";
}

{
    no warnings 'once';
    *Http::date = sub { strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime $_[0]) };
}

subtest 'what stands between' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'lighttpd mod_fastcgi');
    my %try = (
        'a filter' => [sub { $_[0]{body} =~ /<script|SELECT \*/ ? "403 Forbidden\r\nContent-Length: 6\r\n\r\nno way" : undef },
            body => qr/looks like an attack: 403, not from the receiver: a filter looks into bodies/, qr/ModSecurity/],
        'a body that is written anew' => [sub { $_[0]{body} =~ s/\s+\z//; undef },
            body => qr/odd blanks and letters: something on the way writes it anew/, qr/proxy or a firewall/],
        'a body that is cut' => [sub { $_[0]{body} = substr $_[0]{body}, 0, 100000; undef },
            body => qr/a body of 200000 bytes: it arrives cut, or changed/, qr/look what stands before/],
        'another program' => [sub { "200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>" },
            answer => qr/200, not from the receiver: another program answers/, qr/compare the URL/],
        'a password' => [sub { "401 no\r\nContent-Length: 0\r\n\r\n" }, answer => qr/asks for a password/, qr/leave this URL out/],
    );
    for my $name (sort keys %try) {
        my ($change, $what, $finding, $cure) = @{ $try{$name} };
        my ($code, @findings) = doctor($f, '--url', between($f, $d->{port}, $change));
        is $code, 1, "$name is wrong" or diag $f->{said};
        my ($seen) = only($what, @findings);
        like $seen->{finding}, $finding, 'in these words' or diag $f->{said};
        like $seen->{cures}[0], $cure, 'with what helps';
        like $seen->{why}, $name eq 'another program' ? qr/is lost, in silence/ : qr/./, 'and why it matters' if $what eq 'answer';
    }
    my ($code, @findings) = doctor($f, '--url', between($f, $d->{port}, sub { $_[0]{skew} = -3600; undef }));
    is $code, 0, 'a clock that is off is no fault of the webhook' or diag $f->{said};
    like join(' ', map { $_->{finding} } only('clock', @findings)), qr/is (?:3599|3600|3601) s behind/, 'but is warned of';
    ($code, @findings) = doctor($f, '--url', between($f, $d->{port}, sub { $_[0]{method} eq 'POST' && $_[0]{body} !~ /payload/ ? select(undef, undef, undef, 5.2) : 0; undef }));
    is $code, 0, 'a slow answer is still one';
    like join(' ', map { $_->{finding} } only('time', @findings)), qr/answered after 5\d\d\d ms/, 'but is warned of';
    is $f->counts, '0 0 0', 'nothing is stored';
    $f->finish;
};

subtest 'a receiver that is not ready' => sub {
    my $f = Fixture->new;
    tool($f, 'init');
    my $d = deploy($f, 'lighttpd mod_cgi');
    chmod 0400, $f->database;
    mended($f, wrong => 'receiver', args => ['--url', "http://127.0.0.1:$d->{port}/complycube"], hand => sub { });
    is post($d, event()), 200, 'an event is stored';
    $f->finish;
};
done_testing;
