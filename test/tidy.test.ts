/**
 * Enforces the structure of the code: layers, purity, sizes, names. A failure names file, line and
 * reason.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layerFaults } from './tidy/layers.ts';
import { faultsOf, RULES } from './tidy/rules.ts';
import { filesBelow, parseSource, REPOSITORY, readSource } from './tidy/source.ts';

const DIRECTORIES = ['src', 'daemons', 'docs', 'lab', 'bench', 'test'].filter((name) =>
  existsSync(join(REPOSITORY, name)),
);
const sources = filesBelow(DIRECTORIES, ['.ts']).map(readSource);

describe('the sources', () => {
  it('include every layer', () => {
    expect(sources.map((source) => source.path)).toEqual(
      expect.arrayContaining([
        'src/engine/contract/engine.ts',
        'daemons/ha/config.ts',
        'test/tidy.test.ts',
      ]),
    );
  });

  it('keep to the layers', () => {
    expect(sources.flatMap(layerFaults)).toEqual([]);
  });

  it.each(RULES.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
    expect(sources.flatMap((source) => faultsOf(rule, source))).toEqual([]);
  });

  it('keep C++ files to 600 lines', () => {
    const long = filesBelow(
      ['native'].filter((name) => existsSync(join(REPOSITORY, name))),
      ['.cc', '.h'],
    )
      .filter((path) => !path.startsWith('native/build/'))
      .map(
        (path) =>
          `${path}: ${readFileSync(join(REPOSITORY, path), 'utf8').split('\n').length - 1} lines`,
      )
      .filter((text) => Number(/(\d+) lines$/.exec(text)?.[1]) > 600);
    expect(long).toEqual([]);
  });

  it('contain no rule exception without need', () => {
    const idle = RULES.flatMap((rule) =>
      [...(rule.exceptions?.keys() ?? [])].filter((path) => {
        const source = sources.find((one) => one.path === path);
        return source === undefined || rule.faults(source).length === 0;
      }),
    );
    expect(idle).toEqual([]);
  });
});

function titleOf([path, text]: readonly [string, string, unknown]): string {
  return `${path}: ${text.replaceAll(/\s+/g, ' ').slice(0, 60)}`;
}

/** `[path, text, whether layers allow it]` */
const IMPORTS: readonly (readonly [string, string, boolean])[] = [
  ['src/wire/udp.ts', "import { Reader } from '#base/bytes.ts';", true],
  ['src/base/ip.ts', "import { udp } from '../wire/udp.ts';", false],
  ['src/wire/udp.ts', "import { hmac } from '#crypto/mobility-auth.ts';", false],
  ['src/wire/udp.ts', "import { readFileSync } from 'node:fs';", false],
  ['src/crypto/mobility-auth.ts', "import { hmac } from '@noble/hashes/hmac.js';", true],
  ['src/crypto/mobility-auth.ts', "import { createHmac } from 'node:crypto';", false],
  ['src/engine/mobile-ipv6/home-agent/a.ts', "import { x } from '#engine/common/x.ts';", true],
  ['src/engine/mobile-ipv6/home-agent/a.ts', "import { x } from '../home-agent/x.ts';", true],
  ['src/engine/mobile-ipv6/home-agent/a.ts', "import { x } from '../mobile-node/x.ts';", false],
  ['src/engine/mobile-ipv6/home-agent/a.ts', "import type { X } from '#runtime/ports.ts';", false],
  ['src/engine/mobile-ipv6/home-agent/a.ts', "export * from '#host/kernel/kernel.ts';", false],
  ['src/engine/mobile-ipv6/home-agent/a.ts', "const x = import('#host/kernel/kernel.ts');", false],
  [
    'src/engine/mobile-ipv6/common/a.ts',
    "import { x } from '#engine/mobile-ipv6/home-agent/x.ts';",
    false,
  ],
  [
    'src/engine/mobile-ipv6/home-agent/a.ts',
    "import { x } from '#engine/mobile-ipv6/common/x.ts';",
    true,
  ],
  [
    'src/engine/mobile-ipv6/home-agent/a.ts',
    "import { x } from '#engine/ntmobile/common/x.ts';",
    false,
  ],
  ['src/engine/common/a.ts', "import { x } from '#engine/mobile-ipv6/common/x.ts';", false],
  ['src/cli/a.ts', "import { x } from '#daemon/x.ts';", true],
  ['src/daemon/a.ts', "import { x } from '#cli/x.ts';", false],
  [
    'src/engine/mobile-ipv6/mobile-router/a.ts',
    "import { x } from '#engine/mobile-ipv6/mobile-node/x.ts';",
    true,
  ],
  ['src/runtime/driver.ts', "import { x } from '#engine/mobile-ipv6/home-agent/x.ts';", false],
  [
    'src/host/kernel/kernel.ts',
    "import type { Path } from '#engine/contract/desired-state.ts';",
    true,
  ],
  [
    'src/host/kernel/kernel.ts',
    "import { type Path } from '#engine/contract/desired-state.ts';",
    true,
  ],
  [
    'src/host/kernel/kernel.ts',
    "import { TUN_DEVICE } from '#engine/contract/desired-state.ts';",
    false,
  ],
  [
    'src/host/kernel/kernel.ts',
    "import type { X } from '#engine/mobile-ipv6/home-agent/x.ts';",
    false,
  ],
  ['src/daemon/log.ts', "import { x } from '#host/kernel/kernel.ts';", false],
  ['src/daemon/log.ts', "import { pino } from 'pino';", true],
  ['src/account-server/a.ts', "import { fastify } from 'fastify';", true],
  ['src/account-server/a.ts', "import { x } from '#store/database.ts';", true],
  ['src/account-server/a.ts', "import { x } from '#host/process/clock.ts';", false],
  ['src/account-server/a.ts', "import { x } from '#engine/ntmobile/coordinator/x.ts';", false],
  ['src/daemon/a.ts', "import { x } from '#account-server/service.ts';", false],
  ['daemons/as/main.ts', "import { x } from '#account-server/service.ts';", true],
  ['daemons/ha/main.ts', "import { x } from '#engine/mobile-ipv6/home-agent/x.ts';", true],
  ['daemons/ha/main.ts', "import { x } from '../mn/config.ts';", false],
  ['daemons/ha/main.ts', "import { x } from '#lab/topology.ts';", false],
  ['src/novel/a.ts', '', false],
];

