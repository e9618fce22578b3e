#include "pipelines/kernel/import_steps.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "pipelines/io/error.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/kernel/kernel_staging.hpp"
#include "pipelines/kernel/module_file.hpp"
#include "pipelines/kernel/unpack.hpp"

namespace banger::kernel {

namespace {

/// A file of ours in memory, for reading. Ours: a file that shrinks while mapped kills its reader.
class MappedFile {
  public:
    explicit MappedFile(const std::string& path) {
        const auto fd = open_file(path, O_RDONLY);
        struct stat status{};
        if (::fstat(fd.get(), &status) != 0) fail_errno(errno, "cannot read {}", path);
        size_ = static_cast<std::size_t>(status.st_size);
        if (size_ == 0) return;
        data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
        if (data_ == MAP_FAILED) fail_errno(errno, "cannot map {}", path);
    }
    ~MappedFile() {
        if (size_ > 0) ::munmap(data_, size_);
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  private:
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace

void check_arch(const KernelImportOptions& options) {
    if (options.arch != "x86_64") {
        fail(Errc::unsupported, "no kernels for {} yet; banger runs x86_64", options.arch);
    }
}

KernelFacts stage_bzimage(KernelStaging& staging, std::string_view image, const std::string& name) {
    const auto vmlinux = unpack_bzimage(image, name);
    const auto facts = inspect_vmlinux(vmlinux, name);
    staging.write("vmlinux", vmlinux);
    return facts;
}

KernelFacts inspect_staged(const KernelStaging& staging, const std::string& name) {
    return inspect_vmlinux(MappedFile(staging.path_of("vmlinux")).bytes(), name);
}

ModuleInfo stage_module(KernelStaging& staging, const std::string& path, std::string_view bytes,
                        const std::string& name) {
    const auto module = unpack(bytes, name, kLargestModule);
    auto info = parse_module(module, name);
    staging.write(unpacked_path(path), module);
    return info;
}

void check_release(const ModuleInfo& module, const std::string& name, const std::string& release) {
    if (module.release.empty() || module.release == release) return;
    fail(Errc::invalid_argument, "{} is a module for Linux {}, but the kernel is {}", name,
         module.release, release);
}

KernelManifest finish_import(KernelStaging& staging, const KernelImportOptions& options,
                             const KernelFacts& facts, const std::string& source) {
    KernelManifest manifest;
    manifest.name = options.name;
    manifest.version = facts.version;
    manifest.arch = options.arch;
    manifest.distro = options.distro;
    manifest.source = options.source.empty() ? source : options.source;
    manifest.pvh = facts.pvh;
    manifest.created_at = now_rfc3339();
    manifest.files = staging.files();
    for (const auto& file : manifest.files) {
        if (file.path == "vmlinux") {
            manifest.vmlinux_sha256 = file.sha256;
            manifest.vmlinux_bytes = file.bytes;
        }
        manifest.has_initrd |= file.path == "initrd.img";
        manifest.modules += module_name(file.path).empty() ? 0 : 1;
    }
    staging.finish(manifest);
    return manifest;
}

}  // namespace banger::kernel
