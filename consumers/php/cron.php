<?php
// SPDX-License-Identifier: MIT
// For cron: works off what waits and ends. php cron.php DATABASE-OR-FOLDER [ENDPOINT]
// */5 * * * * php /home/me/cron.php /home/me/private/inbox.db live
require __DIR__ . '/ComplyCubeInbox.php';
if ($argc < 2 || $argc > 3) { fwrite(STDERR, "usage: php cron.php DATABASE-OR-FOLDER [ENDPOINT]\n"); exit(2); }

// Your work. It may come again for the same event, after a crash, so let it bear that; throw to try again later.
function work(array $event) {
    if ($event['type'] === 'check.completed')
        echo ComplyCubeInbox::printable("$event[created_at] check $event[resource_id] of client $event[client_id]: $event[outcome]"), "\n";
}

try {
    $inbox = new ComplyCubeInbox($argv[1], array('endpoint' => isset($argv[2]) ? $argv[2] : null));
    while ($inbox->each('work')) {}
} catch (Exception $e) {
    fwrite(STDERR, 'cron.php: ' . ComplyCubeInbox::printable($e->getMessage()) . "\n");
    exit(1);
}
