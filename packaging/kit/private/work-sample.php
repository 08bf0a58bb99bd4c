<?php
// SPDX-License-Identifier: MIT
// YOUR WORK with each event. Put it below, remove the line with throw, and rename this file to work.php: from then on
// poll.php calls work() with each event that waits. When it returns, the event is done. When it throws, the event comes
// again, after 1, 2, 4, ... minutes, and is given up after ten attempts. If your database or your mail server is down, throw
// new ComplyCubeInboxLater('why') instead: then no attempt is counted.
// After a crash an event may come a second time: key what you do on $event['event_id'] and $event['type'].
function work(array $event) {
    // if ($event['type'] === 'check.completed') update_client($event['client_id'], $event['outcome']);
    throw new Exception('work.php does nothing yet');
}
