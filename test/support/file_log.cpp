#include "test/support/file_log.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace banger::test {
namespace {

std::uint64_t inode_at(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

FileLog::FileLog(const std::string& path) : log_(path), data_(path + ".data") {}

template <class... Fields>
void FileLog::line(const char* kind, const Fields&... fields) {
    log_ << kind;
    ((log_ << '\t' << fields), ...);
    log_ << std::endl;
    ++lines_;
}

void FileLog::mark() {
    line("mark", lines_);
}

void FileLog::add(const Tracee& tracee, const FileChange& change, std::int64_t result) {
    using Kind = FileChange::Kind;
    if (result < 0) return;
    switch (change.kind) {
        case Kind::create: {
            const auto inode = tracee.inode_of(static_cast<int>(result));
            if (!change.existed) line("create", change.since, inode, change.path);
            if (change.existed && change.truncates) line("size", change.since, inode, 0);
            break;
        }
        case Kind::mkdir:
            line("mkdir", change.since, inode_at(change.path), change.path);
            break;
        case Kind::unlink:
            line("unlink", change.since, change.path);
            break;
        case Kind::rename:
            line("rename", change.since, change.path, change.to);
            break;
        case Kind::exchange:
            line("exchange", change.since, change.path, change.to);
            break;
        case Kind::write:
            add_write(tracee, change, static_cast<std::uint64_t>(result));
            break;
        case Kind::punch:
            line("punch", change.since, change.inode, *change.offset, change.size);
            break;
        case Kind::zero:
            line("zero", change.since, change.inode, *change.offset, change.size);
            break;
        case Kind::size:
            line("size", change.since, change.inode, change.size);
            break;
        case Kind::grow:
            line("grow", change.since, change.inode, change.size);
            break;
        case Kind::sync:
            line("sync", change.since, change.inode);
            break;
        case Kind::unmodelled:
            line("unmodelled", change.since, change.path);
            break;
    }
}

void FileLog::add_write(const Tracee& tracee, const FileChange& change, std::uint64_t count) {
    if (count == 0) return;
    // Afterwards the file's own position is behind the last byte, whoever moved it before.
    const auto offset = change.offset ? *change.offset : tracee.position_of(change.fd) - count;
    auto left = count;
    for (const auto& [address, length] : change.memory) {
        const auto bytes = tracee.memory(address, std::min(length, left));
        data_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        left -= bytes.size();
    }
    if (left != 0) return line("unmodelled", change.since, "a write from memory that is gone");
    data_.flush();
    line("write", change.since, change.inode, offset, count);
}

}  // namespace banger::test
