#include "pipelines/image/tar_stream.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>

#include "pipelines/image/entry_limits.hpp"
#include "pipelines/image/posix_acl.hpp"
#include "pipelines/image/tar_header.hpp"
#include "pipelines/image/tar_pax.hpp"
#include "pipelines/image/tar_sparse.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::uint64_t kMaxSpecialHeader = 1 << 20;
constexpr std::size_t kMaxAclText = 64 * 1024;
/// ext4 counts a file's blocks in 32 bits.
constexpr std::uint64_t kMaxFileBytes = 0xFFFFFFFFull * kBlockSize;

/// Up to the next block's start.
std::uint64_t padding(std::uint64_t size) {
    return (kTarBlock - size % kTarBlock) % kTarBlock;
}

std::uint32_t to_id(std::int64_t id, std::string_view path) {
    if (id < 0 || id > std::numeric_limits<std::uint32_t>::max()) {
        refuse_entry(path, fmt::format("its owner {} does not fit in 32 bits", id));
    }
    return static_cast<std::uint32_t>(id);
}

/// Nullopt for what an image has no use for.
std::optional<NodeType> to_type(char type, std::string_view path) {
    switch (type) {
        case '\0':
            // Before ustar a directory was a file whose name ends so.
            return path.ends_with('/') ? NodeType::directory : NodeType::regular;
        case '0':
        case '1':  // The type of a hard link is its target's.
        case '7':
        case 'S':
            return NodeType::regular;
        case '2':
            return NodeType::symlink;
        case '3':
            return NodeType::char_device;
        case '4':
            return NodeType::block_device;
        case '5':
            return NodeType::directory;
        case '6':
            return NodeType::fifo;
        default:
            return std::nullopt;
    }
}

void add_acl(const std::string& text, AclKind kind, LayerEntry& out, WarningList& warnings) {
    if (text.empty()) return;
    if (text.size() > kMaxAclText) refuse_entry(out.path, "its ACL is over 64 KiB");
    const char* name =
        kind == AclKind::access ? "system.posix_acl_access" : "system.posix_acl_default";
    try {
        auto value = posix_acl_xattr(text, kind);
        if (!value) return;
        auto& xattrs = out.attributes.xattrs;
        std::erase_if(xattrs, [&](const auto& xattr) { return xattr.first == name; });
        xattrs.emplace_back(name, std::move(*value));
    } catch (const Error& error) {
        warnings.add(fmt::format("dropped the ACL of '{}': {}", out.path, error.what()));
    }
}

void take_metadata(ImageBudget& budget, const LayerEntry& entry) {
    constexpr std::uint64_t kOverhead = 64;  // of an allocation or two
    auto rest = entry.link_target.size() + entry.extents.size() * sizeof(Extent);
    for (const auto& [name, value] : entry.attributes.xattrs)
        rest += kOverhead + name.size() + value.size();
    budget.take_metadata(kOverhead + entry.path.size(), rest);
}

std::uint64_t bytes_of(const std::vector<Extent>& extents) {
    return std::accumulate(
        extents.begin(), extents.end(), std::uint64_t{0},
        [](std::uint64_t sum, const Extent& extent) { return sum + extent.count * kBlockSize; });
}

/// What headers of their own say of the entry after them.
struct Preamble {
    std::optional<PaxFields> pax;
    std::optional<std::string> path, link;  ///< GNU's L and K

    bool is_empty() const { return !pax && !path && !link; }
};

/// One tar on its way into entries.
class TarReader {
  public:
    TarReader(const TarPieces& pieces, ContentSink& sink, ImageBudget& budget)
        : input_(pieces), sink_(sink), budget_(budget) {}

    TarContents run() {
        while (read_block()) {
            const TarHeader header(block_);
            if (header.is_zero()) {
                check_end();
                break;
            }
            if (!header.has_right_checksum()) {
                fail(Errc::invalid_argument, "damaged tar after {}: a header's checksum is wrong",
                     last_entry());
            }
            if (!read_special(header)) read_entry(header);
        }
        if (!preamble_.is_empty()) {
            fail(Errc::invalid_argument, "damaged tar after {}: a long name without its entry",
                 last_entry());
        }
        input_.drain();
        return std::move(contents_);
    }

  private:
    std::string last_entry() const {
        if (contents_.entries.empty()) return "its start";
        return "'" + contents_.entries.last_path().substr(0, 100) + "'";
    }

    /// False where the tar ends between two blocks.
    bool read_block() {
        const auto size = input_.read(block_);
        if (size == 0 || size == kTarBlock) return size > 0;
        fail(Errc::invalid_argument, "damaged tar after {}: it is cut short", last_entry());
    }

