#include "pipelines/bundle/kernel_bundle.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "pipelines/image/blob_unpacker.hpp"
#include "pipelines/image/space_guard.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/kernel/import_steps.hpp"
#include "pipelines/kernel/kernel_staging.hpp"
#include "pipelines/kernel/module_file.hpp"

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

/// A kernel's bundle on its way into a directory like that of an import.
class KernelSink final : public image::ContentSink {
  public:
    KernelSink(const std::string& name, kernel::KernelStaging& staging,
               const image::SpaceGuard& space)
        : name_(name), staging_(staging), space_(space) {}

    void begin_entry(const LayerEntry& entry) override {
        path_ = plain_path(entry.path);
        check_path(entry);
        check_type(entry);
        if (entry.type != NodeType::directory && !seen_.insert(path_).second) {
            refuse_bundle(name_, "it holds '" + path_ + "' twice");
        }
    }

    void begin_file() override {
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

    void append(std::span<const std::byte> bytes) override {
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

    void skip(std::uint64_t bytes) override {
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

    std::vector<image::Extent> end_file() override {
        if (goes_ == Goes::to_disk) staging_.end();
        if (goes_ == Goes::to_memory) keep_held();
        return {};
    }

    /// Once all was read and verified: what only the kernel itself tells.
    kernel::KernelFacts check() const {
        if (!seen_.contains("vmlinux")) refuse_bundle(name_, "it has no vmlinux");
        const auto facts =
            kernel::inspect_staged(staging_, "the vmlinux of bundle '" + name_ + "'");
        for (const auto& [path, info] : modules_)
            kernel::check_release(info, "bundle '" + name_ + "': " + path, facts.version);
        return facts;
    }

  private:
    enum class Goes { nowhere, to_disk, to_memory };

    void check_path(const LayerEntry& entry) const {
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

    void check_type(const LayerEntry& entry) const {
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
    void check_link(const LayerEntry& entry) const {
        const auto depth = static_cast<int>(std::count(path_.begin(), path_.end(), '/')) - 1;
        if (entry.link_target.starts_with('/') || leaves(entry.link_target, depth)) {
            refuse_bundle(name_, fmt::format("the link '{}' leads out of it, to {}", path_,
                                             entry.link_target.substr(0, 100)));
        }
    }

    void keep_held() {
        const auto name = "bundle '" + name_ + "': " + path_;
        if (path_.ends_with("/modules.builtin")) {
            staging_.write(path_, held_);
        } else {
            modules_.emplace_back(path_, kernel::stage_module(staging_, path_, held_, name));
        }
        held_ = {};
    }

    const std::string& name_;
    kernel::KernelStaging& staging_;
    const image::SpaceGuard& space_;
    std::string path_;
    Goes goes_ = Goes::nowhere;
    std::string held_;
    std::uint64_t written_ = 0;  ///< of the file under way
    std::uint64_t total_ = 0;
    std::set<std::string> seen_;
    std::vector<std::pair<std::string, kernel::ModuleInfo>> modules_;
};

/// A new file without a name, in the directory of `path`.
UniqueFd open_nameless(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path().string();
    return open_file(parent, O_RDWR | O_TMPFILE, 0600);
}

void write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot keep a package");
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

}  // namespace

Task<kernel::KernelManifest> pull_kernel_bundle(image::PullContext context, BundleRequest request,
                                                kernel::KernelImportOptions options,
                                                ProgressSink progress) {
    kernel::check_arch(options);
    kernel::KernelStaging staging(request.staging_dir);
    const image::SpaceGuard space(request.staging_dir, context.disk_reserve);
    KernelSink sink(request.name, staging, space);
    image::PullProfile profile;
    std::optional<kernel::KernelManifest> manifest;
    co_await stream_bundle(
        context, request, profile,
        [&](image::PlainPieces& pieces, const std::stop_token&) { read_bundle_tar(pieces, sink); },
        [&](const std::stop_token&) {
            manifest = kernel::finish_import(staging, options, sink.check(), request.url);
        },
        progress);
    co_return std::move(*manifest);
}

Task<kernel::KernelManifest> pull_kernel_deb(image::PullContext context, BundleRequest request,
                                             kernel::KernelImportOptions options,
                                             ProgressSink progress) {
    const auto file = open_nameless(request.staging_dir);
    image::PullProfile profile;
    std::optional<kernel::KernelManifest> manifest;
    // A package has no magic of a compression, so its pieces are its bytes.
    auto consume = [&](image::PlainPieces& pieces, const std::stop_token&) {
        for (auto piece = pieces.next(); !piece.empty(); piece = pieces.next())
            write_all(file.get(), piece);
    };
    auto finish = [&](const std::stop_token& stop) {
        manifest = kernel::import_deb_blocking(fmt::format("/proc/self/fd/{}", file.get()),
                                               request.staging_dir, options, stop);
    };
    co_await stream_bundle(context, request, profile, consume, finish, progress);
    co_return std::move(*manifest);
}

}  // namespace banger::bundle
