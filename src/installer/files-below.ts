import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * All files below `directory`, sorted, as paths relative to `root`. `enter` decides by name and
 * parent which directories are searched.
 */
export function filesBelow(
  root: string,
  directory: string,
  enter: (name: string, parent: string) => boolean = () => true,
): readonly string[] {
  const entries = readdirSync(join(root, directory), { withFileTypes: true });
  const paths = entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (!entry.isDirectory()) return [path];
    return enter(entry.name, directory) ? filesBelow(root, path, enter) : [];
  });
  return paths.toSorted();
}
