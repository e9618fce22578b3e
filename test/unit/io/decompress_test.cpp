#include "pipelines/io/decompress.hpp"

#include <zstd.h>

#include <random>
#include <string>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/subprocess.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace std::chrono_literals;
using banger::test::run_task;
using banger::test::TempDir;

namespace {

/// Compressible, but not too well: runs of words and of noise.
std::string sample_text(std::size_t size) {
    std::mt19937 random(11);
    std::string text;
    while (text.size() < size) {
        text += "the quick brown fox " + std::to_string(random() % 1000);
        if (random() % 4 == 0) text += static_cast<char>(random());
    }
    text.resize(size);
    return text;
}

/// What `tool` (gzip or zstd, with options) makes of `text`.
std::string compressed_by(std::vector<std::string> tool, const std::string& text) {
    TempDir dir;
    write_file_atomically(dir / "plain", text);
    const std::string suffix = tool.front() == "gzip" ? ".gz" : ".zst";
    tool.push_back(dir / "plain");
    const auto result = run_task(run(std::move(tool), 60s));
    INFO(result.err);
    REQUIRE(result.status.success());
    return read_file(dir / ("plain" + suffix));
}

std::string gzip(const std::string& text) {
    return compressed_by({"gzip", "-6"}, text);
}

std::string zstd(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    const auto size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
    REQUIRE_FALSE(ZSTD_isError(size));
    out.resize(size);
    return out;
}

std::string decompressed(Compression kind, std::string_view input, std::size_t piece) {
    std::string text;
    const Decompressor::Sink sink = [&text](std::span<const std::byte> bytes) {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    auto decompressor = make_decompressor(kind);
    for (std::size_t at = 0; at < input.size(); at += piece) {
        decompressor->push(std::as_bytes(std::span(input.substr(at, piece))), sink);
    }
    decompressor->finish(sink);
    return text;
}

std::string decompressed(Compression kind, std::string_view input) {
    return decompressed(kind, input, 1u << 18);
}

std::string failure_of(Compression kind, std::string_view input, std::size_t piece = 1u << 18) {
    try {
        decompressed(kind, input, piece);
    } catch (const Error& e) {
        CHECK(e.code() == Errc::invalid_argument);
        return e.what();
    }
    return "no failure";
}

std::string skippable_frame(const std::string& payload) {
    std::string frame("\x50\x2a\x4d\x18", 4);
    frame += static_cast<char>(payload.size());
    return frame + std::string(3, '\0') + payload;
}

Compression sniff(std::string_view text) {
    return sniff_compression(std::as_bytes(std::span(text)));
}

}  // namespace

TEST_CASE("the compression is known by its first bytes") {
    CHECK(sniff("\x1f\x8b\x08") == Compression::gzip);
    CHECK(sniff("\x28\xb5\x2f\xfd") == Compression::zstd);
    CHECK(sniff("\x5f\x2a\x4d\x18") == Compression::zstd);
    CHECK(sniff("etc/passwd") == Compression::none);
    CHECK(sniff("\x1f") == Compression::none);
    CHECK(sniff("") == Compression::none);
}

TEST_CASE("what gzip packed is unpacked, however it is cut into pieces") {
    const auto text = sample_text(3'000'000);
    const auto packed = gzip(text);
    const std::size_t piece = GENERATE(7u, 1000u, 1u << 18, 1u << 30);

    CHECK(decompressed(Compression::gzip, packed, piece) == text);
}

TEST_CASE("optional gzip header fields survive being cut anywhere") {
    const std::string text = "hello";
    auto packed = gzip(text);
    // FEXTRA, FNAME and FCOMMENT in front of what gzip wrote, which has only FNAME.
    const auto body = packed.find('\0', 10) + 1;
    const std::string header = std::string("\x1f\x8b\x08\x1c\0\0\0\0\0\x03", 10) +
                               std::string("\x03\0abc", 5) + std::string("name\0", 5) +
                               std::string("comment\0", 8);
    const auto with_fields = header + packed.substr(body);

    CHECK(decompressed(Compression::gzip, with_fields, 1) == text);
    CHECK(decompressed(Compression::gzip, with_fields) == text);
}

TEST_CASE("an empty file packed by gzip is empty") {
    CHECK(decompressed(Compression::gzip, gzip("")).empty());
}

TEST_CASE("several gzip members are joined") {
    const auto first = sample_text(400'000);
    const auto packed = gzip(first) + gzip("") + gzip("second");
    const std::size_t piece = GENERATE(1u, 4096u, 1u << 30);

    CHECK(decompressed(Compression::gzip, packed, piece) == first + "second");
}

TEST_CASE("a gzip stream cut at any place is refused") {
    const auto packed = gzip("some text that is long enough to be cut in many places");
    for (std::size_t size = 1; size < packed.size(); ++size) {
        CHECK(failure_of(Compression::gzip, packed.substr(0, size)) == "gzip stream is cut short");
    }
    CHECK(failure_of(Compression::gzip, "") == "gzip stream is empty");
}

TEST_CASE("a second gzip member that is cut is refused") {
    CHECK(failure_of(Compression::gzip, gzip("one") + gzip("two").substr(0, 4)) ==
          "gzip stream is cut short");
}

TEST_CASE("junk after a gzip stream is refused") {
    const auto packed = gzip("text");
    CHECK_THAT(failure_of(Compression::gzip, packed + "junk that is longer than a header"),
               test::ContainsSubstring("not a gzip member"));
    CHECK_THAT(failure_of(Compression::gzip, packed + std::string(512, '\0'), 1),
               test::ContainsSubstring("not a gzip member"));
    CHECK(failure_of(Compression::gzip, packed + "j") != "no failure");
}

TEST_CASE("a wrong checksum or length in the gzip trailer is refused") {
    auto packed = gzip(sample_text(100'000));
    const std::size_t from_end = GENERATE(1u, 4u, 5u, 8u);
    packed[packed.size() - from_end] = static_cast<char>(packed[packed.size() - from_end] ^ 1);

    CHECK_THAT(failure_of(Compression::gzip, packed),
               test::ContainsSubstring("checksum does not match"));
}

TEST_CASE("a damaged gzip body is refused") {
    auto packed = gzip(sample_text(100'000));
    for (std::size_t i = 0; i < 20; ++i)
        packed[packed.size() / 2 + i] = '\xff';

    CHECK(failure_of(Compression::gzip, packed) != "no failure");
}

TEST_CASE("what the zstd tool packed is unpacked, however it is cut into pieces") {
    const auto text = sample_text(3'000'000);
    const auto packed = compressed_by({"zstd", "-q", "-3", "--check"}, text);
    const std::size_t piece = GENERATE(7u, 1000u, 1u << 18, 1u << 30);

    CHECK(decompressed(Compression::zstd, packed, piece) == text);
}

TEST_CASE("a window of 2^27 is read and one of 2^28 is refused") {
    const auto text = sample_text(1'000'000);
    const auto packed_with = [&](int window_log) {
        std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     &ZSTD_freeCCtx);
        ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log);
        std::string out(ZSTD_compressBound(text.size()) + 1000, '\0');
        ZSTD_outBuffer output{out.data(), out.size(), 0};
        ZSTD_inBuffer input{text.data(), text.size(), 0};
        // A flush before the end keeps the size out of the header, so the window counts in full.
        ZSTD_compressStream2(context.get(), &output, &input, ZSTD_e_flush);
        REQUIRE(ZSTD_compressStream2(context.get(), &output, &input, ZSTD_e_end) == 0);
        out.resize(output.pos);
        return out;
    };

    CHECK(decompressed(Compression::zstd, packed_with(27)) == text);
    CHECK_THAT(failure_of(Compression::zstd, packed_with(28)), test::ContainsSubstring("damaged"));
}

TEST_CASE("several zstd frames are joined and skippable ones are skipped") {
    const auto text = sample_text(300'000);
    const auto packed = skippable_frame("meta") + zstd(text) + skippable_frame("") + zstd("end") +
                        skippable_frame("table of contents");
    const std::size_t piece = GENERATE(1u, 4096u, 1u << 30);

    CHECK(decompressed(Compression::zstd, packed, piece) == text + "end");
}

TEST_CASE("a zstd stream cut at any place is refused") {
    const auto packed = zstd("some text that is long enough to be cut in many places");
    for (std::size_t size = 1; size < packed.size(); ++size) {
        CHECK(failure_of(Compression::zstd, packed.substr(0, size)) == "zstd stream is cut short");
    }
    CHECK(failure_of(Compression::zstd, "") == "zstd stream is empty");
    CHECK(failure_of(Compression::zstd, zstd("one") + skippable_frame("meta").substr(0, 9)) ==
          "zstd stream is cut short");
}

TEST_CASE("junk after a zstd stream is refused") {
    CHECK_THAT(failure_of(Compression::zstd, zstd("text") + "junk!"),
               test::ContainsSubstring("damaged"));
    CHECK_THAT(failure_of(Compression::zstd, zstd("text") + "j"),
               test::ContainsSubstring("damaged"));
}

TEST_CASE("a damaged zstd frame with a checksum is refused") {
    auto packed = compressed_by({"zstd", "-q", "--check"}, sample_text(50'000));
    packed.back() = static_cast<char>(packed.back() ^ 1);

    CHECK_THAT(failure_of(Compression::zstd, packed), test::ContainsSubstring("checksum"));
}

TEST_CASE("plain bytes pass unchanged") {
    CHECK(decompressed(Compression::none, "plain", 2) == "plain");
    CHECK(decompressed(Compression::none, "").empty());
}
