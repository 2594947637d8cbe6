import { describe, expect, it } from 'vitest';
import { formatTable, formatValue } from '#daemon/answers/tables.ts';

describe('tables', () => {
  it('aligns columns, numbers to the right, and omits empty columns', () => {
    const rows = [
      { name: 'a', octets: 5, gone: null },
      { name: 'long', octets: 1234, list: ['x', 'y'] },
    ];
    expect(formatTable(rows)).toBe('NAME  OCTETS  LIST\na          5  -\nlong    1234  x, y');
    expect(formatTable([])).toBe('(none)');
  });

  it('prints wide and nested rows as blocks', () => {
    const nested = [
      { home: 'a', bindings: [{ sequence: 1 }] },
      { home: 'b', bindings: [] },
    ];
    expect(formatValue(nested)).toBe(
      'home  a\nbindings:\n  SEQUENCE\n         1\n\nhome      b\nbindings  -',
    );
    expect(formatValue([{ a: 'x'.repeat(100), b: 'y'.repeat(100) }])).toMatch(/^a {2}x+\nb {2}y+$/);
  });

  it('indents nested objects and lists', () => {
    const value = {
      careOfAddress: '2001:db8::1',
      up: true,
      plane: { drops: 0 },
      homes: [{ name: 'a' }],
      none: [],
      empty: {},
    };
    expect(formatValue(value)).toBe(
      [
        'care-of address  2001:db8::1',
        'up               yes',
        'none             -',
        'empty            -',
        'plane:',
        '  drops  0',
        'homes:',
        '  NAME',
        '  a',
      ].join('\n'),
    );
  });
});
