/** The layers: which folders may import which. */
import { dirname, join } from 'node:path';
import { isNode, lineOf, type Source, walk } from './source.ts';

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

/** All imports of a file: static, re-exports and `import()`. */
export function importsOf({ program, text }: Source): readonly Import[] {
  const imports: Import[] = [];
  walk(program, (node) => {
    const { source } = node;
    const specifier = isNode(source) ? source['value'] : undefined;
    if (typeof specifier !== 'string') return;
    imports.push({ specifier, typeOnly: isTypeOnly(node), line: lineOf(text, node.start) });
  });
  return imports;
}

function isTypeOnly(node: Readonly<Record<string, unknown>>): boolean {
  if (node['importKind'] === 'type' || node['exportKind'] === 'type') return true;
  const { specifiers } = node;
  if (!Array.isArray(specifiers) || specifiers.length === 0) return false;
  return specifiers.every((specifier) => isNode(specifier) && specifier['importKind'] === 'type');
}

/** The target of an import: a path in the repository, `node:fs`, or a package. */
export function targetOf(path: string, specifier: string): string {
  if (specifier.startsWith('.')) return join(dirname(path), specifier);
  const [, root, rest] = /^#([\w-]+)\/(.*)$/.exec(specifier) ?? [];
  if (root === undefined) return specifier;
  return ['docs', 'lab', 'test'].includes(root) ? `${root}/${rest}` : `src/${root}/${rest}`;
}

const PURE = ['src/base/', 'src/wire/', 'src/crypto/'];
const CONTRACT = ['src/engine/contract/'];
const COMMON_TO_ENGINES = ['src/engine/common/', 'src/engine/sealed/', ...CONTRACT];
/** Types that ports and the contract use. */
const TYPES_OF_ENGINE = [
  ...CONTRACT,
  'src/engine/common/network-interface.ts',
  'src/engine/common/event-table.ts',
];

interface Layer {
  readonly of: RegExp;
  readonly may: readonly string[];
  /** Imports that are allowed for types only. */
  readonly mayTypes?: readonly string[];
  readonly packages: 'all' | readonly string[];
  readonly reason: string;
}

