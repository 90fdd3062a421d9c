// One side of mutual TLS, in Bun or in Node, with node:tls alone: nothing of ours looks at the
// certificates.
//
//   peer.mjs serve CASES            listens for each case; prints a line with the list of ports;
//                                   ends when its standard input does
//   peer.mjs connect CASES PORTS    connects for each case; prints for each: "welcome", or the error
//
// A case: { server: { cert, key }, client: { cert, key }, serverTrusts, clientTrusts, host }

import { readFileSync } from "node:fs";
import tls from "node:tls";

const [mode, casesFile, ports] = process.argv.slice(2);
const cases = JSON.parse(readFileSync(casesFile, "utf8"));

// The anchors are intermediates.
const trust = (ca) => ({ ca, allowPartialTrustChain: true });

function listen({ server: { cert, key }, serverTrusts }) {
  const context = { cert, key, ...trust(serverTrusts) };
  const server = tls.createServer({
    ...context,
    requestCert: true,
    rejectUnauthorized: true,
    // Node's servers take allowPartialTrustChain from here alone.
    ...(process.versions.bun
      ? {}
      : { SNICallback: (_, done) => done(null, tls.createSecureContext(context)) }),
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    socket.end(socket.authorized ? "welcome" : "unauthorized");
  });
  server.on("tlsClientError", () => {});
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve(server.address().port)),
  );
}

function connect({ client: { cert, key }, clientTrusts, host }, port) {
  return new Promise((resolve) => {
    let received = "";
    const socket = tls.connect({
      host: "127.0.0.1",
      port,
      servername: host,
      cert,
      key,
      ...trust(clientTrusts),
      rejectUnauthorized: true,
    });
    socket.setTimeout(10_000, () => resolve("timeout"));
    socket.on("data", (data) => (received += data));
    socket.on("error", (error) => resolve(`client: ${error.code ?? error.message}`));
    socket.on("close", () => resolve(received || "server: closed"));
  });
}

if (mode === "serve") {
  console.log(JSON.stringify(await Promise.all(cases.map(listen))));
  process.stdin.on("end", () => process.exit(0)).resume();
} else {
  const answers = [];
  for (const [at, port] of JSON.parse(ports).entries()) {
    answers.push(await connect(cases[at], port));
  }
  console.log(JSON.stringify(answers));
  process.exit(0);
}
