<?php
// SPDX-License-Identifier: MIT
// Stays, and keeps the outcomes of checks in your MariaDB, each exactly once; TERM ends it. For systemd or supervisord,
// which start it again when it ends for an error:   php worker.php DATABASE-OR-FOLDER DSN USER [ENDPOINT]
// The password is in APP_PASSWORD. Events come in any order, so what is older than what is known changes nothing:
// CREATE TABLE outcome (check_id VARBINARY(255) PRIMARY KEY, outcome VARCHAR(255), created_ms BIGINT NOT NULL)
// Start it once: it prints the CREATE TABLE for complycube_handled.
require __DIR__ . '/ComplyCubeInbox.php';
if (!isset($_SERVER['argv'])) { ComplyCubeInbox::say('worker.php: this PHP passes no arguments; run it by php -d register_argc_argv=1'); exit(2); }
$argv = $_SERVER['argv'];    // php-cgi has neither $argc nor STDERR
if (count($argv) < 4 || count($argv) > 5) { ComplyCubeInbox::say("usage: php worker.php DATABASE-OR-FOLDER DSN USER [ENDPOINT]"); exit(2); }

try {
    $inbox = new ComplyCubeInbox($argv[1], array('endpoint' => isset($argv[4]) ? $argv[4] : null, 'types' => array('check.completed')));
    $password = getenv('APP_PASSWORD');
    $db = new PDO($argv[2], $argv[3], $password === false ? null : $password, array(PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION));
    $running = true;
    if (function_exists('pcntl_signal')) foreach (array(SIGTERM, SIGINT) as $signal)
        pcntl_signal($signal, function () use ($inbox, &$running) { $running = false; $inbox->stop(); });
    while ($running) {
        $worked = $inbox->once($db, 'complycube_handled', function (array $event, PDO $db) {
            $set = $db->prepare('INSERT INTO outcome (check_id, outcome, created_ms) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE
                outcome = IF(VALUES(created_ms) < created_ms, outcome, VALUES(outcome)),
                created_ms = GREATEST(created_ms, VALUES(created_ms))');
            $set->execute(array($event['resource_id'], $event['outcome'], $event['created_ms']));
        });
        if (!$worked && $running) usleep(1500000);
        if (function_exists('pcntl_signal_dispatch')) pcntl_signal_dispatch();
    }
} catch (Exception $e) {        // PHP 5.6 knows no Throwable
} catch (Throwable $e) {
}
if (isset($e)) {
    ComplyCubeInbox::say('worker.php: ' . ComplyCubeInbox::printable($e->getMessage()));
    exit(1);
}
