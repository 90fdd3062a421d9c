/**
 * @file pki.hpp
 * libpki for C++17: what pki.h has, in objects that free themselves and errors that are thrown.
 * Header-only, and thin: each object holds one handle of pki.h, which `get()` gives. What a text
 * borrows lives as long as the object that it was taken from; threads are as in pki.h.
 */
#ifndef PKI_HPP
#define PKI_HPP

#include <pki.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace pki {

/** A text as C++ has it. */
inline std::string_view view(pki_str text) { return {text.data, text.len}; }

/** A text as C has it; an empty view may have no pointer, which to C would mean "not given". */
inline pki_str str(std::string_view text) {
  pki_str given;
  given.data = text.data() == nullptr ? "" : text.data();
  given.len = text.size();
  return given;
}

/** What went wrong. */
class Error : public std::runtime_error {
 public:
  /** Takes an error of pki.h over. */
  explicit Error(pki_error *error)
      : std::runtime_error(pki_error_message(error).data),
        code_(pki_error_code(error)),
        retryable_(pki_error_is_retryable(error)) {
    pki_error_free(error);
  }
  /** `PKI_ERR_…` */
  pki_result code() const noexcept { return code_; }
  /** Its name. */
  std::string_view name() const noexcept { return view(pki_result_name(code_)); }
  /** Whether the same call may succeed later. */
  bool is_retryable() const noexcept { return retryable_; }

 private:
  pki_result code_;
  bool retryable_;
};

/**
 * Throws what a function of pki.h has reported. By reference, because the call that writes `error`
 * stands in the same argument list.
 */
inline void check(pki_result result, pki_error *const &error) {
  if (result != PKI_OK) throw Error(error);
}

namespace detail {

/** A handle that frees itself. */
template <typename T, void (*Free)(T *)>
class Handle {
 public:
  /** The handle, for functions of pki.h; it stays this object's. */
  T *get() const noexcept { return handle_.get(); }

 protected:
  explicit Handle(T *handle) noexcept : handle_(handle) {}

  /** Calls a function of pki.h that makes a handle. */
  template <typename Function, typename... Arguments>
  static T *make(Function function, Arguments... arguments) {
    T *out = nullptr;
    pki_error *error = nullptr;
    check(function(arguments..., &out, &error), error);
    return out;
  }

  /** Calls one that makes nothing. */
  template <typename Function, typename... Arguments>
  static void call(Function function, Arguments... arguments) {
    pki_error *error = nullptr;
    check(function(arguments..., &error), error);
  }

 private:
  struct Deleter {
    void operator()(T *handle) const noexcept { Free(handle); }
  };
  std::unique_ptr<T, Deleter> handle_;
};

inline std::vector<pki_str> strs(const std::vector<std::string> &texts) {
  std::vector<pki_str> out;
  out.reserve(texts.size());
  for (const std::string &text : texts) out.push_back(str(text));
  return out;
}

}  // namespace detail

/** The SPIFFE ID of a workload. */
class SpiffeId : public detail::Handle<pki_spiffe_id, pki_spiffe_id_free> {
 public:
  static SpiffeId parse(std::string_view uri) {
    const pki_str given = str(uri);
    return SpiffeId(make(pki_spiffe_id_parse, given.data, given.len));
  }
  static SpiffeId build(std::string_view domain, std::string_view type, std::string_view instance) {
    const pki_str a = str(domain), b = str(type), c = str(instance);
    return SpiffeId(make(pki_spiffe_id_build, a.data, a.len, b.data, b.len, c.data, c.len));
  }
  static bool is_valid(std::string_view uri) noexcept {
    const pki_str given = str(uri);
    return pki_spiffe_id_is_valid(given.data, given.len);
  }
  std::string_view uri() const noexcept { return view(pki_spiffe_id_uri(get())); }
  std::string_view trust_domain() const noexcept { return view(pki_spiffe_id_trust_domain(get())); }
  std::string_view service_type() const noexcept { return view(pki_spiffe_id_service_type(get())); }
  std::string_view instance_id() const noexcept { return view(pki_spiffe_id_instance_id(get())); }

