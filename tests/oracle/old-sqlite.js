// SPDX-License-Identifier: MIT
// SQLite 3.8.7.4, the one that sql.js 0.2.21 was built from: node old-sqlite.js DATABASE <statements.json
// Statements: [[SQL, {":name": value}], ...]. Prints a JSON line for each: {rows: [{...}]} or {error: "..."}.
const fs = require('fs');
const SQL = require('sql.js');
const db = new SQL.Database(fs.readFileSync(process.argv[2]));
console.log(JSON.stringify({ rows: [{ version: db.exec('SELECT sqlite_version()')[0].values[0][0] }] }));
for (const [sql, values] of JSON.parse(fs.readFileSync(0, 'utf8'))) {
    try {
        const statement = db.prepare(sql);
        const rows = [];
        statement.bind(values);
        while (statement.step()) rows.push(statement.getAsObject());
        statement.free();
        console.log(JSON.stringify({ rows: rows, changed: db.exec('SELECT changes()')[0].values[0][0] }));
    } catch (e) {
        console.log(JSON.stringify({ error: String(e.message || e) }));
    }
}