/** The first row that matches a file's path counts; `$1` is the match of its parentheses. */
const LAYERS: readonly Layer[] = [
  {
    of: /^src\/base\//,
    may: ['src/base/'],
    packages: [],
    reason: 'base is the ground: it stands on nothing',
  },
  { of: /^src\/wire\//, may: PURE.slice(0, 2), packages: [], reason: 'codecs stand on base only' },
  {
    of: /^src\/crypto\/primitives\.ts$/,
    may: PURE,
    packages: ['node:crypto'],
    reason: 'one file takes primitives from OpenSSL; the rest of crypto stands on it',
  },
  {
    of: /^src\/crypto\/ml-kem\.ts$/,
    may: PURE,
    packages: ['node:crypto', 'node:module', '@noble/post-quantum'],
    reason: 'ML-KEM comes from OpenSSL where it has it, and from a library elsewhere',
  },
  {
    of: /^src\/crypto\//,
    may: PURE,
    packages: ['@noble/hashes'],
    reason: 'crypto stands on base and wire, and takes hashes from a library',
  },
  {
    of: /^src\/engine\/(common|contract)\//,
    may: [...PURE, 'src/engine/common/', ...CONTRACT],
    packages: [],
    reason: 'what all protocols share knows no protocol',
  },
  {
    of: /^src\/engine\/sealed\//,
    may: [...PURE, ...COMMON_TO_ENGINES],
    packages: [],
    reason: 'sealed sessions serve every protocol that seals, and know none of them',
  },
  {
    of: /^src\/engine\/([^/]+)\/common\//,
    may: [...PURE, ...COMMON_TO_ENGINES, 'src/engine/$1/common/'],
    packages: [],
    reason: 'the common part of a protocol must not depend on a role',
  },
  {
    of: /^src\/engine\/mobile-ipv6\/mobile-router\//,
    may: [
      ...PURE,
      ...COMMON_TO_ENGINES,
      ...['common', 'mobile-router', 'mobile-node'].map((one) => `src/engine/mobile-ipv6/${one}/`),
    ],
    packages: [],
    reason: 'a mobile router is a mobile node with prefixes; it uses no other role',
  },
  {
    of: /^src\/engine\/([^/]+)\/([^/]+)\//,
    may: [...PURE, ...COMMON_TO_ENGINES, 'src/engine/$1/common/', 'src/engine/$1/$2/'],
    packages: [],
    reason:
      'an engine is pure: it sees its own role, common parts of its protocol and engines, and ' +
      'lower layers',
  },
  {
    of: /^src\/runtime\//,
    may: [...PURE, ...COMMON_TO_ENGINES, 'src/runtime/'],
    packages: [],
    reason: 'the driver drives any engine and knows its ports, not their implementations',
  },
  {
    of: /^src\/(host|store|daemon)\//,
    may: [...PURE, 'src/$1/', 'src/runtime/host-error.ts'],
    mayTypes: [...TYPES_OF_ENGINE, 'src/runtime/ports.ts'],
    packages: 'all',
    reason:
      'host, store and daemon implement ports: of engine and runtime they see types only, ' +
      'and they do not see each other',
  },
  {
    of: /^src\/cli\//,
    may: [...PURE, 'src/cli/', 'src/daemon/', 'src/installer/'],
    mayTypes: TYPES_OF_ENGINE,
    packages: 'all',
    reason: 'the command line speaks to daemons over their sockets and has none in it',
  },
  {
    of: /^src\/installer\//,
    may: ['src/installer/', 'src/daemon/'],
    packages: 'all',
    reason: 'the installer knows files, not protocols',
  },
  {
    of: /^src\/account-server\//,
    may: [...PURE, 'src/account-server/', 'src/store/', 'src/engine/common/counters.ts'],
    mayTypes: [...TYPES_OF_ENGINE, 'src/runtime/ports.ts', 'src/daemon/'],
    packages: 'all',
    reason: 'the account server is a service of the host: it keeps a store and has no engine',
  },
  {
    of: /^src\/composition\//,
    may: ['src/'],
    packages: 'all',
    reason:
      'composition holds the parts that several daemons compose alike; nothing in src ' +
      'depends on it',
  },
  {
    of: /^daemons\/([^/]+)\//,
    may: ['src/', 'daemons/$1/'],
    packages: 'all',
    reason: 'a daemon composes modules of src and never imports another daemon, the lab or tests',
  },
  {
    of: /^(docs|lab|bench|test)\//,
    may: ['src/', 'daemons/', 'docs/', 'lab/', 'bench/', 'test/'],
    packages: 'all',
    reason: 'free',
  },
];

/** One sentence for each import that its layer does not allow. */
export function layerFaults(source: Source): readonly string[] {
  const layer = LAYERS.find((one) => one.of.test(source.path));
  if (layer === undefined) return [`${source.path}: belongs to no layer (see test/tidy/layers.ts)`];
  const own = layer.of.exec(source.path)?.slice(1) ?? [];
  return importsOf(source)
    .filter((one) => !isAllowed(layer, own, targetOf(source.path, one.specifier), one.typeOnly))
    .map(
      (one) =>
        `${source.path}:${one.line}: imports ` +
        `${one.typeOnly ? 'types of ' : ''}${one.specifier}: ${layer.reason}`,
    );
}

function isAllowed(
  layer: Layer,
  own: readonly string[],
  target: string,
  typeOnly: boolean,
): boolean {
  const below = (roots: readonly string[]) =>
    roots.some((root) =>
      target.startsWith(own.reduce((text, part, at) => text.replace(`$${at + 1}`, part), root)),
    );
  if (/^(src|daemons|docs|lab|bench|test)\//.test(target))
    return below(layer.may) || (typeOnly && below(layer.mayTypes ?? []));
  return layer.packages === 'all' || below(layer.packages);
}
