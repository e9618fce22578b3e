#include "catalog/minisign.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "pipelines/io/base64.hpp"
#include "pipelines/io/error.hpp"

namespace banger::catalog {
namespace {

constexpr std::string_view kUntrusted = "untrusted comment: ";
/// Nothing vouches for this line, so it may say nothing else.
constexpr std::string_view kFirstLine = "untrusted comment: signature from minisign secret key";
constexpr std::string_view kTrusted = "trusted comment: ";
constexpr std::size_t kAlgorithm = 2;
constexpr std::size_t kKeyId = 8;
constexpr std::size_t kSignature = 64;

/// A line without its end, taken from the front of `text`.
std::string_view take_line(std::string_view& text) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

/// base64_decode is kinder than a signature ought to be read: what it takes, it must give back.
std::optional<std::string> decode(std::string_view line, std::size_t size) {
    auto bytes = base64_decode(line);
    if (!bytes || bytes->size() != size || base64_encode(*bytes) != line) return std::nullopt;
    return bytes;
}

/// The parts of a .minisig file.
struct Signature {
    std::string algorithm;
    std::string id;
    std::string bytes;
    std::string comment;
    std::string global;
};

Signature parse_signature(std::string_view text, std::string_view what) {
    const auto refuse = [what](std::string_view why) {
        fail(Errc::unauthorized, "the signature of {} is damaged: {}", what, why);
    };
    if (take_line(text) != kFirstLine) refuse("its first line is not minisign's own");
    const auto packed = decode(take_line(text), kAlgorithm + kKeyId + kSignature);
    if (!packed) refuse("its second line is no signature");
    const auto comment = take_line(text);
    if (!comment.starts_with(kTrusted)) refuse("it has no trusted comment");
    const auto global = decode(take_line(text), kSignature);
    if (!global) refuse("its fourth line is no signature");
    if (!text.empty()) refuse("something follows it");
    return {.algorithm = packed->substr(0, kAlgorithm),
            .id = packed->substr(kAlgorithm, kKeyId),
            .bytes = packed->substr(kAlgorithm + kKeyId),
            .comment = std::string(comment.substr(kTrusted.size())),
            .global = *global};
}

const unsigned char* as_bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

bool is_signed_by(const PublicKey& key, std::string_view message, std::string_view signature) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> loaded(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.key.data(), key.key.size()),
        EVP_PKEY_free);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    return loaded && context &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, loaded.get()) == 1 &&
           EVP_DigestVerify(context.get(), as_bytes(signature), signature.size(), as_bytes(message),
                            message.size()) == 1;
}

std::string blake2b_512(std::string_view message) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(message.data(), message.size(), digest.data(), &size, EVP_blake2b512(),
                   nullptr) != 1) {
        fail(Errc::internal, "OpenSSL cannot compute BLAKE2b-512");
    }
    return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace

PublicKey parse_public_key(std::string_view text) {
    if (text.starts_with(kUntrusted)) take_line(text);
    const auto line = take_line(text);
    const auto packed = decode(line, kAlgorithm + kKeyId + PublicKey{}.key.size());
    if (!packed || !packed->starts_with("Ed") || !text.empty()) {
        fail(Errc::invalid_argument,
             "'{}' is no public key of minisign, which begins with RW and has 56 characters",
             line.substr(0, 80));
    }
    PublicKey key;
    std::copy_n(packed->begin() + kAlgorithm, kKeyId, key.id.begin());
    std::copy(packed->begin() + kAlgorithm + kKeyId, packed->end(), key.key.begin());
    return key;
}

std::string key_id(const PublicKey& key) {
    std::string text;
    for (auto byte = key.id.rbegin(); byte != key.id.rend(); ++byte)
        text += fmt::format("{:02X}", *byte);
    return text;
}

std::string verify_signature(std::string_view message, std::string_view signature,
                             const std::vector<PublicKey>& keys, std::string_view what) {
    const auto parsed = parse_signature(signature, what);
    const auto key = std::ranges::find_if(keys, [&](const PublicKey& candidate) {
        return std::equal(
            candidate.id.begin(), candidate.id.end(), parsed.id.begin(),
            [](unsigned char a, char b) { return a == static_cast<unsigned char>(b); });
    });
    if (key == keys.end()) {
        PublicKey unknown;
        std::copy(parsed.id.begin(), parsed.id.end(), unknown.id.begin());
        fail(Errc::unauthorized,
             "{} is signed by the key {}, which is none of those trusted for it", what,
             key_id(unknown));
    }
    if (parsed.algorithm != "Ed" && parsed.algorithm != "ED") {
        fail(Errc::unauthorized, "the signature of {} is of a kind that banger does not know",
             what);
    }
    const bool is_good = parsed.algorithm == "ED"
                             ? is_signed_by(*key, blake2b_512(message), parsed.bytes)
                             : is_signed_by(*key, message, parsed.bytes);
    if (!is_good) {
        fail(Errc::unauthorized, "{} is not what the key {} has signed", what, key_id(*key));
    }
    if (!is_signed_by(*key, parsed.bytes + parsed.comment, parsed.global)) {
        fail(Errc::unauthorized, "the trusted comment in the signature of {} was changed", what);
    }
    return parsed.comment;
}

}  // namespace banger::catalog
