// Users who come by all the time: node traffic.mjs [URL] [USERS] [SECONDS]. Ends after so many seconds; 0 goes on until it is stopped.
const [url = 'http://127.0.0.1:4180', users = '400', seconds = '0'] = process.argv.slice(2);
const EVERY_MS = 5_000; // in which everybody comes by once
const until = Number(seconds) > 0 ? Date.now() + Number(seconds) * 1_000 : Infinity;
const count = { shown: 0, failed: 0, away: 0 };

async function visit(user) {
  try {
    const answer = await fetch(`${url}/api/dashboard?user=${user}`);
    await answer.arrayBuffer();
    count[answer.ok ? 'shown' : 'failed'] += 1;
  } catch {
    count.away += 1; // it is restarting
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
for (let turn = 0; Date.now() < until; turn += 1) {
  const visits = [];
  for (let each = 0; each < Number(users); each += 1) {
    visits.push(visit(`user-${each}`));
    if (each % 20 === 19) await pause((EVERY_MS * 20) / Number(users));
  }
  await Promise.all(visits);
  console.log(JSON.stringify(count));
}
