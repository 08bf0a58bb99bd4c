# SPDX-License-Identifier: MIT
# Who reads the hosting kit's guide and does what it says, on a Host: each step as it is written there, looking at what came
# of it. A step that is not known here fails the test.
package Customer;
use strict;
use warnings;
use Api ();
use Event;
use Fixture;
use Guide;
use Host;
use Test::More;

# { host, site => what Host::serve gave, kit => the folder, guide => its text, webhook => { url, secret } }
sub new {
    my ($class, $host) = @_;
    my $kit = $host->unpack($Host::KIT);
    return bless { host => $host, site => $host->serve, kit => $kit, guide => Fixture::slurp("$kit/guide.html") }, $class;
}

# A text of the guide, with what stands for the account filled in.
sub mine { my ($self, $text) = @_; return $text =~ s{/home/YOU\b}{$self->{host}->home}ger }

sub _path { my ($url) = @_; return $url =~ m{^https://www\.example\.org(/\S*)$} ? $1 : die "no URL of this site: $url" }

# ComplyCube's call.
sub call {
    my ($self, $body, $signature) = @_;
    return $self->{site}{client}->({ method => 'POST', path => _path($self->{webhook}{url}), body => $body,
        headers => ['ComplyCube-Signature' => $signature // sign($body, $self->{webhook}{secret})] });
}

sub _mode { my ($self, $name) = @_; return sprintf '%o', (stat $self->{host}->home($name))[2] & 0777 }

my @DO = (
    [qr/^Unpack `([\w.-]+\.zip)` on your computer$/ => sub {
        my ($self, $zip) = @_;
        is $zip, $Host::KIT =~ s{.*/}{}r, '... the zip has this name';
        is_deeply [sort map { s{.*/}{}r } glob "$self->{kit}/*"], [qw(LICENSE cgi-bin guide.html private)], '... it has two folders, the guide and the licence';
    }],
    [qr/^Upload the folder `(\w+)` into your home folder, beside `public_html`$/ => sub {
        my ($self, $name) = @_;
        my $h = $self->{host};
        $h->upload("$self->{kit}/$name", $name);
        ok -d $h->home($name) && -d $h->home('public_html'), '... both are in the home folder';
        my ($secret) = $self->{guide} =~ m{<code>(https://www\.example\.org/private/secrets)</code>};
        like $h->browse(_path($secret)), qr/^404 .*Not Found/s, '... and the browser does not find it, as the guide says';
    }],
    [qr/^Upload the folder `([\w-]+)` into `public_html`$/ => sub {
        my ($self, $name) = @_;
        my $h = $self->{host};
        $h->upload("$self->{kit}/$name", "public_html/$name");
        is_deeply [sort map { s{.*/}{}r } glob $h->home("public_html/$name/{.ht*,*}")],
            [qw(.htaccess complycube-webhook.cgi complycube-webhook.conf)], '... its three files are there';
        unlike $h->browse, qr/^200/, '... which is not enough';
    }],
    [qr/^Set the permissions of this table$/ => sub {
        my ($self, @rows) = @_;
        for my $row (map { [map { /^`(.*)`$/ } @$_] } @rows) {
            $self->{host}->chmod(oct $row->[1], $row->[0]);
            is $self->_mode($row->[0]), $row->[1], "... $row->[0]";
        }
        is $self->{host}->browse, '503 not ready: secrets', '... the program runs, and asks for the secret';
    }],
    [qr/^Create a webhook at ComplyCube for `(\S+)`$/ => sub {
        my ($self, $url) = @_;
        $self->{webhook} = { url => $url, secret => $SECRET{live} };
        is $self->call(event())->{status}, 500, '... its events are not taken yet, and so will come again';
    }],
    [qr/^Put its secret into `(\S+)`, in place of `(\w+)`$/ => sub {
        my ($self, $file, $place) = @_;
        my $text = $self->{host}->read($file);
        is scalar(() = $text =~ /\Q$place\E/g), 1, '... the place is there once';
        $self->{host}->write($file, $text =~ s/\Q$place\E/$self->{webhook}{secret}/r);
        is $self->_mode($file), '600', '... nobody else can read it';
    }],
    [qr/^Open `(\S+)` in your browser: it says `(\w+)`$/ => sub {
        my ($self, $url, $says) = @_;
        is $self->{host}->browse(_path($url)), "200 $says", '... it does';
        is $url, $self->{webhook}{url}, '... and that is what ComplyCube calls';
    }],
    [qr/^Add a cron job, every (?:minute|ten minutes): `(.+)`$/ => sub {
        my ($self, $line) = @_;
        is_deeply [$self->{host}->cron($self->mine($line))], ['', 0], '... it has nothing to say before something comes';
    }],
    [qr/^Upload the file `(\S+)` as `(\S+)`$/ => sub {
        my ($self, $file, $as) = @_;
        $self->{host}->upload("$self->{kit}/$file", $as);
        ok -e $self->{host}->home($as), '... it is there';
    }],
    [qr/^Set the permissions of `(\S+)` to `(\d+)`$/ => sub {
        my ($self, $name, $mode) = @_;
        $self->{host}->chmod(oct $mode, $name);
        is $self->_mode($name), $mode, '... they are';
    }],
    [qr{^Rename `((\S+)/[^/\s]+)` to `([^/\s]+)`$} => sub {
        my ($self, $from, $folder, $to) = @_;
        $self->{host}->rename($from, "$folder/$to");
        ok !-e $self->{host}->home($from), '... it has that name';
    }],
    [qr/^Make the folder `(\S+)` in your home folder, beside `private`, with permissions `(\d+)`$/ => sub {
        my ($self, $name, $mode) = @_;
        $self->{host}->mkdir($name);
        $self->{host}->chmod(oct $mode, $name);
        is $self->_mode($name), $mode, '... it is there';
    }],
    [qr/^Put an API key into the new file `(\S+)`, one line, with permissions `(\d+)`$/ => sub {
        my ($self, $file, $mode) = @_;
        $self->{host}->write($file, "$Api::KEY{live}\n", oct $mode);
        is $self->_mode($file), $mode, '... nobody else can read it';
    }],
    [qr/^Add the lines of this table to `complycube-webhook\.conf`, below `secret_file`$/ => sub {
        my ($self, @rows) = @_;
        my $file = 'public_html/cgi-bin/complycube-webhook.conf';
        my $lines = join "\n", map { $self->mine($_->[0] =~ s/^`|`$//gr) } @rows;
        my $text = $self->{host}->read($file);
        ok $text =~ s/^(\s*secret_file = .*\n)/$1$lines\n/m, '... the place is there';
        $self->{host}->write($file, $text);
        is $self->{host}->browse, '200 ready', '... the receiver takes them';
    }],
    [qr/^In the second cron job put `(\S+)` behind `(\w+)`$/ => sub {
        my ($self, $option, $command) = @_;
        ok $self->{watch} = ($self->jobs)[1] =~ s/ \Q$command\E$/ $command $option/r, '... it can be put there';
    }],
    [qr/^Upload the files (`.+`) over the old ones$/ => sub {
        my ($self, $files) = @_;
        $self->{host}->upload("$self->{kit}/$_", $_) for $files =~ /`([^`]+)`/g;
        is $self->_mode('private/complycube-inbox'), '755', '... the tool can be run still';
    }],
);

# Do the steps of a list of the guide: how many there were. between => a function that is called after each.
sub follow {
    my ($self, $list, %o) = @_;
    my @steps = guide_steps($self->{guide}, $list);
    for my $step (@steps) {
        my @known = grep { $step->{text} =~ $_->[0] } @DO;
        is scalar @known, 1, "$list: $step->{text}" or die "a step that is not known\n";
        my @arguments = $step->{text} =~ $known[0][0];
        $known[0][1]->($self, @{ $step->{rows} } ? @{ $step->{rows} } : @arguments);
        $o{between}->() if $o{between};
    }
    return scalar @steps;
}

# The lines of cron that its steps have.
sub jobs { my ($self) = @_; return map { $_->{text} =~ /^Add a cron job.*?: `(.+)`$/ ? $self->mine($1) : () } guide_steps($self->{guide}, 'steps') }

# The one text in <code> that begins so, or that a pattern matches.
sub code {
    my ($self, $begin) = @_;
    my $pattern = ref $begin ? $begin : qr/^\Q$begin\E/;
    my @found = grep { $_ =~ $pattern } guide_codes($self->{guide});
    @found == 1 or die "the guide has not one text that matches $pattern\n";
    return $self->mine($found[0]);
}

1;
