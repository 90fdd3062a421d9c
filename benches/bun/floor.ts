// What the cryptography of one sign alone costs, measured by the Rust benches when it is asked for:
// `core/benches/ratios/floor.rs`.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROFILE = process.env['CATALYST_PROFILE'] ?? 'release';
const BENCH = `bench --quiet --profile ${PROFILE} --locked -p catalyst-pki --bench ratios -- floor`;

export class Floor {
  readonly #program = spawn('cargo', BENCH.split(' '), {
    cwd: join(import.meta.dir, '../..'),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  readonly #answers = createInterface({ input: this.#program.stdout })[Symbol.asyncIterator]();

  /** How many signs a second so many threads could do at this moment. */
  async perSecond(threads: number): Promise<number> {
    this.#program.stdin.write(`${threads}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`cargo ${BENCH}: ended without an answer`);
    return Number(value);
  }

  close() {
    this.#program.stdin.end();
  }
}
