#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What each deployment is asked, the hosting kit is asked on a shared host: by plain CGI, by mod_fcgid under its other name,
# and with the account's home on a file system like one of a network, where SQLite has no shared memory.
use strict;
use warnings;
use DBI;
use Event;
use Fixture;
use Host;
use Requests;
use Test::More;

Host::enter();

# Of the database's file: 2 is WAL, 1 is not. source: sqlite.org/fileformat2.html, "File format version numbers"
sub journal { my ($h) = @_; return unpack 'x18 C', Fixture::slurp($h->database) }

sub host {
    my (%o) = @_;
    my $h = Host->new(%o);
    $h->install_kit(secrets => "# the live webhook\nmain $SECRET{live}\nformer $SECRET{retired} retired\n");
    my $conf = 'public_html/cgi-bin/complycube-webhook.conf';
    $h->write($conf, $h->read($conf) . Fixture::endpoints());
    $h->write("private/secrets.$_", "$SECRET{$_}\n", 0600) for qw(sandbox narrow);
    return $h;
}

subtest 'plain CGI' => sub {
    my $h = host();
    Requests::ask_everything($h, $h->serve);
    is journal($h), 2, 'the database has a WAL';
    is_deeply [map { (stat $_)[4] } grep { -f } glob $h->home('private/*')], [map { $h->{ids}[0] } grep { -f } glob $h->home('private/*')],
        'all files are the account\'s own: suexec ran it';
    $h->finish;
};

subtest 'mod_fcgid' => sub {
    my $h = host();
    my $program = 'public_html/cgi-bin/complycube-webhook';
    $h->rename("$program.cgi", "$program.fcgi");
    my $d = $h->serve('Fcgid');
    Requests::ask_everything($h, { %$d, url => '/cgi-bin/complycube-webhook.fcgi' });
    my $started = () = Fixture::slurp($h->path('log/suexec.log')) =~ /cmd: complycube-webhook\.fcgi$/mg;
    cmp_ok $started, '>', 0, 'suexec started it';
    cmp_ok $started, '<', 20, 'and not once for each request' or diag $started;
    $h->finish;
};

subtest 'a home without shared memory' => sub {
    my $h = host(fuse => 1);
    my $scratch = DBI->connect('dbi:SQLite:dbname=' . $h->home('scratch.db'), '', '', { RaiseError => 1, PrintError => 0 });
    ok !eval { $scratch->do('PRAGMA journal_mode = WAL'); $scratch->do('CREATE TABLE t (a)') }, 'SQLite cannot use a WAL there';
    $scratch->disconnect;
    Requests::ask_everything($h, $h->serve);
    is journal($h), 1, 'the database has none: journal = "auto" saw it';
    my $poll = 'php -q ' . $h->home('private/poll.php') . ' ' . $h->database . ' live';
    like scalar $h->cron($poll), qr/^They wait/m, 'poll.php reads it';
    is scalar $h->cron($h->home('private/complycube-inbox') . ' -c ' . $h->config . ' watch --refused 1000 -e live'), "complycube-inbox: 2 in quarantine\n", 'watch too';
    $h->finish;
};
done_testing;
