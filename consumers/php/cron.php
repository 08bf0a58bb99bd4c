<?php
// SPDX-License-Identifier: MIT
// For cron: works off what waits and ends. php cron.php DATABASE-OR-FOLDER [ENDPOINT]
// */5 * * * * php /home/me/cron.php /home/me/private/inbox.db live
require __DIR__ . '/ComplyCubeInbox.php';
if (!isset($_SERVER['argv'])) { ComplyCubeInbox::say('cron.php: this PHP passes no arguments; run it by php -d register_argc_argv=1'); exit(2); }
$argv = $_SERVER['argv'];    // php-cgi has neither $argc nor STDERR
if (count($argv) < 2 || count($argv) > 3) { ComplyCubeInbox::say("usage: php cron.php DATABASE-OR-FOLDER [ENDPOINT]"); exit(2); }

// Your work. It may come again for the same event, after a crash, so let it bear that; throw to try again later.
function work(array $event) {
    if ($event['type'] === 'check.completed')
        echo ComplyCubeInbox::printable("$event[created_at] check $event[resource_id] of client $event[client_id]: $event[outcome]"), "\n";
}

try {
    $inbox = new ComplyCubeInbox($argv[1], array('endpoint' => isset($argv[2]) ? $argv[2] : null));
    while ($inbox->each('work')) {}
} catch (Exception $e) {        // PHP 5.6 knows no Throwable
} catch (Throwable $e) {
}
if (isset($e)) {
    ComplyCubeInbox::say('cron.php: ' . ComplyCubeInbox::printable($e->getMessage()));
    exit(1);
}
