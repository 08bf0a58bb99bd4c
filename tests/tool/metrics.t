#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# complycube-inbox metrics: figures for Prometheus, by its rules; those of stats and watch; and what is shipped to use them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Api qw(webhook);
use Event;
use Fixture;
use IPC::Open3;
use JSON::PP;
use POSIX ();
use Test::More;
use Tool;

my $sample = Fixture::slurp("$Fixture::ROOT/cgi-bin/complycube-webhook.conf.sample");
my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};
my %series;    # every name that was ever seen, with its labels' names

# { 'name{labels}' => value } of a text, after a look at its form.
sub parsed {
    my ($text, $name) = @_;
    my (%value, %type, %helped, @wrong);
    for (split /\n/, $text) {
        if (/^# HELP (\w+) (\S.*\.|\S.*\?|.*\S)$/) { push @wrong, "$1 has two helps" if $helped{$1}++; next }
        if (/^# TYPE (\w+) (gauge|counter)$/) { push @wrong, "$1 has no help before its type" if !$helped{$1}; $type{$1} = $2; next }
        my ($metric, $labels, $value) = /^([a-z_]+)(\{[^}]*\})? (-?\d+(?:\.\d{3})?)$/ or push(@wrong, "no line of the format: $_"), next;
        push @wrong, "$metric has no type" if !$type{$metric};
        push @wrong, "$metric does not begin with complycube_inbox_" if $metric !~ /^complycube_inbox_/;
        push @wrong, "$metric: a counter ends in _total, and nothing else does" if ($type{$metric} // '') eq 'counter' xor $metric =~ /_total$/;
        push @wrong, "$metric: a base unit is written out" if $metric =~ /_(?:ms|age|mb|count)$/ || ($metric =~ /timestamp/ && $metric !~ /_timestamp_seconds$/);
        push @wrong, "$_ is there twice" if exists $value{ $metric . ($labels // '') };
        my @labels = ($labels // '') =~ /(\w+)="[\w.-]+"/g;
        push @wrong, "$_: a label that may have any value" if grep { !/^(?:version|endpoint|secret|state|outcome|reason|alarm)$/ } @labels;
        $series{$metric}{$_} = 1 for 'instance', @labels;
        $value{ $metric . ($labels // '') } = $value;
    }
    is_deeply \@wrong, [], "$name: in Prometheus's form";
    return { map { s/^complycube_inbox_//r => $value{$_} } keys %value };
}

sub promtool_says {
    my ($what, $input, @args) = @_;
    my $pid = open3(my $in, my $out, undef, $promtool, @args);
    print $in $input;
    close $in;
    my $said = join '', <$out>;
    waitpid $pid, 0;
    is $? >> 8, 0, $what or diag $said;
    return $said;
}

sub metrics {
    my ($f, $name, @args) = @_;
    my ($code, $out, $err) = tool_out($f, 'metrics', @args);
    is_deeply [$code, $err], [0, ''], "$name: it ends well";
    return (parsed($out, $name), $out);
}

sub post { my ($f, $body, $key) = @_; $f->cgi({ body => $body, headers => ['ComplyCube-Signature' => $key // sign($body)] }) }

my $whole;
for my $form ('table', 'directory') {
    my $f = Fixture->new(conf => qq(retain = "1d"\n) . ($form eq 'table' ? '' : qq(inbox = "directory"\ndirectory = "../../private/inbox.d"\n)) . $sample
        . qq(endpoint sandbox { secret_file = "../../private/secrets.sandbox" }\n));
    my ($m) = metrics($f, "$form, before the first event");
    is_deeply [@$m{'up', 'events{endpoint="live",state="waiting"}', 'oldest_waiting_timestamp_seconds{endpoint="sandbox"}', 'wrong{alarm="database"}'}],
        [1, 0, '0.000', 0], "$form: before the first event all is 0, and nothing is wrong";
    record($f, map { resource_event("e$_", "r$_", $_) } 1 .. 7);
    record($f, resource_event('e1', 'r1', 1)) for 1 .. 2;
    post($f, '{', sign('{', $SECRET{sandbox}));
    post($f, event(), 'f' x 64) for 1 .. 3;
    tool($f, qw(work -e live --once --max-time 2 false));
    tool($f, 'dead', 7);
    tool($f, 'ack', 6);
    ($m, $whole) = metrics($f, $form);
    my %stats;
    push @{ $stats{ $_->{what} } }, $_ for map { decode_json($_) } split /\n/, (tool_out($f, 'stats', '--json'))[1];
    for my $p (@{ $stats{endpoint} }) {
        is_deeply [map { $m->{qq(events{endpoint="$p->{endpoint}",state="$_"})} } qw(waiting dead quarantined)], [@$p{qw(waiting dead quarantined)}],
            "$form: events of $p->{endpoint} as stats counts them";
        cmp_ok abs($m->{qq(oldest_waiting_timestamp_seconds{endpoint="$p->{endpoint}"})} - ($p->{oldest_ms} // 0) / 1000), '<', 0.001, "$form: and its oldest";
    }
    my @later = grep { $_->{state} eq 'waiting' && $_->{due_ms} > time * 1000 } map { decode_json($_) } split /\n/, (tool_out($f, 'list', '--json'))[1];
    cmp_ok scalar @later, '>', 0, "$form: some failed";
    is $m->{'events{endpoint="live",state="delayed"}'}, scalar @later, "$form: and are to be tried again later";
    is $m->{'events{endpoint="live",state="claimed"}'}, 0, "$form: none is claimed";
    for my $p (@{ $stats{secret} }) {
        my $sum = 0;
        $sum += $m->{$_} for grep { /^deliveries_total\{endpoint="$p->{endpoint}",secret="$p->{secret}",/ } keys %$m;
        is $sum, $p->{matches}, "$form: deliveries of $p->{secret} as stats counts them";
        cmp_ok abs($m->{qq(secret_last_match_timestamp_seconds{endpoint="$p->{endpoint}",secret="$p->{secret}"})} - $p->{last_match_ms} / 1000), '<', 0.001, "$form: and its last match";
    }
    is_deeply [@$m{map { qq(deliveries_total{endpoint="live",secret="main",outcome="$_"}) } qw(stored duplicate)}], [7, 2], "$form: by what became of them";
    is_deeply [@$m{map { qq(refused{reason="$_"}) } qw(signature failed)}], [3, 0], "$form: what was refused";
    my ($watched) = tool($f, 'watch');
    is_deeply [$watched, sort grep { /^wrong/ && $m->{$_} } keys %$m], [1, 'wrong{alarm="dead"}', 'wrong{alarm="quarantine"}'], "$form: what watch reports";
    is_deeply [grep { /silent|webhook/ } keys %$m], [], "$form: what was not asked for is not there, rather than 0";
    cmp_ok $m->{database_bytes}, '>', 4096, "$form: the database has a size";
    is_deeply [grep { /^(?:events|newest|oldest)/ && !/sandbox/ } keys %{ (metrics($f, "$form, of an endpoint", '-e', 'sandbox'))[0] }], [], "$form: of one endpoint";

    my %before = map { $_ => $m->{$_} } grep { /_total/ } keys %$m;
    cmp_ok scalar keys %before, '>', 4, "$form: counters are found";
    change($f, 'UPDATE inbox SET done_ms = 1 WHERE state = 1') if $form eq 'table';
    for my $step (['erase', '--reason', 'test', 3], ['prune'], ['backup', $f->path('home/copy.db')], ['requeue', 7]) {
        is((tool($f, @$step))[0], 0, "$form: $step->[0]");
        my ($after) = metrics($f, "$form, after $step->[0]");
        is_deeply [grep { !defined $after->{$_} || $after->{$_} < $before{$_} } sort keys %before], [], "$form: no counter falls by $step->[0]";
    }

    rename $f->database, $f->database . '.aside';
    unlink map { $f->database . $_ } qw(-wal -shm);
    $f->write('home/private/inbox.db', 'not a database at all' x 100);
    ($m) = metrics($f, "$form, with a database that cannot be read");
    is_deeply [@$m{'up', 'wrong{alarm="database"}', 'refused{reason="signature"}'}], [0, 1, 3], "$form: it says so, with the figures of other files";
    is_deeply [sort grep { /^(?:events|deliveries|newest|oldest|secret_last)|"(?:dead|waits|unmatched|lock)"/ } keys %$m], [],
        "$form: and claims nothing of what is in it";
    $f->finish;
}

subtest 'a file' => sub {
    my $f = Fixture->new;
    record($f, event());
    my $file = $f->path('home/node/inbox.prom');
    my ($code, $err) = tool($f, 'metrics', '--file', $file);
    is $code, 5, 'a folder that is not there';
    like $err, qr/^complycube-inbox: making \S+: No such file or directory$/, 'is said';
    $f->folder('home/node');
    is_deeply [tool($f, 'metrics', '--file', $file)], [0, ''], 'it is written';
    is sprintf('%o', (stat $file)[2] & 07777), '644', 'for everybody';
    is_deeply [grep { !/^\.\.?$/ } map { s{.*/}{}r } glob $f->path('home/node') . '/{,.}*'], ['inbox.prom'], 'and nothing else is there';

    # One that is written in place is seen empty or cut.
    my ($reads, $cut, %taken) = (0, 0);
    my $writer = fork // die;
    if (!$writer) {
        for (1 .. 60) { tool($f, 'metrics', '--file', $file) }
        POSIX::_exit(0);
    }
    while (waitpid($writer, POSIX::WNOHANG()) == 0) {
        my $text = Fixture::slurp($file);
        $reads++;
        $cut++ if $text !~ /\A# HELP complycube_inbox_build_info .*^complycube_inbox_scrape_timestamp_seconds (\d+\.\d{3})\n\z/ms;
        $taken{ $1 // '' } = 1;
    }
    cmp_ok scalar keys %taken, '>', 5, "several of them are seen in $reads reads";
    is $cut, 0, 'each of them whole';

    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', 'database = 7 7');
    my $old = (stat $file)[1];
    is((tool($f, 'metrics', '--file', $file))[0], 9, 'a broken configuration');
    is((stat $file)[1], $old, 'leaves the old figures, whose age tells');
    $f->finish;
};

subtest 'the webhook' => sub {
    my $f = Fixture->new;
    my $api = Api->new($f);
    $f->folder('home/keys', 0700);
    $f->write('home/keys/live', "$Api::KEY{live}\n", 0600);
    my ($url, $api_url) = ('https://www.example.org/complycube', $api->url);
    $f->write('home/public_html/cgi-bin/complycube-webhook.conf', qq(database = "../../private/inbox.db"\napi = "$api_url"\n)
        . qq(endpoint live {\n    secret_file = "../../private/secrets"\n    api_key_file = "../../keys/live"\n    url = "$url"\n}\n));
    for my $case ([1, webhook()], [0, webhook(enabled => JSON::PP::false)],
        [0, webhook(url => 'https://elsewhere.example.org/')]) {
        my ($enabled, $webhook) = @$case;
        $api->load(webhooks => [$webhook]);
        my ($m) = metrics($f, 'with --api', '--api');
        is_deeply [@$m{'webhook_enabled{endpoint="live"}', 'wrong{alarm="webhook"}'}], [$enabled, 1 - $enabled], $enabled ? 'enabled' : 'not';
    }
    $api->fault({ what => 'status', status => 401, times => 100 });
    my ($m) = metrics($f, 'refused by the API', '--api');
    is_deeply [@$m{'webhook_enabled{endpoint="live"}', 'wrong{alarm="webhook"}'}], [undef, 1], 'what could not be asked is not known';
    $f->finish;
};

# Whoever may write the database can name an endpoint anything, and make any number of them.
{
    my $f = Fixture->new;
    record($f, event());
    change($f, q(INSERT INTO endpoint (name) VALUES ('a"} 1' || char(10) || 'evil 1'), ('b c'), ('ü')),
        q(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO endpoint (name) SELECT 'e' || i FROM n),
        q(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO secret (endpoint, name) SELECT 1, 's' || i FROM n),
        q(INSERT INTO counter (hour_ms, endpoint, secret, outcome, n, last_ms) SELECT 0, endpoint, id, 'stored', 7, 1 FROM secret WHERE id > 1),
        q(INSERT INTO counter (hour_ms, endpoint, secret, outcome, n, last_ms) SELECT -3600000 * n, 1, 1, 'stored', v, v
            FROM (SELECT 1 AS n, 9223372036854775807 AS v UNION SELECT 2, -5 UNION SELECT 3, 'x')));
    my ($m) = metrics($f, 'with foreign names');
    my %names = map { /endpoint="([^"]*)"/ ? ($1 => 1) : () } keys %$m;
    cmp_ok scalar keys %names, '<=', 32, 'of many endpoints 32 are labels';
    cmp_ok scalar(grep { /^deliveries_total.*"stored"/ } keys %$m), '<=', 256, 'of many secrets 256 are';
    is_deeply [grep { !/^[\w.-]+$/ } keys %names], [], 'and no name that is none';
    is $m->{'deliveries_total{endpoint="live",secret="main",outcome="stored"}'}, 1, 'a number that cannot be right counts for nothing';
    $f->finish;
}

# What is shipped asks for nothing that is not written.
my $rules = Fixture::slurp("$Fixture::ROOT/packaging/prometheus/rules.yml");
my $board = decode_json(Fixture::slurp("$Fixture::ROOT/packaging/grafana/complycube-inbox.json"));
my @queries = ((map { ['the dashboard', $_] } map { map { $_->{expr} } @{ $_->{targets} } } @{ $board->{panels} }),
    (map { ['the rules', $_] } $rules =~ /expr: (.*)/g));
cmp_ok scalar @queries, '>', 20, 'queries are found';
my (@unknown, %asked);
for my $query (@queries) {
    my ($who, $text) = @$query;
    while ($text =~ /\b(complycube_inbox_\w+)(?:\{([^}]*)\})?/g) {
        my ($name, $labels) = ($1, $2 // '');
        $asked{$who}{$name} = 1;
        push @unknown, "$who: $name" if !$series{$name};
        push @unknown, map { "$who: $name has no $_" } grep { !$series{$name}{$_} } $labels =~ /(\w+)\s*[=!]/g;
    }
    push @unknown, map { "$who: no series of $text has $_" } grep { my $l = $_; !grep { $series{$_}{$l} } $text =~ /(complycube_inbox_\w+)/g }
        map { split /\s*,\s*/ } $text =~ /\bby \(([^)]*)\)/g;
}
is_deeply \@unknown, [], 'the rules and the dashboard ask for names and labels that are written';
is_deeply [grep { !$asked{'the dashboard'}{$_} } sort keys %series], [], 'and the dashboard shows every figure';

SKIP: {
    skip 'promtool is not installed', 1 if !$promtool;
    is promtool_says('promtool accepts the figures', $whole, 'check', 'metrics'), '', 'without a word';
    promtool_says('promtool accepts the rules', '', 'check', 'rules', "$Fixture::ROOT/packaging/prometheus/rules.yml");
    my $f = Fixture->new;
    promtool_says('each alert fires in its time, and no other', '', 'test', 'rules', $f->write('conf/rules-test.yml', rules_test()));
    $f->finish;
}
done_testing;

# A test for promtool: for each alert figures of two hours in which it alone fires at the end.
sub rules_test {
    my %well = ('up' => '1x120', 'scrape_timestamp_seconds' => '0+60x120', 'events{endpoint="live",state="dead"}' => '0x120',
        'oldest_waiting_timestamp_seconds{endpoint="live"}' => '0x120', 'newest_timestamp_seconds{endpoint="live"}' => '0+60x120',
        'refused{reason="failed"}' => '9x120', 'refused{reason="signature"}' => '19x120', 'wrong{alarm="spool"}' => '0x120',
        'webhook_enabled{endpoint="live"}' => '1x120', 'database_free_bytes' => '1000000000x120');
    my %fires = (Stale => ['scrape_timestamp_seconds', '60x120'], Down => ['up', '0x120'], Wrong => ['wrong{alarm="spool"}', '1x120'],
        ReceiverFails => ['refused{reason="failed"}', '10x120'], EventWaits => ['oldest_waiting_timestamp_seconds{endpoint="live"}', '60x120'],
        Dead => ['events{endpoint="live",state="dead"}', '1x120'], Refused => ['refused{reason="signature"}', '20x120'],
        Silent => ['newest_timestamp_seconds{endpoint="live"}', '60x2000'], WebhookDisabled => ['webhook_enabled{endpoint="live"}', '0x120'],
        DiskFull => ['database_free_bytes', '268435455x120']);
    my @alerts = $rules =~ /alert: ComplyCube(\w+)/g;
    is_deeply [sort @alerts], [sort keys %fires], 'each alert has a test';
    my $text = "rule_files: ['$Fixture::ROOT/packaging/prometheus/rules.yml']\nevaluation_interval: 1m\ntests:\n";
    for my $alert ('nothing', @alerts) {
        my %series = (%well, $fires{$alert} ? @{ $fires{$alert} } : ());
        my $at = $alert eq 'Silent' ? '26h' : '110m';
        if ($alert eq 'Silent') { s/x120$/x2000/ for values %series }
        $text .= "- interval: 1m\n  input_series:\n";
        $text .= "  - {series: 'complycube_inbox_$_', values: '$series{$_}'}\n" for sort keys %series;
        $text .= "  promql_expr_test:\n  - expr: 'count by (alertname) (ALERTS{alertstate=\"firing\"})'\n    eval_time: $at\n    exp_samples:"
            . ($fires{$alert} ? "\n    - {labels: '{alertname=\"ComplyCube$alert\"}', value: 1}\n" : " []\n");
    }
    return $text;
}
