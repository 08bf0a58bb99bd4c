<?php
// SPDX-License-Identifier: MIT
//
// Works on the events that complycube-webhook has received; complycube-inbox(5) is the contract. PHP 5.6 or later.
// The path is the database (needs pdo_sqlite), or the folder of directory = (needs nothing).
//
//     $inbox = new ComplyCubeInbox('/home/me/private/inbox.db', array('endpoint' => 'live'));
//     while ($inbox->each(function (array $event) { your_work($event['type'], $event['payload']); })) {}
//
// Options: endpoint; types (only these); ordered (one event of a resource at a time, the oldest first; in a directory
// this reads its names at each claim); skip_superseded (not what a newer event has overtaken; table only); owner (who
// claims, for people to read); lease (seconds, a day at most); limit (events in a claim, 20); log (called with a line; error_log);
// api_key_file (for object: the API key alone, on one line), api (its URL), ca_file (the authorities that are trusted; the system's).
//
//     claim($limit)             lock some events for a time, the lease, and return them; none: nothing waits
//     ack($event)               the work is done
//     nack($event, $why, $sec)  it failed: try again later; after the last attempt the event is dead, given up
//     extend($event, $seconds)  the work takes longer
//     release($event)           not worked on: another worker may have it at once
//     each($callback, $limit)   claim, call, and ack; or nack if it throws. How many were claimed; 0 too if the run was
//                               ended by ComplyCubeInboxLater
//     once($pdo, $table, $callback, $limit)    each, with an effect in your own database exactly once: $callback($event,
//                               $pdo) works inside a transaction that also inserts the event's key into $table. No
//                               transaction may be open before. Let errors of the database pass: after a deadlock that
//                               $callback caught and tried again, nothing holds the effect and the key together
//     object($event)            its object, as ComplyCube has it now, by one request: act on this state, and not on the
//                               event, which may be old. null: it is no more. Throws when the API cannot be asked
//     stop()                    for signal handlers: each and once return after the event at hand
//     printable($text)          static: what others wrote, for a terminal, a mail or a log
//
// ack, nack, extend and release give false when the lease was lost: another worker has the event then. A worker may
// die between its work and the ack, and then the event comes again. Make the object after a fork, not before.
// When your application is down, a mail server for example, throw new ComplyCubeInboxLater('why'): what is claimed is
// released, no attempt is counted, the log has one line, and the next call tries again. A lost connection of PDO is one too;
// if it stays lost the next call throws, since only a new process connects again.
// The words of what $callback throws go to the log and, with the event, into the inbox; of an error of PDO those before
// its first quoted value. So does what ends PHP in $callback: exit, a fatal error, a limit. What $callback returns does not
// matter. An event on its second attempt is claimed alone, should it be what kills workers;
// new ones together as long as their bodies have 4 MB at most.
// In a payload half a surrogate pair is U+FFFD, and {} is an empty array like [].

class ComplyCubeInboxException extends RuntimeException {}
// Thrown by $callback: the event is not at fault, and comes again without an attempt counted.
class ComplyCubeInboxLater extends ComplyCubeInboxException {}

final class ComplyCubeInbox {
    private static $defaults = array('endpoint' => null, 'types' => null, 'ordered' => false, 'skip_superseded' => false,
        'owner' => null, 'lease' => null, 'limit' => 20, 'log' => 'error_log', 'api_key_file' => null,
        'api' => 'https://api.complycube.com/v1', 'ca_file' => null);
    private $store, $api, $limit, $stopped = false;
    private $open = array();    // claimed, and not worked on yet
    private $at_hand;           // with the callback that works on it
    private $down;              // why the last run was ended, until an event is settled
    private $reserve;           // memory for ended(); held from the first run on
    private $warned = false;    // of a callback that returns false

    public function __construct($path, array $options = array()) {
        $unknown = array_keys(array_diff_key($options, self::$defaults));
        if ($unknown) throw new ComplyCubeInboxException('no such option: ' . implode(', ', $unknown));
        $options += self::$defaults;
        if ($options['types'] !== null && (!is_array($options['types']) || !$options['types']))
            throw new ComplyCubeInboxException('types is no list, or an empty one');
        if ($options['lease'] !== null && !(is_numeric($options['lease']) && $options['lease'] > 0))
            throw new ComplyCubeInboxException('lease must be a number of seconds, more than 0');
        $this->limit = self::whole($options['limit']);
        if ($options['log'] === 'error_log' && !function_exists('error_log')) $options['log'] = array(__CLASS__, 'say');    // switched off
        self::callback($options['log'], 'log');
        $this->api = new ComplyCubeInboxApi($options);
        clearstatcache();
        self::within($path);
        $this->store = is_dir($path) ? new ComplyCubeInboxDirectory($path, $options) : new ComplyCubeInboxTable($path, $options);
    }

    public function claim($limit = null) {
        do {
            $open = $this->open($limit);
            $events = array_values(array_filter(array_map(array($this->store, 'decoded'), $open)));
        } while ($open && !$events);    // none could be decoded
        return $events;
    }

    // Claimed, and not decoded yet.
    private function open($limit) { return $this->store->claim($limit === null ? $this->limit : self::whole($limit)); }
    public function ack(array $event) { return $this->store->ack($event); }
    public function nack(array $event, $why, $seconds = null) { return $this->store->nack($event, self::cut((string) $why), $seconds); }
    public function extend(array $event, $seconds = null) { return $this->store->extend($event, $this->store->lease($seconds)); }
    public function release(array $event) { return $this->store->release($event); }
    public function object(array $event) { return $this->api->object($event); }
    public function stop() { $this->stopped = true; }

    public function each($callback, $limit = null) {
        self::callback($callback, 'the callback');
        return $this->work(function (array $event) use ($callback) {
            $error = ComplyCubeInbox::verdict($callback, array($event), $value);
            if ($error === null && $value === false) $this->warn($event);
            return $error;
        }, $callback, $limit);
    }

    public function once(PDO $handle, $table, $callback, $limit = null) {
        self::callback($callback, 'the callback');
        $effect = new ComplyCubeInboxEffect($this, $handle, $table, $callback);
        try {
            $effect->check();
            $count = $this->work(array($effect, 'apply'), $callback, $limit);
        } finally {
            $effect->restore();
        }
        return $effect->alive($count);
    }

    private static function callback($value, $what) {
        if (!is_callable($value)) throw new ComplyCubeInboxException("$what cannot be called");
    }

    private static function whole($limit) {
        if (!is_scalar($limit) || !preg_match('/^[1-9]\d{0,8}$/D', (string) $limit))
            throw new ComplyCubeInboxException('limit must be an integer, 1 or more');
        return (int) $limit;
    }

    // 1000 characters; bytes where it is no UTF-8.
    private static function cut($why) { return preg_match('/^.{0,1000}/su', $why, $part) ? $part[0] : substr($why, 0, 1000); }

    // For a terminal, a mail or a log: without controls, what turns a text or has no width; in ASCII where it is no UTF-8.
    public static function printable($text) {
        $shown = preg_replace('/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/u', ' ', $text);
        return $shown !== null ? $shown : preg_replace('/[^ -~]+/', ' ', $text);
    }

