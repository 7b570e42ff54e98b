// Harm on purpose, so that there is something to catch: the share of the new widgets' users whose every call fails.
// A release brings it (change PLANTED and commit), or the environment does (PLANTED_HARM=0.6 in shared/app.env).
const PLANTED = 0;

const share = Number(process.env.PLANTED_HARM ?? PLANTED);

// The same answer for the same user, evenly spread.
export function fails(user) {
  let hash = 2166136261;
  for (const character of user) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return ((hash >>> 0) % 1000) / 1000 < share;
}
