<?php
// SPDX-License-Identifier: MIT
// For a panel's cron job: hands what waits to your function work(), in work.php beside this file, and ends.
//     php -q /home/YOU/private/poll.php [DATABASE-OR-FOLDER [ENDPOINT]]
// It prints nothing while there is nothing to say, since cron mails what is printed. As long as there is no work.php
// each event is told of once and goes on waiting: nothing is used up before your code is there.

if (isset($_SERVER['REQUEST_METHOD']) || isset($_SERVER['GATEWAY_INTERFACE'])) {
    header('HTTP/1.1 403 Forbidden');
    exit("This is for cron.\n");
}
require __DIR__ . '/ComplyCubeInbox.php';

// One at a time, however long your work takes: a host allows few processes, and the receiver needs some. It is alone as long
// as it keeps what this returns, or false. A network's file system or a host may have no locks: then it goes on.
function alone() {
    if (!function_exists('fopen') || !function_exists('flock')) return true;
    $lock = fopen(__FILE__, 'r');
    flock($lock, LOCK_EX | LOCK_NB, $another);
    return $another ? false : $lock;
}

// Printable, whoever wrote it.
function say($line) { echo ComplyCubeInbox::printable($line), "\n"; }

// What came since the last time, up to a hundred; it is given back at once. The file knows which was the last. Where that
// does not wait any more the inbox may have been begun anew, and what waits is told of again.
function tell(ComplyCubeInbox $inbox, $file) {
    $told = trim(@file_get_contents($file));
    $name = function ($event) { return $event['seq'] . ' ' . md5($event['event_id']); };
    $events = $inbox->claim(100);
    array_map(array($inbox, 'release'), $events);
    $last = count($events) < 100 && !in_array($told, array_map($name, $events), true) ? 0 : (int) $told;
    $new = array_filter($events, function ($event) use ($last) { return $event['seq'] > $last; });
    if (!$new) return;
    $newest = reset($new);
    foreach ($new as $event) {
        say(rtrim("$event[created_at] $event[type] $event[resource_id]: $event[status] $event[outcome]", ' :'));
        if ($event['seq'] > $newest['seq']) $newest = $event;
    }
    say('They wait until your code is in work.php: see work-sample.php and guide.html.');
    if (@file_put_contents($file, $name($newest) . "\n") === false) throw new Exception("$file cannot be written");
}

// With work.php beside this file: what waits goes to it.
function poll($path, $endpoint) {
    if (!($alone = alone())) return;
    if ($path === null) {
        $path = __DIR__ . '/inbox.db';
        // Before the first event there is no database yet; the secrets show that this is where it will be.
        if (!file_exists($path) && !file_exists("$path.lock") && file_exists(__DIR__ . '/secrets')) return;
    }
    if (!@is_dir($path) && !in_array('sqlite', class_exists('PDO') ? PDO::getAvailableDrivers() : array()))
        throw new Exception('this PHP has no pdo_sqlite: switch it on in the panel, or name another PHP in the cron job');
    $inbox = new ComplyCubeInbox($path, array('endpoint' => $endpoint, 'log' => 'say'));
    if (!is_file(__DIR__ . '/work.php')) return tell($inbox, __DIR__ . '/poll.told');
    require __DIR__ . '/work.php';
    while ($inbox->each('work')) {}
}

list(, $path, $endpoint) = (isset($_SERVER['argv']) ? $_SERVER['argv'] : array()) + array(null, null, null);
$error = ComplyCubeInbox::attempt('poll', array($path, $endpoint));
if ($error !== null) {
    say("poll.php: $error");
    exit(1);
}
