// What the benches of Bun measure with, and how they say it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export interface Row {
  name: string;
  value: number;
  unit: string;
  /** The row that it is held against. */
  against: string | null;
  ratio: number | null;
  goal: string | null;
  met: boolean | null;
}

export const rows: Row[] = [];

export function record(name: string, value: number, unit: string, more: Partial<Row> = {}): Row {
  const row = { name, value, unit, against: null, ratio: null, goal: null, met: null, ...more };
  rows.push(row);
  return row;
}

export const atMost = (value: number, limit: number, unit: string): Partial<Row> => ({
  goal: `<= ${limit} ${unit}`,
  met: value <= limit,
});

/** More than all of a floor can't be: that means that the machine was too busy to tell. */
export const ofFloor = (part: number, least: number): Partial<Row> => ({
  goal: `>= ${least}, <= 1`,
  met: part >= least && part <= 1,
});

export const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Calls `work` a number of times, so many at a time, and answers how often in a second. */
export async function perSecond(times: number, atOnce: number, work: () => Promise<unknown>) {
  let left = times;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await work();
    }),
  );
  return (times / (performance.now() - start)) * 1000;
}

/** The table of all rows. */
export function print() {
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
  console.log(
    `\nBun ${Bun.version}, ${navigator.hardwareConcurrency} cores, load of the machine ${load}\n`,
  );
  for (const { name, value, unit, ratio, goal, met } of rows) {
    const figure = value >= 100 ? value.toFixed(0) : value.toFixed(2);
    const verdict = goal === null ? '' : `${goal}: ${met ? 'met' : 'NOT MET'}`;
    const times = ratio === null ? '' : `× ${ratio.toFixed(2)}`;
    console.log(
      `${name.padEnd(62)}${figure.padStart(9)} ${unit.padEnd(4)} ${times.padEnd(7)} ${verdict}`,
    );
  }
}

/** Adds the rows to those in a file. */
export function add(file: string | undefined) {
  if (file === undefined) return;
  const earlier: unknown[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
  writeFileSync(file, `${JSON.stringify([...earlier, ...rows], null, 2)}\n`);
}
