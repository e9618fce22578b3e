#include "guest/vsock-agent/modules.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/fd.hpp"
#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {
namespace {

int load_module(const std::string& path) {
    Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file) return -errno;
    if (::syscall(SYS_finit_module, file.get(), "", 0) == 0 || errno == EEXIST) return 0;
    return -errno;
}

}  // namespace

void load_modules(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
        const int failed = load_module(std::string(kModulesDirectory) + "/" + file);
        if (failed == 0) continue;
        kernel_log("banger: cannot load the kernel module " + file + ": " + std::strerror(-failed));
    }
}

}  // namespace banger::guest
