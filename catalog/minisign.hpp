#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace banger::catalog {

/// Signatures of minisign (Ed25519): of the message itself ("Ed", legacy) or of its BLAKE2b-512
/// ("ED"), with a trusted comment that is signed together with the signature.
struct PublicKey {
    std::array<unsigned char, 8> id{};
    std::array<unsigned char, 32> key{};
};

/// "RWQf6LRC…", or a .pub file's text with its comment line. Throws Error{invalid_argument}.
PublicKey parse_public_key(std::string_view text);

/// As minisign writes it: upper-case hex, the last byte first.
std::string key_id(const PublicKey& key);

/// Throws Error{unauthorized} unless `signature`, a .minisig file's text, is a good one of
/// `message` by one of `keys`, trusted comment and all; `what` names the message. Gives the trusted
/// comment.
std::string verify_signature(std::string_view message, std::string_view signature,
                             const std::vector<PublicKey>& keys, std::string_view what);

}  // namespace banger::catalog
