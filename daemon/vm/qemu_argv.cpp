#include "daemon/vm/qemu_argv.hpp"

#include <fmt/format.h>

#include "daemon/vm/qemu_control.hpp"
#include "guest/vsock-agent/protocol.hpp"

namespace banger::vm {
namespace {

/// QEMU splits option values at commas; a doubled one stands for itself.
std::string escape(const std::string& value) {
    std::string out;
    for (char c : value) {
        out += c;
        if (c == ',') out += ',';
    }
    return out;
}

class Arguments {
  public:
    explicit Arguments(std::string binary) { words_.push_back(std::move(binary)); }
    void add(std::string option) { words_.push_back(std::move(option)); }
    void add(std::string option, std::string value) {
        words_.push_back(std::move(option));
        words_.push_back(std::move(value));
    }
    std::vector<std::string> take() && { return std::move(words_); }

  private:
    std::vector<std::string> words_;
};

void add_machine(Arguments& arguments, const QemuOptions& options, bool pci) {
    // Nothing from the host's configuration, no default device, no window, no monitor.
    arguments.add("-nodefaults");
    arguments.add("-no-user-config");
    arguments.add("-display", "none");
    // A guest that reboots ends its VMM: a reboot is an event, not a loop behind our back.
    arguments.add("-no-reboot");
    arguments.add("-M", pci ? "q35" : "microvm,x-option-roms=off");
    if (!pci) arguments.add("-global", "virtio-mmio.force-legacy=false");
    arguments.add("-accel", options.kvm ? "kvm" : "tcg");
    // `max` has what images built for x86-64-v3 need, where the default model stops at v1.
    arguments.add("-cpu", options.kvm ? "host" : "max");
    arguments.add("-sandbox",
                  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

void add_kernel(Arguments& arguments, const QemuOptions& options, const MachineSpec& spec) {
    arguments.add("-smp", std::to_string(spec.vcpu));
    arguments.add("-m", fmt::format("{}M", spec.memory_mib));
    arguments.add("-kernel", spec.kernel);
    arguments.add("-initrd", spec.initramfs);
    arguments.add("-append", qemu_command_line(options, spec));
}

void add_console(Arguments& arguments, const MachineSpec& spec) {
    // Appended to, so that the daemon may shorten the file under QEMU's hands (file_tail.hpp).
    arguments.add("-chardev", fmt::format("file,id=console,append=on,path={}",
                                          escape(spec.log_directory + "/serial.log")));
    arguments.add("-serial", "chardev:console");
}

void add_agent_port(Arguments& arguments, const MachineSpec& spec, const std::string& bus) {
    // QEMU is the client: it dials the daemon's listener, and again each second when that restarts.
    arguments.add("-chardev", fmt::format("socket,id=agent,reconnect=1,path={}",
                                          escape(guest_socket(spec.directory))));
    arguments.add("-device", "virtio-serial-" + bus);
    arguments.add("-device", fmt::format("virtserialport,chardev=agent,name={}", guest::kPortName));
}

void add_control(Arguments& arguments, const MachineSpec& spec) {
    arguments.add("-chardev", fmt::format("socket,id=control,server=on,wait=off,path={}",
                                          escape(qmp_socket(spec.directory))));
    arguments.add("-mon", "chardev=control,mode=control");
}

void add_disks(Arguments& arguments, const MachineSpec& spec, const std::string& bus) {
    for (std::size_t i = 0; i < spec.disks.size(); ++i) {
        const auto& disk = spec.disks[i];
        arguments.add("-drive",
                      fmt::format("if=none,id=disk{},format=raw,discard=unmap,readonly={},file={}",
                                  i, disk.read_only ? "on" : "off", escape(disk.path)));
        arguments.add("-device", fmt::format("virtio-blk-{},drive=disk{}", bus, i));
    }
}

void add_network(Arguments& arguments, const QemuOptions& options, const std::string& bus) {
    arguments.add("-netdev", options.network
                                 ? fmt::format("stream,id=net0,server=off,addr.type=fd,addr.str={}",
                                               kSocketDescriptor)
                                 : "user,id=net0");
    arguments.add("-device",
                  "virtio-net-" + bus + ",netdev=net0" + (bus == "pci" ? ",romfile=" : ""));
}

}  // namespace

std::vector<std::string> qemu_argv(const QemuOptions& options, const MachineSpec& spec) {
    bool pci = qemu_uses_pci(spec.kernel_has_pvh);
    const std::string bus = pci ? "pci" : "device";
    Arguments arguments(options.binary);
    arguments.add("-name", "banger-" + spec.id);
    add_machine(arguments, options, pci);
    add_kernel(arguments, options, spec);
    add_console(arguments, spec);
    add_agent_port(arguments, spec, bus);
    add_control(arguments, spec);
    add_disks(arguments, spec, bus);
    // Without it a guest waits seconds for its random numbers.
    arguments.add("-device", "virtio-rng-" + bus);
    if (spec.user_network) add_network(arguments, options, bus);
    return std::move(arguments).take();
}

std::string qemu_command_line(const QemuOptions& options, const MachineSpec& spec) {
    // reboot=t: a triple fault is the one way to power off that every machine type has.
    auto line = spec.command_line + " reboot=t";
    // Or the kernel calls the lack of PCI fatal, on the console that a failed boot shows.
    if (!qemu_uses_pci(spec.kernel_has_pvh)) line += " pci=off";
    // An emulated microvm has no clock to measure the counter with; without its frequency it hangs
    // half the time, with a wrong one its clock runs wrong. The counter is the host's own: a kernel
    // that checks it against ticks, which a busy host loses, would take the worse clock.
    if (!options.kvm && options.tsc_khz) {
        line += fmt::format(" tsc=reliable tsc_early_khz={}", *options.tsc_khz);
    }
    return line;
}

}  // namespace banger::vm
