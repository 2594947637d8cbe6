/** A daemon of the suite that tells the lie that a file names. HOSTILE_ROLE is its role. */
import { existsSync, readFileSync } from 'node:fs';
import { CANDIDATES, LIES, type LieSubject, lieWith } from '#test/sim/ntmobile/coordinator-lies.ts';
import { LIE_FILE } from './hostile-system.ts';

function chosen() {
  if (!existsSync(LIE_FILE)) return undefined;
  const told: { readonly lie: string; readonly subject: LieSubject } = JSON.parse(
    readFileSync(LIE_FILE, 'utf8'),
  );
  const lie = told.lie === 'candidates' ? CANDIDATES : LIES[told.lie];
  return lie === undefined ? undefined : { lie, subject: told.subject };
}

lieWith(chosen);
await import(`../../../../daemons/${process.env['HOSTILE_ROLE'] ?? ''}/main.ts`);
