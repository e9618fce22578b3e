#include "guest/vsock-agent/guest_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/files.hpp"

namespace banger::guest {
namespace {

bool is_symlink(const char* path) {
    struct stat status{};
    return ::lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

void put(const char* path, const std::string& content) {
    std::string there;
    if (read_small_file(path, there) == 0 && there == content) return;
    const int failed = write_small_file(path, content);
    if (failed != 0)
        kernel_log("banger: cannot write " + std::string(path) + ": " + std::strerror(-failed));
}

}  // namespace

void write_guest_files(const Settings& settings) {
    make_directory("/etc");
    if (!settings.hostname.empty()) {
        ::sethostname(settings.hostname.data(), settings.hostname.size());
        put("/etc/hostname", settings.hostname + "\n");
    }
    std::string hosts;
    read_small_file("/etc/hosts", hosts);
    put("/etc/hosts", updated_hosts(hosts, settings.hostname));
    if (!settings.network || settings.network->dns.empty()) return;
    // A link to systemd-resolved's or resolvconf's file, neither of which is in charge here.
    if (is_symlink("/etc/resolv.conf")) ::unlink("/etc/resolv.conf");
    put("/etc/resolv.conf", resolver_settings(*settings.network));
}

}  // namespace banger::guest
