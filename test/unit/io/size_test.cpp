#include "pipelines/io/size.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

namespace banger {
namespace {

constexpr std::uint64_t kMi = 1024 * 1024;

TEST_CASE("sizes are read with and without units") {
    const auto [text, bytes] = GENERATE(table<std::string, std::uint64_t>({
        {"4G", 4096 * kMi},
        {"4GiB", 4096 * kMi},
        {"4gb", 4096 * kMi},
        {"512M", 512 * kMi},
        {"512", 512 * kMi},
        {"1.5G", 1536 * kMi},
        {"64k", 65536},
        {"4096B", 4096},
        {"2T", 2048 * 1024 * kMi},
    }));
    CHECK(parse_size(text) == bytes);
}

TEST_CASE("what is no size is refused") {
    const auto text = GENERATE(as<std::string>{}, "", "G", "4X", "4 G", "-1G", "+1G", "0", "4GiBs",
                               "nan", "inf", "1e3", "99999999T", "0x10", ".5G");
    CHECK_THROWS_AS(parse_size(text), Error);
}

}  // namespace
}  // namespace banger
