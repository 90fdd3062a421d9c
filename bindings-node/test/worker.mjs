// What the Workers of process.test.mjs do.
import { parentPort, workerData } from 'node:worker_threads';
import { CertificateManager, generateKeyAndCsr } from '@catalyst/pki';

const manager = CertificateManager.ephemeral();
await manager.initialize();
const { csrPem } = await generateKeyAndCsr('node', 'a');
const sign = () => manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a' });

if (workerData === 'sign') {
  const signed = await Promise.all(Array.from({ length: 20 }, sign));
  parentPort.postMessage(signed.length);
} else {
  parentPort.postMessage('busy');
  for (;;) await Promise.all(Array.from({ length: 20 }, sign));
}
