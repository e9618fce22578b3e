#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/image/registry/credential.hpp"
#include "pipelines/io/http_client.hpp"

namespace banger::image {

/// How to ask a token service: with the identity token, with user name and password, as nobody.
enum class TokenWay { refresh, login, anonymous };

/// The login of one repository on one registry, without any I/O: what to put into Authorization,
/// what to ask for after a 401, what the token service's answer means. Tokens live in memory only.
class RegistryAuth {
  public:
    using Clock = std::chrono::steady_clock;

    /// `base_url`: "https://registry-1.docker.io"; `repository`: "library/debian", may be empty
    /// where only the login itself is of interest.
    RegistryAuth(std::string base_url, std::string repository, Credential credential = {});

    /// "Bearer …" while a token is fresh (it counts as stale after 80 % of its life), "Basic …"
    /// where the registry wants that.
    std::optional<std::string> authorization(Clock::time_point now) const;

    /// Reads the WWW-Authenticate fields of a 401: how to ask for a token, the best way first;
    /// empty when authorization() now has the answer (Basic). Throws Error{unauthorized} when
    /// nothing among them can be met.
    std::vector<TokenWay> answer_challenge(std::span<const std::string> www_authenticate);

    /// The request of one of those ways. Throws Error{unauthorized} when the realm must not be
    /// trusted: plain HTTP for a registry spoken to over TLS, or no web address at all. Where the
    /// realm's name leads is the caller's to check, at connect (AddressGuard).
    HttpRequest token_request(std::span<const std::string> www_authenticate, TokenWay way) const;

    /// Whether the answer to `way` leaves hope for the next one.
    static bool may_go_on(TokenWay way, int status);

    /// Takes the token service's answer. Throws Error{unauthorized} when there is no token in it.
    void accept_token(std::string_view body, Clock::time_point now);
    void forget_token();

    /// Whether the credential was given and did not open the door.
    void set_refused(bool refused) { refused_ = refused; }
    bool refused() const { return refused_; }
    bool has_credential() const { return !credential_.empty(); }

  private:
    std::string base_url_;
    std::string repository_;
    Credential credential_;
    std::string token_;
    Clock::time_point stale_at_{};
    bool basic_ = false;
    bool refused_ = false;
};

/// The most a token service may answer.
inline constexpr std::size_t kMaxTokenBytes = 256 * 1024;

}  // namespace banger::image
