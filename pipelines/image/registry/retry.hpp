#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace banger::image {

/// How patiently a registry is asked.
struct RetryPolicy {
    int attempts = 5;
    std::chrono::milliseconds first_delay{500};  ///< doubles with every try
    std::chrono::milliseconds max_delay{30'000};
    std::chrono::seconds max_retry_after{60};
};

/// Statuses after which the same request may well succeed: 408, 429, 499, 522 and every 5xx but
/// 501, 505.
bool is_retryable_status(int status);

/// What a Retry-After value (RFC 9110, section 10.2.3: seconds or a date) asks for, from `now` on.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      std::chrono::system_clock::time_point now);

/// The tries of one request. next_delay() is how long to wait before the next try, or nothing when
/// there is none left: the tries are used up, or the server asks for more patience than we have.
class Retries {
  public:
    explicit Retries(RetryPolicy policy) : policy_(policy) {}

    std::optional<std::chrono::milliseconds> next_delay(
        std::optional<std::chrono::seconds> retry_after = {});
    /// Something got through: the count starts afresh.
    void reset() { failures_ = 0; }
    int failures() const { return failures_; }

  private:
    RetryPolicy policy_;
    int failures_ = 0;
};

}  // namespace banger::image
