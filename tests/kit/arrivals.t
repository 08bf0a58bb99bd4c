#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Files of the hosting kit that arrive otherwise than they should, by FTP programs, editors and slips: either all works, or
# the browser says what the guide explains. And what lies below the document root by mistake is not served.
use strict;
use warnings;
use Event;
use Fixture;
use Host;
use Proc qw(wait_until);
use Requests;
use Test::More;

Host::enter();
my $h = Host->new;
my $site = $h->serve;
my $secrets = 'private/secrets';
my $folder = 'public_html/cgi-bin';
my ($program, $conf, $htaccess) = map { "$folder/$_" } qw(complycube-webhook.cgi complycube-webhook.conf .htaccess);

# What may be seen: the answer to a GET, and to an event.
my %SEEN = (
    works    => [qr/^200 ready$/, 200],
    secrets  => [qr/^503 not ready: secrets$/, 500],
    config   => [qr/^503 not ready: config$/, 500],
    server   => [qr/^500 .*Internal Server Error/s, 500],
    closed   => [qr/^403 .*Forbidden/s, 403],
    download => [qr/^200 \x7fELF/, 200],
);

sub mode { my ($mode, $name) = @_; return sub { $h->chmod($mode, $name) } }

# A file with other text, and the mode that it had.
sub changed {
    my ($name, $change) = @_;
    return sub { $h->write($name, $change->($h->read($name)), (stat $h->home($name))[2] & 07777) };
}
sub crlf { return changed($_[0], sub { $_[0] =~ s/\n/\r\n/gr }) }
sub bom { return changed($_[0], sub { "\xef\xbb\xbf$_[0]" }) }
sub secret { my ($text) = @_; return changed($secrets, sub { $text }) }

