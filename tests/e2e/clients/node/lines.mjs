// JSON lines in, one JSON line out for each: {"answer": ...} or {"failure": "..."}. Ends with its input.
import { createInterface } from 'node:readline';

export async function answerLines(actions) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...fields } = JSON.parse(line);
    let answer;
    try {
      answer = { answer: (await actions[name](fields)) ?? null };
    } catch (error) {
      answer = { failure: error?.stack ?? String(error) };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
}
