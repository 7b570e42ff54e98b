// Sends events in batches to /v1/events. A batch that was not acknowledged is sent again, with the same ids.
import { randomUUID } from 'node:crypto';

const EVERY_MS = 100;
const BATCH = 500;
const KEPT = 20_000; // while the server is away; then the oldest go

export class EventSender {
  constructor({ url, token }) {
    this.url = `${url}/v1/events`;
    this.headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    this.waiting = [];
    this.sending = Promise.resolve();
    this.timer = setInterval(() => this.flush(), EVERY_MS);
  }

  // Returns the event's id, which an outcome of it names in `of`.
  track(unit, name, { value, of, attributes } = {}) {
    const id = randomUUID();
    this.waiting.push({ type: 'event', id, unit, name, value, of, attributes, occurred_at: new Date().toISOString() });
    if (this.waiting.length > KEPT) this.waiting.splice(0, this.waiting.length - KEPT);
    return id;
  }

  flush() {
    this.sending = this.sending.then(() => this.sendAll());
    return this.sending;
  }

  async close() {
    clearInterval(this.timer);
    await this.flush();
  }

  async sendAll() {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, BATCH);
      if (!(await this.send(batch))) {
        this.waiting.unshift(...batch);
        return;
      }
    }
  }

  // Whether the server has it for good. What it refuses by name would be refused again, and is dropped.
  async send(batch) {
    const sentAt = new Date().toISOString();
    const body = JSON.stringify(batch.map((event) => ({ ...event, sent_at: sentAt })));
    try {
      const answer = await fetch(this.url, { method: 'POST', headers: this.headers, body, signal: AbortSignal.timeout(5_000) });
      await answer.arrayBuffer();
      return answer.ok || answer.status === 400 || answer.status === 413;
    } catch {
      return false;
    }
  }
}
