#pragma once

#include <string>
#include <string_view>

namespace banger::kernel {

struct KernelFacts {
    std::string version;  ///< the word after "Linux version"
    bool pvh = false;     ///< can be entered by the Xen PVH protocol
};

/// Whether the bytes begin as a bzImage (Linux, Documentation/arch/x86/boot.rst); 1 KiB is enough.
bool is_bzimage(std::string_view head);

/// The vmlinux inside a bzImage, whatever of the kernel's compressors made it. Throws
/// Error{invalid_argument} naming `name`.
std::string unpack_bzimage(std::string_view image, std::string_view name);

/// Checks that a vmlinux is a whole x86_64 Linux kernel. Throws Error{invalid_argument} "… is not a
/// Linux kernel for x86_64: it is …".
KernelFacts inspect_vmlinux(std::string_view vmlinux, std::string_view name);

/// For messages: "an ELF for aarch64", "a script", "an empty file".
std::string describe_file(std::string_view head);

}  // namespace banger::kernel
