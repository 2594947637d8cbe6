/**
 * Writes the rules of each kind of translator of the lab beside this file: nat-KIND.nft. They are
 * the namespaces lab's, which proves what they do.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { natRules } from '#lab/nat.ts';
import { NatKind } from '#lab/network.ts';

for (const kind of Object.values(NatKind))
  writeFileSync(join(import.meta.dirname, `nat-${kind}.nft`), natRules(kind));
