<?php
// SPDX-License-Identifier: MIT
// Works off waiting events and prints one line for each: php poll.php DATABASE [ENDPOINT [LIMIT]]
$usage = "usage: php poll.php DATABASE [ENDPOINT [LIMIT]]\n";
$argv = isset($_SERVER['argv']) ? $_SERVER['argv'] : array();                               // php-cgi has no $argc,
$say = function ($text) { file_put_contents('php://stderr', $text); };                     // and no STDERR
list($file, $endpoint, $limit) = array_slice($argv, 1) + array(null, 'live', 20);
$fail = function ($why) use ($say) { $say(preg_replace('/[^ -~]/', '?', "poll.php: $why") . "\n"); exit(1); };
if (!isset($_SERVER['argv'])) $fail('this PHP passes no arguments; run it by php -d register_argc_argv=1');
if ($file === null || count($argv) > 4) { $say($usage); exit(2); }
if (!class_exists('PDO') || !in_array('sqlite', PDO::getAvailableDrivers())) $fail('this PHP has no pdo_sqlite: switch it on, or let another PHP run this');
if (!is_file($file) || !filesize($file)) $fail("$file is not made yet (run complycube-inbox init), or hidden from this user");
try {
    $db = new PDO('sqlite:' . realpath($file), null, null, array(                      // file:name would be a URI
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 30)            // seconds, busy timeout
        + (defined('PDO::SQLITE_ATTR_OPEN_FLAGS')                                        // and never create
            ? array(PDO::SQLITE_ATTR_OPEN_FLAGS => PDO::SQLITE_OPEN_READWRITE) : array()));
    $db->exec('PRAGMA wal_autocheckpoint = 0');                                          // the receiver's work
    $ahead = "due_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 86400000";     // by a wrong clock
    if ($db->query("SELECT 1 FROM inbox WHERE state = 0 AND $ahead LIMIT 1")->fetchAll())
        $db->exec("UPDATE inbox SET due_ms = 0 WHERE state = 0 AND $ahead");
    $pending = $db->prepare('SELECT seq, created_at, type, resource_id, status, outcome
                               FROM pending WHERE endpoint = ? LIMIT ?');
    $done = $db->prepare('UPDATE inbox SET state = 1 WHERE seq = ? AND state = 0');
    $pending->execute(array($endpoint, (int) $limit));
    foreach ($pending->fetchAll(PDO::FETCH_NUM) as $event) {                             // all, before writing
        foreach ($event as &$value) $value = $value === null ? '-' : preg_replace('/[^ -~]/', '?', $value);
        echo implode("\t", $event), "\n";                                                // your work goes here,
        $done->execute(array($event[0]));                                                // and only then the ack
    }
} catch (Exception $e) {                                                                 // PHP 5.6 knows no Throwable
} catch (Throwable $e) {
}
if (isset($e)) $fail("$file: " . $e->getMessage());
