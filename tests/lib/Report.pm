# SPDX-License-Identifier: MIT
# What the benchmark found: samples by round, and the Markdown that is made of them.
package Report;
use strict;
use warnings;
use List::Util qw(max sum);
use POSIX qw(strftime);
use Fixture;
use Measure;

my $OURS = 'receiver, lighttpd FastCGI';
my $APACHE = 'receiver, Apache mod_proxy_fcgi';

my %WORD = (idle => 'a poll when nothing waits', claim => 'a claim of 20', pending => '20 rows of pending');
my %POLLED = (none => 'no other events', processed => '1 000 000 processed', stranded => "300 000 of another endpoint");

sub new { my ($class, %o) = @_; return bless { %o, sample => {}, wrong => [] }, $class }

# A line that is written over on a terminal, and a line each elsewhere.
sub progress {
    my ($self, $text) = @_;
    my $terminal = -t STDERR;
    print STDERR $terminal ? "\r\e[K$text" : $self->{smoke} ? '' : "$text\n";
}

# One round's measurement of a thing under a condition (connections, events stored): a hash of figures.
sub add {
    my ($self, $what, $condition, $figures) = @_;
    push @{ $self->{sample}{$what}{$condition} }, $figures;
    push @{ $self->{wrong} }, "$what, $condition: $figures->{missing} acknowledged events are missing" if $figures->{missing};
    return if $what !~ /^(?:receiver|no-op|trickle|grown)/; # what peers answer is theirs
    push @{ $self->{wrong} }, "$what, $condition: $figures->{errors} answers were no 200" if $figures->{errors};
    push @{ $self->{wrong} }, "$what, $condition: nothing was answered" if !$figures->{requests};
}

sub correct { return !@{ $_[0]{wrong} } }

