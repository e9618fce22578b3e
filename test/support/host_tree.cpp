#include "test/support/host_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::test {
namespace {

[[noreturn]] void give_up(const std::string& what, const std::string& path) {
    throw std::runtime_error(fmt::format("host_tree: {} {}: errno {}", what, path, errno));
}

char type_of(mode_t mode) {
    if (S_ISDIR(mode)) return 'd';
    if (S_ISREG(mode)) return 'f';
    if (S_ISLNK(mode)) return 'l';
    if (S_ISCHR(mode)) return 'c';
    if (S_ISBLK(mode)) return 'b';
    return S_ISFIFO(mode) ? 'p' : 's';
}

std::string hash_file(const std::string& path) {
    const auto fd = open_file(path, O_RDONLY | O_NOFOLLOW);
    Hasher hasher;
    std::string buffer(64 * 1024, '\0');
    for (ssize_t count = 0; (count = ::read(fd.get(), buffer.data(), buffer.size())) != 0;) {
        if (count < 0) give_up("cannot read", path);
        hasher.update(std::string_view(buffer).substr(0, static_cast<std::size_t>(count)));
    }
    return hasher.finish().hex;
}

std::map<std::string, std::string> xattrs_of(const std::string& path) {
    std::map<std::string, std::string> xattrs;
    std::string names(64 * 1024, '\0'), value(64 * 1024, '\0');
    const auto count = ::llistxattr(path.c_str(), names.data(), names.size());
    if (count < 0 && errno == ENOTSUP) return xattrs;
    if (count < 0) give_up("cannot list the xattrs of", path);
    for (const char* name = names.data(); name < names.data() + count;) {
        const std::string key = name;
        const auto size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
        if (size < 0) give_up("cannot read an xattr of", path);
        xattrs[key] = value.substr(0, static_cast<std::size_t>(size));
        name += key.size() + 1;
    }
    return xattrs;
}

std::string read_link(const std::string& path) {
    std::string target(4096, '\0');
    const auto size = ::readlink(path.c_str(), target.data(), target.size());
    if (size < 0) give_up("cannot read the link", path);
    target.resize(static_cast<std::size_t>(size));
    return target;
}

ReadEntry read_entry(const std::string& host_path, std::string path) {
    struct stat info{};
    if (::lstat(host_path.c_str(), &info) != 0) give_up("cannot stat", host_path);
    ReadEntry entry;
    entry.path = std::move(path);
    entry.type = type_of(info.st_mode);
    entry.mode = info.st_mode & 07777;
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
    entry.mtime = info.st_mtim.tv_sec;
    entry.mtime_ns = static_cast<std::uint32_t>(info.st_mtim.tv_nsec);
    entry.inode = static_cast<std::uint32_t>(info.st_ino);
    entry.nlink = static_cast<std::uint32_t>(info.st_nlink);
    entry.xattrs = xattrs_of(host_path);
    if (entry.type == 'l') entry.link_target = read_link(host_path);
    if (entry.type == 'c' || entry.type == 'b') {
        entry.device_major = major(info.st_rdev);
        entry.device_minor = minor(info.st_rdev);
    }
    if (entry.type == 'f') {
        entry.size = static_cast<std::uint64_t>(info.st_size);
        entry.sha256 = hash_file(host_path);
    }
    return entry;
}

void read_below(const std::string& directory, const std::string& path,
                std::vector<ReadEntry>& entries) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
    if (!open) give_up("cannot list", directory);
    while (const dirent* found = ::readdir(open.get())) {
        const std::string name = found->d_name;
        if (name == "." || name == "..") continue;
        entries.push_back(read_entry(directory + "/" + name, path + "/" + name));
        const bool is_directory = entries.back().type == 'd';
        if (is_directory) read_below(directory + "/" + name, path + "/" + name, entries);
    }
}

