/**
 * @file pki.hpp
 * libpki for C++17: what pki.h has, in objects that free themselves and errors that are thrown.
 *
 * Header-only, and thin: there is a class for every noun of pki.h and a call for every function,
 * whose comment there says the rest. Each object holds one handle, which `get()` gives;
 * its constructor takes a handle over that a function of pki.h has made. Objects can be moved, and
 * one that was moved from holds none, which pki.h takes for NULL. What a text borrows lives as long
 * as the object that it was taken from. Threads are as in pki.h, but for what is said here.
 */
#ifndef PKI_HPP
#define PKI_HPP

#include <pki.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pki {

/** A text as C++ has it. */
inline std::string_view view(pki_str text) noexcept { return {text.data, text.len}; }

/** A text as C has it; an empty view may have no pointer, which to C would mean "not given". */
inline pki_str str(std::string_view text) noexcept {
  pki_str given;
  given.data = text.data() == nullptr ? "" : text.data();
  given.len = text.size();
  return given;
}

/** The version of the library. */
inline std::string_view version() noexcept { return view(pki_version()); }

/** The version of its ABI, for comparison with `PKI_ABI_VERSION`. */
inline std::uint32_t abi_version() noexcept { return pki_abi_version(); }

/** What went wrong. */
class Error : public std::runtime_error {
 public:
  /** Takes an error of pki.h over. */
  explicit Error(pki_error *error) : Error(Owned(error)) {}
  /** `PKI_ERR_…` */
  pki_result code() const noexcept { return code_; }
  /** Its name. */
  std::string_view name() const noexcept { return view(pki_result_name(code_)); }
  /** Whether the same call may succeed later. */
  bool is_retryable() const noexcept { return retryable_; }

 private:
  struct Deleter {
    void operator()(pki_error *error) const noexcept { pki_error_free(error); }
  };
  using Owned = std::unique_ptr<pki_error, Deleter>;

  explicit Error(const Owned &error)
      : std::runtime_error(std::string(view(pki_error_message(error.get())))),
        code_(pki_error_code(error.get())),
        retryable_(pki_error_is_retryable(error.get())) {}

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

/** A handle that frees itself. */
template <typename T, void (*Free)(T *)>
class Handle {
 public:
  /**
   * Takes a handle over. `kept` is what shall live until the handle has been freed: what its
   * callbacks are given.
   */
  explicit Handle(T *handle, std::shared_ptr<void> kept = nullptr) noexcept
      : handle_(handle, Deleter{std::move(kept)}) {}
  /** The handle, for functions of pki.h; it stays this object's. */
  T *get() const noexcept { return handle_.get(); }
  /** Whether there is one: not after it was moved to another object. */
  explicit operator bool() const noexcept { return handle_ != nullptr; }

 protected:
  const std::shared_ptr<void> &kept() const noexcept { return handle_.get_deleter().kept; }
  void keep(std::shared_ptr<void> kept) noexcept { handle_.get_deleter().kept = std::move(kept); }

 private:
  // In the deleter, because a handle that another one takes the place of is freed before what it
  // needs, however it ends.
  struct Deleter {
    std::shared_ptr<void> kept;
    void operator()(T *handle) const noexcept { Free(handle); }
  };
  std::unique_ptr<T, Deleter> handle_;
};

/** Tells the time: milliseconds since 1970-01-01T00:00:00Z. Called by several threads at once. */
using Clock = std::function<std::int64_t()>;

/** Hears an event. Called by several threads at once; `pki_log_callback` says what it may do. */
using LogCallback = std::function<void(const pki_log_event &)>;

namespace detail {

/** Calls a function of pki.h that gives something. */
template <typename Out, typename Function, typename... Arguments>
Out made(Function function, Arguments... arguments) {
  Out out{};
  pki_error *error = nullptr;
  check(function(arguments..., &out, &error), error);
  return out;
}

/** Calls one that gives nothing. */
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
  pki_error *error = nullptr;
  check(function(arguments..., &error), error);
}

inline std::vector<pki_str> strs(const std::vector<std::string> &texts) {
  std::vector<pki_str> out;
  out.reserve(texts.size());
  for (const std::string &text : texts) out.push_back(str(text));
  return out;
}

/** No exception may come into Rust: by a clock that throws it is 1970, when nothing is valid. */
inline std::int64_t tell(void *clock) noexcept {
  try {
    return (*static_cast<const Clock *>(clock))();
  } catch (...) {
    return 0;
  }
}

/** The log callback that is set, and what sets it. Never destroyed: threads may outlive main. */
struct Log {
  std::mutex setting;
  std::unique_ptr<LogCallback> callback;
  static Log &only() {
    static Log *const log = new Log;
    return *log;
  }
};

/** Whether this thread is in a log callback. */
inline thread_local bool hearing = false;

inline void hear(const pki_log_event *event, void *callback) noexcept {
  hearing = true;
  try {
    (*static_cast<const LogCallback *>(callback))(*event);
  } catch (...) {
    // Nobody could be told.
  }
  hearing = false;
}

}  // namespace detail

/**
 * Gives events of this level and the more important ones to a callback; an empty one is for
 * silence. It is kept until another one has taken its place, for ever if none does; what it throws
 * is dropped. Fails in a callback.
 */
