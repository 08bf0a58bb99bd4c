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
    mended($f, warning => 'secret folder');
    is post($f), 200, 'and goes on';
    $f->finish;
};

subtest 'a file of a third owner holds no secrets' => sub {
    plan skip_all => 'root gives files away' if $>;
    my $f = fixture();
    is post($f), 200, 'there is a database';
    chown 12345, -1, $f->path('home/private/secrets');
    chmod 0644, $f->path('home/private/secrets');
    is post($f), 500, 'no event is accepted';
    like $f->{cgi_log}, qr/belongs to user 12345/, 'the log names the owner';
    $f->finish;
};
done_testing;
