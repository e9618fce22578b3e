#include <fmt/format.h>

#include <algorithm>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/subprocess.hpp"
#include "test/support/catch.hpp"
#include "test/support/counts_memory.hpp"
#include "test/support/oci_builder.hpp"
#include "test/support/run_task.hpp"
#include "test/support/script_server.hpp"
#include "test/support/tar_builder.hpp"
#include "test/support/temp_dir.hpp"

// Small inputs that claim or unpack to a lot. Each is pulled by a process of its own (pull_once),
// whose peak of memory must stay below what the README promises of the daemon.
using namespace banger;
using namespace banger::test;

namespace {

constexpr std::uint64_t kPeakKiB = 96 * 1024;
constexpr std::uint64_t kMiB = 1 << 20;

/// "pulled", or the error of the pull.
std::string pull_alone(const std::string& source) {
    const auto result =
        run_task(run({PULL_ONCE, source}, std::chrono::seconds(100)), std::chrono::seconds(110));
    INFO(result.err);
    REQUIRE(result.status.success());
    const auto end = result.out.find('\n');
    const auto peak = std::stoull(result.out.substr(end + 1));
    if (kCountsMemory) CHECK(peak < kPeakKiB);
    return result.out.substr(0, end);
}

std::string pull_layer(const LayerSpec& layer) {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image({{layer}}));
    return pull_alone(layout.source("v1"));
}

/// A tar of one file with a GiB of zeros, packed piece by piece: as members or frames in a row.
LayerSpec gibibyte_of_zeros(Packing packing) {
    constexpr std::uint64_t kPieces = 64;
    const std::string piece(16 * kMiB, '\0');
    const auto head = TarBuilder::header({.path = "zeros"}, kPieces * piece.size());
    const std::string tail(1024, '\0');
    const auto packed = pack(piece, packing);
    LayerSpec layer{.packing = packing, .blob = pack(head, packing)};
    Hasher hasher;
    hasher.update(head);
    for (std::uint64_t count = 0; count < kPieces; ++count) {
        layer.blob += packed;
        hasher.update(piece);
    }
    layer.blob += pack(tail, packing);
    hasher.update(tail);
    layer.diff_id = hasher.finish().to_string();
    return layer;
}

}  // namespace

TEST_CASE("a gibibyte of zeros in a few KiB costs little memory") {
    const auto zstd = gibibyte_of_zeros(Packing::zstd);
    CHECK(zstd.blob.size() < 64 * 1024);
    CHECK(pull_layer(zstd) == "pulled");
    CHECK(pull_layer(gibibyte_of_zeros(Packing::gzip)) == "pulled");
}

TEST_CASE("a tar of 200,000 empty files costs memory for its names only") {
    TarBuilder tar;
    for (int index = 0; index < 200'000; ++index)
        tar.file(fmt::format("f{:06}", index), "");
    const LayerSpec layer{.tar = tar.finish(), .packing = Packing::zstd};
    CHECK(pull_layer(layer) == "pulled");
}

TEST_CASE("paths of a thousand levels are possible, deeper ones an error, and both are cheap") {
    const auto path = [](int levels, int which) {
        std::string text = fmt::format("{:04}", which);
        for (int level = 1; level < levels; ++level)
            text += "/a";
        return text;
    };
    TarBuilder tar;
    for (int which = 0; which < 100; ++which)
        tar.file(path(1000, which), "");
    CHECK(pull_layer({tar.finish()}) == "pulled");
    tar.file(path(1025, 0), "");
    CHECK_THAT(pull_layer({tar.finish()}), ContainsSubstring("deeper than 1024"));
}

TEST_CASE("a header that claims 8 GiB costs nothing of it") {
    for (const char type : {'x', 'g', 'L', 'K'}) {
        CAPTURE(type);
        const auto claim = TarBuilder::header({.path = "claim", .type = type}, 8ull << 30);
        const auto outcome = pull_layer({claim + std::string(64 * 1024, 'x')});
        CHECK_THAT(outcome, ContainsSubstring("over the limit of 1 MiB"));
    }
}

TEST_CASE("redirects without end are followed ten times") {
    std::string host;
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        return {.status = 307, .headers = {{"Location", "http://" + host + request.target + "x"}}};
    });
    host = server.host();
    CHECK_THAT(pull_alone(host + "/app:v1"), ContainsSubstring("redirect"));
    const auto requests = server.requests();
    const auto gets = std::count_if(requests.begin(), requests.end(),
                                    [](const auto& request) { return request.method == "GET"; });
    // Asked again, it would lead in the same circle.
    CHECK(gets == 11);
}

TEST_CASE("headers without end are given up") {
    ScriptServer server([](const ServerRequest&) -> ServerReply {
        ServerReply reply;
        reply.headers.assign(2000, {"X-Padding", std::string(10'000, 'x')});
        return reply;
    });
    const auto outcome = pull_alone(server.host() + "/app:v1");
    CHECK(outcome != "pulled");
    CHECK_THAT(outcome, ContainsSubstring(server.host()));
}
