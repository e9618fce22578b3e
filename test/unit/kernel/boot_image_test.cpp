#include "pipelines/kernel/boot_image.hpp"

#include <elf.h>

#include "pipelines/io/error.hpp"
#include "pipelines/kernel/elf_view.hpp"
#include "pipelines/kernel/unpack.hpp"
#include "test/support/catch.hpp"
#include "test/unit/kernel/kernel_samples.hpp"

using namespace banger;
using namespace banger::kernel;
using namespace banger::test;

namespace {

std::string inspect_error(const std::string& bytes) {
    return error_of([&] { inspect_vmlinux(bytes, "/k/vmlinux"); });
}

}  // namespace

TEST_CASE("a bzImage gives back its vmlinux, whichever compressor made it") {
    const auto vmlinux = make_vmlinux("6.12.1", true, 300'000);
    for (const std::string format : {"gzip", "bzip2", "xz", "lzma", "lz4", "zstd"}) {
        INFO(format);
        const auto image = make_bzimage(make_payload(vmlinux, format));
        REQUIRE(is_bzimage(image));
        CHECK(unpack_bzimage(image, "vmlinuz") == vmlinux);
    }
}

TEST_CASE("zero setup sectors in a bzImage mean four") {
    auto image = make_bzimage(make_payload(make_vmlinux(), "gzip"));
    image[0x1f1] = 0;
    image.insert(1024, 3 * 512, '\0');
    CHECK(inspect_vmlinux(unpack_bzimage(image, "vmlinuz"), "vmlinuz").version == "6.1.0-test");
}

TEST_CASE("a bzImage that is cut short, damaged or of another size says so") {
    const auto vmlinux = make_vmlinux("6.1.0", true, 100'000);
    const auto image = make_bzimage(make_payload(vmlinux, "zstd"));
    CHECK_THAT(error_of([&] { unpack_bzimage(image.substr(0, 5000), "/k/vmlinuz"); }),
               ContainsSubstring("/k/vmlinuz is a kernel that is cut short: 5000 bytes of"));
    // Formats with a checksum; noise is stored as it is, and decodes whatever it says.
    for (const std::string format : {"gzip", "bzip2", "xz"}) {
        INFO(format);
        auto damaged = make_bzimage(make_payload(vmlinux, format));
        for (std::size_t at = 40'000; at < 60'000; ++at)
            damaged[at] ^= 0x55;
        CHECK_THAT(error_of([&] { unpack_bzimage(damaged, "/k/vmlinuz"); }),
                   ContainsSubstring("/k/vmlinuz holds damaged " + format));
    }
    const auto lying = make_bzimage(compress(vmlinux, "xz") + le32(7));
    CHECK_THAT(error_of([&] { unpack_bzimage(lying, "/k/vmlinuz"); }),
               ContainsSubstring("instead of 7"));
    const auto unknown = make_bzimage("\x89LZO-packed bytes");
    CHECK_THAT(error_of([&] { unpack_bzimage(unknown, "/k/vmlinuz"); }),
               ContainsSubstring("a method banger does not know; use its vmlinux"));
    auto old = image;
    old[0x206] = 7;
    CHECK_THAT(error_of([&] { unpack_bzimage(old, "/k/vmlinuz"); }),
               ContainsSubstring("older than 2.6.26"));
}

TEST_CASE("a vmlinux tells its version and whether PVH can enter it") {
    const auto with = inspect_vmlinux(make_vmlinux("6.1.0-56-cloud-amd64", true), "vmlinux");
    CHECK(with.version == "6.1.0-56-cloud-amd64");
    CHECK(with.pvh);
    CHECK_FALSE(inspect_vmlinux(make_vmlinux("5.10.3", false), "vmlinux").pvh);
}

TEST_CASE("what is no kernel for x86_64 is called by its name") {
    CHECK(inspect_error(make_elf({.machine = EM_AARCH64})) ==
          "/k/vmlinux is not a Linux kernel for x86_64: it is an ELF for aarch64");
    CHECK(inspect_error("") == "/k/vmlinux is not a Linux kernel for x86_64: it is an empty file");
    CHECK_THAT(inspect_error("#!/bin/sh\nexit 1\n"), ContainsSubstring("it is a script"));
    CHECK_THAT(inspect_error(make_elf({})), ContainsSubstring("it is another program"));
    CHECK_THAT(inspect_error(make_module({"name=a"})), ContainsSubstring("a kernel module"));
    CHECK_THAT(inspect_error(compress("x", "gzip")),
               ContainsSubstring("packed with gzip; unpack it first"));
    CHECK_THAT(inspect_error(make_deb({})),
               ContainsSubstring("a Debian package; import it with --from-deb"));
    CHECK_THAT(inspect_error("plain words"), ContainsSubstring("data of an unknown kind"));
    CHECK_THAT(inspect_error("\x7f"
                             "ELF"),
               ContainsSubstring("an ELF that is cut short"));
    auto arm = std::string(64, '\0');
    arm.replace(56, 4, "ARM\x64");
    CHECK_THAT(inspect_error(arm), ContainsSubstring("a Linux kernel for aarch64"));
    auto small = make_vmlinux();
    small[EI_CLASS] = ELFCLASS32;
    CHECK_THAT(inspect_error(small), ContainsSubstring("it is a 32-bit ELF"));
}

TEST_CASE("a vmlinux may end at any byte without harm") {
    const auto vmlinux = make_vmlinux("6.1.0", true, 64);
    for (std::size_t size = 0; size < vmlinux.size(); ++size) {
        // Cut copies on the heap, so that a sanitizer sees a read beyond them.
        const std::string cut(vmlinux.substr(0, size));
        try {
            const ElfView elf(cut, "cut");
            elf.find_section(".rodata");
            elf.has_note("Nobody", 1);
        } catch (const Error& error) {
            CHECK(error.code() == Errc::invalid_argument);
        }
    }
}

TEST_CASE("a vmlinux with any byte changed is refused or read, never worse") {
    const auto vmlinux = make_vmlinux("6.1.0", true, 16);
    for (std::size_t at = 0; at < vmlinux.size(); ++at) {
        for (const char value : {'\0', '\x7f', '\xff'}) {
            auto changed = vmlinux;
            changed[at] = value;
            try {
                const ElfView elf(changed, "changed");
                elf.find_section(".nowhere");
                elf.has_note("Nobody", 1);
            } catch (const Error& error) {
                CHECK(error.code() == Errc::invalid_argument);
            }
        }
    }
}

TEST_CASE("unpacking stops at its limit") {
    for (const std::string format : {"gzip", "xz", "zstd"}) {
        const auto bomb = compress(std::string(2 << 20, 'x'), format);
        CHECK_THAT(error_of([&] { unpack(bomb, "a.ko.xz", 1 << 20); }),
                   ContainsSubstring("a.ko.xz unpacks to more than 1 MiB"));
    }
    CHECK(unpack("plain", "a.ko", 1) == "plain");
}