inline void set_log(LogCallback callback, pki_log_level level) {
  std::unique_ptr<LogCallback> next;
  if (callback) next = std::make_unique<LogCallback>(std::move(callback));
  const pki_log_callback hear = next ? detail::hear : nullptr;
  detail::Log &log = detail::Log::only();
  std::unique_lock<std::mutex> lock(log.setting, std::defer_lock);
  // In a callback pki_log_set refuses by itself, while another thread may hold the lock and wait
  // for this callback's end.
  if (!detail::hearing) lock.lock();
  detail::call(pki_log_set, hear, static_cast<void *>(next.get()), level);
  // What was set before is not running any more, and goes at the end of this function.
  log.callback.swap(next);
}

/** A text. */
class Text : public Handle<pki_text, pki_text_free> {
 public:
  using Handle::Handle;
  std::string_view str() const noexcept { return view(pki_text_str(get())); }
};

/** Several texts. */
class TextList : public Handle<pki_text_list, pki_text_list_free> {
 public:
  using Handle::Handle;
  std::size_t size() const noexcept { return pki_text_list_len(get()); }
  std::string_view at(std::size_t index) const noexcept {
    return view(pki_text_list_at(get(), index));
  }
};

/** The SPIFFE ID of a workload. */
class SpiffeId : public Handle<pki_spiffe_id, pki_spiffe_id_free> {
 public:
  using Handle::Handle;
  static SpiffeId parse(std::string_view uri) {
    return SpiffeId(detail::made<pki_spiffe_id *>(pki_spiffe_id_parse, PKI_ARG(str(uri))));
  }
  static SpiffeId build(std::string_view domain, std::string_view type, std::string_view instance) {
    return SpiffeId(detail::made<pki_spiffe_id *>(pki_spiffe_id_build, PKI_ARG(str(domain)),
                                                  PKI_ARG(str(type)), PKI_ARG(str(instance))));
  }
  static bool is_valid(std::string_view uri) noexcept {
    return pki_spiffe_id_is_valid(PKI_ARG(str(uri)));
  }
  std::string_view uri() const noexcept { return view(pki_spiffe_id_uri(get())); }
  std::string_view trust_domain() const noexcept { return view(pki_spiffe_id_trust_domain(get())); }
  std::string_view service_type() const noexcept { return view(pki_spiffe_id_service_type(get())); }
  std::string_view instance_id() const noexcept { return view(pki_spiffe_id_instance_id(get())); }
};

/** A new private key with the request for its certificate. */
class KeyCsr : public Handle<pki_key_csr, pki_key_csr_free> {
 public:
  using Handle::Handle;
  explicit KeyCsr(std::string_view spiffe_id, const std::vector<std::string> &dns = {})
      : Handle(made(spiffe_id, detail::strs(dns))) {}
  std::string_view private_key_pem() const noexcept {
    return view(pki_key_csr_private_key_pem(get()));
  }
  std::string_view csr_pem() const noexcept { return view(pki_key_csr_csr_pem(get())); }
  std::string_view spiffe_id() const noexcept { return view(pki_key_csr_spiffe_id(get())); }

 private:
  static pki_key_csr *made(std::string_view id, const std::vector<pki_str> &dns) {
    return detail::made<pki_key_csr *>(pki_key_csr_new, PKI_ARG(str(id)), dns.data(), dns.size());
  }
};

/** The fingerprints of a hierarchy. */
class Fingerprints : public Handle<pki_fingerprints, pki_fingerprints_free> {
 public:
  using Handle::Handle;
  std::string_view root() const noexcept { return view(pki_fingerprints_root(get())); }
  std::string_view services_ca() const noexcept {
    return view(pki_fingerprints_services_ca(get()));
  }
  std::string_view transport_ca() const noexcept {
    return view(pki_fingerprints_transport_ca(get()));
  }
};

/** A certificate that was issued. */
class Signed : public Handle<pki_signed, pki_signed_free> {
 public:
  using Handle::Handle;
  std::string_view certificate_pem() const noexcept {
    return view(pki_signed_certificate_pem(get()));
  }
  std::string_view tls_chain_pem() const noexcept { return view(pki_signed_tls_chain_pem(get())); }
  std::size_t chain_len() const noexcept { return pki_signed_chain_len(get()); }
  std::string_view chain_pem(std::size_t index) const noexcept {
    return view(pki_signed_chain_pem(get(), index));
  }
  std::string_view fingerprint() const noexcept { return view(pki_signed_fingerprint(get())); }
  std::string_view serial() const noexcept { return view(pki_signed_serial(get())); }
  std::int64_t expires_at() const noexcept { return pki_signed_expires_at(get()); }
  std::int64_t renew_after() const noexcept { return pki_signed_renew_after(get()); }
  std::size_t omitted_dns_names_len() const noexcept {
    return pki_signed_omitted_dns_names_len(get());
  }
  std::string_view omitted_dns_name(std::size_t index) const noexcept {
    return view(pki_signed_omitted_dns_name(get(), index));
  }
};

/** The CA certificates of a trust domain. */
class Bundle : public Handle<pki_bundle, pki_bundle_free> {
 public:
  using Handle::Handle;
  std::string_view trust_domain() const noexcept { return view(pki_bundle_trust_domain(get())); }
  std::string_view anchors_pem(pki_segment segment) const noexcept {
    return view(pki_bundle_anchors_pem(get(), segment));
  }
  std::size_t anchors_len(pki_segment segment) const noexcept {
    return pki_bundle_anchors_len(get(), segment);
  }
  std::string_view anchor_pem(pki_segment segment, std::size_t index) const noexcept {
    return view(pki_bundle_anchor_pem(get(), segment, index));
  }
  std::string_view full_chain_pem(pki_segment segment) const noexcept {
    return view(pki_bundle_full_chain_pem(get(), segment));
  }
  std::string_view root_pem() const noexcept { return view(pki_bundle_root_pem(get())); }
  std::string_view version() const noexcept { return view(pki_bundle_version(get())); }
  std::uint64_t sequence() const noexcept { return pki_bundle_sequence(get()); }
  std::int64_t expires_at() const noexcept { return pki_bundle_expires_at(get()); }
};

