#include "guest/vsock-agent/handover.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/reaper.hpp"

namespace banger::guest {
namespace {

constexpr char kInit[] = "/sbin/init";

bool resolves_to_systemd() {
    char* path = ::realpath(kInit, nullptr);
    if (path == nullptr) return false;
    const std::string resolved = path;
    std::free(path);
    return resolved.ends_with("/systemd") && ::access(kInit, X_OK) == 0;
}

// Without udev no device unit ever becomes active, and systemd would wait 90 s for the console's.
void mask_console_wait() {
    if (::access("/lib/systemd/systemd-udevd", X_OK) == 0) return;
    for (const char* directory : {"/run/systemd", "/run/systemd/system"})
        make_directory(directory);
    ::symlink("/dev/null", "/run/systemd/system/serial-getty@ttyS0.service");
    ::symlink("/dev/null", "/run/systemd/system/dev-ttyS0.device");
}

}  // namespace

Handover choose_init(InitChoice choice) {
    Handover handover;
    if (choice == InitChoice::banger) return handover;
    handover.systemd = resolves_to_systemd();
    handover.image_init = handover.systemd || choice == InitChoice::image;
    return handover;
}

void hand_over(const Handover& handover) {
    if (handover.systemd) mask_console_wait();
    if (handover.image_init) {
        char name[] = "/sbin/init";
        char* const argv[] = {name, nullptr};
        char term[] = "TERM=linux";
        char* const environment[] = {term, nullptr};
        ::execve(kInit, argv, environment);
        kernel_log(std::string("banger: cannot run the image's /sbin/init: ") +
                   std::strerror(errno) + "; banger's init takes its place");
    }
    run_as_init();
}

}  // namespace banger::guest
