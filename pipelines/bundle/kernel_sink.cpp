#include "pipelines/bundle/kernel_sink.hpp"

#include <algorithm>
#include <array>

#include "pipelines/bundle/bundle_stream.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/kernel/import_steps.hpp"
#include "pipelines/kernel/kernel_staging.hpp"

namespace banger::bundle {
namespace {

using image::LayerEntry;
using image::NodeType;

/// Of one file, and of a bundle: what unpacks to more is no kernel.
constexpr std::uint64_t kLargestFile = 1ull << 30;
constexpr std::uint64_t kLargestBundle = 8ull << 30;

std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Whether a path, from a directory `depth` levels below the bundle's top, goes above the top.
bool leaves(std::string_view path, int depth) {
    while (!path.empty()) {
        const auto slash = std::min(path.find('/'), path.size());
        const auto name = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (name.empty() || name == ".") continue;
        depth += name == ".." ? -1 : 1;
        if (depth < 0) return true;
    }
    return false;
}

/// The path without "./" before it and "/" behind it.
std::string plain_path(std::string path) {
    while (path.starts_with("./"))
        path.erase(0, 2);
    while (path.ends_with('/'))
        path.pop_back();
    return path == "." ? "" : path;
}

}  // namespace

void KernelSink::begin_entry(const LayerEntry& entry) {
    path_ = plain_path(entry.path);
    check_path(entry);
    check_type(entry);
    if (entry.type != NodeType::directory && !seen_.insert(path_).second) {
        refuse_bundle(name_, "it holds '" + path_ + "' twice");
    }
}

void KernelSink::begin_file() {
    written_ = 0;
    if (path_ == "vmlinux" || path_ == "initrd.img") {
        goes_ = Goes::to_disk;
        staging_.begin(path_);
    } else if (path_.ends_with("/modules.builtin") || !kernel::module_name(path_).empty()) {
        goes_ = Goes::to_memory;
        held_.clear();
    } else {
        goes_ = Goes::nowhere;
    }
}

void KernelSink::append(std::span<const std::byte> bytes) {
    space_.check_blocking(bytes.size());
    written_ += bytes.size();
    total_ += bytes.size();
    const auto limit = goes_ == Goes::to_memory ? kernel::kLargestModule : kLargestFile;
    if (written_ > limit || total_ > kLargestBundle) {
        refuse_bundle(name_, fmt::format("'{}' is larger than a kernel's file may be", path_));
    }
    if (goes_ == Goes::to_disk) staging_.append(as_text(bytes));
    if (goes_ == Goes::to_memory) held_.append(as_text(bytes));
}

void KernelSink::skip(std::uint64_t bytes) {
    static constexpr std::array<std::byte, 64 * 1024> kZeros{};
    if (bytes > kLargestFile) {
        refuse_bundle(name_, fmt::format("'{}' is larger than a kernel's file may be", path_));
    }
    while (bytes > 0) {
        const auto size = std::min<std::uint64_t>(bytes, kZeros.size());
        append(std::span(kZeros).first(static_cast<std::size_t>(size)));
        bytes -= size;
    }
}

std::vector<image::Extent> KernelSink::end_file() {
    if (goes_ == Goes::to_disk) staging_.end();
    if (goes_ == Goes::to_memory) keep_held();
    return {};
}

/// Once all was read and verified: what only the kernel itself tells.
kernel::KernelFacts KernelSink::check() const {
    if (!seen_.contains("vmlinux")) refuse_bundle(name_, "it has no vmlinux");
    const auto facts = kernel::inspect_staged(staging_, "the vmlinux of bundle '" + name_ + "'");
    for (const auto& [path, info] : modules_)
        kernel::check_release(info, "bundle '" + name_ + "': " + path, facts.version);
    return facts;
}

void KernelSink::check_path(const LayerEntry& entry) const {
    if (entry.path.starts_with('/') || leaves(entry.path, 0) ||
        ("/" + path_ + "/").find("/../") != std::string::npos) {
        refuse_bundle(name_, "it holds a path that leaves it: " + entry.path.substr(0, 100));
    }
    const bool known = path_.empty() || path_ == "vmlinux" || path_ == "initrd.img" ||
                       path_ == "manifest.json" || path_ == "modules" ||
                       path_.starts_with("modules/");
    if (known) return;
    refuse_bundle(name_, fmt::format("it holds '{}'; a kernel's bundle has vmlinux, "
                                     "initrd.img and modules/, nothing else",
                                     path_.substr(0, 100)));
}

void KernelSink::check_type(const LayerEntry& entry) const {
    const bool below_modules = path_.starts_with("modules/");
    if (entry.is_hard_link) refuse_bundle(name_, "'" + path_ + "' is a hard link");
    if (entry.type == NodeType::regular && path_ != "modules" && !path_.empty()) return;
    if (entry.type == NodeType::directory &&
        (below_modules || path_ == "modules" || path_.empty())) {
        return;
    }
    if (entry.type == NodeType::symlink && below_modules) return check_link(entry);
    refuse_bundle(name_, "'" + path_ + "' is neither a file nor a directory where one belongs");
}

/// It may point about below modules/, and is of no use to a guest all the same.
void KernelSink::check_link(const LayerEntry& entry) const {
    const auto depth = static_cast<int>(std::count(path_.begin(), path_.end(), '/')) - 1;
    if (entry.link_target.starts_with('/') || leaves(entry.link_target, depth)) {
        refuse_bundle(name_, fmt::format("the link '{}' leads out of it, to {}", path_,
                                         entry.link_target.substr(0, 100)));
    }
}

void KernelSink::keep_held() {
    const auto name = "bundle '" + name_ + "': " + path_;
    if (path_.ends_with("/modules.builtin")) {
        staging_.write(path_, held_);
    } else {
        modules_.emplace_back(path_, kernel::stage_module(staging_, path_, held_, name));
    }
    held_ = {};
}

}  // namespace banger::bundle