/** The revocation list of a CA. */
class Crl : public Handle<pki_crl, pki_crl_free> {
 public:
  using Handle::Handle;
  pki_bytes der() const noexcept { return pki_crl_der(get()); }
  std::uint64_t number() const noexcept { return pki_crl_number(get()); }
  std::int64_t this_update() const noexcept { return pki_crl_this_update(get()); }
  std::int64_t next_update() const noexcept { return pki_crl_next_update(get()); }
  std::string_view issuer_key_id() const noexcept { return view(pki_crl_issuer_key_id(get())); }
};

/** The certificates that a CA has revoked for good. */
class DeniedSerials : public Handle<pki_denied_serials, pki_denied_serials_free> {
 public:
  using Handle::Handle;
  std::size_t size() const noexcept { return pki_denied_serials_len(get()); }
  std::string_view serial(std::size_t index) const noexcept {
    return view(pki_denied_serials_serial(get(), index));
  }
  std::string_view issuer_key_id(std::size_t index) const noexcept {
    return view(pki_denied_serials_issuer_key_id(get(), index));
  }
  std::string_view reason(std::size_t index) const noexcept {
    return view(pki_denied_serials_reason(get(), index));
  }
  std::int64_t denied_at(std::size_t index) const noexcept {
    return pki_denied_serials_denied_at(get(), index);
  }
  std::int64_t expires_at(std::size_t index) const noexcept {
    return pki_denied_serials_expires_at(get(), index);
  }
};

/** The certificates of a denied identity that have not expired yet. */
class Expiring : public Handle<pki_expiring, pki_expiring_free> {
 public:
  using Handle::Handle;
  std::size_t size() const noexcept { return pki_expiring_len(get()); }
  std::string_view serial(std::size_t index) const noexcept {
    return view(pki_expiring_serial(get(), index));
  }
  std::int64_t expires_at(std::size_t index) const noexcept {
    return pki_expiring_expires_at(get(), index);
  }
};

/** The deny list of a CA. */
class DenyList : public Handle<pki_deny_list, pki_deny_list_free> {
 public:
  using Handle::Handle;
  std::size_t size() const noexcept { return pki_deny_list_len(get()); }
  std::string_view spiffe_id(std::size_t index) const noexcept {
    return view(pki_deny_list_spiffe_id(get(), index));
  }
  std::string_view reason(std::size_t index) const noexcept {
    return view(pki_deny_list_reason(get(), index));
  }
  std::int64_t denied_at(std::size_t index) const noexcept {
    return pki_deny_list_denied_at(get(), index);
  }
};

/** The state of a CA at one moment. */
class Status : public Handle<pki_status, pki_status_free> {
 public:
  using Handle::Handle;
  pki_health health() const noexcept { return pki_status_health(get()); }
  std::string_view trust_domain() const noexcept { return view(pki_status_trust_domain(get())); }
  bool has_ca(pki_ca_kind kind) const noexcept { return pki_status_has_ca(get(), kind); }
  std::string_view ca_fingerprint(pki_ca_kind kind) const noexcept {
    return view(pki_status_ca_fingerprint(get(), kind));
  }
  std::string_view ca_common_name(pki_ca_kind kind) const noexcept {
    return view(pki_status_ca_common_name(get(), kind));
  }
  std::string_view ca_algorithm(pki_ca_kind kind) const noexcept {
    return view(pki_status_ca_algorithm(get(), kind));
  }
  std::int64_t ca_expires_at(pki_ca_kind kind) const noexcept {
    return pki_status_ca_expires_at(get(), kind);
  }
  std::uint64_t ca_issued(pki_ca_kind kind) const noexcept {
    return pki_status_ca_issued(get(), kind);
  }
  std::uint64_t active_certificates() const noexcept {
    return pki_status_active_certificates(get());
  }
  std::uint64_t denied_identities() const noexcept { return pki_status_denied_identities(get()); }
  std::size_t warnings_len() const noexcept { return pki_status_warnings_len(get()); }
  std::string_view warning(std::size_t index) const noexcept {
    return view(pki_status_warning(get(), index));
  }
  bool warning_is_critical(std::size_t index) const noexcept {
    return pki_status_warning_is_critical(get(), index);
  }
  std::size_t notices_len() const noexcept { return pki_status_notices_len(get()); }
  std::string_view notice(std::size_t index) const noexcept {
    return view(pki_status_notice(get(), index));
  }
};

