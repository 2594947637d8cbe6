/** Tests that a page names as `FILE: TITLE`: whether they exist. */
import { filesBelow, readSource, walk } from './source.ts';

/** Shorter words occur in any test. */
const SHORTEST_TITLE = 5;

/** `file` without folder and `.test.ts`; `title`, or a part of one. */
export interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** Reads `FILE: TITLE`. */
export function namedTest(text: string): NamedTest {
  const colon = text.indexOf(': ');
  return { file: text.slice(0, colon), title: text.slice(colon + 2) };
}

/** The spans of code of a Markdown text. */
export function spans(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
}

const testFiles = filesBelow(['test'], ['.test.ts']);
const literals = new Map<string, readonly string[]>();

/** Every string literal of a file: titles, and the rows that become titles. */
function literalsOf(path: string): readonly string[] {
  const known = literals.get(path);
  if (known !== undefined) return known;
  const found: string[] = [];
  walk(readSource(path).program, (node) => found.push(...textOf(node)));
  literals.set(path, found);
  return found;
}

/** The text of a string literal or of a part of a template. */
export function textOf(node: Readonly<Record<string, unknown>>): readonly string[] {
  const { type, value } = node;
  if (type === 'Literal' && typeof value === 'string') return [value];
  if (
    type !== 'TemplateElement' ||
    typeof value !== 'object' ||
    value === null ||
    !('cooked' in value)
  )
    return [];
  return typeof value.cooked === 'string' ? [value.cooked] : [];
}

/** `HA_2_1_11` does not name `HA_2_1_1`. */
export function names(text: string, title: string): boolean {
  const after = text.at(text.indexOf(title) + title.length) ?? '';
  return text.includes(title) && !/[\w-]/.test(after);
}

/** One sentence if the test does not exist. */
export function faultsOfTest({ file, title }: NamedTest): readonly string[] {
  const paths = testFiles.filter((path) => path.endsWith(`/${file}.test.ts`));
  const [path] = paths;
  if (path === undefined || paths.length > 1) return [`${paths.length} files ${file}.test.ts`];
  if (title.length < SHORTEST_TITLE) return [`${file}: '${title}' is too short`];
  return literalsOf(path).some((text) => names(text, title)) ? [] : [`${path} has no '${title}'`];
}
