#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace banger {

/// An OCI digest (image-spec, descriptor.md): algorithm and lower-case hex of the exact length.
struct Digest {
    std::string algorithm;  ///< "sha256" or "sha512"
    std::string hex;

    std::string to_string() const { return algorithm + ":" + hex; }
    /// The first 12 hex digits: what people are shown.
    std::string short_hex() const { return hex.substr(0, 12); }
    bool operator==(const Digest&) const = default;
};

/// Throws Error{invalid_argument} for anything but sha256:<64 hex> and sha512:<128 hex>.
Digest parse_digest(std::string_view text);

/// Streaming SHA-2 by OpenSSL's EVP.
class Hasher {
  public:
    explicit Hasher(std::string_view algorithm = "sha256");
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    void update(std::span<const std::byte> bytes);
    void update(std::string_view text);
    /// Ends the hash; call once.
    Digest finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

Digest sha256(std::string_view text);
/// Of a whole file; blocks.
Digest sha256_file_blocking(const std::string& path);

}  // namespace banger