/** How a manager works. */
class Config : public Handle<pki_config, pki_config_free> {
 public:
  using Handle::Handle;
  Config() : Handle(detail::made<pki_config *>(pki_config_new)) {}
  Config &trust_domain(std::string_view domain) {
    detail::call(pki_config_set_trust_domain, get(), PKI_ARG(str(domain)));
    return *this;
  }
  Config &svid_ttl(std::uint64_t seconds) {
    detail::call(pki_config_set_svid_ttl, get(), seconds);
    return *this;
  }
  Config &max_svid_ttl(std::uint64_t seconds) {
    detail::call(pki_config_set_max_svid_ttl, get(), seconds);
    return *this;
  }
  Config &name_constraints(std::string_view mode) {
    detail::call(pki_config_set_name_constraints, get(), PKI_ARG(str(mode)));
    return *this;
  }
  Config &ca_common_name(pki_ca_kind kind, std::string_view name) {
    detail::call(pki_config_set_ca_common_name, get(), kind, PKI_ARG(str(name)));
    return *this;
  }
  Config &root_lifetime(std::uint64_t seconds) {
    detail::call(pki_config_set_root_lifetime, get(), seconds);
    return *this;
  }
  Config &intermediate_lifetime(std::uint64_t seconds) {
    detail::call(pki_config_set_intermediate_lifetime, get(), seconds);
    return *this;
  }
  Config &allow_dns_suffix(std::string_view suffix) {
    detail::call(pki_config_allow_dns_suffix, get(), PKI_ARG(str(suffix)));
    return *this;
  }
  Config &passphrase(std::string_view passphrase) {
    detail::call(pki_config_set_passphrase, get(), PKI_ARG(str(passphrase)));
    return *this;
  }
  Config &passphrase_file(std::string_view path) {
    detail::call(pki_config_set_passphrase_file, get(), PKI_ARG(str(path)));
    return *this;
  }
  /** How long a call waits for others that write into the database. */
  Config &busy_timeout(std::chrono::milliseconds time) {
    const auto count = time.count() > 0 ? static_cast<uint64_t>(time.count()) : 0;
    detail::call(pki_config_set_busy_timeout, get(), count);
    return *this;
  }
  Config &use_development_key_file() {
    detail::call(pki_config_use_development_key_file, get());
    return *this;
  }
  /**
   * Takes the time from here; from the operating system if it is empty. This object and every
   * `Manager` made with it keep the clock. By a clock that throws it is 1970, when nothing is
   * valid. Not while another thread uses this object.
   */
  Config &clock(Clock clock) {
    std::shared_ptr<Clock> kept;
    if (clock) kept = std::make_shared<Clock>(std::move(clock));
    const pki_clock_callback tell = kept ? detail::tell : nullptr;
    detail::call(pki_config_set_clock, get(), tell, static_cast<void *>(kept.get()));
    keep(std::move(kept));
    return *this;
  }

 private:
  friend class Manager;
};

/** A copy of a CA's database that has been written. */
class Backup : public Handle<pki_backup, pki_backup_free> {
 public:
  using Handle::Handle;
  std::string_view path() const noexcept { return view(pki_backup_path(get())); }
  std::uint64_t size() const noexcept { return pki_backup_size(get()); }
  bool has_key() const noexcept { return pki_backup_has_key(get()); }
  std::string_view key_file() const noexcept { return view(pki_backup_key_file(get())); }
  std::string_view notice() const noexcept { return view(pki_backup_notice(get())); }
};

/** A certificate authority; threads may share one. */
class Manager : public Handle<pki_manager, pki_manager_free> {
 public:
  using Handle::Handle;
  static Manager open(std::string_view path, const Config &config) {
    return Manager(detail::made<pki_manager *>(pki_manager_open, PKI_ARG(str(path)), config.get()),
                   config.kept());
  }
  static Manager in_memory(const Config &config) {
    return Manager(detail::made<pki_manager *>(pki_manager_new_in_memory, config.get()),
                   config.kept());
  }
  Fingerprints initialize() const {
    return Fingerprints(detail::made<pki_fingerprints *>(pki_manager_initialize, get()));
  }
  bool load() const { return detail::made<bool>(pki_manager_load, get()); }
  bool is_initialized() const noexcept { return pki_manager_is_initialized(get()); }
  std::string_view trust_domain() const noexcept { return view(pki_manager_trust_domain(get())); }
  Signed sign(const pki_sign_request &request) const {
    return Signed(detail::made<pki_signed *>(pki_manager_sign, get(), &request));
  }
  Signed sign(std::string_view csr_pem, const SpiffeId &id,
              std::int64_t ttl_seconds = PKI_TTL_CONFIGURED, std::uint32_t flags = 0) const {
    pki_sign_request request = PKI_SIGN_REQUEST_INIT;
    request.csr_pem = str(csr_pem);
    request.service_type = pki_spiffe_id_service_type(id.get());
    request.instance_id = pki_spiffe_id_instance_id(id.get());
    request.ttl_seconds = ttl_seconds;
    request.flags = flags;
    return sign(request);
  }
  Bundle bundle() const { return Bundle(detail::made<pki_bundle *>(pki_manager_bundle, get())); }
  Expiring deny(std::string_view spiffe_id, std::string_view reason) const {
    return Expiring(detail::made<pki_expiring *>(pki_manager_deny, get(), PKI_ARG(str(spiffe_id)),
                                                 PKI_ARG(str(reason))));
  }
  bool allow(std::string_view spiffe_id) const {
    return detail::made<bool>(pki_manager_allow, get(), PKI_ARG(str(spiffe_id)));
  }
  void deny_serial(std::string_view serial, std::string_view reason,
                   std::string_view ca = {}) const {
    detail::call(pki_manager_deny_serial, get(), PKI_ARG(str(serial)), PKI_ARG(str(reason)),
                 PKI_ARG(str(ca)));
  }
  DeniedSerials denied_serials() const {
    return DeniedSerials(detail::made<pki_denied_serials *>(pki_manager_denied_serials, get()));
  }
  Crl crl(std::string_view ca) const {
    return Crl(detail::made<pki_crl *>(pki_manager_crl, get(), PKI_ARG(str(ca))));
  }
  DenyList deny_list() const {
    return DenyList(detail::made<pki_deny_list *>(pki_manager_deny_list, get()));
  }
  Status status() const { return Status(detail::made<pki_status *>(pki_manager_status, get())); }
  std::uint64_t purge() const { return detail::made<std::uint64_t>(pki_manager_purge, get()); }
  Backup backup(std::string_view path) const {
    return Backup(detail::made<pki_backup *>(pki_manager_backup, get(), PKI_ARG(str(path))));
  }
  void restore(std::string_view path) const {
    detail::call(pki_manager_restore, get(), PKI_ARG(str(path)));
  }
  void shutdown() const { detail::call(pki_manager_shutdown, get()); }