 private:
  explicit SpiffeId(pki_spiffe_id *handle) noexcept : Handle(handle) {}
};

/** A new private key with the request for its certificate. */
class KeyCsr : public detail::Handle<pki_key_csr, pki_key_csr_free> {
 public:
  explicit KeyCsr(std::string_view spiffe_id, const std::vector<std::string> &dns = {})
      : Handle(made(str(spiffe_id), detail::strs(dns))) {}
  std::string_view private_key_pem() const noexcept {
    return view(pki_key_csr_private_key_pem(get()));
  }
  std::string_view csr_pem() const noexcept { return view(pki_key_csr_csr_pem(get())); }

 private:
  static pki_key_csr *made(pki_str id, const std::vector<pki_str> &dns) {
    return make(pki_key_csr_new, id.data, id.len, dns.data(), dns.size());
  }
};

/** A certificate that was issued. */
class Signed : public detail::Handle<pki_signed, pki_signed_free> {
 public:
  explicit Signed(pki_signed *handle) noexcept : Handle(handle) {}
  std::string_view certificate_pem() const noexcept {
    return view(pki_signed_certificate_pem(get()));
  }
  std::string_view tls_chain_pem() const noexcept { return view(pki_signed_tls_chain_pem(get())); }
  std::string_view fingerprint() const noexcept { return view(pki_signed_fingerprint(get())); }
  std::string_view serial() const noexcept { return view(pki_signed_serial(get())); }
  std::int64_t expires_at() const noexcept { return pki_signed_expires_at(get()); }
  std::int64_t renew_after() const noexcept { return pki_signed_renew_after(get()); }
};

/** The CA certificates of a trust domain. */
class Bundle : public detail::Handle<pki_bundle, pki_bundle_free> {
 public:
  explicit Bundle(pki_bundle *handle) noexcept : Handle(handle) {}
  std::string_view trust_domain() const noexcept { return view(pki_bundle_trust_domain(get())); }
  std::string_view anchors_pem(pki_segment segment) const noexcept {
    return view(pki_bundle_anchors_pem(get(), segment));
  }
  std::string_view root_pem() const noexcept { return view(pki_bundle_root_pem(get())); }
  std::string_view version() const noexcept { return view(pki_bundle_version(get())); }
};

/** How a manager works. */
class Config : public detail::Handle<pki_config, pki_config_free> {
 public:
  Config() : Handle(make(pki_config_new)) {}
  Config &trust_domain(std::string_view domain) {
    const pki_str given = str(domain);
    call(pki_config_set_trust_domain, get(), given.data, given.len);
    return *this;
  }
  Config &svid_ttl(std::uint64_t seconds) {
    call(pki_config_set_svid_ttl, get(), seconds);
    return *this;
  }
  Config &passphrase(std::string_view passphrase) {
    const pki_str given = str(passphrase);
    call(pki_config_set_passphrase, get(), given.data, given.len);
    return *this;
  }
};

/** A certificate authority; threads may share one. */
class Manager : public detail::Handle<pki_manager, pki_manager_free> {
 public:
  static Manager open(std::string_view path, const Config &config) {
    const pki_str given = str(path);
    return Manager(make(pki_manager_open, given.data, given.len, config.get()));
  }
  static Manager in_memory(const Config &config) {
    return Manager(make(pki_manager_new_in_memory, config.get()));
  }
  void initialize() const {
    pki_error *error = nullptr;
    check(pki_manager_initialize(get(), nullptr, &error), error);
  }
  Signed sign(std::string_view csr_pem, const SpiffeId &id,
              std::int64_t ttl_seconds = PKI_TTL_CONFIGURED) const {
    pki_sign_request request = PKI_SIGN_REQUEST_INIT;
    request.csr_pem = str(csr_pem);
    request.service_type = pki_spiffe_id_service_type(id.get());
    request.instance_id = pki_spiffe_id_instance_id(id.get());
    request.ttl_seconds = ttl_seconds;
    pki_signed *out = nullptr;
    pki_error *error = nullptr;
    check(pki_manager_sign(get(), &request, &out, &error), error);
    return Signed(out);
  }
  Bundle bundle() const {
    pki_bundle *out = nullptr;
    pki_error *error = nullptr;
    check(pki_manager_bundle(get(), &out, &error), error);
    return Bundle(out);
  }
  void deny(std::string_view spiffe_id, std::string_view reason) const {
    const pki_str a = str(spiffe_id), b = str(reason);
    pki_error *error = nullptr;
    check(pki_manager_deny(get(), a.data, a.len, b.data, b.len, nullptr, &error), error);
  }
  bool allow(std::string_view spiffe_id) const {
    const pki_str given = str(spiffe_id);
    bool was_denied = false;
    pki_error *error = nullptr;
    check(pki_manager_allow(get(), given.data, given.len, &was_denied, &error), error);
    return was_denied;
  }

