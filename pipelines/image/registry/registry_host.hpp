#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "pipelines/image/registry/address_guard.hpp"
#include "pipelines/image/registry/registry_auth.hpp"
#include "pipelines/image/registry/registry_settings.hpp"
#include "pipelines/image/registry/retry.hpp"
#include "pipelines/io/http_client.hpp"

namespace banger {
class Error;
}

namespace banger::image {

/// What `settings` mean to an HTTP client.
HttpOptions http_options(const RegistrySettings& settings);

/// True for what a later try may not meet again: a cut or stalled connection, a server in trouble.
bool is_transient(const Error& error);

/// One repository on one host that serves it: the registry itself or a mirror. A 401 is answered
/// with a token, or with the credential, and one more try; what can pass (429, 5xx, a cut
/// connection) is tried again with growing delays. Credentials go to this host and to the token
/// service it names, never further: redirects are followed without them, and a host that a redirect
/// led to gets a token of its own, an anonymous one. Cancelling ends any of its awaits at once.
class RegistryHost {
  public:
    using Response = std::unique_ptr<HttpResponse>;
    struct Wanted {
        std::string path;  ///< below /v2/<repository>/
        std::string accept;
        std::uint64_t from = 0;  ///< first byte, when not 0
        std::string method = "GET";
    };

    /// `base_url` may end in a path, which goes between /v2/ and the repository; without a
    /// repository a request's path is below /v2/ itself. `name` is for messages.
    RegistryHost(boost::asio::any_io_executor executor, std::string base_url, std::string name,
                 std::string repository, Credential credential, const RegistrySettings& settings);

    /// The response, once one comes that no further try would better.
    Task<Response> get(Wanted wanted, Retries& retries);
    /// One try, two where the first is answered by 401.
    Task<Response> send(Wanted wanted);
    /// A GET of any https URL, as nobody.
    Task<Response> get_foreign(std::string url, std::uint64_t from);
    /// The delay before another try; throws `reason` when there is none.
    Task<void> wait_before_retry(Retries& retries, std::exception_ptr reason,
                                 std::optional<std::chrono::seconds> retry_after = {});
    /// Throws what the status and the registry's own words amount to.
    Task<void> fail_status(Response response, std::string what);

    /// The tries of one request here.
    Retries new_retries() const { return Retries(retry_); }

    const std::string& name() const { return name_; }
    RegistryAuth& auth() { return auth_; }
    /// What the host had to say (RFC 7234's "Warning: 299"), each once.
    const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    using Fields = std::vector<std::string>;
    Task<Response> send_to(std::string url, Wanted wanted,
                           std::optional<std::string> authorization);
    /// The login of this host, or of the one that a redirect led to.
    RegistryAuth& auth_for(const std::string& url);
    /// Gets what opens the door that said 401 to someone who had `sent`.
    Task<void> answer_challenge(RegistryAuth& auth, Fields fields, std::optional<std::string> sent);
    Task<void> fetch_token(RegistryAuth& auth, Fields fields, std::vector<TokenWay> ways);
    std::string login_hint() const;
    void note_warnings(const HttpHeaders& headers);
    void add_warning(std::string text);

    std::string name_;
    std::string repository_;
    std::string origin_url_;  ///< without the path
    std::string base_path_;   ///< "/v2/", or "/v2/prefix/repository/"
    RetryPolicy retry_;
    HttpClient http_;
    RegistryAuth auth_;
    AddressGuard guard_;
    std::map<std::string, RegistryAuth> foreign_;  ///< by origin
    std::vector<std::string> warnings_;
    bool reached_ = false;  ///< it has answered at least once
};

}  // namespace banger::image
