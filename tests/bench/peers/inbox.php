<?php
// SPDX-License-Identifier: MIT
// A receiver as it would be written in PHP, for comparison: the same checks, two plain tables, the same durability.
$body = file_get_contents('php://input');
$signature = isset($_SERVER['HTTP_COMPLYCUBE_SIGNATURE']) ? $_SERVER['HTTP_COMPLYCUBE_SIGNATURE'] : '';
if (!hash_equals(hash_hmac('sha256', $body, '@secret@'), $signature)) {
    http_response_code(400);
    exit('{"received":false}');
}
$event = json_decode($body, true);
$db = new PDO('sqlite:@database@', null, null, array(PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_PERSISTENT => PHP_SAPI !== 'cgi-fcgi', PDO::ATTR_TIMEOUT => 10));
$db->exec('PRAGMA journal_mode = WAL');
$db->exec('PRAGMA synchronous = FULL');
$db->exec('CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, type TEXT, created TEXT, body TEXT)');
$db->exec('CREATE TABLE IF NOT EXISTS inbox (seq INTEGER PRIMARY KEY, id TEXT, state INTEGER)');
$db->exec('BEGIN IMMEDIATE');
$known = $db->prepare('INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?)');
$known->execute(array($event['id'], $event['type'], $event['createdAt'], $body));
if ($known->rowCount()) {
    $db->prepare('INSERT INTO inbox (id, state) VALUES (?, 0)')->execute(array($event['id']));
}
$db->exec('COMMIT');
header('Content-Type: application/json');
echo '{"received":true}';
