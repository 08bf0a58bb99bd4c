// SPDX-License-Identifier: MIT
// A receiver as it would be written for Node with better-sqlite3, for comparison: the same checks, two plain tables,
// the same durability. It is its own web server: node inbox.js PORT
const crypto = require('crypto');
const Database = require('better-sqlite3');

const db = new Database('@database@', { timeout: 10000 });
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, type TEXT, created TEXT, body TEXT);
    CREATE TABLE IF NOT EXISTS inbox (seq INTEGER PRIMARY KEY, id TEXT, state INTEGER)`);
const known = db.prepare('INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?)');
const queue = db.prepare('INSERT INTO inbox (id, state) VALUES (?, 0)');
const record = db.transaction((event, body) => {
    if (known.run(event.id, event.type, event.createdAt, body).changes) queue.run(event.id);
});

function answer(request, body) {
    const digest = crypto.createHmac('sha256', '@secret@').update(body).digest();
    const given = Buffer.from(request.headers['complycube-signature'] || '', 'hex');
    if (given.length !== digest.length || !crypto.timingSafeEqual(digest, given)) return [400, '{"received":false}'];
    record(JSON.parse(body), body.toString());
    return [200, '{"received":true}'];
}

require('http').createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
        const [status, text] = answer(request, Buffer.concat(parts));
        response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': text.length });
        response.end(text);
    });
}).listen(Number(process.argv[2]), '127.0.0.1');
