#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An upgrade of the hosting kit by the steps of its guide, while events come: each is answered 200 and stored.
use strict;
use warnings;
use Event;
use Fixture;
use Host;
use POSIX ();
use Proc qw(wait_until);
use Test::More;
use Customer;

Host::enter();
my $h = Host->new;
my $c = Customer->new($h);
$c->follow('steps');
my $new = "$c->{kit}/cgi-bin/complycube-webhook.cgi";
append($new, 'a newer one');

my $stop = $h->path('run/stop');
my @sent = map { $h->path("run/sent-$_") } 1 .. 3;
my @senders = map { sender($_) } @sent;
my $count = sub { my $n = 0; $n += -s $_ // 0 for @sent; return $n };
my $more = sub { my $n = $count->(); ok wait_until(sub { $count->() > $n + 20 }, 30), '... and twenty more events come' };
$more->();
$c->follow('upgrade', between => $more);
append($stop, 'now');
waitpid $_, 0 for @senders;

ok Fixture::slurp($h->home('public_html/cgi-bin/complycube-webhook.cgi')) eq Fixture::slurp($new), 'the program is the new one';
my %answers;
$answers{$_}++ for map { split //, Fixture::slurp($_) } @sent;
is_deeply [keys %answers], ['.'], 'each of the ' . $count->() . ' events that came meanwhile was answered 200';
is $h->value("SELECT count(*) FROM event_log WHERE event_id LIKE 'load-%'"), $count->(), '... and each is stored';
$h->finish;
done_testing;

sub append { my ($path, $text) = @_; open my $out, '>>', $path or die "$path: $!"; print $out $text; close $out }

# Send one event after the other until told to stop: for each a dot, or an x where the answer was not 200.
sub sender {
    my ($path) = @_;
    append($path, '');
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    my $n = 0;
    while (!-e $stop && $n < 5000) {
        my $answer = eval { $c->call(event(id => "load-$$-" . ++$n)) };
        append($path, $answer && $answer->{status} == 200 ? '.' : 'x');
    }
    POSIX::_exit(0);
}
