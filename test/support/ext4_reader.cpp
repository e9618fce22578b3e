#include "test/support/ext4_reader.hpp"

#include <ext2fs/ext2fs.h>
// A macro of libext2fs in the way of std::clamp.
#undef clamp
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <stdexcept>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/subprocess.hpp"
#include "test/support/run_task.hpp"

namespace banger::test {
namespace {

void check(errcode_t code, const std::string& what) {
    if (code != 0) throw std::runtime_error("ext4_reader: " + what + ": " + error_message(code));
}

/// Where a name was found.
struct Name {
    std::string path;
    ext2_ino_t inode = 0;
};

struct DirectoryScan {
    const std::string& path;
    std::vector<Name>& names;
};

int visit_name(ext2_dir_entry* entry, int, int, char*, void* data) {
    auto& scan = *static_cast<DirectoryScan*>(data);
    std::string name(entry->name, static_cast<std::size_t>(ext2fs_dirent_name_len(entry)));
    if (name != "." && name != "..") {
        scan.names.push_back({(scan.path == "/" ? "" : scan.path) + "/" + name, entry->inode});
    }
    return 0;
}

char type_of(std::uint16_t mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR:
            return 'd';
        case S_IFREG:
            return 'f';
        case S_IFLNK:
            return 'l';
        case S_IFCHR:
            return 'c';
        case S_IFBLK:
            return 'b';
        case S_IFIFO:
            return 'p';
        case S_IFSOCK:
            return 's';
        default:
            return '?';
    }
}

/// libext2fs says id 0 where the kernel says ACL_UNDEFINED_ID: in entries that are of no one user
/// or group.
void fix_acl(std::string& acl) {
    for (std::size_t at = 4; at + 8 <= acl.size(); at += 8) {
        bool has_id = acl[at] == 2 || acl[at] == 8;  // ACL_USER, ACL_GROUP
        if (!has_id) acl.replace(at + 4, 4, 4, '\xff');
    }
}

constexpr std::uint64_t kLongestLink = 4096;

class Reader {
  public:
    Reader(const std::string& path, std::uint64_t largest) : largest_(largest) {
        check(ext2fs_open(path.c_str(), EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs_),
              "open " + path);
    }
    ~Reader() { ext2fs_close_free(&fs_); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    ReadFilesystem read() {
        const ext2_super_block& super = *fs_->super;
        ReadFilesystem result;
        result.size = ext2fs_blocks_count(fs_->super) * fs_->blocksize;
        result.free_bytes = ext2fs_free_blocks_count(fs_->super) * fs_->blocksize;
        result.inodes = super.s_inodes_count;
        result.free_inodes = super.s_free_inodes_count;
        std::memcpy(result.uuid.data(), super.s_uuid, 16);
        const auto* label = reinterpret_cast<const char*>(super.s_volume_name);
        result.label.assign(label, ::strnlen(label, 16));
        result.has_journal = ext2fs_has_feature_journal(fs_->super) != 0;
        std::vector<Name> names{{"/", EXT2_ROOT_INO}};
        for (std::size_t index = 0; index < names.size(); ++index) {
            const Name name = names[index];
            result.entries.push_back(read_entry(name));
            if (result.entries.back().type != 'd') continue;
            if (!directories_.insert(name.inode).second) {
                throw std::runtime_error("ext4_reader: " + name.path + ": a directory twice");
            }
            DirectoryScan scan{name.path, names};
            check(ext2fs_dir_iterate(fs_, name.inode, 0, nullptr, visit_name, &scan),
                  "list " + name.path);
        }
        std::sort(result.entries.begin(), result.entries.end(),
                  [](const ReadEntry& a, const ReadEntry& b) { return a.path < b.path; });
        return result;
    }

  private:
    ReadEntry read_entry(const Name& name) {
        ext2_inode_large inode{};
        auto* base = reinterpret_cast<ext2_inode*>(&inode);
        check(ext2fs_read_inode_full(fs_, name.inode, base, sizeof inode),
              "read inode of " + name.path);
        ReadEntry entry;
        entry.path = name.path;
        entry.inode = name.inode;
        entry.type = type_of(inode.i_mode);
        entry.mode = inode.i_mode & 07777;
        entry.uid = inode_uid(inode);
        entry.gid = inode_gid(inode);
        entry.nlink = inode.i_links_count;
        entry.size = EXT2_I_SIZE(&inode);
        if (entry.size > largest_ || (entry.type == 'l' && entry.size > kLongestLink)) {
            throw std::runtime_error("ext4_reader: " + name.path + ": its size cannot be true");
        }
        std::int64_t epoch = inode.i_mtime_extra & EXT4_EPOCH_MASK;
        entry.mtime = static_cast<std::int32_t>(inode.i_mtime) + (epoch << 32);
        entry.mtime_ns = inode.i_mtime_extra >> EXT4_EPOCH_BITS;
        entry.is_indexed = (inode.i_flags & EXT2_INDEX_FL) != 0;
        entry.xattrs = read_xattrs(name);
        if (entry.type == 'l') entry.link_target = read_link(name, *base);
        if (entry.type == 'c' || entry.type == 'b') read_device(entry, *base);
        if (entry.type == 'f') {
            entry.extents = read_extents(name, *base);
            entry.sha256 = hash_content(name);
        }
        return entry;
    }

    std::map<std::string, std::string> read_xattrs(const Name& name) {
        ext2_xattr_handle* handle = nullptr;
        check(ext2fs_xattrs_open(fs_, name.inode, &handle), "xattrs of " + name.path);
        std::unique_ptr<ext2_xattr_handle, void (*)(ext2_xattr_handle*)> owner(
            handle, [](ext2_xattr_handle* open) { ext2fs_xattrs_close(&open); });
        check(ext2fs_xattrs_read(handle), "xattrs of " + name.path);
        std::vector<std::string> keys;
        check(ext2fs_xattrs_iterate(
                  handle,
                  [](char* key, char*, size_t, void* data) {
                      static_cast<std::vector<std::string>*>(data)->emplace_back(key);
                      return 0;
                  },
                  &keys),
              "xattrs of " + name.path);
        std::map<std::string, std::string> xattrs;
        for (const std::string& key : keys) {
            void* value = nullptr;
            size_t size = 0;
            check(ext2fs_xattr_get(handle, key.c_str(), &value, &size), key + " of " + name.path);
            xattrs[key].assign(static_cast<const char*>(value), size);
            if (key.starts_with("system.posix_acl_")) fix_acl(xattrs[key]);
            ext2fs_free_mem(&value);
        }
        return xattrs;
    }

    std::string read_link(const Name& name, ext2_inode& inode) {
        if (ext2fs_is_fast_symlink(&inode) != 0) {
            return {reinterpret_cast<const char*>(inode.i_block), EXT2_I_SIZE(&inode)};
        }
        return read_content(name);
    }

    static void read_device(ReadEntry& entry, const ext2_inode& inode) {
        std::uint32_t old = inode.i_block[0];
        std::uint32_t wide = inode.i_block[1];
        entry.device_major = old != 0 ? old >> 8 : (wide & 0xfff00) >> 8;
        entry.device_minor = old != 0 ? old & 0xff : (wide & 0xff) | ((wide >> 12) & 0xfff00);
    }

    std::vector<ReadExtent> read_extents(const Name& name, ext2_inode& inode) {
        std::vector<ReadExtent> extents;
        auto add = [](ext2_filsys, blk64_t* block, e2_blkcnt_t logical, blk64_t, int, void* data) {
            auto& all = *static_cast<std::vector<ReadExtent>*>(data);
            auto at = static_cast<std::uint64_t>(logical);
            if (!all.empty() && all.back().logical + all.back().count == at &&
                all.back().physical + all.back().count == *block) {
                ++all.back().count;
            } else {
                all.push_back({at, *block, 1});
            }
            return 0;
        };
        if (ext2fs_inode_has_valid_blocks2(fs_, &inode) == 0) return extents;
        check(ext2fs_block_iterate3(fs_, name.inode, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY,
                                    nullptr, add, &extents),
              "blocks of " + name.path);
        return extents;
    }

    template <class Sink>
    void read_all(const Name& name, Sink sink) {
        ext2_file_t file = nullptr;
        check(ext2fs_file_open(fs_, name.inode, 0, &file), "open " + name.path);
        std::unique_ptr<struct ext2_file, void (*)(ext2_file_t)> owner(
            file, [](ext2_file_t open) { ext2fs_file_close(open); });
        std::vector<char> buffer(1024 * 1024);
        for (unsigned count = 1; count > 0;) {
            check(
                ext2fs_file_read(file, buffer.data(), static_cast<unsigned>(buffer.size()), &count),
                "read " + name.path);
            sink(std::string_view(buffer.data(), count));
        }
    }

    std::string read_content(const Name& name) {
        std::string content;
        read_all(name, [&](std::string_view bytes) { content += bytes; });
        return content;
    }

    std::string hash_content(const Name& name) {
        Hasher hasher;
        read_all(name, [&](std::string_view bytes) { hasher.update(bytes); });
        return hasher.finish().hex;
    }

    ext2_filsys fs_ = nullptr;
    std::uint64_t largest_;
    std::set<ext2_ino_t> directories_;  ///< seen so far
};

}  // namespace

const ReadEntry* ReadFilesystem::find(std::string_view path) const {
    auto found = std::lower_bound(
        entries.begin(), entries.end(), path,
        [](const ReadEntry& entry, std::string_view wanted) { return entry.path < wanted; });
    return found == entries.end() || found->path != path ? nullptr : &*found;
}

const ReadEntry& ReadFilesystem::at(std::string_view path) const {
    if (const ReadEntry* entry = find(path)) return *entry;
    throw std::runtime_error("ext4_reader: no " + std::string(path));
}

ReadFilesystem read_ext4(const std::string& path, std::uint64_t largest) {
    initialize_ext2_error_table();
    return Reader(path, largest).read();
}

std::string check_e2fsck(const std::string& path) {
    RunResult result = run_task(run({"/sbin/e2fsck", "-fn", path}, std::chrono::seconds(100)),
                                std::chrono::seconds(110));
    if (result.status.success()) return {};
    return fmt::format("e2fsck -fn {}: {}\n{}{}", path, result.status.describe(), result.out,
                       result.err);
}

}  // namespace banger::test