    // Call it: null, or what it threw, in words.
    public static function attempt($callback, array $arguments = array()) {
        $e = self::thrown($callback, $arguments, $value);
        return $e === null ? null : self::words($e);
    }

    // The same, or a ComplyCubeInboxLater if the application is down.
    public static function verdict($callback, array $arguments, &$value = null) {
        $e = self::thrown($callback, $arguments, $value);
        for ($cause = $e; $cause; $cause = $cause->getPrevious()) {
            if ($cause instanceof ComplyCubeInboxLater) return $cause;
            if (self::disconnected($cause)) return new ComplyCubeInboxLater(self::words($cause), 0, $e);
        }
        return $e === null ? null : self::words($e);
    }

    private static function thrown($callback, array $arguments, &$value) {
        try {
            $value = call_user_func_array($callback, $arguments);
            return null;
        } catch (Exception $e) {        // PHP 5.6 knows no Throwable
        } catch (Throwable $e) {
        }
        return $e;
    }

    // A name in quotes says what is wrong; a value in quotes is somebody's. Nobody looks for the line of an Exception.
    private static function words($e) {
        $name = '(?:(?<=column |field |table |relation |index |constraint |function )([\'"])[\w.$]+\g{-1}|`[\w$]+`'
            . "|(?<=in )'\\w+ (?:list|clause|statement)'|(?<=n)'(?=t\\b))";
        $words = rtrim(preg_replace("/(SQLSTATE\\[(?:[^'\"`\\n]|$name)*+).*/is", '$1', $e->getMessage()));
        if ($words === '') $words = get_class($e);
        return $e instanceof Exception ? $words : $words . ' in ' . $e->getFile() . ':' . $e->getLine();
    }

    // Whether the connection to a database was lost, or cannot be made. Numbers of MariaDB and MySQL, states of the others.
    private static function disconnected($e) {
        if (!$e instanceof PDOException) return false;
        $number = isset($e->errorInfo[1]) ? $e->errorInfo[1] : $e->getCode();
        return in_array($number, array(1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031))
            || preg_match('/SQLSTATE\[(?:08|57P0)|server closed the connection/', $e->getMessage());
    }

    // $run gives null or why an event failed; what it throws is no event's fault.
    private function work($run, $callback, $limit) {
        if ($this->stopping()) return 0;
        $this->watch();
        $outer = array($this->open, $this->at_hand);    // of a callback that calls each itself
        $half = ComplyCubeInboxStore::now() + $this->store->lease(null) / 2;
        $this->open = $this->open($limit);
        $count = count($this->open);
        try {
            while ($this->open && !$this->stopping()) {
                $mine = ComplyCubeInboxStore::now() < $half || $this->extend($this->open[0]);
                $event = array_shift($this->open);    // released no more, whatever fails: its work may be done
                if (!$mine) $this->store->report($event, 'the lease ended before its turn came');
                elseif ($event = $this->store->decoded($event)) {
                    $this->at_hand = array($event, $callback);
                    $error = call_user_func($run, $event);
                    $this->at_hand = null;
                    if ($error instanceof ComplyCubeInboxLater) return $this->later($event, $error);
                    $this->settle($event, $error);
                }
            }
        } finally {
            $this->giveBack();
            list($this->open, $this->at_hand) = $outer;
        }
        return $count;
    }

    // Until one fails; then their leases just end.
    private function giveBack() {
        while ($this->open)
            if (self::attempt(array($this, 'release'), array(array_shift($this->open))) !== null) $this->open = array();
    }

    // The application is down: that event comes after the others, and the log has a line when it begins.
    private function later(array $event, ComplyCubeInboxLater $why) {
        $this->open[] = $event;
        $words = self::words($why);
        $again = $this->down !== null;
        if ($this->down !== $words) $this->store->report($event, "$words; this run ends, and counts no attempt");
        $this->down = $words;
        if ($again && $why->getPrevious()) throw new ComplyCubeInboxException("the connection is gone: $words");
        return 0;
    }

    private function warn(array $event) {
        if (!$this->warned) $this->store->report($event, 'the function returned false, which counts as done: '
            . 'return nothing, or throw an exception if the event is to come again');
        $this->warned = true;
    }

    // From now on what ends PHP while it works on an event is that event's error.
    private function watch() {
        if ($this->reserve !== null || !function_exists('register_shutdown_function')) return;
        $this->reserve = str_repeat('.', 262144);
        $pid = self::pid();
        register_shutdown_function(function () use ($pid) { if ($pid === self::pid()) $this->ended(); });    // no child that was forked
    }

    private static function pid() { return !function_exists('getmypid') ? 0 : getmypid(); }

    private function ended() {
        $this->reserve = '';
        if (!$this->at_hand) return;
        list($event, $callback) = $this->at_hand;
        $error = !function_exists('error_get_last') ? null : error_get_last();
        $fatal = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
        $why = $error && $error['type'] & $fatal ? strtok($error['message'], "\n") . " in $error[file]:$error[line]"
            : 'exit or die was called in the function' . self::place($callback);
        $this->at_hand = null;
        $this->settle($event, self::cut($why));
        $this->giveBack();
    }

    private static function place($callback) {
        if (is_string($callback) && strpos($callback, '::')) $callback = explode('::', $callback);
        if (is_object($callback) && !$callback instanceof Closure) $callback = array($callback, '__invoke');
        try {
            $is = is_array($callback) ? new ReflectionMethod($callback[0], $callback[1]) : new ReflectionFunction($callback);
            return ' at ' . $is->getFileName() . ':' . $is->getStartLine();
        } catch (ReflectionException $e) {    // a method that __call stands in for
            return '';
        }
    }

    private function settle(array $event, $error) {
        $this->down = null;
        $kept = $error === null ? $this->ack($event) : $this->nack($event, $error);
        if ($error !== null) $this->store->report($event, $error);
        if (!$kept) $this->store->report($event, 'the lease ended before the work did');
    }

    // A line to standard error: php-cgi, which some hosts run for cron, has no constant STDERR.
    public static function say($line) { file_put_contents('php://stderr', "$line\n"); }

    // Whether PHP may look there at all; a path that open_basedir hides seems not to exist.
    private static function within($path) {
        $why = '';
        set_error_handler(function ($level, $text) use (&$why) { $why = $text; return true; });
        is_dir($path);
        restore_error_handler();
        if (strpos($why, 'open_basedir') !== false)
            throw new ComplyCubeInboxException("$path: open_basedir keeps this PHP out; add the folder to open_basedir, or have the host do it");
    }

    private function stopping() {
        if (function_exists('pcntl_signal_dispatch')) pcntl_signal_dispatch();
        return $this->stopped;
    }
}

// The vendor's API: one request at a time, over a connection of its own. No redirect is followed, so that the key goes to one host.
final class ComplyCubeInboxApi {
    const SECONDS = 30, BYTES_MAX = 33554432;
    private static $paths = array('check' => 'checks', 'client' => 'clients', 'document' => 'documents', 'address' => 'addresses',
        'workflowSession' => 'workflowSessions');
    private $url, $key_file, $ca_file;

    public function __construct(array $options) {
        $this->url = rtrim($options['api'], '/');
        $this->key_file = $options['api_key_file'];
        $this->ca_file = $options['ca_file'];
        if (!preg_match('#^(?:https://[^/@?\#]+|http://(?:127\.[0-9.]+|\[::1\])(?::[0-9]+)?)(?:/[^?\#]*)?$#D', $this->url))
            throw new ComplyCubeInboxException('the key is not sent there: api is no https:// URL');
    }

