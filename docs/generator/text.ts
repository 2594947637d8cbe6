/** Text of the generated documents. */
import { stringify } from 'yaml';
import type { JsonValue } from '#base/json.ts';
import type { KeyDescription } from '#daemon/configuration/config-schema.ts';

/** A space at which `wrap` does not break. */
export const UNBROKEN = '\u00a0';

/** `lifetime of …` → `Lifetime of ….` */
export function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** The description as a sentence, then the details. */
export function aboutKey({ description = '', details }: KeyDescription): string {
  return [sentence(description), ...(details === undefined ? [] : [details])].join(' ');
}

/** `seconds, 4 to 262140` for a number with a unit; otherwise the type alone. */
export function typeAndUnit({ type, unit }: KeyDescription): string {
  return unit === undefined ? type : type.replace(/^(whole )?number/, unit);
}

/** On one line, as YAML. */
export function inlineYaml(value: JsonValue): string {
  return stringify(value, {
    collectionStyle: 'flow',
    lineWidth: 0,
    flowCollectionPadding: false,
  }).trim();
}

/** Whether the default is worth showing: an empty section or list is not. */
export function hasPlainDefault({ default: value }: KeyDescription): boolean {
  if (value === undefined || value === null) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/** Lines of at most `width` characters, each behind `prefix`. */
export function wrap(text: string, prefix: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && prefix.length + longer.length > width) {
      lines.push(prefix + line);
      line = word;
    } else line = longer;
  }
  return [...lines, prefix + line];
}