# All rounds' values of a figure; undef where there are none.
sub _all { my ($self, $what, $condition, $figure) = @_; return map { $_->{$figure} } @{ $self->{sample}{$what}{$condition} // [] } }

sub figure { my ($self, @of) = @_; my @all = $self->_all(@of); return @all ? Measure::median(@all) : undef }

# Round by round, one thing of another: [what, condition, figure] each.
sub ratio {
    my ($self, $of, $to) = @_;
    my @a = $self->_all(@$of);
    my @b = $self->_all(@$to);
    my @r = map { $b[$_] ? $a[$_] / $b[$_] : () } 0 .. ($#a < $#b ? $#a : $#b);
    return @r ? Measure::median(@r) : undef;
}

sub _difference {
    my ($self, $of, $to) = @_;
    my @a = $self->_all(@$of);
    my @b = $self->_all(@$to);
    return @a && @b ? Measure::median(map { $a[$_] - $b[$_] } 0 .. $#a) : undef;
}

sub _n { my ($form, $value) = @_; return defined $value ? sprintf $form, $value : '-' }

sub _thousands { my ($n) = @_; return '-' if !defined $n; $n = sprintf '%.0f', $n; 1 while $n =~ s/^(\d+)(\d{3})/$1 $2/; return $n }

sub _noop { my ($name) = @_; return $name =~ /Apache/ ? 'no-op, Apache mod_proxy_fcgi' : 'no-op, lighttpd FastCGI' }

# A Markdown table with aligned columns; the first row is the heading.
sub table {
    my ($heading, @rows) = @_;
    my @width = map { my $i = $_; max map { length $_->[$i] } $heading, @rows } 0 .. $#$heading;
    my $line = sub { my @cells = @_; return '| ' . join(' | ', map { $_ ? sprintf('%*s', $width[$_], $cells[$_]) : sprintf('%-*s', $width[0], $cells[0]) } 0 .. $#cells) . " |\n" };
    my $rule = '|' . join('|', map { '-' x ($width[$_] + 1) . ($_ ? ':' : '-') } 0 .. $#width) . "|\n";
    return join '', $line->(@$heading), $rule, map { $line->(@$_) } @rows;
}

sub _load_table {
    my ($self, $connections) = @_;
    my @rows;
    for my $name (sort { $self->figure($b, $connections, 'rate') <=> $self->figure($a, $connections, 'rate') }
        grep { defined $self->figure($_, $connections, 'rate') && /,|\+/ } keys %{ $self->{sample} })
    {
        my $f = sub { $self->figure($name, $connections, $_[0]) };
        push @rows, [$name, _thousands($f->('rate')),
            _n('%.2f', $self->ratio([$name, $connections, 'rate'], [_noop($name), $connections, 'rate'])),
            _n('%.2f', $f->('p50')), _n('%.2f', $f->('p99')), _n('%.1f', $f->('cpu')),
            $f->('pss') ? _n('%.1f', $f->('pss')) : '-', _n('%.0f %%', 100 * $f->('share')),
            max(map { $_ // 0 } $self->_all($name, $connections, 'missing'))];
    }
    return table(['', 'requests/s', 'of no-op', 'p50 ms', 'p99 ms', 'CPU us', 'PSS MB', 'wrk CPU', 'missing'], @rows);
}

# What was aimed at: words, bound, what was measured, whether it holds.
sub _bar {
    my ($self) = @_;
    my $noop = _noop($OURS);
    my $php = 'PHP-FPM, lighttpd';
    my $p50 = $self->_difference([$OURS, 1, 'p50'], [$noop, 1, 'p50']);
    my $sync = $self->figure('disk', 0, 'p50');
    my ($calm, @trickled) = $self->{sample}{trickle} ? sort { $a <=> $b } keys %{ $self->{sample}{trickle} } : (0, 0);
    my @grown = $self->{sample}{grown} ? sort { $a <=> $b } keys %{ $self->{sample}{grown} } : (0);
    my $missing = sum map { map { map { $_->{missing} // 0 } @$_ } values %$_ } values %{ $self->{sample} };
    my @bar = (
        ['lighttpd, 64 connections, of the no-op responder', '>=', 0.80, $self->ratio([$OURS, 64, 'rate'], [$noop, 64, 'rate'])],
        ['of PHP-FPM with persistent PDO', '>=', 11, $self->ratio([$OURS, 64, 'rate'], [$php, 64, 'rate'])],
        ['p50 at 1 connection less that of the no-op, in fdatasyncs', '<=', 2, defined $p50 && $sync ? $p50 / $sync : undef],
        ['p99 at 64 connections, of its own p50', '<=', 4, $self->ratio([$OURS, 64, 'p99'], [$OURS, 64, 'p50'])],
        ['Apache mod_proxy_fcgi, 64 connections, of its no-op', '>=', 0.90, $self->ratio([$APACHE, 64, 'rate'], [_noop($APACHE), 64, 'rate'])],
        ["requests/s beside $trickled[0] trickling clients, of calm", '>=', 0.90, $self->ratio(['trickle', $trickled[0], 'rate'], ['trickle', $calm, 'rate'])],
        ['p99 beside them, of calm', '<=', 2, $self->ratio(['trickle', $trickled[0], 'p99'], ['trickle', $calm, 'p99'])],
        [_thousands($grown[-1]) . ' events stored already, of none', '>=', 0.95, $self->ratio(['grown', $grown[-1], 'rate'], ['grown', 0, 'rate'])],
        ['PSS of the receiver under load, MB', '<=', 16, max grep { defined } map { $self->figure($OURS, $_, 'pss') } 1, 16, 64, 256],
        ['CGI from start to exit, of /bin/true', '<=', 6, $self->ratio(['start', 0, 'cgi'], ['start', 0, 'true'])],
        ['static CGI from start to exit, of /bin/true', '<=', 5, $self->ratio(['start', 0, 'static'], ['start', 0, 'true'])],
        (map { my $what = $_; map { ["$WORD{$what}, $POLLED{$_}, of none", '<=', 1.2, $self->ratio(['poll', $_, $what], ['poll', 'none', $what])] }
            qw(processed stranded) } qw(idle claim pending)),
        $self->_hot_bar,
        ['acknowledged events missing after any run', '<=', 0, $missing],
    );
    return _bars(@bar, $self->_look_bar);
}

# What a person or cron asks of a million events.
my %LOOK = (list => 'list --limit 100', stats => 'stats', type => 'list --limit 100 of one type of 40',
    rare => 'list of a type that is not there', client => 'list of a client of one event, the seventh of all',
    since => 'stats --since 2020-01-01', watch => 'watch', metrics => 'metrics');

sub _look_bar {
    my ($self) = @_;
    return map { ["$LOOK{$_}, a million events, ms", '<=', 500, $self->figure('look', 0, $_)] } qw(list stats);
}

sub _look_section {
    my ($self) = @_;
    my @what = grep { defined $self->figure('look', 0, $_) } qw(list stats type rare client since watch metrics);
    return "The tool from start to exit, warm, over a million events of 40 types, of which 980 wait, with two years of figures; medians:\n\n"
        . table(['', 'ms', 'CPU ms'], map { [$LOOK{$_}, _n('%.0f', $self->figure('look', 0, $_)), _n('%.0f', $self->figure('look', 0, "${_}_cpu"))] } @what);
}

# How many of the hot resource wait, and how many are done, as they were measured.
sub _hot_measured {
    my ($self) = @_;
    my @waiting = sort { $a <=> $b } map { /^hot, (\d+)$/ ? $1 : () } keys %{ $self->{sample} };
    return (\@waiting, [sort { $a <=> $b } @waiting ? keys %{ $self->{sample}{"hot, $waiting[0]"} } : ()]);
}

sub _hot_bar {
    my ($self) = @_;
    my ($waiting, $done) = $self->_hot_measured;
    return map { my $n = $_; map { ["an ordered claim by $_, " . _thousands($n) . ' waiting, ' . _thousands($done->[-1]) . ' done, of none', '<=', 1.5,
        $self->ratio(["hot, $n", $done->[-1], $_], ["hot, $n", 0, $_])] } qw(PHP Perl) } @$waiting;
}

sub _hot_section {
    my ($self) = @_;
    my ($waiting, $done) = $self->_hot_measured;
    my @of = map { my $n = $_; map { [$n, $_] } qw(PHP Perl) } @$waiting;
    return "One resource has all events: so many are done, and so many wait. Medians of the processor\n"
        . "time of a claim with `ordered`, which gives one:\n\n"
        . table(['microseconds', map { "$_->[1], " . _thousands($_->[0]) . ' waiting' } @of],
        map { my $n = $_; [_thousands($n) . ' done', map { _thousands($self->figure("hot, $_->[0]", $n, $_->[1])) } @of] } @$done);
}

sub _bars {
    my (@bar) = @_;
    return table(['', 'bound', 'measured', ''], map {
        my ($words, $sign, $bound, $is) = @$_;
        my $holds = defined $is && ($sign eq '>=' ? $is >= $bound : $is <= $bound);
        [$words, ($sign eq '>=' ? 'at least ' : 'at most ') . $bound, _n('%.2f', $is), !defined $is ? '-' : $holds ? 'holds' : 'FALLS SHORT'];
    } @bar);
}

sub _other_table {
    my ($self) = @_;
    my $f = sub { $self->figure(@_) };
    return table(['', 'measured'],
        ['overwrite of 4 KiB and fdatasync, a second', _thousands($f->('disk', 0, 'rate'))],
        ['the median of such an fdatasync, ms', _n('%.3f', $f->('disk', 0, 'p50'))],
        ['/bin/true from start to exit, ms', _n('%.2f', ($f->('start', 0, 'true') // 0) / 1000)],
        ['the receiver as CGI, a new event stored, ms', _n('%.2f', ($f->('start', 0, 'cgi') // 0) / 1000)],
        ['the static receiver as CGI, a new event stored, ms', _n('%.2f', map { defined ? $_ / 1000 : undef } $f->('start', 0, 'static'))],
        ['instructions for an event alone, FastCGI', _thousands($f->('instructions', 0, 'a_request'))],
        (map { ["requests/s with " . _thousands($_) . ' events stored already', _thousands($f->('grown', $_, 'rate'))] }
            sort { $a <=> $b } keys %{ $self->{sample}{grown} }),
        (map { ["requests/s and p99 ms beside $_ trickling clients, Apache", _thousands($f->('trickle', $_, 'rate')) . ', ' . _n('%.1f', $f->('trickle', $_, 'p99'))] }
            sort { $a <=> $b } keys %{ $self->{sample}{trickle} }));
}

sub _poll_table {
    my ($self) = @_;
    my @what = qw(idle claim pending);
    return table(['microseconds, by Perl', map { $WORD{$_} } @what],
        map { my $on = $_; ["with $POLLED{$on}", map { _n('%.0f', $self->figure('poll', $on, $_)) } @what] } qw(none processed stranded));
}

sub _machine {
    my ($cpu) = Fixture::slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)$/m;
    my $n = () = Fixture::slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;
    my ($memory) = Fixture::slurp('/proc/meminfo') =~ /^MemTotal:\s*(\d+)/m;
    my ($system) = Fixture::slurp('/etc/os-release') =~ /^PRETTY_NAME="(.*)"$/m;
    chomp(my $kernel = `uname -r`);
    chomp(my $disk = `stat -f -c %T /tmp`);
    my $version = sub { my ($v) = `@_ 2>&1` =~ /(\d+\.\d+(?:\.\d+)*)/; $v // '?' };
    return sprintf "%d x %s, %.0f GB of memory, temporary files on %s; %s,\nLinux %s, lighttpd %s, Apache %s, PHP %s, "
        . "Perl %s, SQLite %s, gcc %s.\n", $n, $cpu // 'processors', ($memory // 0) / 1048576, $disk, $system // 'Linux', $kernel,
        $version->('/usr/sbin/lighttpd -v'), $version->('/usr/sbin/apache2 -v'), $version->('php -v'),
        $version->(q(perl -e 'print "$^V"')), $version->('sqlite3 --version'), $version->('gcc -dumpfullversion');
}

sub _text {
    my ($self, $seconds) = @_;
    my %connections = map { $_ => 1 } map { keys %{ $self->{sample}{$_} } } grep { /^(?:receiver|no-op)/ } keys %{ $self->{sample} };
    my $text = "# Benchmarks\n\n`make bench` of " . strftime('%Y-%m-%d', gmtime)
        . sprintf(", %d rounds of %g s each, %.0f minutes in all. Medians over the rounds, a ratio being the median of\n"
            . "each round's ratio. The load generator, the web server and the receiver share the machine:\n\n", @$self{qw(rounds seconds)}, $seconds / 60)
        . _machine() . "\nEach request is an event of $Load::BODY bytes with ids of its own, in ascending order, and a right signature. Each answer\n"
        . "but a 200 fails the run, and after it the rows of the log and of the inbox are counted against the 200s: *missing*. A\n"
        . "200 means on disk everywhere but for the no-op, a libfcgi responder of 8 threads that does nothing. *CPU* is that of\n"
        . "the backend for each request. Latencies are wrk's, which counts a stall for all that would have been sent\n"
        . "meanwhile. The peers are in `tests/bench/peers/`; node and webhook have no web server in front.\n";
    $text .= "\n## What was aimed at\n\n" . $self->_bar if !$self->{smoke};
    $text .= "\n## $_ connection" . ($_ == 1 ? '' : 's') . "\n\n" . $self->_load_table($_) for sort { $a <=> $b } keys %connections;
    $text .= "\n## Beside\n\n" . $self->_other_table;
    $text .= "\n## $_->[0]\n\n" . $_->[1]->() for $self->_own_sections;
    return $text;
}

# Those that stand for themselves, where they were measured: heading, text.
sub _own_sections {
    my ($self) = @_;
    return (
        defined $self->figure('poll', 'none', 'idle') ? ['What a consumer pays', sub { $self->_poll_table }] : (),
        @{ ($self->_hot_measured)[0] } ? ['What an ordered claim of a hot resource costs', sub { $self->_hot_section }] : (),
        defined $self->figure('look', 0, 'list') ? ['What a look costs', sub { $self->_look_section }] : (),
    );
}

# Put them into a file in the place of those it has, or behind all; whatever else is in it stays.
sub _update {
    my ($self, $file) = @_;
    my $all = -e $file ? Fixture::slurp($file) : "# Benchmarks\n";
    for my $section ($self->_own_sections) {
        my ($heading, $text) = ($section->[0], $section->[1]->());
        my $bar = $heading =~ /hot/ ? '_hot_bar' : $heading =~ /look/ ? '_look_bar' : undef;
        $text .= "\nMeasured alone (`tests/bench/bench.pl --parts '$self->{parts}' --rounds $self->{rounds}`, "
            . strftime('%Y-%m-%d', gmtime) . "):\n\n" . _bars($self->$bar) if $bar;
        $all =~ s/^## \Q$heading\E\n.*?(?=^## |\z)//ms;
        $all =~ s/\n*\z/\n\n## $heading\n\n$text/;
    }
    open my $out, '>', $file or die "$file: $!";
    print $out $all;
    close $out or die "$file: $!";
}

sub finish {
    my ($self, $seconds) = @_;
    $self->progress('');
    my $text = $self->_text($seconds);
    print $text;
    print "\nWRONG: $_\n" for @{ $self->{wrong} };
    $self->_update($self->{update}) if $self->{update};
    return if !$self->{out};
    open my $out, '>', $self->{out} or die "$self->{out}: $!";
    print $out $text;
    close $out or die "$self->{out}: $!";
}

1;
