// Every class of pki.hpp in use. Prints a line for what fails, and how many checks there were.
//
//   suite FOLDER
#include <atomic>
#include <cstdio>
#include <fstream>
#include <pki.hpp>
#include <thread>
#include <type_traits>

namespace {

int passed, failures;

void check_at(bool ok, const char *what, int line) {
  if (ok) {
    passed++;
  } else {
    failures++;
    std::printf("line %d: %s\n", line, what);
  }
}
#define CHECK(condition) check_at((condition), #condition, __LINE__)

// The code of what is thrown; PKI_OK if nothing is.
template <typename Function>
pki_result thrown(Function function) {
  try {
    function();
    return PKI_OK;
  } catch (const pki::Error &error) {
    return error.code();
  }
}

constexpr const char *kDomain = "mesh.example.com";
constexpr const char *kNode = "spiffe://mesh.example.com/node/node-a";
std::atomic<std::int64_t> now{INT64_C(1800000000000)};

pki::Manager made(const char *domain = kDomain) {
  pki::Config config;
  config.trust_domain(domain).clock([] { return now.load(); });
  pki::Manager manager = pki::Manager::in_memory(config);
  manager.initialize();
  return manager;
}

pki::Signed issue(const pki::Manager &manager, const std::string &id) {
  const pki::KeyCsr key(id);
  return manager.sign(key.csr_pem(), pki::SpiffeId::parse(id));
}

pki::Chain chain_of(std::string_view pem) {
  pki::Chain chain;
  chain.add_pem(pem);
  return chain;
}

void words() {
  CHECK(pki::version().size() >= 5 && pki::abi_version() == PKI_ABI_VERSION);
  const auto id = pki::SpiffeId::build(kDomain, "node", "node-a");
  CHECK(id.uri() == kNode && id.trust_domain() == kDomain);
  CHECK(id.service_type() == "node" && id.instance_id() == "node-a");
  CHECK(pki::SpiffeId::is_valid(kNode) && !pki::SpiffeId::is_valid({}));
  const pki::KeyCsr key(kNode, {"a.example.com"});
  CHECK(key.spiffe_id() == kNode && !key.private_key_pem().empty() && !key.csr_pem().empty());
  try {
    pki::SpiffeId::parse("http://x");
    CHECK(false);
  } catch (const pki::Error &error) {
    CHECK(error.code() == PKI_ERR_INVALID_SPIFFE_ID && !error.is_retryable());
    CHECK(error.name() == "PKI_ERR_INVALID_SPIFFE_ID");
    CHECK(std::string_view(error.what()).find("spiffe://") != std::string_view::npos);
  }
}

void handles() {
  // What a function of pki.h has made is taken over.
  pki_spiffe_id *raw = nullptr;
  CHECK(pki_spiffe_id_parse(PKI_ARG(pki::str(kNode)), &raw, nullptr) == PKI_OK);
  pki::SpiffeId id(raw);
  CHECK(id.get() == raw && id.uri() == kNode);
  // Moving leaves nothing behind that could be freed twice, nor used by mistake.
  pki::SpiffeId moved(std::move(id));
  CHECK(moved.get() == raw && moved && !id && id.uri().empty());
  id = pki::SpiffeId::build(kDomain, "auth", "a");
  moved = std::move(id);
  CHECK(moved.service_type() == "auth");
  static_assert(!std::is_copy_constructible<pki::SpiffeId>::value, "it would be freed twice");
  static_assert(!std::is_convertible<pki_spiffe_id *, pki::SpiffeId>::value, "only if it is said");
  // What a callback of a handle needs goes after the handle.
  auto kept = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = kept;
  {
    const pki::Chain chain(nullptr, std::move(kept));
    CHECK(!seen.expired());
  }
  CHECK(seen.expired());
}

void configuration(const std::string &folder) {
  const std::string file = folder + "/pki.db", passphrase = folder + "/passphrase";
  std::ofstream(passphrase) << "correct horse\n";
  pki::Config config;
  config.trust_domain(kDomain).svid_ttl(600).max_svid_ttl(3600).name_constraints("none");
  config.ca_common_name(PKI_CA_ROOT, "My Root").root_lifetime(86400 * 3000);
  config.intermediate_lifetime(86400 * 700).allow_dns_suffix("svc.example.com");
  config.use_development_key_file().passphrase_file(passphrase);
  config.busy_timeout(std::chrono::milliseconds(250));
  CHECK(thrown([&] { config.passphrase(""); }) == PKI_ERR_INVALID_ARGUMENT);
  {
    const pki::Manager manager = pki::Manager::open(file, config);
    CHECK(!manager.load() && !manager.is_initialized() && manager.trust_domain() == kDomain);
    const pki::Fingerprints made = manager.initialize();
    CHECK(made.root().size() == 43 && made.services_ca().size() == 43);
    CHECK(made.transport_ca() != made.services_ca());
    CHECK(manager.status().ca_common_name(PKI_CA_ROOT) == "My Root");
    const std::string copy = folder + "/copy.db";
    const pki::Backup backup = manager.backup(copy);
    CHECK(backup.path() == copy && backup.size() > 4096 && !backup.has_key());
    CHECK(backup.key_file().empty() && !backup.notice().empty());
    CHECK(thrown([&] { manager.backup(copy); }) == PKI_ERR_INVALID_ARGUMENT);
    manager.restore(copy);
    CHECK(thrown([&] { manager.restore(passphrase); }) == PKI_ERR_STORE_UNAVAILABLE);
  }
  const pki::Manager again = pki::Manager::open(file, config.passphrase("correct horse"));
  CHECK(again.load() && again.is_initialized());
  again.shutdown();
  CHECK(thrown([&] { again.bundle(); }) == PKI_ERR_SHUT_DOWN);
  config.passphrase("another");
  CHECK(thrown([&] { pki::Manager::open(file, config); }) == PKI_ERR_WRONG_PASSPHRASE);
}

void authority() {
  const pki::Manager manager = made();
  const pki::KeyCsr key(kNode);
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  request.csr_pem = pki::str(key.csr_pem());
  request.service_type = pki::str("node");
  request.instance_id = pki::str("node-a");
  const pki::Signed node = manager.sign(request);
  CHECK(node.chain_len() == 2 && node.chain_pem(2).empty() && node.serial().size() > 30);
  CHECK(node.fingerprint().size() == 43 && node.renew_after() < node.expires_at());
  CHECK(node.omitted_dns_names_len() == 0 && node.omitted_dns_name(0).empty());
  CHECK(node.tls_chain_pem().find(node.certificate_pem()) == 0);
  const auto id = pki::SpiffeId::parse(kNode);
  CHECK(manager.sign(key.csr_pem(), id, 60).expires_at() < node.expires_at());
  CHECK(thrown([&] { manager.sign(key.csr_pem(), id, 60, 2); }) == PKI_ERR_INVALID_ARGUMENT);

  const pki::Bundle bundle = manager.bundle();
  CHECK(bundle.trust_domain() == kDomain && bundle.anchors_len(PKI_SEGMENT_SERVICES) == 1);
  CHECK(bundle.anchor_pem(PKI_SEGMENT_SERVICES, 0) == bundle.anchors_pem(PKI_SEGMENT_SERVICES));
  CHECK(bundle.full_chain_pem(PKI_SEGMENT_TRANSPORT).size() > bundle.root_pem().size());
  CHECK(bundle.version()[0] == 'v' && bundle.sequence() > 0 && bundle.expires_at() > now);

  const pki::Expiring expiring = manager.deny(kNode, "its disk was stolen");
  CHECK(expiring.size() == 2 && expiring.serial(1) == node.serial());
  CHECK(expiring.expires_at(1) / 1000 == node.expires_at() / 1000 && expiring.serial(2).empty());
  const pki::DenyList list = manager.deny_list();
  CHECK(list.size() == 1 && list.spiffe_id(0) == kNode && list.denied_at(0) == now);
  CHECK(list.reason(0) == "its disk was stolen");

  manager.deny_serial(node.serial(), "its key leaked");
  manager.deny_serial("0badcafe", "seen in the wild", "transport");
  const pki::DeniedSerials serials = manager.denied_serials();
  CHECK(serials.size() == 2 && serials.reason(2).empty() && serials.denied_at(0) == now);
  const std::size_t at = serials.serial(0) == node.serial() ? 0 : 1;
  CHECK(serials.serial(at) == node.serial() && serials.reason(at) == "its key leaked");
  CHECK(serials.expires_at(at) / 1000 == node.expires_at() / 1000);
  CHECK(serials.expires_at(1 - at) == 0);
  const pki::Crl crl = manager.crl("services");
  CHECK(crl.issuer_key_id() == serials.issuer_key_id(at) && crl.der().len > 200);
  CHECK(crl.number() >= static_cast<std::uint64_t>(now) && crl.this_update() < now);
  CHECK(crl.next_update() > now + std::int64_t{24} * 3600 * 1000);
  CHECK(thrown([&] { manager.sign(request); }) == PKI_ERR_IDENTITY_DENIED);

  const pki::Status status = manager.status();
  CHECK(status.health() == PKI_HEALTH_HEALTHY && status.trust_domain() == kDomain);
  CHECK(status.has_ca(PKI_CA_ROOT) && !status.has_ca(9));
  CHECK(status.ca_fingerprint(PKI_CA_ROOT).size() == 43);
  CHECK(status.ca_algorithm(PKI_CA_SERVICES) == "ECDSA P-384");
  CHECK(status.ca_expires_at(PKI_CA_SERVICES) > now && status.ca_issued(PKI_CA_SERVICES) == 2);
  CHECK(status.active_certificates() == 2 && status.denied_identities() == 1);
  CHECK(status.warnings_len() == 0 && status.warning(0).empty());
  CHECK(!status.warning_is_critical(0) && status.notices_len() == 0 && status.notice(0).empty());
  CHECK(manager.allow(kNode) && !manager.allow(kNode));
  const std::int64_t before = now;
  now += INT64_C(3) * 24 * 3600 * 1000;
  CHECK(manager.purge() == 2);
  now = before;
}

void peers() {
  const pki::Manager manager = made(), foreign = made("other.example.org");
  const pki::Bundle bundle = manager.bundle();
  const pki::Signed node = issue(manager, kNode);
  const pki::Signed guest = issue(foreign, "spiffe://other.example.org/node/b");
  const pki::Chain anchors = chain_of(bundle.anchors_pem(PKI_SEGMENT_SERVICES));
  const pki::Chain roots = chain_of(bundle.root_pem());
  const pki_bytes anchor = anchors.der(0), root = roots.der(0);

  pki::PolicyBuilder builder(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, kDomain);
  builder.anchor_der(anchor.data, anchor.len).pin_root_der(root.data, root.len);
  builder.federate("other.example.org", foreign.bundle().root_pem(),
                   {"spiffe://other.example.org/node/*"});
  builder.skew(1000).allow_algorithm(PKI_ALGORITHM_P256).at(now).denied(pki::Denied());
  const pki::Policy policy = builder.build();
  CHECK(thrown([&] { builder.expect({"x"}); }) == PKI_ERR_INVALID_ARGUMENT);

  const pki::Chain sent = chain_of(node.tls_chain_pem());
  const pki::Svid svid = policy.verify(sent);
  CHECK(svid.spiffe_id() == kNode && svid.trust_domain() == kDomain);
  CHECK(svid.service_type() == "node" && svid.instance_id() == "node-a");
  CHECK(svid.fingerprint() == node.fingerprint() && svid.serial() == node.serial());
  CHECK(svid.not_before() < now && svid.not_after() == node.expires_at());
  CHECK(svid.issuer() == "CN=Catalyst Services CA" && svid.issuer_key_id().size() >= 40);
  CHECK(policy.verify(chain_of(guest.tls_chain_pem())).trust_domain() == "other.example.org");

  const pki::Policy others = policy.with_expected({"spiffe://mesh.example.com/auth/*"});
  CHECK(thrown([&] { others.verify(sent); }) == PKI_ERR_UNEXPECTED_PEER);
  const pki::Policy later = policy.with_at(node.expires_at() + 3000);
  CHECK(thrown([&] { later.verify(sent); }) == PKI_ERR_CERTIFICATE_EXPIRED);
  pki::Denied denied;
  denied.add_issuer("00ff").check(svid);
  denied.add_serial(svid.issuer_key_id(), svid.serial());
  CHECK(thrown([&] { denied.check(svid); }) == PKI_ERR_SERIAL_DENIED);
  const pki::Policy strict = policy.with_denied(denied.add_identity(kNode));
  CHECK(thrown([&] { strict.verify(sent); }) == PKI_ERR_IDENTITY_DENIED);

  pki::PolicyBuilder typed(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, kDomain);
  typed.anchors_pem_for(bundle.anchors_pem(PKI_SEGMENT_SERVICES), {"node"});
  CHECK(typed.at(now).expect({kNode}).build().verify(sent).spiffe_id() == kNode);
  pki::PolicyBuilder nobody(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, kDomain);
  nobody.anchors_pem(bundle.anchors_pem(PKI_SEGMENT_SERVICES)).expect({});
  CHECK(thrown([&] { nobody.build(); }) == PKI_ERR_INVALID_POLICY);
  CHECK(thrown([&] { policy.with_expected({}); }) == PKI_ERR_INVALID_POLICY);
  pki::PolicyBuilder listed(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, kDomain);
  listed.anchors_pem(bundle.anchors_pem(PKI_SEGMENT_SERVICES)).require_crl().at(now);
  const pki::Policy careful = listed.build();
  CHECK(thrown([&] { careful.verify(sent); }) == PKI_ERR_REVOCATION_UNKNOWN);
  pki::PolicyBuilder revoking(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, kDomain);
  revoking.anchors_pem(bundle.anchors_pem(PKI_SEGMENT_SERVICES)).pin_roots_pem(bundle.root_pem());
  revoking.crl_der(root.data, root.len);
  CHECK(thrown([&] { revoking.build(); }) == PKI_ERR_CRL_INVALID);
  CHECK(thrown([&] { policy.with_crls({root}); }) == PKI_ERR_CRL_INVALID);
  CHECK(policy.with_crls({}).verify(sent).spiffe_id() == kNode);
}

void paths() {
  const pki::Manager manager = made();
  const pki::Signed node = issue(manager, kNode);
  const pki::Chain roots = chain_of(manager.bundle().root_pem());
  const pki::Chain sent = chain_of(node.tls_chain_pem());
  pki::PathPolicy policy;
  policy.at(now).usage(PKI_USAGE_CLIENT).profile(PKI_PROFILE_RFC5280).skew(1000).max_depth(1);
  CHECK(thrown([&] { policy.verify(sent); }) == PKI_ERR_UNTRUSTED_ISSUER);
  const pki::Chain path = policy.anchors(roots).allow_algorithm(PKI_ALGORITHM_RSA).verify(sent);
  CHECK(path.size() == 3 && path.pem(2) == roots.pem(0));
  CHECK(path.fingerprint(0) == node.fingerprint());
  pki::PathPolicy careful;
  careful.anchors(roots).at(now).require_crl();
  CHECK(thrown([&] { careful.verify(sent); }) == PKI_ERR_REVOCATION_UNKNOWN);
  pki::Chain copy;
  copy.add_der(path.der(0).data, path.der(0).len);
  CHECK(copy.pem(0) == node.certificate_pem());
  CHECK(thrown([&] { policy.ip_address("x"); }) == PKI_ERR_INVALID_ARGUMENT);
  policy.dns_name("x.example").email("a@example.com");
  CHECK(thrown([&] { policy.verify(sent); }) == PKI_ERR_NAME_MISMATCH);
  policy.purpose("1.3.6.1.5.5.7.3.8");
  CHECK(thrown([&] { policy.verify(sent); }) == PKI_ERR_USAGE_NOT_ALLOWED);
  const pki_bytes der = sent.der(0);
  CHECK(thrown([&] { policy.crl_der(der.data, der.len); }) == PKI_ERR_CRL_INVALID);
}

// Something that says whether it is still there.
struct Witness {
  std::shared_ptr<std::int64_t> value = std::make_shared<std::int64_t>(now.load());
  std::weak_ptr<std::int64_t> seen = value;
};

void clocks() {
  Witness first, second;
  pki::Config config;
  config.trust_domain(kDomain).clock([value = std::move(first.value)] { return *value; });
  pki::Manager manager = pki::Manager::in_memory(config);
  // The configuration's next clock is none of the first manager's.
  config.clock([value = std::move(second.value)] { return *value; });
  CHECK(!first.seen.expired());
  manager.initialize();
  const pki::Signed node = issue(manager, kNode);
  CHECK(node.expires_at() > now && node.expires_at() < now + INT64_C(7) * 24 * 3600 * 1000);
  manager = pki::Manager::in_memory(config);
  CHECK(first.seen.expired());
  { const pki::Config gone(std::move(config)); }
  CHECK(!second.seen.expired());
  manager.initialize();
  CHECK(issue(manager, kNode).expires_at() > now);
  manager = pki::Manager(nullptr);
  CHECK(second.seen.expired());

  // The operating system's again.
  pki::Config usual;
  usual.trust_domain(kDomain).clock([] { return INT64_C(0); }).clock({});
  const pki::Manager present = pki::Manager::in_memory(usual);
  present.initialize();
  CHECK(issue(present, kNode).expires_at() > INT64_C(1600000000000));

  // One that throws ends nobody's program, and nothing is issued by it.
  bool broken = false;
  pki::Config odd;
  odd.trust_domain(kDomain).clock([&broken] {
    if (broken) throw std::runtime_error("no time");
    return now.load();
  });
  const pki::Manager timeless = pki::Manager::in_memory(odd);
  timeless.initialize();
  broken = true;
  CHECK(thrown([&] { issue(timeless, kNode); }) == PKI_ERR_SIGNING_CA_NOT_YET_VALID);
}

void log() {
  const pki::Manager manager = made();
  auto events = std::make_shared<std::atomic<int>>(0);
  const std::weak_ptr<std::atomic<int>> seen = events;
  pki_result within = PKI_OK;
  pki::set_log(
      [events, &within](const pki_log_event &event) {
        if (pki::view(event.message) == "Certificate issued" && event.fields_len > 0) ++*events;
        within = thrown([] { pki::set_log({}, PKI_LOG_INFO); });
        throw std::runtime_error("nobody hears this");
      },
      PKI_LOG_INFO);
  issue(manager, kNode);
  CHECK(*events == 1 && within == PKI_ERR_INVALID_ARGUMENT);
  events.reset();
  CHECK(!seen.expired());
  CHECK(thrown([] { pki::set_log([](const pki_log_event &) {}, 9); }) == PKI_ERR_INVALID_ARGUMENT);
  issue(manager, kNode);
  CHECK(*seen.lock() == 2);

  // Changed by two threads while two others are heard: none is called after it is gone.
  std::atomic<bool> done{false};
  std::vector<std::thread> issuers, setters;
  for (int at = 0; at < 2; at++)
    issuers.emplace_back([&] {
      while (!done) issue(manager, kNode);
    });
  for (int at = 0; at < 2; at++)
    setters.emplace_back([] {
      for (int turn = 0; turn < 50; turn++) {
        auto heard = std::make_unique<std::atomic<int>>(0);
        std::shared_ptr<std::atomic<int>> shared = std::move(heard);
        pki::set_log([shared](const pki_log_event &) { ++*shared; }, PKI_LOG_INFO);
      }
    });
  for (std::thread &setter : setters) setter.join();
  done = true;
  for (std::thread &issuer : issuers) issuer.join();
  CHECK(seen.expired());
  pki::set_log({}, PKI_LOG_INFO);
}

// A peer with a certificate of its own, and what somebody must show who has taken its token.
pki::Svid peer_of(const pki::Manager &manager, const std::string &id) {
  const pki::Signed issued = issue(manager, id);
  pki::PolicyBuilder builder(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, kDomain);
  builder.anchors_pem(manager.bundle().anchors_pem(PKI_SEGMENT_SERVICES)).at(now);
  return builder.build().verify(chain_of(issued.tls_chain_pem()));
}

void tokens() {
  const std::string kPeer = "spiffe://mesh.example.com/orchestrator/node-b";
  const pki::Manager manager = made();
  const pki::Svid peer = peer_of(manager, kPeer), thief = peer_of(manager, kNode);
  const pki::TokenIssuer issuer(manager, "node-a", {"other.example.org"}, {"orchestrator"});
  pki_token_request request = PKI_TOKEN_REQUEST_INIT;
  request.subject = request.entity_id = request.entity_name = pki::str("node-b");
  request.entity_type = pki::str("service");
  request.principal = pki::str("NODE");
  request.certificate_fingerprint = pki::str(peer.fingerprint());
  CHECK(thrown([&] { issuer.mint(request); }) == PKI_ERR_TOKEN_ISSUER_NOT_READY);
  issuer.initialize();
  const pki::Token token = issuer.mint(request);
  CHECK(token.expires_at() == now + 3600000 && !token.outlives_certificate());
  CHECK(token.fingerprint() == peer.fingerprint());

  const pki::TokenClaims claims = issuer.verify(token.text(), peer);
  CHECK(claims.subject() == "node-b" && claims.issuer() == "node-a");
  CHECK(claims.jti() == token.jti() && claims.expires_at() == token.expires_at());
  CHECK(claims.issued_at() == now && claims.principal() == "CATALYST::NODE");
  CHECK(claims.entity_id() == "node-b" && claims.entity_name() == "node-b");
  CHECK(claims.entity_type() == "service" && claims.entity_node_id().empty());
  CHECK(claims.entity_trusted_domains_len() == 0 && claims.entity_trusted_domain(0).empty());
  CHECK(claims.entity_trusted_nodes_len() == 0 && claims.entity_trusted_node(0).empty());
  CHECK(claims.thumbprint() == peer.fingerprint());
  CHECK(claims.audience_len() == 1 && claims.audience(0) == "node-a");
  CHECK(issuer.inspect(token.text()).jti() == token.jti());
  CHECK(issuer.authenticate(token.text(), &peer).jti() == token.jti());
  CHECK(thrown([&] { issuer.authenticate(token.text(), nullptr); }) ==
        PKI_ERR_TOKEN_BINDING_MISMATCH);
  CHECK(thrown([&] { issuer.verify(token.text(), thief); }) == PKI_ERR_TOKEN_BINDING_MISMATCH);
  CHECK(thrown([&] { issuer.inspect_for(token.text(), "node-c"); }) == PKI_ERR_INVALID_TOKEN);

  const pki::TokenVerifier verifier =
      pki::TokenVerifier("node-a", kDomain, issuer.jwks().str()).with_audience("node-a");
  const pki::TokenVerifier timed = verifier.with_clock([] { return now.load(); });
  CHECK(timed.verify(token.text(), peer).jti() == token.jti());
  CHECK(timed.inspect(token.text()).jti() == token.jti());
  CHECK(timed.authenticate(token.text(), &peer).jti() == token.jti());
  CHECK(timed.with_federated({"other.example.org"}).verify(token.text(), peer).jti() ==
        token.jti());
  const pki::TokenVerifier late = timed.with_clock([] { return now.load() + 3700000; });
  CHECK(thrown([&] { late.verify(token.text(), peer); }) == PKI_ERR_TOKEN_EXPIRED);
  const pki::TokenVerifier strict = timed.with_service_types({"auth"});
  CHECK(thrown([&] { strict.verify(token.text(), peer); }) == PKI_ERR_TOKEN_IDENTITY_MISMATCH);
  const pki::TokenVerifier keyless = timed.with_jwks("{\"keys\":[]}");
  CHECK(thrown([&] { keyless.verify(token.text(), peer); }) == PKI_ERR_TOKEN_KEY_NOT_FOUND);
  const pki::TokenVerifier told = timed.with_revoked({std::string(token.jti())});
  CHECK(thrown([&] { told.verify(token.text(), peer); }) == PKI_ERR_TOKEN_REVOKED);

  const pki::TokenList list = issuer.list(PKI_TOKENS_BY_SUBJECT, "node-b");
  CHECK(list.size() == 1 && list.cursor().empty() && list.jti(0) == token.jti());
  CHECK(list.family(0) == token.jti() && list.subject(0) == "node-b");
  CHECK(list.entity_id(0) == "node-b" && list.entity_name(0) == "node-b");
  CHECK(list.entity_type(0) == "service" && list.principal(0) == "CATALYST::NODE");
  CHECK(list.fingerprint(0) == peer.fingerprint() && list.spiffe_id(0) == kPeer);
  CHECK(list.sans_len(0) == 0 && list.san(0, 0).empty() && list.uses(0) == 0);
  CHECK(list.issued_at(0) == now && list.expires_at(0) == token.expires_at());
  CHECK(list.revoked_at(0) == 0);
  CHECK(issuer.revoke(PKI_TOKENS_BY_JTI, token.jti()) == 1);
  const pki::TextList revoked = issuer.revoked();
  CHECK(revoked.size() == 1 && revoked.at(0) == token.jti());
  CHECK(thrown([&] { issuer.verifier().verify(token.text(), peer); }) == PKI_ERR_TOKEN_REVOKED);

  const pki::KeyRotation rotation = issuer.rotate_keys();
  CHECK(rotation.previous_key_id() != rotation.new_key_id());
  CHECK(rotation.grace_period_ends_at() == now + 24 * 3600000);

  const pki::KeyCsr key("spiffe://mesh.example.com/node/node-new");
  request.principal = pki::str("BOOTSTRAP");
  request.certificate_fingerprint = pki_str{nullptr, 0};
  request.spiffe_id = pki::str(key.spiffe_id());
  const pki::Token first = issuer.mint(request);
  const pki::Text jti = issuer.bootstrap(first.text(), key.spiffe_id());
  pki_sign_request sign = PKI_SIGN_REQUEST_INIT;
  sign.csr_pem = pki::str(key.csr_pem());
  sign.service_type = pki::str("node");
  sign.instance_id = pki::str("node-new");
  sign.token_jti = pki::str(jti.str());
  CHECK(manager.sign(sign).serial() == manager.sign(sign).serial());

  const pki::Chain chain = chain_of(manager.bundle().root_pem());
  const pki_bytes der = chain.der(0);
  CHECK(pki::certificate_thumbprint(der.data, der.len).str() == chain.fingerprint(0));
}

// What a token's issuer and verifier call lives as long as they do.
void clocks_of_tokens() {
  auto clock = std::make_shared<int>(0);
  const std::weak_ptr<int> kept = clock;
  std::unique_ptr<pki::TokenVerifier> verifier;
  {
    pki::Config config;
    config.trust_domain(kDomain).clock([clock] { return now.load(); });
    clock.reset();
    const pki::TokenIssuer issuer(pki::Manager::in_memory(config), "node-a");
    config.clock({});
    issuer.initialize();
    verifier = std::make_unique<pki::TokenVerifier>(issuer.verifier().with_audience("node-b"));
  }
  CHECK(!kept.expired());
  CHECK(thrown([&] { verifier->inspect("no.token.atall"); }) == PKI_ERR_INVALID_TOKEN);
  verifier.reset();
  CHECK(kept.expired());
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  words();
  handles();
  configuration(argv[1]);
  authority();
  peers();
  paths();
  clocks();
  log();
  tokens();
  clocks_of_tokens();
  std::printf("%d passed, %d failed\n", passed, failures);
  return failures != 0;
}
