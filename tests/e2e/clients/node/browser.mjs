// Chromium with page.mjs in it, driven by JSON lines. The page comes from an origin of its own, so that CORS counts.
import { createServer } from 'node:http';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { answerLines } from './lines.mjs';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-first-run',
];

const bundle = await build({
  entryPoints: ['page.mjs'], bundle: true, write: false, format: 'iife', target: 'es2022', logLevel: 'error',
});
const script = bundle.outputFiles[0].text;
const site = createServer((request, response) => {
  const isScript = request.url === '/page.js';
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
  response.end(isScript ? script : '<!doctype html><title>a shop</title><script src="/page.js"></script>');
});
await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({ executablePath: process.argv[2], args: FLAGS, env: { ...process.env } });
const page = await browser.newPage();
const requests = [];
const problems = [];
page.on('request', (request) => requests.push({ method: request.method(), path: new URL(request.url()).pathname }));
page.on('pageerror', (error) => problems.push(String(error)));
await page.goto(`http://127.0.0.1:${site.address().port}/`);

const inPage = (name) => (fields) => page.evaluate(([name, fields]) => globalThis.tests[name](fields), [name, fields]);
await answerLines({
  ...Object.fromEntries(['provide', 'provide_refused', 'context', 'evaluate', 'variants', 'events'].map((name) => [name, inPage(name)])),
  requests: () => requests, // made by the page since its start
  problems: () => problems,
  reload: () => page.reload(),
});
await browser.close();
process.exit(0);
