#include "guest/vsock-agent/early_init.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>

#include "guest/vsock-agent/agent_info.hpp"
#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/guest_files.hpp"
#include "guest/vsock-agent/handover.hpp"
#include "guest/vsock-agent/modules.hpp"
#include "guest/vsock-agent/network.hpp"
#include "guest/vsock-agent/protocol.hpp"
#include "guest/vsock-agent/root_mount.hpp"
#include "guest/vsock-agent/settings.hpp"
#include "guest/vsock-agent/supervisor.hpp"
#include "guest/vsock-agent/system_mounts.hpp"

namespace banger::guest {
namespace {

constexpr rlim_t kMostFiles = 524'288;

Settings load_settings() {
    std::string text;
    const int failed = read_small_file(kSettingsPath, text);
    if (failed != 0) {
        give_up(std::string("cannot read ") + kSettingsPath +
                " in the initramfs: " + std::strerror(-failed));
    }
    Settings settings;
    std::string wrong;
    if (!parse_settings(text, settings, wrong)) give_up(std::string(kSettingsPath) + ": " + wrong);
    return settings;
}

// A guest without a clock chip starts in 1970; it cannot be earlier than the host was at power-on.
void set_clock(std::int64_t host_at_start_ns) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const std::int64_t host_now_ns = host_at_start_ns + boottime_ms() * 1'000'000;
    if (host_at_start_ns <= 0 || now.tv_sec >= host_at_start_ns / 1'000'000'000) return;
    const timespec time{host_now_ns / 1'000'000'000, host_now_ns % 1'000'000'000};
    ::clock_settime(CLOCK_REALTIME, &time);
}

// As systemd does: many files for those who ask, the customary soft limit for select().
void raise_limits() {
    const rlimit files{1024, kMostFiles};
    ::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

void run_early_init() {
    AgentInfo info;
    mount_kernel_file_systems();
    info.timeline.mark("init");
    const Settings settings = load_settings();
    set_clock(settings.realtime_ns);
    load_modules(settings.modules);
    info.timeline.mark("modules");
    enter_root(settings.disk_mode);
    mount_system_file_systems();
    info.timeline.mark("root");
    write_guest_files(settings);
    set_network_up(settings.network);
    info.timeline.mark("network");
    raise_limits();
    const Handover handover = choose_init(settings.init);
    info.exec = {settings.env, settings.working_dir};
    info.image_init = handover.image_init;
    info.systemd = handover.systemd;
    // Before the image's init, so that exec works while the image is still coming up, or does not.
    const int failed = start_agent(info);
    if (failed != 0) give_up(std::string("cannot start the agent: ") + std::strerror(-failed));
    hand_over(handover);
}

}  // namespace banger::guest