    public function object(array $event) {
        $id = (string) $event['resource_id'];
        if (!isset(self::$paths[$event['resource_type']]) || $id === '' || $id === '.' || $id === '..')
            throw new ComplyCubeInboxException('the event names no object that the API has');
        $url = "$this->url/" . self::$paths[$event['resource_type']] . '/' . rawurlencode($id);
        list($status, $body) = extension_loaded('curl') ? $this->byCurl($url) : $this->byStream($url);
        $answer = json_decode($body, true, ComplyCubeInboxStore::DEPTH, JSON_BIGINT_AS_STRING);
        if ($status === 200 && is_array($answer)) return $answer;
        $type = is_array($answer) && isset($answer['type']) && is_string($answer['type']) ? $answer['type'] : 'no answer of the API';
        if ($status === 404 && $type === 'resource_not_found') return null;
        throw new ComplyCubeInboxException("the API answers $status: " . ComplyCubeInbox::printable(substr($type, 0, 100)));
    }

    private function header() {
        if ($this->key_file === null) throw new ComplyCubeInboxException('object needs the option api_key_file');
        $text = is_readable($this->key_file) ? str_replace("\0", '', file_get_contents($this->key_file)) : '';    // UTF-16 too
        if (!preg_match('/^(?:\xEF\xBB\xBF|\xFF\xFE|\xFE\xFF)?\s*(?:\w+\s*=\s*)?(["\']?)([!-~]{20,200}?)\1[;,]?\s*$/D', $text, $key))
            throw new ComplyCubeInboxException('api_key_file cannot be read, or is not one API key');
        return array("Authorization: $key[2]", 'Accept: application/json');
    }

    private function byCurl($url) {
        $handle = curl_init($url);
        curl_setopt_array($handle, array(CURLOPT_HTTPHEADER => $this->header(), CURLOPT_RETURNTRANSFER => true, CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_SSL_VERIFYPEER => true, CURLOPT_SSL_VERIFYHOST => 2, CURLOPT_TIMEOUT => self::SECONDS)
            + ($this->ca_file === null ? array() : array(CURLOPT_CAINFO => $this->ca_file)));
        $body = curl_exec($handle);
        $why = curl_error($handle);
        $status = curl_getinfo($handle, CURLINFO_HTTP_CODE);
        if ($body === false) throw new ComplyCubeInboxException("the API cannot be asked: $why");
        return array((int) $status, $body);
    }

    private function byStream($url) {
        $tls = array('verify_peer' => true, 'verify_peer_name' => true) + ($this->ca_file === null ? array() : array('cafile' => $this->ca_file));
        $context = stream_context_create(array('http' => array('header' => $this->header(), 'follow_location' => 0, 'ignore_errors' => true,
            'protocol_version' => 1.1, 'timeout' => self::SECONDS, 'user_agent' => 'complycube-inbox'), 'ssl' => $tls));
        $why = array();    // several of them, the first of which says most
        set_error_handler(function ($level, $text) use (&$why) { $why[] = $text; return true; });
        $stream = fopen($url, 'r', false, $context);
        restore_error_handler();
        if (!$stream) throw new ComplyCubeInboxException('the API cannot be asked: ' . ComplyCubeInbox::printable(substr(implode('; ', $why), 0, 400)));
        $body = stream_get_contents($stream, self::BYTES_MAX);
        $about = stream_get_meta_data($stream);
        $lines = isset($about['wrapper_data']) ? $about['wrapper_data'] : array();
        fclose($stream);
        return array(preg_match('#^HTTP/[0-9.]+ ([0-9]{3})#', (string) reset($lines), $found) ? (int) $found[1] : 0, $body);
    }
}

// What both forms share. Milliseconds are floats, since an int of 32 bits is too small for them.
abstract class ComplyCubeInboxStore {
    const BACKOFF_MAX_MS = 21600000;    // 6 hours
    const DAY_MS = 86400000;            // of a lease and of a delay
    const BYTES_MAX = 4194304;          // of the bodies of a claim, unless it is of one event
    const LOST = 'the worker ended without a result';
    const DEPTH = 513;                  // the receiver's, as PHP counts it
    // Half a surrogate pair; escapes that are whole are passed over.
    const HALF = '/\\\\(?:[^u]|u(?![dD][89a-fA-F])|u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2})(*SKIP)(*FAIL)|\\\\u[dD][0-9a-fA-F]{3}/';
    protected $path, $options, $setting, $endpoint;

    protected function __construct($path, array $options) {
        $this->path = $path;
        $this->options = $options;
        $this->options['owner'] = $options['owner'] !== null ? $options['owner'] : self::process();
    }

    // Host and process; hosts switch off some of these functions.
    private static function process() {
        $host = function_exists('gethostname') ? gethostname() : (function_exists('php_uname') ? php_uname('n') : 'php');
        return $host . '-' . (function_exists('getmypid') ? getmypid() : mt_rand());
    }

    // What there is no way around.
    protected function needs(array $functions) {
        $off = array_filter($functions, function ($name) { return !function_exists($name); });
        if ($off) $this->refuse('disable_functions of this PHP has ' . implode(', ', $off) . '; have the host allow that');
    }

    public static function now() { return floor(microtime(true) * 1000); }
    public static function text($ms) { return sprintf('%.0f', $ms); }
    public function lease($seconds) { return $seconds !== null ? self::soon($seconds * 1000, 'a lease') : $this->setting['lease_ms']; }

    // A time that lies further ahead is taken for that of a wrong clock.
    private static function soon($ms, $what) {
        if ($ms > self::DAY_MS) throw new ComplyCubeInboxException("$what has 24 hours at most");
        return $ms;
    }

    protected static function due($until, $now) { return $until <= $now || $until > $now + self::DAY_MS; }

    protected function set(array $setting) {
        foreach (array('max_attempts', 'lease_ms', 'backoff_ms') as $name)
            if (!isset($setting[$name]) || !preg_match('/^[1-9]\d{0,12}$/D', $setting[$name]))
                $this->refuse("setting: $name is missing, or no number from 1");
        $this->setting = $setting;
        $this->setting['lease_ms'] = min($setting['lease_ms'] + 0, self::DAY_MS);
        if ($this->options['lease'] !== null) $this->setting['lease_ms'] = self::soon($this->options['lease'] * 1000, 'a lease');
    }

    protected function backoff($attempts, $seconds) {
        if ($seconds !== null) return self::soon($seconds * 1000, 'a delay');
        return min(self::BACKOFF_MAX_MS, $this->setting['backoff_ms'] * pow(2, min(30, $attempts - 1)));
    }

    protected static function token() {
        if (function_exists('random_bytes')) return bin2hex(random_bytes(16));
        $bytes = (string) @file_get_contents('/dev/urandom', false, null, 0, 16);
        if (strlen($bytes) < 16 && function_exists('openssl_random_pseudo_bytes')) $bytes = openssl_random_pseudo_bytes(16);
        if (strlen($bytes) < 16) throw new ComplyCubeInboxException('no source of random bytes');
        return bin2hex($bytes);
    }

