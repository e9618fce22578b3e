#include "catalog/minisign.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/minisign_key.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::catalog;
using namespace banger::test;

namespace {

const std::string kMessage = R"({"version":1,"type":"images","entries":[]})";

/// A message that the real minisign has signed.
struct Signed {
    TempDir dir;
    MinisignKey key{dir / "one"};
    std::string file = dir / "images.json";
    std::vector<PublicKey> keys{parse_public_key(key.public_text())};

    std::string sign(const std::string& options = "") {
        write_file_atomically(file, kMessage);
        key.sign(file, options);
        return read_file(file + ".minisig");
    }
};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines(1);
    for (const char c : text) {
        if (c == '\n') {
            lines.emplace_back();
        } else {
            lines.back() += c;
        }
    }
    return lines;
}

}  // namespace

TEST_CASE("a signature of minisign is verified, prehashed and legacy") {
    Signed one;
    for (const std::string options : {"-t 'of the 25th'", "-l -t 'of the 25th'"}) {
        const auto signature = one.sign(options);
        CHECK(verify_signature(kMessage, signature, one.keys, "images.json") == "of the 25th");
    }
}

TEST_CASE("a public key is read with its comment line and without") {
    Signed one;
    const auto lines = lines_of(one.key.public_text());
    CHECK(parse_public_key(lines[1]).key == one.keys[0].key);
    CHECK(lines[0].find(key_id(one.keys[0])) != std::string::npos);
    for (const std::string bad :
         {"", "RW", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GF",
          "XXQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"}) {
        CHECK_THROWS_WITH(parse_public_key(bad), ContainsSubstring("no public key of minisign"));
    }
    CHECK_THROWS_AS(parse_public_key(lines[1] + "\nmore"), Error);
}

TEST_CASE("a key that is not trusted is named and refused") {
    Signed one;
    const auto signature = one.sign();
    const MinisignKey other(one.dir / "other");
    const auto keys = {parse_public_key(other.public_text())};
    CHECK_THROWS_WITH(verify_signature(kMessage, signature, keys, "images.json"),
                      ContainsSubstring("key " + key_id(one.keys[0])));
    CHECK_THROWS_AS(verify_signature(kMessage, signature, {}, "images.json"), Error);
}

TEST_CASE("another key under the id of a trusted one does not pass") {
    Signed one;
    const auto signature = one.sign();
    const MinisignKey other(one.dir / "other");
    auto forged = parse_public_key(other.public_text());
    forged.id = one.keys[0].id;
    CHECK_THROWS_WITH(verify_signature(kMessage, signature, {forged}, "images.json"),
                      ContainsSubstring("is not what the key"));
}

TEST_CASE("no byte of a signed message can be changed") {
    Signed one;
    for (const std::string options : {"", "-l"}) {
        const auto signature = one.sign(options);
        for (std::size_t at = 0; at < kMessage.size(); ++at) {
            auto changed = kMessage;
            changed[at] = static_cast<char>(changed[at] ^ 1);
            INFO("byte " << at);
            CHECK_THROWS_AS(verify_signature(changed, signature, one.keys, "m"), Error);
        }
        CHECK_THROWS_AS(verify_signature(kMessage + "\n", signature, one.keys, "m"), Error);
    }
}

TEST_CASE("no byte of a signature can be changed, and none left out") {
    Signed one;
    for (const std::string options : {"-t 'a trusted comment'", "-l -t 'a trusted comment'"}) {
        const auto signature = one.sign(options);
        for (std::size_t at = 0; at < signature.size(); ++at) {
            for (const int bit : {1, 4, 32, 128}) {
                auto changed = signature;
                changed[at] = static_cast<char>(changed[at] ^ bit);
                INFO("byte " << at << ", bit " << bit);
                CHECK_THROWS_AS(verify_signature(kMessage, changed, one.keys, "m"), Error);
            }
        }
        for (std::size_t size = 0; size + 1 < signature.size(); ++size) {
            INFO("cut after " << size);
            CHECK_THROWS_AS(verify_signature(kMessage, signature.substr(0, size), one.keys, "m"),
                            Error);
        }
        CHECK_THROWS_AS(verify_signature(kMessage, signature + "x", one.keys, "m"), Error);
    }
}

TEST_CASE("a signature made for another message does not pass") {
    Signed one;
    const auto signature = one.sign();
    CHECK_THROWS_WITH(verify_signature("{}", signature, one.keys, "images.json"),
                      ContainsSubstring("images.json is not what the key"));
}
