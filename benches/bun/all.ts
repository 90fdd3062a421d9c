// Every bench of this folder, each in a process of its own: `bun benches/bun/all.ts [rows.json]`
import { join } from 'node:path';

for (const name of ['main.ts', 'compare.ts']) {
  const { exitCode } = Bun.spawnSync(
    [process.execPath, join(import.meta.dir, name), ...process.argv.slice(2)],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  if (exitCode !== 0) process.exit(exitCode);
}