    // The endpoint that was asked for, or the only one.
    protected function choose(array $names) {
        $name = $this->options['endpoint'];
        $list = $names ? implode(', ', $names) : 'none';
        if ($name !== null && !in_array($name, $names, true)) $this->refuse("no endpoint $name; there are: $list");
        if ($name === null && count($names) !== 1) $this->refuse("name an endpoint; there are: $list");
        return $name !== null ? $name : $names[0];
    }

    protected function refuse($why) { throw new ComplyCubeInboxException("$this->path: $why"); }
    protected function missing() { $this->refuse('inbox not created yet, run complycube-inbox init'); }

    // A line for people; never anything of the payload. A log that fails stops no work.
    public function report(array $event, $message) {
        $line = "complycube-inbox: $event[endpoint] $event[type] $event[event_id]: $message";
        ComplyCubeInbox::attempt($this->options['log'], array(ComplyCubeInbox::printable($line)));
    }

    // How many of these events, by their attempts and bytes, in the order of work: as many as are new and not too large
    // together, or one that may be what kills workers. If there is one attempt only it cannot be shared.
    protected function together(array $attempts, array $sizes) {
        $most = $this->setting['max_attempts'] < 2 ? min(1, count($attempts)) : count($attempts);
        for ($n = $bytes = 0; $n < $most && $attempts[$n] < 2 && ($bytes += $sizes[$n]) <= self::BYTES_MAX; $n++) {}
        return $n ?: min(1, count($attempts));
    }

    // Why an event is dead that so many workers claimed and none settled.
    protected static function lost($attempts) { return self::LOST . ($attempts > 1 ? ", $attempts times" : ''); }

    // Objects as arrays; null when it is none.
    protected static function decode($json) {
        $value = $json === null ? null : json_decode(preg_replace(self::HALF, '\ufffd', $json), true, self::DEPTH, JSON_BIGINT_AS_STRING);
        return is_array($value) ? $value : null;
    }
}

