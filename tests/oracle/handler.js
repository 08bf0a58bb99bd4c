// SPDX-License-Identifier: MIT
// A webhook handler with the vendor's SDK: an HTTP server, as in the vendor's guide but over the raw body, or one
// request as a CGI program. Prints the types of the events that it has accepted into the file "seen" beside it.
const { EventVerifier } = require('@complycube/api');
const fs = require('fs');
const verifier = new EventVerifier(process.env.SECRET);

function handle(body, signature) {
    let event;
    try {
        event = verifier.constructEvent(body, signature);
    } catch (error) {
        return 400;
    }
    switch (event.type) {
        case 'check.completed':
        default:
            fs.appendFileSync(`${__dirname}/seen`, `${event.type}\n`);
    }
    return 200;
}

if (process.env.GATEWAY_INTERFACE) {
    const status = handle(fs.readFileSync(0), process.env.HTTP_COMPLYCUBE_SIGNATURE);
    console.log(`Status: ${status}\nContent-Type: application/json\n\n{"received":${status === 200}}`);
} else {
    const server = require('http').createServer((request, response) => {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', () => {
            response.statusCode = handle(Buffer.concat(parts), request.headers['complycube-signature']);
            response.end();
        });
    });
    server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
}
