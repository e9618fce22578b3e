#include "pipelines/image/ext4/ext2fs.hpp"

#include <mutex>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

/// com_err numbers its tables above this; below are errno values.
constexpr errcode_t kFirstTable = 256;

Errc errc_of(errcode_t code) {
    if (code < kFirstTable) return errc_from_errno(static_cast<int>(code));
    switch (code) {
        case EXT2_ET_BLOCK_ALLOC_FAIL:
        case EXT2_ET_INODE_ALLOC_FAIL:
        case EXT2_ET_TOOSMALL:
        case EXT2_ET_TOO_MANY_INODES:
            return Errc::no_space;
        case EXT2_ET_EA_NO_SPACE:
            return Errc::unsupported;
        default:
            return Errc::internal;
    }
}

}  // namespace

std::string ext2_message(errcode_t code) {
    static std::once_flag once;
    std::call_once(once, [] { initialize_ext2_error_table(); });
    return error_message(code);
}

void fail_ext2(errcode_t code, const std::string& what) {
    throw Error(errc_of(code), what + ": " + ext2_message(code));
}

void Ext2Handle::close() {
    check(ext2fs_close2(fs_, EXT2_FLAG_FLUSH_NO_SYNC), "cannot finish {}", fs_->device_name);
    fs_ = nullptr;
}

}  // namespace banger::image