// The database.
final class ComplyCubeInboxTable extends ComplyCubeInboxStore {
    private static $statements = array(
        'application' => 'PRAGMA application_id',
        'version'  => 'PRAGMA user_version',
        'objects'  => 'SELECT count(*) FROM sqlite_master',
        'journal'  => 'PRAGMA journal_mode',
        'manual'   => 'PRAGMA wal_autocheckpoint = 0',    // checkpoints are the receiver's work
        'normal'   => 'PRAGMA synchronous = NORMAL',      // a lost ack only means once more
        'full'     => 'PRAGMA synchronous = FULL',
        'setting'  => 'SELECT max_attempts, lease_ms, backoff_ms FROM setting WHERE id = 1',
        'endpoint' => 'SELECT id FROM endpoint WHERE name = :name',
        'endpoints' => 'SELECT name FROM endpoint ORDER BY name',
        'claim'    => "UPDATE inbox SET state = CASE WHEN attempts >= :max THEN 2 ELSE 0 END,
            error = CASE WHEN token IS NULL THEN error ELSE '{lost}' || CASE WHEN attempts > 1 THEN ', ' || attempts || ' times' ELSE '' END END,
            attempts = attempts + 1, token = :t, owner = :w, due_ms = :d
            WHERE seq IN (SELECT i.seq FROM inbox i WHERE i.state = 0 AND i.endpoint = :e AND i.due_ms <= {now}
                {types} {ordered} ORDER BY i.due_ms, i.seq LIMIT :n)",
        'over'     => 'EXISTS (SELECT 1 FROM newer n CROSS JOIN inbox b ON b.seq = n.newer_seq AND b.state < 2
            WHERE n.seq = i.seq {newer})',
        'newer'    => 'AND n.newer_type IN ({list})',
        'types'    => 'AND (SELECT e.type FROM event_log e WHERE e.seq = i.seq) IN ({list})',
        'ordered'  => 'AND CASE WHEN {one is hot} OR {hot} THEN {of what waits} ELSE {of the log} END',
        // Asked once, of those that are due first.
        'one is hot' => '(SELECT 1 FROM (SELECT f.seq FROM inbox f WHERE f.state = 0 AND f.endpoint = :e AND f.due_ms <= {now}
            ORDER BY f.due_ms, f.seq LIMIT :n) i WHERE {hot} LIMIT 1)',
        // A resource with many events in the log: what waits is read instead, once for all candidates.
        'hot'      => '(SELECT 1 FROM event_log e CROSS JOIN event_log o ON o.resource_id = e.resource_id
            WHERE e.seq = i.seq LIMIT 1 OFFSET 16)',
        'of what waits' => 'i.seq IN (SELECT substr(min({mine}), 20) - 1000000000000000000
            FROM inbox b CROSS JOIN event_log e ON e.seq = b.seq WHERE b.state = 0 AND b.endpoint = :e
            GROUP BY e.resource_type, e.resource_id, CASE WHEN e.resource_id IS NULL THEN e.seq END HAVING NOT max(b.token IS NOT NULL AND b.due_ms > {now}))',
        'of the log' => 'NOT EXISTS (SELECT 1 FROM event_log e
            CROSS JOIN event_log o ON o.resource_id = e.resource_id AND o.endpoint = e.endpoint
                AND o.resource_type IS e.resource_type AND o.seq <> e.seq
            CROSS JOIN inbox b ON b.seq = o.seq AND b.state = 0
            WHERE e.seq = i.seq AND ((b.token IS NOT NULL AND b.due_ms > {now}) OR ({among}
                (o.created_ms < e.created_ms OR (o.created_ms = e.created_ms AND o.seq < e.seq)))))',
        // Sorts by time, then by number: both are raised to 19 digits.
        'age'      => '(e.created_ms + 1000000000000000000) || (e.seq + 1000000000000000000)',
        'mine'     => 'CASE WHEN e.type IN ({list}) THEN {age} END',
        'among'    => 'o.type IN ({list}) AND',
        'now'      => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1",
        'ahead'    => 'SELECT 1 FROM inbox i WHERE i.state = 0 AND i.endpoint = :e AND i.due_ms > {now} + 86400000 LIMIT 1',
        'heal'     => 'UPDATE inbox SET due_ms = {now} WHERE state = 0 AND endpoint = :e AND due_ms > {now} + 86400000',
        'order'    => 'SELECT i.seq AS seq, i.attempts AS attempts, length(e.body) AS size, {over} AS superseded
            FROM inbox i JOIN event_log e ON e.seq = i.seq
            WHERE i.state = 0 AND i.endpoint = :e AND i.due_ms = :d AND i.token = :t ORDER BY e.created_ms, i.seq',
        'read'     => 'SELECT seq, endpoint, event_id, type, resource_type, resource_id, client_id, status, outcome, created_at,
            created_ms, received_ms, superseded, change_seq, attempts, signature, secret, source, payload, body
            FROM events WHERE seq IN (SELECT seq FROM inbox WHERE state = 0 AND endpoint = :e AND due_ms = :d AND token = :t)
            ORDER BY created_ms, seq',
        'pass'     => "UPDATE inbox SET state = 1, token = NULL, done_ms = {now}, error = 'superseded' WHERE {held}",
        'ack'      => 'UPDATE inbox SET state = 1, token = NULL, done_ms = {now} WHERE {held}',
        'nack'     => 'UPDATE inbox SET state = CASE WHEN attempts >= :max THEN 2 ELSE 0 END, token = NULL,
            due_ms = {now} + :backoff, error = :m WHERE {held}',
        'extend'   => 'UPDATE inbox SET due_ms = {now} + :lease WHERE {held}',
        'release'  => 'UPDATE inbox SET attempts = attempts - 1, token = NULL, due_ms = {now} WHERE {held}',
        'held'     => 'seq = :s AND token = :t AND state = 0',
    );
    const APPLICATION = 0x43434958;
    const ROUNDS = 1000;    // of a claim; a trigger might make what was claimed wait again, for ever
    private $db, $sql, $types = array(), $file, $inode;

    public function __construct($path, array $options) {
        parent::__construct($path, $options);
        if (!class_exists('PDO') || !in_array('sqlite', PDO::getAvailableDrivers()))
            $this->refuse('this PHP has no pdo_sqlite: switch it on, or let another PHP run this');
        if (!is_file($path) || !filesize($path)) $this->missing();
        $this->file = $path[0] === '/' ? $path : getcwd() . "/$path";
        $this->inode = $this->inode();
        $this->compose();
        try {
            $this->open();
        } catch (PDOException $e) {
            $this->refuse($e->getMessage());
        }
    }

    private function inode() {
        clearstatcache();
        if (!function_exists('stat')) return (string) @fileinode($this->file);
        $file = @stat($this->file);
        return $file ? "$file[dev]/$file[ino]" : null;
    }

    // Put the statements together.
    private function compose() {
        foreach ($this->options['types'] ? array_values($this->options['types']) : array() as $i => $type) $this->types["type$i"] = $type;
        $in = self::$statements + array('lost' => self::LOST, 'list' => ':' . implode(', :', array_keys($this->types)));
        if (!$this->options['skip_superseded']) $in['over'] = '0';
        if (!$this->options['ordered']) $in['ordered'] = '';
        if (!$this->types) $in = array('types' => '', 'among' => '', 'newer' => '', 'mine' => $in['age']) + $in;
        foreach (array('list', 'age', 'mine', 'among', 'newer', 'one is hot', 'hot', 'of what waits', 'of the log', 'types', 'ordered', 'over', 'lost',
            'held', 'now') as $name)
            foreach ($in as $key => $sql) $in[$key] = str_replace('{' . $name . '}', $in[$name], $sql);
        $this->sql = $in;
    }

    private function open() {
        $flags = array(PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 30);    // seconds
        foreach (array('Pdo\Sqlite::', 'PDO::SQLITE_') as $prefix)                               // none before PHP 7.3
            if (defined($prefix . 'ATTR_OPEN_FLAGS')) {
                $flags[constant($prefix . 'ATTR_OPEN_FLAGS')] = constant($prefix . 'OPEN_READWRITE');
                break;
            }
        $this->db = new PDO('sqlite:' . $this->file, null, null, $flags);
        if (!$this->value('objects')) $this->missing();
        if ($this->value('application') != self::APPLICATION || $this->value('version') < 1)
            $this->refuse('this database is not an inbox of complycube-webhook');
        $this->run('manual');
        $this->run($this->value('journal') === 'wal' ? 'normal' : 'full');
        $setting = $this->run('setting')->fetchAll(PDO::FETCH_ASSOC);
        if (!$setting) $this->refuse('the table setting is empty');
        $this->set($setting[0]);
        $name = $this->choose($this->run('endpoints')->fetchAll(PDO::FETCH_COLUMN));
        $this->endpoint = (int) $this->value('endpoint', array('name' => $name));
    }

    private function run($name, array $values = array()) {
        $statement = $this->db->prepare($this->sql[$name]);
        foreach ($values as $key => $value)
            $statement->bindValue(":$key", $value, is_int($value) ? PDO::PARAM_INT : PDO::PARAM_STR);
        $statement->execute();
        return $statement;
    }

    private function value($name, array $values = array()) {
        $rows = $this->run($name, $values)->fetchAll(PDO::FETCH_NUM);
        return $rows ? $rows[0][0] : null;
    }

    public function claim($limit) {
        $here = array('e' => $this->endpoint);
        if ($this->value('ahead', $here)) $this->run('heal', $here);    // set by a clock that was wrong
        $rounds = 0;
        do {
            $key = array('e' => $this->endpoint, 't' => self::token(), 'd' => self::text(self::now() + $this->lease(null)));
            $changed = $this->run('claim', $key + $this->types + array('w' => $this->options['owner'], 'n' => $limit,
                'max' => (int) $this->setting['max_attempts']))->rowCount();
            $rows = $changed ? $this->read($key) : array();
        } while ($changed && !$rows && ++$rounds < self::ROUNDS);    // all were given up, or superseded
        if (!$rows && $this->inode() !== $this->inode) $this->refuse('the database was replaced; start again');
        foreach ($rows as $i => $row) $rows[$i] = self::event($row, $key['t']);
        return $rows;
    }

    // What is superseded is passed over: a statement that locks nothing finds it, since it may read a resource's history.
    private function held(array $key) {
        $held = array();
        foreach ($this->run('order', $key + ($this->options['skip_superseded'] ? $this->types : array()))->fetchAll(PDO::FETCH_ASSOC) as $row) {
            if ($row['superseded']) $this->settle('pass', $row + array('lease' => $key['t']));
            else $held[] = $row;
        }
        return $held;
    }

    // What is not to be worked together is released before a body is read.
    private function read(array $key) {
        $held = $this->held($key);
        foreach (array_slice($held, $this->together(array_column($held, 'attempts'), array_column($held, 'size'))) as $row)
            $this->release(array('seq' => $row['seq'] + 0, 'lease' => $key['t']));
        return $held ? $this->run('read', $key)->fetchAll(PDO::FETCH_ASSOC) : array();
    }

    // Whoever may write the database may put a text where a number belongs; it is 0 then.
    private static function event(array $row, $token) {
        foreach (array('seq', 'created_ms', 'received_ms', 'superseded', 'change_seq', 'attempts') as $name)
            $row[$name] = is_numeric($row[$name]) ? $row[$name] + 0 : 0;
        return $row + array('lease' => $token);
    }

    public function decoded(array $event) {
        $event['payload'] = self::decode($event['payload']);
        return $event;
    }

    private function settle($name, array $event, array $values = array()) {
        return $this->run($name, array('s' => self::text($event['seq']), 't' => $event['lease']) + $values)->rowCount() === 1;
    }

    public function ack(array $event) { return $this->settle('ack', $event); }
    public function release(array $event) { return $this->settle('release', $event); }
    public function extend(array $event, $ms) { return $this->settle('extend', $event, array('lease' => self::text($ms))); }

    public function nack(array $event, $why, $seconds) {
        return $this->settle('nack', $event, array('m' => $why, 'max' => (int) $this->setting['max_attempts'],
            'backoff' => self::text($this->backoff($event['attempts'], $seconds))));
    }
}