/// For each path of a file with several names, the first of them.
std::map<std::string, std::string> first_names(const std::vector<ReadEntry>& entries) {
    std::map<std::uint32_t, std::string> first;
    std::map<std::string, std::string> names;
    for (const auto& entry : entries) {
        if (entry.type == 'd') continue;
        names[entry.path] = first.try_emplace(entry.inode, entry.path).first->second;
    }
    return names;
}

std::string time_of(const ReadEntry& entry) {
    return fmt::format("{}.{:09}", entry.mtime, entry.mtime_ns);
}

std::string shown(const std::map<std::string, std::string>& xattrs) {
    std::vector<std::string> items;
    for (const auto& [name, value] : xattrs)
        items.push_back(fmt::format("{}={:02x}", name, fmt::join(value, "")));
    return fmt::format("[{}]", fmt::join(items, " "));
}

/// Gathers in which points two entries of one path differ.
class Comparison {
  public:
    template <class Value>
    void point(const char* name, const Value& ours, const Value& theirs) {
        if (ours == theirs) return;
        points_ +=
            fmt::format("{}{} is {}, not {}", points_.empty() ? "" : "; ", name, ours, theirs);
    }
    const std::string& points() const { return points_; }

  private:
    std::string points_;
};

std::string compare(const ReadEntry& ours, const ReadEntry& theirs, const TreeRules& rules) {
    Comparison all;
    all.point("type", ours.type, theirs.type);
    if (ours.type != theirs.type) return all.points();
    if (ours.type != 'l')
        all.point("mode", fmt::format("{:o}", ours.mode), fmt::format("{:o}", theirs.mode));
    all.point("uid", ours.uid, theirs.uid);
    all.point("gid", ours.gid, theirs.gid);
    const bool made_in_passing = theirs.type == 'd' && theirs.mtime >= rules.made_since;
    if (!made_in_passing) all.point("mtime", time_of(ours), time_of(theirs));
    if (rules.xattrs) all.point("xattrs", shown(ours.xattrs), shown(theirs.xattrs));
    all.point("target", ours.link_target, theirs.link_target);
    all.point("major", ours.device_major, theirs.device_major);
    all.point("minor", ours.device_minor, theirs.device_minor);
    if (ours.type == 'f') all.point("size", ours.size, theirs.size);
    all.point("sha256", ours.sha256, theirs.sha256);
    if (ours.type != 'd') all.point("links", ours.nlink, theirs.nlink);
    return all.points();
}

}  // namespace

std::vector<ReadEntry> read_host_tree(const std::string& directory) {
    std::vector<ReadEntry> entries{read_entry(directory, "/")};
    read_below(directory, "", entries);
    std::sort(entries.begin(), entries.end(),
              [](const ReadEntry& a, const ReadEntry& b) { return a.path < b.path; });
    return entries;
}

std::vector<std::string> tree_differences(const std::vector<ReadEntry>& ours,
                                          const std::vector<ReadEntry>& theirs,
                                          const TreeRules& rules) {
    std::vector<std::string> found;
    std::map<std::string, const ReadEntry*> missing;
    for (const auto& entry : theirs)
        missing[entry.path] = &entry;
    const auto our_names = first_names(ours), their_names = first_names(theirs);
    for (const auto& entry : ours) {
        if (entry.path == "/lost+found") continue;
        const auto other = missing.find(entry.path);
        if (other == missing.end()) {
            found.push_back(fmt::format("{}: only ours", entry.path));
            continue;
        }
        const auto points = compare(entry, *other->second, rules);
        if (!points.empty()) found.push_back(fmt::format("{}: {}", entry.path, points));
        missing.erase(other);
        const auto one = our_names.find(entry.path), two = their_names.find(entry.path);
        if (one == our_names.end() || two == their_names.end() || one->second == two->second)
            continue;
        found.push_back(
            fmt::format("{}: the same file as {}, not {}", entry.path, one->second, two->second));
    }
    for (const auto& [path, entry] : missing)
        found.push_back(fmt::format("{}: only theirs", path));
    return found;
}

}  // namespace banger::test
