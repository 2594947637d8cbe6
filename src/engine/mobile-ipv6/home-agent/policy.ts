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
    this.#configuration = configuration;
    this.#directory = new MobileNodeDirectory(configuration);
  }

  /** The configuration as the operator wrote it. */
  get configured(): HomeAgentConfiguration {
    return this.#configured;
  }

  /** Its mobile nodes include the enrolled ones. */
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

  /** One more enrolled node, without the cost of a new directory. */
  enrol(mobileNode: AuthorizedMobileNode): void {
    this.#enrolled = [...this.#enrolled, mobileNode];
    this.#configuration = {
      ...this.#configuration,
      mobileNodes: [...this.#configuration.mobileNodes, mobileNode],
    };
    this.#directory.add(mobileNode);
  }

  #merge(): void {
    const mobileNodes = [...this.#configured.mobileNodes, ...this.#enrolled];
    this.#configuration = { ...this.#configured, mobileNodes };
    this.#directory = new MobileNodeDirectory(this.#configuration);
  }
}
