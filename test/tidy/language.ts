/** Checks of the language: first words of test titles, banned phrasings, and width of lines. */
import { isNode, lineOf, type Node, nameOf, type Source, walk } from './source.ts';

/** A title that begins with one of these words does not stand alone in a report. */
const FIRST_WORDS = new Set(
  (
    'about above across after against along among around as at before behind below ' +
    'beside between beyond by despite during except for from in inside into near of off ' +
    'on onto out outside over past per since than through throughout to toward towards ' +
    'under until up upon via with within without although and because but if nor or ' +
    'once so though unless when whenever where whereas wherever while yet that what ' +
    'whatever which whichever who whoever whom whose are have has is was were'
  ).split(' '),
);

/** Ids of published cases and sections of standards may precede a title. */
const CASE = String.raw`(NEMO|MN|HA|CN|MR)[-_\w]*\d[-_\w]*`;
const CITATION = String.raw`${CASE}|RFC \d+( §[\d.]+)?|§[\d.]+(-[\d.]+)?`;
const CITATIONS = new RegExp(`^((${CITATION})(:|,|,? and)? ?)*`);

interface Title {
  readonly text: string;
  readonly offset: number;
}

/**
 * Titles of `it` and `test`; for `it.each` with '%s' or '$title', the titles in its rows if they
 * are literals.
 */
function titlesOf({ program }: Source): readonly Title[] {
  const titles: Title[] = [];
  walk(program, (node) => {
    if (node.type !== 'CallExpression' || !isTest(node['callee'])) return;
    const [first] = argumentsOf(node);
    const title = first === undefined ? undefined : literalOf(first);
    if (title === undefined) return;
    if (/^(%s|\$\w+)/.test(title.text)) titles.push(...rowTitles(node['callee']));
    else titles.push(title);
  });
  return titles;
}

export function badTitles(source: Source): readonly string[] {
  return titlesOf(source)
    .filter(({ text }) => startsBadly(text))
    .map(({ text, offset }) => `${source.path}:${lineOf(source.text, offset)}: ${text}`);
}

export function startsBadly(title: string): boolean {
  const [word = ''] = title.replace(CITATIONS, '').split(/[\s,:]/);
  return FIRST_WORDS.has(word.toLowerCase());
}

function isTest(callee: unknown): boolean {
  let at: unknown = callee;
  while (isNode(at) && nameOf(at) === undefined) at = at['callee'] ?? at['object'] ?? at['tag'];
  return nameOf(at) === 'it' || nameOf(at) === 'test';
}

function argumentsOf(node: Node): readonly Node[] {
  const { arguments: list } = node;
  return Array.isArray(list) ? list.filter(isNode) : [];
}

function literalOf(node: Node): Title | undefined {
  const { value, quasis } = node;
  if (node.type === 'Literal' && typeof value === 'string')
    return { text: value, offset: node.start };
  if (node.type !== 'TemplateLiteral' || !Array.isArray(quasis) || !isNode(quasis[0]))
    return undefined;
  const cooked = quasis[0]['value'];
  const text =
    typeof cooked === 'object' && cooked !== null && 'cooked' in cooked ? cooked.cooked : '';
  return typeof text === 'string' && text !== '' ? { text, offset: node.start } : undefined;
}

/** First members of the rows of `it.each([[…], …])`, and their `title`. */
function rowTitles(callee: unknown): readonly Title[] {
  if (!isNode(callee) || callee.type !== 'CallExpression') return [];
  const [rows] = argumentsOf(callee);
  const elements = rows?.['elements'];
  if (!Array.isArray(elements)) return [];
  return elements.filter(isNode).flatMap((row) => {
    const members = row['elements'];
    const first = Array.isArray(members) ? members[0] : row;
    return isNode(first) ? (literalOf(first) ?? []) : [];
  });
}

/** Banned phrasings. `'nobody'` is allowed as the name of a Linux user. */
const BANNED = [
  ...["(?<!['`])nobody(?!['`])", 'somebody', 'whoever', 'anew', 'in vain', 'told of', 'hears? of'],
  ...[
    '(is|are) no more',
    'of (ours|theirs)',
    'were there',
    'as it was wont',
    'shuns?',
    'renounces?',
  ],
  ...['mould', 'wished', 'wishes for'],
];
const BANNED_PHRASES = new RegExp(`\\b(${BANNED.join('|')})\\b`, 'gi');

/** `path:line: phrase`, in comments, texts and names alike. */
export function bannedPhrases(path: string, text: string): readonly string[] {
  return [...text.matchAll(BANNED_PHRASES)].map(
    (match) => `${path}:${lineOf(text, match.index)}: ${match[0]}`,
  );
}

const WIDTH = 100;
/** An import of one name cannot be broken. */
const UNBREAKABLE = /^(import|export) (type )?\{ [\w ]+ \} from '[^']+';$/;

/** `path:line: columns` of lines that are too wide, except lines that contain only a URL. */
export function wideLines(path: string, text: string): readonly string[] {
  return text
    .split('\n')
    .flatMap((line, at) =>
      line.length > WIDTH && !UNBREAKABLE.test(line)
        ? [`${path}:${at + 1}: ${line.length} columns`]
        : [],
    );
}
