#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace banger::image {

/// The token dance of one repository on one registry, without any I/O: what to put into
/// Authorization, which token to ask for after a 401, what the token service's answer means. Tokens
/// live in memory only. Anonymous: credentials, once there are any, join the token request
/// (token_url's caller).
class RegistryAuth {
  public:
    using Clock = std::chrono::steady_clock;

    /// `base_url`: "https://registry-1.docker.io"; `repository`: "library/debian".
    RegistryAuth(std::string base_url, std::string repository);

    /// "Bearer …" while a token is fresh: it counts as stale after 80 % of its life.
    std::optional<std::string> authorization(Clock::time_point now) const;

    /// Where to GET a token, from the WWW-Authenticate fields of a 401. Throws Error{unauthorized}
    /// when no Bearer challenge is among them or its realm must not be trusted: plain HTTP for a
    /// registry spoken to over TLS, or an address inside a private network that is not the
    /// registry's own.
    std::string token_url(std::span<const std::string> www_authenticate) const;

    /// Takes the token service's answer. Throws Error{unauthorized} when there is no token in it.
    void accept_token(std::string_view body, Clock::time_point now);
    void forget_token() { token_.clear(); }

  private:
    std::string base_url_;
    std::string repository_;
    std::string token_;
    Clock::time_point stale_at_{};
};

/// The most a token service may answer.
inline constexpr std::size_t kMaxTokenBytes = 256 * 1024;

}  // namespace banger::image
