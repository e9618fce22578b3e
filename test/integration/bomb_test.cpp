#include <fmt/format.h>

#include <algorithm>
#include <iostream>

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

struct Outcome {
    std::string what;  ///< "pulled", or the error of the pull
    std::uint64_t peak_kib = 0;
};

Outcome outcome_of(const std::string& source, std::chrono::seconds limit) {
    const auto result = run_task(run({PULL_ONCE, source}, limit), limit + std::chrono::seconds(10));
    INFO(result.err);
    REQUIRE(result.status.success());
    const auto end = result.out.find('\n');
    return {result.out.substr(0, end), std::stoull(result.out.substr(end + 1))};
}

std::string pull_alone(const std::string& source) {
    const auto outcome = outcome_of(source, std::chrono::seconds(100));
    if (kCountsMemory) CHECK(outcome.peak_kib < kPeakKiB);
    return outcome.what;
}

std::string layout_of(const TempDir& dir, const LayerSpec& layer) {
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image({{layer}}));
    return layout.source("v1");
}

std::string pull_layer(const LayerSpec& layer) {
    const TempDir dir;
    return pull_alone(layout_of(dir, layer));
}

/// A layer of so many empty files, packed in pieces: its tar has half a KiB for each.
LayerSpec empty_files(std::uint64_t count) {
    constexpr std::uint64_t kInPiece = 10'000;
    LayerSpec layer{.packing = Packing::zstd};
    Hasher hasher;
    const auto add = [&](const std::string& piece) {
        layer.blob += pack(piece, layer.packing);
        hasher.update(piece);
    };
    for (std::uint64_t first = 0; first < count; first += kInPiece) {
        std::string piece;
        for (auto each = first; each < std::min(first + kInPiece, count); ++each)
            piece += TarBuilder::header(
                {.path = fmt::format("{:03}/{:05}", each / 100'000, each % 100'000)}, 0);
        add(piece);
    }
    add(std::string(1024, '\0'));
    layer.diff_id = hasher.finish().to_string();
    return layer;
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

TEST_CASE("large xattrs and link targets are limited together, and cheap") {
    TarBuilder xattrs;
    for (int index = 0; index < 1000; ++index)
        xattrs.add({.path = fmt::format("f{:04}", index),
                    .pax = {{"SCHILY.xattr.user.one", std::string(60'000, 'x')},
                            {"SCHILY.xattr.user.two", std::string(60'000, 'x')}}});
    CHECK_THAT(pull_layer({xattrs.finish(), Packing::zstd}),
               ContainsSubstring("over the limit of 32 MiB"));
    TarBuilder links;
    for (int index = 0; index < 20'000; ++index)
        links.add(
            {.path = fmt::format("l{:05}", index), .type = '2', .link = std::string(4095, 'l')});
    CHECK_THAT(pull_layer({links.finish(), Packing::zstd}),
               ContainsSubstring("over the limit of 32 MiB"));
}

TEST_CASE("warnings cost no more than a look at them, whatever they speak of") {
    TarBuilder tar;
    for (int index = 0; index < 1000; ++index)
        tar.add({.path = fmt::format("f{:04}", index),
                 .pax = {{"SCHILY.acl.access", "user:" + std::string(60'000, 'u') + ":rwx"}}});
    CHECK(pull_layer({tar.finish(), Packing::zstd}) == "pulled");
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

// Half an hour on a busy machine, hence not among the tests of every day.
TEST_CASE("five million entries are possible, at 200 bytes each, and one more is an error",
          "[long]") {
    constexpr std::uint64_t kEntries = 5'000'000;
    constexpr std::chrono::minutes kLimit{25};
    const TempDir dir;
    const auto most = outcome_of(layout_of(dir, empty_files(kEntries)), kLimit);
    CHECK(most.what == "pulled");
    const TempDir other;
    const auto bomb = outcome_of(layout_of(other, empty_files(kEntries + 1)), kLimit);
    CHECK(bomb.what == "the image has more than the limit of 5000000 files");
    std::cout << "peak of memory: " << most.peak_kib / 1024 << " MiB for five million entries, "
              << bomb.peak_kib / 1024 << " MiB for one more\n";
    if (!kCountsMemory) return;
    const std::uint64_t names = kEntries * 10;
    CHECK(most.peak_kib < kPeakKiB + (kEntries * 200 + names) / 1024);
    // Stopped before the merge: the packed list is all there is.
    CHECK(bomb.peak_kib < kPeakKiB + kEntries * 20 / 1024);
}

TEST_CASE("directories that only paths imply are limited as well, and cheap until then") {
    TarBuilder tar;
    for (int which = 0; which < 260; ++which) {
        std::string path = fmt::format("{:04}", which);
        for (int level = 1; level < 1000; ++level)
            path += "/a";
        tar.file(path, "");
    }
    CHECK_THAT(pull_layer({tar.finish(), Packing::zstd}),
               ContainsSubstring("over the limit of 250000 directories that only paths imply"));
}
