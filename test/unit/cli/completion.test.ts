import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completion } from '#cli/completion.ts';
import { program } from '#cli/program.ts';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-completion-'));
});

afterEach(() => rmSync(directory, { recursive: true }));

describe('the completion script', () => {
  const bash = (...words: readonly string[]): string => {
    const script = join(directory, 'completion');
    writeFileSync(script, completion('bash', program(), ['ha', 'mn']));
    const body =
      `source ${script}; COMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _sojourn; ` +
      `echo "\${COMPREPLY[*]}"`;
    return spawnSync('bash', ['-c', body, 'bash', 'sojourn', ...words], {
      encoding: 'utf8',
    }).stdout.trim();
  };

  it.each([
    [['sta'], 'status stats'],
    [['--daemon', 'ha', 'bin'], 'bindings'],
    [['--json', 'as', ''], 'account device authority fingerprint reload'],
    [['as', 'account', 'dis'], 'disable'],
    [['move', '--in'], '--interface'],
    [['move', '--interface', 'l'], 'lo'],
    [['--timeout', ''], ''],
    [['completion', ''], 'bash zsh'],
    [['check', 'mn'], 'mn'],
  ])('bash completes %j', (words, expected) => {
    expect(bash(...words)).toBe(expected);
  });

  it.each([
    [['sta'], 'status:', 'fingerprint:'],
    [['--daemon', 'ha', 'as', 'account', ''], 'disable:forbid logins', 'rotate:'],
    [['move', '-'], '--interface:use the best address', '--follow'],
  ])('zsh completes %j', (words, expected, unexpected) => {
    const script = join(directory, '_sojourn');
    writeFileSync(script, completion('zsh', program(), ['ha', 'mn']));
    const body =
      `compdef() { :; }; source ${script}; _describe() { print -r -- "\${(P)2}"; }; ` +
      'words=(sojourn "$@"); CURRENT=$#words; _sojourn';
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', body, 'zsh', ...words], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toContain(expected);
    expect(stdout).not.toContain(unexpected);
  });
});
