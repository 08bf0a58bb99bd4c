// SPDX-License-Identifier: MIT
// The vendor's SDK against the API at argv[2]: a line of JSON for each step, [step, result] or [step, { status, type, param }].
const { ComplyCube } = require('@complycube/api');
const [url, live, test, client] = process.argv.slice(2);
const world = (apiKey) => {
    const api = new ComplyCube({ apiKey });
    api.axiosInstance.defaults.baseURL = url;
    return api;
};
const api = world(live);
const step = async (name, does) => {
    let result;
    try {
        result = await does();
    } catch (e) {
        result = { error: e.constructor.name, status: e.statusCode, type: e.type, param: e.param };
    }
    console.log(JSON.stringify([name, result === undefined ? null : result]));
    return result;
};
const pause = () => new Promise((done) => setTimeout(done, 120)); // below the rate
const seldom = (name, does) => pause().then(() => step(name, does));

(async () => {
    const made = await seldom('create', () => api.webhook.create({ url: 'https://a.example.org/', enabled: true, events: ['check.completed'], description: 'd' }));
    await seldom('get', () => api.webhook.get(made.id));
    await seldom('list', () => api.webhook.list());
    await seldom('update', () => api.webhook.update(made.id, { enabled: false }));
    await seldom('update events', () => api.webhook.update(made.id, { events: ['check.pending', 'client.created'] }));
    await seldom('unknown type', () => api.webhook.update(made.id, { events: ['check.vanished'] }));
    await seldom('delete', () => api.webhook.delete(made.id));
    await seldom('get what is deleted', () => api.webhook.get(made.id));
    // what stands before the page: no client, no template
    for (const [name, resource, ...before] of [['checks', api.check, undefined], ['clients', api.client],
        ['workflowSessions', api.workflowSession, undefined, undefined], ['auditLogs', api.auditLog]]) {
        const all = [];
        for (let page = 1; page <= 3; page++)
            all.push(...await seldom(`${name} ${page}`, () => resource.list(...before, { page, pageSize: 2 })));
        await seldom(`get of ${name}`, () => resource.get(all[0].id));
    }
    for (const [name, resource] of [['documents', api.document], ['addresses', api.address]]) {
        const all = await seldom(name, () => resource.list(client));
        await seldom(`get of ${name}`, () => resource.get(all[0].id));
    }
    await seldom('page of none', () => api.check.list(undefined, { page: 1, pageSize: 1001 }));
    await seldom('unknown check', () => api.check.get('000000000000000000000000'));
    await seldom('wrong key', () => world('live_wrong').check.list());
    await seldom('the other world', () => world(test).check.list());
    for (let i = 0; i < 20; i++)
        await step(`quick ${i}`, () => world(test).check.list());
})();