 private:
  explicit Manager(pki_manager *handle) noexcept : Handle(handle) {}
};

/** Certificates, one after another. */
class Chain : public detail::Handle<pki_chain, pki_chain_free> {
 public:
  Chain() : Handle(make(pki_chain_new)) {}
  Chain &add_pem(std::string_view pem) {
    const pki_str given = str(pem);
    call(pki_chain_add_pem, get(), given.data, given.len);
    return *this;
  }
  Chain &add_der(const std::uint8_t *der, std::size_t len) {
    call(pki_chain_add_der, get(), der, len);
    return *this;
  }
  std::size_t size() const noexcept { return pki_chain_len(get()); }
};

/** A peer that has been verified. */
class Svid : public detail::Handle<pki_svid, pki_svid_free> {
 public:
  explicit Svid(pki_svid *handle) noexcept : Handle(handle) {}
  std::string_view spiffe_id() const noexcept { return view(pki_svid_spiffe_id(get())); }
  std::string_view instance_id() const noexcept { return view(pki_svid_instance_id(get())); }
  std::string_view fingerprint() const noexcept { return view(pki_svid_fingerprint(get())); }
  std::int64_t not_after() const noexcept { return pki_svid_not_after(get()); }
};

/** Whom a verifier takes for a peer; threads may share one. */
class Policy : public detail::Handle<pki_policy, pki_policy_free> {
 public:
  explicit Policy(pki_policy *handle) noexcept : Handle(handle) {}
  Svid verify(const Chain &chain) const {
    pki_svid *out = nullptr;
    pki_error *error = nullptr;
    check(pki_verify_peer(get(), chain.get(), &out, &error), error);
    return Svid(out);
  }
};

/** Collects what makes a policy. */
class PolicyBuilder : public detail::Handle<pki_policy_builder, pki_policy_builder_free> {
 public:
  PolicyBuilder(pki_segment segment, pki_role role, std::string_view trust_domain)
      : Handle(begun(segment, role, str(trust_domain))) {}
  PolicyBuilder &anchors_pem(std::string_view pem) {
    const pki_str given = str(pem);
    call(pki_policy_builder_add_anchors_pem, get(), given.data, given.len);
    return *this;
  }
  PolicyBuilder &pin_roots_pem(std::string_view pem) {
    const pki_str given = str(pem);
    call(pki_policy_builder_pin_roots_pem, get(), given.data, given.len);
    return *this;
  }
  PolicyBuilder &expect(std::string_view pattern) {
    const pki_str given = str(pattern);
    call(pki_policy_builder_expect, get(), given.data, given.len);
    return *this;
  }
  Policy build() {
    pki_policy *out = nullptr;
    pki_error *error = nullptr;
    check(pki_policy_builder_build(get(), &out, &error), error);
    return Policy(out);
  }

 private:
  static pki_policy_builder *begun(pki_segment segment, pki_role role, pki_str domain) {
    return make(pki_policy_builder_new, segment, role, domain.data, domain.len);
  }
};

}  // namespace pki

#endif  // PKI_HPP
