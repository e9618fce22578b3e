#include "pipelines/io/digest.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger {
namespace {

/// 0 for an algorithm that we do not speak.
std::size_t hex_length(std::string_view algorithm) {
    if (algorithm == "sha256") return 64;
    if (algorithm == "sha512") return 128;
    return 0;
}

bool is_lower_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

std::string to_hex(std::span<const unsigned char> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const unsigned char byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

void check(int result) {
    if (result != 1) fail(Errc::internal, "OpenSSL cannot compute a digest");
}

}  // namespace

Digest parse_digest(std::string_view text) {
    const auto colon = text.find(':');
    const auto algorithm = text.substr(0, colon);
    const auto length = colon == text.npos ? 0 : hex_length(algorithm);
    const auto hex = colon == text.npos ? std::string_view() : text.substr(colon + 1);
    if (length == 0 || hex.size() != length || !std::all_of(hex.begin(), hex.end(), is_lower_hex)) {
        fail(Errc::invalid_argument,
             "'{}' is not a digest; expected sha256:<64 hex digits> or sha512:<128 hex digits>",
             text);
    }
    return {std::string(algorithm), std::string(hex)};
}

struct Hasher::State {
    explicit State(std::string_view name) : algorithm(name) {
        if (hex_length(algorithm) == 0) {
            fail(Errc::unsupported, "unknown digest algorithm '{}'", algorithm);
        }
        check(EVP_DigestInit_ex(context.get(), algorithm == "sha256" ? EVP_sha256() : EVP_sha512(),
                                nullptr));
    }

    std::string algorithm;
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free};
};

Hasher::Hasher(std::string_view algorithm) : state_(std::make_unique<State>(algorithm)) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::byte> bytes) {
    check(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

void Hasher::update(std::string_view text) {
    update(std::as_bytes(std::span(text)));
}

Digest Hasher::finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned size = 0;
    check(EVP_DigestFinal_ex(state_->context.get(), raw.data(), &size));
    return {state_->algorithm, to_hex({raw.data(), size})};
}

Digest sha256(std::string_view text) {
    Hasher hasher;
    hasher.update(text);
    return hasher.finish();
}

Digest sha256_file_blocking(const std::string& path) {
    const UniqueFd fd = open_file(path, O_RDONLY);
    std::vector<std::byte> buffer(1u << 20);
    Hasher hasher;
    while (true) {
        const auto count = ::read(fd.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot read {}", path);
        if (count == 0) return hasher.finish();
        hasher.update(std::span(buffer).first(static_cast<std::size_t>(count)));
    }
}

}  // namespace banger
