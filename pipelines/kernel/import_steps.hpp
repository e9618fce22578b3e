#pragma once

#include <string>
#include <string_view>

#include "pipelines/kernel/boot_image.hpp"
#include "pipelines/kernel/kernel_import.hpp"

namespace banger::kernel {

class KernelStaging;
struct ModuleInfo;

// What an import from a directory and one from a package have in common. All throw
// Error{invalid_argument} naming the file.

/// Only x86_64 so far.
void check_arch(const KernelImportOptions& options);

/// Unpacks, checks and stages the vmlinux of a bzImage; `name` is for messages.
KernelFacts stage_bzimage(KernelStaging& staging, std::string_view image, const std::string& name);

/// Checks the vmlinux that is staged; `name` is for messages.
KernelFacts inspect_staged(const KernelStaging& staging, const std::string& name);

/// Unpacks and stages a module; `path` is where, compressed or not.
ModuleInfo stage_module(KernelStaging& staging, const std::string& path, std::string_view bytes,
                        const std::string& name);

/// Such a module would be refused when the VM boots; better to say so now.
void check_release(const ModuleInfo& module, const std::string& name, const std::string& release);

/// Writes the manifest over what is staged and keeps it.
KernelManifest finish_import(KernelStaging& staging, const KernelImportOptions& options,
                             const KernelFacts& facts, const std::string& source);

}  // namespace banger::kernel
