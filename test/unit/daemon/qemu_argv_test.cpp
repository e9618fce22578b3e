#include "daemon/vm/qemu_argv.hpp"

#include <algorithm>

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::vm;

namespace {

MachineSpec example_spec() {
    MachineSpec spec;
    spec.id = "0123456789ab";
    spec.directory = "/run/b/vms/0123456789ab";
    spec.log_directory = "/state/vms/0123456789ab";
    spec.kernel = "/state/kernels/k/vmlinux";
    spec.kernel_has_pvh = true;
    spec.initramfs = "/state/vms/0123456789ab/initramfs";
    spec.command_line = "console=ttyS0 quiet";
    spec.vcpu = 2;
    spec.memory_mib = 768;
    spec.disks = {{"/images/rootfs.ext4", true}, {"/state/vms/0123456789ab/disk.ext4", false}};
    return spec;
}

bool has(const std::vector<std::string>& argv, const std::string& option,
         const std::string& value) {
    for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
        if (argv[i] == option && argv[i + 1] == value) return true;
    }
    return false;
}

bool has(const std::vector<std::string>& argv, const std::string& option) {
    return std::ranges::find(argv, option) != argv.end();
}

std::ptrdiff_t place(const std::vector<std::string>& argv, const std::string& word) {
    return std::ranges::find(argv, word) - argv.begin();
}

}  // namespace

TEST_CASE("a kernel with a pvh entry gets a microvm with virtio-mmio devices") {
    auto argv = qemu_argv({}, example_spec());
    CHECK(has(argv, "-M", "microvm,x-option-roms=off"));
    CHECK(has(argv, "-global", "virtio-mmio.force-legacy=false"));
    CHECK(has(argv, "-device", "virtio-blk-device,drive=disk0"));
    CHECK(has(argv, "-device", "virtio-rng-device"));
    CHECK(has(argv, "-device", "virtio-serial-device"));
    CHECK(has(argv, "-device", "virtio-net-device,netdev=net0"));
}

TEST_CASE("any other kernel gets a q35 with virtio on pci") {
    auto spec = example_spec();
    spec.kernel_has_pvh = false;
    auto argv = qemu_argv({}, spec);
    CHECK(has(argv, "-M", "q35"));
    CHECK_FALSE(has(argv, "-global"));
    CHECK(has(argv, "-device", "virtio-blk-pci,drive=disk0"));
    CHECK(has(argv, "-device", "virtio-net-pci,netdev=net0,romfile="));
}

TEST_CASE("nothing of the host's configuration reaches the machine") {
    auto argv = qemu_argv({}, example_spec());
    for (auto option : {"-nodefaults", "-no-user-config", "-no-reboot"}) {
        CHECK(has(argv, option));
    }
    CHECK(has(argv, "-display", "none"));
    CHECK(has(argv, "-sandbox",
              "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"));
    CHECK_FALSE(has(argv, "-monitor"));
    CHECK_FALSE(has(argv, "-qmp"));
}

TEST_CASE("disks keep their order, and the shared one is read-only") {
    auto argv = qemu_argv({}, example_spec());
    CHECK(has(argv, "-drive",
              "if=none,id=disk0,format=raw,discard=unmap,readonly=on,file=/images/rootfs.ext4"));
    CHECK(has(argv, "-drive",
              "if=none,id=disk1,format=raw,discard=unmap,readonly=off,"
              "file=/state/vms/0123456789ab/disk.ext4"));
    CHECK(place(argv, "virtio-blk-device,drive=disk0") <
          place(argv, "virtio-blk-device,drive=disk1"));
}

TEST_CASE("the agent's port dials the daemon's listener again and again") {
    auto argv = qemu_argv({}, example_spec());
    CHECK(has(argv, "-chardev",
              "socket,id=agent,reconnect=1,path=/run/b/vms/0123456789ab/vsock.sock_1024"));
    CHECK(has(argv, "-device", "virtserialport,chardev=agent,name=org.banger.agent.0"));
}

TEST_CASE("a comma in a path is no option of its own") {
    auto spec = example_spec();
    spec.disks = {{"/images/a,readonly=off,b.ext4", true}};
    auto argv = qemu_argv({}, spec);
    CHECK(has(argv, "-drive",
              "if=none,id=disk0,format=raw,discard=unmap,readonly=on,"
              "file=/images/a,,readonly=off,,b.ext4"));
}

TEST_CASE("only an emulated guest is told how fast the host's counter ticks") {
    QemuOptions options{.kvm = false, .tsc_khz = 2300000};
    CHECK(qemu_command_line(options, example_spec()) ==
          "console=ttyS0 quiet reboot=t pci=off tsc=reliable tsc_early_khz=2300000");
    CHECK(has(qemu_argv(options, example_spec()), "-accel", "tcg"));
    options.kvm = true;
    CHECK(qemu_command_line(options, example_spec()) == "console=ttyS0 quiet reboot=t pci=off");
    CHECK(has(qemu_argv(options, example_spec()), "-accel", "kvm"));
}

TEST_CASE("a vm without network has no network device") {
    auto spec = example_spec();
    spec.user_network = false;
    CHECK_FALSE(has(qemu_argv({}, spec), "-netdev"));
}

TEST_CASE("a directory too deep for a socket is refused with the way out") {
    CHECK_THROWS_WITH(guest_socket("/" + std::string(110, 'x')),
                      test::ContainsSubstring("XDG_RUNTIME_DIR"));
}
