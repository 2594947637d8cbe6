/** The rules for each source file, apart from imports. Each fault says why. */
import { basename } from 'node:path';
import { isNode, lineOf, type Node, nameOf, type Source, walk } from './source.ts';

interface Rule {
  readonly name: string;
  /** Files that the rule applies to. */
  readonly applies: RegExp;
  readonly why: string;
  /** Exceptions, with their reasons. */
  readonly exceptions?: ReadonlyMap<string, string>;
  /** Offsets and names of violations. */
  faults(source: Source): readonly Found[];
}

interface Found {
  readonly offset: number;
  readonly what: string;
}

const EVERYWHERE = /^/;
const PURE = /^src\/(base|wire|crypto|engine)\//;
const LONGEST_FUNCTION = 70;
const LONGEST_FILE = 400;
const LONGEST_MAIN = 40;

const BANNED_IN_PURE_CODE: ReadonlySet<string> = new Set([
  ...[
    'Date',
    'performance',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'queueMicrotask',
    'process',
    'console',
  ],
  ...['Promise', 'Buffer', 'fetch', 'crypto', 'globalThis', 'require'],
]);

export const RULES: readonly Rule[] = [
  {
    name: 'pure code reaches no clock, randomness, process, log or promise',
    applies: PURE,
    why:
      'time, randomness and everything of the world are inputs, so that thousands of handovers ' +
      'run in a second of virtual time',
    faults: bannedNames,
  },
  {
    name: 'pure code is synchronous',
    applies: PURE,
    why: 'when step() returns, everything that follows from the input is in out',
    faults: (source) =>
      found(
        source,
        (node) =>
          node.type === 'AwaitExpression' || node['async'] === true || node['await'] === true,
      ),
  },
  {
    name: `functions have at most ${LONGEST_FUNCTION} lines`,
    applies: EVERYWHERE,
    why: 'a longer one does several things; name them',
    faults: longFunctions,
  },
  {
    name: `files have at most ${LONGEST_FILE} lines`,
    applies: EVERYWHERE,
    why: 'the file that holds everything grows out of hand; split it by what changes together',
    faults: (source) => tooLong(source, LONGEST_FILE),
  },
  {
    name: `main.ts has at most ${LONGEST_MAIN} lines`,
    applies: /^daemons\/[^/]+\/main\.ts$/,
    why: 'it composes only',
    faults: (source) => tooLong(source, LONGEST_MAIN),
  },
  {
    name: 'a daemon is main.ts and config.ts',
    applies: /^daemons\//,
    why: 'everything else belongs to a layer of src',
    faults: (source) =>
      /\/(main|config)\.ts$/.test(source.path) ? [] : [{ offset: 0, what: basename(source.path) }],
  },
  {
    name: 'codecs, cryptography and engines name their RFC',
    applies: /^src\/(wire|crypto|engine)\//,
    why:
      'the head of the file names the sections that it implements and leaves out ("RFC ' +
      '6275 §6.1.7", or "No RFC: …" with the reason)',
    faults: ({ head }) =>
      /\bRFC \d{3,5}\b|\bNo RFC\b/.test(head) ? [] : [{ offset: 0, what: 'no RFC line' }],
  },
  {
    name: 'no any',
    applies: EVERYWHERE,
    why: 'unknown and a check say the same and are checked',
    faults: (source) => found(source, (node) => node.type === 'TSAnyKeyword'),
  },
  {
    name: 'no casts outside src/base',
    applies: /^(?!src\/base\/)/,
    why: 'a cast is a claim without a check; narrow with a check, or brand in src/base',
    exceptions: new Map([]),
    faults: (source) => found(source, isCast),
  },
  {
    name: 'no non-null assertions',
    applies: EVERYWHERE,
    why: 'say what happens when it is absent, or assert()',
    faults: (source) =>
      found(source, (node) => node.type === 'TSNonNullExpression' || node['definite'] === true),
  },
  {
    name: 'no enum, namespace or parameter property',
    applies: EVERYWHERE,
    why:
      'Node strips types and compiles nothing; write `const X = {…} as const` and a type of ' +
      'the same name',
    faults: (source) =>
      found(source, (node) =>
        ['TSEnumDeclaration', 'TSModuleDeclaration', 'TSParameterProperty'].includes(node.type),
      ),
  },
  {
    name: 'private members are #private',
    applies: EVERYWHERE,
    why: '#private holds at run time too (constructors, which have no such form, may be private)',
    faults: (source) =>
      found(
        source,
        (node) => node['accessibility'] === 'private' && node['kind'] !== 'constructor',
      ),
  },
  {
    name: 'no utils.ts and no index.ts',
    applies: EVERYWHERE,
    why: 'a file is named after its subject, and imports name the file',
    faults: ({ path }) =>
      /^(utils?|index|helpers?|common|misc)\.ts$/.test(basename(path))
        ? [{ offset: 0, what: basename(path) }]
        : [],
  },
  {
    name: 'no default exports',
    applies: /^(?!.*\.config\.ts$)/,
    why: 'a thing has one name everywhere',
    faults: (source) => found(source, (node) => node.type === 'ExportDefaultDeclaration'),
  },
  {
    name: 'no I-prefixed names',
    applies: EVERYWHERE,
    why: 'the name of an interface is a plain noun',
    faults: (source) =>
      found(
        source,
        (node) =>
          node.type === 'TSInterfaceDeclaration' &&
          /^I(?!P)[A-Z][a-z]/.test(nameOf(node['id']) ?? ''),
      ),
  },
];

