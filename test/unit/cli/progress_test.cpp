#include "cli/progress.hpp"

#include "test/support/catch.hpp"

namespace banger::cli {
namespace {

using banger::test::ContainsSubstring;
using namespace std::chrono_literals;

constexpr std::uint64_t kMi = 1024 * 1024;
const auto kStart = ProgressRenderer::Clock::time_point(1h);

api::ProgressEvent event(std::string stage, std::string item, std::uint64_t done,
                         std::uint64_t total, std::string message = "") {
    api::ProgressEvent out;
    out.stage = std::move(stage);
    out.item = std::move(item);
    out.done = done;
    out.total = total;
    out.message = std::move(message);
    return out;
}

std::size_t count_lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_CASE("a layer's line shows bytes done, bytes in all and the rate") {
    ProgressRenderer renderer({true, 80, 24});
    auto half = event("download", "a1b2c3", 5 * kMi, 10 * kMi);
    half.rate = 2 * kMi;
    CHECK_THAT(renderer.update(half, kStart),
               ContainsSubstring("download    a1b2c3  5.0 MiB / 10.0 MiB  2.0 MiB/s"));
}

TEST_CASE("on a terminal each layer keeps its own line") {
    ProgressRenderer renderer({true, 80, 24});
    renderer.update(event("download", "one", 1, 2), kStart);
    renderer.update(event("download", "two", 1, 2), kStart + 1s);
    const auto text = renderer.update(event("extract", "one", 2, 2), kStart + 2s);
    CHECK_THAT(text, Catch::Matchers::StartsWith("\r\x1b[2A"));
    CHECK_THAT(text, ContainsSubstring("extract     one") && ContainsSubstring("download    two"));
    CHECK(count_lines(text) == 2);
}

TEST_CASE("a terminal is redrawn at most every 80 ms, and finish shows the last state") {
    ProgressRenderer renderer({true, 80, 24});
    CHECK_FALSE(renderer.update(event("write", "", 1, 9), kStart).empty());
    CHECK(renderer.update(event("write", "", 2, 9), kStart + 10ms).empty());
    CHECK_THAT(renderer.finish(), ContainsSubstring("2 B / 9 B"));
    CHECK(renderer.finish().empty());
}

TEST_CASE("lines are cut to the terminal and rows to its height") {
    ProgressRenderer renderer({true, 20, 4});
    std::string text;
    for (int i = 0; i < 9; ++i) {
        const auto done = i < 5 ? 2u : 1u;
        text = renderer.update(event("download", "layer" + std::to_string(i), done, 2),
                               kStart + std::chrono::seconds(i));
    }
    CHECK(count_lines(text) == 3);
    CHECK_THAT(text, ContainsSubstring("layer5") && !ContainsSubstring("layer0"));
    CHECK_THAT(text, !ContainsSubstring("1 B / 2 B"));
}

TEST_CASE("without a terminal a layer gets one line, when it is done") {
    ProgressRenderer renderer({false, 80, 24});
    CHECK(renderer.update(event("download", "a1", 1 * kMi, 4 * kMi), kStart).empty());
    CHECK(renderer.update(event("download", "a1", 2 * kMi, 4 * kMi), kStart + 1s).empty());
    CHECK(renderer.update(event("download", "a1", 4 * kMi, 4 * kMi), kStart + 2s) ==
          "download    a1  4.0 MiB\n");
    CHECK(renderer.update(event("download", "a1", 4 * kMi, 4 * kMi), kStart + 3s).empty());
    CHECK(renderer.finish().empty());
}

TEST_CASE("without a terminal stages and messages get a line each, once") {
    ProgressRenderer renderer({false, 80, 24});
    CHECK(renderer.update(event("boot", "", 0, 0, "kernel started"), kStart) ==
          "boot        kernel started\n");
    CHECK(renderer.update(event("boot", "", 0, 0, "kernel started"), kStart).empty());
    CHECK(renderer.update(event("boot", "", 0, 0, "agent answers"), kStart) ==
          "boot        agent answers\n");
}

}  // namespace
}  // namespace banger::cli
