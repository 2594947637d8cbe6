/** The line of the kill switch in `sojourn status`. */
import { expect, it } from 'vitest';
import { formatAnswer } from '#daemon/answers/views.ts';

it.each([
  ['closed', 'closed: nothing leaves outside the tunnel'],
  ['closing', 'NOT IN FORCE: nft refuses the rules'],
  ['lifted', 'OPEN until `sojourn killswitch on` or the next start'],
  ['opening', 'STILL CLOSED: nft refuses the change'],
])('says whether the kill switch is in force: %s', (killSwitch, text) => {
  const status = { role: 'mobile-node', homes: [], host: { pending: [] }, killSwitch };
  expect(formatAnswer('status', status, 0)).toMatch(new RegExp(`^ *kill switch +${text}$`, 'm'));
});
