/**
 * What a new enrolment takes over from the former configuration of the node: everything but the
 * registration itself, so that a rotation of keys does not open a kill switch.
 */
import { existsSync } from 'node:fs';
import type { JsonObject } from '#base/json.ts';
import { CommandProgramFailure } from '#composition/setup/command-program.ts';
import { mappingIn } from '#composition/setup/yaml-file.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

/** The enrolment decides about these. */
const OF_ENROLMENT: ReadonlySet<string> = new Set(['homes', 'mobileNetworks', 'udpPort']);
/** Of a home with the same identifier: choices of the operator that no enrolment makes. */
const KEPT_IN_HOME: readonly string[] = ['name', 'postQuantum'];

/** Undefined without a file; throws if the keys of the file cannot be taken over. */
export function formerConfiguration(file: string): JsonObject | undefined {
  if (!existsSync(file)) return undefined;
  const value = mappingIn(file);
  if (value === undefined)
    throw unusable(`${file} is not a YAML mapping, so its keys cannot be kept`);
  if (value['ntmobile'] !== undefined)
    throw unusable(`${file} has ntmobile, which no enrolled node can have beside its home`);
  return value;
}

function unusable(fault: string): CommandProgramFailure {
  return new CommandProgramFailure(
    ExitCode.configuration,
    `${fault}; nothing was changed. Correct the file, or move it away`,
  );
}

/** The keys that the new configuration has too. */
export function keptKeys(former: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(former).filter(([key]) => !OF_ENROLMENT.has(key)));
}

/** The keys whose former values end. */
export function replacedKeys(former: JsonObject): readonly string[] {
  return Object.keys(former).filter((key) => OF_ENROLMENT.has(key));
}

export function keptInHome({ homes }: JsonObject, identifier: string): JsonObject {
  const all = isJsonList(homes) ? homes.filter((home) => isJsonObject(home)) : [];
  const same = all.find((home) => home['identifier'] === identifier) ?? {};
  return Object.fromEntries(
    KEPT_IN_HOME.flatMap((key) => (same[key] === undefined ? [] : [[key, same[key]]])),
  );
}

/** `daemon` of a configuration. */
export function daemonOf({ daemon }: JsonObject): JsonObject {
  return isJsonObject(daemon) ? daemon : {};
}