    /// Two blocks of zeros end a tar, or one and nothing more. Tools do not agree on what one in
    /// the middle means.
    void check_end() {
        if (!read_block() || TarHeader(block_).is_zero()) return;
        fail(Errc::invalid_argument, "damaged tar after {}: a lone block of zeros", last_entry());
    }

    void skip(std::uint64_t bytes, std::string_view name) {
        if (!input_.skip(bytes)) fail_cut(name);
    }

    [[noreturn]] static void fail_cut(std::string_view name) {
        fail(Errc::invalid_argument, "damaged tar at '{}': it is cut short", name.substr(0, 100));
    }

    /// False when the header is an entry's own.
    bool read_special(const TarHeader& header) {
        switch (header.type()) {
            case 'x':
                preamble_.pax = parse_pax(special_content(header));
                return true;
            case 'g':
                special_content(header);
                return true;
            case 'L':
                preamble_.path = gnu_text(header);
                return true;
            case 'K':
                preamble_.link = gnu_text(header);
                return true;
            case 'V':
                contents_.warnings.add(
                    fmt::format("the volume label '{}' is passed over", header.path()));
                skip(header.size("a volume label") + padding(header.size("a volume label")),
                     "a volume label");
                preamble_ = {};
                return true;
            default:
                return false;
        }
    }

    /// Of a header that only speaks of other entries.
    std::string special_content(const TarHeader& header) {
        const auto name = header.path();
        const auto size = header.size(name);
        if (size > kMaxSpecialHeader) {
            refuse_entry(name, fmt::format("its header of type '{}' says it has {} bytes, over the "
                                           "limit of 1 MiB",
                                           header.type(), size));
        }
        std::string content(size, '\0');
        if (input_.read(content) < size) fail_cut(name);
        skip(padding(size), name);
        return content;
    }

    std::string gnu_text(const TarHeader& header) {
        auto text = special_content(header);
        text.resize(std::min(text.find('\0'), text.size()));
        return text;
    }

    void read_entry(const TarHeader& header) {
        budget_.take_entry();
        const auto preamble = std::exchange(preamble_, {});
        const auto pax = preamble.pax.value_or(PaxFields{});
        auto out = make_entry(header, preamble, pax);
        out.attributes.xattrs = pax.xattrs;
        add_acl(pax.access_acl, AclKind::access, out, contents_.warnings);
        add_acl(pax.default_acl, AclKind::default_acl, out, contents_.warnings);
        check_xattrs(out);
        if (pax.has_nfs4_acl) {
            contents_.warnings.add(
                fmt::format("dropped the ACL of '{}': ext4 has no NFSv4 ACLs", out.path));
        }
        const auto stored = pax.size ? *pax.size : header.size(out.path);
        if (out.is_hard_link && stored > 0) {
            refuse_entry(out.path, "a hard link has content of its own");
        }
        sink_.begin_entry(out);
        // Other types have no content whatever their size says.
        if (out.type == NodeType::regular && !out.is_hard_link) {
            read_content(header, pax, stored, out);
        }
        take_metadata(budget_, out);
        contents_.entries.add(out);
    }

    /// All of an entry but its content and extended attributes.
    static LayerEntry make_entry(const TarHeader& header, const Preamble& preamble,
                                 const PaxFields& pax) {
        LayerEntry out;
        out.path = preamble.path ? *preamble.path : pax.path ? *pax.path : header.path();
        if (pax.sparse_name) out.path = *pax.sparse_name;
        const auto& name = out.path;
        check_path(name);
        const auto type = to_type(header.type(), name);
        if (!type) {
            refuse_entry(
                name, fmt::format("its type '{}' is none that an image may have", header.type()));
        }
        out.type = *type;
        out.is_hard_link = header.type() == '1';
        if (out.is_hard_link || out.type == NodeType::symlink) {
            out.link_target = preamble.link   ? *preamble.link
                              : pax.link_path ? *pax.link_path
                                              : header.link();
            check_link(out.link_target, name);
        }
        out.attributes.mode = static_cast<std::uint16_t>(header.mode(name) & 07777);
        out.attributes.uid = to_id(pax.uid ? *pax.uid : header.uid(name), name);
        out.attributes.gid = to_id(pax.gid ? *pax.gid : header.gid(name), name);
        out.attributes.mtime = pax.mtime ? *pax.mtime : Timestamp{header.mtime(name), 0};
        if (out.type == NodeType::char_device || out.type == NodeType::block_device) {
            out.device_major = header.device_major(name);
            out.device_minor = header.device_minor(name);
        }
        return out;
    }

