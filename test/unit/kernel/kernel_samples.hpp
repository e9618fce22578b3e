#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipelines/io/error.hpp"

// Kernels, modules and packages made from bytes, small but of the real formats.
namespace banger::test {

struct ElfSample {
    std::uint16_t type = 2;      ///< ET_EXEC
    std::uint16_t machine = 62;  ///< EM_X86_64
    bool pvh_note = false;
    std::vector<std::pair<std::string, std::string>> sections;
};
std::string make_elf(const ElfSample& sample);

/// A vmlinux that says it is Linux `version`, with `padding` bytes that do not compress.
std::string make_vmlinux(std::string_view version = "6.1.0-test", bool pvh = true,
                         std::size_t padding = 4096);

/// A module with a .modinfo of these "key=value" lines.
std::string make_module(const std::vector<std::string>& modinfo);

/// A bzImage (boot protocol 2.15, one setup sector) around a payload.
std::string make_bzimage(std::string_view payload);

/// One stream by libarchive's own writers: "gzip", "bzip2", "xz", "lzma", "lz4", "zstd", "none".
std::string compress(std::string_view plain, const std::string& format);

/// An lz4 stream as kernels have it (`lz4 -l`), of literals only.
std::string compress_lz4_legacy(std::string_view plain);

/// The payload of a bzImage: gzip as it is, other formats with the plain size behind them.
std::string make_payload(std::string_view vmlinux, const std::string& format);

struct DebFile {
    std::string path;
    std::string content;
    std::string link_target = {};  ///< a symbolic link where not empty
    bool hard = false;             ///< … or a hard one
};
/// A .deb whose data.tar is packed by `format`.
std::string make_deb(const std::vector<DebFile>& files, const std::string& format = "xz");

/// `value` little endian.
std::string le32(std::uint32_t value);

void save(const std::string& path, std::string_view bytes);
/// Every regular file below, by relative path.
std::map<std::string, std::string> load_tree(const std::string& directory);

/// The message of the Error that `action` throws; fails the test when it throws none.
template <class Action>
std::string error_of(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "(nothing was thrown)";
}

}  // namespace banger::test