// The folder: a file's name says all, and rename() is what only one worker can do.
final class ComplyCubeInboxDirectory extends ComplyCubeInboxStore {
    const LISTED_MS = 1000;                        // how long a list of names is good
    const SIZE_MAX = 67108864;                     // bytes: no receiver takes a larger body
    const KIND = 0170000, FILE = 0100000, LINK = 0120000;    // in a mode
    const SMALL = 4096;                            // bytes of a body that is decoded at once
    const OUTLINE = 3;                             // levels: the body, its payload, and what is left out
    const NAME = '/^((\d{13,})\.(\d{12})\.json)(?:,a=(\d+),l=(\d+)(?:,w=[\w.-]+)?)?$/D';
    private $names = array(), $listed_ms = 0;      // the oldest last
    private $about = array();                      // NAME => its type and resource
    private $moved = array();                      // the name a claim began with => the one it has since extend
    private $planted = array();                    // names of what is no file, reported once

    public function __construct($path, array $options) {
        parent::__construct(rtrim(realpath($path), '/'), $options);
        if ($options['skip_superseded']) $this->refuse('skip_superseded needs the table: a directory does not know what is superseded');
        $this->needs(array('lstat', 'stat', 'scandir', 'rename'));
        if (!file_exists("$this->path/setting")) $this->missing();
        $setting = self::slurp("$this->path/setting");
        if ($setting === null) $this->refuse('setting is no file: look at it, then remove it and run complycube-inbox init');
        if ($setting === false) $this->refuse('setting cannot be read');
        preg_match_all('/^(\w+) (\d+)\s*$/m', $setting, $found);
        $this->set($found[1] ? array_combine($found[1], $found[2]) : array());
        $names = array();
        foreach (scandir($this->path) as $name) if ($name[0] !== '.' && is_dir("$this->path/$name/new")) $names[] = $name;
        $this->endpoint = $this->choose($names);
        $this->options['owner'] = substr(preg_replace('/[^A-Za-z0-9.-]+/', '-', $this->options['owner']), 0, 60);
    }

    private function path($name) { return "$this->path/$this->endpoint/$name"; }

    private static function parse($name) {
        if (!preg_match(self::NAME, $name, $part)) return null;
        $part += array(4 => '0', 5 => '0');
        return array('name' => $part[1], 'created' => $part[2], 'seq' => $part[3] + 0, 'attempts' => (int) $part[4], 'until' => (float) $part[5],
            'at' => ($part[1] === $name ? 'new/' : 'cur/') . $name);
    }

    // Open a file of ours. Others may put a link or a FIFO in its place: null then. False: it cannot be opened.
    private static function openFile($path, $mode) {
        clearstatcache();
        $seen = @lstat($path);
        if ($seen && ($seen['mode'] & self::KIND) !== self::FILE) return null;
        $file = @fopen($path, $mode . 'n');    // n: a FIFO that has come since is not waited for
        if (!$seen || !$file) return false;
        $is = fstat($file);
        return $is['dev'] === $seen['dev'] && $is['ino'] === $seen['ino'] && $is['size'] <= self::SIZE_MAX ? $file : null;
    }

    private static function slurp($path) {
        $file = self::openFile($path, 'r');
        return $file ? stream_get_contents($file) : $file;
    }

    // Moving a file through another user's link would put it anywhere. Links of root and of the folder's owner are followed.
    private function checkFolder($path) {
        clearstatcache();
        $is = @lstat($path);
        if (!$is || ($is['mode'] & self::KIND) !== self::LINK) return;
        $above = stat(dirname($path));
        $trusted = array(0, $above['uid'], function_exists('posix_geteuid') ? posix_geteuid() : 0);
        if (!in_array($is['uid'], $trusted, true)) $this->refuse("$path is a link of user $is[uid]: look at it, then remove it");
    }

    private function skip(array $file) {
        if (!isset($this->planted[$file['name']]))
            $this->report(array('endpoint' => $this->endpoint, 'type' => '-', 'event_id' => $file['name']),
                "$file[at] is no file of the receiver: look at it, then remove it");
        $this->planted[$file['name']] = true;
        return null;
    }

    // False when another was first.
    private function move($from, $to) {
        $this->checkFolder(dirname($this->path($to)));
        return @rename($this->path($from), $this->path($to)) || $this->gone($from);
    }

    // False when the file that could not be used is not there any more; anything else is an error.
    private function gone($at) {
        $why = self::why();
        clearstatcache();
        if (file_exists($this->path($at)) || !is_executable(dirname($this->path($at)))) $this->refuse("$at: $why");
        return false;
    }

    private static function why() { $error = error_get_last(); return $error ? $error['message'] : 'no reason known'; }

    public function claim($limit) {
        $lock = $this->lock();
        $look = $this->options['ordered'];
        do {
            $fresh = $this->look($look);
            $changed = false;
            $events = $this->take($limit, $changed);
            $look = true;
        } while (!$events && ($changed || !$fresh));
        return $events;
    }

    // With ordered: held until the caller returns. Whoever changes names in cur/ needs it, else a reader may miss one.
    private function lock() {
        if (!$this->options['ordered']) return null;
        $file = self::openFile($this->path('lock'), 'r+');
        if (!$file) $this->refuse($file === null ? "$this->endpoint/lock is no file: look at it, then remove it" : "$this->endpoint/lock cannot be opened");
        for ($end = self::now() + 30000; !flock($file, LOCK_EX | LOCK_NB); usleep(5000))
            if (self::now() > $end) $this->refuse("$this->endpoint/lock was locked for 30 seconds");
        return $file;
    }

    // Read the names, unless that was just done.
    private function look($always) {
        $age = self::now() - $this->listed_ms;
        if (!$always && $age >= 0 && $age < self::LISTED_MS) return false;
        $this->names = array();
        $this->checkFolder("$this->path/$this->endpoint");
        foreach (array('new', 'cur') as $folder) {
            $this->checkFolder($this->path($folder));
            $names = @scandir($this->path($folder), 2);    // unsorted
            if ($names === false) $this->refuse("$this->endpoint/$folder cannot be read");
            $this->names = array_merge($this->names, $names);
        }
        rsort($this->names, SORT_STRING);
        if (count($this->about) > count($this->names) + 1000) $this->about = array();
        $this->listed_ms = self::now();
        return true;
    }

    private function take($limit, &$changed) {
        $events = $kept = array();
        $now = self::now();
        $busy = $this->options['ordered'] ? $this->busy($now) : array();
        while (count($events) < $limit && $this->names) {
            $name = array_pop($this->names);
            $file = self::parse($name);
            if ($file && !$this->wanted($file, $now, $busy)) $kept[] = $name;
            elseif ($file && $events && !$this->fits($events, $file)) { $this->names[] = $name; break; }
            elseif ($file && $event = $this->try_lease($file, $changed, $events)) $events[] = $event;
        }
        while ($kept) $this->names[] = array_pop($kept);
        return $events;
    }

    private function fits(array $events, array $file) {
        $bytes = array_sum(array_map('strlen', array_column($events, 'body')));
        return $this->together(array($events[0]['attempts'], $file['attempts'] + 1), array($bytes, (int) @filesize($this->path($file['at'])))) > 1;
    }

    // What fails for one ends the claim; with others claimed already, the next claim tells of it.
    private function try_lease(array $file, &$changed, array $events) {
        try {
            return $this->lease_file($file, $changed);
        } catch (ComplyCubeInboxException $e) {
            $this->names = array();
            $this->listed_ms = 0;
            if (!$events) throw $e;
            return null;
        }
    }

