/**
 * The example file of a daemon: every key with its description. Values in force come from the file
 * itself, everything else from the schema, so that writing it again changes nothing.
 *
 *     # Sentence (unit, range; reloadable). Details.
 *     key: value
 *     #key: its default, or a sample where it has none
 */
import { parse } from 'yaml';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { KeyDescription } from '#daemon/configuration/config-schema.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import type { DaemonConfiguration } from './daemons.ts';
import { hasPlainDefault, inlineYaml, sentence, typeAndUnit, UNBROKEN, wrap } from './text.ts';

const WIDTH = 100;

/** `former`: the present file; undefined: create one from the samples of required keys. */
export function exampleFile(
  { role, description, keys }: DaemonConfiguration,
  former: string | undefined,
): string {
  const value: JsonValue = former === undefined ? {} : parse(former);
  const head = [
    `Configuration of the ${description}, with every key.`,
    'A line "#key: value" shows the default, or an example where the key has none.',
    'Keys marked reloadable take effect with: sojourn reload',
    `Check before a restart: sojourn check ${role} /etc/sojourn/${role}.yaml`,
  ];
  const body = blockOf(keys, isJsonObject(value) ? value : {}, {
    indent: '',
    comment: undefined,
    reloadable: false,
  });
  return `${head.map((line) => `# ${line}\n`).join('')}\n${body.join('\n')}\n`;
}

interface Place {
  /** At the start of each line. */
  readonly indent: string;
  /** Between `#` and the key, if the section itself is commented out; undefined: it is not. */
  readonly comment: string | undefined;
  /** Whether the section is. */
  readonly reloadable: boolean;
}

const startOf = ({ indent, comment }: Place): string =>
  comment === undefined ? indent : `${indent}#${comment}`;

function deepened(place: Place): Place {
  const { indent, comment } = place;
  return comment === undefined
    ? { ...place, indent: `${indent}  ` }
    : { ...place, comment: `${comment}  ` };
}

function within(place: Place, { reloadable }: KeyDescription): Place {
  return { ...deepened(place), reloadable };
}

function blockOf(
  keys: readonly KeyDescription[],
  values: JsonObject,
  place: Place,
): readonly string[] {
  const blocks = keys.map((key) => [
    ...proseOf(key, place),
    ...linesOf(key, values[key.name], place),
  ]);
  // An empty line separates top-level keys.
  return blocks.flatMap((lines, at) =>
    place.indent === '' && place.comment === undefined && at > 0 ? ['', ...lines] : lines,
  );
}

function proseOf(key: KeyDescription, place: Place): readonly string[] {
  const { description = '', details = '', reloadable } = key;
  const facts = [
    ...(/number|\|/.test(key.type) && key.type !== 'true | false' ? [typeAndUnit(key)] : []),
    ...(reloadable === place.reloadable ? [] : [reloadable ? 'reloadable' : 'needs a restart']),
  ];
  // Facts are not broken across lines.
  const about = facts.length === 0 ? '' : ` (${facts.join('; ').replaceAll(' ', UNBROKEN)})`;
  const lines = wrap(
    `${sentence(description + about)} ${details}`.trimEnd(),
    `${startOf(place)}# `,
    WIDTH,
  );
  return lines.map((line) => line.replaceAll(UNBROKEN, ' '));
}

/** The key with its value: in force where there is one, commented out otherwise. */
function linesOf(
  key: KeyDescription,
  value: JsonValue | undefined,
  place: Place,
): readonly string[] {
  if (value !== undefined) return valueLines(key, value, place);
  const shown = hasPlainDefault(key) ? key.default : (key.sample ?? key.default);
  // Uncommenting a section has to give a valid one: its required keys and defaults are part of it.
  const stays =
    place.comment !== undefined && (key.required || hasPlainDefault(key) || isSection(key));
  const commented = stays ? place : { ...place, indent: startOf(place), comment: '' };
  if (key.children.length === 0) return valueLines(key, shown ?? null, commented);
  const entry = isJsonObject(shown) ? shown : {};
  return valueLines(key, key.type.startsWith('list of') ? [entry] : entry, commented);
}

function isSection({ children, default: value }: KeyDescription): boolean {
  return children.length > 0 && value !== undefined;
}

function valueLines(key: KeyDescription, value: JsonValue, place: Place): readonly string[] {
  const start = `${startOf(place)}${key.name}:`;
  if (key.children.length > 0 && isJsonObject(value)) {
    return [start, ...blockOf(key.children, value, within(place, key))];
  }
  if (
    key.children.length > 0 &&
    isJsonList(value) &&
    value.length > 0 &&
    value.every(isJsonObject)
  ) {
    const [first = {}, ...others] = value.filter(isJsonObject);
    const inner = within(place, key);
    return [
      start,
      ...firstEntry(key, first, inner),
      ...others.flatMap((entry) => furtherEntry(entry, startOf(inner))),
    ];
  }
  return [`${start} ${inlineYaml(value)}`];
}

/** Shows every key; the dash precedes the first key that is in force. */
function firstEntry(
  { children }: KeyDescription,
  entry: JsonObject,
  place: Place,
): readonly string[] {
  const first =
    children.find(({ name }) => entry[name] !== undefined) ??
    children.find(({ required }) => required);
  const ordered =
    first === undefined ? children : [first, ...children.filter((key) => key !== first)];
  const deeper = deepened(place);
  return ordered.flatMap((key, at) => {
    if (at > 0) return [...proseOf(key, deeper), ...linesOf(key, entry[key.name], deeper)];
    const [line = '', ...rest] = linesOf(key, entry[key.name] ?? key.sample, deeper);
    return [...proseOf(key, place), line.replace(startOf(deeper), `${startOf(place)}- `), ...rest];
  });
}

/** Shows only the keys in force. */
function furtherEntry(entry: JsonObject, start: string): readonly string[] {
  return Object.entries(entry).flatMap(([name, value = null], at) => {
    const lead = `${start}${at === 0 ? '- ' : '  '}${name}:`;
    if (!isJsonList(value) || !value.some(isJsonObject)) return [`${lead} ${inlineYaml(value)}`];
    return [lead, ...value.map((one) => `${start}    - ${inlineYaml(one)}`)];
  });
}
