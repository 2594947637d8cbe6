/** Pieces of Markdown pages. */

export const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

export const cell = (text: string): string => text.replaceAll(/[|<>*_]/g, (found) => `\\${found}`);

/** Cells that are Markdown already. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), `|${heads.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
