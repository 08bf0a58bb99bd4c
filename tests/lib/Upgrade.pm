# SPDX-License-Identifier: MIT
# An installation that a released version left: its files as that version wrote them (tests/upgrade/VERSION), with the
# programs under test in the place of that version's, as an administrator would put them there.
package Upgrade;
use strict;
use warnings;
use Cwd qw(abs_path);
use DBI;
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Find qw(find);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use FastCgi;
use Http;
use Proc qw(unprivileged);
use Exporter 'import';
our @EXPORT = qw($RELEASED released lines_of);

our $ROOT = abs_path(dirname(__FILE__) . '/../..');
our $RELEASED = "$ROOT/tests/upgrade/0.1.0";
my $BIN = abs_path($ENV{BIN} // "$ROOT/build/bin") // 'build/bin';
my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# The users of a server of one's own, which every Debian has: the receiver's, an application's, and the group of both.
our ($RECEIVER, $APPLICATION, $GROUP) = qw(games news users);

# receiver: its names; inbox: what consumers are given; users: two of them, which needs root.
my %SERVER = (config => 'etc/complycube-webhook.conf', receiver => ['bin/complycube-webhook'], tool => 'bin/complycube-inbox',
    folder => 'var/lib/complycube', spool => 'var/spool/complycube', home => '', users => 1);
my %HOME = (config => 'home/public_html/cgi-bin/complycube-webhook.conf', tool => 'home/bin/complycube-inbox',
    receiver => ['home/public_html/cgi-bin/complycube-webhook.cgi', 'home/public_html/cgi-bin/complycube-webhook.fcgi'],
    folder => 'home/private', spool => 'home/spool', home => 'home');
our %LAYOUT = (
    'own-server'           => { %SERVER, inbox => 'var/lib/complycube/inbox.db' },
    'own-server-directory' => { %SERVER, inbox => 'var/lib/complycube/inbox.d' },
    'one-user'             => { %HOME, inbox => 'home/private/inbox.db' },
    'one-user-directory'   => { %HOME, inbox => 'home/private/inbox.d' },
    'kit' => { %HOME, inbox => 'home/private/inbox.db', tool => 'home/private/complycube-inbox',
        receiver => ['home/public_html/cgi-bin/complycube-webhook.cgi'] },
);

sub slurp { my ($path) = @_; open my $f, '<:raw', $path or die "$path: $!"; local $/; return <$f> // '' }

# The objects of a text, or a file, of JSON lines.
sub lines_of { my ($text) = @_; $text = slurp($text) if $text !~ /[\n{]/ && -e $text; return map { $json->decode($_) } split /\n/, $text }

# An empty place for a layout.
sub empty {
    my ($class, $layout) = @_;
    my $dir = tempdir('cw-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
    note "kept: $dir" if $ENV{KEEP};
    my $self = bless { %{ $LAYOUT{$layout} }, layout => $layout, dir => "$dir/root", run => "$dir/run", log => '' }, $class;
    for my $path ($dir, $self->{dir}, $self->{run}) {
        mkdir $path;
        chmod 0755, $path;
    }
    chmod 0777, $self->{run};
    return $self;
}

# A layout as the release left it, with the programs under test; bin => with those.
sub new {
    my ($class, $layout, %o) = @_;
    my $self = $class->empty($layout);
    my $owner = $self->{users} ? '--same-owner' : '--no-same-owner';
    system('tar', '-C', $self->{dir}, $owner, '-xpzf', "$RELEASED/$layout.tar.gz") == 0 or die "tar: $?";
    $self->own if !$self->{users};
    $self->programs($o{bin} // $BIN);
    return $self;
}

# All of it belongs to the user of whom the programs are.
sub own {
    my ($self) = @_;
    my @user = unprivileged() or return;
    find({ no_chdir => 1, wanted => sub { chown @user, $_ if !-l } }, $self->{dir});
}

# Put programs into their places, over those that are there.
sub programs {
    my ($self, $bin) = @_;
    for my $name (@{ $self->{receiver} }, $self->{tool}) {
        my $to = $self->path($name);
        make_path(dirname($to));
        copy("$bin/" . ($name =~ /inbox/ ? 'complycube-inbox' : 'complycube-webhook'), "$to.new") or die "$bin: $! (has make been run?)";
        chmod 0755, "$to.new";
        rename "$to.new", $to or die "$to: $!";
    }
}

sub path { my ($self, $name) = @_; return "$self->{dir}/$name" }
sub config { $_[0]->path($_[0]{config}) }
sub database { $_[0]->path("$_[0]{folder}/inbox.db") }
sub inbox { $_[0]->path($_[0]{inbox}) }
sub directory { $_[0]{inbox} =~ /\.d$/ ? $_[0]->inbox : undef }

# What a command begins with to be run as "receiver" or "application": nothing where there is one user only.
sub become {
    my ($self, $who) = @_;
    return if !$self->{users};
    my ($uid, $gid) = (getpwnam($who eq 'receiver' ? $RECEIVER : $APPLICATION))[2, 3];
    return ('setpriv', '--reuid', $uid, '--regid', $gid, '--groups', join(',', $gid, scalar getgrnam $GROUP), '--inh-caps=-all');
}

# Run a command as one of them; traced => a command before all that, which sees what is not dumpable.
sub as {
    my ($self, $who, @cmd) = @_;
    my %o = ref $cmd[-1] ? %{ pop @cmd } : ();
    @cmd = (@{ delete $o{traced} // [] }, $self->become($who), @cmd);
    $o{root} = $self->{users};
    $o{env} = { HOME => $self->path($self->{home}), COMPLYCUBE_WEBHOOK_CONFIG => $self->config, %{ $o{env} // {} } };
    my ($code, $out, $err) = Proc->run(cmd => \@cmd, tmp => $self->{run}, limit => 30, %o);
    $self->{log} .= $err;
    return ($code // -1, $out, $err);
}

sub tool { my ($self, @args) = @_; return $self->as('receiver', $self->path($self->{tool}), @args) }

# What a subcommand prints; it must not fail, but 1 may mean that something was found.
sub told {
    my ($self, @args) = @_;
    my ($code, $out, $err) = $self->tool(@args);
    die "@args: $code $err" if $code > 1;
    return $out;
}

sub request { my ($body, $signature) = @_; return { method => 'POST', path => '/', body => $body, headers => ['ComplyCube-Signature' => $signature] } }

# A request to the receiver as a CGI: its answer. before, traced => what its command begins with.
sub ask {
    my ($self, $request, %o) = @_;
    my ($code, $out, $err) = $self->as('receiver', @{ $o{before} // [] }, $self->path($self->{receiver}[0]),
        { env => { FastCgi::variables($request) }, input => $request->{body} // '', traced => $o{traced} });
    return { %{ Http::parse($out =~ /^Status:/ ? $out : "Status: 200 OK\r\n$out") }, code => $code, log => $err };
}

sub post { my ($self, $body, $signature, %o) = @_; return $self->ask(request($body, $signature), %o) }

# All files, one a line with its mode, and its group where the layout has two users.
sub tree {
    my ($self) = @_;
    my @lines;
    find({ no_chdir => 1, wanted => sub {
        my $name = substr($_, length $self->{dir}) =~ s{^/}{}r;
        my @is = lstat;
        push @lines, sprintf "%s %04o %s%s\n", -d _ ? 'd' : '-', $is[2] & 07777, $self->{users} ? (getgrgid $is[5]) . ' ' : '', $name || ".";
    } }, $self->{dir});
    return join '', sort { (split ' ', $a)[-1] cmp (split ' ', $b)[-1] } @lines;
}

sub opened { my ($self) = @_; return DBI->connect('dbi:SQLite:dbname=' . $self->database, '', '', { RaiseError => 1, PrintError => 0 }) }

# A sanitizer's report fails the test.
sub finish {
    my ($self) = @_;
    my @reports = $self->{log} =~ /^(.*(?:ERROR: \w*Sanitizer|runtime error:).*)$/mg;
    is(scalar @reports, 0, 'no sanitizer report') or diag join "\n", @reports;
}

# The folder of the release's own source, built once; or undef and why not.
sub released {
    my ($commit) = slurp("$RELEASED/commit") =~ /(\w+)/;
    my $to = "$ROOT/build/0.1.0";
    return $to if -x "$to/build/bin/complycube-inbox";
    make_path("$ROOT/build");
    open my $alone, '>>', "$to.lock" or die "$to.lock: $!";
    flock $alone, LOCK_EX or die "$to.lock: $!";
    return $to if -x "$to/build/bin/complycube-inbox";    # another test has built it meanwhile
    my $git = "git -c safe.directory='$ROOT' -C '$ROOT'";
    return (undef, 'this is no checkout: there is no history to build 0.1.0 from') if !-e "$ROOT/.git";
    return (undef, 'this checkout has no history to build 0.1.0 from') if system("$git cat-file -e '$commit^{commit}' 2>/dev/null") != 0;
    local %ENV = %ENV;
    delete @ENV{ grep { /^(?:MAKE|MFLAGS|BIN$|OBJ$|SAN$|COV$|STATIC$|PREFIX$|SYSCONFDIR$|DESTDIR$|CC$|CFLAGS$)/ } keys %ENV };
    system("rm -rf '$to.new' && mkdir '$to.new' && $git archive '$commit' | tar -xC '$to.new' && make -sC '$to.new' -j2 all >'$to.log' 2>&1") == 0
        or die "0.1.0 does not build: see $to.log";
    rename "$to.new", $to or die "$to: $!";
    return $to;
}

1;
