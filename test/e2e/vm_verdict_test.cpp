#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"
#include "test/support/oci_builder.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;

namespace {

constexpr std::chrono::seconds kPatience{60};

/// ELF of a program that is not for this processor: the header alone is looked at.
std::string aarch64_program() {
    std::string elf(
        "\x7f"
        "ELF\x02\x01\x01",
        7);
    elf.resize(64);
    elf[16] = 2;                       // ET_EXEC
    elf[18] = static_cast<char>(183);  // EM_AARCH64
    elf[20] = 1;
    return elf;
}

/// An image of Debian's busybox and `init`, if any, as /sbin/init.
std::string make_image(VmHost& host, const std::string& name, const std::string& init,
                       const std::string& shell = read_file("/bin/busybox")) {
    TempDir directory;
    OciBuilder layout(directory / "layout");
    TarBuilder tar;
    tar.dir("bin").file("bin/busybox", read_file("/bin/busybox"), 0755).file("bin/sh", shell, 0755);
    for (const auto* applet : {"sleep", "reboot", "poweroff", "echo", "cat"})
        tar.symlink(std::string("bin/") + applet, "busybox");
    tar.dir("sbin").dir("root").dir("etc");
    if (!init.empty()) tar.file("sbin/init", init, 0755);
    layout.tag("v1", layout.image({.layers = {{tar.finish()}}}));
    return host.pull(layout.source("v1"), name);
}

api::VmCreateRequest request(const std::string& image) {
    api::VmCreateRequest wanted;
    wanted.name = image;
    wanted.image = image;
    wanted.init = "image";
    return wanted;
}

api::VmInfo wait_for_end(VmHost& host, const std::string& name) {
    auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        auto info = host.run(host.vms().show(name));
        if (info.state != "running" || std::chrono::steady_clock::now() > deadline) return info;
        host.run(sleep_for(std::chrono::milliseconds(50)));
    }
}

/// A guest whose init comes to nothing may have said hello before: either the start fails, or the
/// VM ends right after it. Where both are told, both are the same.
std::string how_it_ended(VmHost& host, const std::string& image) {
    auto wanted = request(image);
    wanted.start = false;
    host.run(host.vms().create(wanted, {}));
    std::string said;
    try {
        host.run(host.vms().start(image, {}));
        auto info = wait_for_end(host, image);
        said = info.end_reason.value_or("it runs");
    } catch (const Error& e) {
        said = e.what();
    }
    CHECK(host.vmms().empty());
    host.run(host.vms().remove(image, true, {}));
    return said;
}

/// A kernel that PVH enters, and which halts there without a word.
std::string mute_kernel() {
    constexpr std::uint64_t kEntry = 0x1000000;
    constexpr std::uint32_t kPvhEntry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
    struct {
        Elf64_Ehdr header{};
        Elf64_Phdr segments[2]{};
        Elf64_Nhdr note{4, 8, kPvhEntry};
        char owner[4] = "Xen";
        std::uint64_t entry = kEntry;
        unsigned char code[4] = {0xfa, 0xf4, 0xeb, 0xfd};  // cli; hlt; jmp to hlt
        char banner[28] = "Linux version 1.0.0 (mute) ";
    } __attribute__((packed)) file;
    std::memcpy(file.header.e_ident, ELFMAG "\x02\x01\x01", 7);
    file.header.e_type = ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_version = EV_CURRENT;
    file.header.e_entry = kEntry;
    file.header.e_phoff = sizeof file.header;
    file.header.e_ehsize = sizeof file.header;
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = 2;
    const auto note_at = sizeof file.header + sizeof file.segments;
    const auto note_size = sizeof file.note + sizeof file.owner + sizeof file.entry;
    const auto rest = sizeof file - note_at - note_size;
    file.segments[0] = {PT_LOAD, PF_R | PF_X, note_at + note_size, kEntry, kEntry, rest, rest, 1};
    file.segments[1] = {PT_NOTE, PF_R, note_at, 0, 0, note_size, note_size, 4};
    return {reinterpret_cast<const char*>(&file), sizeof file};
}

/// Castagnoli's, as ext4 has it.
std::uint32_t crc32c(std::string_view bytes) {
    std::uint32_t crc = ~0u;
    for (const unsigned char byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0u);
    }
    return crc;
}

