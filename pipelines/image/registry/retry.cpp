#include "pipelines/image/registry/retry.hpp"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <random>

namespace banger::image {
namespace {

std::optional<std::chrono::system_clock::time_point> parse_http_date(const std::string& text) {
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

/// Up to a tenth more, so that parallel layers do not all come back at once.
std::chrono::milliseconds with_jitter(std::chrono::milliseconds delay) {
    static thread_local std::minstd_rand random{std::random_device{}()};
    return delay + std::chrono::milliseconds(
                       std::uniform_int_distribution<std::int64_t>(0, delay.count() / 10)(random));
}

}  // namespace

bool is_retryable_status(int status) {
    if (status == 408 || status == 429 || status == 499) return true;
    return status >= 500 && status <= 599 && status != 501 && status != 505;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      std::chrono::system_clock::time_point now) {
    std::int64_t seconds = 0;
    const auto* last = value.data() + value.size();
    if (const auto [end, ec] = std::from_chars(value.data(), last, seconds);
        ec == std::errc() && end == last && seconds >= 0) {
        return std::chrono::seconds(seconds);
    }
    const auto date = parse_http_date(std::string(value));
    if (!date) return std::nullopt;
    return std::max(std::chrono::seconds(0),
                    std::chrono::duration_cast<std::chrono::seconds>(*date - now));
}

std::optional<std::chrono::milliseconds> Retries::next_delay(
    std::optional<std::chrono::seconds> retry_after) {
    if (++failures_ >= policy_.attempts) return std::nullopt;
    if (retry_after) {
        if (*retry_after > policy_.max_retry_after) return std::nullopt;
        return std::chrono::duration_cast<std::chrono::milliseconds>(*retry_after);
    }
    const auto delay = policy_.first_delay * (1 << std::min(failures_ - 1, 16));
    return with_jitter(std::min(delay, policy_.max_delay));
}

}  // namespace banger::image
