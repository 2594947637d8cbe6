/**
 * The configuration in force, and the directory of mobile nodes that follows from it.
 *
 * No RFC: RFC 6275 §10.3.1 and RFC 3963 §6.1.2 leave these decisions to the operator.
 */
import type { HomeAgentConfiguration } from './configuration.ts';
import { MobileNodeDirectory } from './grants/mobile-node-directory.ts';
import type { Policy } from './registration-view.ts';

export class OperatorPolicy implements Policy {
  #configuration: HomeAgentConfiguration;
  #directory: MobileNodeDirectory;

  constructor(configuration: HomeAgentConfiguration) {
    this.#configuration = configuration;
    this.#directory = new MobileNodeDirectory(configuration);
  }

  get configuration(): HomeAgentConfiguration {
    return this.#configuration;
  }

  get directory(): MobileNodeDirectory {
    return this.#directory;
  }

  replace(configuration: HomeAgentConfiguration): void {
    this.#configuration = configuration;
    this.#directory = new MobileNodeDirectory(configuration);
  }
}
