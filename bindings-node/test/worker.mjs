// What the Workers of process.test.mjs do.
import { parentPort, workerData } from 'node:worker_threads';
import { CertificateManager, generateKeyAndCsr } from '@catalyst/pki';

const { csrPem } = await generateKeyAndCsr('node', 'a');

const work = {
  once: () => parentPort.postMessage(csrPem.length > 0),
  async sign() {
    parentPort.postMessage((await twentySigns(await newManager())).length);
  },
  async forever() {
    const manager = await newManager();
    parentPort.postMessage('busy');
    for (;;) await twentySigns(manager);
  },
};

await work[workerData]();

async function newManager() {
  const manager = CertificateManager.ephemeral();
  await manager.initialize();
  return manager;
}

function twentySigns(manager) {
  const sign = () => manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a' });
  return Promise.all(Array.from({ length: 20 }, sign));
}
