// SPDX-License-Identifier: MIT
// The vendor's verifier over lines of "secret body signature", each in base64: prints accepted or refused.
const { EventVerifier } = require('@complycube/api');
for (const line of require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
    const [secret, body, signature] = line.split(' ').map((text) => Buffer.from(text.slice(1), 'base64'));
    try {
        new EventVerifier(secret.toString()).constructEvent(body, signature.toString('latin1'));
        console.log('accepted');
    } catch (e) {
        console.log(e instanceof SyntaxError ? 'accepted' : 'refused'); // it parses once the signature is right
    }
}