 private:
  friend class TokenIssuer;
};

/** Certificates, one after another. */
class Chain : public Handle<pki_chain, pki_chain_free> {
 public:
  using Handle::Handle;
  Chain() : Handle(detail::made<pki_chain *>(pki_chain_new)) {}
  Chain &add_pem(std::string_view pem) {
    detail::call(pki_chain_add_pem, get(), PKI_ARG(str(pem)));
    return *this;
  }
  Chain &add_der(const std::uint8_t *der, std::size_t len) {
    detail::call(pki_chain_add_der, get(), der, len);
    return *this;
  }
  std::size_t size() const noexcept { return pki_chain_len(get()); }
  pki_bytes der(std::size_t index) const noexcept { return pki_chain_der(get(), index); }
  std::string_view pem(std::size_t index) const noexcept {
    return view(pki_chain_pem(get(), index));
  }
  std::string_view fingerprint(std::size_t index) const noexcept {
    return view(pki_chain_fingerprint(get(), index));
  }
};

/** A peer that has been verified. */
class Svid : public Handle<pki_svid, pki_svid_free> {
 public:
  using Handle::Handle;
  std::string_view spiffe_id() const noexcept { return view(pki_svid_spiffe_id(get())); }
  std::string_view trust_domain() const noexcept { return view(pki_svid_trust_domain(get())); }
  std::string_view service_type() const noexcept { return view(pki_svid_service_type(get())); }
  std::string_view instance_id() const noexcept { return view(pki_svid_instance_id(get())); }
  std::string_view fingerprint() const noexcept { return view(pki_svid_fingerprint(get())); }
  std::string_view serial() const noexcept { return view(pki_svid_serial(get())); }
  std::int64_t not_before() const noexcept { return pki_svid_not_before(get()); }
  std::int64_t not_after() const noexcept { return pki_svid_not_after(get()); }
  std::string_view issuer() const noexcept { return view(pki_svid_issuer(get())); }
  std::string_view issuer_key_id() const noexcept { return view(pki_svid_issuer_key_id(get())); }
};

/** What a verifier refuses by name. */
class Denied : public Handle<pki_denied, pki_denied_free> {
 public:
  using Handle::Handle;
  Denied() : Handle(detail::made<pki_denied *>(pki_denied_new)) {}
  Denied &add_identity(std::string_view spiffe_id) {
    detail::call(pki_denied_add_identity, get(), PKI_ARG(str(spiffe_id)));
    return *this;
  }
  Denied &add_serial(std::string_view issuer_key_id, std::string_view serial) {
    detail::call(pki_denied_add_serial, get(), PKI_ARG(str(issuer_key_id)), PKI_ARG(str(serial)));
    return *this;
  }
  Denied &add_issuer(std::string_view serial) {
    detail::call(pki_denied_add_issuer, get(), PKI_ARG(str(serial)));
    return *this;
  }
  /** Throws if the peer is denied. */
  void check(const Svid &svid) const { detail::call(pki_denied_check, get(), svid.get()); }
};

/** Whom a verifier takes for a peer; threads may share one. */
class Policy : public Handle<pki_policy, pki_policy_free> {
 public:
  using Handle::Handle;
  Svid verify(const Chain &chain) const {
    return Svid(detail::made<pki_svid *>(pki_verify_peer, get(), chain.get()));
  }
  Policy with_expected(const std::vector<std::string> &patterns) const {
    const std::vector<pki_str> list = detail::strs(patterns);
    return Policy(
        detail::made<pki_policy *>(pki_policy_with_expected, get(), list.data(), list.size()));
  }
  Policy with_denied(const Denied &denied) const {
    return Policy(detail::made<pki_policy *>(pki_policy_with_denied, get(), denied.get()));
  }
  Policy with_crls(const std::vector<pki_bytes> &crls) const {
    return Policy(
        detail::made<pki_policy *>(pki_policy_with_crls, get(), crls.data(), crls.size()));
  }
  Policy with_at(std::int64_t at) const {
    return Policy(detail::made<pki_policy *>(pki_policy_with_at, get(), at));
  }
};

