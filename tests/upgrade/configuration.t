#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What configured 0.1.0 configures this version: the least of a file, the environment alone, each key of a full one with the
# value that 0.1.0 understood, and each option of each subcommand.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(hmac_sha256_hex);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use FastCgi;
use Fixture;
use Upgrade;

my $SECRET = 'akuPkDmpn1lFiMchfmSjsQMj0sUQ4IRH';

# A fixture with a secret beside its configuration.
sub folder {
    my ($conf) = @_;
    my $f = Fixture->new(conf => $conf);
    $f->install('run/complycube-inbox', 'complycube-inbox');
    $f->write('home/public_html/cgi-bin/secrets', "$SECRET\n", 0600);
    return $f;
}

sub works {
    my ($f, %env) = @_;
    my $program = $f->path('home/public_html/cgi-bin/complycube-webhook.cgi');
    my %o = (env => \%env, dir => $f->path('home/public_html/cgi-bin'));
    my ($code, $out, $err) = $f->run($program, '-n', \%o);
    is $code, 0, 'the receiver understands it' or diag $out, $err;
    ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), 'init', \%o);
    is $code, 0, 'init makes the database' or diag $out, $err;
    my $body = '{"id":"e1","type":"check.completed"}';
    my $request = Upgrade::request($body, hmac_sha256_hex($body, $SECRET));
    ($code, $out, $err) = $f->run($program, { %o, env => { %env, FastCgi::variables($request) }, input => $body });
    like $out, qr/^Status: 200.*\{"received":true\}/s, 'an event is stored' or diag $err;
    ($code, $out, $err) = $f->run($f->path('run/complycube-inbox'), 'list', '--json', \%o);
    is join(' ', map { $_->{endpoint} . ' ' . $_->{event_id} } lines_of($out)), ($env{COMPLYCUBE_WEBHOOK_SECRET} ? 'default' : 'live') . ' e1', 'and listed' or diag $err;
    $f->finish;
}

subtest 'the least of a configuration' => sub {
    my $f = folder(Upgrade::slurp("$RELEASED/conf/minimal.conf"));
    works($f, COMPLYCUBE_WEBHOOK_CONFIG => $f->config);
};

subtest 'the environment alone' => sub {
    my $f = folder('');
    unlink $f->config;
    my %env = map { /^(\w+)=(.*)/ } split /\n/, Upgrade::slurp("$RELEASED/environment");
    works($f, %env);
};

# A layout's configuration, and what 0.1.0 said of it.
for my $layout (grep { !$> || !$Upgrade::LAYOUT{$_}{users} } sort keys %Upgrade::LAYOUT) {
    my $u = Upgrade->new($layout);
    my %is = map { (($_->{endpoint} // '') . " $_->{key}" => "$_->{value} from $_->{from} " . ($_->{line} // '')) } lines_of($u->told(qw(config --json)) =~ s/\Q$u->{dir}\E/\@DIR\@/gr);
    my %was = map { (($_->{endpoint} // '') . " $_->{key}" => "$_->{value} from $_->{from} " . ($_->{line} // '')) }
        grep { $_->{of} eq 'config' } lines_of("$RELEASED/$layout/output.jsonl");
    is_deeply { map { $_ => $is{$_} } keys %was }, \%was, "each value of $layout is what it was";
    $u->finish;
}

my $f = Fixture->new;
my $tool = $f->install('run/complycube-inbox', 'complycube-inbox');
my %VALUE = (N => 5, TIME => '12h', AGE => '12h', SECONDS => 5, STATE => 'dead', FILE => $f->config, URL => 'http://127.0.0.1/', USER => 'nobody',
    NAME => 'live', ID => 'x', TYPE => 'a.b', TEXT => 'x');
my (%given, @refused);
for (split /\n/, Upgrade::slurp("$RELEASED/options.tsv")) {
    my ($command, $short, $long, $value) = split /\t/;
    next if $long eq '--help';
    push @{ $given{$command}{ length $_ > 2 } }, $_, $value ? $VALUE{$value} // die "what is $value?" : () for grep { length } $short, $long;
}
for my $command (sort keys %given) {
    for my $options (values %{ $given{$command} }) {
        my ($code, undef, $err) = $f->run($tool, $command, @$options, '--help');
        push @refused, "$command: $code $err" if $code != 0;
    }
}
is_deeply \@refused, [], 'each option of 0.1.0 is known, of ' . (keys %given) . ' subcommands';
is(($f->run($tool, 'list', '--no-such-option', '--help'))[0], 2, '... as another is not');
$f->finish;
done_testing;
