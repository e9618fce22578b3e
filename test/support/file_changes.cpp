#include "test/support/file_changes.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <cstring>

namespace banger::test {
namespace {

using Kind = FileChange::Kind;

struct Unmodelled {
    std::uint64_t number;
    const char* name;
    int fd_argument;  ///< the file it changes; -1: see path_argument
    int path_argument;
};

// What nobody here does today; when somebody does, a test says so instead of believing too much.
constexpr Unmodelled kUnmodelled[] = {
    {SYS_truncate, "truncate", -1, 0}, {SYS_link, "link", -1, 1},
    {SYS_symlink, "symlink", -1, 1},   {SYS_mknod, "mknod", -1, 0},
    {SYS_pwritev2, "pwritev2", 0, -1}, {SYS_sendfile, "sendfile", 0, -1},
    {SYS_splice, "splice", 2, -1},     {SYS_copy_file_range, "copy_file_range", 2, -1},
};

bool exists(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0;
}

FileChange of_path(Kind kind, std::string path, std::string to = {}) {
    FileChange change;
    change.kind = kind;
    change.path = std::move(path);
    change.to = std::move(to);
    return change;
}

FileChange of_file(Kind kind, const Tracee& tracee, int fd) {
    FileChange change;
    change.kind = kind;
    change.fd = fd;
    change.inode = tracee.inode_of(fd);
    return change;
}

FileChange write_of(FileChange change, const Tracee& tracee, const SystemCall& call) {
    const auto& [fd, address, count, offset, high, flags] = call.arguments;
    const bool has_offset = call.number == SYS_pwrite64 || call.number == SYS_pwritev;
    if (has_offset) change.offset = offset;
    if (call.number == SYS_write || call.number == SYS_pwrite64) {
        change.memory.emplace_back(address, count);
        return change;
    }
    const auto bytes = tracee.memory(address, count * sizeof(iovec));
    for (std::size_t at = 0; at + sizeof(iovec) <= bytes.size(); at += sizeof(iovec)) {
        iovec vector{};
        std::memcpy(&vector, bytes.data() + at, sizeof vector);
        change.memory.emplace_back(reinterpret_cast<std::uint64_t>(vector.iov_base),
                                   vector.iov_len);
    }
    return change;
}

FileChange allocation_of(FileChange change, const SystemCall& call) {
    const auto mode = static_cast<int>(call.arguments[1]);
    const bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
    change.offset = call.arguments[2];
    change.size = call.arguments[3];
    switch (mode & ~FALLOC_FL_KEEP_SIZE) {
        case 0:
            // Space alone has no content.
            change.size = keeps_size ? 0 : *change.offset + change.size;
            break;
        case FALLOC_FL_PUNCH_HOLE:
        case FALLOC_FL_ZERO_RANGE:
            change.kind = keeps_size ? Kind::punch : Kind::zero;
            break;
        default:
            change.kind = Kind::unmodelled;
            change.path = "fallocate with flags";
    }
    return change;
}

}  // namespace

bool FileChanges::is_below(const std::string& path) const {
    return path == root_ || path.starts_with(root_ + "/");
}

std::optional<FileChange> FileChanges::find(const Tracee& tracee, const SystemCall& call) const {
    if (auto change = find_by_fd(tracee, call)) return change;
    if (auto change = find_by_path(tracee, call)) return change;
    return find_unmodelled(tracee, call);
}

std::optional<FileChange> FileChanges::find_by_fd(const Tracee& tracee,
                                                  const SystemCall& call) const {
    const auto ours = [&](Kind kind) -> std::optional<FileChange> {
        if (!is_below(tracee.path_of(call.fd(0)))) return std::nullopt;
        return of_file(kind, tracee, call.fd(0));
    };
    switch (call.number) {
        case SYS_write:
        case SYS_pwrite64:
        case SYS_writev:
        case SYS_pwritev:
            if (auto change = ours(Kind::write)) return write_of(*change, tracee, call);
            return std::nullopt;
        case SYS_ftruncate:
            if (auto change = ours(Kind::size)) {
                change->size = call.arguments[1];
                return change;
            }
            return std::nullopt;
        case SYS_fallocate:
            if (auto change = ours(Kind::grow)) return allocation_of(*change, call);
            return std::nullopt;
        case SYS_fsync:
        case SYS_fdatasync:
            return ours(Kind::sync);
        default:
            return std::nullopt;
    }
}

std::optional<FileChange> FileChanges::find_by_path(const Tracee& tracee,
                                                    const SystemCall& call) const {
    const auto& arguments = call.arguments;
    const auto at = [&](int directory, std::uint64_t name) { return tracee.path(directory, name); };
    const auto ours = [&](Kind kind, const std::string& path) -> std::optional<FileChange> {
        if (!is_below(path)) return std::nullopt;
        return of_path(kind, path);
    };
    const auto moved = [&](const std::string& from, const std::string& to,
                           std::uint64_t flags) -> std::optional<FileChange> {
        if (!is_below(from) && !is_below(to)) return std::nullopt;
        if (flags == RENAME_EXCHANGE) return of_path(Kind::exchange, from, to);
        if ((flags & ~std::uint64_t{RENAME_NOREPLACE}) != 0) {
            return of_path(Kind::unmodelled, "renameat2 with flags");
        }
        return of_path(Kind::rename, from, to);
    };
    switch (call.number) {
        case SYS_open:
            return find_open(at(AT_FDCWD, arguments[0]), arguments[1]);
        case SYS_creat:
            return find_open(at(AT_FDCWD, arguments[0]), O_CREAT | O_WRONLY | O_TRUNC);
        case SYS_openat:
            return find_open(at(call.fd(0), arguments[1]), arguments[2]);
        case SYS_mkdir:
            return ours(Kind::mkdir, at(AT_FDCWD, arguments[0]));
        case SYS_mkdirat:
            return ours(Kind::mkdir, at(call.fd(0), arguments[1]));
        case SYS_unlink:
        case SYS_rmdir:
            return ours(Kind::unlink, at(AT_FDCWD, arguments[0]));
        case SYS_unlinkat:
            return ours(Kind::unlink, at(call.fd(0), arguments[1]));
        case SYS_rename:
            return moved(at(AT_FDCWD, arguments[0]), at(AT_FDCWD, arguments[1]), 0);
        case SYS_renameat:
        case SYS_renameat2:
            return moved(at(call.fd(0), arguments[1]), at(call.fd(2), arguments[3]),
                         call.number == SYS_renameat2 ? arguments[4] : 0);
        default:
            return std::nullopt;
    }
}

std::optional<FileChange> FileChanges::find_open(const std::string& path,
                                                 std::uint64_t flags) const {
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !is_below(path)) return std::nullopt;
    if ((flags & O_TMPFILE) == O_TMPFILE) return of_path(Kind::unmodelled, "openat of O_TMPFILE");
    auto change = of_path(Kind::create, path);
    change.existed = exists(path);
    change.truncates = (flags & O_TRUNC) != 0;
    return change;
}

