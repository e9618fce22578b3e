#include "pipelines/kernel/kernel_import.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/kernel/boot_image.hpp"
#include "pipelines/kernel/import_steps.hpp"
#include "pipelines/kernel/kernel_staging.hpp"
#include "pipelines/kernel/module_file.hpp"

namespace banger::kernel {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestBzimage = std::size_t{512} << 20;
constexpr std::size_t kHead = 8192;

std::string read_head(const std::string& path) {
    const auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        fail(Errc::invalid_argument, "{} is not a Linux kernel for x86_64: it is no regular file",
             path);
    }
    std::string head(kHead, '\0');
    const auto count = ::pread(fd.get(), head.data(), head.size(), 0);
    if (count < 0) fail_errno(errno, "cannot read {}", path);
    head.resize(static_cast<std::size_t>(count));
    return head;
}

KernelFacts stage_kernel(KernelStaging& staging, const std::string& path,
                         const std::stop_token& stop) {
    const auto head = read_head(path);
    if (is_bzimage(head)) return stage_bzimage(staging, read_file(path, kLargestBzimage), path);
    // Most wrong files are known by their head; inspect_vmlinux says which it is.
    if (!head.starts_with("\x7f"
                          "ELF")) {
        return inspect_vmlinux(head, path);
    }
    staging.copy("vmlinux", path, stop);
    return inspect_staged(staging, path);
}

/// All modules of a directory, whoever needs them: what stands there was put there on purpose.
void stage_modules(KernelStaging& staging, const std::string& directory, const std::string& release,
                   const std::stop_token& stop) {
    visit_tree(directory, [&](const fs::directory_entry& entry) {
        if (stop.stop_requested()) fail(Errc::cancelled, "importing {} was cancelled", directory);
        // `build` and `source` are links out of the tree.
        if (!fs::is_regular_file(entry.symlink_status())) return;
        const auto path = entry.path().string();
        const auto relative = "modules/" + entry.path().lexically_relative(directory).string();
        if (entry.path().filename() == "modules.builtin") {
            staging.write(relative, read_file(path));
        } else if (!module_name(path).empty()) {
            const auto info =
                stage_module(staging, relative, read_file(path, kLargestModule), path);
            check_release(info, path, release);
        }
    });
}

}  // namespace

KernelManifest import_directory_blocking(const std::string& directory,
                                         const std::string& staging_dir,
                                         const KernelImportOptions& options, std::stop_token stop) {
    if (!fs::is_directory(directory)) {
        fail(Errc::invalid_argument, "{} is not a directory; a package is imported by --from-deb",
             directory);
    }
    std::string kernel = directory + "/vmlinux";
    if (!fs::exists(kernel)) kernel = directory + "/vmlinuz";
    if (!fs::exists(kernel)) {
        fail(Errc::not_found, "no vmlinux or vmlinuz in {}", directory);
    }
    const auto initrd = directory + "/initrd.img";
    return import_files_blocking({.kernel = kernel,
                                  .initrd = fs::exists(initrd) ? initrd : "",
                                  .modules = directory + "/modules"},
                                 directory, staging_dir, options, std::move(stop));
}

KernelManifest import_files_blocking(const KernelPaths& paths, const std::string& source,
                                     const std::string& staging_dir,
                                     const KernelImportOptions& options, std::stop_token stop) {
    check_arch(options);
    KernelStaging staging(staging_dir);
    const auto facts = stage_kernel(staging, paths.kernel, stop);
    if (!paths.initrd.empty()) staging.copy("initrd.img", paths.initrd, stop);
    if (!paths.modules.empty()) stage_modules(staging, paths.modules, facts.version, stop);
    return finish_import(staging, options, facts, source);
}

}  // namespace banger::kernel
