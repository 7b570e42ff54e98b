// The HTTP half: pages, the widgets' data, and what a deployment asks.
import Fastify from 'fastify';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { newWidgets } from './new-widgets.js';
import { oldWidgets } from './old-widgets.js';

const web = (name) => readFile(fileURLToPath(new URL(`./web/${name}`, import.meta.url)));

export function makeApp({ flags, events, release }) {
  const app = Fastify({ logger: false });

  app.get('/health', async () => ({ status: 'ok' }));
  app.get('/version', async () => release);

  app.get('/', async (_, reply) => reply.type('text/html').send(await web('index.html')));
  app.get('/main.js', async (_, reply) => reply.type('text/javascript').send(await web('main.js')));

  // One user's widgets. Each call is one `api_request`, and what fails is an `api_error` of that request.
  app.get('/api/dashboard', async (request, reply) => {
    const { user } = request.query;
    if (!user) return reply.code(400).send({ error: 'who is asking? add ?user=' });
    const began = performance.now();
    const isNew = await flags.isOn('newWidgets', user);
    const call = events.track(user, 'api_request', { attributes: { endpoint: '/api/dashboard' } });
    try {
      const widgets = isNew ? newWidgets(user) : oldWidgets(user);
      return { isNew, widgets, release: release.version };
    } catch (error) {
      events.track(user, 'api_error', { of: call, attributes: { endpoint: '/api/dashboard' } });
      return reply.code(500).send({ isNew, error: error.message, release: release.version });
    } finally {
      events.track(user, 'api_ms', { value: performance.now() - began, of: call });
    }
  });

  // What the browser saw. The user comes with it, as a session would tell it.
  app.post('/api/seen', async (request, reply) => {
    const { user, dashboard_load_ms: load, clicks = 0 } = request.body ?? {};
    if (!user) return reply.code(400).send({ error: 'who is it? add `user`' });
    if (Number.isFinite(load)) events.track(user, 'dashboard_load_ms', { value: load });
    events.track(user, 'widget_view');
    for (let click = 0; click < Math.min(clicks, 100); click += 1) events.track(user, 'widget_click');
    return reply.code(204).send();
  });

  return app;
}
