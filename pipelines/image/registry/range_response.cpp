#include "pipelines/image/registry/range_response.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"

namespace banger::image {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// "bytes 100-199/200" is all from byte 100 of 200.
bool is_rest_of(std::string_view range, std::uint64_t from, std::uint64_t size) {
    return range == fmt::format("bytes {}-{}/{}", from, size - 1, size) ||
           range == fmt::format("bytes {}-{}/*", from, size - 1);
}

}  // namespace

bool answers_range(const HttpResponse& response, std::uint64_t from, std::uint64_t size) {
    if (response.status() == 416) return false;
    if (response.status() != 206) return true;
    return is_rest_of(response.headers().find("Content-Range").value_or(""), from, size);
}

Task<void> skip_to(HttpResponse& response, std::uint64_t offset, std::uint64_t size,
                   std::string what) {
    const auto length = response.headers().find("Content-Length");
    if (length && parse_number(*length) != size) {
        fail(Errc::digest_mismatch, "{} has {} bytes where it is served, it should have {}", what,
             *length, size);
    }
    std::vector<std::byte> waste(offset > 0 ? 64 * 1024 : 0);
    for (auto left = offset; left > 0;) {
        const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(waste.size(), left));
        const auto got = co_await response.read_some(std::span(waste).first(want));
        if (got == 0) fail(Errc::unavailable, "{} was cut before byte {}", what, offset);
        left -= got;
    }
}

}  // namespace banger::image
