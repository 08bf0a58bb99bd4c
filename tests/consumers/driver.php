<?php
// SPDX-License-Identifier: MIT
// For tests/lib/Consumer.pm: does with the PHP library what each line of JSON says, and answers with one.
umask(077);
error_reporting(E_ALL);
set_error_handler(function ($level, $message, $file, $line) {
    if (error_reporting() & $level) throw new ErrorException("WARNING: $message at $line");
    return false;
});
require $argv[1];

class CrashingPDO extends PDO {
    public $crash = false;
    #[\ReturnTypeWillChange]
    public function commit() {
        parent::commit();
        if ($this->crash) posix_kill(getmypid(), 9);
    }
}

$state = (object) array('inbox' => array(), 'held' => array(), 'log' => array(), 'app' => null, 'seen' => array());

// What a callback does with an event: {"all" or ID: [step, argument]}.
$act = function ($call, $event) use ($state) {
    $state->seen[] = $event['event_id'];
    $inbox = $state->inbox[$call->on];
    $steps = isset($call->steps->{$event['event_id']}) ? $call->steps->{$event['event_id']} : (isset($call->steps->all) ? $call->steps->all : array());
    foreach ($steps as $step) {
        list($what, $value) = array($step[0], isset($step[1]) ? $step[1] : null);
        if ($what === 'throw') throw new Exception($value);
        elseif ($what === 'stop') $inbox->stop();
        elseif ($what === 'sleep') usleep((int) ($value * 1e6));
        elseif ($what === 'signal') posix_kill(getmypid(), 15);
        elseif ($what === 'kill') posix_kill(getmypid(), 9);
        elseif ($what === 'crash') $state->app->crash = true;
        elseif ($what === 'sql') $state->app->exec(str_replace('?', "'$event[event_id]'", $value));
        elseif ($what === 'touch') touch($value);
        elseif ($what === 'await') for ($n = 0; $n < 500 && !file_exists($value); $n++) { clearstatcache(); usleep(10000); }
        elseif ($what === 'mute') $state->app->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_SILENT);
        elseif ($what === 'extend') { $inbox->extend($event, $value); }
    }
};

$verbs = array(
    'new' => function ($call) use ($state) {
        $options = (array) $call->options;
        if (isset($options['log']) && $options['log'] === 'fails') $options['log'] = function ($line) { throw new Exception('no log'); };
        $options += array('log' => function ($line) use ($state) { $state->log[] = $line; });
        $state->inbox[$call->on] = new ComplyCubeInbox($call->path, $options);
        if (function_exists('pcntl_signal')) pcntl_signal(15, array($state->inbox[$call->on], 'stop'));
        return 1;
    },
    'claim' => function ($call) use ($state) {
        $events = $state->inbox[$call->on]->claim(isset($call->limit) ? $call->limit : null);
        foreach ($events as $i => $event) {
            $state->held[$call->on][$event['seq']] = $event;
            $events[$i]['body'] = $event['body'] === null ? null : base64_encode($event['body']);
        }
        return $events;
    },
    'each' => function ($call) use ($state, $act) {
        $state->seen = array();
        $count = $state->inbox[$call->on]->each(isset($call->callback) ? $call->callback : function ($event) use ($call, $act) { $act($call, $event); }, isset($call->limit) ? $call->limit : null);
        return array($count, $state->seen);
    },
    'connect' => function ($call) use ($state) {
        $state->app = new CrashingPDO($call->php, 'test', '', array(PDO::ATTR_ERRMODE => $call->silent ? PDO::ERRMODE_SILENT : PDO::ERRMODE_EXCEPTION)
            + ($call->manual ? array(PDO::ATTR_AUTOCOMMIT => 0) : array()));
        return 1;
    },
    'begin' => function ($call) use ($state) { $state->app->beginTransaction(); return 1; },
    'rollback' => function ($call) use ($state) { $state->app->rollBack(); return 1; },
    'id' => function ($call) use ($state) { return $state->app->query('SELECT CONNECTION_ID()')->fetchColumn(); },
    'raises' => function ($call) use ($state) { return $state->app->getAttribute(PDO::ATTR_ERRMODE) === PDO::ERRMODE_EXCEPTION ? 1 : 0; },
    'once' => function ($call) use ($state, $act) {
        $state->seen = array();
        $count = $state->inbox[$call->on]->once($state->app, $call->table,
            isset($call->callback) ? $call->callback : function ($event, $db) use ($call, $act) { $act($call, $event); });
        return array($count, $state->seen);
    },
);
foreach (array('ack', 'release', 'nack', 'extend') as $verb)
    $verbs[$verb] = function ($call) use ($state, $verb) {
        $arguments = array_merge(array($state->held[$call->on][$call->seq]), isset($call->arguments) ? $call->arguments : array());
        return call_user_func_array(array($state->inbox[$call->on], $verb), $arguments) ? 1 : 0;
    };

while (($line = fgets(STDIN)) !== false) {
    $call = json_decode($line);
    try {
        $answer = array('value' => call_user_func($verbs[$call->verb], $call));
    } catch (Exception $e) {
        $answer = array('error' => $e->getMessage());
    } catch (Throwable $e) {
        $answer = array('error' => get_class($e) . ': ' . $e->getMessage());
    }
    $json = json_encode($answer + array('log' => $state->log), 0, 2000);
    echo $json === false ? '{"error":"not encodable: ' . json_last_error_msg() . '"}' : $json, "\n";
    $state->log = array();
}