/// Gives an ext4 a feature of a kernel to come, without which it may be read only.
void add_unknown_feature(const std::string& path) {
    constexpr off_t kSuperblock = 1024;
    constexpr std::size_t kReadOnlyFeatures = 0x64;
    constexpr std::size_t kChecksum = 0x3fc;
    UniqueFd disk(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    std::string super(1024, '\0');
    REQUIRE(::pread(disk.get(), super.data(), super.size(), kSuperblock) == 1024);
    super[kReadOnlyFeatures + 3] = static_cast<char>(0x80);
    const auto checksum = crc32c(std::string_view(super).substr(0, kChecksum));
    std::memcpy(super.data() + kChecksum, &checksum, sizeof checksum);
    REQUIRE(::pwrite(disk.get(), super.data(), super.size(), kSuperblock) == 1024);
}

/// Waits until the console has said `words`.
bool console_says(VmHost& host, const std::string& name, const std::string& words) {
    auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        auto console = host.run(host.vms().serial_log(name, 64 * 1024));
        if (console.find(words) != std::string::npos) return true;
        host.run(sleep_for(std::chrono::milliseconds(50)));
    }
    return false;
}

}  // namespace

TEST_CASE("an init that ends is a kernel panic, and told as one") {
    auto& host = vm_host();
    auto image = make_image(host, "ending-init", "#!/bin/sh\nexit 3\n");
    CHECK_THAT(how_it_ended(host, image),
               ContainsSubstring("kernel panic: Attempted to kill init!"));
}

TEST_CASE("a kernel that panics while its vm runs is told of") {
    auto& host = vm_host();
    host.boot("panics");
    try {
        shell(host, "panics", "echo c > /proc/sysrq-trigger");
    } catch (const Error&) {  // its connection goes with it
    }
    auto info = wait_for_end(host, "panics");
    CHECK(info.state == "error");
    CHECK_THAT(info.error.value_or(""), ContainsSubstring("kernel panic: "));
    CHECK(info.end_reason == info.error);
    host.run(host.vms().remove("panics", true, {}));
}

TEST_CASE("a guest that reboots ends its vm, and does not loop") {
    auto& host = vm_host();
    auto image = make_image(host, "rebooting", "#!/bin/sh\n/bin/busybox reboot -f\n");
    auto said = how_it_ended(host, image);
    CHECK_THAT(said, ContainsSubstring("the guest rebooted, which ends its vm") ||
                         ContainsSubstring("the vmm ended before the guest answered"));
}

TEST_CASE("an image without an init, or with one of another processor, runs and says so") {
    auto& host = vm_host();
    struct Case {
        std::string image, init, words;
    };
    auto wanted = GENERATE(
        Case{"no-init", "", "cannot run the image's /sbin/init: No such file or directory"},
        Case{"arm-init", aarch64_program(), "/sbin/init: Exec format error"});
    auto image = make_image(host, wanted.image, wanted.init);
    host.run(host.vms().create(request(image), {}));
    CHECK(console_says(host, image, wanted.words));
    CHECK(shell(host, image, "echo here").out == "here\n");
    host.run(host.vms().remove(image, true, {}));
}

TEST_CASE("a root file system of another processor boots, and its commands say what is wrong") {
    auto& host = vm_host();
    auto image = make_image(host, "arm-root", "", aarch64_program());
    auto wanted = request(image);
    wanted.init = "auto";
    host.run(host.vms().create(wanted, {}));
    auto outcome = exec(host, image, {"/bin/sh", "-c", "true"});
    CHECK(outcome.exit_code == 126);
    CHECK_THAT(outcome.err, ContainsSubstring("Exec format error"));
    host.run(host.vms().remove(image, true, {}));
}

TEST_CASE("a vm whose disk is full starts, and one whose disk has errors says so") {
    auto& host = vm_host();
    api::VmCreateRequest wanted;
    wanted.name = "stuffed";
    wanted.disk_size = 64ull << 20;
    host.run(host.vms().create(wanted, {}));
    auto filled =
        shell(host, "stuffed", "cat /dev/zero > /root/all; sync; df -P /root | tail -n 1");
    CHECK_THAT(filled.out, ContainsSubstring("100%"));
    host.run(host.vms().stop("stuffed", 60, {}));
    CHECK(host.run(host.vms().start("stuffed", {})).state == "running");
    CHECK(shell(host, "stuffed", "rm /root/all && echo room > /root/x && cat /root/x").out ==
          "room\n");
    host.run(host.vms().remove("stuffed", true, {}));
}

