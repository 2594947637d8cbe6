/** `sojourn uninstall` on a running system. */
import { expect, it } from 'vitest';
import { layoutOf } from '#installer/layout.ts';
import { commandsBeforeRemoval } from '#installer/removal.ts';

const LAYOUT = layoutOf('/usr/local');
const UNIT = `${LAYOUT.units}/sojourn-mn.service`;

it('opens the kill switch of the stopped daemons before their program is removed', () => {
  const open = ['/usr/local/bin/sojourn', 'killswitch', 'off'];
  expect(commandsBeforeRemoval(LAYOUT, [UNIT, LAYOUT.code], true)).toEqual([
    ['systemctl', 'disable', '--now', '--quiet', 'sojourn-mn.service'],
    open,
  ]);
  expect(commandsBeforeRemoval(LAYOUT, [UNIT], false)).toEqual([open]);
});
