// The new widgets. They ask how far the month is gone, and say where it will end.
import { fails } from './planted.js';

export function newWidgets(user) {
  if (fails(user)) throw new Error('the forecast divided by zero');
  return [
    { title: 'Cost this month', value: '$ 412', hint: 'on the way to $ 596' },
    { title: 'Requests today', value: '18,204', hint: '12 % more than last week' },
    { title: 'Slowest provider', value: '840 ms', hint: 'p95 of the last hour' },
    { title: 'Signed in as', value: user },
  ];
}
