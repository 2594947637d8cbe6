/**
 * Writes the rules of each kind of NAT beside this file: nat-KIND.nft. They are those of the
 * namespace lab, whose tests cover them.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { natRules } from '#lab/nat.ts';
import { NatKind } from '#lab/network.ts';

for (const kind of Object.values(NatKind))
  writeFileSync(join(import.meta.dirname, `nat-${kind}.nft`), natRules(kind));
