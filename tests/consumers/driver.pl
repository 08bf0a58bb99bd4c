#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# For tests/lib/Consumer.pm: does with the Perl library what each line of JSON says, and answers with one.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(sleep);
umask 077;
$| = 1;
$SIG{__WARN__} = sub { die "WARNING: @_" };
require $ARGV[0];

my ($app, $crash, @log, @seen, %inbox, %held);
my $json = JSON::PP->new->canonical->utf8->max_depth(2000);

# A transaction that is committed, and then the worker dies.
my $crashing = sub {
    no warnings 'redefine';
    my $ack = \&ComplyCubeInbox::Table::ack;
    *ComplyCubeInbox::Table::ack = sub { kill 'KILL', $$ if $crash; goto &$ack };
};
$crashing->();

# What a callback does with an event: {"all" or ID: [[step, argument]...]}.
sub act {
    my ($call, $event) = @_;
    push @seen, $event->{event_id};
    my ($inbox, $leave) = ($inbox{ $call->{on} }, '');
    for my $step (@{ $call->{steps}{ $event->{event_id} } // $call->{steps}{all} // [] }) {
        my ($what, $value) = @$step;
        if ($what eq 'throw') { die "$value\n" }
        elsif ($what eq 'stop') { $inbox->stop }
        elsif ($what eq 'sleep') { sleep $value }
        elsif ($what eq 'signal') { kill 'TERM', $$ }
        elsif ($what eq 'kill') { kill 'KILL', $$ }
        elsif ($what eq 'crash') { $crash = 1 }
        elsif ($what eq 'sql') { $value =~ s/\?/'$event->{event_id}'/g; $app->do($value) }
        elsif ($what eq 'touch') { open my $f, '>', $value or die }
        elsif ($what eq 'await') { for (1 .. 500) { last if -e $value; sleep 0.01 } }
        elsif ($what eq 'mute') { $app->{RaiseError} = 0 }
        elsif ($what eq 'extend') { $inbox->extend({ %$event }, $value) }    # a copy is as good
        elsif ($what eq 'leave') { $leave = $value }
    }
    no warnings 'exiting';
    next if $leave eq 'next';
    last if $leave eq 'last';
}

my %verb = (
    new => sub {
        my ($call) = @_;
        $call->{options}{log} = sub { die "no log\n" } if ($call->{options}{log} // '') eq 'fails';
        my $new = $inbox{ $call->{on} } = ComplyCubeInbox->new($call->{path}, log => sub { push @log, $_[0] }, %{ $call->{options} });
        $SIG{TERM} = sub { $new->stop };
        return 1;
    },
    claim => sub {
        my ($call) = @_;
        my @events = $inbox{ $call->{on} }->claim($call->{limit});
        $held{ $call->{on} }{ $_->{seq} } = $_ for @events;
        return [map { +{ %$_, body => defined $_->{body} ? encode_base64($_->{body}, '') : undef } } @events];
    },
    each => sub {
        my ($call) = @_;
        @seen = ();
        my $count = $inbox{ $call->{on} }->each($call->{callback} // sub { act($call, @_) }, $call->{limit});
        return [$count, [@seen]];
    },
    connect => sub {
        my ($call) = @_;
        require DBI;
        $app = DBI->connect($call->{perl}, 'test', '', { RaiseError => $call->{silent} ? 0 : 1, PrintError => 0,
            AutoCommit => $call->{manual} ? 0 : 1 }) or die $DBI::errstr;
        return 1;
    },
    begin => sub { $app->begin_work; return 1 },
    rollback => sub { $app->rollback; return 1 },
    id => sub { return ($app->selectrow_array('SELECT CONNECTION_ID()'))[0] },
    raises => sub { return $app->{RaiseError} ? 1 : 0 },
    once => sub {
        my ($call) = @_;
        @seen = ();
        my $count = $inbox{ $call->{on} }->once($app, $call->{table}, $call->{callback} // sub { act($call, @_) });
        return [$count, [@seen]];
    },
);
for my $name (qw(ack release nack extend)) {
    $verb{$name} = sub {
        my ($call) = @_;
        return $inbox{ $call->{on} }->$name($held{ $call->{on} }{ $call->{seq} }, @{ $call->{arguments} // [] }) ? 1 : 0;
    };
}

while (defined(my $line = <STDIN>)) {
    my $call = $json->decode($line);
    my $value = eval { $verb{ $call->{verb} }->($call) };
    my $error = $@;
    $error =~ s/\n\z//;
    print $json->encode({ (defined $value ? (value => $value) : (error => $error)), log => [splice @log] }), "\n";
}