/** One sentence for each fault of `rule` in `source`. */
export function faultsOf(rule: Rule, source: Source): readonly string[] {
  if (!rule.applies.test(source.path) || rule.exceptions?.has(source.path)) return [];
  return rule
    .faults(source)
    .map(
      ({ offset, what }) => `${source.path}:${lineOf(source.text, offset)}: ${what}: ${rule.why}`,
    );
}

function found(source: Source, breaks: (node: Node) => boolean): readonly Found[] {
  const faults: Found[] = [];
  walk(source.program, (node) => {
    if (breaks(node))
      faults.push({
        offset: node.start,
        what: source.text.slice(node.start, node.end).split('\n')[0]?.slice(0, 80) ?? '',
      });
  });
  return faults;
}

function isCast(node: Node): boolean {
  if (node.type === 'TSTypeAssertion') return true;
  if (node.type !== 'TSAsExpression') return false;
  const type = node['typeAnnotation'];
  return !(isNode(type) && type.type === 'TSTypeReference' && nameOf(type['typeName']) === 'const');
}

function bannedNames({ program }: Source): readonly Found[] {
  const faults: Found[] = [];
  walk(program, (node, around) => {
    const name = nameOf(node);
    const parent = around.at(-1);
    if (
      node.type === 'Identifier' &&
      name !== undefined &&
      BANNED_IN_PURE_CODE.has(name) &&
      !isMemberName(node, parent)
    ) {
      faults.push({ offset: node.start, what: name });
    }
    if (
      node.type === 'MemberExpression' &&
      nameOf(node['object']) === 'Math' &&
      nameOf(node['property']) === 'random'
    ) {
      faults.push({ offset: node.start, what: 'Math.random' });
    }
  });
  return faults;
}

/** `packet.process` and `{ process: 1 }` name a member, not the global. */
function isMemberName(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined || parent['computed'] === true) return false;
  return parent['property'] === node || (parent['key'] === node && parent['shorthand'] !== true);
}

function tooLong({ text, path }: Source, limit: number): readonly Found[] {
  const lines = lineOf(text, text.trimEnd().length);
  return lines > limit ? [{ offset: 0, what: `${basename(path)} has ${lines} lines` }] : [];
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
]);

function longFunctions(source: Source): readonly Found[] {
  return functionsOf(source)
    .filter(({ lines }) => lines > LONGEST_FUNCTION)
    .map(({ offset, lines }) => ({ offset, what: `a function of ${lines} lines` }));
}

/** The lengths of all functions except bodies of `describe`. */
export function functionLengths(source: Source): readonly number[] {
  return functionsOf(source).map(({ lines }) => lines);
}

function functionsOf({ program, text }: Source): readonly { offset: number; lines: number }[] {
  const functions: { offset: number; lines: number }[] = [];
  walk(program, (node, around) => {
    if (!FUNCTIONS.has(node.type) || isDescribeBody(around.at(-1))) return;
    const lines = lineOf(text, node.end) - lineOf(text, node.start) + 1;
    functions.push({ offset: node.start, lines });
  });
  return functions;
}

/** A `describe` groups tests; each of them is measured by itself. */
function isDescribeBody(parent: Node | undefined): boolean {
  let callee: unknown = parent?.type === 'CallExpression' ? parent['callee'] : undefined;
  while (isNode(callee) && nameOf(callee) === undefined)
    callee = callee['callee'] ?? callee['object'];
  return nameOf(callee) === 'describe';
}
