#include "pipelines/kernel/boot_image.hpp"

#include <elf.h>

#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>

#include "pipelines/io/error.hpp"
#include "pipelines/kernel/elf_view.hpp"
#include "pipelines/kernel/unpack.hpp"

namespace banger::kernel {

namespace {

using namespace std::string_view_literals;

// Offsets in the setup header.
constexpr std::size_t kSetupSectors = 0x1f1;
constexpr std::size_t kBootFlag = 0x1fe;
constexpr std::size_t kHeaderMagic = 0x202;
constexpr std::size_t kProtocolVersion = 0x206;
constexpr std::size_t kPayloadOffset = 0x248;
constexpr std::size_t kPayloadLength = 0x24c;
constexpr std::size_t kHeaderEnd = 0x250;
constexpr std::uint16_t kFirstProtocolWithPayload = 0x0208;

constexpr std::size_t kLargestVmlinux = std::size_t{1} << 30;
constexpr std::size_t kSizeBytes = 4;
/// XEN_ELFNOTE_PHYS32_ENTRY.
constexpr std::uint32_t kPvhEntryNote = 18;

template <class T>
T read_at(std::string_view bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

struct Signature {
    std::size_t offset;
    std::string_view magic;
    std::string_view what;
};

constexpr std::array kSignatures{
    Signature{0, "#!"sv, "a script"},
    Signature{0, "!<arch>\ndebian"sv, "a Debian package; import it with --from-deb"},
    Signature{0, "!<arch>"sv, "an ar archive"},
    Signature{257, "ustar"sv, "a tar archive; unpack it first"},
    Signature{0, "070701"sv, "an initramfs"},
    Signature{0, "QFI\xfb"sv, "a qcow2 disk"},
    Signature{56, "ARM\x64"sv, "a Linux kernel for aarch64"},
    Signature{56, "RSC\x05"sv, "a Linux kernel for riscv"},
    Signature{0x1080, "\x53\xef"sv, "an ext4 file system"},
    Signature{4, "zimg"sv, "an EFI zboot image; unpack its vmlinux first"},
    Signature{0, "MZ"sv, "an EFI program"},
};

[[noreturn]] void fail_not_a_kernel(std::string_view name, std::string_view what) {
    fail(Errc::invalid_argument, "{} is not a Linux kernel for x86_64: it is {}", name, what);
}

std::string_view payload_of(std::string_view image, std::string_view name) {
    if (image.size() < kHeaderEnd ||
        read_at<std::uint16_t>(image, kProtocolVersion) < kFirstProtocolWithPayload) {
        fail(Errc::invalid_argument, "{} is a Linux kernel older than 2.6.26; take a newer one",
             name);
    }
    // Zero setup sectors mean four, for the sake of very old loaders.
    const auto sectors = static_cast<unsigned char>(image[kSetupSectors]);
    const std::uint64_t code = (std::uint64_t{sectors == 0 ? 4U : sectors} + 1) * 512;
    const std::uint64_t offset = code + read_at<std::uint32_t>(image, kPayloadOffset);
    const std::uint64_t length = read_at<std::uint32_t>(image, kPayloadLength);
    if (offset + length > image.size() || length <= kSizeBytes) {
        fail(Errc::invalid_argument,
             "{} is a kernel that is cut short: {} bytes of {}; copy it again", name, image.size(),
             offset + length);
    }
    return image.substr(offset, length);
}

std::string find_version(std::string_view vmlinux) {
    constexpr auto banner = "Linux version "sv;
    for (auto at = vmlinux.find(banner); at != std::string_view::npos;
         at = vmlinux.find(banner, at + 1)) {
        const auto version = vmlinux.substr(at + banner.size(), 128);
        const auto end = version.find_first_of(" \0"sv);
        // Format strings ("Linux version %s") also match.
        if (end != std::string_view::npos && end > 0 && std::isdigit(version[0]) != 0) {
            return std::string(version.substr(0, end));
        }
    }
    return {};
}

}  // namespace

std::string describe_file(std::string_view head) {
    if (head.empty()) return "an empty file";
    if (ElfView::recognizes(head)) return describe_elf(head);
    for (const auto& signature : kSignatures) {
        if (head.size() > signature.offset &&
            head.substr(signature.offset, signature.magic.size()) == signature.magic) {
            return std::string(signature.what);
        }
    }
    if (const auto packed = compression_name(head); !packed.empty()) {
        return fmt::format("a file packed with {}; unpack it first", packed);
    }
    return "data of an unknown kind";
}

bool is_bzimage(std::string_view head) {
    return head.size() >= kProtocolVersion + 2 && head.substr(kHeaderMagic, 4) == "HdrS"sv &&
           read_at<std::uint16_t>(head, kBootFlag) == 0xaa55;
}

std::string unpack_bzimage(std::string_view image, std::string_view name) {
    if (!is_bzimage(image)) fail_not_a_kernel(name, describe_file(image));
    auto payload = payload_of(image, name);
    const auto packed_by = compression_name(payload);
    if (packed_by.empty()) {
        fail(Errc::unsupported, "{} is packed by a method banger does not know; use its vmlinux",
             name);
    }
    const auto size = read_at<std::uint32_t>(payload, payload.size() - kSizeBytes);
    // gzip ends in the plain size by itself; the kernel's build appends it to every other format.
    if (packed_by != "gzip"sv) payload.remove_suffix(kSizeBytes);
    auto vmlinux = unpack(payload, name, kLargestVmlinux);
    if (vmlinux.size() != size) {
        fail(Errc::invalid_argument, "{} is damaged: it unpacks to {} bytes instead of {}", name,
             vmlinux.size(), size);
    }
    return vmlinux;
}

KernelFacts inspect_vmlinux(std::string_view vmlinux, std::string_view name) {
    if (!ElfView::recognizes(vmlinux)) fail_not_a_kernel(name, describe_file(vmlinux));
    if (const auto kind = describe_elf(vmlinux); kind != "an ELF for x86_64") {
        fail_not_a_kernel(name, kind);
    }
    const ElfView elf(vmlinux, name);
    if (elf.type() == ET_REL) fail_not_a_kernel(name, "a kernel module or an object file");
    KernelFacts facts;
    facts.version = find_version(vmlinux);
    if (facts.version.empty()) fail_not_a_kernel(name, "another program");
    facts.pvh = elf.has_note("Xen", kPvhEntryNote);
    return facts;
}

}  // namespace banger::kernel
