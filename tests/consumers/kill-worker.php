<?php
// SPDX-License-Identifier: MIT
// A worker to be killed: php kill-worker.php LIBRARY INBOX DSN
require $argv[1];
$db = new PDO($argv[3], 'root', '', array(PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION));
$inbox = new ComplyCubeInbox($argv[2], array('endpoint' => 'live', 'lease' => 4, 'log' => 'error_log'));
while (true) {
    $n = $inbox->once($db, 'seen', function (array $event, PDO $db) {
        $db->exec('UPDATE effect SET n = n + 1 WHERE id = ' . $event['seq'] % 8);
    });
    if (!$n) usleep(50000);
}
