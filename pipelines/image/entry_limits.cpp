#include "pipelines/image/entry_limits.hpp"

#include <algorithm>

#include "pipelines/image/tar_header.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxLinkTarget = 4095;
constexpr std::size_t kMaxComponent = 255;
constexpr std::size_t kMaxDepth = 1024;
constexpr std::size_t kMaxXattrValue = 64 * 1024;
constexpr std::size_t kMaxXattrTotal = 256 * 1024;

}  // namespace

void check_path(std::string_view path) {
    if (path.size() > kMaxPath) refuse_entry(path, "the path is longer than 4096 bytes");
    if (path.find('\0') != path.npos) refuse_entry(path, "the path has a NUL");
    std::size_t depth = 0;
    for (auto rest = path; !rest.empty();) {
        const auto slash = std::min(rest.find('/'), rest.size());
        if (slash > kMaxComponent) refuse_entry(path, "a name is longer than 255 bytes");
        if (slash > 0) ++depth;
        rest.remove_prefix(std::min(slash + 1, rest.size()));
    }
    if (depth > kMaxDepth) refuse_entry(path, "it lies deeper than 1024 directories");
}

void check_link(const std::string& target, std::string_view path) {
    if (target.empty()) refuse_entry(path, "its link target is empty");
    if (target.size() > kMaxLinkTarget) {
        refuse_entry(path, "its link target is longer than 4095 bytes");
    }
}

void check_xattrs(const LayerEntry& entry) {
    std::size_t total = 0;
    for (const auto& [name, value] : entry.attributes.xattrs) {
        if (value.size() > kMaxXattrValue) {
            refuse_entry(entry.path, fmt::format("xattr {} is over 64 KiB", name));
        }
        total += name.size() + value.size();
    }
    if (total > kMaxXattrTotal) refuse_entry(entry.path, "its xattrs are over 256 KiB");
}

}  // namespace banger::image