/** Collects what makes a policy, one. */
class PolicyBuilder : public Handle<pki_policy_builder, pki_policy_builder_free> {
 public:
  using Handle::Handle;
  PolicyBuilder(pki_segment segment, pki_role role, std::string_view trust_domain)
      : Handle(detail::made<pki_policy_builder *>(pki_policy_builder_new, segment, role,
                                                  PKI_ARG(str(trust_domain)))) {}
  PolicyBuilder &anchors_pem(std::string_view pem) {
    detail::call(pki_policy_builder_add_anchors_pem, get(), PKI_ARG(str(pem)));
    return *this;
  }
  PolicyBuilder &anchor_der(const std::uint8_t *der, std::size_t len) {
    detail::call(pki_policy_builder_add_anchor_der, get(), der, len);
    return *this;
  }
  PolicyBuilder &anchors_pem_for(std::string_view pem, const std::vector<std::string> &types) {
    const std::vector<pki_str> list = detail::strs(types);
    detail::call(pki_policy_builder_add_anchors_pem_for, get(), PKI_ARG(str(pem)), list.data(),
                 list.size());
    return *this;
  }
  PolicyBuilder &pin_roots_pem(std::string_view pem) {
    detail::call(pki_policy_builder_pin_roots_pem, get(), PKI_ARG(str(pem)));
    return *this;
  }
  PolicyBuilder &pin_root_der(const std::uint8_t *der, std::size_t len) {
    detail::call(pki_policy_builder_pin_root_der, get(), der, len);
    return *this;
  }
  PolicyBuilder &federate(std::string_view trust_domain, std::string_view roots_pem,
                          const std::vector<std::string> &allow) {
    const std::vector<pki_str> list = detail::strs(allow);
    detail::call(pki_policy_builder_federate, get(), PKI_ARG(str(trust_domain)),
                 PKI_ARG(str(roots_pem)), list.data(), list.size());
    return *this;
  }
  PolicyBuilder &expect(const std::vector<std::string> &patterns) {
    const std::vector<pki_str> list = detail::strs(patterns);
    detail::call(pki_policy_builder_expect, get(), list.data(), list.size());
    return *this;
  }
  PolicyBuilder &denied(const Denied &denied) {
    detail::call(pki_policy_builder_set_denied, get(), denied.get());
    return *this;
  }
  PolicyBuilder &crl_der(const std::uint8_t *der, std::size_t len) {
    detail::call(pki_policy_builder_add_crl_der, get(), der, len);
    return *this;
  }
  PolicyBuilder &require_crl() {
    detail::call(pki_policy_builder_require_crl, get());
    return *this;
  }
  PolicyBuilder &at(std::int64_t at) {
    detail::call(pki_policy_builder_set_at, get(), at);
    return *this;
  }
  PolicyBuilder &skew(std::uint64_t milliseconds) {
    detail::call(pki_policy_builder_set_skew, get(), milliseconds);
    return *this;
  }
  PolicyBuilder &allow_algorithm(pki_algorithm algorithm) {
    detail::call(pki_policy_builder_allow_algorithm, get(), algorithm);
    return *this;
  }
  Policy build() { return Policy(detail::made<pki_policy *>(pki_policy_builder_build, get())); }
};

/** What a certification path is held against. */
class PathPolicy : public Handle<pki_path_policy, pki_path_policy_free> {
 public:
  using Handle::Handle;
  PathPolicy() : Handle(detail::made<pki_path_policy *>(pki_path_policy_new)) {}
  PathPolicy &anchors(const Chain &anchors) {
    detail::call(pki_path_policy_add_anchors, get(), anchors.get());
    return *this;
  }
  PathPolicy &at(std::int64_t at) {
    detail::call(pki_path_policy_set_at, get(), at);
    return *this;
  }
  PathPolicy &skew(std::uint64_t milliseconds) {
    detail::call(pki_path_policy_set_skew, get(), milliseconds);
    return *this;
  }
  PathPolicy &usage(pki_usage usage) {
    detail::call(pki_path_policy_set_usage, get(), usage);
    return *this;
  }
  PathPolicy &purpose(std::string_view oid) {
    detail::call(pki_path_policy_set_purpose, get(), PKI_ARG(str(oid)));
    return *this;
  }
  PathPolicy &dns_name(std::string_view name) {
    detail::call(pki_path_policy_add_dns_name, get(), PKI_ARG(str(name)));
    return *this;
  }
  PathPolicy &ip_address(std::string_view address) {
    detail::call(pki_path_policy_add_ip_address, get(), PKI_ARG(str(address)));
    return *this;
  }
  PathPolicy &email(std::string_view address) {
    detail::call(pki_path_policy_add_email, get(), PKI_ARG(str(address)));
    return *this;
  }
  PathPolicy &crl_der(const std::uint8_t *der, std::size_t len) {
    detail::call(pki_path_policy_add_crl_der, get(), der, len);
    return *this;
  }
  PathPolicy &require_crl() {
    detail::call(pki_path_policy_require_crl, get());
    return *this;
  }
  PathPolicy &allow_algorithm(pki_algorithm algorithm) {
    detail::call(pki_path_policy_allow_algorithm, get(), algorithm);
    return *this;
  }
  PathPolicy &max_depth(std::size_t depth) {
    detail::call(pki_path_policy_set_max_depth, get(), depth);
    return *this;
  }
  PathPolicy &profile(pki_profile profile) {
    detail::call(pki_path_policy_set_profile, get(), profile);
    return *this;
  }
  /** The path: the leaf, the CAs above it, the anchor last. */
  Chain verify(const Chain &chain) const {
    return Chain(detail::made<pki_chain *>(pki_verify_path, get(), chain.get()));
  }
};

/** The thumbprint of a certificate, DER: its `x5t#S256`. */
inline Text certificate_thumbprint(const std::uint8_t *der, std::size_t len) {
  return Text(detail::made<pki_text *>(pki_certificate_thumbprint, der, len));
}

/** A token that was minted. */
class Token : public Handle<pki_token, pki_token_free> {
 public:
  using Handle::Handle;
  std::string_view text() const noexcept { return view(pki_token_text(get())); }
  std::string_view jti() const noexcept { return view(pki_token_jti(get())); }
  std::int64_t expires_at() const noexcept { return pki_token_expires_at(get()); }
  std::string_view fingerprint() const noexcept { return view(pki_token_fingerprint(get())); }
  bool outlives_certificate() const noexcept { return pki_token_outlives_certificate(get()); }
};

