#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Promise 2: what is answered 200 is on disk. strace shows that the flush comes before the first byte of the answer.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use File::Temp qw(tempdir);
use Proc qw(look_into);
use Test::More;

my $bin = $ENV{BIN} // 'build/bin';
my $secret = 'a-secret-of-the-tests';
delete @ENV{ grep { /^(COMPLYCUBE|REQUEST_METHOD|GATEWAY)/ } keys %ENV };
$ENV{ASAN_OPTIONS} = 'detect_leaks=0'; # it cannot look for leaks while strace looks on

look_into();

# The calls that a CGI makes for one event, up to the answer, as "fdatasync inbox.db-wal"; the answer last.
sub calls {
    my ($dir, $id) = @_;
    my $body = qq({"id":"$id","type":"check.completed","payload":{}});
    open my $in, '>', "$dir/body" or die;
    print $in $body;
    close $in;
    local @ENV{qw(COMPLYCUBE_WEBHOOK_CONFIG REQUEST_METHOD HTTP_COMPLYCUBE_SIGNATURE)} =
        ("$dir/inbox.conf", 'POST', hmac_sha256_hex($body, $secret));
    my $trace = `strace -y -s 40 -e trace=fsync,fdatasync,write,pwrite64,unlink,unlinkat,rename,renameat,renameat2 $bin/complycube-webhook <$dir/body 2>&1 >$dir/out`;
    my @calls;
    for (split /\n/, $trace) {
        push @calls, "$1 $2" if /^(fsync|fdatasync|pwrite64)\(\d+<\Q$dir\E\/?([^>]*)>/;
        push @calls, "write $1" if /^write\(\d+<\Q$dir\E\/([^>]*)>/;
        push @calls, "rename $1/$2" if /^renameat2?\(\d+<\Q$dir\E\/([^>]*)>, "([^"\/]*)"/;
        push @calls, "rename $1" if /^rename(?:at2)?\((?:AT_FDCWD[^,]*, )?"\Q$dir\E\/([^"]*)"/;
        push @calls, "unlink $1" if /^unlink\("\Q$dir\E\/([^"]*)"/;
        push(@calls, $1), last if /^write\(1<[^>]*>, "Status: (\d+)/;
    }
    return @calls;
}

sub folder {
    my ($journal, $more) = @_;
    my $dir = tempdir(CLEANUP => !$ENV{KEEP});
    open my $conf, '>', "$dir/inbox.conf" or die;
    print $conf qq(database = "inbox.db"\njournal = "$journal"\n), $more // '', qq(endpoint live { secret_file = "secrets" }\n);
    close $conf;
    open my $file, '>', "$dir/secrets" or die;
    print $file "$secret\n";
    close $file;
    chmod 0600, "$dir/secrets";
    return $dir;
}

# Every file that was written is flushed after its last write, before the answer.
sub flushed {
    my ($file, @calls) = @_;
    my ($write) = grep { $calls[$_] eq "pwrite64 $file" } reverse 0 .. $#calls;
    return defined $write && grep { /^f(data)?sync \Q$file\E$/ } @calls[$write .. $#calls];
}

my $wal = folder('wal');
for my $id (1, 2) {
    my @calls = calls($wal, $id);
    is $calls[-1], 200, "event $id is stored, journal wal";
    ok flushed('inbox.db-wal', @calls), 'and the log is flushed before the answer';
    my ($commit) = grep { $calls[$_] =~ /sync inbox\.db-wal/ } reverse 0 .. $#calls;
    my ($database) = grep { $calls[$_] eq 'pwrite64 inbox.db' } reverse 0 .. $#calls;
    ok $commit < $database, 'before it is written back to the database';
    ok flushed('inbox.db', @calls), 'which is flushed too';
}

my $delete = folder('delete');
calls($delete, 1);
my @calls = calls($delete, 2);
is $calls[-1], 200, 'an event is stored, journal delete';
ok flushed('inbox.db', @calls), 'and the database is flushed before the answer';
my ($gone) = grep { $calls[$_] eq 'unlink inbox.db-journal' } reverse 0 .. $#calls;
ok defined $gone && grep({ /^f(data)?sync $/ } @calls[$gone .. $#calls]),
    'and the folder, once the journal is gone, so that no power cut brings it back';

my $files = folder('wal', qq(inbox = "directory"\ndirectory = "inbox.d"\n));
calls($files, 1);
@calls = map { s/\d{13}\.\d{12}/NAME/r } calls($files, 2);
my %at = map { $calls[$_] => $_ } reverse 0 .. $#calls;
my @order = ('write inbox.d/live/tmp/NAME.json', 'fsync inbox.d/live/tmp/NAME.json', 'fsync inbox.d/live/tmp', 'fdatasync inbox.db-wal',
    'rename inbox.d/live/tmp/NAME.json', '200');
is_deeply [grep { !defined $at{$_} } @order], [], 'the directory form: the file is written, flushed with its folder, committed, shown and answered'
    or diag explain \@calls;
is_deeply [sort { $at{$a} <=> $at{$b} } @order], \@order, 'in this order';
done_testing;
