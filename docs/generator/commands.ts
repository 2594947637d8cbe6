/** Every command of `sojourn`, from its declaration. */
import type { Argument, Command, Option } from 'commander';
import { program } from '#cli/program.ts';

interface CommandDescription {
  /** `as account add` */
  readonly path: string;
  /** `<name>` */
  readonly parameters: string;
  readonly about: string;
  readonly options: readonly (readonly [flags: string, about: string])[];
}

/** Options that every command has. */
export function globalOptions(): CommandDescription['options'] {
  return program().options.map(optionOf);
}

/** All commands without subcommands, in the order of `sojourn --help`. */
export function commands(): readonly CommandDescription[] {
  return below(program(), '');
}

function below(command: Command, path: string): readonly CommandDescription[] {
  return command.commands.flatMap((child) => {
    const own = path === '' ? child.name() : `${path} ${child.name()}`;
    return child.commands.length > 0 ? below(child, own) : [describe(child, own)];
  });
}

function describe(command: Command, path: string): CommandDescription {
  const parameters = command.registeredArguments.map(parameterOf).join(' ');
  return { path, parameters, about: command.description(), options: command.options.map(optionOf) };
}

function parameterOf(argument: Argument): string {
  const { argChoices = [], required, variadic } = argument;
  const word = argChoices.length > 0 ? argChoices.join('|') : argument.name();
  const name = variadic ? `${word}...` : word;
  return required ? `<${name}>` : `[${name}]`;
}

function optionOf({ flags, description, defaultValue }: Option): readonly [string, string] {
  const told = typeof defaultValue === 'number' ? ` (default: ${defaultValue})` : '';
  return [flags, `${description}${told}`];
}
