#include "pipelines/io/base64.hpp"

#include "test/support/catch.hpp"

using namespace banger;

TEST_CASE("base64 is that of RFC 4648, both ways") {
    const std::vector<std::pair<std::string, std::string>> pairs{
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xff\xfe?", "//4/"}};
    for (const auto& [bytes, text] : pairs) {
        CAPTURE(text);
        CHECK(base64_encode(bytes) == text);
        CHECK(base64_decode(text) == bytes);
    }
    CHECK(base64_decode("Zg") == "f");
    CHECK(base64_decode(" Zm8=\n") == "fo");
}

TEST_CASE("what is no base64 is not decoded") {
    for (const auto* text : {"Z", "Zm9v!", "Zg===", "Z=g=", "-_", "Zm 9v"}) {
        CAPTURE(text);
        CHECK_FALSE(base64_decode(text));
    }
}
