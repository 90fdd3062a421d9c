// The whole way in C++17: a CA, a certificate, a peer verified, another refused.
#include <iostream>
#include <pki.hpp>

int main() {
  const auto config = [] {
    pki::Config config;
    config.trust_domain("mesh.example.com").svid_ttl(600);
    return config;
  }();
  const pki::Manager manager = pki::Manager::in_memory(config);
  manager.initialize();

  const auto id = pki::SpiffeId::build("mesh.example.com", "node", "node-a.example.com");
  const pki::KeyCsr key(id.uri(), {});
  const pki::Signed issued = manager.sign(key.csr_pem(), id);

  const pki::Bundle bundle = manager.bundle();
  pki::PolicyBuilder builder(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, bundle.trust_domain());
  builder.anchors_pem(bundle.anchors_pem(PKI_SEGMENT_SERVICES))
      .pin_roots_pem(bundle.root_pem())
      .expect({"spiffe://mesh.example.com/node/*"});
  const pki::Policy policy = builder.build();
  std::cout << policy.verify(pki::Chain().add_pem(issued.tls_chain_pem())).spiffe_id() << '\n';

  // An Envoy has no business on the control plane.
  const auto envoy = pki::SpiffeId::build("mesh.example.com", "envoy/app", "node-a.example.com");
  const pki::KeyCsr envoy_key(envoy.uri());
  const pki::Signed envoys = manager.sign(envoy_key.csr_pem(), envoy);
  try {
    policy.verify(pki::Chain().add_pem(envoys.tls_chain_pem()));
    std::cout << "the Envoy was NOT refused\n";
    return 1;
  } catch (const pki::Error &error) {
    std::cout << "the Envoy is refused: " << error.name() << ": " << error.what() << '\n';
  }

  manager.deny(id.uri(), "its disk was stolen");
  try {
    manager.sign(key.csr_pem(), id);
    return 1;
  } catch (const pki::Error &error) {
    std::cout << "denied: " << error.name() << '\n';
    return error.code() == PKI_ERR_IDENTITY_DENIED && manager.allow(id.uri()) ? 0 : 1;
  }
}