describe('the layers', () => {
  it.each(IMPORTS.map((row) => [titleOf(row), ...row] as const))('%s', (_, path, text, allowed) => {
    expect(layerFaults(parseSource(path, text)).length).toBe(allowed ? 0 : 1);
  });
});

const LONG_BODY = 'x();\n'.repeat(70);

/** `[path, text, the rule that it breaks]`; undefined: none. */
const SNIPPETS: readonly (readonly [string, string, string | undefined])[] = [
  ['src/engine/a/b.ts', '// RFC 6275 §1\nconst now = Date.now();', 'pure code reaches no'],
  ['src/engine/a/b.ts', '// RFC 6275 §1\nconst seed = Math.random();', 'pure code reaches no'],
  ['src/wire/b.ts', '// RFC 6275 §1\nconst f = { process };', 'pure code reaches no'],
  ['src/wire/b.ts', '// RFC 6275 §1\ntype T = Promise<void>;', 'pure code reaches no'],
  [
    'src/wire/b.ts',
    '// RFC 6275 §1: Date, process\nconst f = { process: "Date" }; f.process;',
    undefined,
  ],
  ['src/wire/b.ts', '// RFC 6275 §1\nasync function f() {}', 'pure code is synchronous'],
  ['src/daemon/b.ts', 'async function f() { await g(Date.now()); }', undefined],
  ['src/daemon/b.ts', `function f() {\n${LONG_BODY}}`, 'functions have at most 70 lines'],
  ['src/daemon/b.ts', `const f = {\nm() {\n${LONG_BODY}} };`, 'functions have at most 70 lines'],
  ['test/b.ts', `describe.each([])('x', () => {\n${LONG_BODY}});`, undefined],
  ['test/b.ts', `it('x', () => {\n${LONG_BODY}});`, 'functions have at most 70 lines'],
  ['src/daemon/b.ts', 'x();\n'.repeat(401), 'files have at most 400 lines'],
  ['src/daemon/b.ts', 'x();\n'.repeat(400), undefined],
  ['daemons/ha/main.ts', 'x();\n'.repeat(41), 'main.ts has at most 40 lines'],
  ['daemons/ha/other.ts', '', 'a daemon is main.ts and config.ts'],
  [
    'src/wire/b.ts',
    '/** Octets. */\nconst a = 1; // RFC 6275',
    'codecs, cryptography and engines name their RFC',
  ],
  ['src/engine/a/b.ts', '/** No RFC: an operator asks. */\nconst a = 1;', undefined],
  ['src/daemon/b.ts', 'const a: any = 1;', 'no any'],
  ['src/daemon/b.ts', 'const any = "any"; // any', undefined],
  ['src/daemon/b.ts', 'const a = b as Foo;', 'no casts outside src/base'],
  ['src/daemon/b.ts', 'const a = <Foo>b;', 'no casts outside src/base'],
  ['src/daemon/b.ts', 'const a = { b } as const;', undefined],
  ['src/base/b.ts', 'const a = b as Foo;', undefined],
  ['src/daemon/b.ts', 'const a = b!;', 'no non-null assertions'],
  ['src/daemon/b.ts', 'class A { b!: string; }', 'no non-null assertions'],
  ['src/daemon/b.ts', 'enum A { b }', 'no enum'],
  ['src/daemon/b.ts', 'class A { private b = 1; }', 'private members are #private'],
  ['src/daemon/b.ts', 'class A { private constructor() {} #b = 1; }', undefined],
  ['src/daemon/utils.ts', '', 'no utils.ts and no index.ts'],
  ['src/daemon/b.ts', 'export default 1;', 'no default exports'],
  ['src/daemon/b.ts', 'interface IThing {}', 'no I-prefixed names'],
  ['src/daemon/b.ts', 'interface Ipv6Header {} interface Id {}', undefined],
];

describe('the rules', () => {
  it.each(SNIPPETS.map((row) => [titleOf(row), ...row] as const))('%s', (_, path, text, broken) => {
    const source = parseSource(path, text);
    const names = RULES.filter((rule) => faultsOf(rule, source).length > 0).map(
      (rule) => rule.name,
    );
    expect(names).toEqual(broken === undefined ? [] : [expect.stringContaining(broken)]);
  });
});
