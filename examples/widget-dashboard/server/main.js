import { makeApp } from './app.js';
import { EventSender } from './events.js';
import { Flags } from './flags.js';
import { readRelease } from './release.js';

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see README.md`);
  return value;
};

const url = need('FLAGS_URL');
const token = need('FLAGS_TOKEN');
const events = new EventSender({ url, token });
const app = makeApp({ flags: await Flags.connect({ url, token }), events, release: readRelease() });

const stop = async () => {
  await app.close(); // answers what is under way, takes nothing new
  await events.close();
  process.exit(0);
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 4180) });
