// Which release this is: ebbgate writes .ebbgate-release.json at the top of the deployed folder.
import { readFileSync } from 'node:fs';

export function readRelease(folder = process.env.EBBGATE_DIRECTORY ?? process.cwd()) {
  try {
    const { version, digest } = JSON.parse(readFileSync(`${folder}/.ebbgate-release.json`, 'utf8'));
    return { version, digest };
  } catch {
    return { version: 'not deployed', digest: null };
  }
}