/** What a token says that has been verified. */
class TokenClaims : public Handle<pki_token_claims, pki_token_claims_free> {
 public:
  using Handle::Handle;
  std::string_view subject() const noexcept { return view(pki_token_claims_subject(get())); }
  std::string_view issuer() const noexcept { return view(pki_token_claims_issuer(get())); }
  std::string_view jti() const noexcept { return view(pki_token_claims_jti(get())); }
  std::int64_t issued_at() const noexcept { return pki_token_claims_issued_at(get()); }
  std::int64_t expires_at() const noexcept { return pki_token_claims_expires_at(get()); }
  std::string_view entity_id() const noexcept { return view(pki_token_claims_entity_id(get())); }
  std::string_view entity_name() const noexcept {
    return view(pki_token_claims_entity_name(get()));
  }
  std::string_view entity_type() const noexcept {
    return view(pki_token_claims_entity_type(get()));
  }
  std::string_view entity_node_id() const noexcept {
    return view(pki_token_claims_entity_node_id(get()));
  }
  std::size_t entity_trusted_domains_len() const noexcept {
    return pki_token_claims_entity_trusted_domains_len(get());
  }
  std::string_view entity_trusted_domain(std::size_t index) const noexcept {
    return view(pki_token_claims_entity_trusted_domain(get(), index));
  }
  std::size_t entity_trusted_nodes_len() const noexcept {
    return pki_token_claims_entity_trusted_nodes_len(get());
  }
  std::string_view entity_trusted_node(std::size_t index) const noexcept {
    return view(pki_token_claims_entity_trusted_node(get(), index));
  }
  std::string_view principal() const noexcept { return view(pki_token_claims_principal(get())); }
  std::string_view thumbprint() const noexcept { return view(pki_token_claims_thumbprint(get())); }
  std::size_t audience_len() const noexcept { return pki_token_claims_audience_len(get()); }
  std::string_view audience(std::size_t index) const noexcept {
    return view(pki_token_claims_audience(get(), index));
  }
};

/** A page of the tokens that were minted. */
class TokenList : public Handle<pki_token_list, pki_token_list_free> {
 public:
  using Handle::Handle;
  std::size_t size() const noexcept { return pki_token_list_len(get()); }
  std::string_view cursor() const noexcept { return view(pki_token_list_cursor(get())); }
  std::string_view jti(std::size_t index) const noexcept {
    return view(pki_token_list_jti(get(), index));
  }
  std::string_view family(std::size_t index) const noexcept {
    return view(pki_token_list_family(get(), index));
  }
  std::string_view subject(std::size_t index) const noexcept {
    return view(pki_token_list_subject(get(), index));
  }
  std::string_view entity_id(std::size_t index) const noexcept {
    return view(pki_token_list_entity_id(get(), index));
  }
  std::string_view entity_name(std::size_t index) const noexcept {
    return view(pki_token_list_entity_name(get(), index));
  }
  std::string_view entity_type(std::size_t index) const noexcept {
    return view(pki_token_list_entity_type(get(), index));
  }
  std::string_view principal(std::size_t index) const noexcept {
    return view(pki_token_list_principal(get(), index));
  }
  std::string_view fingerprint(std::size_t index) const noexcept {
    return view(pki_token_list_fingerprint(get(), index));
  }
  std::string_view spiffe_id(std::size_t index) const noexcept {
    return view(pki_token_list_spiffe_id(get(), index));
  }
  std::size_t sans_len(std::size_t index) const noexcept {
    return pki_token_list_sans_len(get(), index);
  }
  std::string_view san(std::size_t index, std::size_t san) const noexcept {
    return view(pki_token_list_san(get(), index, san));
  }
  std::int64_t issued_at(std::size_t index) const noexcept {
    return pki_token_list_issued_at(get(), index);
  }
  std::int64_t expires_at(std::size_t index) const noexcept {
    return pki_token_list_expires_at(get(), index);
  }
  std::int64_t revoked_at(std::size_t index) const noexcept {
    return pki_token_list_revoked_at(get(), index);
  }
  std::uint32_t uses(std::size_t index) const noexcept { return pki_token_list_uses(get(), index); }
};

/** What became of the keys of an issuer. */
class KeyRotation : public Handle<pki_key_rotation, pki_key_rotation_free> {
 public:
  using Handle::Handle;
  std::string_view previous_key_id() const noexcept {
    return view(pki_key_rotation_previous_key_id(get()));
  }
  std::string_view new_key_id() const noexcept { return view(pki_key_rotation_new_key_id(get())); }
  std::int64_t grace_period_ends_at() const noexcept {
    return pki_key_rotation_grace_period_ends_at(get());
  }
};

