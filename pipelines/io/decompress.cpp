#include "pipelines/io/decompress.hpp"

#include <zstd.h>

#include <array>
#include <cstdint>
#include <vector>

#include "pipelines/io/decompress_gzip.hpp"
#include "pipelines/io/error.hpp"

namespace banger {
namespace {

class PlainDecompressor final : public Decompressor {
  public:
    void push(std::span<const std::byte> bytes, const Sink& sink) override {
        if (!bytes.empty()) sink(bytes);
    }
    void finish(const Sink&) override {}
};

class ZstdDecompressor final : public Decompressor {
  public:
    /// `zstd --long=27` and what its own command line decompresses unasked.
    static constexpr int kWindowLogMax = 27;

    ZstdDecompressor()
        : context_(ZSTD_createDCtx(), &ZSTD_freeDCtx), output_(ZSTD_DStreamOutSize()) {
        if (!context_) fail(Errc::internal, "cannot allocate a zstd decoder");
        check(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLogMax));
    }

    void push(std::span<const std::byte> compressed, const Sink& sink) override {
        ZSTD_inBuffer input{compressed.data(), compressed.size(), 0};
        bool output_full = false;
        while (input.pos < input.size || output_full) {
            ZSTD_outBuffer output{output_.data(), output_.size(), 0};
            const std::size_t left = check(ZSTD_decompressStream(context_.get(), &output, &input));
            if (output.pos > 0) sink(std::span(output_).first(output.pos));
            any_frame_ = true;
            // Zero means that a frame is complete and all of it has been given out.
            in_frame_ = left != 0;
            output_full = in_frame_ && output.pos == output.size;
        }
    }

    void finish(const Sink&) override {
        if (!any_frame_) fail(Errc::invalid_argument, "zstd stream is empty");
        if (in_frame_) fail(Errc::invalid_argument, "zstd stream is cut short");
    }

  private:
    static std::size_t check(std::size_t result) {
        if (!ZSTD_isError(result)) return result;
        fail(Errc::invalid_argument, "zstd stream is damaged: {}", ZSTD_getErrorName(result));
    }

    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
    std::vector<std::byte> output_;
    bool in_frame_ = false;
    bool any_frame_ = false;
};

std::uint32_t little_endian(std::span<const std::byte> head) {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        number |= std::to_integer<std::uint32_t>(head[i]) << (8 * i);
    }
    return number;
}

}  // namespace

Compression sniff_compression(std::span<const std::byte> head) {
    if (head.size() >= 2 && head[0] == std::byte{0x1f} && head[1] == std::byte{0x8b}) {
        return Compression::gzip;
    }
    if (head.size() < 4) return Compression::none;
    const auto magic = little_endian(head);
    const bool skippable = (magic & 0xfffffff0u) == 0x184d2a50u;
    return magic == 0xfd2fb528u || skippable ? Compression::zstd : Compression::none;
}

std::unique_ptr<Decompressor> make_decompressor(Compression kind) {
    switch (kind) {
        case Compression::gzip:
            return std::make_unique<GzipDecompressor>();
        case Compression::zstd:
            return std::make_unique<ZstdDecompressor>();
        case Compression::none:
            break;
    }
    return std::make_unique<PlainDecompressor>();
}

}  // namespace banger