# name, what is seen, what is done to a kit that is whole; then what the server's log says of it
my @TABLE = (
    ['all as it should be', works => sub { }],
    (map { my $mode = $_; [sprintf('private with mode %o', $mode), works => mode($mode, 'private')] } 0700, 0755),
    ['private with mode 777', secrets => mode(0777, 'private'), qr/secrets could be replaced: anyone may change/],
    (map { my $mode = $_; [sprintf('private without the right to enter it, %o', $mode), secrets => mode($mode, 'private'), qr/Permission denied/] }
        0600, 0644, 0666),
    ['secrets that others may read are narrowed', works => mode(0644, $secrets), qr/code=narrowed/],
    ['secrets that the group may write, too', works => mode(0664, $secrets), qr/code=narrowed/],
    ['secrets that anybody may write', secrets => mode(0666, $secrets), qr/anyone may write/],
    ['... or run', secrets => mode(0777, $secrets), qr/anyone may write/],
    ['secrets without any rights', secrets => mode(0, $secrets), qr/Permission denied/],
    ['the configuration for its owner alone', works => mode(0600, $conf)],
    ['the configuration as a program', works => mode(0755, $conf)],
    ['the configuration for anybody to write', config => mode(0666, $conf), qr/anyone may write it/],
    ['... or run', config => mode(0777, $conf), qr/anyone may write it/],
    ['the program for its owner alone', works => mode(0700, $program)],
    ['the program, not to be run', server => mode(0644, $program), qr/file has no execute permission/],
    (map { my $mode = $_; [sprintf('... with mode %o', $mode), server => mode($mode, $program), qr/suexec policy violation/] } 0600, 0666),
    ['the program for the group to write', server => mode(0775, $program), qr/file is writable by others/],
    ['the program for anybody to write', server => mode(0777, $program), qr/file is writable by others/],
    ['cgi-bin for the group to write', server => mode(0775, $folder), qr/directory is writable by others/],
    ['cgi-bin for anybody to write', server => mode(0777, $folder), qr/directory is writable by others/],
    ['cgi-bin that the web server may not enter', closed => mode(0700, $folder)],
    ['.htaccess that the web server may not read', closed => mode(0600, $htaccess)],
    ['.htaccess for anybody to write', works => mode(0666, $htaccess)],

    ['secrets with CR LF', works => crlf($secrets)],
    ['secrets with a BOM', works => bom($secrets)],
    ['secrets without a newline at the end', works => secret("main $SECRET{live}")],
    ['secrets in UTF-16', works => changed($secrets, sub { "\xff\xfe" . join '', map { "$_\0" } split //, $_[0] })],
    ['a secret in quotes', secrets => secret(qq(main "$SECRET{live}"\n)), qr/in quotes/],
    ['a secret in curved quotes', secrets => secret("main \xe2\x80\x9c$SECRET{live}\xe2\x80\x9d\n"), qr/not printable ASCII/],
    ['a secret that is not pasted yet', secrets => secret(Fixture::slurp("$Fixture::ROOT/packaging/kit/$secrets")), qr/the webhook's own secret/],
    ['a name whose secret is missing', secrets => secret("main \n"), qr/a name without its secret/],
    ['no secret at all', secrets => secret("# nothing\n"), qr/holds no secret/],
    ['an empty secret file', secrets => secret(''), qr/holds no secret/],
    ['a secret file with another name', secrets => sub { $h->rename($secrets, "$secrets.txt") }, qr/No such file/],
    ['no folder private', secrets => sub { $h->remove('private') }, qr/No such file/],
    ['private in public_html', secrets => sub { $h->rename('private', 'public_html/private') }, qr/No such file/],

    ['the configuration with CR LF', works => crlf($conf)],
    ['the configuration with a BOM', works => bom($conf)],
    ['the configuration with curved quotes', config => changed($conf, sub { $_[0] =~ s/"/\xe2\x80\x9d/gr }), qr/line \d+: /],
    ['an empty configuration', config => changed($conf, sub { '' }), qr/database is missing/],
    ['no configuration', config => sub { $h->remove($conf) }, qr/no configuration found/],

    ['.htaccess with CR LF', works => crlf($htaccess)],
    ['.htaccess with a BOM', server => bom($htaccess), qr/Invalid command '\\xef\\xbb\\xbf/],
    ['.htaccess with a line that is not allowed', server => changed($htaccess, sub { "$_[0]Options +Indexes\n" }), qr/Option Indexes not allowed here/],
    ['.htaccess shortened as the guide says', works => changed($htaccess, sub { $_[0] =~ s/^<IfModule mod_alias.*//msr })],
    ['no .htaccess', download => sub { $h->remove($htaccess) }],

    ['the program sent as text', server => crlf($program), qr/End of script output before headers/],
    ['... and as text from Windows', server => changed($program, sub { $_[0] =~ s/\r\n/\n/gr }), qr/End of script output before headers/],
    ['half of the program', server => changed($program, sub { substr $_[0], 0, length($_[0]) / 2 }), qr/End of script output before headers/],
    ['a program of no bytes', server => changed($program, sub { '' }), qr/./],
);

for my $row (@TABLE) {
    my ($name, $seen, $do, $log) = @$row;
    $h->remove('private', 'public_html/private', $folder);
    $h->install_kit;
    truncate $_, 0 for glob $h->path('log/*');
    $do->();
    my $page = $h->browse;
    my $answer = $site->{client}->({ method => 'POST', path => $site->{url}, %{ signed(event()) } });
    my @wrong;
    push @wrong, 'the browser shows ' . substr $page, 0, 200 if $page !~ $SEEN{$seen}[0];
    push @wrong, "an event is answered $answer->{status}" if $answer->{status} != $SEEN{$seen}[1];
    push @wrong, 'it is not stored' if $seen eq 'works' && $h->counts ne '1 1 0';
    push @wrong, 'the log has no ' . $log if $log && !wait_until(sub { $h->logs =~ $log }, 2);
    ok(!@wrong, "$name: $seen") or diag join "\n", @wrong, $h->logs;
}

# ---- what the host does otherwise ----

# The kit anew, and the server with other settings.
sub again {
    $h->remove('private', 'public_html/private', $folder);
    $h->install_kit;
    $h->{apache}->stop;
    $site = $h->serve(@_);
}

again();
like $h->browse('/cgi-bin/complycube-webhook.conf'), qr/^403 /, 'the configuration beside the program is not served';
again('ScriptAlias');
is $h->browse, '200 ready', 'where the host itself runs all that is in cgi-bin, all works';
$h->remove($htaccess);
is $h->browse, '200 ready', '... without .htaccess too';
like $h->browse('/cgi-bin/complycube-webhook.conf'), qr/^500 /, '... and the configuration is taken for a program, not served';
again('NoOptions');
like $h->browse, qr/^500 /, 'where .htaccess may not switch CGI on, since the host has done so';
changed($htaccess, sub { $_[0] =~ s/^Options.*\n//mr })->();
is $h->browse, '200 ready', '... it works without the line of Options, as the guide says';
again();
$h->rename($folder, 'public_html/complycube');
is $h->browse('/complycube/complycube-webhook.cgi'), '200 ready', 'so it does in a folder beside a cgi-bin of other programs';

# ---- private below the document root ----

again();
$site->{client}->({ method => 'POST', path => $site->{url}, %{ signed(event()) } });
ok -s $h->database, 'a kit that is in use';
$h->rename('private', 'public_html/private');
my @files = map { s{.*/}{}r } glob $h->home('public_html/private/{*,.ht*}');
cmp_ok scalar @files, '>', 6, 'its folder private gets below the document root';
my $shown = sub { return grep { $h->browse("/private/$_") =~ /^200/ } @files, q{} };
is_deeply [$shown->()], [], '... and nothing in it is served';
$h->chmod(0755, 'public_html/private');
$h->chmod(0644, "public_html/private/$_") for @files;
is_deeply [$shown->()], [], '... nor where everybody may read all of it';
$h->{apache}->stop;
$h->serve('NoRewrite');
is_deeply [$shown->()], [], '... nor by a server without mod_rewrite';
$h->remove('public_html/private/.htaccess');
is_deeply [$h->browse('/private/secrets')], ["200 main $SECRET{live}"], 'without .htaccess it would be';
$h->finish;
done_testing;