std::optional<FileChange> FileChanges::find_unmodelled(const Tracee& tracee,
                                                       const SystemCall& call) const {
    const auto& arguments = call.arguments;
    for (const auto& [number, name, fd, path] : kUnmodelled) {
        if (call.number != number) continue;
        const auto index = static_cast<std::size_t>(fd < 0 ? path : fd);
        const bool ours = is_below(fd < 0 ? tracee.path(AT_FDCWD, arguments[index])
                                          : tracee.path_of(call.fd(index)));
        if (ours) return of_path(Kind::unmodelled, name);
    }
    const auto ours_at = [&](std::size_t fd, std::size_t path) {
        return is_below(tracee.path(call.fd(fd), arguments[path]));
    };
    switch (call.number) {
        case SYS_linkat:
            if (ours_at(2, 3)) return of_path(Kind::unmodelled, "linkat");
            return std::nullopt;
        case SYS_symlinkat:
            if (ours_at(1, 2)) return of_path(Kind::unmodelled, "symlinkat");
            return std::nullopt;
        case SYS_mmap: {
            const bool writes =
                (arguments[2] & PROT_WRITE) != 0 && (arguments[3] & MAP_SHARED) != 0;
            const auto path = tracee.path_of(call.fd(4));
            // SQLite makes this one anew whenever nobody else has it open.
            if (!writes || !is_below(path) || path.ends_with("-shm")) return std::nullopt;
            return of_path(Kind::unmodelled, "mmap, shared and writable");
        }
        case SYS_ioctl:
            if ((arguments[1] == FICLONE || arguments[1] == FICLONERANGE) &&
                is_below(tracee.path_of(call.fd(0)))) {
                return of_path(Kind::unmodelled, "ioctl that clones");
            }
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

}  // namespace banger::test
