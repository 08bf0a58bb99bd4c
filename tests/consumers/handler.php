<?php
// SPDX-License-Identifier: MIT
// A webhook handler as applications have it, which knows nothing of an inbox: verifies, answers, keeps what it got.
$secret = trim(file_get_contents(__DIR__ . '/secret'));
$body = file_get_contents('php://input');
$signature = isset($_SERVER['HTTP_COMPLYCUBE_SIGNATURE']) ? $_SERVER['HTTP_COMPLYCUBE_SIGNATURE'] : '';

if ($_SERVER['REQUEST_METHOD'] !== 'POST' || !hash_equals(hash_hmac('sha256', $body, $secret), $signature)) {
    http_response_code(400);
    exit('wrong signature');
}
$event = json_decode($body);
if ($event === null || strpos($_SERVER['CONTENT_TYPE'], 'application/json') !== 0) {
    http_response_code(400);
    exit('no event');
}
switch ($event->type) {
    case 'check.completed':
    default:
        file_put_contents(__DIR__ . '/seen', $event->type . ' ' . hash('sha256', $body) . "\n", FILE_APPEND | LOCK_EX);
}
header('Content-Type: application/json');
echo json_encode(['received' => true]);