TEST_CASE("a vm whose disk can only be read does not start, and says so") {
    auto& host = vm_host();
    const auto* mode = GENERATE("overlay", "copy");
    CAPTURE(mode);
    api::VmCreateRequest wanted;
    wanted.name = "petrified";
    wanted.disk_mode = mode;
    wanted.start = false;
    auto vm = host.run(host.vms().create(wanted, {}));
    const bool copy = vm.disk_mode == "copy";
    add_unknown_feature(host.paths().vms() + "/" + vm.id + (copy ? "/root.ext4" : "/disk.ext4"));
    std::string said;
    try {
        host.run(host.vms().start("petrified", {}));
    } catch (const Error& e) {
        said = e.what();
    }
    CHECK_THAT(said,
               ContainsSubstring(copy ? "cannot mount /dev/vda (the VM's root) as ext4: "
                                      : "cannot mount /dev/vdb (the VM's own disk) as ext4: "));
    CHECK_THAT(said, ContainsSubstring("it can be read, but not written"));
    // The kernel's own reason is among the lines that are shown.
    CHECK_THAT(said, ContainsSubstring("unsupported optional features (80000000)"));
    CHECK(host.vmms().empty());
    host.run(host.vms().remove("petrified", true, {}));
}

TEST_CASE("a kernel that prints nothing is told as one, and another is proposed") {
    auto& host = vm_host();
    TempDir directory;
    write_file_atomically(directory / "vmlinux", mute_kernel());
    api::VmCreateRequest wanted;
    wanted.name = "mute";
    wanted.kernel =
        host.import_kernel({.name = "mute", .from_directory = directory.path().string()});
    wanted.boot_seconds = 3;
    std::string said;
    try {
        host.run(host.vms().create(wanted, {}));
    } catch (const Error& e) {
        said = e.what();
        CHECK(e.code() == Errc::timed_out);
    }
    CHECK_THAT(said, ContainsSubstring("within 3 s, and not a word on its console"));
    CHECK_THAT(said, ContainsSubstring("banger kernel list --available"));
    CHECK(host.vmms().empty());
}

TEST_CASE("an agent that dies is started again by its supervisor, and the vm runs on") {
    auto& host = vm_host();
    auto vm = host.boot("hurt");
    try {
        shell(host, "hurt", "kill -9 $(pidof @banger-agent)");
    } catch (const Error&) {  // as it should: nobody is there to tell its exit status
    }
    CHECK(shell(host, "hurt", "cat /proc/sys/kernel/random/boot_id").out == *vm.boot_id + "\n");
    CHECK(host.run(host.vms().show("hurt")).boot_id == vm.boot_id);
    host.run(host.vms().remove("hurt", true, {}));
}

TEST_CASE("a guest without an agent is there, unwell, and ends when it is told to") {
    auto& host = vm_host();
    host.boot("headless");
    // A virtio-serial port is not hung up by a process that dies: nobody would ever tell.
    CHECK_THROWS_WITH(shell(host, "headless",
                            "(sleep 1; kill -9 $(pidof @banger-supervisor) $(pidof @banger-agent))"
                            " </dev/null >/dev/null 2>&1 & sleep 10000"),
                      ContainsSubstring("is gone: it no longer answers"));
    auto health = host.run(host.vms().health("headless"));
    for (int i = 0; i < 60 && health.healthy; ++i) {
        host.run(sleep_for(std::chrono::seconds(1)));
        health = host.run(host.vms().health("headless"));
    }
    CHECK_FALSE(health.healthy);
    CHECK(health.problem);
    auto stopped = host.run(host.vms().stop("headless", 1, {}));
    CHECK(stopped.state == "stopped");
    CHECK_THAT(stopped.end_reason.value_or(""), ContainsSubstring("killed when it was to stop"));
    host.run(host.vms().remove("headless", true, {}));
}