    // The resources that somebody works on.
    private function busy($now) {
        $busy = array();
        foreach (preg_grep('/,w=/', $this->names) as $name) {
            $file = self::parse($name);
            if (!$file || self::due($file['until'], $now)) continue;
            list(, $resource) = $this->about($file);
            if ($resource !== null) $busy[$resource] = true;
        }
        return $busy;
    }

    private function wanted(array $file, $now, array &$busy) {
        $due = self::due($file['until'], $now);
        if (!$this->options['types'] && !$this->options['ordered']) return $due;
        list($type, $resource) = $this->about($file);
        if ($type !== null && $this->options['types'] && !in_array($type, $this->options['types'], true)) return false;
        if (!$this->options['ordered'] || $resource === null) return $due;
        if (isset($busy[$resource])) return false;
        $busy[$resource] = true;    // whether it is taken now or later, what is younger has to wait
        return $due;
    }

    private function about(array $file) {
        $name = $file['name'];
        if (isset($this->about[$name])) return $this->about[$name];
        $body = self::slurp($this->path($file['at']));
        if (!is_string($body)) return array(null, null);
        $event = $this->event($file, $body);
        return $this->about[$name] = !$event ? array(null, null)
            : array($event['type'], $event['resource_id'] === null ? null : "$event[resource_type] $event[resource_id]");
    }

    // Claim a file: its event; null when another was first, or when it is given up.
    private function lease_file(array $file, &$changed) {
        if ($file['attempts'] >= $this->setting['max_attempts']) {
            $changed = $this->bury($file, self::lost($file['attempts'])) || $changed;
            return null;
        }
        $from = self::openFile($this->path($file['at']), 'r');
        if ($from === null) return $this->skip($file);
        if (!$from) return $this->gone($file['at']) ?: null;
        $file['attempts']++;    // before its body is read, should that be what kills workers
        $name = "$file[name],a=$file[attempts],l=" . self::text(self::now() + $this->lease(null)) . ",w={$this->options['owner']}-" . self::token();
        if (!$this->move($file['at'], "cur/$name")) return null;
        $changed = true;
        $file['at'] = "cur/$name";
        $event = $this->event($file, stream_get_contents($from));
        return $event ? $event + array('lease' => $name) : $this->undecodable($file);
    }

    private function undecodable(array $file) {
        $this->later($file, 'the body cannot be decoded', null);
        $this->report(array('endpoint' => $this->endpoint, 'type' => '-', 'event_id' => $file['name']), 'the body cannot be decoded');
        return null;
    }

    // A payload that is still the body's text becomes what it says.
    public function decoded(array $event) {
        if (!is_string($event['payload'])) return $event;
        $top = self::decode($event['body']);
        if ($top === null) return $this->undecodable(self::parse($this->name($event)));
        $event['payload'] = isset($top['payload']) && is_array($top['payload']) ? $top['payload'] : null;
        return $event;
    }

    // A body without what is nested in its payload, each such value as 0. That may be so much that it is decoded for the
    // event's own turn alone.
    private static function outline($body) {
        $kept = '';
        $quoted = false;
        for ($at = $depth = 0, $size = strlen($body); $at < $size; $at += $n) {
            $n = min($size - $at, strcspn($body, $quoted ? '"\\' : '"[]{}', $at) + 1);
            $last = $body[$at + $n - 1];
            $was = $depth;
            if ($last === '\\') $n++;
            elseif ($last === '"') $quoted = !$quoted;
            else $depth += ($last === '[' || $last === '{') - ($last === ']' || $last === '}');
            if ($was < self::OUTLINE) $kept .= $depth < self::OUTLINE ? substr($body, $at, $n) : substr($body, $at, $n - 1) . '0';
        }
        return $kept;
    }

    // By the receiver's own rules, from the body. Null when it cannot be decoded. The payload of a large one is its text.
    private function event(array $file, $body) {
        $large = strlen($body) > self::SMALL;
        $top = self::decode($large ? self::outline($body) : $body);
        if (self::word($top, 'id') === null || self::word($top, 'type') === null) return null;
        $payload = isset($top['payload']) && is_array($top['payload']) ? $top['payload'] : null;
        $client = self::word($payload, 'clientId');
        if ($client === null && preg_match('/^client\../s', $top['type'])) $client = self::word($payload, 'id');
        return array('seq' => $file['seq'], 'endpoint' => $this->endpoint, 'event_id' => $top['id'], 'type' => $top['type'],
            'resource_type' => self::word($top, 'resourceType'), 'resource_id' => self::word($payload, 'id'), 'client_id' => $client,
            'status' => self::word($payload, 'status'), 'outcome' => self::word($payload, 'outcome'),
            'created_at' => gmdate('Y-m-d\TH:i:s', (int) substr($file['created'], 0, -3)) . '.' . substr($file['created'], -3) . 'Z',
            'created_ms' => $file['created'] + 0, 'received_ms' => @filemtime($this->path($file['at'])) * 1000,
            'superseded' => null, 'change_seq' => null, 'attempts' => $file['attempts'], 'signature' => null, 'secret' => null,
            'source' => null, 'payload' => $large ? $body : $payload, 'body' => $body);
    }

    private static function word($object, $name) {
        return isset($object[$name]) && is_string($object[$name]) && strlen($object[$name]) <= 255 ? $object[$name] : null;
    }

    private function name(array $event) { $name = $event['lease']; return isset($this->moved[$name]) ? $this->moved[$name] : $name; }

    public function ack(array $event) {
        $day = 'done/' . gmdate('Ymd');
        $this->checkFolder($this->path('done'));
        if (!is_dir($this->path($day))) {
            $mask = umask(0);
            $made = @mkdir($this->path($day), 0770);    // and done/ hands its group and setgid bit on
            $why = self::why();
            umask($mask);
            clearstatcache();
            if (!$made && !is_dir($this->path($day))) $this->refuse("$day cannot be made: $why");
        }
        $file = self::parse($this->name($event));
        return $this->settled($event, $this->move($file['at'], "$day/$file[name]"));
    }

    public function nack(array $event, $why, $seconds) {
        $lock = $this->lock();
        return $this->settled($event, $this->later(self::parse($this->name($event)), $why, $seconds));
    }

    public function release(array $event) {
        $lock = $this->lock();
        $file = self::parse($this->name($event));
        return $this->settled($event, $this->move($file['at'], self::waiting($file, $file['attempts'] - 1, 0)));
    }

    public function extend(array $event, $ms) {
        $lock = $this->lock();
        $old = $this->name($event);
        $new = preg_replace('/,l=\d+/', ',l=' . self::text(self::now() + $ms), $old);
        if (!$this->move("cur/$old", "cur/$new")) return $this->settled($event, false);
        $this->moved[$event['lease']] = $new;
        return true;
    }

    private function settled(array $event, $kept) { unset($this->moved[$event['lease']]); return $kept; }

    private static function waiting(array $file, $attempts, $ms) { return "cur/$file[name],a=$attempts,l=" . self::text(self::now() + $ms); }

    private function later(array $file, $why, $seconds) {
        if ($file['attempts'] >= $this->setting['max_attempts']) return $this->bury($file, $why);
        return $this->move($file['at'], self::waiting($file, $file['attempts'], $this->backoff($file['attempts'], $seconds)));
    }

