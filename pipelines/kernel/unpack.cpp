#include "pipelines/kernel/unpack.hpp"

#include <archive.h>

#include <array>
#include <memory>
#include <span>

#include "pipelines/io/decompress.hpp"
#include "pipelines/io/error.hpp"

namespace banger::kernel {

namespace {

using namespace std::string_view_literals;

struct Format {
    std::string_view magic;
    std::string_view name;
    int (*enable)(archive*);
};

// One filter is enabled, the one the magic names: libarchive's own bidding would also start helper
// programs. The lz4 of kernels is the legacy frame format.
constexpr std::array kFormats{
    Format{"\x1f\x8b\x08"sv, "gzip", archive_read_support_filter_gzip},
    Format{"BZh"sv, "bzip2", archive_read_support_filter_bzip2},
    Format{"\xfd"
           "7zXZ\0"sv,
           "xz", archive_read_support_filter_xz},
    Format{"\x5d\0\0"sv, "lzma", archive_read_support_filter_lzma},
    Format{"\x02\x21\x4c\x18"sv, "lz4", archive_read_support_filter_lz4},
    Format{"\x04\x22\x4d\x18"sv, "lz4", archive_read_support_filter_lz4},
    Format{"\x28\xb5\x2f\xfd"sv, "zstd", archive_read_support_filter_zstd},
};

const Format* find_format(std::string_view head) {
    for (const auto& format : kFormats) {
        if (head.substr(0, format.magic.size()) == format.magic) return &format;
    }
    return nullptr;
}

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

[[noreturn]] void fail_damaged(std::string_view name, std::string_view format, const char* reason) {
    fail(Errc::invalid_argument, "{} holds damaged {} data: {}", name, format,
         reason != nullptr ? reason : "it ends too early");
}

/// Plain bytes, up to a limit.
class Output {
  public:
    Output(std::string_view name, std::size_t limit) : name_(name), limit_(limit) {}

    void append(const void* bytes, std::size_t size) {
        full_ = size > limit_ - plain_.size();
        if (full_) {
            fail(Errc::invalid_argument, "{} unpacks to more than {} MiB", name_, limit_ >> 20);
        }
        plain_.append(static_cast<const char*>(bytes), size);
    }
    bool full() const { return full_; }
    std::string take() { return std::move(plain_); }

  private:
    std::string_view name_;
    std::size_t limit_;
    bool full_ = false;
    std::string plain_;
};

/// libarchive does not look at a gzip stream's checksum.
void unpack_gzip(std::string_view packed, std::string_view name, Output& output) {
    const auto sink = [&](std::span<const std::byte> bytes) {
        output.append(bytes.data(), bytes.size());
    };
    const auto decompressor = make_decompressor(Compression::gzip);
    try {
        decompressor->push(std::as_bytes(std::span(packed)), sink);
        decompressor->finish(sink);
    } catch (const Error& error) {
        if (output.full()) throw;
        fail_damaged(name, "gzip", error.what());
    }
}

void unpack_by_libarchive(std::string_view packed, std::string_view name, const Format& format,
                          Output& output) {
    const Archive reader(archive_read_new(), archive_read_free);
    const auto damaged = [&] {
        fail_damaged(name, format.name, archive_error_string(reader.get()));
    };
    archive_entry* entry = nullptr;
    if (format.enable(reader.get()) != ARCHIVE_OK ||
        archive_read_support_format_raw(reader.get()) != ARCHIVE_OK ||
        archive_read_open_memory(reader.get(), packed.data(), packed.size()) != ARCHIVE_OK ||
        archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
        damaged();
    }
    for (;;) {
        const void* block = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        const int result = archive_read_data_block(reader.get(), &block, &size, &offset);
        if (result == ARCHIVE_EOF) return;
        if (result != ARCHIVE_OK) damaged();
        output.append(block, size);
    }
}

}  // namespace

std::string_view compression_name(std::string_view head) {
    const auto* format = find_format(head);
    return format != nullptr ? format->name : std::string_view{};
}

std::string unpack(std::string_view packed, std::string_view name, std::size_t limit) {
    const auto* format = find_format(packed);
    if (format == nullptr) return std::string(packed);
    Output output(name, limit);
    if (format->name == "gzip") {
        unpack_gzip(packed, name, output);
    } else {
        unpack_by_libarchive(packed, name, *format, output);
    }
    return output.take();
}

}  // namespace banger::kernel
