#pragma once

#include <sys/stat.h>

#include "daemon/vm/backend.hpp"
#include "pipelines/io/atomic_file.hpp"

namespace banger::test {

inline vm::MachineSpec firecracker_spec() {
    vm::MachineSpec spec;
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

inline void write_program(const std::string& path, const std::string& script) {
    write_file_atomically(path, "#!/bin/sh\n" + script + "\n", 0755);
    ::chmod(path.c_str(), 0755);
}

}  // namespace banger::test
