#include <zstd.h>

#include "test/integration/layers/layer_case.hpp"

using namespace banger;
using namespace banger::test;

namespace {

const std::string kGzipType = "application/vnd.oci.image.layer.v1.tar+gzip";
const std::string kZstdType = "application/vnd.oci.image.layer.v1.tar+zstd";
const std::string kPlainType = "application/vnd.oci.image.layer.v1.tar";

std::string a_tar() {
    return TarBuilder().file("a", std::string(50'000, 'x')).finish();
}

/// The layer of a_tar(), stored as these bytes.
ImageSpec stored_as(const std::string& blob, const std::string& media_type) {
    return {{{.tar = a_tar(), .blob = blob, .media_type = media_type}}};
}

bool is_right(const ImageSpec& spec) {
    const auto tree = tree_of_image(spec);
    return tree.names() == "/a" && tree.holds("/a", std::string(50'000, 'x'));
}

/// A zstd frame as ZSTD_compress2 makes it; without the size of its content when it is not asked
/// for.
std::string zstd_frame(const std::string& bytes, bool with_size = true) {
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                       &ZSTD_freeCCtx);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, with_size ? 1 : 0);
    std::string out(ZSTD_compressBound(bytes.size()), '\0');
    const auto size =
        ZSTD_compress2(context.get(), out.data(), out.size(), bytes.data(), bytes.size());
    REQUIRE_FALSE(ZSTD_isError(size));
    out.resize(size);
    return out;
}

std::string little_endian(std::uint32_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i)
        out += static_cast<char>(value >> (8 * i) & 0xFF);
    return out;
}

std::string skippable_frame(const std::string& content) {
    return little_endian(0x184D2A50, 4) +
           little_endian(static_cast<std::uint32_t>(content.size()), 4) + content;
}

/// A frame that claims a window of 2^`log` bytes, its content in one block as it is.
std::string frame_with_window(int log, const std::string& bytes) {
    const auto window = static_cast<char>((log - 10) << 3);
    const auto block = static_cast<std::uint32_t>(bytes.size() << 3 | 1);
    return little_endian(0xFD2FB528, 4) + '\0' + window + little_endian(block, 3) + bytes;
}

}  // namespace

TEST_CASE("what a layer is packed with is seen, not believed", "[L75]") {
    for (const auto& type : {kGzipType, kZstdType, kPlainType}) {
        for (const auto packing : {Packing::plain, Packing::gzip, Packing::zstd}) {
            CHECK(is_right(stored_as(pack(a_tar(), packing), type)));
        }
    }
}

TEST_CASE("zstd may come in frames of every kind", "[L76]") {
    const auto tar = a_tar();
    const auto half = tar.size() / 2;
    const auto first = zstd_frame(tar.substr(0, half)), second = zstd_frame(tar.substr(half));
    CHECK(is_right(stored_as(zstd_frame(tar), kZstdType)));
    CHECK(is_right(stored_as(zstd_frame(tar, false), kZstdType)));
    CHECK(is_right(stored_as(first + second, kZstdType)));
    CHECK(is_right(stored_as(first + zstd_frame("") + second, kZstdType)));
    CHECK(is_right(stored_as(first + skippable_frame("between") + second, kZstdType)));
    CHECK(is_right(stored_as(skippable_frame("before") + first + second, kZstdType)));
    // zstd:chunked ends in skippable frames that hold its table of contents and a footer.
    CHECK(is_right(stored_as(first + second + skippable_frame(zstd_frame("{\"version\":1}")) +
                                 skippable_frame(std::string(64, 'f')),
                             kZstdType)));
}

TEST_CASE("a zstd window of 2^27 bytes is the largest", "[L76]") {
    CHECK(is_right(stored_as(frame_with_window(27, a_tar()), kZstdType)));
    CHECK_THAT(refusal_of_image(stored_as(frame_with_window(28, a_tar()), kZstdType)),
               ContainsSubstring("zstd") && ContainsSubstring("memory"));
}

TEST_CASE("zstd that is cut or has junk behind it is an error", "[L76]") {
    const auto frame = zstd_frame(a_tar());
    for (const auto& blob : {frame.substr(0, frame.size() - 1), frame + "junk",
                             frame + frame.substr(0, 3), frame + std::string(64, '\0')}) {
        CHECK_FALSE(refusal_of_image(stored_as(blob, kZstdType)).empty());
    }
}

TEST_CASE("gzip may have several members", "[L77]") {
    const auto tar = a_tar();
    CHECK(is_right(stored_as(pack(tar.substr(0, 700), Packing::gzip) + pack("", Packing::gzip) +
                                 pack(tar.substr(700), Packing::gzip),
                             kGzipType)));
}

TEST_CASE("gzip with junk, with zeros or without its trailer is an error", "[L77]") {
    const auto blob = pack(a_tar(), Packing::gzip);
    for (const auto& bad : {blob + "junk", blob + std::string(512, '\0'), blob + '\0',
                            blob.substr(0, blob.size() - 8), blob.substr(0, blob.size() - 1),
                            blob.substr(0, blob.size() / 2), blob + blob.substr(0, 5)}) {
        CAPTURE(bad.size());
        CHECK_FALSE(refusal_of_image(stored_as(bad, kGzipType)).empty());
    }
    auto wrong_sum = blob;
    wrong_sum[blob.size() - 8] = static_cast<char>(wrong_sum[blob.size() - 8] ^ 1);
    CHECK_THAT(refusal_of_image(stored_as(wrong_sum, kGzipType)), ContainsSubstring("checksum"));
}