/** Checks the tokens of one issuer; threads may share one. */
class TokenVerifier : public Handle<pki_token_verifier, pki_token_verifier_free> {
 public:
  using Handle::Handle;
  TokenVerifier(std::string_view issuer, std::string_view trust_domain, std::string_view jwks)
      : Handle(detail::made<pki_token_verifier *>(pki_token_verifier_new, PKI_ARG(str(issuer)),
                                                  PKI_ARG(str(trust_domain)), PKI_ARG(str(jwks)))) {
  }
  TokenVerifier with_audience(std::string_view audience) const {
    return next(pki_token_verifier_with_audience, PKI_ARG(str(audience)));
  }
  TokenVerifier with_federated(const std::vector<std::string> &domains) const {
    const std::vector<pki_str> list = detail::strs(domains);
    return next(pki_token_verifier_with_federated, list.data(), list.size());
  }
  TokenVerifier with_service_types(const std::vector<std::string> &types) const {
    const std::vector<pki_str> list = detail::strs(types);
    return next(pki_token_verifier_with_service_types, list.data(), list.size());
  }
  TokenVerifier with_jwks(std::string_view jwks) const {
    return next(pki_token_verifier_with_jwks, PKI_ARG(str(jwks)));
  }
  TokenVerifier with_revoked(const std::vector<std::string> &jtis) const {
    const std::vector<pki_str> list = detail::strs(jtis);
    return next(pki_token_verifier_with_revoked, list.data(), list.size());
  }
  /** With the time from here, for tests; from the operating system if it is empty. */
  TokenVerifier with_clock(Clock clock) const {
    std::shared_ptr<Clock> kept;
    if (clock) kept = std::make_shared<Clock>(std::move(clock));
    const pki_clock_callback tell = kept ? detail::tell : nullptr;
    return TokenVerifier(detail::made<pki_token_verifier *>(pki_token_verifier_with_clock, get(),
                                                            tell, static_cast<void *>(kept.get())),
                         kept);
  }
  TokenClaims verify(std::string_view token, const Svid &peer) const {
    return TokenClaims(detail::made<pki_token_claims *>(pki_token_verifier_verify, get(),
                                                        PKI_ARG(str(token)), peer.get()));
  }
  /** Of a caller who may have no certificate: then `peer` is NULL. */
  TokenClaims authenticate(std::string_view token, const Svid *peer) const {
    return TokenClaims(detail::made<pki_token_claims *>(pki_token_verifier_authenticate, get(),
                                                        PKI_ARG(str(token)),
                                                        peer == nullptr ? nullptr : peer->get()));
  }
  TokenClaims inspect(std::string_view token) const {
    return TokenClaims(
        detail::made<pki_token_claims *>(pki_token_verifier_inspect, get(), PKI_ARG(str(token))));
  }

 private:
  // It has the clock of the one that it is made of.
  template <typename Function, typename... Arguments>
  TokenVerifier next(Function function, Arguments... arguments) const {
    return TokenVerifier(detail::made<pki_token_verifier *>(function, get(), arguments...), kept());
  }
};

/** Mints tokens, and says which are good; threads may share one. */
class TokenIssuer : public Handle<pki_token_issuer, pki_token_issuer_free> {
 public:
  using Handle::Handle;
  TokenIssuer(const Manager &manager, std::string_view name,
              const std::vector<std::string> &federated = {},
              const std::vector<std::string> &types = {})
      : Handle(made(manager, name, detail::strs(federated), detail::strs(types)), manager.kept()) {}
  void initialize() const { detail::call(pki_token_issuer_initialize, get()); }
  Token mint(const pki_token_request &request) const {
    return Token(detail::made<pki_token *>(pki_token_issuer_mint, get(), &request));
  }
  TokenClaims verify(std::string_view token, const Svid &peer) const {
    return TokenClaims(detail::made<pki_token_claims *>(pki_token_issuer_verify, get(),
                                                        PKI_ARG(str(token)), peer.get()));
  }
  /** Of a caller who may have no certificate: then `peer` is NULL. */
  TokenClaims authenticate(std::string_view token, const Svid *peer) const {
    return TokenClaims(detail::made<pki_token_claims *>(pki_token_issuer_authenticate, get(),
                                                        PKI_ARG(str(token)),
                                                        peer == nullptr ? nullptr : peer->get()));
  }
  TokenClaims inspect(std::string_view token) const {
    return TokenClaims(
        detail::made<pki_token_claims *>(pki_token_issuer_inspect, get(), PKI_ARG(str(token))));
  }
  TokenClaims inspect_for(std::string_view token, std::string_view audience) const {
    return TokenClaims(detail::made<pki_token_claims *>(
        pki_token_issuer_inspect_for, get(), PKI_ARG(str(token)), PKI_ARG(str(audience))));
  }
  /** For `pki_sign_request.token_jti`. */
  Text bootstrap(std::string_view token, std::string_view spiffe_id) const {
    return Text(detail::made<pki_text *>(pki_token_issuer_bootstrap, get(), PKI_ARG(str(token)),
                                         PKI_ARG(str(spiffe_id))));
  }
  KeyRotation rotate_keys(std::int64_t grace_seconds = PKI_TTL_CONFIGURED) const {
    return KeyRotation(
        detail::made<pki_key_rotation *>(pki_token_issuer_rotate_keys, get(), grace_seconds));
  }
  Text jwks() const { return Text(detail::made<pki_text *>(pki_token_issuer_jwks, get())); }
  std::uint64_t revoke(pki_token_selector by, std::string_view text) const {
    return detail::made<std::uint64_t>(pki_token_issuer_revoke, get(), by, PKI_ARG(str(text)));
  }
  TextList revoked() const {
    return TextList(detail::made<pki_text_list *>(pki_token_issuer_revoked, get()));
  }
  TokenList list(pki_token_selector by = PKI_TOKENS_ALL, std::string_view text = {},
                 std::string_view cursor = {}, std::size_t limit = 0) const {
    return TokenList(detail::made<pki_token_list *>(
        pki_token_issuer_list, get(), by, PKI_ARG(str(text)), PKI_ARG(str(cursor)), limit));
  }
  TokenVerifier verifier() const {
    return TokenVerifier(detail::made<pki_token_verifier *>(pki_token_issuer_verifier, get()),
                         kept());
  }

 private:
  static pki_token_issuer *made(const Manager &manager, std::string_view name,
                                const std::vector<pki_str> &federated,
                                const std::vector<pki_str> &types) {
    return detail::made<pki_token_issuer *>(pki_token_issuer_new, manager.get(), PKI_ARG(str(name)),
                                            federated.data(), federated.size(), types.data(),
                                            types.size());
  }
};

}  // namespace pki

#endif  // PKI_HPP