    void read_content(const TarHeader& header, const PaxFields& pax, std::uint64_t stored,
                      LayerEntry& out) {
        check_size(stored, out.path);
        auto in_file = stored;
        std::optional<SparseMap> map;
        try {
            map = sparse_map(header, pax, in_file, out.size);
            if (map) check_sparse_map(*map, out.size, in_file);
        } catch (const Error& error) {
            if (error.code() != Errc::invalid_argument) throw;
            refuse_entry(out.path, error.what());
        }
        if (!map) {
            out.size = stored;
            map = SparseMap{{0, stored}};
        }
        check_size(out.size, out.path);
        copy_content(*map, out);
        // Some writers leave it out behind the last entry; then the tar ends here.
        (void)input_.skip(padding(stored));
    }

    static void check_size(std::uint64_t size, std::string_view path) {
        if (size <= kMaxFileBytes) return;
        refuse_entry(path, fmt::format("its size {} is out of bounds", size));
    }

    /// Where a sparse file's stored bytes belong; nullopt for a file that is not sparse. Takes from
    /// `stored` what the map itself needs; `size` becomes the file's with its holes.
    std::optional<SparseMap> sparse_map(const TarHeader& header, const PaxFields& pax,
                                        std::uint64_t& stored, std::uint64_t& size) {
        if (header.type() == 'S') return old_gnu_map(header, size);
        if (!pax.is_sparse_1_0() && !pax.sparse_map) return std::nullopt;
        if (!pax.sparse_size) fail(Errc::invalid_argument, "a sparse file has no size");
        size = *pax.sparse_size;
        if (pax.is_sparse_1_0()) return stored_map(stored);
        if (pax.sparse_regions && *pax.sparse_regions != pax.sparse_map->size()) {
            fail(Errc::invalid_argument, "the map of a sparse file is damaged");
        }
        return pax.sparse_map;
    }

    std::optional<SparseMap> old_gnu_map(const TarHeader& header, std::uint64_t& size) {
        SparseMap map;
        const auto real_size = parse_tar_number(header.field(483, 12));
        if (!real_size || *real_size < 0) {
            fail(Errc::invalid_argument, "a sparse file has no size");
        }
        size = static_cast<std::uint64_t>(*real_size);
        add_old_gnu_regions(map, header.field(386, 96));
        // The header is not needed any more once its map goes on in the blocks behind it.
        for (bool more = header.field(482, 1)[0] != '\0'; more;) {
            if (!read_block()) fail(Errc::invalid_argument, "the tar is cut short");
            const std::string_view block(block_.data(), block_.size());
            add_old_gnu_regions(map, block.substr(0, 504));
            more = block[504] != '\0';
        }
        return map;
    }

    std::optional<SparseMap> stored_map(std::uint64_t& stored) {
        return read_sparse_map([&]() -> std::string_view {
            if (stored < kTarBlock) {
                fail(Errc::invalid_argument, "the map of a sparse file is damaged");
            }
            if (!read_block()) fail(Errc::invalid_argument, "the tar is cut short");
            stored -= kTarBlock;
            return {block_.data(), block_.size()};
        });
    }

    void copy_content(const SparseMap& map, LayerEntry& out) {
        sink_.begin_file();
        std::uint64_t position = 0, content = 0;
        for (const auto& region : map) {
            if (region.offset > position) sink_.skip(region.offset - position);
            copy_bytes(region.size, out.path);
            content += region.size;
            position = region.offset + region.size;
        }
        if (position < out.size) sink_.skip(out.size - position);
        out.extents = sink_.end_file();
        const auto taken = bytes_of(out.extents);  // a byte alone takes a block
        if (taken > content) budget_.take_bytes(taken - content);
    }

    void copy_bytes(std::uint64_t left, std::string_view path) {
        while (left > 0) {
            const auto bytes = input_.take(left);
            if (bytes.empty()) fail_cut(path);
            budget_.take_bytes(bytes.size());
            sink_.append(bytes);
            left -= bytes.size();
        }
    }

    TarInput input_;
    ContentSink& sink_;
    ImageBudget& budget_;
    std::array<char, kTarBlock> block_{};
    Preamble preamble_;
    TarContents contents_;
};

}  // namespace

TarContents read_tar(const TarPieces& pieces, ContentSink& sink, ImageBudget& budget) {
    return TarReader(pieces, sink, budget).run();
}

}  // namespace banger::image
