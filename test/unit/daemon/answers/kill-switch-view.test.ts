/** The line of the kill switch in `sojourn status`. */
import { expect, it } from 'vitest';
import { formatAnswer } from '#daemon/answers/views.ts';

it.each([
  [[], 'closed: nothing leaves outside the tunnel'],
  [[{ what: 'kill-switch 1', error: 'ENFTRULES' }], 'NOT IN FORCE: nft refuses the rules'],
])('says whether the kill switch is in force', (pending, text) => {
  const status = { role: 'mobile-node', homes: [], host: { pending }, killSwitch: 'closed' };
  expect(formatAnswer('status', status, 0)).toMatch(new RegExp(`^ *kill switch +${text}$`, 'm'));
});
