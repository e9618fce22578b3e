#include "pipelines/kernel/import_steps.hpp"

#include "pipelines/io/error.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/kernel/kernel_staging.hpp"
#include "pipelines/kernel/module_file.hpp"

namespace banger::kernel {

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
    manifest.source = source;
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
