/**
 * The configuration in force with the enrolled mobile nodes, and the directory of mobile nodes that
 * follows from both.
 *
 * No RFC: RFC 6275 §10.3.1 and RFC 3963 §6.1.2 leave these decisions to the operator.
 */
import type { AuthorizedMobileNode, HomeAgentConfiguration } from './configuration.ts';
import { MobileNodeDirectory } from './grants/mobile-node-directory.ts';
import type { Policy } from './registration-view.ts';

export class OperatorPolicy implements Policy {
  #configured: HomeAgentConfiguration;
  #configuration: HomeAgentConfiguration;
  #enrolled: readonly AuthorizedMobileNode[] = [];
  #directory: MobileNodeDirectory;

  constructor(configuration: HomeAgentConfiguration) {
    this.#configured = configuration;
    this.#configuration = withGroups(configuration, configuration.mobileNodes);
    this.#directory = new MobileNodeDirectory(this.#configuration);
  }

  /** The configuration as the operator wrote it. */
  get configured(): HomeAgentConfiguration {
    return this.#configured;
  }

  /** Its mobile nodes include the enrolled ones; all of them have a group, or none. */
  get configuration(): HomeAgentConfiguration {
    return this.#configuration;
  }

  get directory(): MobileNodeDirectory {
    return this.#directory;
  }

  replace(configuration: HomeAgentConfiguration): void {
    this.#configured = configuration;
    this.#merge();
  }

  setEnrolled(enrolled: readonly AuthorizedMobileNode[]): void {
    if (enrolled.length === 0 && this.#enrolled.length === 0) return;
    this.#enrolled = enrolled;
    this.#merge();
  }

  /**
   * One more enrolled node, without the cost of a new directory. True: it is the first with a
   * group, which changes those of the others.
   */
  enrol(mobileNode: AuthorizedMobileNode): boolean {
    this.#enrolled = [...this.#enrolled, mobileNode];
    const isolates = this.#configured.isolate ?? true;
    const hasGroups = this.#configuration.mobileNodes.some(({ group }) => group !== undefined);
    if (isolates && !hasGroups && mobileNode.group !== undefined) {
      this.#merge();
      return true;
    }
    const node = grouped(mobileNode, hasGroups);
    const mobileNodes = [...this.#configuration.mobileNodes, node];
    this.#configuration = { ...this.#configuration, mobileNodes };
    this.#directory.add(node);
    return false;
  }

  #merge(): void {
    const mobileNodes = [...this.#configured.mobileNodes, ...this.#enrolled];
    this.#configuration = withGroups(this.#configured, mobileNodes);
    this.#directory = new MobileNodeDirectory(this.#configuration);
  }
}

function withGroups(
  configuration: HomeAgentConfiguration,
  nodes: readonly AuthorizedMobileNode[],
): HomeAgentConfiguration {
  const { isolate = true } = configuration;
  const hasGroups = isolate && nodes.some(({ group }) => group !== undefined);
  return { ...configuration, mobileNodes: nodes.map((node) => grouped(node, hasGroups)) };
}

/** Nodes without a group are one group, if there are groups. */
function grouped(node: AuthorizedMobileNode, hasGroups: boolean): AuthorizedMobileNode {
  const { group = '', ...rest } = node;
  if (hasGroups) return node.group === undefined ? { ...rest, group } : node;
  return node.group === undefined ? node : rest;
}
