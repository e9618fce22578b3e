#include "pipelines/kernel/unpack.hpp"

#include <archive.h>

#include <array>
#include <memory>

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

[[noreturn]] void fail_damaged(archive* reader, std::string_view name, std::string_view format) {
    const char* reason = archive_error_string(reader);
    fail(Errc::invalid_argument, "{} holds damaged {} data: {}", name, format,
         reason != nullptr ? reason : "it ends too early");
}

}  // namespace

std::string_view compression_name(std::string_view head) {
    const auto* format = find_format(head);
    return format != nullptr ? format->name : std::string_view{};
}

std::string unpack(std::string_view packed, std::string_view name, std::size_t limit) {
    const auto* format = find_format(packed);
    if (format == nullptr) return std::string(packed);
    const Archive reader(archive_read_new(), archive_read_free);
    archive_entry* entry = nullptr;
    if (format->enable(reader.get()) != ARCHIVE_OK ||
        archive_read_support_format_raw(reader.get()) != ARCHIVE_OK ||
        archive_read_open_memory(reader.get(), packed.data(), packed.size()) != ARCHIVE_OK ||
        archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
        fail_damaged(reader.get(), name, format->name);
    }
    std::string plain;
    for (;;) {
        const void* block = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        const int result = archive_read_data_block(reader.get(), &block, &size, &offset);
        if (result == ARCHIVE_EOF) return plain;
        if (result != ARCHIVE_OK) fail_damaged(reader.get(), name, format->name);
        if (size > limit - plain.size()) {
            fail(Errc::invalid_argument, "{} unpacks to more than {} MiB", name, limit >> 20);
        }
        plain.append(static_cast<const char*>(block), size);
    }
}

}  // namespace banger::kernel