    // Give up; the reason is a comfort, the move is what counts.
    private function bury(array $file, $why) {
        $text = $this->path("dead/$file[name].txt");
        if (!$this->move($file['at'], "dead/$file[name]")) return false;
        $new = $this->path("dead/.$file[name]." . self::token());    // PHP makes the file that a dangling link of a known name leads to
        $mask = umask(027);
        $out = @fopen($new, 'x');
        umask($mask);
        if ($out && @rename($new, $text)) fwrite($out, "$why\n");
        elseif ($out) @unlink($new);
        return true;
    }
}

// An effect in the application's own database exactly once: its transaction also holds the event's key.
final class ComplyCubeInboxEffect {
    private static $statements = array(
        'probe'  => 'SELECT endpoint, event_id, type FROM {table} WHERE 1 = 0',
        'insert' => 'INSERT INTO {table} (endpoint, event_id, type) VALUES (?, ?, ?)',
        'find'   => 'SELECT endpoint, event_id, type FROM {table} WHERE endpoint = ? AND event_id = ? AND type = ?',
        'forget' => 'DELETE FROM {table} WHERE endpoint = ? AND event_id = ? AND type = ?',
        'unfit'  => "SELECT COALESCE(CONCAT('the engine ', t.ENGINE, ' knows no transactions; use InnoDB'), 'a view; name its table')
            FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
            WHERE t.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND t.TABLE_NAME = ? AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'
            UNION ALL SELECT CONCAT('the collation of ', COLUMN_NAME, ' does not compare bytes; use VARBINARY(255)')
            FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?
            AND COLUMN_NAME IN ('endpoint', 'event_id', 'type') AND COLLATION_NAME NOT LIKE '%bin'",
        'create' => 'CREATE TABLE {table} (endpoint {text} NOT NULL, event_id {text} NOT NULL, type {text} NOT NULL,
            PRIMARY KEY (endpoint, event_id, type)){engine}',
        'mark'   => 'SAVEPOINT complycube_inbox',
        'whole'  => 'RELEASE SAVEPOINT complycube_inbox',
        'back'   => 'ROLLBACK TO SAVEPOINT complycube_inbox',
    );
    private $inbox, $db, $table, $callback, $mode, $mysql, $gone;

    public function __construct(ComplyCubeInbox $inbox, PDO $db, $table, $callback) {
        if (!preg_match('/^[A-Za-z_][A-Za-z0-9_.]*$/D', $table)) throw new ComplyCubeInboxException("no name of a table: $table");
        if ($db->inTransaction()) throw new ComplyCubeInboxException('a transaction is open already on the handle');
        $this->inbox = $inbox;
        $this->db = $db;
        $this->table = $table;
        $this->callback = $callback;
        $this->mysql = $db->getAttribute(PDO::ATTR_DRIVER_NAME) === 'mysql';
        $this->mode = $db->getAttribute(PDO::ATTR_ERRMODE);
        $this->loud();
    }

    // Again and again, since the handle is the callback's too.
    private function loud() { $this->db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION); }

    private static function sure($done) {
        if ($done === false) throw new ComplyCubeInboxException('the database failed without a word');
        return $done;
    }

    public function restore() { $this->db->setAttribute(PDO::ATTR_ERRMODE, $this->mode); }

    private function sql($name) {
        return strtr(self::$statements[$name], array('{table}' => $this->table,
            '{text}' => $this->mysql ? 'VARBINARY(255)' : 'TEXT', '{engine}' => $this->mysql ? ' ENGINE=InnoDB' : ''));
    }

    private function run($name, array $values) {
        $statement = self::sure($this->db->prepare($this->sql($name)));
        self::sure($statement->execute($values));
        return $statement;
    }

    private function exec($name) { self::sure($this->db->exec($this->sql($name))); }

    private function rows($name, array $values = array()) { return $this->run($name, $values)->fetchAll(PDO::FETCH_NUM); }

    // The table is there, and knows transactions.
    public function check() {
        try {
            $this->rows('probe');
        } catch (PDOException $e) {
            $missing = preg_match('/42S02|42P01|no such table/', $e->getMessage());
            throw new ComplyCubeInboxException($e->getMessage() . ($missing ? '; make it: ' . preg_replace('/\s+/', ' ', $this->sql('create')) : ''));
        }
        $name = array_pad(explode('.', $this->table, 2), -2, null);
        foreach ($this->mysql ? $this->rows('unfit', array_merge($name, $name)) : array() as $row)
            throw new ComplyCubeInboxException("$this->table: $row[0]");
        $this->abandon();
    }

    // Null when the work is done, now or before; else why it failed. What it throws is no event's fault.
    public function apply(array $event) {
        try {
            if (!$this->begin(array($event['endpoint'], $event['event_id'], $event['type']))) return null;
        } catch (Exception $e) {
            ComplyCubeInbox::attempt(array($this->inbox, 'release'), array($event));    // it was not worked on
            throw $e;
        }
        $error = ComplyCubeInbox::verdict($this->callback, array($event, $this->db));
        $lost = ComplyCubeInbox::attempt(function () use ($error) {
            $this->loud();
            $this->exec($error === null ? 'whole' : 'back');
        });
        if ($error !== null) $this->undo($event, $lost !== null);
        else $error = $this->commit($event, $lost);
        if ($this->gone) ComplyCubeInbox::attempt(array($this->inbox, 'release'), array($event));    // nor is it at fault
        return $this->alive($error);
    }

    // Begin the transaction that holds the key. False when the key is there already: the work was done before.
    private function begin(array $key) {
        $this->alive(null);
        $this->loud();
        self::sure($this->db->beginTransaction());
        try {
            $this->run('insert', $key);
            $this->exec('mark');
            return true;
        } catch (Exception $e) {
            $this->abandon();
            $known = in_array($key, $this->rows('find', $key), true);
            $this->abandon();
            if (!$known) throw $e;
            return false;
        }
    }

    private function commit(array $event, $lost) {
        $error = ComplyCubeInbox::attempt(function () { self::sure($this->db->commit()); });
        if ($lost !== null) return "the transaction ended before the callback did (by a deadlock, or as by CREATE, ALTER or TRUNCATE in MySQL): $lost";
        if ($error !== null) $this->undo($event, false);
        return $error;
    }

    // What is open: of the work, or, where autocommit is off, of our own reading, which PHP before 8 does not see.
    private function abandon() {
        if ($this->db->inTransaction()) $this->db->rollBack();
        elseif ($this->mysql) $this->db->exec('ROLLBACK');
    }

    // Where the transaction ended before the work failed, something may have committed the key, if it is still ours.
    private function undo(array $event, $lost) {
        $error = ComplyCubeInbox::attempt(function () { $this->abandon(); });
        if ($error === null && $lost && $this->inbox->extend($event))
            $error = ComplyCubeInbox::attempt(function () use ($event) {
                self::sure($this->db->beginTransaction());
                $this->run('forget', array($event['endpoint'], $event['event_id'], $event['type']));
                self::sure($this->db->commit());
            });
        if ($error !== null) $this->gone = new ComplyCubeInboxException("the connection is gone: $error");
    }

    // Pass a value on, unless the connection is gone.
    public function alive($value) {
        if ($this->gone) throw $this->gone;
        return $value;
    }
}
