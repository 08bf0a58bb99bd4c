// SPDX-License-Identifier: MIT
// Opens each page in Chromium and says what is wrong with it, a line each: look.js FOLDER URL QUERY...
// FOLDER "": no pictures are kept. A query that begins with find= is looked for by the form of the first page.
'use strict';
const fs = require('fs');
const puppeteer = require('puppeteer-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const WIDTHS = [360, 768, 1100, 1400];
const [folder, url, ...queries] = process.argv.slice(2);
const auth = process.env.PAGE_USER;
const wrong = (...words) => console.log('wrong: ' + words.join(' '));

async function open(page, query) {
    if (!query.startsWith('find=')) return page.goto(url + '?' + query);
    await page.goto(url + '?');
    await page.type('#top-find', query.slice(5));
    const [answer] = await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    return answer;
}

// What a person sees at this width: nothing that scrolls sideways, and what axe-core finds.
async function judge(page, name) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) wrong(name, 'scrolls sideways by', wide, 'pixels');
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations
        .map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ')).slice(0, 3).join(', ')));
    for (const one of found) wrong(name, one);
}

// By the keyboard alone: each link, field and button is reached by Tab, is on the screen then, and shows it.
async function by_keyboard(page, name) {
    const all = await page.evaluate(() => [...document.querySelectorAll('a[href],input:not([type=hidden]),select,button,summary')]
        .filter((e) => e.checkVisibility()).length);
    const seen = new Set();
    await page.evaluate(() => document.activeElement.blur());
    for (let i = 0; i < 3 * all + 20; i++) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate(() => {
            const e = document.activeElement;
            if (e === document.body) return null;
            const all = [...document.querySelectorAll('*')];
            const style = getComputedStyle(e);
            return { at: all.indexOf(e), tag: e.tagName, shows: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                counts: e.matches('a[href],input,select,button,summary') };
        });
        if (!at) break;
        if (!at.shows) wrong(name, 'focus is not shown on', at.tag);
        if (at.counts) seen.add(at.at);
    }
    if (seen.size < all) wrong(name, 'by the keyboard', seen.size, 'of', all, 'are reached');
}

(async () => {
    const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--ignore-certificate-errors'] });
    let n = 0;
    for (const scheme of ['light', 'dark'])
        for (const width of [...WIDTHS, 'zoom']) {
            const page = await browser.newPage();
            const requests = [];
            if (auth) await page.authenticate({ username: auth.split(':')[0], password: auth.split(':')[1] });
            // axe is put into the page from outside, past its policy; that no script of the page runs is the policy's part
            await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
            await page.setViewport(width === 'zoom' ? { width: 550, height: 450, deviceScaleFactor: 2 } : { width, height: 900 });
            page.on('console', (m) => m.type() === 'error' && wrong(scheme, width, m.text()));
            page.on('pageerror', (e) => wrong(scheme, width, e.message));
            page.on('request', (r) => requests.push(r.url()));
            for (const query of queries) {
                const name = [query || 'first', scheme, width].join(' ');
                const answer = await open(page, query);
                if (!answer || answer.status() !== 200) wrong(name, 'answered', answer && answer.status());
                await judge(page, name);
                if (scheme === 'light' && width === 1100) await by_keyboard(page, name);
                if (folder) await page.screenshot({ path: `${folder}/${(query || 'first').replace(/[^\w]+/g, '-')}-${scheme}-${width}.png`,
                    fullPage: true });
                n++;
            }
            for (const one of requests.filter((r) => !r.startsWith(url) && !r.startsWith('data:'))) wrong('a request to', one);
            await page.close();
        }
    await browser.close();
    console.log(`looked: ${n}`);
})().catch((e) => { console.log('wrong: ' + e.stack); process.exit(1); });
